"""Removes messages that have grown old, in the background and slowly, where that is set."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from service.scripts import Erasure
from service.store import Store

log = logging.getLogger(__name__)

MOST_PER_S = 1_000
"""Messages removed: more than most services receive, and a fortieth of what Redis could do."""

_IDLE_S = 60.0
_LOG_EVERY_S = 3_600.0
_AGAIN_S = 0.05
_DAY_US = 86_400_000_000


class Sweeper:
    """Looks for old messages now and then. Every process may have one: removing is idempotent.

    One that finds nothing to remove, since another was faster, comes again later.

    Args:
        store: of the messages.
        days: that a message is kept from when the first report of it was received.
        now_us: the clock of reports, in µs since the epoch.
        idle_s: the pause between one sweep and the next, in seconds.
    """

    def __init__(
        self, store: Store, *, days: int, now_us: Callable[[], int], idle_s: float = _IDLE_S
    ) -> None:
        self._store = store
        self._days = days
        self._now_us = now_us
        self._idle_s = idle_s
        self._removed = 0
        self._failed = False
        self._loop = asyncio.get_running_loop()
        self._logged_s = -_LOG_EVERY_S
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sweeps from now on."""
        self._task = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Stops at once: a step under way may be done or not."""
        while self._task and not self._task.done():
            self._task.cancel()  # more than once: one may go unnoticed, as `Server.execute` says
            await asyncio.wait({self._task}, timeout=_AGAIN_S)

    async def _run(self) -> None:
        """What goes wrong, whatever it is, is logged once and tried again."""
        while True:
            try:
                await self._sweep()
            except Exception:
                if not self._failed:
                    log.warning("retention_failed", exc_info=True)
                self._failed = True
            else:
                self._failed = False
            self._note()
            await asyncio.sleep(self._idle_s)

    async def _sweep(self) -> None:
        before_us = self._now_us() - self._days * _DAY_US
        for partition in range(self._store.partitions):
            while ids := await self._store.oldest(partition, before_us):
                messages = [(message_id, "") for message_id in ids]
                erasure = Erasure(messages, "all", before_us=str(before_us))
                removed = await self._store.remove(partition, erasure, "retention")
                if not removed:
                    break
                self._removed += removed
                await asyncio.sleep(removed / MOST_PER_S)

    def _note(self) -> None:
        """Logs what went, but not every minute."""
        now_s = self._loop.time()
        if self._removed and now_s - self._logged_s >= _LOG_EVERY_S:
            log.info("retention_swept", extra={"messages": self._removed})
            self._logged_s, self._removed = now_s, 0
