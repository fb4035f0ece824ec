"""Checks again and again whether unavailable parts of the store are back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

from service.errors import OtherStore, StartError, StoreAway
from service.store.availability import OTHER, UNVERIFIED
from service.store.store import Store

log = logging.getLogger(__name__)

LOOK_S = 0.25
_SAME_S = 1.0
"""The interval between two checks that the store is still the same one, in seconds."""
_AGAIN_S = 5.0
_EVICTED_S = 60.0
_EVICTED = (
    "Redis deletes messages because its memory is full, and the counters don't follow: set its "
    "maxmemory-policy to noeviction, and give it more memory."
)
_LAYOUT_AT = 0
"""The partition that has the layout of the store."""


class RecoveryWatch:
    """Checks unavailable partitions four times a second. Each process has its own watch.

    Args:
        store: whose partitions may be away.
        open_store: checks that the store is the right one. It is called until it succeeds, before
            any other call to the store.
        is_same_store: checks that the store is still the same one. It returns False while it can't
            tell, and raises StartError where another store stands in its place.
    """

    def __init__(
        self,
        store: Store,
        open_store: Callable[[], Awaitable[None]],
        is_same_store: Callable[[], Awaitable[bool]],
    ) -> None:
        self._store = store
        self._open_store = open_store
        self._is_ours = is_same_store
        self._opened = True
        self._unfit = ""
        self._looked_s = 0.0
        self._unsure = False

    async def open(self) -> None:
        """Opens the store.

        All partitions count as away if the store can't be reached, or if it is another one than
        the other processes of the service use. `run` goes on trying.

        Raises:
            StartError: the store answers, but it can't be used.
        """
        try:
            await self._open_store()
        except StoreAway as error:
            log.error("store_away", extra={"reason": str(error)})  # noqa: TRY400
            self._store.close_all(UNVERIFIED)
            self._opened = False
        except OtherStore as error:
            self._close(error)

    async def run(self) -> None:
        """Checks the store until it is cancelled."""
        while True:
            pause_s = LOOK_S
            try:
                if self._opened or await self._opens():
                    await self._look()
            except Exception:
                log.exception("watch_failed")
                pause_s = _AGAIN_S
            await asyncio.sleep(pause_s)

    async def _look(self) -> None:
        """Checks the partitions that are away."""
        # The partition with the layout is checked only if the store is surely the right one.
        try:
            ours = not self._due() or await self._is_ours()
        except StartError as error:
            self._close(error)
            return
        self._unsure = not ours
        await self._store.recheck(but=() if ours else [_LAYOUT_AT])

    def _close(self, error: StartError) -> None:
        self._say_unfit(error)
        self._store.close_all(OTHER if isinstance(error, OtherStore) else UNVERIFIED)
        self._opened = False

    def _due(self) -> bool:
        if self._unsure or _LAYOUT_AT in self._store.absent:
            return True
        now_s = time.monotonic()
        # While writes fail, a read that succeeds would wrongly be logged as a recovery.
        if self._store.falters or now_s < self._looked_s + _SAME_S:
            return False
        self._looked_s = now_s
        return True

    async def _opens(self) -> bool:
        try:
            await self._open_store()
        except StoreAway:
            return False
        except StartError as error:
            self._say_unfit(error)
            return False
        self._opened, self._unfit = True, ""
        return True

    def _say_unfit(self, error: StartError) -> None:
        if str(error) != self._unfit:
            self._unfit = str(error)
            log.error("store_unfit", extra={"reason": self._unfit})


async def watch_evictions(deleted: Callable[[], Awaitable[int | None]]) -> None:
    """Logs when Redis has deleted messages, once a minute at the most, until it is cancelled.

    The counters are wrong from then on, and nothing else shows that.

    Args:
        deleted: returns how many keys Redis has deleted since its start; None if it isn't known.
    """
    known = await deleted()
    while True:
        await asyncio.sleep(_EVICTED_S)
        now = await deleted()
        if now is None:
            continue
        # Redis counts from 0 again after a restart.
        before = known if known is not None and known <= now else 0
        if now > before:
            log.error("keys_evicted", extra={"keys": now - before, "reason": _EVICTED})
        known = now


@asynccontextmanager
async def running(*works: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Runs the coroutines in the background until the context ends."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        while going := [task for task in tasks if not task.done()]:
            for task in going:  # the driver may swallow a cancellation: see Server
                task.cancel()
            await asyncio.wait(going, timeout=LOOK_S)
