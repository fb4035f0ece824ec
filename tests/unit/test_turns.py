"""How much of a request is read before others have their turn."""

import asyncio

import pytest

from service.api.batches import MOST_A_TURN, MOST_BYTES_A_TURN, in_turns
from service.errors import TooManyParts
from service.models.decoding import MOST_PARTS, check_parts, parts_of


@pytest.mark.parametrize(
    ("bodies", "turns"),
    [
        ([], []),
        ([b"{}"] * MOST_A_TURN, [MOST_A_TURN]),
        ([b"{}", None] * MOST_A_TURN, [MOST_A_TURN] * 2),
        ([bytes(MOST_BYTES_A_TURN // 2)] * 3, [2, 1]),
        ([bytes(10 * MOST_BYTES_A_TURN)] * 2 + [b"{}"], [1, 1, 1]),
    ],
)
async def test_others_have_a_turn_after_so_many_bodies_or_bytes(
    bodies: list[bytes | None], turns: list[int]
) -> None:
    others = 0

    async def count() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    seen, read = list[int](), list[bytes | None]()
    async for some in in_turns(bodies):
        assert others >= len(seen)  # they had as many as there were pauses
        seen.append(len(some))
        read += some
    counting.cancel()
    assert seen == turns
    assert read == bodies


def test_parts_are_commas_opening_brackets_and_halves() -> None:
    assert parts_of(b'{"a":[1,2],"b":"\\ud83d\\u0041"}') == 4
    assert parts_of(b'"' + b"\\ud83d" * 8 + b'"') == 2
    check_parts(b"," * MOST_PARTS)
    with pytest.raises(TooManyParts, match="100,000"):
        check_parts(b"," * (MOST_PARTS + 1))
