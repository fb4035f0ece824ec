"""What the service takes on at once: past its limits a request is refused rather than late.

A refusal costs the caller a moment and the service next to nothing; a queue without an end costs
every caller the same wait and the service its memory. Only callers that proved who they are spend
the limits of callers. Everybody else shares a small budget, in which the oldest gives way.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from typing import Protocol

from service.errors import Overloaded

MAX_HELD_BYTES = 64 * 1024**2
"""What the bodies and the large answers of admitted callers may hold at once."""

MOST_REPORTS = 20_000
"""Waiting to be written: half a second's work or so."""

MOST_STRANGERS = 256
"""Requests under way of callers that have shown no token and no signature yet."""

MOST_STRANGE_BYTES = 16 * 1024**2
"""What those may hold: three of Meta's largest bodies."""

_CALM_AFTER_S = 1.0


class Ticket:
    """An admitted caller's request under way, and the bytes that it holds.

    Args:
        admission: counts it until it leaves.
        share: the part of the bytes that may be in use when it holds more.
    """

    __slots__ = ("_admission", "_listens", "_share", "bytes")

    def __init__(self, admission: Admission, share: float) -> None:
        self._admission = admission
        self._share = share
        self._listens = False
        self.bytes = 0

    def hold(self, size_bytes: int) -> None:
        """Counts bytes that the request holds from now on.

        Raises:
            Overloaded: there is no room for them; they aren't counted.
        """
        if self._admission.bytes + size_bytes > self._share * MAX_HELD_BYTES:
            raise Overloaded
        self.bytes += size_bytes
        self._admission.bytes += size_bytes

    def admit_stream(self) -> None:
        """Makes the request a listener, which has a limit of its own.

        Raises:
            Overloaded: there are too many listeners.
        """
        self._admission.add_listener()
        self._listens = True

    def release(self) -> None:
        """The request is answered, and the answer is written."""
        admission = self._admission
        admission.bytes -= self.bytes
        if self._listens:
            admission.listeners -= 1
        else:
            admission.requests -= 1


class Stranger:
    """A request under way of which nobody knows yet who sent it.

    Args:
        strangers: it is one of them until it leaves.
        close: ends its connection.
    """

    __slots__ = ("_strangers", "bytes", "close")

    def __init__(self, strangers: Strangers, close: Callable[[], None]) -> None:
        self._strangers = strangers
        self.close = close
        self.bytes = 0

    def hold(self, size_bytes: int) -> None:
        """Counts bytes that the request holds from now on; older strangers give way to it.

        Raises:
            Overloaded: it has given way itself.
        """
        self._strangers.hold(self, size_bytes)

    def release(self) -> None:
        """The request is answered, or it is known who sent it."""
        self._strangers.remove(self)


class Strangers:
    """The requests under way that nobody vouches for; past their budget the oldest is closed.

    So connections that say nothing keep nobody out: an honest request is whole in a moment.

    Args:
        closed: is told of each that gave way.
    """

    def __init__(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self._present: OrderedDict[Stranger, None] = OrderedDict()
        self._bytes = 0

    def add(self, close: Callable[[], None]) -> Stranger:
        """Takes one more."""
        stranger = Stranger(self, close)
        self._present[stranger] = None
        self._make_room()
        return stranger

    def hold(self, stranger: Stranger, size_bytes: int) -> None:
        """Counts bytes of one; see `Stranger.hold`."""
        if stranger not in self._present:
            raise Overloaded
        stranger.bytes += size_bytes
        self._bytes += size_bytes
        self._make_room()

    def remove(self, stranger: Stranger) -> None:
        """Forgets one, if it is still there."""
        if stranger in self._present:
            del self._present[stranger]
            self._bytes -= stranger.bytes

    def _make_room(self) -> None:
        if len(self._present) > MOST_STRANGERS:
            self._close(next(iter(self._present)))
        while self._bytes > MOST_STRANGE_BYTES:
            self._close(next(each for each in self._present if each.bytes))

    def _close(self, stranger: Stranger) -> None:
        self.remove(stranger)
        stranger.close()
        self._closed()


ticket: ContextVar[Ticket | Stranger | None] = ContextVar("ticket", default=None)
"""Of the request under way; None where nothing is counted."""


class Admission:
    """Counts what is under way in this process.

    Args:
        most_requests: that are let in at once.
        depth: how many reports wait to be written.
        most_listeners: that are let in beside the requests.
        strangers: the requests of everybody else.

    Attributes:
        requests: of admitted callers, until their answers are written.
        coming: requests that were read in a turn of the loop and begin in the next ones. They are
            counted only while there are refusals, and only of callers that were let in before.
        bytes: that those hold.
        listeners: how many are there.
    """

    def __init__(
        self,
        most_requests: int,
        depth: Callable[[], int],
        *,
        most_listeners: int = 0,
        strangers: Strangers | None = None,
    ) -> None:
        self._most_requests = most_requests
        self._most_listeners = most_listeners
        self._depth = depth
        self.requests = self.coming = self.bytes = self.listeners = 0
        self.strangers = strangers or Strangers(lambda: None)
        self._refused_s: dict[float, float] = {}  # for want of room, by share
        self._last_refused_s = -math.inf

    def admit(self, share: float) -> Ticket:
        """Lets a caller's request in; the ticket's `release` must follow.

        Args:
            share: the part of any limit that may be in use when it comes, 1 for all of it.

        Raises:
            Overloaded: more than that is in use.
        """
        self.check(share)
        self.requests += 1
        return Ticket(self, share)

    def check(self, share: float) -> None:
        """Refuses a request where that part of a limit is in use.

        Raises:
            Overloaded: it is.
        """
        if self._is_used(share):
            self._refused_s[share] = self._last_refused_s = time.monotonic()
            raise Overloaded

    def is_full(self, share: float, callers: int = 0) -> bool:
        """Whether a request would be refused that comes now.

        One on a new connection is for a second after somebody was refused, if there are callers
        enough to fill the room: it would take the place of one that is served, which then had to
        come anew.

        Args:
            share: as `admit` has it.
            callers: connections on which requests were let in; 0 if this is one of them.
        """
        room, now_s = share * self._most_requests, time.monotonic()
        if self.requests + self.coming >= room or self._is_used(share):
            self._refused_s[share] = now_s
        elif callers < room or now_s - self._refused_s.get(share, -math.inf) >= _CALM_AFTER_S:
            return False
        self._last_refused_s = now_s
        return True

    def is_calm(self) -> bool:
        """Whether nobody was refused within the last second."""
        return time.monotonic() - self._last_refused_s >= _CALM_AFTER_S

    def _is_used(self, share: float) -> bool:
        """Whether that part of any limit is in use."""
        return (
            self.requests >= share * self._most_requests
            or self.bytes >= share * MAX_HELD_BYTES
            or self._depth() >= share * MOST_REPORTS
        )

    def add_listener(self) -> None:
        """Counts a request as a listener from now on.

        Raises:
            Overloaded: there are too many listeners; it is still a request.
        """
        if self.listeners >= self._most_listeners:
            raise Overloaded
        self.requests -= 1
        self.listeners += 1


class Connection(Protocol):
    """What is asked of a caller's connection."""

    def admit(self) -> None:
        """A caller on it has proved who it is."""

    def arrive(self) -> None:
        """Its request begins: it is no longer coming."""

    def comes_anew_for_less(self) -> bool:
        """Whether a caller who is refused should come on a new connection."""

    def cut_off(self) -> None:
        """Ends it at once, with what waits to be sent."""
