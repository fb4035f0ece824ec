"""Merges what waits in the journal once the store is back, oldest first, beside live traffic."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from service.errors import StartError, StoreAway, Unavailable
from service.journal import Entry, Journal, Waiting
from service.scripts import MAX_BATCH
from service.store import REFUSED, Store

log = logging.getLogger(__name__)

MOST_PER_S = 5_000
"""Reports merged in a second: a tenth or so of what Redis can do, so that live traffic goes on."""

_LOOK_S = 0.25
_IDLE_S = 1.0
_AGAIN_S = 5.0
_REFUSED_AGAIN_S = 60.0


class Replay:
    """Looks whether the store is back, four times a second while it is away, and for reports.

    Every process looks by itself whether the store is back; one of them replays for all. A replay
    that is cut short is begun again: merging a report twice changes nothing.

    Args:
        store: whose partitions may be away.
        journal: of the store.
        open_store: checks that the store is the right one; is called until it succeeds, before
            anything else is asked of the store.
    """

    def __init__(
        self, store: Store, journal: Journal, open_store: Callable[[], Awaitable[None]]
    ) -> None:
        self._store = store
        self._journal = journal
        self._open_store = open_store
        self._opened = False
        self._unfit = ""
        self._ours = False
        self._not_before_s = -math.inf
        self.waiting = Waiting(0, 0.0)
        """What the journal held at the last look."""

    def held(self) -> Waiting:
        """What waits, if it is for this process to replay it: so that one of them all tells."""
        return self.waiting if self._ours else Waiting(0, 0.0)

    @property
    def fault(self) -> str:
        """Why the journal takes no reports either, `""` when it does."""
        return self._journal.fault

    async def look(self) -> Waiting:
        """What the journal holds now.

        Raises:
            Unavailable: it can't be used.
        """
        self.waiting = await self._journal.waiting()
        return self.waiting

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Has looked once, and goes on looking.

        Raises:
            StartError: the store is there, but it can't be used.
        """
        await self.look()
        try:
            await self._open_store()
            self._opened = True
        except StoreAway as error:
            log.error("store_away", extra={"reason": str(error)})  # noqa: TRY400
            self._store.note_unopened()
        looking = asyncio.create_task(self._run())
        try:
            yield
        finally:
            while not looking.done():  # the driver may swallow a cancellation: see Server
                looking.cancel()
                await asyncio.wait({looking}, timeout=_LOOK_S)

    async def _run(self) -> None:
        while True:
            pause_s = _LOOK_S
            try:
                await self.look()
                if await self._is_back():
                    await self._replay()
                    pause_s = _IDLE_S
            except Unavailable:
                pass  # the store or the journal has logged it
            except Exception:
                log.exception("replay_failed")
                pause_s = _AGAIN_S
            await asyncio.sleep(pause_s)

    async def _is_back(self) -> bool:
        if not self._opened:
            try:
                await self._open_store()
            except StoreAway:
                return False
            except StartError as error:
                if str(error) != self._unfit:
                    self._unfit = str(error)
                    log.error("store_unfit", extra={"reason": self._unfit})  # noqa: TRY400
                return False
            self._opened = True
        await self._store.look_again()
        return True

    async def _replay(self) -> None:
        """Everything that waits, once; what can't be merged is passed over for a while."""
        self._ours = self._ours or self._journal.claim()
        now_s = asyncio.get_running_loop().time()
        if not self._ours or not self.waiting.reports or now_s < self._not_before_s:
            return
        log.warning("replay_started", extra={"reports": self.waiting.reports})
        merged, refused, number = 0, 0, 0
        while entries := await self._journal.after(number, MAX_BATCH):
            number = entries[-1].number
            some = await self._merge(entries)
            refused += len(entries) - len(some)
            await self._journal.remove([entry.number for entry, _ in some])
            count = sum(count for _, count in some)
            merged += count
            await self.look()
            await asyncio.sleep(count / MOST_PER_S)
        if refused:
            self._not_before_s = asyncio.get_running_loop().time() + _REFUSED_AGAIN_S
        log.warning("replay_ended", extra={"reports": merged, "entries_refused": refused})

    async def _merge(self, entries: Sequence[Entry]) -> list[tuple[Entry, int]]:
        """Merges entries together, or those that can be one by one.

        Returns:
            those that were merged, and how many reports each has.
        """
        try:
            some = [(entry, entry.reports()) for entry in entries]
            await self._store.merge_again([report for _, reports in some for report in reports])
        except ValueError as error:
            log.error("entry_unreadable", extra={"error": str(error)})  # noqa: TRY400
        except Unavailable as error:
            if error.reason != REFUSED:
                raise
            log.error("entry_refused", extra={"number": entries[0].number})  # noqa: TRY400
        else:
            return [(entry, len(reports)) for entry, reports in some]
        if len(entries) == 1:
            return []
        return [pair for entry in entries for pair in await self._merge([entry])]
