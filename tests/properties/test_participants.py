"""Participants of groups' messages, on every backend against the oracle of `service.domain`."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.domain.identity import partition_of
from service.domain.record import Participant, Record, record_of
from service.domain.report import Extras, Report
from tests.backends import Backend, expected_participants, open_store, soon_s
from tests.factories import PARTICIPANTS, examples, reports

pytestmark = pytest.mark.timeout(180)


def naming(report: Report, participant_id: str) -> Report:
    """The report, about this participant if it is a status."""
    return (
        report if report.context else replace(report, extras=Extras(participant_id=participant_id))
    )


NAMING = st.builds(naming, reports, st.just("") | PARTICIPANTS)


@examples
@given(some=st.lists(NAMING, min_size=1, max_size=25), data=st.data())
def test_any_order_batch_and_repetition_gives_the_same(
    backend: Backend, some: list[Report], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(some), max_size=10))
    merged = data.draw(st.permutations(some + again))
    cut = data.draw(st.integers(1, 10))

    async def scenario() -> tuple[list[Record], dict[str, list[Participant]]]:
        async with open_store(backend) as bench:
            for partition in range(backend.partitions):
                mine = [r for r in merged if partition_of(r.wamid, backend.partitions) == partition]
                for start in range(0, len(mine), cut):
                    await bench.scripts.merge(partition, mine[start : start + cut], soon_s())
            records = await bench.check_invariants()
            return records, {r.wamid: await bench.participants(r.wamid) for r in records}

    records, participants = asyncio.run(scenario())
    assert participants == expected_participants(some)
    for record in records:
        of_it = [report for report in merged if report.wamid == record.wamid]
        assert record == record_of(of_it)
