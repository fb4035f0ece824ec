"""Which messages are asked for, and a place in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class Selection(msgspec.Struct, frozen=True):
    """Which messages to list.

    Attributes:
        filters: dimension and value, at least one; all must hold.
        status: only messages now at this status, `""` for all.
        heads: the digits that may come before the last eight of the recipient's number, as
            `models.recipients.heads_of` returns them; `""` for any.
        recipient_id: an erasure removes only messages to this person; `""` for all.
        codes: only messages that failed with one of these codes; `""` among them means without a
            code; empty: any.
        but_codes: only messages that failed with none of these.
        has: only messages whose record has all of these fields, named as in `reports.Record`.
        lacks: only messages whose record has none of these fields.
        since_us: only messages that were created then or later, in µs; 0: any.
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
    """A place in the order of messages, newest first: behind the message with these two."""

    created_us: int
    message_id: str


ValuePosition = tuple[int, str]
"""A place among a dimension's values, the latest first: `created_us` of its latest message, and the
value."""
