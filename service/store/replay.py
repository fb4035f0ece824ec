"""Merges the journal's reports when the store is back, oldest first, beside live traffic."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from contextlib import suppress

from service.domain.report import Report
from service.errors import Rejected, Unavailable
from service.store.journal import Entry, Journal, Waiting
from service.store.recovery import LOOK_S
from service.store.scripts import MAX_BATCH
from service.store.store import Store

log = logging.getLogger(__name__)

MAX_REPLAYED_PER_S = 5_000
"""How many reports are merged in a second: about a tenth of what Redis can do, so that live traffic
goes on."""

_IDLE_S = 1.0
_AGAIN_S = 5.0
_REFUSED_AGAIN_S = 1.0
_LONGEST_S = 60.0
_FIRST_FREE_S = 1.0

_MOST_A_TURN = 4 * MAX_BATCH
"""How many reports are read, merged and removed together. Each turn syncs the disk once."""

_MOST_RETRIED = 32

_Read = tuple[Entry, list[Report]]
_Part = tuple[Entry, Report]


class Replay:
    """Merges the journal's entries for partitions that take writes, and skips the others.

    One process replays for all. If it stops in the middle, a replay begins again from the first
    entry: merging a report twice changes nothing.

    Args:
        store: takes the reports; some of its partitions may be away.
        journal: has the reports for this store.
    """

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._is_leader = False
        self._passed = 0
        """The number of the last entry that was merged or skipped."""
        self._skipped: set[int] = set()
        """The partitions whose entries were skipped."""
        self._foreign = 0
        """How many reports were for other stores at the last replay, which left them there."""
        self._refused: dict[int, tuple[float, float]] = {}
        """The entries that can't be merged although the store takes writes. For each: when to try
        again, by the loop's clock, and the length of that pause, both in seconds."""
        self._merged = 0
        self._stuck: list[int] = []
        """The first entries that were merged and couldn't be removed; others may follow them."""
        self._stuck_reports = 0
        """How many reports are merged and still in the journal."""
        self._free_s = _FIRST_FREE_S
        self._free_at_s = 0.0
        """When to try again to remove them, by the loop's clock. `_free_s` is the pause before
        that, in seconds."""
        self._now_s = asyncio.get_running_loop().time
        self.waiting = Waiting(0, 0.0)
        """What waited in the journal at the last `look`."""

    def backlog_if_leader(self) -> Waiting:
        """The backlog for metrics. Only the process that replays reports it, so it counts once."""
        return self.waiting if self._is_leader else Waiting(0, 0.0)

    @property
    def fault(self) -> str:
        """Why the journal takes no reports; `""` if it does."""
        return self._journal.fault

    async def look(self) -> Waiting:
        """Returns what waits in the journal now, and keeps it in `waiting`.

        Raises:
            Unavailable: the journal can't be used.
        """
        reports, age_s, foreign, _ = await self._journal.waiting()
        reports = max(0, reports - self._stuck_reports)
        age_s = age_s if reports else 0.0
        self.waiting = Waiting(reports, age_s, foreign, self._stuck_reports)
        return self.waiting

    async def wipe(self) -> bool:
        """Removes merged reports from the journal's files.

        Returns:
            whether no report waits, and the files hold nothing of merged ones.
        """
        with suppress(Unavailable):
            waits = (await self.look()).reports or self._stuck
            return not waits and await self._journal.wipe()
        return False

    async def run(self) -> None:
        """Replays whenever something waits, until it is cancelled."""
        while True:
            pause_s = LOOK_S
            try:
                self._is_leader = self._is_leader or self._journal.acquire_lease()
                await self._free()
                waiting = await self.look()
                if waiting.reports > waiting.foreign:
                    await self._replay()
                elif not self._store.away:
                    pause_s = _IDLE_S
            except Unavailable:  # the store or the journal has logged it
                pause_s = _IDLE_S if self.fault else LOOK_S
            except Exception:
                log.exception("replay_failed")
                pause_s = _AGAIN_S
            await asyncio.sleep(pause_s)

    async def _replay(self) -> None:
        """Merges, once, every entry for partitions that are available.

        Raises:
            Unavailable: a partition or the journal failed. The next replay goes on from here.
        """
        absent = self._store.absent
        if not self._is_leader or len(absent) == self._store.partitions:
            return
        foreign = self.waiting.foreign
        if self._skipped - absent or foreign < self._foreign:  # skipped ones can be merged now
            self._begin_again()
        self._foreign = foreign
        while entries := await self._journal.after(self._passed, _MOST_A_TURN):
            await self._merge([each for each in entries if each.number not in self._refused])
            self._passed = entries[-1].number
            await self.look()
        await self._merge_refused()
        if self._merged:
            extra = {"reports": self._merged, "entries_refused": len(self._refused)}
            log.warning("replay_ended", extra=extra)
            self._merged = 0

    def _begin_again(self) -> None:
        self._passed = self._stuck_reports = 0
        self._skipped.clear()

    async def _merge(self, entries: Sequence[Entry]) -> None:
        """Merges entries together. The reports that Redis refuses stay in the journal."""
        began_s = self._now_s()
        ready = self._ready(entries)
        if not ready:
            return
        refused = await self._refused_of([(each, r) for each, reports in ready for r in reports])
        kept = {entry.number for entry, _ in refused}
        await self._remove([each for each in ready if each[0].number not in kept])
        if kept:
            await self._keep([each for each in ready if each[0].number in kept], refused)
        until_s = began_s + sum(len(reports) for _, reports in ready) / MAX_REPLAYED_PER_S
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
        """Merges reports; returns those that Redis refuses."""
        try:
            await self._store.replay([report for _, report in reports])
        except Rejected:
            if len(reports) == 1:
                return list(reports)
            # They are few, so a search by halves finds them.
            middle = len(reports) // 2
            first = await self._refused_of(reports[:middle])
            return first + await self._refused_of(reports[middle:])
        return []

    async def _keep(self, entries: Sequence[_Read], refused: Sequence[_Part]) -> None:
        """Keeps only the refused reports of the entries, and notes when to try them again."""
        new = [entry.number for entry, _ in entries if entry.number not in self._refused]
        if new:  # one line for all, since there may be many
            extra = {"entries": len(new), "number": new[0], "reports": len(refused)}
            log.error("entry_refused", extra=extra)
        left: dict[int, list[Report]] = {}
        for entry, report in refused:
            left.setdefault(entry.number, []).append(report)
        for entry, reports in entries:
            if len(left[entry.number]) < len(reports):
                with suppress(Unavailable):  # the disk is full: all its reports are tried again
                    await self._journal.replace(entry.number, left[entry.number])
            _, waited_s = self._refused.get(entry.number, (0.0, _REFUSED_AGAIN_S / 2))
            pause_s = min(2 * waited_s, _LONGEST_S)
            self._refused[entry.number] = (self._now_s() + pause_s, pause_s)

    async def _merge_refused(self) -> None:
        """Tries refused entries again whose pause is over."""
        now_s = self._now_s()
        due = [number for number, (due_s, _) in self._refused.items() if due_s <= now_s]
        for number in due[:_MOST_RETRIED]:  # more of them would delay the other entries
            entries = await self._journal.after(number - 1, 1)
            if [entry.number for entry in entries] == [number]:
                await self._merge(entries)
            else:
                del self._refused[number]

    async def _remove(self, merged: Sequence[_Read]) -> None:
        """Removes merged entries. If the disk is too full for that, `_free` tries again later."""
        if not merged:
            return
        numbers, reports = [entry.number for entry, _ in merged], sum(len(r) for _, r in merged)
        if not self._merged:
            log.warning("replay_started", extra={"reports": self.waiting.reports})
        for number in numbers:
            self._refused.pop(number, None)
        self._merged += reports
        if not self._stuck:
            try:
                await self._journal.remove(numbers)
            except Unavailable as error:
                log.error("journal_not_emptied", extra={"reason": error.reason})  # noqa: TRY400
                self._stuck, self._free_s = numbers, _FIRST_FREE_S
                self._free_at_s = self._now_s() + self._free_s
        if self._stuck:
            self._stuck_reports += reports

    async def _free(self) -> None:
        """Tries again to remove merged entries, with growing pauses.

        If that succeeds, the replay begins again: it merges the other entries once more, which
        changes nothing, and removes them.
        """
        if not self._stuck or self._now_s() < self._free_at_s:
            return
        self._free_s = min(2 * self._free_s, _LONGEST_S)
        self._free_at_s = self._now_s() + self._free_s
        with suppress(Unavailable):
            await self._journal.remove(self._stuck)
            self._stuck = []
            self._begin_again()
