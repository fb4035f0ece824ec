"""A whole record as a line of JSON, which `export` writes and `import` reads.

Times of statuses have milliseconds, times of receipt microseconds. Unknown fields are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from service.domain.record import (
    ERROR_FIELDS,
    Participant,
    Record,
    older_in,
    participants_of,
    receipts_of,
    record_of,
)
from service.domain.report import Context, Report, Status
from service.domain.reports_of_record import reports_of
from service.errors import BadRequest
from service.models.decoding import Reader, refusal
from service.models.pricing import pricing_fields_of, pricing_of
from service.models.recipients import recipient_of
from service.models.requests import MAX_METAS_ID
from service.models.responses import iso

_Wamid = Annotated[
    str, Meta(min_length=1, max_length=256, description="a text of 1 to 256 characters")
]
_Id = Annotated[
    str, Meta(max_length=MAX_METAS_ID, description="an id of up to 140 characters, none of control")
]
_Name = Annotated[
    str, Meta(max_length=512, description="a text of up to 512 characters, none of control")
]
_Detail = Annotated[str, Meta(max_length=1_000, description="a text of up to 1,000 characters")]
_ALLOWED_TIME = "a time like 2026-01-15T10:30:00Z, with 3 or 6 more digits after a point, or none"
_Time = Annotated[str, Meta(description=_ALLOWED_TIME)]
_ALLOWED_STAMPS = "an object of fields of the context and times"
_Stamps = Annotated[dict[str, str], Meta(description=_ALLOWED_STAMPS)]
_ALLOWED_RECEIPTS = "an object of statuses and times"
_Receipts = Annotated[dict[str, str], Meta(description=_ALLOWED_RECEIPTS)]


class ParticipantLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A participant of a group's message: `Participant` with other names for times."""

    participant_id: Annotated[_Id, Meta(min_length=1)]
    received_at: _Time
    sent_at: _Time = ""
    delivered_at: _Time = ""
    read_at: _Time = ""
    failed_at: _Time = ""
    error_at: _Time = ""
    error_code: _Detail = ""
    error_message: _Detail = ""
    error_details: _Detail = ""
    error_href: _Detail = ""


_ALLOWED_PARTICIPANTS = "a list of objects with a participant_id, a received_at, times and an error"


class RecordLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A record: the fields of `Record`, with other names for times.

    Attributes:
        record: marks the line as ours; the version of its form.
        created_at: when the first report was received.
        error_at: the time of the failure that the error belongs to.
        tracked_at: when the latest track-send was received.
        tracked_at_of: for each field of the context that comes from an earlier track-send, when
            that track-send was received; for `phone_number_id` always, if a track-send named it.
        received_at_of: for each status, when the service first received a report of it. If a line
            lacks it, the status counts as received when the first report of all was.
        pricing: Meta's object.
        participants: of a group's message.
        participant_id: the only participant that a line of an earlier version names, without times.
    """

    record: Annotated[Literal[1], Meta(description="1, the version of this form")]
    wamid: _Wamid
    status: Annotated[Status, Meta(description="one of sent, delivered, read, failed")]
    created_at: _Time
    sent_at: _Time = ""
    delivered_at: _Time = ""
    read_at: _Time = ""
    failed_at: _Time = ""
    error_at: _Time = ""
    error_code: _Detail = ""
    error_message: _Detail = ""
    error_details: _Detail = ""
    error_href: _Detail = ""
    tracked_at: _Time = ""
    tracked_at_of: _Stamps = {}
    received_at_of: _Receipts = {}
    recipient_id: _Id = ""
    metas_recipient_id: _Id = ""
    event_id: _Id = ""
    registration_id: _Id = ""
    guest_id: _Id = ""
    template_name: _Name = ""
    flow_type: _Name = ""
    message_type: _Name = ""
    guest_name: _Name = ""
    campaign_id: _Id = ""
    phone_number_id: _Id = ""
    user_id: _Id = ""
    parent_user_id: _Id = ""
    participant_id: _Id = ""
    callback_data: _Name = ""
    pricing: Annotated[dict[str, Any] | None, Meta(description="an object")] = None
    participants: Annotated[list[ParticipantLine], Meta(description=_ALLOWED_PARTICIPANTS)] = []


_READER = Reader(RecordLine)
_TIMES = {f"{name}_at": f"{name}_ms" for name in (*Status, "error")}
_RECEIPTS = {"created_at": "created_us", "tracked_at": "tracked_us"}
_TEXTS = [
    name
    for name in RecordLine.__struct_fields__
    if name in Record._fields and name not in {"status", "participants"}
]


def line_of(record: Record, participants: Iterable[Participant] = ()) -> bytes:
    """The record and its participants as a line, without a newline at its end."""
    given: dict[str, Any] = {name: getattr(record, name) for name in _TEXTS}
    for name, field in _TIMES.items():
        given[name] = iso(getattr(record, field)) or ""
    for name, field in _RECEIPTS.items():
        given[name] = _iso_us(getattr(record, field))
    older_us = older_in(record).items()
    given["tracked_at_of"] = {field: _iso_us(time_us) for field, time_us in older_us}
    receipts = receipts_of(record).items()
    given["received_at_of"] = {status: iso(time_ms) for status, time_ms in receipts}
    given["pricing"] = pricing_of(record)
    given["participants"] = [*map(_participant_line, participants)]
    return msgspec.json.encode(RecordLine(record=1, status=record.status, **given))


def _participant_line(participant: Participant) -> ParticipantLine:
    times = {name: iso(getattr(participant, field)) or "" for name, field in _TIMES.items()}
    error = {field: getattr(participant, field) for field in ERROR_FIELDS}
    received_at = _iso_us(participant.received_us)
    return ParticipantLine(
        participant_id=participant.participant_id, received_at=received_at, **times, **error
    )


def reports_of_line(line: bytes) -> list[Report]:
    """The reports that rebuild the record and the participants of a line of `line_of`.

    Raises:
        BadRequest: `line_of` can't have written the line.
    """
    read = _READER.body(line)
    participants = _participants_in(read)
    record = _record_in(read)._replace(participants=str(len(participants) or ""))
    try:
        reports = reports_of(record, participants)
    except ValueError:
        reports = []
    if not reports or (record_of(reports), participants_of(reports)) != (record, participants):
        raise BadRequest("The line is no record of ours: its parts don't fit together.")
    return reports


def _participants_in(line: RecordLine) -> list[Participant]:
    found = [_participant_in(each) for each in line.participants]
    if line.participant_id and not found:
        found = [Participant(line.participant_id, _us_of(line.created_at, "created_at"))]
    return sorted(found)


def _participant_in(line: ParticipantLine) -> Participant:
    texts = {field: getattr(line, field) for field in ERROR_FIELDS}
    for name, field in _TIMES.items():
        texts[field] = _us_of(getattr(line, name), "participants")[:-3]
    received_us = _us_of(line.received_at, "participants")
    return Participant(line.participant_id, received_us, **texts)


def _record_in(line: RecordLine) -> Record:
    texts = {name: getattr(line, name) for name in _TEXTS}
    texts["recipient_id"] = _stored_recipient(line)
    for name, field in _TIMES.items():
        texts[field] = _us_of(getattr(line, name), name)[:-3]
    for name, field in _RECEIPTS.items():
        texts[field] = _us_of(getattr(line, name), name)
    texts |= _older_in(line) | _receipts_in(line) | pricing_fields_of(line.pricing or {})
    return Record(status=line.status, **texts)


def _stored_recipient(line: RecordLine) -> str:
    """The recipient in its present stored form; as it is if the API would refuse it now."""
    try:
        return recipient_of(line.recipient_id, "recipient_id") if line.recipient_id else ""
    except BadRequest:
        return line.recipient_id


def _older_in(line: RecordLine) -> dict[str, str]:
    if not line.tracked_at_of.keys() <= set(Context.__struct_fields__):
        raise refusal("tracked_at_of", _ALLOWED_STAMPS)
    return {
        f"{field}_us": _us_of(time, "tracked_at_of") for field, time in line.tracked_at_of.items()
    }


def _receipts_in(line: RecordLine) -> dict[str, str]:
    if not line.received_at_of.keys() <= set(Status):
        raise refusal("received_at_of", _ALLOWED_RECEIPTS)
    found = {}
    for status in Status:
        if getattr(line, f"{status}_at"):
            received_us = _us_of(line.received_at_of.get(status, ""), "received_at_of")
            found[f"{status}_received_ms"] = (received_us or _first_received(line))[:-3]
    return found


def _first_received(line: RecordLine) -> str:
    """When the earliest report was received. Reports may be merged in another order."""
    received = line.created_at, line.tracked_at, *line.tracked_at_of.values()
    return min((_us_of(time, "received_at_of") for time in received if time), default="")


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOST_DIGITS = 16
"""The most digits of a time in µs. Redis keeps it as a double, in the score of an index entry."""


def _iso_us(time_us: str) -> str:
    second = iso(f"{time_us[:-6]}000") if time_us else None
    return f"{second[:-1]}.{time_us[-6:]}Z" if second else ""


def _us_of(text: str, field: str) -> str:
    """The time in µs since the epoch, in digits; `""` for `""`."""
    if not text:
        return ""
    digits = _digits_of(text) if _MOMENT.fullmatch(text) else ""
    if not 0 < len(digits) <= _MOST_DIGITS:
        raise refusal(field, _ALLOWED_TIME)
    return digits


@lru_cache(maxsize=4096)  # a record often has the same time in several fields
def _digits_of(text: str) -> str:
    try:
        microseconds = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError:
        return ""
    return str(microseconds) if microseconds > 0 else ""
