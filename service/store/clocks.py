"""Compares this machine's clock with those of the Redis servers. Any of them may be wrong.

So nothing that can't be undone depends on one clock alone. While the clocks disagree no message is
removed, and a reported time is refused only if all of them refuse it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from redis import exceptions as faults

from service.backends.server import Server
from service.domain.report import LONGEST_AHEAD_MS
from service.errors import Unavailable

log = logging.getLogger(__name__)

APART_S = 60.0
"""The smallest difference that is logged."""

FAR_APART_S = 3_600.0
"""The smallest difference that stops retention. Neither a time zone nor the drift of a healthy
machine makes as much."""

UNKNOWN = (
    "Redis doesn't tell its time: let the user run TIME. Retention stands still until then, and a "
    "wrong clock of this machine's isn't noticed."
)
"""The sentence for the operator if the user has no permission for TIME."""

_LOOK_S = 10.0
_ANSWER_S = 2.0
_FAULTS = (TimeoutError, faults.RedisError, faults.RedisClusterException, OSError, RuntimeError)
"""RuntimeError is what uvloop raises for a write to a connection that was just closed."""


class Compared(NamedTuple):
    """The times of all clocks at one moment.

    Attributes:
        earliest_us: the earliest time of them, in µs since the epoch.
        ahead_s: by how many seconds ours was ahead of that of Redis. If there are several servers,
            it is the one that differs most.
    """

    earliest_us: int
    ahead_s: float


class Clocks:
    """Compares our clock with those of the servers, and logs when they disagree.

    Args:
        server: has the other clocks. fakeredis has none: it is in this process.
        wall_ns: returns our time of day in ns; tests give another one.
        steady_ns: reads a clock that never jumps, in ns; tests give another one.

    Attributes:
        ahead_s: `Compared.ahead_s` of the last comparison; 0 before the first one.
    """

    def __init__(
        self,
        server: Server,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._server = server
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._theirs_ns: int | None = None
        """By how much the latest of their clocks is ahead of the steady one."""
        self.ahead_s = 0.0
        self._said = ""

    @property
    def apart_s(self) -> float:
        """`ahead_s` if it is large enough to be logged, else 0."""
        return self.ahead_s if abs(self.ahead_s) > APART_S else 0.0

    def latest_ms(self) -> float:
        """The latest time that a report may have by Redis' clock, in ms since the epoch.

        It is infinite until Redis has answered for the first time. Since then it follows the steady
        clock, so it needs no call and doesn't jump with ours.
        """
        if self._theirs_ns is None:
            return math.inf
        return (self._steady_ns() + self._theirs_ns) // 1_000_000 + LONGEST_AHEAD_MS

    async def compare(self) -> Compared:
        """Asks the servers for their time.

        Raises:
            Unavailable: they don't answer, or the user has no permission to ask.
        """
        try:
            async with asyncio.timeout(_ANSWER_S):
                answers = await self._server.ask("TIME")
        except _FAULTS as error:
            if isinstance(error, faults.ResponseError):
                self._say("unknown", UNKNOWN)
            raise Unavailable("clock") from error
        ours_ns, steady_ns = self._wall_ns(), self._steady_ns()
        theirs_us = [1_000_000 * int(seconds) + int(rest) for seconds, rest in answers]
        theirs_us = theirs_us or [ours_ns // 1000]
        self._theirs_ns = 1000 * max(theirs_us) - steady_ns
        ours_us = ours_ns // 1000
        self.ahead_s = max(((ours_us - each) / 1e6 for each in theirs_us), key=abs)
        self._say("apart" if self.apart_s else "", describe_clock_skew(self.ahead_s))
        return Compared(min(ours_us, *theirs_us), self.ahead_s)

    async def look(self) -> None:
        """Compares the clocks. It does nothing if the servers don't answer."""
        with suppress(Unavailable):
            await self.compare()

    async def run(self) -> None:
        """Compares the clocks every ten seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.look()

    def _say(self, state: str, reason: str) -> None:
        """Logs the state if it is new: `apart`, `unknown`, or "" if the clocks agree."""
        if state == self._said:
            return
        self._said = state
        if state:
            event = {"reason": reason}
            log.warning("clocks_apart" if state == "apart" else "clock_unknown", extra=event)
        else:
            log.info("clocks_agree")


def describe_clock_skew(ahead_s: float) -> str:
    """The sentence for the operator about a difference in seconds."""
    where = "ahead of" if ahead_s > 0 else "behind"
    sentence = (
        f"This machine's clock is {abs(ahead_s):,.0f} s {where} that of Redis: set the wrong one"
    )
    return f"{sentence}." + (" Retention stands still until then." * (abs(ahead_s) > FAR_APART_S))


async def weaknesses_of_clocks(server: Server) -> list[str]:
    """A sentence that says what is wrong with the clocks; none if they agree."""
    clocks = Clocks(server)
    try:
        await clocks.compare()
    except Unavailable:
        return [UNKNOWN]
    return [describe_clock_skew(clocks.ahead_s)] if clocks.apart_s else []
