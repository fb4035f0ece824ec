"""Merges what waits in the journal once the store is back, oldest first, beside live traffic."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence

from service.errors import Rejected, Unavailable
from service.journal import Entry, Journal, Waiting
from service.reports import Report
from service.scripts import MAX_BATCH
from service.store import Store
from service.watch import LOOK_S

log = logging.getLogger(__name__)

MOST_PER_S = 5_000
"""Reports merged in a second: a tenth or so of what Redis can do, so that live traffic goes on."""

_IDLE_S = 1.0
_AGAIN_S = 5.0
_REFUSED_AGAIN_S = 1.0
_LONGEST_S = 60.0

_MOST_A_TURN = 4 * MAX_BATCH
"""Reports that are read, merged and removed together, since each turn syncs the disk once."""

_MOST_RETRIED = 32

_Read = tuple[Entry, list[Report]]
_Part = tuple[Entry, Report]


class Replay:
    """Merges the journal's entries for partitions that take writes, and skips the others.

    One of the processes replays for all. A replay that is cut short begins again: merging a report
    twice changes nothing.

    Args:
        store: whose partitions may be away.
        journal: of the store.
    """

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._ours = False
        self._passed = 0
        """The number of the last entry that was merged or skipped."""
        self._skipped: set[int] = set()
        """The partitions whose entries were skipped."""
        self._refused: dict[int, tuple[float, float]] = {}
        """Entries that can't be merged although the store takes writes: when to try again, in s of
        the loop's clock, and how long the wait before that is."""
        self._merged = 0
        self._now_s = asyncio.get_running_loop().time
        self.waiting = Waiting(0, 0.0)
        """What the journal held at the last look."""

    def held(self) -> Waiting:
        """The backlog, for metrics: only the process that replays reports it, so it counts once."""
        return self.waiting if self._ours else Waiting(0, 0.0)

    @property
    def fault(self) -> str:
        """Why the journal takes no reports either, `""` when it does."""
        return self._journal.fault

    @property
    def foreign(self) -> int:
        """How many of the reports that wait are for other stores, and stay where they are."""
        return self._journal.foreign

    async def look(self) -> Waiting:
        """What the journal holds now.

        Raises:
            Unavailable: it can't be used.
        """
        foreign, self.waiting = self.foreign, await self._journal.waiting()
        if self.foreign < foreign:  # they were given to this store
            self._passed = 0
        return self.waiting

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            pause_s = LOOK_S
            try:
                self._ours = self._ours or self._journal.claim()
                if (await self.look()).reports > self.foreign:
                    await self._replay()
                elif not self._store.away:
                    pause_s = _IDLE_S
            except Unavailable:
                pass  # the store or the journal has logged it
            except Exception:
                log.exception("replay_failed")
                pause_s = _AGAIN_S
            await asyncio.sleep(pause_s)

    async def _replay(self) -> None:
        """Merges, once, every entry for partitions that are available.

        Raises:
            Unavailable: a partition has failed, or the journal. The next replay goes on from here.
        """
        absent = self._store.absent
        if not self._ours or len(absent) == self._store.partitions:
            return
        if self._skipped - absent:  # some skipped entries can be merged now
            self._passed = 0
            self._skipped.clear()
        while entries := await self._journal.after(self._passed, _MOST_A_TURN):
            await self._merge([each for each in entries if each.number not in self._refused])
            self._passed = entries[-1].number
            await self.look()
        await self._merge_refused()
        if self._merged:
            extra = {"reports": self._merged, "entries_refused": len(self._refused)}
            log.warning("replay_ended", extra=extra)
            self._merged = 0

    async def _merge(self, entries: Sequence[Entry]) -> None:
        """Merges entries together; what Redis refuses of them stays in the journal."""
        began_s = self._now_s()
        ready = self._ready(entries)
        if not ready:
            return
        refused = await self._refused_of([(each, r) for each, reports in ready for r in reports])
        kept = {entry.number for entry, _ in refused}
        await self._remove([each for each in ready if each[0].number not in kept])
        if kept:
            await self._keep([each for each in ready if each[0].number in kept], refused)
        until_s = began_s + sum(len(reports) for _, reports in ready) / MOST_PER_S
        await asyncio.sleep(until_s - self._now_s())

    def _ready(self, entries: Sequence[Entry]) -> list[_Read]:
        """The entries that can be read and are for available partitions."""
        ready, unreadable, absent = [], [], self._store.absent
        for entry in entries:
            try:
                reports = entry.reports()
            except ValueError as error:
                unreadable.append(str(error))
                self._refused[entry.number] = (math.inf, math.inf)
                continue
            away = self._store.partitions_of(reports) & absent
            self._skipped |= away
            if not away:
                ready.append((entry, reports))
        if unreadable:
            extra = {"entries": len(unreadable), "error": unreadable[0]}
            log.error("entry_unreadable", extra=extra)
        return ready

    async def _refused_of(self, reports: Sequence[_Part]) -> list[_Part]:
        """Merges reports. Those that Redis refuses are found by halves, since they are few."""
        try:
            await self._store.merge_again([report for _, report in reports])
        except Rejected:
            if len(reports) == 1:
                return list(reports)
            middle = len(reports) // 2
            first = await self._refused_of(reports[:middle])
            return first + await self._refused_of(reports[middle:])
        return []

    async def _keep(self, entries: Sequence[_Read], refused: Sequence[_Part]) -> None:
        """Has entries hold those of their reports alone that were refused, to be tried again."""
        new = [entry.number for entry, _ in entries if entry.number not in self._refused]
        if new:  # in one line, since there may be many
            extra = {"entries": len(new), "number": new[0], "reports": len(refused)}
            log.error("entry_refused", extra=extra)
        left: dict[int, list[Report]] = {}
        for entry, report in refused:
            left.setdefault(entry.number, []).append(report)
        for entry, reports in entries:
            if len(left[entry.number]) < len(reports):
                await self._journal.replace(entry.number, left[entry.number])
            _, waited_s = self._refused.get(entry.number, (0.0, _REFUSED_AGAIN_S / 2))
            pause_s = min(2 * waited_s, _LONGEST_S)
            self._refused[entry.number] = (self._now_s() + pause_s, pause_s)

    async def _merge_refused(self) -> None:
        """Tries again some of those entries whose time has come; many would hold up the others."""
        now_s = self._now_s()
        due = [number for number, (due_s, _) in self._refused.items() if due_s <= now_s]
        for number in due[:_MOST_RETRIED]:
            entries = await self._journal.after(number - 1, 1)
            if [entry.number for entry in entries] == [number]:
                await self._merge(entries)
            else:
                del self._refused[number]

    async def _remove(self, merged: Sequence[_Read]) -> None:
        """Removes entries that are in the store now."""
        if not merged:
            return
        await self._journal.remove([entry.number for entry, _ in merged])
        if not self._merged:
            log.warning("replay_started", extra={"reports": self.waiting.reports})
        for entry, reports in merged:
            self._refused.pop(entry.number, None)
            self._merged += len(reports)
