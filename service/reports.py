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
from itertools import zip_longest
from typing import NamedTuple

import msgspec

SEPARATOR = "\x1f"
"""Stands between the fields of a packed record. No field can hold it: control characters are
refused in ids, and become spaces in other texts."""


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

    A further field goes to the end, here and in `Record`.
    """

    recipient_id: str = ""
    event_id: str = ""
    registration_id: str = ""
    guest_id: str = ""
    template_name: str = ""
    flow_type: str = ""
    message_type: str = ""
    guest_name: str = ""


class Extras(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fields that only Meta's own status has; `""` if it lacks one.

    Attributes:
        phone_number_id: the id of the business's number that sent the message.
        user_id: the recipient's business-scoped id.
        parent_user_id: the recipient's id for all businesses of a portfolio.
        participant_id: the member of a group that the status is about.
        callback_data: `biz_opaque_callback_data`, which the sender gave the message.
        pricing: Meta's object as JSON text, its keys sorted.
    """

    phone_number_id: str = ""
    user_id: str = ""
    parent_user_id: str = ""
    participant_id: str = ""
    callback_data: str = ""
    pricing: str = ""


class Report(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing learned about one message. Encodes to the JSON array that `merge.lua` reads.

    Attributes:
        wamid: Meta's id of the message.
        status: the status reported; a track-send reports `sent`.
        at_ms: when the message reached that status, in ms since the epoch.
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
    """What is known of a message: the fields that `merge.lua` packs into one text, in their order.

    All but the status are texts, `""` for what is not known, numbers in decimal digits: a page
    shows hundreds of fields, and few of them as anything but text. The fields of `Context` are each
    as the latest track-send has it that names it; without any track-send `recipient_id` is the
    smallest text among the status updates. Those of `Extras` are the smallest text of each, where
    statuses differ. A further field goes to the end: stores hold records from before it was there.

    Attributes:
        status: the highest status ever reported.
        created_us: `received_us` of the report that was merged first; never changes.
        sent_ms: the earliest time reported for `sent`, `""`: never. So for the other statuses.
        delivered_ms: see `sent_ms`.
        read_ms: see `sent_ms`.
        failed_ms: see `sent_ms`.
        error_ms: the time of the failure that the error is from.
        error_code: see `Report`, as the rest of the error.
        error_message: see `error_code`.
        error_details: see `error_code`.
        error_href: see `error_code`.
        wamid: Meta's id of the message.
        context_us: `received_us` of the latest track-send, `""`: nobody tracked the message.
        stamps: `received_us` of each context field that is older than `context_us`, in the
            order of `Context`, comma-separated; `""` when there is none, as nearly always.
        received_ms: when the service first received a report of each status, in ms since the
            epoch, in the order of `Status`, comma-separated, `""` where never; as far as the last.
    """

    status: Status
    created_us: str
    sent_ms: str
    delivered_ms: str
    read_ms: str
    failed_ms: str
    error_ms: str
    error_code: str
    error_message: str
    wamid: str
    context_us: str
    stamps: str
    recipient_id: str
    event_id: str
    registration_id: str
    guest_id: str
    template_name: str
    flow_type: str
    message_type: str
    guest_name: str
    error_details: str
    error_href: str
    phone_number_id: str
    user_id: str
    parent_user_id: str
    participant_id: str
    callback_data: str
    pricing: str
    received_ms: str


_FIELDS = len(Record._fields)


def unpack(packed: bytes) -> Record:
    """The record that `merge.lua` packed.

    What an earlier version packed lacks the last fields. What a later one packed may have more of
    them; these are passed over, and `merge.lua` keeps them.

    Raises:
        ValueError: it is no record, or one whose status only a later version knows.
    """
    fields = packed.decode().split(SEPARATOR)
    if len(fields) != _FIELDS:
        fields = (fields + [""] * _FIELDS)[:_FIELDS]
    status = _STATUSES.get(fields[0])
    if status is None or not (fields[1] and "".join(fields[1:7]).isdecimal()):
        raise ValueError("no record that this version can read")
    fields[0] = status
    return Record._make(fields)


def record_of(reports: Sequence[Report]) -> Record:
    """The record that all reports on one message make together.

    Args:
        reports: at least one, in the order in which they were merged; only `created_us` depends
            on that order.
    """
    failures = [
        (r.at_ms, r.error_code, r.error_message, r.error_details, r.error_href)
        for r in reports
        if r.status is Status.FAILED and (r.error_code or r.error_message)
    ]
    first_failure = min(failures, default=("",) * 5)
    context_us, stamps, *context = _context_of(reports)
    texts = [
        str(reports[0].received_us),
        *(_earliest(reports, status) for status in Status),
        *map(str, first_failure[:3]),
        reports[0].wamid,
        context_us,
        stamps,
        *context,
        *map(str, first_failure[3:]),
        *_extras_of(reports),
        ",".join(_first_received(reports, status) for status in Status).rstrip(","),
    ]
    return Record(max((report.status for report in reports), key=RANK.__getitem__), *texts)


def _earliest(reports: Iterable[Report], status: Status) -> str:
    return str(min((report.at_ms for report in reports if report.status is status), default=""))


def _first_received(reports: Iterable[Report], status: Status) -> str:
    received_us = (report.received_us for report in reports if report.status is status)
    first_us = min(received_us, default=None)
    return "" if first_us is None else str(first_us // 1000)


def _extras_of(reports: Sequence[Report]) -> Iterator[str]:
    given = [report.extras for report in reports if report.extras]
    for field in Extras.__struct_fields__:
        yield min(filter(None, (getattr(extras, field) for extras in given)), default="")


def _context_of(reports: Sequence[Report]) -> list[str]:
    """`context_us`, `stamps` and the context.

    Each field is from the latest track-send that names it (equal times: the greater text).
    """
    sends = [(report.received_us, report.context) for report in reports if report.context]
    fields = Context.__struct_fields__
    if not sends:
        seen = (report.recipient_id for report in reports if report.recipient_id)
        return ["", "", min(seen, default=""), *[""] * (len(fields) - 1)]
    latest_us = max(received_us for received_us, _ in sends)
    values, stamps = [], []
    for field in fields:
        named = [(us, getattr(context, field)) for us, context in sends if getattr(context, field)]
        received_us, value = max(named, default=(latest_us, ""))
        values.append(value)
        stamps.append("" if received_us == latest_us else str(received_us))
    return [str(latest_us), ",".join(stamps) if any(stamps) else "", *values]


def reports_of(record: Record) -> list[Report]:
    """Reports that make this record: `record_of` undone.

    Merged in their order into an empty store they give exactly this record; into one that has the
    message already they do what the record's own reports would do once more.

    Raises:
        ValueError: no reports could have made it: a status without a time, say.
    """
    known = _Known(record)
    sends = [known.report(stamp_us, context) for stamp_us, context in _contexts_of(record)]
    error = record.error_code, record.error_message, record.error_details, record.error_href
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
    if reports[0].received_us != known.created_us:  # what came first was reported as of earlier
        reports.insert(0, known.report(known.created_us))
    extras = Extras(*(getattr(record, field) for field in Extras.__struct_fields__))
    if extras != Extras():
        reports[0] = msgspec.structs.replace(reports[0], extras=extras)
    return reports


def receipts_of(record: Record) -> dict[Status, str]:
    """When the service first received each status that was reported, in ms since the epoch."""
    received_ms = zip(Status, record.received_ms.split(","), strict=False)
    return {status: time_ms for status, time_ms in received_ms if time_ms}


class _Known:
    """What a record says of each status.

    Attributes:
        created_us: of the record.
        statuses: that were reported, in their order: each with its time in ms, and when the service
            first received it in µs, as far as the record knows it.

    Raises:
        ValueError: no reports could have made the record.
    """

    def __init__(self, record: Record) -> None:
        self._wamid = record.wamid
        self.created_us = int(record.created_us)
        received_ms = receipts_of(record)
        reported = [status for status in Status if getattr(record, f"{status}_ms")]
        if record.status not in reported or reported != list(received_ms):
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
        raise ValueError("a report that was received before any status was")


def _says(sends: Iterable[Report], status: Status, received_us: int) -> bool:
    """Whether a send reports the status as of then."""
    return any(
        send.status is status and send.received_us // 1000 == received_us // 1000 for send in sends
    )


def _contexts_of(record: Record) -> list[tuple[int, Context]]:
    """What each track-send left in the record, by when it was received; the latest always."""
    if not record.context_us:
        return []
    fields = Context.__struct_fields__
    stamps = record.stamps.split(",") if record.stamps else [""] * len(fields)
    by_stamp: dict[str, dict[str, str]] = {record.context_us: {}}
    for field, stamp in zip_longest(fields, stamps, fillvalue=""):  # fields that came later
        if value := getattr(record, field):
            by_stamp.setdefault(stamp or record.context_us, {})[field] = value
    return [(int(stamp), Context(**named)) for stamp, named in by_stamp.items()]


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
