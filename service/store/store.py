"""The store of messages: it writes reports and finds records. It knows nothing of HTTP.

A write touches one partition. A read asks all partitions and merges their answers. A partition
whose merge failed is away until a check succeeds; a journal keeps its reports meanwhile.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from redis import exceptions as faults

from service.backends.durability import NotDurable, fence_key
from service.backends.server import HashRead, Server
from service.domain.error_codes import KNOWN_CODES
from service.domain.identity import id_of, partition_of
from service.domain.query import Position, Selection, ValuePosition
from service.domain.record import Participant, Record, participants_in
from service.domain.report import Merged, Outcome, Report
from service.domain.rows import WHOLE, Kind
from service.domain.statistics import Stats, ValueTotals, merge_counts, stats_of, waits_asked
from service.errors import Rejected, Unavailable
from service.store.availability import SILENT, Availability
from service.store.batcher import Batcher
from service.store.journal import Journal
from service.store.keys import index_key, message_key, participants_key, tag_of
from service.store.paging import (
    Page,
    ValuePage,
    ValuePager,
    all_of,
    read_page,
    rows_of,
    rows_that_pass,
)
from service.store.queries import Query, Scan, Test
from service.store.script_types import Change, Erasure, Recount, Recounted
from service.store.scripts import MAX_BATCH, MAX_ERASED, Scripts

_REFUSED = "error"
"""The reason if the server returns an unknown error; the write probe finds out what it means."""

REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "timeout"),
    (faults.TimeoutError, "timeout"),
    (faults.AuthenticationError, "refused"),
    (faults.AuthorizationError, "refused"),
    (faults.NoPermissionError, "refused"),
    (faults.ConnectionError, "connection"),
    (faults.OutOfMemoryError, "full"),
    (faults.ReadOnlyError, "readonly"),
    (NotDurable, "durability"),
    (faults.RedisError, _REFUSED),
    (faults.RedisClusterException, "cluster"),
    (OSError, "connection"),
)
"""The reasons why the store is unavailable, by the driver's exceptions; the first match counts."""

MAX_READ = 1_000
"""How many records one call reads: as many as one look-up may ask for."""

_FIELDS_AT_ONCE = 1_000
"""How many fields of participants one step reads, which takes Redis about half a millisecond. A
group has up to 1,024 participants, with up to ten fields each."""

_PARTICIPANTS_AT_ONCE = _FIELDS_AT_ONCE // len(Participant._fields[1:])

_MAX_ROWS = 256
"""How many messages one list call finds, since all else waits for it."""

_BRIDGED_S = 1.0
"""How long a merge may take before its reports go to the journal, in seconds: long enough for a
short outage, and short enough that few requests pile up before a long one is noticed."""

_LOOKS_AT_ONCE = 32
"""How many partitions are checked at the same time."""

_QUERY_ROWS = 8
"""What a query of a list call costs besides its rows. The unit is the cost of a row."""

Answer = TypeVar("Answer")
Row = TypeVar("Row")

_FAULTS = tuple(fault for fault, _ in REASONS)


class Observer(NamedTuple):
    """Functions that the store calls, for metrics.

    Attributes:
        merged: gets each batch that was written or journaled, and its outcomes.
        failed: gets the reason, one of `REASONS`, of each call to Redis that was given up.
        forgotten: gets why messages were removed, `erased` or `retention`, and how many.
    """

    merged: Callable[[Sequence[Report], Sequence[Merged]], None]
    failed: Callable[[str], None]
    forgotten: Callable[[str, int], None] = lambda _reason, _number: None


