"""Load shedding: past its limits the service refuses a request rather than answer it late.

A refusal costs the caller a moment and the service next to nothing. An endless queue would make
every caller wait and would fill the memory. Only authenticated callers use the limits of callers.
All other requests, the strangers', share a small budget in which the oldest gives way.
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
"""The limit for the bodies and the large answers of all admitted callers together, in bytes."""

MOST_REPORTS = 20_000
"""The limit for reports that wait to be written: about half a second's work."""

MOST_STRANGERS = 256
"""The limit for requests of callers that have shown no token and no signature yet."""

MOST_STRANGE_BYTES = 16 * 1024**2
"""The limit for the bytes of those requests: three of Meta's largest bodies."""

_CALM_AFTER_S = 1.0


class Ticket:
    """A request of an admitted caller, and the bytes that it holds.

    Args:
        admission: counts the request until `release`.
        share: the part of the limit in bytes that this request may use up.
    """

    __slots__ = ("_admission", "_listens", "_share", "bytes")

    def __init__(self, admission: Admission, share: float) -> None:
        self._admission = admission
        self._share = share
        self._listens = False
        self.bytes = 0

    def hold(self, size_bytes: int) -> None:
        """Counts further bytes that the request holds.

        Raises:
            Overloaded: there is no room for them; they aren't counted.
        """
        if self._admission.bytes + size_bytes > self._share * MAX_HELD_BYTES:
            raise Overloaded
        self.bytes += size_bytes
        self._admission.bytes += size_bytes

    def admit_stream(self) -> None:
        """Turns the request into a live stream, which has a limit of its own.

        Raises:
            Overloaded: there are too many live streams.
        """
        self._admission.add_listener()
        self._listens = True

    def release(self) -> None:
        """Ends the count of the request: its answer is written."""
        admission = self._admission
        admission.bytes -= self.bytes
        if self._listens:
            admission.listeners -= 1
        else:
            admission.requests -= 1


class Stranger:
    """A request that is not authenticated, or not yet.

    Args:
        strangers: all such requests; they count it until `release`.
        close: closes its connection.
    """

    __slots__ = ("_strangers", "bytes", "close")

    def __init__(self, strangers: Strangers, close: Callable[[], None]) -> None:
        self._strangers = strangers
        self.close = close
        self.bytes = 0

    def hold(self, size_bytes: int) -> None:
        """Counts further bytes that the request holds; older strangers give way to it.

        Raises:
            Overloaded: it has given way itself.
        """
        self._strangers.hold(self, size_bytes)

    def release(self) -> None:
        """Ends the count of the request: it is answered or authenticated."""
        self._strangers.remove(self)


class Strangers:
    """The requests that are not authenticated; past their budget the oldest is closed.

    So silent connections can't keep honest callers out: an honest request is complete in a moment.

    Args:
        closed: called for each request that gave way.
    """

    def __init__(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self._present: OrderedDict[Stranger, None] = OrderedDict()
        self._bytes = 0

    def add(self, close: Callable[[], None]) -> Stranger:
        """Counts a request; an older one may have to give way."""
        stranger = Stranger(self, close)
        self._present[stranger] = None
        self._make_room()
        return stranger

    def hold(self, stranger: Stranger, size_bytes: int) -> None:
        """Counts further bytes of a request; see `Stranger.hold`."""
        if stranger not in self._present:
            raise Overloaded
        stranger.bytes += size_bytes
        self._bytes += size_bytes
        self._make_room()

    def remove(self, stranger: Stranger) -> None:
        """Ends the count of a request, if it has not given way already."""
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
"""What counts the present request; None for a request that isn't counted."""


class Admission:
    """Counts and limits the requests under way in this process.

    Args:
        most_requests: the limit for requests of callers.
        depth: returns how many reports wait to be written.
        most_listeners: the limit for live streams, which count beside the requests.
        strangers: all other requests.

    Attributes:
        requests: how many requests of admitted callers there are, until their answers are written.
        coming: how many requests were read in a turn of the loop and begin in a later one. They are
            counted only while requests are refused, and only on connections of admitted callers.
        bytes: how many bytes the requests hold.
        listeners: how many live streams there are.
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
        self._refused_s: dict[float, float] = {}  # when the last one was refused, by share
        self._last_refused_s = -math.inf

    def admit(self, share: float) -> Ticket:
        """Admits a caller's request. The caller of this must call the ticket's `release`.

        Args:
            share: the part of each limit that may be in use already, at most 1.

        Raises:
            Overloaded: more than that part is in use.
        """
        self.check(share)
        self.requests += 1
        return Ticket(self, share)

    def check(self, share: float) -> None:
        """Refuses a request if this part of a limit is in use.

        Raises:
            Overloaded: it is in use.
        """
        if self._is_used(share):
            self._refused_s[share] = self._last_refused_s = time.monotonic()
            raise Overloaded

    def is_full(self, share: float, callers: int = 0) -> bool:
        """Returns whether a request that comes now would be refused.

        A request on a new connection would be refused for a second after any refusal, if the other
        connections can fill the limit. Otherwise it would displace a caller that is served, and
        that caller would then have to reconnect.

        Args:
            share: see `admit`.
            callers: how many connections had a request admitted; 0 if this is one of them.
        """
        room, now_s = share * self._most_requests, time.monotonic()
        if self.requests + self.coming >= room or self._is_used(share):
            self._refused_s[share] = now_s
        elif callers < room or now_s - self._refused_s.get(share, -math.inf) >= _CALM_AFTER_S:
            return False
        self._last_refused_s = now_s
        return True

    def is_calm(self) -> bool:
        """Returns whether no request was refused within the last second."""
        return time.monotonic() - self._last_refused_s >= _CALM_AFTER_S

    def _is_used(self, share: float) -> bool:
        """Returns whether this part of any limit is in use."""
        return (
            self.requests >= share * self._most_requests
            or self.bytes >= share * MAX_HELD_BYTES
            or self._depth() >= share * MOST_REPORTS
        )

    def add_listener(self) -> None:
        """Counts a request as a live stream from now on.

        Raises:
            Overloaded: there are too many live streams; the request still counts as one.
        """
        if self.listeners >= self._most_listeners:
            raise Overloaded
        self.requests -= 1
        self.listeners += 1


class Connection(Protocol):
    """What a caller's connection must offer."""

    def admit(self) -> None:
        """Notes that its caller is authenticated."""

    def arrive(self) -> None:
        """Notes that its request begins, and so no longer counts as coming."""

    def comes_anew_for_less(self) -> bool:
        """Returns whether it is cheaper if a refused caller reconnects."""

    def cut_off(self) -> None:
        """Closes it at once, without sending what waits to be sent."""
