"""The expected counters and lists of a partition, summed up while `recount` reads its messages.

They are in a temporary SQLite file, so that memory stays within 64 MiB, however many messages there
are.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from service.domain.dimensions import DIMENSIONS, values_of
from service.domain.identity import id_of
from service.domain.record import Record
from service.domain.statistics import CounterDeltas, deltas_of
from service.store.scripts import MAX_RECHECKED

CountedValue = tuple[str, str]
"""The name of a counted dimension, and one of its values."""

COUNTED = {each.name: each for each in DIMENSIONS if each.counted}
"""The dimensions whose values have counters, by name."""


class _Adds(NamedTuple):
    """What a message adds to counters: 1 to each of these fields, for each of these values.

    Attributes:
        values: the message's values of the counted dimensions.
        fields: the kind of a counter, as in `CounterDeltas`, and the field.
        created_us: when the message was created, in µs since the epoch.
    """

    values: list[CountedValue]
    fields: list[tuple[str, str]]
    created_us: int


_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE message (id TEXT PRIMARY KEY, adds BLOB) WITHOUT ROWID;
CREATE TABLE sums (dimension TEXT, value TEXT, kind TEXT, field TEXT, number INTEGER,
    PRIMARY KEY (dimension, value, kind, field)) WITHOUT ROWID;
CREATE TABLE wrong (id TEXT, dimension TEXT, value TEXT,
    PRIMARY KEY (id, dimension, value)) WITHOUT ROWID;
CREATE TABLE participants (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_FIND = "SELECT id, adds FROM message WHERE id IN (SELECT value FROM json_each(?))"
_ADD = """INSERT INTO sums VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET number = number + excluded.number"""
_RAISE = """INSERT INTO sums VALUES (?, ?, 'latest', '', ?)
    ON CONFLICT DO UPDATE SET number = max(number, excluded.number)"""
_NUMBERS = "SELECT field, number FROM sums WHERE dimension = ? AND value = ? AND kind = ?"
_NEXT = """SELECT DISTINCT dimension, value FROM sums WHERE (dimension, value) > (?, ?)
    ORDER BY dimension, value LIMIT ?"""


class Ledger:
    """The messages of a partition and what they add to counters, in a temporary file.

    Every method raises sqlite3.OperationalError if the file can't be written.

    Attributes:
        messages: how many there are.
    """

    def __init__(self) -> None:
        self._tables = sqlite3.connect("")  # the empty name means a temporary file
        self._tables.executescript(_TABLES)
        self.messages = 0

    def close(self) -> None:
        """Removes the file."""
        self._tables.close()

    def put(self, ids: Iterable[str], records: Iterable[Record]) -> None:
        """Replaces what is known of these messages.

        Args:
            ids: of the messages. An id without a record means that the message is gone.
            records: the records of those that exist.
        """
        sums, latest = Counter[tuple[str, str, str, str]](), Counter[CountedValue]()
        adds = {id_of(record.wamid): _adds_of(record) for record in records}
        wanted = msgspec.json.encode([*adds.keys() | ids]).decode()
        known = self._tables.execute(_FIND, [wanted]).fetchall()
        for _, packed in known:
            sums.subtract(_fields_of(msgspec.msgpack.decode(packed, type=_Adds)))
        for each in adds.values():
            sums.update(_fields_of(each))
            for value in each.values:
                latest[value] = max(latest[value], each.created_us)
        rows = [(message_id, msgspec.msgpack.encode(each)) for message_id, each in adds.items()]
        self._tables.executemany("DELETE FROM message WHERE id = ?", (row[:1] for row in known))
        self._tables.executemany("INSERT INTO message VALUES (?, ?)", rows)
        self._tables.executemany(_ADD, ((*field, number) for field, number in sums.items()))
        self._tables.executemany(_RAISE, ((*value, at_us) for value, at_us in latest.items()))
        self.messages += len(rows) - len(known)

    def note_values(self, values: Iterable[CountedValue]) -> None:
        """Adds values that the store has a counter or list entry for; they may have no messages."""
        self._tables.executemany(_ADD, ((*value, "count", "sent", 0) for value in values))

    def note_participants(self, ids: Iterable[str]) -> None:
        """Adds the ids of messages that may have participants."""
        self._tables.executemany(
            "INSERT OR IGNORE INTO participants VALUES (?)", ([each] for each in ids)
        )

    def note_wrong(self, entries: Iterable[tuple[str, str, str]]) -> None:
        """Adds index entries that were wrong: id, dimension and value. Repeated ones count once."""
        self._tables.executemany("INSERT OR IGNORE INTO wrong VALUES (?, ?, ?)", entries)

    @property
    def wrong(self) -> int:
        """How many index entries were wrong."""
        [(number,)] = self._tables.execute("SELECT count(*) FROM wrong")
        return int(number)

    def values_after(self, value: CountedValue) -> list[CountedValue]:
        """The next counted values in order, at most `MAX_RECHECKED` of them."""
        return self._tables.execute(_NEXT, (*value, MAX_RECHECKED)).fetchall()

    def groups(self) -> Iterator[str]:
        """The ids of messages that may have participants."""
        return (each for (each,) in self._tables.execute("SELECT id FROM participants"))

    def latest(self, value: CountedValue) -> str:
        """`created_us` of the latest message that had the value while we read; `""` if none had.

        That message may have another value by now. So `recount.lua` looks into the index before it
        calls a list wrong.
        """
        return str(self._numbers(value, "latest")[""] or "")

    def tallies(self, value: CountedValue) -> CounterDeltas:
        """The counters that a value should have: the sums over its messages."""
        return CounterDeltas(
            *(self._numbers(value, kind) for kind in CounterDeltas.__struct_fields__)
        )

    def _numbers(self, value: CountedValue, kind: str) -> Counter[str]:
        return Counter(dict(self._tables.execute(_NUMBERS, (*value, kind)).fetchall()))


def _adds_of(record: Record) -> _Adds:
    tallies = deltas_of(record)
    values = [
        (name, value)
        for name, each in COUNTED.items()
        for value in values_of(each, [getattr(record, field) for field in each.fields])
    ]
    kinds = CounterDeltas.__struct_fields__
    fields = [(kind, field) for kind in kinds for field in getattr(tallies, kind)]
    return _Adds(values, fields, int(record.created_us))


def _fields_of(adds: _Adds) -> Iterator[tuple[str, str, str, str]]:
    return ((*value, *field) for value in adds.values for field in adds.fields)
