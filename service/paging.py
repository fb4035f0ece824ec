"""Pages of messages and of values, put together from the partitions, each with bounded work."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from heapq import merge as merge_sorted
from itertools import islice
from operator import itemgetter
from time import monotonic
from typing import NamedTuple

from service.counters import Standing, ValuePosition
from service.keys import Position, Selection, id_of
from service.reports import Record, unpack
from service.scripts import Query, Scan

Heads = Callable[[int, ValuePosition | None], Awaitable[Sequence[Sequence[Standing]]]]
Standings = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[Standing]]]]

log = logging.getLogger(__name__)

_MOST_VALUES = 200
"""That one partition is asked for at once."""

Look = Callable[[int, Query], Awaitable[Scan]]
"""`look(partition, query)`: one look at a partition."""


class Page(NamedTuple):
    """Records, newest first, and the position behind which more follow; None: none do.

    Attributes:
        unreadable: how many more there were that can't be read; only `Store.scan` counts them.
    """

    records: list[Record]
    following: Position | None
    unreadable: int = 0


class _Unreadable:
    """Says how many records can't be read, in a line a second at the most."""

    def __init__(self) -> None:
        self._number, self._next_s = 0, 0.0

    def note(self) -> None:
        """One more."""
        self._number += 1
        now_s = monotonic()
        if now_s >= self._next_s:
            log.warning("records_unreadable", extra={"records": self._number})
            self._number, self._next_s = 0, now_s + 1.0


_unreadable = _Unreadable()


def readable(packed: Iterable[bytes]) -> Iterator[Record]:
    """The records among them that this version can read.

    One that it can't is left out and logged: a later version wrote it, say, and the others must
    not be lost for it.
    """
    for each in packed:
        try:
            yield unpack(each)
        except ValueError:
            _unreadable.note()


class PartitionScan:
    """How far a page has come in one partition."""

    def __init__(
        self, look: Look, partition: int, selection: Selection, after: Position | None
    ) -> None:
        self.look = look
        self._partition = partition
        self._selection = selection
        self._packed: list[bytes] = []
        self.stopped: Position | None = after
        self._through = False

    def lacks(self, wanted: int) -> bool:
        """Whether it has fewer rows than wanted, and may find more."""
        return len(self._packed) < wanted and not self._through

    async def advance(self, wanted: int) -> None:
        """One more look, at a bounded number of entries."""
        query = Query.of(self._selection, wanted - len(self._packed), self.stopped)
        scan = await self.look(self._partition, query)
        self._packed += scan.packed
        self.stopped = scan.stopped
        self._through = scan.stopped is None

    def records(self) -> Iterator[Record]:
        """What it found. Unpacked one by one, since of many partitions' rows few make a page."""
        return readable(self._packed)

    def rows(self) -> Iterator[tuple[Position, Record]]:
        """What it found, each with its position."""
        return ((position_of(record), record) for record in self.records())


def page_of(scans: Sequence[PartitionScan], limit: int) -> Page:
    """The newest rows of all partitions, as far back as every partition has been looked through."""
    reached = [scan.stopped for scan in scans if scan.stopped is not None]
    horizon = max(reached, default=None)
    if len(scans) == 1:
        found = scans[0].records()
    else:
        rows = merge_sorted(*(scan.rows() for scan in scans), key=itemgetter(0), reverse=True)
        found = (record for at, record in rows if horizon is None or at >= horizon)
    records = list(islice(found, limit + 1))
    if len(records) > limit:
        return Page(records[:limit], position_of(records[limit - 1]))
    return Page(records, horizon)


class ValuePage(NamedTuple):
    """Values, those with the latest message first, and the position behind which more follow."""

    standings: list[Standing]
    following: ValuePosition | None


class ValuePages:
    """Pages of a dimension's values, from partitions that each have messages of many of them.

    A value's place is that of its latest message in any partition. It has others in the rest, where
    it is passed over. There may be very many of these, so the steps grow, and don't go on for ever.

    Args:
        heads: `heads(limit, after)`: of each partition so many values behind a position.
        standings: `standings(values)`: how they stand, of each partition.
        late: whether a page is to come short rather than look on.
    """

    def __init__(self, heads: Heads, standings: Standings, late: Callable[[], bool]) -> None:
        self._heads = heads
        self._standings = standings
        self._late = late

    async def page(self, limit: int, after: ValuePosition | None) -> ValuePage:
        """Up to so many values behind a position."""
        rows: list[Standing] = []
        step = limit + 1  # one more shows whether another page follows
        while True:
            heads = await self._heads(step, after)
            ends = [head[-1].position for head in heads if len(head) == step]
            horizon = max(ends, default=(0, ""))
            places = _latest(heads)
            near = [value for value, place in places.items() if place >= horizon]
            near.sort(key=places.__getitem__, reverse=True)
            for start in range(0, len(near), step):
                rows += await self._behind(after, near[start : start + step], heads)
                if len(rows) > limit:
                    return ValuePage(rows[:limit], rows[limit - 1].position)
            if not ends or self._late():
                return ValuePage(rows, horizon if ends else None)
            after, step = horizon, max(step, min(4 * step, _MOST_VALUES))

    async def _behind(
        self,
        after: ValuePosition | None,
        values: Sequence[str],
        heads: Sequence[Sequence[Standing]],
    ) -> list[Standing]:
        """How values stand in all partitions together: those whose place is behind a position."""
        if len(heads) == 1:  # which has said all there is to say
            wanted = set(values)
            return [standing for standing in heads[0] if standing.value in wanted]
        together = _together(await self._standings(values))
        found = [each for each in together.values() if after is None or each.position < after]
        return sorted(found, key=lambda standing: standing.position, reverse=True)


def _latest(heads: Sequence[Sequence[Standing]]) -> dict[str, ValuePosition]:
    places: dict[str, ValuePosition] = {}
    for head in heads:
        for standing in head:
            places[standing.value] = max(places.get(standing.value, (0, "")), standing.position)
    return places


def _together(parts: Iterable[Iterable[Standing]]) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    for part in parts:
        for standing in part:
            other = found.get(standing.value)
            found[standing.value] = standing.plus(other) if other else standing
    return found


def position_of(record: Record) -> Position:
    """Where the record's message is in the order of messages."""
    return Position(int(record.created_us), id_of(record.wamid))
