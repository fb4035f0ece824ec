"""Pages of messages and of values, put together from the partitions, each with bounded work."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from heapq import merge as merge_sorted
from itertools import islice
from operator import itemgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

from service.domain.identity import id_of
from service.domain.query import Position, Selection, ValuePosition
from service.domain.record import Record
from service.domain.rows import Kind
from service.domain.statistics import ValueTotals
from service.store.queries import Query, Test

if TYPE_CHECKING:
    from service.store.store import Store

log = logging.getLogger(__name__)

_MOST_VALUES = 200
"""That one partition is asked for at once."""

Row = TypeVar("Row")
Answer = TypeVar("Answer")


class Page(NamedTuple):
    """Records, newest first, and the position behind which more follow; None: none do.

    Attributes:
        unreadable: how many more there were that can't be read; `Store.page` doesn't count them.
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


def rows_of(kind: Kind[Row], replies: Sequence[Any]) -> tuple[list[Row | None], int]:
    """The row of each reply, None where there is none; and how many of these can't be read.

    One that this version can't read is left out: a later version wrote it, say, or it is no hash.
    The others must not be lost for it. A line in the log tells of it.
    """
    if kind.readable(replies):
        return list(replies), 0
    rows, unreadable = list[Row | None](), 0
    for reply in replies:
        try:
            rows.append(kind.row(reply))
        except (ValueError, TypeError):
            rows.append(None)
            if not isinstance(reply, list) or any(reply):
                unreadable += 1
                _unreadable.note()
    return rows, unreadable


def rows_that_pass(
    test: Test, kind: Kind[Row], places: Iterable[Position], replies: Sequence[Any]
) -> tuple[list[tuple[Position, Row]], int]:
    """The rows of messages that a script found a moment ago, and how many can't be read.

    Those are left out that have gone since, or don't pass the test any more.

    Args:
        test: whether a row is wanted.
        kind: what was read.
        places: of the messages.
        replies: of each message.
    """
    rows, unreadable = rows_of(kind, replies)
    found = zip(places, rows, strict=True)
    return [(at, row) for at, row in found if row is not None and test(row)], unreadable


class PartitionScan:
    """How far a page has come in one partition.

    Attributes:
        found: the positions of the messages found and not taken yet, newest first.
        stopped: behind what it has looked at; None: there is no more.
    """

    def __init__(
        self, store: Store, partition: int, selection: Selection, after: Position | None
    ) -> None:
        self.partition = partition
        self.found: list[Position] = []
        self.stopped: Position | None = after
        self._store = store
        self._selection = selection
        self._through = False

    def lacks(self, wanted: int) -> bool:
        """Whether it has found fewer messages than wanted, and may find more."""
        return len(self.found) < wanted and not self._through

    def take(self, number: int) -> list[Position]:
        """Takes the first so many of those found."""
        taken, self.found = self.found[:number], self.found[number:]
        return taken

    async def advance(self, wanted: int) -> None:
        """One more look, at a bounded number of entries."""
        query = Query.of(self._selection, wanted - len(self.found), self.stopped)
        scan = await self._store.find(self.partition, query)
        self.found += scan.found
        self.stopped = scan.stopped
        self._through = scan.stopped is None


async def read_page(
    store: Store,
    kind: Kind[Row],
    selection: Selection,
    limit: int,
    after: Position | None,
    *,
    until_s: float,
) -> tuple[list[Row], Position | None]:
    """The rows of matching messages behind a position, newest first.

    Args:
        store: that is read.
        kind: what is read of each message: all at least that the selection is by.
        selection: which messages.
        limit: rows wanted; there are fewer at the end, and where the deadline is reached.
        after: the position; None: the newest message is the first.
        until_s: the deadline, by the loop's clock.

    Returns:
        the rows, and the position to go on from; None: nothing follows.
    """
    scans = [PartitionScan(store, p, selection, after) for p in range(store.partitions)]
    test = Query.of(selection, limit, after).test(kind)
    rows: list[Row] = []
    last = after
    while True:
        wanted = limit - len(rows)
        await _advance(scans, wanted + 1, until_s)  # one more shows whether others follow
        taken = take(scans, wanted)
        rows += await store.rows_at(taken, test, kind)
        last = min((found[-1] for found in taken.values()), default=last)
        if len(rows) == limit or not taken or _is_over(until_s):
            return rows, behind(scans, last)


async def _advance(scans: Sequence[PartitionScan], wanted: int, until_s: float) -> None:
    """Makes each partition find so many messages, if it has them, until the deadline."""
    while short := [scan for scan in scans if scan.lacks(wanted)]:
        await all_of(scan.advance(wanted) for scan in short)
        if _is_over(until_s):
            return


def _is_over(until_s: float) -> bool:
    return asyncio.get_running_loop().time() > until_s


