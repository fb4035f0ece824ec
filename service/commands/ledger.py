"""What a partition's messages add to its counters and lists, while `recount` reads them.

It is in a temporary file: SQLite keeps 64 MiB of it in memory, however many messages there are.
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

Place = tuple[str, str]
"""A dimension and a value."""

COUNTED = {each.name: each for each in DIMENSIONS if each.counted}
"""The dimensions whose values have counters, by name."""


class _Adds(NamedTuple):
    """What a message adds to counters: 1 to each of these fields, of each of these values.

    Attributes:
        places: the counted values that it has.
        fields: the kind of a counter, as `CounterDeltas` has it, and the field.
        created_us: of the record.
    """

    places: list[Place]
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
    """What is known of a partition's messages, in a file that is gone when this is closed.

    Attributes:
        messages: how many there are.

    Every method raises sqlite3.OperationalError where the file can't be written.
    """

    def __init__(self) -> None:
        self._tables = sqlite3.connect("")  # SQLite makes a temporary file of it
        self._tables.executescript(_TABLES)
        self.messages = 0

    def close(self) -> None:
        """Forgets it all."""
        self._tables.close()

    def put(self, ids: Iterable[str], records: Iterable[Record]) -> None:
        """Takes what there is of some messages in place of what there was."""
        sums, latest = Counter[tuple[str, str, str, str]](), Counter[Place]()
        adds = {id_of(record.wamid): _adds_of(record) for record in records}
        asked = msgspec.json.encode([*adds.keys() | ids]).decode()
        known = self._tables.execute(_FIND, [asked]).fetchall()
        for _, packed in known:
            sums.subtract(_fields_of(msgspec.msgpack.decode(packed, type=_Adds)))
        for each in adds.values():
            sums.update(_fields_of(each))
            for place in each.places:
                latest[place] = max(latest[place], each.created_us)
        rows = [(message_id, msgspec.msgpack.encode(each)) for message_id, each in adds.items()]
        self._tables.executemany("DELETE FROM message WHERE id = ?", (row[:1] for row in known))
        self._tables.executemany("INSERT INTO message VALUES (?, ?)", rows)
        self._tables.executemany(_ADD, ((*field, number) for field, number in sums.items()))
        self._tables.executemany(_RAISE, ((*place, at_us) for place, at_us in latest.items()))
        self.messages += len(rows) - len(known)

    def note_places(self, places: Iterable[Place]) -> None:
        """Takes values that something is kept of: they may have no messages."""
        self._tables.executemany(_ADD, ((*place, "count", "sent", 0) for place in places))

    def note_participants(self, ids: Iterable[str]) -> None:
        """Takes ids of messages that may have participants."""
        self._tables.executemany(
            "INSERT OR IGNORE INTO participants VALUES (?)", ([each] for each in ids)
        )

    def note_wrong(self, entries: Iterable[tuple[str, str, str]]) -> None:
        """Takes index entries that were wrong; one may be found more than once."""
        self._tables.executemany("INSERT OR IGNORE INTO wrong VALUES (?, ?, ?)", entries)

    @property
    def wrong(self) -> int:
        """How many entries were."""
        [(number,)] = self._tables.execute("SELECT count(*) FROM wrong")
        return int(number)

    def places_behind(self, place: Place) -> list[Place]:
        """Some of the counted values, those that follow."""
        return self._tables.execute(_NEXT, (*place, MAX_RECHECKED)).fetchall()

    def groups(self) -> Iterator[str]:
        """The ids of messages that may have participants."""
        return (each for (each,) in self._tables.execute("SELECT id FROM participants"))

    def latest(self, place: Place) -> str:
        """`created_us` of the latest message that the value had since this was begun; `""`: none.

        A message that has left the value since may have been the latest: `recount.lua` looks into
        the index before it calls a list wrong.
        """
        return str(self._numbers(place, "latest")[""] or "")

    def tallies(self, place: Place) -> CounterDeltas:
        """What the messages of a value add to its counters."""
        return CounterDeltas(
            *(self._numbers(place, kind) for kind in CounterDeltas.__struct_fields__)
        )

    def _numbers(self, place: Place, kind: str) -> Counter[str]:
        return Counter(dict(self._tables.execute(_NUMBERS, (*place, kind)).fetchall()))


def _adds_of(record: Record) -> _Adds:
    tallies = deltas_of(record)
    places = [
        (name, value)
        for name, each in COUNTED.items()
        for value in values_of(each, [getattr(record, field) for field in each.fields])
    ]
    kinds = CounterDeltas.__struct_fields__
    fields = [(kind, field) for kind in kinds for field in getattr(tallies, kind)]
    return _Adds(places, fields, int(record.created_us))


def _fields_of(adds: _Adds) -> Iterator[tuple[str, str, str, str]]:
    return ((*place, *field) for place in adds.places for field in adds.fields)
