"""Reports and erasures in any order: what is left is what a plain model of them leaves."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from service.domain.query import Selection
from service.domain.record import Record, record_of
from service.domain.report import Report
from service.models.requests import EraseRequest
from service.models.selections import selection_to_erase
from service.store.erasure import erase
from service.store.script_types import Erasure
from tests.backends import Backend, Bench, open_store
from tests.factories import STAMPS_US, examples, reports

pytestmark = pytest.mark.timeout(180)

_NUMBERS = st.sampled_from(["919876543210", "9876543210", "449876543210", "123456", "us.b"])
_NAMES = st.sampled_from(["a", "B", "é", "x:y"])
erasures = (
    st.builds(EraseRequest, recipient_id=_NUMBERS)
    | st.builds(EraseRequest, guest_id=_NAMES)
    | st.builds(EraseRequest, event_id=_NAMES)
    | st.builds(EraseRequest, template_name=_NAMES)
    | st.builds(EraseRequest, campaign_id=_NAMES)
    | st.builds(EraseRequest, phone_number_id=_NAMES)
)
sweeps = STAMPS_US.map(lambda stamp_us: stamp_us + 1)
"""By when the messages were created that have grown old."""

Step = Report | EraseRequest | int


class Model:
    """What messages there are, by the reports on each, and which are gone for good."""

    def __init__(self) -> None:
        self.known: dict[str, list[Report]] = {}
        self.gone: set[str] = set()

    def take(self, step: Step) -> None:
        if isinstance(step, Report):
            if step.wamid not in self.gone:
                self.known.setdefault(step.wamid, []).append(step)
        elif isinstance(step, EraseRequest):
            self.gone |= self._remove(w for w, r in self.records().items() if is_meant(step, r))
        else:
            self._remove(w for w, r in self.records().items() if int(r.created_us) < step)

    def _remove(self, wamids: Iterable[str]) -> set[str]:
        removed = set(wamids)
        for wamid in removed:
            del self.known[wamid]
        return removed

    def records(self) -> dict[str, Record]:
        return {wamid: record_of(some) for wamid, some in self.known.items()}


def is_meant(request: EraseRequest, record: Record) -> bool:
    if not request.recipient_id:
        [(field, value)] = ((f, v) for f, v in asdict(request).items() if v)
        return bool(getattr(record, field) == value)
    return request.recipient_id in recipients_of(record)


def recipients_of(record: Record) -> set[str]:
    """All by which a message's recipient is named; the numbers below have no second form."""
    ids = record.user_id, record.parent_user_id
    return {record.recipient_id, record.metas_recipient_id, *ids} - {""}


def ends_alike(request: EraseRequest, record: Record) -> bool:
    asked, known = str(request.recipient_id or ""), recipients_of(record)
    if asked in known or not asked.isdigit() or len(asked) < 10:
        return False
    return any(each[-10:] == asked[-10:] for each in known)


async def do(bench: Bench, step: Step) -> None:
    if isinstance(step, Report):
        await bench.merge(step)
    elif isinstance(step, EraseRequest):
        done = await erase(bench.store, selection_to_erase(step))
        everything = await bench.store.page(Selection([("all", "")]), 200)
        alike = [record for record in everything.records if ends_alike(step, record)]
        assert (done.complete, done.ends_alike) == (True, len(alike))
    else:
        await sweep(bench, step)


async def sweep(bench: Bench, before_us: int) -> None:
    for partition in range(bench.partitions):
        if not (ids := await bench.store.oldest(partition, before_us)):
            continue
        erasure = Erasure([(each, "") for each in ids], "all", before_us=str(before_us))
        assert await bench.store.remove(partition, erasure, "retention") == len(ids)


@examples
@given(steps=st.lists(st.one_of(reports, reports, reports, erasures, sweeps), max_size=40))
def test_what_is_erased_stays_gone_and_the_rest_is_whole(
    backend: Backend, steps: list[Step]
) -> None:
    model = Model()
    for step in steps:
        model.take(step)

    async def scenario() -> tuple[list[Record], int]:
        async with open_store(backend) as bench:
            for step in steps:
                await do(bench, step)
            return await bench.check_invariants(), len(await bench.tombs())

    records, tombs = asyncio.run(scenario())
    assert {record.wamid: record for record in records} == model.records()
    assert tombs == len(model.gone)


@examples
@given(
    steps=st.lists(st.one_of(reports, reports, reports, erasures), max_size=60),
    last=st.lists(reports, max_size=20),
)
def test_all_at_once(backend: Backend, steps: list[Step], last: list[Report]) -> None:
    """In whatever order they come to be done: the invariants hold, and what went stays gone."""

    async def one(bench: Bench, step: Step) -> None:
        if isinstance(step, Report):
            await bench.store.write([step])
        elif isinstance(step, EraseRequest):
            await erase(bench.store, selection_to_erase(step))

    async def scenario() -> None:
        async with open_store(backend) as bench:
            await asyncio.gather(*(one(bench, step) for step in steps))
            await bench.check_invariants()
            gone = await bench.tombs()
            await asyncio.gather(*(one(bench, step) for step in last))
            await bench.check_invariants()
            assert await bench.tombs() == gone

    asyncio.run(scenario())