async def all_of(calls: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """The results of all calls, or one of their errors. Waits for all: none outlives it."""
    waiting = list(calls)
    if len(waiting) == 1:  # as with one partition always: no task is needed
        return [await waiting[0]]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return cast("list[Answer]", answers)


def take(scans: Sequence[PartitionScan], number: int) -> dict[int, list[Position]]:
    """Takes the newest that were found, up to so many: those of each partition, newest first.

    None of them is farther back than every partition has been looked through.
    """
    if len(scans) == 1:
        number = min(number, len(scans[0].found))
        return {scans[0].partition: scans[0].take(number)} if number else {}
    back = horizon(scans)
    each = ([(at, scan) for at in scan.found] for scan in scans)
    newest = islice(merge_sorted(*each, key=itemgetter(0), reverse=True), number)
    taken = Counter(scan for at, scan in newest if back is None or at >= back)
    return {scan.partition: scan.take(some) for scan, some in taken.items()}


def horizon(scans: Iterable[PartitionScan]) -> Position | None:
    """How far back every partition has been looked through; None: to the end."""
    return max((scan.stopped for scan in scans if scan.stopped is not None), default=None)


def behind(scans: Sequence[PartitionScan], last: Position | None) -> Position | None:
    """The position to go on from; None: nothing follows.

    Args:
        scans: of all partitions.
        last: the last position that was taken of them.
    """
    back = horizon(scans)
    left = max((scan.found[0] for scan in scans if scan.found), default=None)
    return back if left is None or (back is not None and left < back) else last


class ValuePage(NamedTuple):
    """Values, those with the latest message first, and the position behind which more follow."""

    standings: list[ValueTotals]
    following: ValuePosition | None


class ValueSource(Protocol):
    """A dimension's values in all partitions."""

    async def heads(
        self, limit: int, after: ValuePosition | None
    ) -> Sequence[Sequence[ValueTotals]]:
        """Of each partition so many values behind a position."""

    async def standings(self, values: Sequence[str]) -> Sequence[Sequence[ValueTotals]]:
        """Of each partition how these values stand."""

    def is_late(self) -> bool:
        """Whether a page is to come short rather than look on."""


class ValuePager:
    """Pages of a dimension's values, from partitions that each have messages of many of them.

    A value's place is that of its latest message in any partition. It has others in the rest, where
    it is passed over. There may be very many of these, so the steps grow, and don't go on for ever.

    Args:
        source: of the values.
    """

    def __init__(self, source: ValueSource) -> None:
        self._source = source

    async def page(self, limit: int, after: ValuePosition | None) -> ValuePage:
        """Up to so many values behind a position."""
        rows: list[ValueTotals] = []
        step = limit + 1  # one more shows whether another page follows
        while True:
            heads = await self._source.heads(step, after)
            ends = [head[-1].position for head in heads if len(head) == step]
            horizon = max(ends, default=(0, ""))
            places = _latest(heads)
            near = [value for value, place in places.items() if place >= horizon]
            near.sort(key=places.__getitem__, reverse=True)
            for start in range(0, len(near), step):
                rows += await self._behind(after, near[start : start + step], heads)
                if len(rows) > limit:
                    return ValuePage(rows[:limit], rows[limit - 1].position)
            if not ends or self._source.is_late():
                return ValuePage(rows, horizon if ends else None)
            after, step = horizon, max(step, min(4 * step, _MOST_VALUES))

    async def _behind(
        self,
        after: ValuePosition | None,
        values: Sequence[str],
        heads: Sequence[Sequence[ValueTotals]],
    ) -> list[ValueTotals]:
        """How values stand in all partitions together: those whose place is behind a position."""
        if len(heads) == 1:  # which has said all there is to say
            wanted = set(values)
            return [standing for standing in heads[0] if standing.value in wanted]
        together = _merge_counts(await self._source.standings(values))
        found = [each for each in together.values() if after is None or each.position < after]
        return sorted(found, key=lambda standing: standing.position, reverse=True)


def _latest(heads: Sequence[Sequence[ValueTotals]]) -> dict[str, ValuePosition]:
    places: dict[str, ValuePosition] = {}
    for head in heads:
        for standing in head:
            places[standing.value] = max(places.get(standing.value, (0, "")), standing.position)
    return places


def _merge_counts(parts: Iterable[Iterable[ValueTotals]]) -> dict[str, ValueTotals]:
    found: dict[str, ValueTotals] = {}
    for part in parts:
        for standing in part:
            other = found.get(standing.value)
            found[standing.value] = standing.plus(other) if other else standing
    return found


def position_of(record: Record) -> Position:
    """Where the record's message is in the order of messages."""
    return Position(int(record.created_us), id_of(record.wamid))
