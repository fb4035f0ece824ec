"""A record as a line of JSON: whole, readable, and refused when it is no record of ours."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.commands.record_lines import RecordLine, line_of, reports_of_line
from service.domain.record import Record, participants_of, receipts_of, record_of
from service.domain.report import Context, Extras, Report, Status
from service.errors import BadRequest
from service.models.pricing import pricing_fields_of
from tests.factories import BASE_US, reports, send_report, status_report

PRICINGS: list[dict[str, Any]] = [
    {},
    {"billable": True, "category": "utility", "pricing_model": "PMP", "type": "regular"},
    {"billable": False, "category": "x\x7f\n", "z": [0.1, None], "A": {"b": ""}},
    {"billable": None, "category": "", "pricing_model": 7, "type": ["regular"]},
]
ANY = reports.filter(lambda report: report.wamid == "wamid.A")


def content(**fields: Any) -> dict[str, Any]:
    """A message that was sent, failed with an error, and was tracked twice."""
    some = [
        send_report(received_us=BASE_US + 1, guest_name='=1+1, "Jö"'),
        send_report(received_us=BASE_US + 2, event_id="e"),
        status_report(Status.FAILED, received_us=BASE_US, error_code="1", error_message="m"),
    ]
    found: dict[str, Any] = json.loads(line_of(record_of(some)))
    return {name: value for name, value in (found | fields).items() if value is not None}


def refusal(line: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        reports_of_line(json.dumps(line).encode())
    return caught.value


@given(some=st.lists(ANY, min_size=1, max_size=8))
def test_a_record_comes_back_whole(some: list[Report]) -> None:
    record, participants = without_pricing(record_of(some)), participants_of(some)
    read = reports_of_line(line_of(record, participants))
    assert (record_of(read), participants_of(read)) == (record, participants)


def without_pricing(record: Record) -> Record:
    """The factories give all fields any text, and these are parts of an object."""
    known = record._asdict()
    return Record(**{name: known[name] for name in known if not name.startswith("pricing")})


@pytest.mark.parametrize("pricing", PRICINGS, ids=str)
def test_pricing_is_an_object_and_comes_back_as_it_was_kept(pricing: dict[str, Any]) -> None:
    extras = Extras(user_id="u", **pricing_fields_of(pricing))
    record = record_of([replace(status_report(Status.SENT), extras=extras)])
    line = line_of(record)
    assert json.loads(line).get("pricing", {}) == pricing
    assert record_of(reports_of_line(line)) == record


def test_every_field_of_a_record_has_its_place() -> None:
    own = {
        "created_us": "created_at",
        "tracked_us": "tracked_at",
        **{f"{name}_us": "tracked_at_of" for name in Context.__struct_fields__},
        **{f"{status}_received_ms": "received_at_of" for status in Status},
        **{name: "pricing" for name in Record._fields if name.startswith("pricing")},
    }
    fields = set(Record._fields) - {"version"}  # which another store counts anew
    expected = {own.get(name, name.replace("_ms", "_at")) for name in fields}
    assert set(RecordLine.__struct_fields__) == expected | {"record", "participant_id"}


def test_a_line_reads_well() -> None:
    assert content() == {
        "record": 1,
        "wamid": "wamid.A",
        "status": "failed",
        "created_at": "2023-11-14T22:13:20.000001Z",
        "sent_at": "2023-11-14T22:13:20Z",
        "failed_at": "2023-11-14T22:13:20Z",
        "error_at": "2023-11-14T22:13:20Z",
        "error_code": "1",
        "error_message": "m",
        "tracked_at": "2023-11-14T22:13:20.000002Z",
        "tracked_at_of": {"guest_name": "2023-11-14T22:13:20.000001Z"},
        "received_at_of": {"sent": "2023-11-14T22:13:20Z", "failed": "2023-11-14T22:13:20Z"},
        "recipient_id": "919876543210",
        "event_id": "e",
        "guest_name": '=1+1, "Jö"',
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"record": 2}, "record"),
        ({"record": None}, "record"),
        ({"wamid": ""}, "wamid"),
        ({"wamid": "w" * 257}, "wamid"),
        ({"status": "seen"}, "status"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": "1970-01-01T00:00:00Z"}, "created_at"),
        ({"sent_at": "2023-13-14T22:13:20Z"}, "sent_at"),
        ({"sent_at": 1700000000}, "sent_at"),
        ({"guest_name": "a\x1fb"}, "guest_name"),
        ({"tracked_at_of": {"wamid": "2023-11-14T22:13:20.000001Z"}}, "tracked_at_of"),
        ({"tracked_at_of": {"guest_name": "x"}}, "tracked_at_of"),
        ({"received_at_of": {"seen": "2023-11-14T22:13:20Z"}}, "received_at_of"),
        ({"received_at_of": {"sent": "x"}}, "received_at_of"),
    ],
)
def test_what_no_record_can_hold_is_refused(change: dict[str, Any], field: str) -> None:
    error = refusal(content(**change))
    assert error.field == field
    assert field in error.sentence


@pytest.mark.parametrize(
    "change",
    [
        {"status": "read"},
        {"created_at": ""},
        {"failed_at": None},
        {"error_at": "2022-11-14T22:13:20Z"},
        {"error_code": "", "error_message": ""},
        {"tracked_at": None},
        {"tracked_at_of": {"event_id": "2024-11-14T22:13:20.000001Z"}},
        {"received_at_of": {"sent": "2024-11-14T22:13:20Z", "failed": "2024-11-14T22:13:20Z"}},
    ],
)
def test_parts_that_no_reports_can_have_made_are_refused(change: dict[str, Any]) -> None:
    assert "don't fit together" in refusal(content(**change)).sentence


def test_the_same_line_unchanged_is_taken() -> None:
    assert record_of(reports_of_line(json.dumps(content()).encode())).guest_name == '=1+1, "Jö"'


@given(some=st.lists(ANY, min_size=1, max_size=8))
def test_every_older_line_is_taken(some: list[Report]) -> None:
    """Also of a message that a status made known here before its earlier track-send was merged."""
    record = without_pricing(record_of(some))
    older = json.loads(line_of(record, participants_of(some)))
    older.pop("received_at_of", None)
    read = record_of(reports_of_line(json.dumps(older).encode()))
    receipts = {f"{s}_received_ms": getattr(record, f"{s}_received_ms") for s in Status}
    assert read._replace(**receipts) == record


def test_an_older_line_was_received_when_the_first_report_was() -> None:
    older = json.dumps(content(received_at_of=None)).encode()
    time_ms = str(BASE_US // 1000)
    assert receipts_of(record_of(reports_of_line(older))) == {"sent": time_ms, "failed": time_ms}
