"""Pages of messages, put together from looks at the partitions, each with bounded work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from heapq import merge as merge_sorted
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from service.keys import Position, Selection, id_of
from service.reports import Record, unpack
from service.scripts import Query, Scan

Look = Callable[[int, Query], Awaitable[Scan]]
"""`look(partition, query)`: one look at a partition."""


class Page(NamedTuple):
    """Records, newest first, and the position behind which more follow; None: none do."""

    records: list[Record]
    following: Position | None


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
        return map(unpack, self._packed)

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


def position_of(record: Record) -> Position:
    """Where the record's message is in the order of messages."""
    return Position(int(record.created_us), id_of(record.wamid))