class Store:
    """Writes, finds and removes messages. Make it inside the event loop that uses it.

    Args:
        server: has the keys.
        scripts: those of that server.
        partitions: how many partitions the store has.
        timeout_s: how long a call may take, in seconds. Then it raises Unavailable.
        observer: is notified of batches and failures.
        journal: takes the reports for partitions that are away; None: these are refused.
        scan_s: how long a page looks for rare matches before it ends short, in seconds.
    """

    def __init__(
        self,
        server: Server,
        scripts: Scripts,
        *,
        partitions: int,
        timeout_s: float,
        observer: Observer,
        journal: Journal | None = None,
        scan_s: float = 2.0,
    ) -> None:
        self._server = server
        self._scripts = scripts
        self._partitions = partitions
        self._timeout_s = timeout_s
        self._observer = observer
        self._journal = journal
        self._known = Availability()
        self._scan_s = scan_s
        self._merges = Batcher(self._merge, most=MAX_BATCH, timeout_s=timeout_s)
        self._reads = Batcher(self._read, most=MAX_READ, timeout_s=timeout_s)
        self._lists = Batcher(self._list, most=_MAX_ROWS, timeout_s=timeout_s)
        self._now_s = asyncio.get_running_loop().time

    @property
    def partitions(self) -> int:
        """How many partitions it has."""
        return self._partitions

    @property
    def tries_lost(self) -> int:
        """How many calls to Redis had no answer: their writes may have been repeated."""
        return self._server.tries_lost

    @property
    def depth(self) -> int:
        """How many reports wait to be written."""
        return self._merges.depth

    def write(self, reports: Sequence[Report]) -> Awaitable[list[Merged]]:
        """Writes reports, in batches with those of other calls. A message's keep their order.

        Returns:
            the result of each report.

        Raises:
            Unavailable: some of them may not be written.
        """
        if len(reports) == 1:
            return self._submit(reports)
        return self._write_many(reports)

    async def _write_many(self, reports: Sequence[Report]) -> list[Merged]:
        by_partition: dict[int, list[int]] = {}
        for place, report in enumerate(reports):
            by_partition.setdefault(self._partition_of(report), []).append(place)
        merged: dict[int, Merged] = {}

        async def write_in_order(places: Sequence[int]) -> None:
            for start in range(0, len(places), MAX_BATCH):
                some = places[start : start + MAX_BATCH]
                answers = await self._submit([reports[place] for place in some])
                merged.update(zip(some, answers, strict=True))

        await all_of(map(write_in_order, by_partition.values()))
        return [merged[place] for place in range(len(reports))]

    def _submit(self, reports: Sequence[Report]) -> asyncio.Future[list[Merged]]:
        """Queues up to `MAX_BATCH` reports of one partition."""
        return self._merges.submit(self._partition_of(reports[0]), reports, len(reports))

    def _partition_of(self, report: Report) -> int:
        return partition_of(report.wamid, self._partitions)

    async def _merge(
        self, partition: int, reports: Sequence[Report], until_s: float
    ) -> list[Merged]:
        if self._journal is None:  # nothing else can take the reports, so use all of the time
            self._known.check_opened(partition)
            return await self._merge_now(partition, reports, until_s)
        if partition not in self._known.away:
            bridged_s = min(until_s, self._now_s() + _BRIDGED_S)
            with suppress(Unavailable):
                return await self._merge_now(partition, reports, bridged_s)
        await self._journal.append(reports)
        kept = [Merged(report.status, Outcome.QUEUED) for report in reports]
        self._observer.merged(reports, kept)
        return kept

    async def _merge_now(
        self, partition: int, reports: Sequence[Report], until_s: float
    ) -> list[Merged]:
        try:
            async with self._available():
                merged = await self._scripts.merge(partition, reports, until_s)
        except Unavailable as error:
            raise await self._verdict(partition, error) from error
        self._observer.merged(reports, merged)
        return merged

    async def _verdict(self, partition: int, error: Unavailable) -> Unavailable:
        """Finds out why a merge failed: the partition is away, or the batch itself is bad.

        Returns:
            Rejected if the batch is bad. Else the reason why the partition is away, which it notes.
        """
        if error.reason == _REFUSED:
            # Error texts differ between servers, so an empty batch decides: a server that refuses
            # even that takes no writes at all.
            try:
                await self._probe(partition)
            except Unavailable as refused:
                error = refused
            else:
                return Rejected(_REFUSED)
        if self._journal is None:  # the deadline may have passed before Redis got the batch
            self._known.doubted.add(partition)
        else:
            self._known.mark_unavailable(partition, error.reason)
        return error

    async def replay(self, reports: Sequence[Report]) -> None:
        """Writes reports from the journal. Repeating it changes nothing.

        Raises:
            Unavailable: a partition is away, and some reports may not be written.
            Rejected: a partition that takes writes refused some of the reports.
        """
        by_partition: dict[int, list[Report]] = {}
        for report in reports:
            by_partition.setdefault(self._partition_of(report), []).append(report)

        async def merge_in_order(partition: int, some: Sequence[Report]) -> None:
            for start in range(0, len(some), MAX_BATCH):
                until_s = self._now_s() + min(self._timeout_s, _BRIDGED_S)
                await self._merge_now(partition, some[start : start + MAX_BATCH], until_s)

        await all_of(merge_in_order(*each) for each in by_partition.items())

    def close_all(self, reason: str) -> None:
        """Counts all partitions as away until the store is known to be the right one.

        Args:
            reason: `UNVERIFIED` or `OTHER` of `service.store.availability`.
        """
        self._known.mark_closed(self._partitions, reason)

    @property
    def falters(self) -> bool:
        """Whether calls to Redis are being repeated at the moment."""
        return self._server.falters

    @property
    def away(self) -> str:
        """Why a partition is away; `""` if none is known to be."""
        return next(iter(self._known.away.values()), "")

    @property
    def absent(self) -> set[int]:
        """The partitions that are away."""
        return set(self._known.away)

    def partitions_of(self, reports: Iterable[Report]) -> set[int]:
        """The partitions of the reports' messages."""
        return set(map(self._partition_of, reports))

    async def recheck(self, but: Collection[int] = ()) -> None:
        """Checks the partitions that are away or had a failed call, except those in `but`."""
        suspects = sorted((self._known.away.keys() | self._known.doubted).difference(but))
        for start in range(0, len(suspects), _LOOKS_AT_ONCE):
            await all_of(map(self._look_at, suspects[start : start + _LOOKS_AT_ONCE]))
        self._known.say()

    async def _look_at(self, partition: int) -> None:
        """Finds out whether a partition takes writes and, if not, whether it answers reads."""
        known = self._known
        unread = partition in known.unread or partition in known.mute
        known.unread.discard(partition)
        known.doubted.discard(partition)
        try:
            await self._probe(partition)
        except Unavailable as error:
            known.mark_unavailable(partition, error.reason)
        else:
            known.mark_available(partition)
            return
        if unread and known.away[partition] not in SILENT:
            try:
                await self._probe_reads(partition)
            except Unavailable:
                known.mute.add(partition)
            else:
                known.mute.discard(partition)

    async def _probe(self, partition: int) -> None:
        """Checks that the partition would take a report; writes no data."""
        async with self._available():
            await self._scripts.probe(partition, self._now_s() + _BRIDGED_S)

    async def _probe_reads(self, partition: int) -> None:
        tag, until_s = tag_of(partition), self._now_s() + _BRIDGED_S
        async with self._available():
            await self._server.execute(until_s, tag, "MGET", fence_key(tag))

    async def lookup(self, wamids: Iterable[str]) -> dict[str, Record]:
        """The records of the messages that are known, by wamid."""
        return await self.look_up(wamids, WHOLE)

    async def look_up(self, wamids: Iterable[str], kind: Kind[Row]) -> dict[str, Row]:
        """Like `lookup`, but returns rows of a kind."""
        by_partition: dict[int, list[str]] = {}
        for wamid in wamids:
            by_partition.setdefault(partition_of(wamid, self._partitions), []).append(wamid)
        found = await all_of(
            self._replies(p, map(id_of, some), kind) for p, some in by_partition.items()
        )
        asked = chain.from_iterable(by_partition.values())
        rows, _ = rows_of(kind, list(chain.from_iterable(found)))
        return {wamid: row for wamid, row in zip(asked, rows, strict=True) if row is not None}

    async def records(self, partition: int, ids: Sequence[str]) -> list[Record]:
        """The records of a partition's messages by up to `MAX_READ` ids, without unknown ones."""
        rows, _ = rows_of(WHOLE, await self._replies(partition, ids, WHOLE))
        return [row for row in rows if row is not None]

    async def with_participants(self, record: Record) -> tuple[Record | None, list[Participant]]:
        """The record of a group's message, and its participants.

        Args:
            record: as it was read a moment ago.

        Returns:
            the record, None if it was erased meanwhile, and the participants.

        Raises:
            ValueError: this version can't read the participants.
        """
        if not record.participants:
            return record, []
        partition = partition_of(record.wamid, self._partitions)
        found = await self._participants(partition, id_of(record.wamid))
        # The record is read again, after them, so that it isn't older than they are.
        return (await self.lookup([record.wamid])).get(record.wamid), found

    async def _participants(self, partition: int, message_id: str) -> list[Participant]:
        """The participants of a message. It reads them in short steps, each participant at once."""
        key = participants_key(tag_of(partition), message_id)
        ids = sorted(await self._participant_ids(partition, key))
        found: list[Participant] = []
        for start in range(0, len(ids), _PARTICIPANTS_AT_ONCE):
            some = ids[start : start + _PARTICIPANTS_AT_ONCE]
            fields = [f"{each} {name}" for each in some for name in Participant._fields[1:]]
            texts = await self.execute(partition, "HMGET", key, *fields)
            pairs = zip(fields, texts, strict=True)
            found += participants_in((field, text.decode()) for field, text in pairs if text)
        return found

    async def _participant_ids(self, partition: int, key: str) -> set[str]:
        found: set[str] = set()
        cursor = 0
        while True:
            step = await self.execute(partition, "HSCAN", key, cursor, "COUNT", _FIELDS_AT_ONCE)
            found.update(field.decode().rpartition(" ")[0] for field in step[1])
            cursor = int(step[0])
            if not cursor:
                return found

    def _replies(self, partition: int, ids: Iterable[str], kind: Kind[Any]) -> Awaitable[list[Any]]:
        """What Redis answers for up to `MAX_READ` messages."""
        tag, fields = tag_of(partition), kind.fields
        before_id = message_key(tag, "")
        reads = [(fields, f"{before_id}{message_id}") for message_id in ids]
        return self._reads.submit(partition, reads, len(reads))

    async def _read(self, partition: int, reads: Sequence[HashRead], until_s: float) -> list[Any]:
        async with self._reading(partition):
            return await self._server.read_hashes(until_s, tag_of(partition), reads)

    async def _list(
        self, partition: int, queries: Sequence[Query], until_s: float
    ) -> Sequence[Scan]:
        async with self._reading(partition):
            return await self._scripts.list(partition, queries, until_s)

    async def page(
        self, selection: Selection, limit: int, after: Position | None = None
    ) -> Page[Record]:
        """The matching messages behind a position, newest first.

        Returns:
            `limit` records if there are as many. There are fewer, with a position to go on from, if
            it takes too long to find matches of a rare combination of filters.
        """
        return await self.page_of(WHOLE, selection, limit, after)

    async def page_of(
        self, kind: Kind[Row], selection: Selection, limit: int, after: Position | None
    ) -> Page[Row]:
        """Like `page`, but returns rows of a kind. It has all fields that the selection tests."""
        until_s = self._now_s() + self._scan_s
        return await read_page(self, kind, selection, limit, after, until_s=until_s)

    async def rows_at(
        self, places: dict[int, list[Position]], test: Test, kind: Kind[Row]
    ) -> list[Row]:
        """The rows of messages that were found, by partition, and still match; newest first."""
        some = await all_of(
            self._rows(p, [at.message_id for at in found], test, kind)
            for p, found in places.items()
        )
        found = chain.from_iterable(places.values())
        rows = zip(found, chain.from_iterable(rows for rows, _ in some), strict=True)
        newest_first = sorted(rows, key=itemgetter(0), reverse=True)
        return [row for _, row in newest_first if row is not None]

    async def _rows(
        self, partition: int, ids: Sequence[str], test: Test, kind: Kind[Row]
    ) -> tuple[list[Row | None], int]:
        """What `rows_that_pass` returns for messages that were found."""
        if not ids:
            return [], 0
        return rows_that_pass(test, kind, await self._replies(partition, ids, kind))

    async def find(self, partition: int, query: Query) -> Scan:
        """Scans a bounded number of a partition's entries; returns the matches.

        Read and test the records then: they may have changed.
        """
        [scan] = await self._lists.submit(partition, [query], query.limit + _QUERY_ROWS)
        return scan

    async def look(self, partition: int, query: Query) -> Page[Record]:
        """Like `find`, but reads and tests the records, too."""
        return await self.look_of(WHOLE, partition, query)

    async def look_of(self, kind: Kind[Row], partition: int, query: Query) -> Page[Row]:
        """Like `look`, but returns rows of a kind."""
        return await self._page_of(kind, partition, query, await self.find(partition, query))

    async def look_each(self, partition: int, queries: Sequence[Query]) -> list[Page[Record]]:
        """Like `look` for each query, with a few queries in a call of the script."""
        heaviest = max((query.limit for query in queries), default=0) + _QUERY_ROWS
        step = max(1, _MAX_ROWS // heaviest)
        scans: list[Scan] = []
        for start in range(0, len(queries), step):
            some = queries[start : start + step]
            scans += await self._lists.submit(partition, some, len(some) * heaviest)
        return await all_of(map(partial(self._page_of, WHOLE, partition), queries, scans))

    async def _page_of(
        self, kind: Kind[Row], partition: int, query: Query, scan: Scan
    ) -> Page[Row]:
        rows, unreadable = await self._rows(partition, scan.ids, query.test(kind), kind)
        return Page([row for row in rows if row is not None], scan.stopped, unreadable)

    async def scan(
        self, partition: int, selection: Selection, limit: int, after: Position | None = None
    ) -> Page[Record]:
        """Scans a bounded number of a partition's entries for matches, newest first.

        It costs less than `page` for a caller that wants all messages in any order. A page with
        fewer than `limit` records, or none, needn't be the last one.
        """
        return await self.look(partition, Query.of(selection, limit, after))

    async def execute(self, partition: int, *command: Any, until_s: float = math.inf) -> Any:  # noqa: ANN401  as Redis has it
        """Runs an idempotent command on the partition's server.

        Args:
            partition: if it answers no reads, the command isn't sent.
            *command: the command's name and arguments.
            until_s: the deadline, by the loop's clock, if it is earlier than the usual one.
        """
        async with self._reading(partition):
            until_s = min(until_s, self._now_s() + self._timeout_s)
            return await self._server.execute(until_s, tag_of(partition), *command)

    async def latest(self, dimension: str, value: str) -> Record | None:
        """The most recent message of an index."""
        page = await self.page(Selection([(dimension, value)]), 1)
        return next(iter(page.records), None)

    async def stats(self, dimension: str, value: str, now_ms: int) -> Stats:
        """The numbers for a dimension's value. The counters of a partition are of one instant."""
        asked = waits_asked(now_ms)
        parts = await self._everywhere(
            lambda p, until_s: self._scripts.stats(p, dimension, value, asked, until_s)
        )
        return stats_of(merge_counts(parts, KNOWN_CODES), now_ms)

    async def values(
        self, dimension: str, limit: int, after: ValuePosition | None = None
    ) -> ValuePage:
        """The values that have messages, behind a position. The one with the latest comes first.

        A value that gets a message between two pages moves to the front. There are fewer than
        `limit`, with a position to go on from, if it takes too long to find them.
        """
        until_s = self._now_s() + self._scan_s
        return await ValuePager(_Values(self, dimension, until_s)).page(limit, after)

    async def heads(
        self, dimension: str, limit: int, after: ValuePosition | None
    ) -> Sequence[Sequence[ValueTotals]]:
        """Up to `limit` of a dimension's values behind a position, for each partition."""
        return await self._everywhere(
            lambda p, until_s: self._scripts.values(p, dimension, limit, after, until_s)
        )

    async def standings(
        self, dimension: str, values: Sequence[str]
    ) -> Sequence[Sequence[ValueTotals]]:
        """The counts of some of a dimension's values, for each partition."""
        return await self._everywhere(
            lambda p, until_s: self._scripts.standings(p, dimension, values, until_s)
        )

    async def _everywhere(self, ask: Callable[[int, float], Awaitable[Answer]]) -> list[Answer]:
        """The answers of all partitions; `ask` gets a partition's number and the deadline."""
        until_s = self._now_s() + self._timeout_s
        for partition in self._known.mute:
            self._known.check_reads(partition)

        async def ask_one(partition: int) -> Answer:
            async with self._reading(partition):
                return await ask(partition, until_s)

        return await all_of(map(ask_one, range(self._partitions)))

    async def oldest(self, partition: int, before_us: int) -> list[str]:
        """The ids of some of a partition's messages that were created before `before_us`."""
        tag, until_s = tag_of(partition), self._now_s() + self._timeout_s
        earliest = "ZRANGE", index_key(tag, "all"), "-inf", f"({before_us}", "BYSCORE"
        async with self._reading(partition):
            found = await self._server.execute(until_s, tag, *earliest, "LIMIT", 0, MAX_ERASED)
        return [message_id.decode() for message_id in found]

    async def remove(self, partition: int, erasure: Erasure, reason: str) -> int:
        """Removes messages of a partition.

        Args:
            partition: has the messages.
            erasure: which messages to remove.
            reason: see `Observer`.

        Returns:
            how many it removed; fewer if a call had to be repeated because its answer was lost.
        """
        until_s = self._now_s() + self._timeout_s
        async with self._reading(partition):
            number = await self._scripts.erase(partition, erasure, until_s)
        self._observer.forgotten(reason, number)
        return number

    async def recount(self, partition: int, recount: Recount) -> Recounted:
        """Compares indexes, lists and counters of a partition with its records.

        It mends them if `recount.mend` is set.
        """
        until_s = self._now_s() + self._timeout_s
        async with self._reading(partition):
            return await self._scripts.recount(partition, recount, until_s)

    async def upgrade(self, partition: int, change: Change) -> int:
        """Brings part of a partition to this schema; returns how many records it replaced."""
        async with self._reading(partition):
            return await self._scripts.upgrade(partition, change, self._now_s() + self._timeout_s)

    async def probe(self) -> None:
        """Checks that every partition answers, has the scripts and takes writes.

        Raises:
            Unavailable: one of them doesn't.
        """
        if self.away:
            raise Unavailable(self.away)
        until_s = self._now_s() + self._timeout_s / 2
        partitions = range(self._partitions)
        async with self._available():
            await all_of(self._scripts.probe(p, until_s) for p in partitions)

    async def close(self) -> None:
        """Waits until everything that was submitted is answered."""
        for batcher in (self._merges, self._reads, self._lists):
            await batcher.close()

    @asynccontextmanager
    async def _available(self) -> AsyncIterator[None]:
        """Turns the driver's exceptions into Unavailable."""
        try:
            yield
        except _FAULTS as error:
            raise self._unavailable(error) from error

    @asynccontextmanager
    async def _reading(self, partition: int) -> AsyncIterator[None]:
        """Like `_available`. Refuses if the partition answers no reads, and notes a failed call."""
        self._known.check_reads(partition)
        try:
            yield
        except _FAULTS as error:
            failed = self._unavailable(error)
            self._known.mark_unreadable(partition, failed.reason)
            raise failed from error

    def _unavailable(self, error: BaseException) -> Unavailable:
        reason = next(reason for fault, reason in REASONS if isinstance(error, fault))
        self._observer.failed(reason)
        return Unavailable(reason)


class _Values(NamedTuple):
    """Reads a dimension's values, until a deadline by the loop's clock."""

    store: Store
    dimension: str
    until_s: float

    async def heads(
        self, limit: int, after: ValuePosition | None
    ) -> Sequence[Sequence[ValueTotals]]:
        return await self.store.heads(self.dimension, limit, after)

    async def standings(self, values: Sequence[str]) -> Sequence[Sequence[ValueTotals]]:
        return await self.store.standings(self.dimension, values)

    def is_late(self) -> bool:
        return asyncio.get_running_loop().time() > self.until_s
