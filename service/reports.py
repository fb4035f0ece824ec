"""What the service learns about a message, and how that becomes one record.

Everything learned is a `Report`. The record of a message is what all of its reports say
together (`record_of`), whatever their order and however often each came. `lua/merge.lua` does the
same one report at a time inside Redis; the tests hold it against `record_of`.

Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import zip_longest
from typing import NamedTuple

import msgspec

SEPARATOR = "\x1f"
"""Stands between the fields of a packed record. No field can hold it: callers' control
characters are refused, and those in Meta's error texts become spaces."""


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
    """What only Meta's own webhook tells of a message; `""` is what it doesn't.

    Attributes:
        phone_number_id: of the business's number that sent the message.
        user_id: the recipient's business-scoped id.
        parent_user_id: the recipient's id among all businesses of a portfolio.
        participant_id: who of a group the status is about.
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


def unpack(packed: bytes) -> Record:
    """The record that `merge.lua` packed; what was packed before a field was there lacks it."""
    fields = packed.decode().split(SEPARATOR)
    if len(fields) < len(Record._fields):
        fields += [""] * (len(Record._fields) - len(fields))
    fields[0] = _STATUSES[fields[0]]
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
    ]
    return Record(max((report.status for report in reports), key=RANK.__getitem__), *texts)


def _earliest(reports: Iterable[Report], status: Status) -> str:
    return str(min((report.at_ms for report in reports if report.status is status), default=""))


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
    created_us = int(record.created_us)
    times = [(s, int(at_ms)) for s in Status if (at_ms := getattr(record, f"{s}_ms"))]
    if record.status not in dict(times):
        raise ValueError("a status that was never reported")
    first, first_ms = times[0]
    sends = [
        Report(record.wamid, first, first_ms, received_us, context=context)
        for received_us, context in _contexts_of(record)
    ]
    error = record.error_code, record.error_message, record.error_details, record.error_href
    updates = [
        Report(
            record.wamid,
            status,
            at_ms,
            created_us,
            "" if sends else record.recipient_id,
            *(error if status is Status.FAILED and str(at_ms) == record.error_ms else ()),
        )
        for status, at_ms in times
    ]
    if record.error_ms not in ("", record.failed_ms):  # an earlier failure carried no error
        error_ms = int(record.error_ms)
        updates.append(Report(record.wamid, Status.FAILED, error_ms, created_us, "", *error))
    if first is not Status.FAILED and any(send.received_us == created_us for send in sends):
        del updates[0]  # a send says it too, and can be the first
    reports = sorted(sends + updates, key=lambda report: report.received_us != created_us)
    extras = Extras(*(getattr(record, field) for field in Extras.__struct_fields__))
    if extras != Extras():
        reports[0] = msgspec.structs.replace(reports[0], extras=extras)
    return reports


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


class Clock:
    """Stamps reports: µs since the epoch, never the same twice, never backwards.

    Args:
        wall_ns: the time of day in ns, `time.time_ns` save in tests.
    """

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._last_us = 0

    def __call__(self) -> int:
        """The next stamp."""
        now_us = self._wall_ns() // 1000
        if now_us <= self._last_us:
            now_us = self._last_us + 1
        self._last_us = now_us
        return now_us
