"""Arguments and replies of the scripts: erasures, recounts, upgrades, the layout of a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class Erasure(msgspec.Struct, frozen=True):
    """The messages to remove; it encodes to the JSON object that `erase.lua` reads.

    A message is removed only if it matches `dimension`, `recipients` and `before_us`.

    Attributes:
        messages: the id of each, and the CRC16 of its wamid; at most `MAX_ERASED`.
        dimension: the dimension in whose index, for `value`, the message is.
        value: see `dimension`.
        recipients: the message goes to one of these numbers and ids; empty for any recipient.
        before_us: the message was created before this time, in µs as text; `""` for any time.
        gone_s: how long reports must not bring it back, in seconds; 0: they may.
    """

    messages: Sequence[tuple[str, str]]
    dimension: str
    value: str = ""
    recipients: Sequence[str] = ()
    before_us: str = ""
    gone_s: int = 0


class Recount(msgspec.Struct, frozen=True):
    """What to compare with the records; it encodes to the JSON object that `recount.lua` reads.

    There are up to `MAX_RECHECKED` messages, lists and counters each, and twice as many indexes.

    Attributes:
        mend: whether errors are corrected.
        messages: the ids of messages whose index entries must exist.
        indexes: dimension and value of indexes whose entries must have a message, and the cursor
            of the entry to begin with.
        lists: dimension, value, and `created_us` of its latest message, `""` for none.
        group: the id of a message whose number of participants may be wrong; `""` for none.
        counters: dimension and value of counters to read.
        put: what to write to the first of these counters: fields and numbers of count, all numbers
            of times, fields and numbers of waits. Empty: nothing.
        place: the id of the feed's last entry. If it is another one by now, `put` isn't written.
    """

    mend: bool = False
    messages: Sequence[str] = ()
    indexes: Sequence[tuple[str, str, str]] = ()
    lists: Sequence[tuple[str, str, str]] = ()
    group: str = ""
    counters: Sequence[tuple[str, str]] = ()
    put: Sequence[Sequence[object]] = ()
    place: str = ""


class Held(NamedTuple):
    """The counters of a value as Redis holds them.

    Attributes:
        numbers: the fields of count.
        times: the text of times.
        waits: the fields of waits.
    """

    numbers: dict[bytes, bytes]
    times: bytes
    waits: dict[bytes, bytes]


class Recounted(NamedTuple):
    """What a recount found wrong, and the counters that it read.

    It may end before it comes to all indexes and counters that it was given.

    Attributes:
        entries: id, dimension and value of each wrong index entry.
        cursors: the next cursors of the first indexes, up to the last one that it came to; `"0"`
            for an index that is done.
        lists: how many lists were wrong.
        groups: how many groups were wrong.
        place: the id of the feed's last entry at that instant; `""` if the feed is empty.
        counters: the first counters, up to the last that it came to.
    """

    entries: list[tuple[str, str, str]]
    cursors: list[str]
    lists: int
    groups: int
    place: str
    counters: list[Held]


Replaced = tuple[str, str, Sequence[str], str, Sequence[str]]
"""A message's id, its packed record, the fields that replace it with their values, the value of the
recipient's index that the message leaves, and the fields of its participants."""


class Change(msgspec.Struct, frozen=True):
    """One step of an upgrade; it encodes to the JSON object that `upgrade.lua` reads.

    Attributes:
        door: `shut`, `open` or ""; the script explains them.
        schema: fields and values of the layout to set, one after the other; empty for none.
        origin: the version that the store is brought from; "" when the upgrade is done.
        messages: up to `MAX_REPLACED` messages to replace.
        counts: the dimensions in which these messages are not counted yet.
    """

    door: str = ""
    schema: Sequence[str] = ()
    origin: str = msgspec.field(default="", name="from")
    messages: Sequence[Replaced] = ()
    counts: Sequence[str] = ()


class Layout(NamedTuple):
    """The layout of a store, and its id.

    Attributes:
        version: the version of the schema.
        partitions: how many partitions it has.
        moving: how many partitions it will have after the move that is under way; 0: no move is.
        id: differs from that of every other store. It is "" in a store of an earlier version,
            until the next start.
    """

    version: int
    partitions: int
    moving: int = 0
    id: str = ""

    @classmethod
    def of(cls, fields: Sequence[bytes | int | None]) -> Layout | None:
        """The layout by its fields as Redis returns them; None if there is no store."""
        version, partitions, moving, store_id = fields
        if version is None:
            return None
        name = store_id.decode() if isinstance(store_id, bytes) else ""
        return cls(int(version), int(partitions or 0), int(moving or 0), name)
