"""Queries: which messages are asked for, and positions in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class Selection(msgspec.Struct, frozen=True):
    """Which messages to list.

    Attributes:
        filters: pairs of a dimension and a value, at least one pair; all of them must match.
        status: only messages that have this status now, `""` for all.
        heads: the digits that may come before the last eight of the recipient's number, as
            `models.recipients.heads_of` returns them; `""` for any.
        recipient_id: an erasure removes only messages to this person; `""` for all.
        codes: only messages that failed with one of these codes, where `""` stands for a failure
            without a code; empty for any.
        but_codes: only messages that failed with none of these codes.
        has: only messages whose record has all of these fields, named as in `Record`.
        lacks: only messages whose record has none of these fields.
        since_us: only messages that were created then or later, in µs; 0 for any.
    """

    filters: Sequence[tuple[str, str]]
    status: str = ""
    heads: str = ""
    recipient_id: str = ""
    codes: Sequence[str] = ()
    but_codes: Sequence[str] = ()
    has: Sequence[str] = ()
    lacks: Sequence[str] = ()
    since_us: int = 0


class Position(NamedTuple):
    """A position in the order of messages, newest first: behind the message with these two."""

    created_us: int
    message_id: str


ValuePosition = tuple[int, str]
"""A position among the values of a dimension, the latest first: behind this value, whose latest
message has this `created_us`."""
