"""Rows of somebody else's table: what they report, by the rules of the API."""

from typing import Any

import pytest

from service.commands.foreign_rows import FIELDS, Table
from service.domain.record import Record, record_of
from service.domain.report import Report, Status
from service.errors import BadRequest
from tests.factories import BASE_MS

NOW_US = (BASE_MS + 86_400_000) * 1_000
SENT = "2023-11-14T22:13:20Z"  # BASE_MS
LATER = "2023-11-14T22:14:20+00"
ROW = {"wamid": "wamid.A", "recipient_id": "+91 98765-43210", "sent_at": SENT}


def table(
    columns: dict[str, str] | None = None,
    statuses: dict[str, str] | None = None,
    defaults: dict[str, str] | None = None,
) -> Table:
    return Table(
        columns=columns or {}, statuses=statuses or {}, defaults=defaults or {}, now_us=NOW_US
    )


def reports(row: dict[str, Any], read_by: Table | None = None) -> list[Report]:
    return (read_by or table()).reports(tuple(row), list(row.values()))


def record(row: dict[str, Any], read_by: Table | None = None) -> Record:
    return record_of(reports(row, read_by))


def refusal(row: dict[str, Any], read_by: Table | None = None) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        reports(row, read_by)
    return caught.value


def test_each_time_is_a_status_reached_then() -> None:
    found = record(ROW | {"read_at": LATER, "delivered_at": ""})
    assert found.status is Status.READ
    assert found.sent_ms == str(BASE_MS)
    assert found.read_ms == str(BASE_MS + 60_000)
    assert found.delivered_ms == ""
    assert found.recipient_id == "919876543210"
    assert found.tracked_us == ""


def test_a_read_message_whose_sent_time_nobody_kept() -> None:
    row = {"wamid": "w", "status": "read", "read_at": LATER, "recipient_id": "919876543210"}
    found = record(row | {"event_id": "e"})
    assert (found.status, found.sent_ms, found.event_id) == ("read", "", "e")
    assert found.created_us[:-3] == found.read_ms == str(BASE_MS + 60_000)


@pytest.mark.parametrize(
    ("given", "field", "reached_ms"),
    [
        ({"status_at": LATER}, "delivered_ms", BASE_MS + 60_000),
        ({}, "delivered_ms", BASE_MS),
        ({"delivered_at": LATER}, "delivered_ms", BASE_MS + 60_000),
        ({"sent_at": None, "created_at": LATER}, "delivered_ms", BASE_MS + 60_000),
        ({"read_at": LATER}, "delivered_ms", BASE_MS + 60_000),
    ],
)
def test_a_status_without_its_time_has_the_best_there_is(
    given: dict[str, Any], field: str, reached_ms: int
) -> None:
    assert getattr(record(ROW | {"status": "delivered"} | given), field) == str(reached_ms)


def test_a_row_without_any_time_is_refused() -> None:
    assert refusal({"wamid": "w", "status": "read"}).field == "status"
    assert refusal({"wamid": "w"}).field == "status"


def test_a_failure_has_its_error_and_other_statuses_have_none() -> None:
    error = {"error_code": 131026, "error_message": "Undeliverable", "error_href": "http://x"}
    failed = record(ROW | error | {"failed_at": LATER})
    assert (failed.error_code, failed.error_message) == ("131026", "Undeliverable")
    assert (failed.error_href, failed.status) == ("http://x", "failed")
    assert record(ROW | error | {"read_at": LATER}).error_code == ""


def test_columns_statuses_and_defaults() -> None:
    read_by = table(
        {"wamid": "message_id", "sent_at": "sent_time", "status": "state", "recipient_id": "to"},
        {"SEEN": "read", "queued": ""},
        {"event_id": "e-1", "template_name": "t"},
    )
    row = {"message_id": "w", "sent_time": SENT, "to": "919876543210", "template_name": "own"}
    found = record(row | {"state": "SEEN"}, read_by)
    assert (found.wamid, found.status, found.event_id) == ("w", "read", "e-1")
    assert found.template_name == "own"
    assert record(row | {"state": "queued"}, read_by).status is Status.SENT
    assert refusal(row | {"state": "DELIVERED"}, read_by).field == "status"


def test_the_created_time_is_the_sent_time_and_the_same_every_time() -> None:
    rows = [ROW | {"wamid": f"wamid.{n}", "delivered_at": "2023-11-14T22:13:10Z"} for n in range(9)]
    created = [record(row).created_us for row in rows]
    assert created == [record(row).created_us for row in rows]
    assert {text[:-3] for text in created} == {str(BASE_MS)}
    assert len(set(created)) > 7  # of one ms, and yet in an order
    own = record(ROW | {"created_at": "2023-11-14T22:13:09Z"}).created_us
    assert own[:-3] == str(BASE_MS - 11_000)


