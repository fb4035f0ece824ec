"""Pages of messages and of values, read from all partitions with a bounded amount of work."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from heapq import merge as merge_sorted
from itertools import islice
from operator import itemgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, cast

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
"""The longest page of values that one call reads from a partition."""

Row = TypeVar("Row")
Answer = TypeVar("Answer")


class Page(NamedTuple, Generic[Row]):
    """Records or rows of them, newest first, and the position to go on from; None: nothing follows.

    Attributes:
        unreadable: how many matching records can't be read. `read_page` doesn't count them.
    """

    records: list[Row]
    following: Position | None
    unreadable: int = 0


class _Unreadable:
    """Logs how many records can't be read, in one line a second at the most."""

    def __init__(self) -> None:
        self._number, self._next_s = 0, 0.0

    def note(self) -> None:
        """Counts one more."""
        self._number += 1
        now_s = monotonic()
        if now_s >= self._next_s:
            log.warning("records_unreadable", extra={"records": self._number})
            self._number, self._next_s = 0, now_s + 1.0


_unreadable = _Unreadable()


def rows_of(kind: Kind[Row], replies: Sequence[Any]) -> tuple[list[Row | None], int]:
    """The row of each reply, and how many of the records can't be read.

    The row is None if there is no record, or if this version can't read it: a later version may
    have written it, or the key may hold no hash. The log has a line about these.
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
    test: Test, kind: Kind[Row], replies: Sequence[Any]
) -> tuple[list[Row | None], int]:
    """The rows of messages that a script found a moment ago, and how many can't be read.

    The row is None if the message was removed since, or doesn't pass the test any more.

    Args:
        test: says whether a row is wanted.
        kind: what was read of each message.
        replies: what Redis answered for each message.
    """
    rows, unreadable = rows_of(kind, replies)
    return [row if row is not None and test(row) else None for row in rows], unreadable


class PartitionScan:
    """The scan of one partition for a page.

    Attributes:
        found: the positions of the matching messages that weren't taken yet, newest first.
        stopped: the position up to which the partition was scanned; None: up to its end.
    """

    def __init__(
        self, store: Store, partition: int, selection: Selection, after: Position | None
    ) -> None:
        self.partition = partition
        self.found: list[Position] = []
        self.stopped: Position | None = after
        self._store = store
        self._selection = selection
        self._ended = False

    def lacks(self, wanted: int) -> bool:
        """Whether it has found fewer messages than wanted, and may find more."""
        return len(self.found) < wanted and not self._ended

    def take(self, number: int) -> list[Position]:
        """Takes the newest messages that were found, up to a number."""
        taken, self.found = self.found[:number], self.found[number:]
        return taken

    async def advance(self, wanted: int) -> None:
        """Scans a bounded number of further entries."""
        number = wanted - len(self.found)
        query = Query.of(self._selection, number, self.stopped, peek=True, dated=True)
        scan = await self._store.find(self.partition, query)
        self.found += map(Position, scan.created_us, scan.ids)
        self.stopped = scan.stopped
        self._ended = scan.stopped is None


async def read_page(
    store: Store,
    kind: Kind[Row],
    selection: Selection,
    limit: int,
    after: Position | None,
    *,
    until_s: float,
) -> Page[Row]:
    """The rows of matching messages behind a position, newest first.

    Args:
        store: has the messages.
        kind: what is read of each message; it has all fields that the selection tests.
        selection: which messages are wanted.
        limit: how many rows are wanted. There are fewer at the end, and after the deadline.
        after: the position; None: the newest message is the first.
        until_s: the deadline, by the loop's clock.
    """
    if store.partitions == 1:
        return await _read_the_partition(store, kind, selection, limit, after, until_s=until_s)
    scans = [PartitionScan(store, p, selection, after) for p in range(store.partitions)]
    test = Query.of(selection, limit, after).test(kind)
    rows: list[Row] = []
    last = after
    while True:
        wanted = limit - len(rows)
        await _advance(scans, wanted, until_s)
        taken = take(scans, wanted)
        rows += await store.rows_at(taken, test, kind)
        last = min((found[-1] for found in taken.values()), default=last)
        if len(rows) == limit or not taken or _is_over(until_s):
            return Page(rows, behind(scans, last))


async def _read_the_partition(
    store: Store,
    kind: Kind[Row],
    selection: Selection,
    limit: int,
    after: Position | None,
    *,
    until_s: float,
) -> Page[Row]:
    """What `read_page` returns if the store has one partition: nothing has to be merged."""
    rows: list[Row] = []
    while True:
        query = Query.of(selection, limit - len(rows), after, peek=True)
        page = await store.look_of(kind, 0, query)
        rows += page.records
        after = page.following
        if after is None or len(rows) == limit or _is_over(until_s):
            return Page(rows, after)


async def _advance(scans: Sequence[PartitionScan], wanted: int, until_s: float) -> None:
    """Scans each partition until it has found `wanted` messages or ends; stops at the deadline."""
    while short := [scan for scan in scans if scan.lacks(wanted)]:
        await all_of(scan.advance(wanted) for scan in short)
        if _is_over(until_s):
            return


def _is_over(until_s: float) -> bool:
    return asyncio.get_running_loop().time() > until_s


async def all_of(calls: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """The results of all calls, in their order. It returns when all of them have ended.

    Raises:
        BaseException: the error of the first call that failed, in their order.
    """
    waiting = list(calls)
    if len(waiting) == 1:  # a store with one partition needs no task
        return [await waiting[0]]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return cast("list[Answer]", answers)


def take(scans: Sequence[PartitionScan], number: int) -> dict[int, list[Position]]:
    """Takes the newest messages that were found, up to a number.

    It takes none behind `low_water`, since a newer one may still be found there.

    Returns:
        the positions by partition, newest first.
    """
    scanned_to = low_water(scans)
    each = ([(at, scan) for at in scan.found] for scan in scans)
    newest = islice(merge_sorted(*each, key=itemgetter(0), reverse=True), number)
    numbers = Counter(scan for at, scan in newest if scanned_to is None or at >= scanned_to)
    return {scan.partition: scan.take(number) for scan, number in numbers.items()}


def low_water(scans: Iterable[PartitionScan]) -> Position | None:
    """The position up to which every partition was scanned; None: all were scanned to the end."""
    return max((scan.stopped for scan in scans if scan.stopped is not None), default=None)


def behind(scans: Sequence[PartitionScan], last: Position | None) -> Position | None:
    """The position to go on from; None: nothing follows.

    Args:
        scans: the scans of all partitions.
        last: the oldest position that was taken from them.
    """
    scanned_to = low_water(scans)
    next_found = max((scan.found[0] for scan in scans if scan.found), default=None)
    if next_found is None or (scanned_to is not None and next_found < scanned_to):
        return scanned_to
    return last


class ValuePage(NamedTuple):
    """Values, the one with the latest message first, and the position to go on from.

    Attributes:
        standings: the values.
        following: the position; None: nothing follows.
    """

    standings: list[ValueTotals]
    following: ValuePosition | None


class ValueSource(Protocol):
    """Reads a dimension's values from all partitions."""

    async def heads(
        self, limit: int, after: ValuePosition | None
    ) -> Sequence[Sequence[ValueTotals]]:
        """The first values behind a position, up to `limit`, for each partition."""

    async def standings(self, values: Sequence[str]) -> Sequence[Sequence[ValueTotals]]:
        """The counts of these values, for each partition that has messages of them."""

    def is_late(self) -> bool:
        """Whether a page should end now, even if it is short."""


