"""What the service learns about a message, and how that becomes one record.

Everything learned is a `Report`. The record of a message is what all of its reports say
together (`record_of`), whatever their order and however often each came. `lua/merge.lua` does the
same one report at a time inside Redis; the tests hold it against `record_of`.

Pure: no clock, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Status(StrEnum):
    """The statuses in their order: a message's status is the highest ever reported."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


STATUS_OF = {status.value: status for status in Status}
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


class Outcome(StrEnum):
    """What a report did to its message's record."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    QUEUED = "queued"
    """Nothing yet: it is in the journal."""
    ERASED = "erased"
    """Nothing: the message had been erased, and stays so."""


class Merged(NamedTuple):
    """A report was taken: the message's status after it, and what it did to the record.

    Of one that is queued the status is the reported one.
    """

    status: Status
    outcome: Outcome
