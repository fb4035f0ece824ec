"""The counts of error codes add up, whatever codes there are and however few fields."""

import asyncio
from collections import Counter
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.identity import partition_of
from service.domain.query import Selection
from service.domain.record import Record
from service.domain.report import Report, Status
from service.store import rules
from service.store.erasure import erase
from service.store.keys import tag_of
from service.store.script_types import Erasure
from tests.backends import Backend, Bench, open_store
from tests.factories import BASE_MS, examples, send_report, status_report
from tests.stats_oracle import code_of, only

pytestmark = pytest.mark.timeout(180)

FEW = 6
"""How many fields a hash of counters may have before new codes count as other."""

_codes = st.sampled_from(["", "1", "2", "3", "44", "55", "131026", "1234567", "word", "other"])
_wamids = st.integers(0, 15).map(lambda number: f"wamid.{number}")
_failures = st.builds(
    status_report,
    st.just(Status.FAILED),
    wamid=_wamids,
    at_s=st.integers(0, 3),
    error_code=_codes,
)
_sends = st.builds(send_report, wamid=_wamids, event_id=st.sampled_from(["a", "b"]))
_batches = st.lists(st.one_of(_failures, _failures, _sends), max_size=8)
_steps = st.lists(_batches | st.sampled_from(["a", "b"]), max_size=12)


async def check_codes(bench: Bench, records: list[Record]) -> None:
    """In each partition, a code's count plus its part of `other` equals its messages."""
    for partition in range(bench.partitions):
        tag = tag_of(partition)
        mine = [each for each in records if partition_of(each.wamid, bench.partitions) == partition]
        for dimension, value in [("all", ""), ("event", "a"), ("event", "b")]:
            some = [each for each in only(mine, dimension, value) if each.error_code]
            codes = Counter(map(code_of, some))
            name = f"{tag}:count:{dimension}" + (f":{value}" if value else "")
            flat = await bench.execute(tag, "HGETALL", name)
            held = (
                flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
            )
            fields = {field.decode(): int(number) for field, number in held}
            counted = {
                field.removeprefix("error:"): number
                for field, number in fields.items()
                if field.startswith("error:")
            }
            assert all(number > 0 for number in fields.values())
            assert sum(counted.values()) == sum(codes.values())
            assert all(counted[code] <= codes[code] for code in counted if code != "other")
            assert counted.get("131026", 0) == codes["131026"]
            assert len(fields) <= FEW + 5


@examples
@given(steps=_steps)
def test_numbers_of_codes_add_up_where_there_is_room_for_a_few(
    backend: Backend, steps: list[list[Report] | str]
) -> None:
    """Batches fail messages, move them, and give them an earlier error; events are erased."""

    async def scenario() -> None:
        async with open_store(backend) as bench:
            for step in steps:
                if isinstance(step, str):
                    await erase(bench.store, Selection([("event", step)]))
                else:
                    await bench.store.write(step)
                page = await bench.store.page(Selection([("all", "")]), 200)
                await check_codes(bench, page.records)
                stats = await bench.store.stats("all", "", BASE_MS)
                assert sum(stats.errors.values()) == stats.statuses[Status.FAILED]
            for partition in range(bench.partitions):
                while ids := await bench.store.oldest(partition, 2 * 10**16):
                    erasure = Erasure([(each, "") for each in ids], "all")
                    await bench.store.remove(partition, erasure, "retention")
            assert not [key for key in await bench.contents() if ":count:" in key]

    with patch.object(rules, "MOST_CODES", FEW):
        asyncio.run(scenario())