class ValuePager:
    """Pages of a dimension's values, put together from the pages of all partitions.

    The values stand in the order of their latest message in any partition. A value has an entry in
    each partition where it has messages; only the newest of its entries counts, and the others are
    skipped. For example, two partitions hold values and the times of their latest messages, and a
    page of 2 is wanted. One call reads the first 3 of each:

        partition 0    A 90   B 70   C 50  | D 40
        partition 1    D 85   C 60   A 30  | E 20

    The low-water mark is 50, at C in partition 0: nothing that wasn't read yet is newer. The values
    whose newest entry isn't behind it are the candidates: A 90, D 85, B 70 and C 60. The page is A
    and D, and the next one begins behind D 85. There D, 40 in partition 0, is skipped.

    Args:
        source: reads the values.
    """

    def __init__(self, source: ValueSource) -> None:
        self._source = source

    async def page(self, limit: int, after: ValuePosition | None) -> ValuePage:
        """Up to `limit` values behind a position."""
        rows: list[ValueTotals] = []
        page_size = limit + 1  # one more shows whether another page follows
        read_to = after
        while True:
            pages = await self._source.heads(page_size, read_to)
            unfinished = [page[-1].position for page in pages if len(page) == page_size]
            low_water = max(unfinished, default=(0, ""))
            candidates = _candidates(pages, low_water)
            for start in range(0, len(candidates), page_size):
                some = candidates[start : start + page_size]
                rows += await self._behind(read_to, some, pages)
                if len(rows) > limit:
                    return ValuePage(rows[:limit], rows[limit - 1].position)
            if not unfinished or self._source.is_late():
                return ValuePage(rows, low_water if unfinished else None)
            # Very many entries may have to be skipped, so the pages grow, up to a bound.
            read_to, page_size = low_water, max(page_size, min(4 * page_size, _MOST_VALUES))

    async def _behind(
        self,
        after: ValuePosition | None,
        values: Sequence[str],
        pages: Sequence[Sequence[ValueTotals]],
    ) -> list[ValueTotals]:
        """The totals of those values whose latest message in any partition is behind a position.

        An earlier page had the values whose latest message is before it.
        """
        if len(pages) == 1:  # its page has the totals already
            wanted = set(values)
            return [totals for totals in pages[0] if totals.value in wanted]
        together = _merge_counts(await self._source.standings(values))
        found = [each for each in together.values() if after is None or each.position < after]
        return sorted(found, key=lambda totals: totals.position, reverse=True)


def _candidates(pages: Sequence[Sequence[ValueTotals]], low_water: ValuePosition) -> list[str]:
    """The values on the pages that aren't behind the low-water mark, newest first."""
    newest: dict[str, ValuePosition] = {}
    for page in pages:
        for totals in page:
            newest[totals.value] = max(newest.get(totals.value, (0, "")), totals.position)
    candidates = [value for value, position in newest.items() if position >= low_water]
    return sorted(candidates, key=newest.__getitem__, reverse=True)


def _merge_counts(parts: Iterable[Iterable[ValueTotals]]) -> dict[str, ValueTotals]:
    """The totals of each value over all partitions."""
    found: dict[str, ValueTotals] = {}
    for part in parts:
        for totals in part:
            other = found.get(totals.value)
            found[totals.value] = totals.plus(other) if other else totals
    return found


def position_of(record: Record) -> Position:
    """The position of the record's message in the order of messages."""
    return Position(int(record.created_us), id_of(record.wamid))
