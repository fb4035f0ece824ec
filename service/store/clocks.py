"""Our clock beside those of Redis: any of them may be wrong.

Nothing that can't be undone happens by a clock that is wrong for all we know: no message is removed
while they disagree, and no reported time is refused that one of them would take.
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
"""A difference that is said."""

FAR_APART_S = 3_600.0
"""A difference that stops retention. No zone and no drift of a healthy machine makes as much."""

UNKNOWN = (
    "Redis doesn't tell its time: let the user run TIME. Retention stands still until then, and a "
    "wrong clock of this machine's isn't noticed."
)
"""What an operator should know where the user may not ask."""

_LOOK_S = 10.0
_ANSWER_S = 2.0
_FAULTS = (TimeoutError, faults.RedisError, faults.RedisClusterException, OSError, RuntimeError)
"""RuntimeError is what uvloop raises for a write to a connection that was just closed."""


class Compared(NamedTuple):
    """What the clocks said at one moment.

    Attributes:
        earliest_us: the earliest of them, in µs since the epoch.
        ahead_s: by how many seconds ours was ahead of that of Redis; of several servers, of the one
            that differs most.
    """

    earliest_us: int
    ahead_s: float


class Clocks:
    """Compares our clock with those of the servers, and says so when they are apart.

    Args:
        server: has the other clocks. fakeredis has none: it is in this process.
        wall_ns: our time of day in ns, `time.time_ns` save in tests.
        steady_ns: a clock that never jumps, `time.monotonic_ns` save in tests.

    Attributes:
        ahead_s: as at the last comparison; 0 before the first.
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
        """What the latest of their clocks was ahead of the steady one."""
        self.ahead_s = 0.0
        self._said = ""

    @property
    def apart_s(self) -> float:
        """`ahead_s` where it is worth saying, else 0."""
        return self.ahead_s if abs(self.ahead_s) > APART_S else 0.0

    def latest_ms(self) -> float:
        """The latest time that a report may have by Redis' clock, in ms since the epoch.

        It goes on by the steady clock, so it needs no call and doesn't jump with ours. Without any
        answer of Redis so far nothing is known to be too late.
        """
        if self._theirs_ns is None:
            return math.inf
        return (self._steady_ns() + self._theirs_ns) // 1_000_000 + LONGEST_AHEAD_MS

    async def compare(self) -> Compared:
        """Asks the servers for their time.

        Raises:
            Unavailable: they don't answer, or don't tell us.
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
        """Compares the clocks, if the servers answer."""
        with suppress(Unavailable):
            await self.compare()

    async def run(self) -> None:
        """Looks now and then, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.look()

    def _say(self, state: str, reason: str) -> None:
        """Logs a state that is new: `apart`, `unknown`, or "" where the clocks agree."""
        if state == self._said:
            return
        self._said = state
        if state:
            event = {"reason": reason}
            log.warning("clocks_apart" if state == "apart" else "clock_unknown", extra=event)
        else:
            log.info("clocks_agree")


def describe_clock_skew(ahead_s: float) -> str:
    """What an operator should know of such a difference, in seconds."""
    where = "ahead of" if ahead_s > 0 else "behind"
    told = f"This machine's clock is {abs(ahead_s):,.0f} s {where} that of Redis: set the wrong one"
    return f"{told}." + (" Retention stands still until then." * (abs(ahead_s) > FAR_APART_S))


async def weaknesses_of_clocks(server: Server) -> list[str]:
    """What is wrong with the clocks, in a sentence; nothing where they agree."""
    clocks = Clocks(server)
    try:
        await clocks.compare()
    except Unavailable:
        return [UNKNOWN]
    return [describe_clock_skew(clocks.ahead_s)] if clocks.apart_s else []
