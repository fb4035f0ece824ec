"""What the service learns about a message, and how that becomes one record.

Everything learned is a `Report`. The record of a message is what all of its reports say
together (`record_of`), whatever their order and however often each came. `lua/merge.lua` does the
same one report at a time inside Redis; the tests hold it against `record_of`.

Pure: no clock, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec


class Status(StrEnum):
    """The statuses in their order: a message's status is the highest ever reported."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


_STATUSES = {status.value: status for status in Status}
RANK = {status: rank for rank, status in enumerate(Status, start=1)}


class Context(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a track-send says of a message; `""` is what it doesn't name.

    A further field goes to the end: journals hold these as arrays.
    """

    recipient_id: str = ""
    event_id: str = ""
    registration_id: str = ""
    guest_id: str = ""
    template_name: str = ""
    flow_type: str = ""
    message_type: str = ""
    guest_name: str = ""
    campaign_id: str = ""
    phone_number_id: str = ""


class Extras(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fields of Meta's own status that the guide's lacks; `""` if it lacks one.

    A further field goes to the end: journals hold these as arrays.

    Attributes:
        phone_number_id: the id of the business's number that sent the message.
        user_id: the recipient's business-scoped id.
        parent_user_id: the recipient's id for all businesses of a portfolio.
        participant_id: the member of a group that the status is about.
        callback_data: `biz_opaque_callback_data`, which the sender gave the message.
        pricing_category: of Meta's pricing object the text under `category`; so for the next two.
        pricing_type: see `pricing_category`.
        pricing_model: see `pricing_category`; Meta calls it `pricing_model` too.
        pricing_billable: `true` or `false`.
        pricing_other: a JSON object of what else there is in Meta's, its keys sorted.
    """

    phone_number_id: str = ""
    user_id: str = ""
    parent_user_id: str = ""
    participant_id: str = ""
    callback_data: str = ""
    pricing_category: str = ""
    pricing_type: str = ""
    pricing_model: str = ""
    pricing_billable: str = ""
    pricing_other: str = ""


_KEPT = tuple(field for field in Extras.__struct_fields__ if field != "participant_id")
"""The fields of `Extras` that are the record's."""

SHARED = tuple(field for field in Context.__struct_fields__ if field in Extras.__struct_fields__)
"""The fields that a track-send may name and Meta's status too: a track-send's text beats Meta's."""


class Report(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing learned about one message. Encodes to the JSON array that `merge.lua` reads.

    Attributes:
        wamid: Meta's id of the message.
        status: the status reported; a track-send reports `sent`.
        at_ms: when the message reached that status, in ms since the epoch. 0 in a failure of a
            participant: nothing is known of them but that they are one (see `reports_of`).
        received_us: when the service received the report, in µs since the epoch.
        recipient_id: the recipient as a status update names it, `""` if it doesn't.
        error_code: of a `failed` report, `""` for none.
        error_message: of a `failed` report, `""` for none.
        error_details: of a `failed` report, `""` for none.
        error_href: a link to Meta's page about the error, `""` for none.
        context: of a track-send, `()` in a status update.
        extras: of a status in Meta's own form, `()` elsewhere.
    """

    wamid: str
    status: Status
    at_ms: int
    received_us: int
    recipient_id: str = ""
    error_code: str = ""
    error_message: str = ""
    error_details: str = ""
    error_href: str = ""
    context: Context | tuple[()] = ()
    extras: Extras | tuple[()] = ()


class Record(NamedTuple):
    """What is known of a message: the fields of its hash in Redis, where `stored` names them.

    All but the status are texts, `""` for what is not known: the hash has no such field then. The
    order is the one in which a new message's fields are written, for people who look at them. The
    fields of `Context` are each as the latest track-send has it that names it; without any
    track-send `recipient_id` is the smallest text among the status updates. Those of `Extras` are
    the smallest text of each, where statuses differ; one of `SHARED` only while no track-send has
    named it. Times are in decimal digits.

    Attributes:
        status: the highest status ever reported.
        wamid: Meta's id of the message.
        metas_recipient_id: the recipient as status updates name it, where that is another text than
            `recipient_id`; the smallest of several.
        created_us: `received_us` of the report that was merged first; never changes.
        tracked_us: `received_us` of the latest track-send, `""`: nobody tracked the message.
        sent_ms: the earliest time reported for `sent`, `""`: never. So for the other statuses.
        delivered_ms: see `sent_ms`.
        read_ms: see `sent_ms`.
        failed_ms: see `sent_ms`.
        sent_received_ms: when the service first received a report of `sent`. So for the others.
        delivered_received_ms: see `sent_received_ms`.
        read_received_ms: see `sent_received_ms`.
        failed_received_ms: see `sent_received_ms`.
        error_ms: the time of the failure that the error is from.
        error_code: see `Report`, as the rest of the error.
        error_message: see `error_code`.
        error_details: see `error_code`.
        error_href: see `error_code`.
        participants: how many members of a group statuses have named, in digits; `""`: none. What
            is known of each is kept beside the record, see `Participant`.
        recipient_id_us: `received_us` of the track-send that `recipient_id` is from, if that is an
            earlier one than the latest; else `""`, as nearly always. So for all of `Context`, but
            for `phone_number_id_us`.
        event_id_us: see `recipient_id_us`.
        registration_id_us: see `recipient_id_us`.
        guest_id_us: see `recipient_id_us`.
        guest_name_us: see `recipient_id_us`.
        template_name_us: see `recipient_id_us`.
        flow_type_us: see `recipient_id_us`.
        message_type_us: see `recipient_id_us`.
        campaign_id_us: see `recipient_id_us`.
        phone_number_id_us: `received_us` of the track-send that `phone_number_id` is from; `""`: no
            track-send named one. So for all of `SHARED`.
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

    All are texts, `""` for what is not known. Times are in decimal digits.

    Attributes:
        participant_id: as Meta names them.
        received_us: when the service first received a report that names them.
        sent_ms: the earliest time reported for `sent`, `""`: never. So for the other statuses.
        delivered_ms: see `sent_ms`.
        read_ms: see `sent_ms`.
        failed_ms: see `sent_ms`.
        error_ms: the time of the failure that the error is from.
        error_code: see `Report`, as the rest of the error.
        error_message: see `error_code`.
        error_details: see `error_code`.
        error_href: see `error_code`.
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
        """The highest that was reported of them; None: none was."""
        reached = (status for status in reversed(Status) if getattr(self, f"{status}_ms"))
        return next(reached, None)


def participants_in(fields: Iterable[tuple[str, str]]) -> list[Participant]:
    """The participants in the fields of a hash and their texts, by their ids.

    A field is called `<participant> <name>`, with the names of `Participant`.

    Raises:
        ValueError: they are none that this version can read.
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
"""The fields of a record whose names in its hash are shorter; there are millions of hashes."""

_STORED |= {
    f"{field}_us": f"{_STORED.get(field, field)}_named_us" for field in Context.__struct_fields__
}


def stored(field: str) -> str:
    """The name that a field of `Record` has in the hash."""
    return _STORED.get(field, field)


_ABSENT: dict[str, Any] = dict.fromkeys(map(stored, Record._fields), "")
_texts_in = itemgetter(*_ABSENT)
_RECEIPTS = [(stored(f"{status}_ms"), stored(f"{status}_received_ms")) for status in Status]
_TIMES = slice(Record._fields.index("created_us"), Record._fields.index("error_code"))
_OLDER = slice(Record._fields.index("recipient_id_us"), None)


def record_in(fields: Iterable[tuple[str, str]]) -> Record:
    """The record in the fields of a hash and their texts.

    A status that the hash has no receipt of was received when the message was created. Fields that
    only a later version knows are passed over; they stay in the hash.

    Raises:
        ValueError: it is no record, or one whose status only a later version knows.
    """
    found = _ABSENT.copy()
    found.update(fields)
    found["status"] = _STATUSES.get(found["status"])
    if not (found["status"] and found["wamid"] and found["created_us"]):
        raise ValueError("no record that this version can read")
    for time, receipt in _RECEIPTS:
        if found[time] and not found[receipt]:
            found[receipt] = found["created_us"][:-3]
    texts = _texts_in(found)
    if not "".join((*texts[_TIMES], *texts[_OLDER])).isdecimal():
        raise ValueError("a time that is no number")
    return Record._make(texts)


Row = TypeVar("Row")


class Kind(NamedTuple, Generic[Row]):
    """What is read of messages, and what becomes of it.

    Attributes:
        fields: that are read of each message, as `stored` names them; `()`: all.
        row: makes a row of the texts of these fields, None for one that isn't there, or of all
            fields and their texts in turns. Raises ValueError or TypeError: they are no record that
            this version can read.
        readable: whether all of some replies are such texts, and rows as they are: so `row` needn't
            look at each.
        getter: makes what gets a field, by its name, from a row.
    """

    fields: tuple[str, ...]
    row: Callable[[Sequence[Any]], Row]
    readable: Callable[[Sequence[Any]], bool]
    getter: Callable[[str], Callable[[Row], str | None]]


def _record_in_reply(flat: Sequence[str]) -> Record:
    return record_in(zip(flat[::2], flat[1::2], strict=True))


WHOLE = Kind((), _record_in_reply, lambda _: False, attrgetter)
"""Whole records."""

Texts = Sequence[str | None]
"""Some fields of a record; None is what isn't known. A page has hundreds, so they stay as they came
until they are shown."""


def texts_of(*fields: str) -> Kind[Texts]:
    """Some fields, beginning with `status`; none is a receipt, which a hash may leave out."""
    times = [place for place, field in enumerate(fields) if field.endswith("_ms")]
    times_in = itemgetter(*times)
    wamid = fields.index("wamid") if "wamid" in fields else 0

    def checked(texts: Texts) -> Texts:
        status, digits = texts[0], "".join(filter(None, times_in(texts)))
        # Of a group's message nobody knows a time while all that is known is a member's failure.
        timed = digits.isdecimal() or (not digits and status == Status.SENT)
        if status not in _STATUSES or not timed or not texts[wamid]:
            raise ValueError("no record that this version can read")
        return texts

    def readable(replies: Sequence[Any]) -> bool:
        # By columns, since that takes a quarter of the time that `checked` takes for each.
        try:
            columns = list(zip(*replies, strict=True))
        except TypeError:  # an error is among them
            return False
        timed = [columns[place] for place in times] if columns else []
        return (
            all(map(any, zip(*timed, strict=True)))
            and "".join(filter(None, chain.from_iterable(timed))).isdecimal()
            and _STATUSES.keys() >= set(columns[0])
            and all(columns[wamid])
        )

    def getter(field: str) -> Callable[[Texts], str | None]:
        return itemgetter(fields.index(field))

    return Kind(tuple(map(stored, fields)), checked, readable, getter)


def record_of(reports: Sequence[Report]) -> Record:
    """The record that all reports on one message make together.

    Args:
        reports: at least one, in the order in which they were merged. Only `created_us` depends
            on that order, and `metas_recipient_id` where track-sends name different recipients.
    """
    # A message that a participant failed to get was sent all the same, nobody knows when.
    own = [each for each in reports if each.status is not Status.FAILED or not _named_in(each)]
    return Record(
        status=max((report.status for report in own), key=RANK.__getitem__, default=Status.SENT),
        wamid=reports[0].wamid,
        created_us=str(reports[0].received_us),
        participants=str(len(set(filter(None, map(_named_in, reports)))) or ""),
        **_times_of(own),
        **_receipts_of(own),
        **_error_of(own),
        **(_extras_of(reports) | _context_of(reports)),
    )


def participants_of(reports: Iterable[Report]) -> list[Participant]:
    """The participants of one message that all reports on it make together, by their ids."""
    by_id: dict[str, list[Report]] = {}
    for report in reports:
        if participant_id := _named_in(report):
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


def _named_in(report: Report) -> str:
    """The participant that a report is about, `""` for none."""
    return report.extras.participant_id if report.extras else ""


def _times_of(reports: Iterable[Report]) -> dict[str, str]:
    """The earliest time of each status."""
    found: dict[Status, int] = {}
    for report in reports:
        found[report.status] = min(report.at_ms, found.get(report.status, report.at_ms))
    return {f"{status}_ms": str(at_ms) for status, at_ms in found.items()}


def _receipts_of(reports: Iterable[Report]) -> dict[str, str]:
    """When the service first received a report of each status."""
    found: dict[Status, int] = {}
    for report in reports:
        first_us = found.get(report.status, report.received_us)
        found[report.status] = min(report.received_us, first_us)
    return {f"{status}_received_ms": str(us // 1000) for status, us in found.items()}


ERROR_FIELDS = ("error_code", "error_message", "error_details", "error_href")
"""What tells errors of the same time apart: the smaller texts stay, in this order."""


def _error_of(reports: Sequence[Report]) -> dict[str, str]:
    """The first of the errors: by the time, then by its texts."""
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
        for field in _KEPT
    }


def _context_of(reports: Sequence[Report]) -> dict[str, str]:
    """The fields that track-sends name, `tracked_us`, and when each was received that needs it.

    Each field is from the latest track-send that names it (equal times: the greater text).
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
    """The recipient of the track-send, and the smallest other one that a status names.

    Without a track-send they are the two smallest that statuses name. What a status names and a
    later track-send replaces isn't kept.
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


def reports_of(record: Record, participants: Sequence[Participant] = ()) -> list[Report]:
    """Reports that make this record and its participants: `record_of` undone.

    Merged in their order into an empty store they give exactly these; into one that has the
    message already they do what the record's own reports would do once more.

    Raises:
        ValueError: no reports could have made it: a status without a time, say.
    """
    known = _Known(record, participants)
    sends = [known.report(time_us, context) for time_us, context in _contexts_of(record)]
    error = [getattr(record, field) for field in ERROR_FIELDS]
    updates = [
        Report(
            record.wamid,
            status,
            at_ms,
            received_us,
            "" if sends else record.recipient_id,
            *(error if status is Status.FAILED and str(at_ms) == record.error_ms else ()),
        )
        for status, at_ms, received_us in known.statuses
        if status is Status.FAILED or not _says(sends, status, received_us)
    ]
    if record.error_ms not in ("", record.failed_ms):  # an earlier failure carried no error
        _, _, received_us = known.statuses[-1]
        at_ms = int(record.error_ms)
        updates.append(Report(record.wamid, Status.FAILED, at_ms, received_us, "", *error))
    reports = sorted(sends + updates, key=lambda report: report.received_us != known.created_us)
    # What came first was reported as of earlier, or it was a participant's failure.
    if not reports or reports[0].received_us != known.created_us:
        first = known.report(known.created_us)
        recipient_id = "" if sends or updates else record.recipient_id
        reports.insert(0, msgspec.structs.replace(first, recipient_id=recipient_id))
    if record.metas_recipient_id:
        again = {"context": (), "recipient_id": record.metas_recipient_id}
        reports.append(msgspec.structs.replace(reports[-1], **again))
    extras = _extras_in(record)
    if extras != Extras():
        extras = msgspec.structs.replace(extras, participant_id=_named_in(reports[0]))
        reports[0] = msgspec.structs.replace(reports[0], extras=extras)
    return reports + known.of_participants()


def receipts_of(record: Record) -> dict[Status, str]:
    """When the service first received each status that was reported, in ms since the epoch."""
    received_ms = ((status, getattr(record, f"{status}_received_ms")) for status in Status)
    return {status: time_ms for status, time_ms in received_ms if time_ms}


def _extras_in(record: Record) -> Extras:
    """What statuses of Meta's say of the record: of a shared field what no track-send named."""
    named = [field for field in SHARED if getattr(record, f"{field}_us")]
    fields = (field for field in _KEPT if field not in named)
    return Extras(**{field: getattr(record, field) for field in fields})


def older_in(record: Record) -> dict[str, str]:
    """The context fields that the record has a time in µs for, each with it.

    These are the fields that are older than the latest track-send, and those of `SHARED` that a
    track-send named.
    """
    times_us = ((field, getattr(record, f"{field}_us")) for field in Context.__struct_fields__)
    return {field: time_us for field, time_us in times_us if time_us}


class _Known:
    """What a record and its participants say of each status.

    Attributes:
        created_us: of the record.
        statuses: that were reported, in their order: each with its time in ms, and when the service
            first received it in µs, as far as the record knows it.

    Raises:
        ValueError: no reports could have made the record.
    """

    def __init__(self, record: Record, participants: Sequence[Participant]) -> None:
        self._wamid = record.wamid
        self._participants = participants
        self.created_us = int(record.created_us)
        received_ms = receipts_of(record)
        reported = [status for status in Status if getattr(record, f"{status}_ms")]
        # A record that a participant's failure began is sent without a time.
        highest = reported[-1] if reported else Status.SENT if participants else None
        if record.status is not highest or reported != list(received_ms):
            raise ValueError("a status that was never reported")
        self.statuses = [
            (status, int(getattr(record, f"{status}_ms")), self._in_us(int(received_ms[status])))
            for status in reported
        ]

    def _in_us(self, received_ms: int) -> int:
        return self.created_us if self.created_us // 1000 == received_ms else received_ms * 1000

    def report(self, received_us: int, context: Context | tuple[()] = ()) -> Report:
        """A report received then that says of the statuses only what is known."""
        for status, at_ms, first_us in self.statuses:
            if first_us // 1000 <= received_us // 1000:
                return Report(self._wamid, status, at_ms, received_us, context=context)
        for each in self._participants:
            if not context and int(each.received_us) <= received_us:
                return self._named(each, received_us)
        raise ValueError("a report that was received before any status was")

    def _named(self, participant: Participant, received_us: int) -> Report:
        """A report that names a participant, and says nothing else."""
        extras = Extras(participant_id=participant.participant_id)
        return Report(self._wamid, Status.FAILED, 0, received_us, extras=extras)

    def of_participants(self) -> list[Report]:
        """Reports that make the participants, and say nothing new of the record."""
        return [report for each in self._participants for report in self._of_participant(each)]

    def _of_participant(self, participant: Participant) -> Iterator[Report]:
        named = self._named(participant, int(participant.received_us))
        yield named
        first_us = {status: received_us for status, _, received_us in self.statuses}
        for status in Status:
            if at_ms := getattr(participant, f"{status}_ms"):
                of_record_us = first_us.get(status, 0) if status is not Status.FAILED else 0
                received_us = max(named.received_us, of_record_us)
                yield msgspec.structs.replace(
                    named, status=status, at_ms=int(at_ms), received_us=received_us
                )
        if participant.error_ms:
            error = {field: getattr(participant, field) for field in ERROR_FIELDS}
            yield msgspec.structs.replace(named, at_ms=int(participant.error_ms), **error)


def _says(sends: Iterable[Report], status: Status, received_us: int) -> bool:
    """Whether a send reports the status as of then."""
    return any(
        send.status is status and send.received_us // 1000 == received_us // 1000 for send in sends
    )


def _contexts_of(record: Record) -> list[tuple[int, Context]]:
    """What each track-send left in the record, by when it was received; the latest always."""
    if not record.tracked_us:
        return []
    older_us = older_in(record)
    by_time: dict[str, dict[str, str]] = {record.tracked_us: {}}
    for field in Context.__struct_fields__:
        time_us = older_us.get(field, "" if field in SHARED else record.tracked_us)
        if time_us and (value := getattr(record, field)):
            by_time.setdefault(time_us, {})[field] = value
    return [(int(time_us), Context(**named)) for time_us, named in by_time.items()]


EARLIEST_S = 1_230_768_000
"""The start of 2009, in seconds since the epoch: no message is older."""

LONGEST_AHEAD_MS = 86_400_000
"""How far ahead of the clock a reported time may lie."""

_EARLIEST_US = EARLIEST_S * 1_000_000
_MOST_AHEAD_US = 1_000_000


class Clock:
    """Stamps reports: µs since the epoch, no two in a row the same.

    Stamps go backwards only where the time of day does, by more than a second: a clock that was far
    ahead for a moment must not leave its mark on all that follows. None is before 2009, as on a
    machine that has lost its clock.

    Args:
        wall_ns: the time of day in ns, `time.time_ns` save in tests.

    Attributes:
        latest_ms: tells the latest time that a report may have by another clock than this one, in
            ms since the epoch. Without one, no time is known to be too late.
    """

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._last_us = 0
        self.latest_ms: Callable[[], float] = lambda: math.inf

    def __call__(self) -> int:
        """The next stamp."""
        now_us = self._wall_ns() // 1000
        if now_us < _EARLIEST_US:  # noqa: PLR1730  `max` would cost each report 0.1 µs more
            now_us = _EARLIEST_US
        if now_us <= self._last_us < now_us + _MOST_AHEAD_US:
            now_us = self._last_us + 1
        self._last_us = now_us
        return now_us
