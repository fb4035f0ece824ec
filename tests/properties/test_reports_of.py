"""A record taken apart into reports is the same record again, in Python and on every backend."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.domain.identity import partition_of
from service.domain.record import Participant, Record, participants_of, record_of
from service.domain.report import Outcome, Report, Status
from service.domain.reports_of_record import reports_of
from tests.backends import (
    Backend,
    expected_participants,
    expected_records,
    open_store,
    soon_s,
)
from tests.factories import BASE_US, examples, reports, send_report, status_report, tried

pytestmark = pytest.mark.timeout(180)

of_one_message = reports.filter(lambda report: report.wamid == "wamid.A")


@tried(2)
@given(some=st.lists(of_one_message, min_size=1, max_size=12))
def test_a_record_is_its_reports(some: list[Report]) -> None:
    record = record_of(some)
    participants = participants_of(some)
    apart = reports_of(record, participants)
    for each in (apart, some + apart):
        assert (record_of(each), participants_of(each)) == (record, participants)
    assert len(apart) <= 2 * (len(some) + len(participants)) + 1


@given(some=st.lists(of_one_message, min_size=1, max_size=6), statuses=st.data())
def test_a_context_may_come_with_any_status(some: list[Report], statuses: st.DataObject) -> None:
    """As an import has it of a message whose sent time nobody kept."""
    for place, report in enumerate(some):
        status = statuses.draw(st.sampled_from(Status))
        fields = {name: getattr(report, name) for name in Report.__struct_fields__}
        some[place] = Report(**(fields | {"status": status}))
    assert record_of(reports_of(record_of(some), participants_of(some))) == record_of(some)


@examples
@given(some=st.lists(reports, min_size=1, max_size=25))
def test_every_backend_makes_the_record_of_them(backend: Backend, some: list[Report]) -> None:
    """In an empty store; in one that has the messages they change nothing."""
    wanted, named = expected_records(some), expected_participants(some)
    apart = [each for wamid, record in wanted.items() for each in reports_of(record, named[wamid])]

    async def scenario() -> tuple[dict[str, Record], dict[str, list[Participant]]]:
        async with open_store(backend) as bench:
            await bench.merge(*some)
            for report in apart:
                partition = partition_of(report.wamid, backend.partitions)
                [merged] = await bench.scripts.merge(partition, [report], soon_s())
                assert merged.outcome is Outcome.UNCHANGED
        async with open_store(backend) as bench:
            await bench.merge(*apart)
            found = {record.wamid: record for record in await bench.check_invariants()}
            return found, {wamid: await bench.participants(wamid) for wamid in found}

    assert asyncio.run(scenario()) == (wanted, named)


def test_each_field_of_the_context_keeps_its_stamp() -> None:
    """So that a send received between the two finds what it may replace."""
    first = send_report(received_us=BASE_US + 1, guest_name="first", event_id="e1")
    last = send_report(received_us=BASE_US + 5, event_id="e2")
    record = record_of([first, last])
    between = send_report(received_us=BASE_US + 3, guest_name="between", event_id="e3")
    for some in ([first, last], reports_of(record)):
        found = record_of([*some, between])
        assert (found.guest_name, found.event_id) == ("between", "e2")


def test_a_status_that_no_report_can_have_made_is_refused() -> None:
    record = record_of([status_report(Status.SENT)])
    with pytest.raises(ValueError, match="never reported"):
        reports_of(record._replace(status=Status.READ))


def test_a_failure_with_a_context_keeps_its_error() -> None:
    """As an import has it of a message of which only the failure is known."""
    tracked = replace(send_report(guest_id="g"), status=Status.FAILED, error_code="131026")
    record = record_of([tracked])
    assert record.sent_ms == ""
    assert record_of(reports_of(record)) == record