def test_the_context_counts_as_received_when_the_message_was_created() -> None:
    """So a track-send that came later keeps what it named."""
    found = reports(ROW | {"guest_name": "old", "guest_id": "g"})
    context = [report.context for report in found if report.context]
    assert len(context) == 1
    assert {report.received_us // 1_000 for report in found} == {BASE_MS}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"wamid": ""}, "wamid"),
        ({"wamid": "w" * 257}, "wamid"),
        ({"wamid": True}, "wamid"),
        ({"wamid": "a\x1fb"}, "wamid"),
        ({"recipient_id": "12"}, "recipient_id"),
        ({"recipient_id": 919876540001.0}, "recipient_id"),
        ({"recipient_id": 9.19877e18}, "recipient_id"),
        ({"recipient_id": True}, "recipient_id"),
        ({"recipient_id": ["919876543210"]}, "recipient_id"),
        ({"recipient_id": "9" * 141}, "recipient_id"),
        ({"recipient_id": None, "event_id": "e"}, "recipient_id"),
        ({"registration_id": "r"}, "registration_id"),
        ({"guest_id": ["g"]}, "guest_id"),
        ({"guest_name": "a" * 513}, "guest_name"),
        ({"sent_at": "14.11.2023"}, "sent_at"),
        ({"sent_at": 1.5}, "sent_at"),
        ({"read_at": "2001-01-01T00:00:00Z"}, "read_at"),
        ({"read_at": "2099-01-01T00:00:00Z"}, "read_at"),
        ({"created_at": "x"}, "created_at"),
        ({"created_at": [1]}, "created_at"),
        ({"status": "seen"}, "status"),
        ({"status": ["sent"]}, "status"),
        ({"status": "read", "status_at": "x"}, "status_at"),
    ],
)
def test_what_the_api_refuses_is_refused_by_the_name_that_the_row_has(
    change: dict[str, Any], field: str
) -> None:
    error = refusal(ROW | change)
    assert error.field == field
    assert error.sentence.startswith(field)
    assert "timestamp" not in error.sentence
    assert "wa_id" not in error.sentence


@pytest.mark.parametrize(
    ("names", "columns", "field"),
    [
        (["wamid", "wamid"], {}, "wamid"),
        (["wamid", "WAMID"], {}, "wamid"),
        (["wamid", " wamid "], {}, "wamid"),
        (["wamid", "\ufeffwamid"], {}, "wamid"),
        (["wamid", "template_wamid"], {}, "wamid"),
        (["wamid", "id"], {"wamid": "id"}, "wamid"),
        (["id", "id"], {"wamid": "id"}, "wamid"),
        (["wamid", "Id", "ID"], {"guest_id": "id"}, "guest_id"),
        (["wamid", "Sent At", "sent-at"], {}, "sent_at"),
        (["wamid", "event_registration_id", "registration_id"], {}, "registration_id"),
        (["wamid", "wa_id", "recipient_id"], {}, "recipient_id"),
        (["wamid", "to", "wa_id"], {"recipient_id": "to"}, "recipient_id"),
    ],
)
def test_a_field_with_two_columns_is_refused(
    names: list[str], columns: dict[str, str], field: str
) -> None:
    with pytest.raises(BadRequest, match=f"{field} has 2 columns") as caught:
        table(columns).reports(tuple(names), ["x"] * len(names))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("names", "columns", "places"),
    [
        (["Wamid ", "note", "note", "", ""], {}, {"wamid": 0}),
        (["template_wamid", "wa_id"], {}, {"wamid": 0, "recipient_id": 1}),
        (["wamid", "guest_name", "Guest_Name"], {"guest_name": "Guest_Name"}, {"guest_name": 2}),
        (
            ["message", "wamid"],
            {"wamid": "message", "guest_id": "wamid"},
            {"wamid": 0, "guest_id": 1},
        ),
        (["wamid", "sent_at"], {"created_at": "sent_at"}, {"sent_at": 1, "created_at": 1}),
        (["wamid", "MESSAGE ID"], {"guest_id": "message_id"}, {"guest_id": 1}),
    ],
)
def test_one_column_is_found_whatever_its_case(
    names: list[str], columns: dict[str, str], places: dict[str, int]
) -> None:
    found = table(columns).column_indexes(tuple(names))
    assert {"wamid": 0, **places} == found


def test_a_column_that_is_skipped_is_no_source() -> None:
    read_by = Table(
        columns={"wamid": "id"},
        statuses={},
        defaults={},
        now_us=NOW_US,
        skipped=["wamid", "status"],
    )
    names = ("id", "wamid", "sent_at", "status", "note")
    assert read_by.column_indexes(names) == {"wamid": 0, "sent_at": 2}
    assert read_by.unread(names) == ["note"]
    assert read_by.missing(("id", "wamid")) == "status"


def test_what_a_table_must_have_is_missed() -> None:
    assert table({"sent_at": "time"}).missing(["wamid", "time"]) == ""
    assert table({"sent_at": "time"}).missing(["wamid"]) == "time"
    assert table().missing(["message_id"]) == "wamid"


def test_every_field_is_read() -> None:
    """Each changes what a row reports."""
    base: dict[str, Any] = ROW | {"failed_at": LATER, "error_code": "1", "event_id": "e"}
    for field in FIELDS:
        value = (
            "1700000030"
            if field.endswith("_at")
            else "read"
            if field == "status"
            else "919876543219"
        )
        extra = {"status": "delivered"} if field == "status_at" else {}
        changed = reports(base | extra | {field: value})
        assert changed != reports(base | extra) or base.get(field) == value, field


def test_blanks_around_a_word_or_a_time_are_none_of_it() -> None:
    """Columns of a fixed width have them, and so have tables with a blank behind each comma."""
    read_by = table(statuses={" SEEN ": "read"})
    found = record({"wamid": "w", "status": "SEEN  ", "status_at": f" {SENT} "}, read_by)
    assert (found.status, found.read_ms) == ("read", str(BASE_MS))
    assert record({"wamid": "w", "status": " sent", "sent_at": SENT}).status == "sent"
