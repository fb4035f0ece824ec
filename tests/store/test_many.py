"""Many hashes in one write: their replies on every backend."""

from redis import exceptions as faults

from service.backends.server import MAX_PIPELINED
from service.store.keys import message_key, tag_of
from tests.backends import Bench, soon_s

TAG = tag_of(0)
NUMBER = 2 * MAX_PIPELINED + 50


async def test_each_reply_stands_in_its_place(store: Bench) -> None:
    """More commands than go out at once; of two kinds, and some of keys that are not there."""
    keys = [message_key(TAG, f"{number:022}") for number in range(NUMBER)]
    for number, key in enumerate(keys):
        if number % 3:
            await store.execute(TAG, "HSET", key, "status", "sent", "wamid", f"ü{number}")
    fields = ((), ("wamid", "none"))
    reads = [(fields[number % 2], key) for number, key in enumerate(keys)]
    replies = await store.server.read_hashes(soon_s(), TAG, reads)
    assert replies == [_expected(number) for number in range(NUMBER)]


def _expected(number: int) -> list[str | None]:
    wamid = f"ü{number}"
    if number % 2:
        return [wamid if number % 3 else None, None]
    return ["status", "sent", "wamid", wamid] if number % 3 else []


async def test_none_are_no_trip(store: Bench) -> None:
    assert await store.server.read_hashes(soon_s(), TAG, []) == []


async def test_an_odd_key_hides_none_of_the_others(store: Bench) -> None:
    odd, even = (message_key(TAG, name) for name in ("odd", "even"))
    await store.execute(TAG, "SET", odd, "no hash")
    await store.execute(TAG, "HSET", even, "status", "sent")
    reads = [((), odd), ((), even), (("status",), odd), ((), even)]
    replies = await store.server.read_hashes(soon_s(), TAG, reads)
    assert replies[1::2] == [["status", "sent"]] * 2
    assert all(type(reply) is faults.ResponseError for reply in replies[::2])
    assert store.server.tries_lost == 0
