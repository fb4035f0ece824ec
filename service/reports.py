"""What the service learns about a message, and how that becomes one record.

Everything learned is a `Report`. The record of a message is what all of its reports say
together (`record_of`), whatever their order and however often each came. `lua/merge.lua` does the
same one report at a time inside Redis; the tests hold it against `record_of`.

Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

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


RANK = {status: rank for rank, status in enumerate(Status, start=1)}


class Context(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a track-send says of a message; `""` is what it doesn't name.

    A further field goes to the end: records packed before it was there are read as not naming it.
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


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is known of a message.

    Attributes:
        status: the highest status ever reported.
        created_us: `received_us` of the report that was merged first; never changes.
        sent_ms: the earliest time reported for `sent`; None: never. So for the other statuses.
        delivered_ms: see `sent_ms`.
        read_ms: see `sent_ms`.
        failed_ms: see `sent_ms`.
        error_ms: the time of the failure that `error_code` and `error_message` are from.
        error_code: `""` for none.
        error_message: `""` for none.
        error_details: `""` for none.
        error_href: `""` for none.
        wamid: Meta's id of the message.
        context_us: `received_us` of the latest track-send; None: nobody tracked the message.
        stamps: `received_us` of each context field that is older than `context_us`, in the
            order of `Context`, comma-separated; `""` when there is none, as nearly always.
        extras: of each, where statuses differ, the smallest text.
        context: each field as the latest track-send has it that names it. Without any track-send
            `recipient_id` is the smallest text among the status updates.
    """

    status: Status
    created_us: int
    sent_ms: int | None
    delivered_ms: int | None
    read_ms: int | None
    failed_ms: int | None
    error_ms: int | None
    error_code: str
    error_message: str
    error_details: str
    error_href: str
    wamid: str
    context_us: int | None
    stamps: str
    extras: Extras
    context: Context


PACKED_FIELDS = Record.__struct_fields__[:-2] + Extras.__struct_fields__ + Context.__struct_fields__
"""The fields of a record in the order in which `merge.lua` packs them into one text."""


def unpack(packed: bytes) -> Record:
    """The record that `merge.lua` packed."""
    fields = packed.decode().split(SEPARATOR)
    return Record(
        status=Status(fields[0]),
        created_us=int(fields[1]),
        sent_ms=_number(fields[2]),
        delivered_ms=_number(fields[3]),
        read_ms=_number(fields[4]),
        failed_ms=_number(fields[5]),
        error_ms=_number(fields[6]),
        error_code=fields[7],
        error_message=fields[8],
        error_details=fields[9],
        error_href=fields[10],
        wamid=fields[11],
        context_us=_number(fields[12]),
        stamps=fields[13],
        extras=Extras(*fields[14:20]),
        context=Context(*fields[20:]),
    )


def _number(text: str) -> int | None:
    return int(text) if text else None


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
    first_failure = min(failures, default=None)
    error_ms, code, message, details, href = first_failure or (None, "", "", "", "")
    context, context_us, stamps = _context_of(reports)
    return Record(
        status=max((report.status for report in reports), key=RANK.__getitem__),
        created_us=reports[0].received_us,
        sent_ms=_earliest(reports, Status.SENT),
        delivered_ms=_earliest(reports, Status.DELIVERED),
        read_ms=_earliest(reports, Status.READ),
        failed_ms=_earliest(reports, Status.FAILED),
        error_ms=error_ms,
        error_code=code,
        error_message=message,
        error_details=details,
        error_href=href,
        wamid=reports[0].wamid,
        context_us=context_us,
        stamps=stamps,
        extras=_extras_of(reports),
        context=context,
    )


def _earliest(reports: Iterable[Report], status: Status) -> int | None:
    return min((report.at_ms for report in reports if report.status is status), default=None)


def _context_of(reports: Sequence[Report]) -> tuple[Context, int | None, str]:
    """Each field from the latest track-send that names it (equal times: the greater text)."""
    sends = [(report.received_us, report.context) for report in reports if report.context]
    if not sends:
        seen = (report.recipient_id for report in reports if report.recipient_id)
        return Context(recipient_id=min(seen, default="")), None, ""
    latest_us = max(received_us for received_us, _ in sends)
    values, stamps = [], []
    for field in Context.__struct_fields__:
        named = [(us, getattr(context, field)) for us, context in sends if getattr(context, field)]
        received_us, value = max(named, default=(latest_us, ""))
        values.append(value)
        stamps.append("" if received_us == latest_us else str(received_us))
    return Context(*values), latest_us, ",".join(stamps) if any(stamps) else ""


def _extras_of(reports: Sequence[Report]) -> Extras:
    given = [report.extras for report in reports if report.extras]
    fields = Extras.__struct_fields__
    texts = ([getattr(extras, field) for extras in given] for field in fields)
    return Extras(*(min(filter(None, some), default="") for some in texts))


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
