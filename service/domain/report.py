"""Reports: what the service learns about messages.

The record of a message is what all of its reports make together (`record_of`), in whatever order
and however often they came. `lua/merge.lua` does the same inside Redis, one report at a time; the
tests compare it with `record_of`.

Pure: no clock, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Status(StrEnum):
    """The statuses in their order. A message has the highest status that was ever reported."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


STATUS_OF = {status.value: status for status in Status}
RANK = {status: rank for rank, status in enumerate(Status, start=1)}


class Context(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fields that a track-send names; `""` stands for a field that it doesn't name.

    New fields go to the end, since journals hold these as arrays.
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
    """The fields of Meta's own status beyond those of the guide; `""` stands for an absent one.

    New fields go to the end, since journals hold these as arrays.

    Attributes:
        phone_number_id: the id of the business's number that sent the message.
        user_id: the recipient's business-scoped id.
        parent_user_id: the recipient's id for all businesses of a portfolio.
        participant_id: the member of a group that the status is about.
        callback_data: `biz_opaque_callback_data`, which the sender gave the message.
        pricing_category: `category` in Meta's pricing object.
        pricing_type: `type` in Meta's pricing object.
        pricing_model: `pricing_model` in Meta's pricing object.
        pricing_billable: `billable` in Meta's pricing object: `true` or `false`.
        pricing_other: the rest of Meta's pricing object, as JSON with sorted keys.
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
"""The fields that both track-sends and Meta's statuses may name. A track-send's text wins."""


class Report(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing learned about one message. It encodes to the JSON array that `merge.lua` reads.

    Attributes:
        wamid: Meta's id of the message.
        status: the reported status; a track-send reports `sent`.
        at_ms: when the message reached that status, in ms since the epoch. 0 in a participant's
            failure that only names the participant (see `reports_of`).
        received_us: when the service received the report, in µs since the epoch.
        recipient_id: the recipient that a status update names, `""` for none.
        error_code: the error code of a `failed` report, `""` for none.
        error_message: the error message of a `failed` report, `""` for none.
        error_details: the error details of a `failed` report, `""` for none.
        error_href: a link to Meta's page about the error, `""` for none.
        context: the fields of a track-send; `()` in a status update.
        extras: the further fields of a status in Meta's own form; `()` in other reports.
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
"""The start of 2009, in seconds since the epoch. No message is older."""

LONGEST_AHEAD_MS = 86_400_000
"""How far ahead of the clock a reported time may lie."""

_EARLIEST_US = EARLIEST_S * 1_000_000
_MOST_AHEAD_US = 1_000_000


class Clock:
    """Stamps reports, in µs since the epoch. Two stamps in a row are never the same.

    A stamp is earlier than the one before it only if the time of day went back by more than a
    second: a clock that was far ahead for a moment must not affect all later stamps. No stamp is
    before 2009, even on a machine that has lost its clock.

    Args:
        wall_ns: returns the time of day in ns: `time.time_ns`, except in tests.

    Attributes:
        latest_ms: returns the latest time that a report may have, in ms since the epoch, by another
            clock than this one. The default allows any time.
    """

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._last_us = 0
        self.latest_ms: Callable[[], float] = lambda: math.inf

    def __call__(self) -> int:
        """Returns the next stamp."""
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
    """Nothing yet: the report is in the journal."""
    ERASED = "erased"
    """Nothing: the message had been erased, and stays erased."""


class Merged(NamedTuple):
    """The result of a report: the message's status after it, and what it did to the record.

    If the report is queued, the status is the reported one.
    """

    status: Status
    outcome: Outcome
