"""What the service takes on at once: past its limits a request is refused rather than late.

A refusal costs the caller a moment and the service next to nothing; a queue without an end costs
every caller the same wait and the service its memory.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from service.errors import Overloaded

MOST_BYTES = 64 * 1024**2
"""Of bodies held at once."""

MOST_REPORTS = 20_000
"""Waiting to be written: half a second's work or so."""

_CALM_AFTER_S = 1.0
_BEAT_S = 0.05
_LATE_S = 0.1


class Admission:
    """Counts what is under way in this process.

    Args:
        most_requests: that are let in at once.
        depth: how many reports wait to be written.
        connections: how many are served.
        most_listeners: that are let in beside the requests.

    Attributes:
        listeners: how many are there.
    """

    def __init__(
        self,
        most_requests: int,
        depth: Callable[[], int],
        connections: Callable[[], int],
        *,
        most_listeners: int = 0,
    ) -> None:
        self._most_requests = most_requests
        self._most_listeners = most_listeners
        self.listeners = 0
        self._depth = depth
        self._connections = connections
        self._requests = 0
        self._bytes = 0
        self._refused_s = self._late_s = -math.inf

    def enter(self, refused_at: float, size_bytes: int) -> None:
        """Lets a request in; `leave` must follow.

        Args:
            refused_at: the part of any limit that may be in use when it comes, 1 for all of it.
            size_bytes: of its body.

        Raises:
            Overloaded: more than that is in use.
        """
        in_use = max(
            self._requests / self._most_requests,
            self._bytes / MOST_BYTES,
            self._depth() / MOST_REPORTS,
        )
        if in_use >= refused_at:
            self._refused_s = time.monotonic()
            raise Overloaded
        self._requests += 1
        self._bytes += size_bytes

    def leave(self, size_bytes: int) -> None:
        """A request that was let in is answered."""
        self._requests -= 1
        self._bytes -= size_bytes

    def stay(self) -> None:
        """A request that was let in is a listener's from now on; `part` must follow, not `leave`.

        Raises:
            Overloaded: there are too many listeners; the request is still one.
        """
        if self.listeners >= self._most_listeners:
            raise Overloaded
        self._requests -= 1
        self.listeners += 1

    def part(self, size_bytes: int) -> None:
        """A listener has gone, whose request had a body of that size."""
        self.listeners -= 1
        self._bytes -= size_bytes

    @property
    def crowded(self) -> bool:
        """Whether there is no room for another connection.

        There is, however many there are, as long as they are idle: as no request has to wait.
        """
        many = self._connections() - self.listeners >= self._most_requests
        return many and time.monotonic() - max(self._refused_s, self._late_s) < _CALM_AFTER_S

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on notes when the loop is late, as it is when it has very much to do."""

        def beat(due_s: float) -> None:
            now_s = loop.time()
            if now_s - due_s > _LATE_S:
                self._late_s = time.monotonic()
            loop.call_at(now_s + _BEAT_S, beat, now_s + _BEAT_S)

        beat(loop.time())
