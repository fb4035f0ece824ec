"""The rules of the record, on every backend against the oracle in `service.domain.report`."""

import asyncio
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.identity import partition_of
from service.domain.record import Record, record_of
from service.domain.report import Report, Status
from tests.backends import Backend, expected_records, open_store, soon_s
from tests.factories import examples, reports, send_report, status_report

pytestmark = pytest.mark.timeout(180)


async def merged_one_by_one(backend: Backend, some: list[Report]) -> dict[str, Record]:
    """The records after these reports came alone, one after the other."""
    async with open_store(backend) as bench:
        await bench.merge(*some)
        return {record.wamid: record for record in await bench.check_invariants()}


@examples
@given(some=st.lists(reports, min_size=1, max_size=25))
def test_the_record_is_what_the_oracle_says(backend: Backend, some: list[Report]) -> None:
    assert asyncio.run(merged_one_by_one(backend, some)) == expected_records(some)


@examples
@given(some=st.lists(reports, min_size=1, max_size=40), data=st.data())
def test_batches_and_repetitions_change_nothing(
    backend: Backend, some: list[Report], data: st.DataObject
) -> None:
    """The same reports in batches of any cut, some of them again later.

    But for `metas_recipient_id`, where track-sends name different recipients: what one of them
    replaced comes back with a status that is repeated.
    """
    again = data.draw(st.lists(st.sampled_from(some), max_size=10))
    cut = data.draw(st.integers(1, 10))

    async def scenario() -> dict[str, Record]:
        async with open_store(backend) as bench:
            for partition in range(backend.partitions):
                mine = [
                    report
                    for report in some + again
                    if partition_of(report.wamid, backend.partitions) == partition
                ]
                for start in range(0, len(mine), cut):
                    await bench.scripts.merge(partition, mine[start : start + cut], soon_s())
            return {record.wamid: record for record in await bench.check_invariants()}

    found = asyncio.run(scenario())
    assert found == {
        wamid: record._replace(metas_recipient_id=found[wamid].metas_recipient_id)
        if has_several_recipients(some, wamid)
        else record
        for wamid, record in expected_records(some).items()
    }


def has_several_recipients(some: list[Report], wamid: str) -> bool:
    """Whether track-sends name different recipients."""
    return len({r.context.recipient_id for r in some if r.context and r.wamid == wamid}) > 1


@examples
@given(some=st.lists(reports, min_size=2, max_size=25), data=st.data())
def test_any_order_gives_one_record(
    backend: Backend, some: list[Report], data: st.DataObject
) -> None:
    """All but `created_us`, which is fixed by the report that came first.

    And but `metas_recipient_id`, where track-sends name different recipients.
    """
    shuffled = data.draw(st.permutations(some))
    found = asyncio.run(merged_one_by_one(backend, shuffled))
    first = {report.wamid: report.received_us for report in reversed(shuffled)}
    assert found.keys() == first.keys()
    for wamid, record in expected_records(some).items():
        expected = record._replace(created_us=str(first[wamid]))
        if has_several_recipients(some, wamid):
            expected = expected._replace(metas_recipient_id=found[wamid].metas_recipient_id)
        assert found[wamid] == expected


@examples
@given(some=st.lists(reports, min_size=1, max_size=60))
def test_concurrent_reports_give_one_record(backend: Backend, some: list[Report]) -> None:
    """Through group commit, all at once."""

    async def scenario() -> list[Record]:
        async with open_store(backend) as bench:
            await asyncio.gather(*(bench.store.write([report]) for report in some))
            return await bench.check_invariants()

    found = {record.wamid: record for record in asyncio.run(scenario())}
    assert found == expected_records(some)


def test_every_sequence_of_statuses(backend: Backend) -> None:
    """All orders of up to four statuses, each twice at most, with and without a track-send."""
    sequences = [
        sequence
        for length in (1, 2, 3, 4)
        for sequence in product(Status, repeat=length)
        if max(map(sequence.count, sequence)) < 3
    ]

    async def scenario() -> None:
        async with open_store(backend) as bench:
            sent: list[Report] = []
            for number, sequence in enumerate(sequences):
                wamid = f"wamid.{number}"
                some = [
                    status_report(status, wamid=wamid, at_s=7 * place % 5)
                    for place, status in enumerate(sequence)
                ]
                if number % 2:
                    some.insert(number % len(some), send_report(wamid=wamid, event_id="e"))
                sent += some
                await asyncio.gather(*(bench.store.write([report]) for report in some))
            found = {record.wamid: record for record in await bench.check_invariants()}
            assert found == expected_records(sent)

    asyncio.run(scenario())


def test_three_track_sends_in_any_order_give_one_context() -> None:
    """The oracle itself: what a send doesn't name stays from the latest that does."""
    sends = [
        send_report(received_us=1_700_000_000_000_001, guest_name="first", event_id="e1"),
        send_report(received_us=1_700_000_000_000_002, guest_name="second"),
        send_report(received_us=1_700_000_000_000_003, event_id="e3"),
    ]
    for order in permutations(sends):
        record = record_of(order)
        assert (record.guest_name, record.event_id) == ("second", "e3")
