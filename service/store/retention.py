"""Removes old messages slowly in the background, if the settings say so."""

from __future__ import annotations

import asyncio
import logging

from service.store.clocks import FAR_APART_S, Clocks
from service.store.script_types import Erasure
from service.store.store import Store

log = logging.getLogger(__name__)

MAX_REMOVED_PER_S = 1_000
"""How many messages are removed in a second: more than most services receive, and a fortieth of
what Redis could do."""

HELD_S = 6 * 3_600.0
"""How long overdue messages stay, in seconds. It is long enough for an operator to read the warning
and to set the clocks, and short enough for a service that is restarted every day."""

_IDLE_S = 60.0
_FAILED_S = 5.0
"""The pause after a sweep that failed, in seconds. Redis may have been slow at the start."""
_LOG_EVERY_S = 3_600.0
_AGAIN_S = 0.05
_DAY_US = 86_400_000_000
_APART = "This machine's clock and that of Redis are more than an hour apart."
_OVERDUE = (
    "There are messages that should have gone more than a day ago. That is as it should be after a "
    "long stop, or if retention.days is new or smaller than before. Otherwise the clocks of this "
    "machine and of Redis are both wrong: set them, or retention.days to 0. The messages are "
    "removed {hours:.3g} hours after this."
)


class Sweeper:
    """Looks for old messages once a minute, and removes them.

    Every process may have a sweeper, because removing is idempotent.

    A removed message never comes back, so a wrong clock must not remove any. The sweeper goes by
    the earliest of all clocks, and removes nothing if they disagree by more than an hour. All of
    them may be wrong together: on one machine they are the same clock. Then messages seem overdue
    by more than a day. While sweeps are a minute apart no message really is, so such messages stay
    for `held_s`, and the log says so.

    Args:
        store: has the messages.
        clocks: our clock and those of Redis.
        days: how many days a message is kept, from when its first report was received.
        idle_s: the pause between two sweeps, in seconds.
        held_s: how long overdue messages stay, in seconds.
    """

    def __init__(
        self,
        store: Store,
        clocks: Clocks,
        *,
        days: int,
        idle_s: float = _IDLE_S,
        held_s: float = HELD_S,
    ) -> None:
        self._store = store
        self._clocks = clocks
        self._days = days
        self._idle_s = idle_s
        self._held_s = held_s
        self._removed = 0
        self._failed = False
        self._loop = asyncio.get_running_loop()
        self._logged_s = -_LOG_EVERY_S
        self._overdue_since_s: float | None = None
        self._reason = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def stopped(self) -> bool:
        """Whether it removes nothing at present. The log has the reason."""
        return self._failed or bool(self._reason)

    def start(self) -> None:
        """Starts the sweeps."""
        self._task = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Stops at once. A step that was under way may be done or not."""
        while self._task and not self._task.done():
            self._task.cancel()  # more than once: one may go unnoticed, as `Server.execute` says
            await asyncio.wait({self._task}, timeout=_AGAIN_S)

    async def _run(self) -> None:
        """Sweeps again and again."""
        while True:
            try:
                await self._sweep()
            except Exception:  # any error is logged once, and the sweep tried again
                if not self._failed:
                    log.warning("retention_failed", exc_info=True)
                self._failed = True
            else:
                self._failed = False
            self._note()
            await asyncio.sleep(min(self._idle_s, _FAILED_S) if self._failed else self._idle_s)

    async def _sweep(self) -> None:
        """Removes the messages that are old when it begins; a jump of a clock changes nothing."""
        earliest_us, ahead_s = await self._clocks.compare()
        before_us = earliest_us - self._days * _DAY_US
        apart = _APART if abs(ahead_s) > FAR_APART_S else ""
        self._say(apart or await self._overdue(before_us))
        if not self._reason:
            for partition in range(self._store.partitions):
                await self._sweep_partition(partition, before_us)

    async def _overdue(self, before_us: int) -> str:
        """Why overdue messages must stay; "" if there are none, or they stayed long enough."""
        partitions = range(self._store.partitions)
        if not any([await self._store.oldest(each, before_us - _DAY_US) for each in partitions]):
            self._overdue_since_s = None
            return ""
        if self._overdue_since_s is None:
            self._overdue_since_s = self._loop.time()
        if self._loop.time() - self._overdue_since_s >= self._held_s:
            return ""
        return _OVERDUE.format(hours=self._held_s / 3_600)

    async def _sweep_partition(self, partition: int, before_us: int) -> None:
        while ids := await self._store.oldest(partition, before_us):
            messages = [(message_id, "") for message_id in ids]
            erasure = Erasure(messages, "all", before_us=str(before_us))
            removed = await self._store.remove(partition, erasure, "retention")
            if not removed:
                break
            self._removed += removed
            await asyncio.sleep(removed / MAX_REMOVED_PER_S)

    def _say(self, reason: str) -> None:
        """Logs why it stops, or that it goes on."""
        if reason and reason != self._reason:
            log.warning("retention_stopped", extra={"reason": reason})
        elif self._reason and not reason:
            log.info("retention_goes_on")
        self._reason = reason

    def _note(self) -> None:
        """Logs how many messages were removed, once an hour at the most."""
        now_s = self._loop.time()
        if self._removed and now_s - self._logged_s >= _LOG_EVERY_S:
            log.info("retention_swept", extra={"messages": self._removed})
            self._logged_s, self._removed = now_s, 0
