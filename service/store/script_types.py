"""What scripts take and tell: erasures, recounts, upgrades, the layout of a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class Erasure(msgspec.Struct, frozen=True):
    """What one erase is for; encodes to the JSON object that `erase.lua` reads.

    Attributes:
        messages: id and CRC16 of the wamid of each, at most `MAX_ERASED`.
        dimension: only messages in this index go, under `value`.
        value: see `dimension`.
        recipients: only messages to one of these numbers and ids go; none: to anybody.
        before_us: only messages that were created earlier, in µs as text; `""` for any.
        gone_s: how long reports must not bring them back, in seconds; 0: they may.
    """

    messages: Sequence[tuple[str, str]]
    dimension: str
    value: str = ""
    recipients: Sequence[str] = ()
    before_us: str = ""
    gone_s: int = 0


class Recount(msgspec.Struct, frozen=True):
    """What to hold against the records; encodes to the JSON object that `recount.lua` reads.

    Of messages, lists and counters up to `MAX_RECHECKED` each, of indexes twice as many.

    Attributes:
        mend: whether what is wrong is made right.
        messages: ids of messages whose index entries are looked for.
        indexes: dimension, value, and cursor from which on its entries' messages are looked for.
        lists: dimension, value, and `created_us` of its latest message, `""` for none.
        group: the id of a message whose number of participants may be wrong; `""` for none.
        counters: dimension and value.
        put: what the counters of the first of them must hold where they are wrong: fields and
            numbers of count, all numbers of times, fields and numbers of waits; empty: nothing.
        place: the feed's last entry, as it must still be for that to be written.
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
    """What the counters of a value hold.

    Attributes:
        numbers: the fields of count, as they are.
        times: the text, as it is.
        waits: the fields of it, as they are.
    """

    numbers: dict[bytes, bytes]
    times: bytes
    waits: dict[bytes, bytes]


class Recounted(NamedTuple):
    """What was wrong, and what counters hold.

    Attributes:
        entries: id, dimension and value of the wrong ones.
        cursors: where to go on in the first of the indexes that were asked for, as far as it came;
            `"0"`: that one is done.
        lists: how many of them were wrong.
        groups: likewise.
        place: the id of the feed's last entry at that instant; `""`: it has none.
        counters: of the first values that were asked for, as far as it came.
    """

    entries: list[tuple[str, str, str]]
    cursors: list[str]
    lists: int
    groups: int
    place: str
    counters: list[Held]


Replaced = tuple[str, str, Sequence[str], str, Sequence[str]]
"""A message's id, packed record, fields with their values, the value of the recipient's index that
it leaves, and the fields of its participants."""


class Change(msgspec.Struct, frozen=True):
    """What one upgrade of a partition does; encodes to the JSON object that `upgrade.lua` reads.

    Attributes:
        door: `shut`, `open` or "", as `upgrade.lua` has them.
        schema: fields and values of the layout to be set, one after the other; empty: none.
        origin: the version that the store is brought from; "" where it isn't on the way any more.
        messages: up to `MAX_REPLACED` of them.
        counts: the dimensions in which these messages are not counted yet.
    """

    door: str = ""
    schema: Sequence[str] = ()
    origin: str = msgspec.field(default="", name="from")
    messages: Sequence[Replaced] = ()
    counts: Sequence[str] = ()


class Layout(NamedTuple):
    """How a store is laid out.

    Attributes:
        version: of the schema.
        partitions: how many it has.
        moving: how many it will have when the move that is under way is done; 0: none is.
        id: tells it from every other store; "" for one that an earlier version made, until the
            next start.
    """

    version: int
    partitions: int
    moving: int = 0
    id: str = ""

    @classmethod
    def of(cls, fields: Sequence[bytes | int | None]) -> Layout | None:
        """The layout by its fields as Redis has them; None where there is no store."""
        version, partitions, moving, store_id = fields
        if version is None:
            return None
        name = store_id.decode() if isinstance(store_id, bytes) else ""
        return cls(int(version), int(partitions or 0), int(moving or 0), name)
