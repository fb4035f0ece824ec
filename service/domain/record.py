"""The record of a message, which all reports on it make together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from service.domain.report import RANK, SHARED, STATUS_OF, Context, Extras, Report, Status

RECORD_EXTRAS = tuple(field for field in Extras.__struct_fields__ if field != "participant_id")
"""The fields of `Extras` that a record has."""


class Record(NamedTuple):
    """What is known of a message: the fields of its hash in Redis, where `stored` names them.

    All fields but the status are texts; `""` stands for an unknown one, and then the hash has no
    such field. Their order is the one in which a new message's fields are written, for people who
    look at them. Times are in decimal digits.

    A field of `Context` is as the latest track-send that names it has it. Without any track-send,
    `recipient_id` is the smallest text among the status updates. A field of `Extras` is the
    smallest text among the statuses; if it is also one of `SHARED`, that holds only until a
    track-send names it.

    Attributes:
        status: the highest status ever reported.
        wamid: Meta's id of the message.
        metas_recipient_id: the recipient as status updates name it, if that is another text than
            `recipient_id`; the smallest of several.
        created_us: `received_us` of the report that was merged first; it never changes.
        tracked_us: `received_us` of the latest track-send, `""` if there was none.
        sent_ms: the earliest time reported for `sent`, `""` for none.
        delivered_ms: the earliest time reported for `delivered`, `""` for none.
        read_ms: the earliest time reported for `read`, `""` for none.
        failed_ms: the earliest time reported for `failed`, `""` for none.
        version: grows by 1 with each change of the record; `""` for 1, as it was created.
        sent_received_ms: when the service first received a report of `sent`.
        delivered_received_ms: when the service first received a report of `delivered`.
        read_received_ms: when the service first received a report of `read`.
        failed_received_ms: when the service first received a report of `failed`.
        error_ms: the time of the failure that the error is from.
        error_code: the error's code; see `Report`.
        error_message: see `Report`.
        error_details: see `Report`.
        error_href: see `Report`.
        participants: how many members of a group statuses have named, in digits; `""` for none.
            What is known of each is stored beside the record, see `Participant`.
        recipient_id_us: `received_us` of the track-send that `recipient_id` is from, if that is not
            the latest track-send; else `""`, as nearly always. The same holds for all fields of
            `Context` except those of `SHARED`.
        event_id_us: see `recipient_id_us`.
        registration_id_us: see `recipient_id_us`.
        guest_id_us: see `recipient_id_us`.
        guest_name_us: see `recipient_id_us`.
        template_name_us: see `recipient_id_us`.
        flow_type_us: see `recipient_id_us`.
        message_type_us: see `recipient_id_us`.
        campaign_id_us: see `recipient_id_us`.
        phone_number_id_us: `received_us` of the track-send that `phone_number_id` is from; `""` if
            no track-send named one. The same holds for all fields of `SHARED`.
    """

    status: Status
    wamid: str
    recipient_id: str = ""
    metas_recipient_id: str = ""
    event_id: str = ""
    registration_id: str = ""
    guest_id: str = ""
    guest_name: str = ""
    template_name: str = ""
    campaign_id: str = ""
    flow_type: str = ""
    message_type: str = ""
    created_us: str = ""
    tracked_us: str = ""
    sent_ms: str = ""
    delivered_ms: str = ""
    read_ms: str = ""
    failed_ms: str = ""
    version: str = ""
    sent_received_ms: str = ""
    delivered_received_ms: str = ""
    read_received_ms: str = ""
    failed_received_ms: str = ""
    error_ms: str = ""
    error_code: str = ""
    error_message: str = ""
    error_details: str = ""
    error_href: str = ""
    phone_number_id: str = ""
    user_id: str = ""
    parent_user_id: str = ""
    participants: str = ""
    callback_data: str = ""
    pricing_category: str = ""
    pricing_type: str = ""
    pricing_model: str = ""
    pricing_billable: str = ""
    pricing_other: str = ""
    recipient_id_us: str = ""
    event_id_us: str = ""
    registration_id_us: str = ""
    guest_id_us: str = ""
    guest_name_us: str = ""
    template_name_us: str = ""
    flow_type_us: str = ""
    message_type_us: str = ""
    campaign_id_us: str = ""
    phone_number_id_us: str = ""


class Participant(NamedTuple):
    """What is known of a member of a group that a message was sent to.

    All fields are texts; `""` stands for an unknown one. Times are in decimal digits.

    Attributes:
        participant_id: Meta's id of the member.
        received_us: when the service first received a report that names the member.
        sent_ms: the earliest time reported for `sent`, `""` for none.
        delivered_ms: the earliest time reported for `delivered`, `""` for none.
        read_ms: the earliest time reported for `read`, `""` for none.
        failed_ms: the earliest time reported for `failed`, `""` for none.
        error_ms: the time of the failure that the error is from.
        error_code: the error's code; see `Report`.
        error_message: see `Report`.
        error_details: see `Report`.
        error_href: see `Report`.
    """

    participant_id: str
    received_us: str
    sent_ms: str = ""
    delivered_ms: str = ""
    read_ms: str = ""
    failed_ms: str = ""
    error_ms: str = ""
    error_code: str = ""
    error_message: str = ""
    error_details: str = ""
    error_href: str = ""

    @property
    def status(self) -> Status | None:
        """The highest status that was reported of the member; None if none was."""
        reached = (status for status in reversed(Status) if getattr(self, f"{status}_ms"))
        return next(reached, None)


def participants_in(fields: Iterable[tuple[str, str]]) -> list[Participant]:
    """Returns the participants in the fields of a hash, sorted by their ids.

    A field is called `<participant> <name>`, with the names of `Participant`.

    Raises:
        ValueError: this version can't read a participant in them.
    """
    found: dict[str, dict[str, str]] = {}
    for field, text in fields:
        participant_id, _, name = field.rpartition(" ")
        found.setdefault(participant_id, {})[name] = text
    return [
        _participant_in(participant_id, found[participant_id]) for participant_id in sorted(found)
    ]


def _participant_in(participant_id: str, texts: dict[str, str]) -> Participant:
    known = {name: texts[name] for name in Participant._fields if name in texts}
    times = (text for name, text in known.items() if name.endswith(("_ms", "_us")))
    if not (participant_id and "received_us" in known and "".join(times).isdecimal()):
        raise ValueError("no participant that this version can read")
    return Participant(participant_id, **known)


_STORED = {
    "recipient_id": "to",
    "metas_recipient_id": "meta_to",
    "event_id": "event",
    "registration_id": "registration",
    "guest_id": "guest",
    "guest_name": "name",
    "template_name": "template",
    "campaign_id": "campaign",
    "flow_type": "flow",
    "message_type": "type",
    "phone_number_id": "from",
    "user_id": "user",
    "parent_user_id": "parent_user",
    "callback_data": "callback",
}
"""The fields that have shorter names in the hash, since there are millions of hashes."""

_STORED |= {
    f"{field}_us": f"{_STORED.get(field, field)}_named_us" for field in Context.__struct_fields__
}


def stored(field: str) -> str:
    """Returns the name that a field of `Record` has in the hash."""
    return _STORED.get(field, field)


_ABSENT: dict[str, Any] = dict.fromkeys(map(stored, Record._fields), "")
_texts_in = itemgetter(*_ABSENT)
_RECEIPTS = [(stored(f"{status}_ms"), stored(f"{status}_received_ms")) for status in Status]
_TIMES = slice(Record._fields.index("created_us"), Record._fields.index("error_code"))
_OLDER = slice(Record._fields.index("recipient_id_us"), None)


def record_in(fields: Iterable[tuple[str, str]]) -> Record:
    """Returns the record in the fields of a hash.

    If the hash doesn't say when a status was first received, that was when the message was created.
    Fields that only a later version knows are ignored; they stay in the hash.

    Raises:
        ValueError: it is no record, or its status is one that only a later version knows.
    """
    found = _ABSENT.copy()
    found.update(fields)
    found["status"] = STATUS_OF.get(found["status"])
    if not (found["status"] and found["wamid"] and found["created_us"]):
        raise ValueError("no record that this version can read")
    for time, receipt in _RECEIPTS:
        if found[time] and not found[receipt]:
            found[receipt] = found["created_us"][:-3]
    texts = _texts_in(found)
    if not "".join((*texts[_TIMES], *texts[_OLDER])).isdecimal():
        raise ValueError("a time that is no number")
    return Record._make(texts)


def record_of(reports: Sequence[Report]) -> Record:
    """Returns the record that all reports on one message make together.

    Args:
        reports: at least one report, in the order in which they were merged. Only `created_us`
            depends on that order, and `metas_recipient_id` if track-sends name different
            recipients.
    """
    # A participant's failure doesn't fail the message: that was sent, at an unknown time.
    own = [
        each
        for each in reports
        if each.status is not Status.FAILED or not participant_named_in(each)
    ]
    return Record(
        status=max((report.status for report in own), key=RANK.__getitem__, default=Status.SENT),
        wamid=reports[0].wamid,
        created_us=str(reports[0].received_us),
        participants=str(len(set(filter(None, map(participant_named_in, reports)))) or ""),
        **_times_of(own),
        **_receipts_of(own),
        **_error_of(own),
        **(_extras_of(reports) | _context_of(reports)),
    )


def participants_of(reports: Iterable[Report]) -> list[Participant]:
    """Returns the participants that all reports on one message make, sorted by their ids."""
    by_id: dict[str, list[Report]] = {}
    for report in reports:
        if participant_id := participant_named_in(report):
            by_id.setdefault(participant_id, []).append(report)
    return [
        _participant_of(participant_id, by_id[participant_id]) for participant_id in sorted(by_id)
    ]


def _participant_of(participant_id: str, reports: Sequence[Report]) -> Participant:
    return Participant(
        participant_id,
        str(min(report.received_us for report in reports)),
        **_times_of([report for report in reports if report.at_ms]),
        **_error_of(reports),
    )


def participant_named_in(report: Report) -> str:
    """Returns the id of the participant that a report is about, `""` for none."""
    return report.extras.participant_id if report.extras else ""


def _times_of(reports: Iterable[Report]) -> dict[str, str]:
    """Returns the earliest time of each status."""
    found: dict[Status, int] = {}
    for report in reports:
        found[report.status] = min(report.at_ms, found.get(report.status, report.at_ms))
    return {f"{status}_ms": str(at_ms) for status, at_ms in found.items()}


def _receipts_of(reports: Iterable[Report]) -> dict[str, str]:
    """Returns when the service first received a report of each status."""
    found: dict[Status, int] = {}
    for report in reports:
        first_us = found.get(report.status, report.received_us)
        found[report.status] = min(report.received_us, first_us)
    return {f"{status}_received_ms": str(us // 1000) for status, us in found.items()}


ERROR_FIELDS = ("error_code", "error_message", "error_details", "error_href")
"""The fields of an error. Of errors at the same time the one with the smaller texts stays; they are
compared in this order."""


def _error_of(reports: Sequence[Report]) -> dict[str, str]:
    """Returns the first error, by its time and then by its texts."""
    failures = [
        (r.at_ms, r.error_code, r.error_message, r.error_details, r.error_href)
        for r in reports
        if r.status is Status.FAILED and (r.error_code or r.error_message)
    ]
    return dict(zip(("error_ms", *ERROR_FIELDS), map(str, min(failures, default=())), strict=False))


def _extras_of(reports: Sequence[Report]) -> dict[str, str]:
    given = [report.extras for report in reports if report.extras]
    return {
        field: min(filter(None, (getattr(extras, field) for extras in given)), default="")
        for field in RECORD_EXTRAS
    }


def _context_of(reports: Sequence[Report]) -> dict[str, str]:
    """Returns the fields that track-sends name, `tracked_us`, and the times that fields need.

    Each field is from the latest track-send that names it; at equal times the greater text wins.
    """
    sends = [(report.received_us, report.context) for report in reports if report.context]
    found = _recipients_of(reports)
    if not sends:
        return found
    latest_us = max(received_us for received_us, _ in sends)
    found["tracked_us"] = str(latest_us)
    for field in Context.__struct_fields__:
        named = [(us, getattr(context, field)) for us, context in sends if getattr(context, field)]
        if not named:
            continue
        received_us, found[field] = max(named)
        if received_us < latest_us or field in SHARED:
            found[f"{field}_us"] = str(received_us)
    return found


def _recipients_of(reports: Sequence[Report]) -> dict[str, str]:
    """Returns the track-send's recipient, and the smallest other one that a status names.

    Without a track-send, these are the two smallest that statuses name. A recipient that both a
    status and a track-send name is not kept once a later track-send replaces it.
    """
    sent, others = (0, ""), set[str]()
    for report in reports:
        if report.context and report.context.recipient_id:
            sent = max(sent, (report.received_us, report.context.recipient_id))
        elif report.recipient_id:
            others.add(report.recipient_id)
        others = set(sorted(others - {sent[1]})[: 1 if sent[1] else 2])
    found = [sent[1], *others] if sent[1] else sorted(others)
    return dict(zip(("recipient_id", "metas_recipient_id"), found, strict=False))


def receipts_of(record: Record) -> dict[Status, str]:
    """Returns when the service first received each reported status, in ms since the epoch."""
    received_ms = ((status, getattr(record, f"{status}_received_ms")) for status in Status)
    return {status: time_ms for status, time_ms in received_ms if time_ms}


def older_in(record: Record) -> dict[str, str]:
    """Returns the context fields for which the record has a time in µs, with these times.

    They are the fields from an earlier track-send than the latest, and the fields of `SHARED` that
    a track-send named.
    """
    times_us = ((field, getattr(record, f"{field}_us")) for field in Context.__struct_fields__)
    return {field: time_us for field, time_us in times_us if time_us}
