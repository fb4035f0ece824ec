"""Listeners of changes, and who reads the feed for them.

A change is read and encoded once, and all listeners of a filter get the same bytes. Nobody waits
for a slow listener: what waits for it is bounded, and past that it loses its place, and is told so.
Bytes are in the form of server-sent events (https://html.spec.whatwg.org/multipage/#parsing-an-event-stream).
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import orjson

from service.domain.dimensions import FILTERS
from service.domain.record import Record
from service.live.feed import Changes, Feed, StreamId, encode_cursor
from service.models.requests import LiveQuery
from service.models.responses import message_log

Filter = tuple[str, str]
"""A dimension and a value; of all messages `ALL`."""

ALL: Filter = ("all", "")

_FILTERS = [each for each in FILTERS.items() if each[0] in LiveQuery.__struct_fields__]

Found = TypeVar("Found")

MOST_BLOCKS, MAX_BACKLOG_BYTES = 64, 1024**2
"""What may wait for a listener."""

_AT_ONCE = 8
_STEP_S, _LOOK_S = 1.0, 0.05
_IN_A_ROW = 64


class Connection(Protocol):
    """What is asked of a listener's connection; an `asyncio.Transport` is one."""

    def is_closing(self) -> bool:
        """Whether it is closed, or will be."""

    def abort(self) -> None:
        """Closes it at once."""


class Subscriber:
    """One who is told of changes, and what waits to be sent to it.

    Args:
        wanted: whose messages' changes.
        connection: to it.
    """

    def __init__(self, wanted: Filter, connection: Connection) -> None:
        self.wanted = wanted
        self.connection = connection
        self._loop = asyncio.get_running_loop()
        self._blocks: list[bytes] = []
        self._bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._sending_since_s = math.inf
        self._begun = self._ended = False

    async def take(self) -> list[bytes]:
        """What is to be sent to it now, as soon as there is something; nothing: that was all."""
        self._sending_since_s = math.inf
        while not self._blocks and not self._ended:
            self._wake = self._loop.create_future()
            await self._wake
        blocks, self._blocks, self._bytes = self._blocks, [], 0
        self._begun = True
        self._sending_since_s = self._loop.time()
        return blocks

    def offer(self, block: bytes) -> bool:
        """Has a block wait to be sent; False where too much waits already."""
        full = len(self._blocks) >= MOST_BLOCKS or self._bytes + len(block) > MAX_BACKLOG_BYTES
        if self._blocks and full:
            return False
        self._blocks.append(block)
        self._bytes += len(block)
        self._rouse()
        return True

    def replace(self, block: bytes) -> None:
        """Has a block wait instead of all that does, save for the first of the stream."""
        self._blocks = [] if self._begun else self._blocks[:1]
        self._bytes = sum(map(len, self._blocks))
        self.offer(block)

    def end(self) -> None:
        """Nothing comes after what waits."""
        self._ended = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, and nothing is being sent."""
        return not self._blocks and self._sending_since_s == math.inf

    @property
    def laden(self) -> bool:
        """Whether half of what may wait for it does."""
        return len(self._blocks) > MOST_BLOCKS // 2 or self._bytes > MAX_BACKLOG_BYTES // 2

    def sends_for_s(self) -> float:
        """How long it has been taking what it was last sent, in seconds."""
        return self._loop.time() - self._sending_since_s


class _Change:
    """A record, and once it is needed the event that tells of it."""

    __slots__ = ("_event", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self._event = b""

    def event(self) -> bytes:
        if not self._event:
            self._event = b"data: %b\n\n" % orjson.dumps(message_log(self.record))
        return self._event

    def filters(self) -> tuple[Filter, ...]:
        """Those whose listeners want to know."""
        record = self.record
        return (
            *((dimension, getattr(record, field)) for field, dimension in _FILTERS),
            ALL,
        )


class _Read(NamedTuple):
    """What one look found in a partition: as `Changes`; lost: some changes can't be known."""

    changes: Sequence[_Change]
    place: StreamId
    more: bool = False
    lost: bool = False


class FeedReader:
    """Reads the feed from some places on, and tells its listeners.

    Args:
        feed: of the store.
        places: of each partition.
        lost: gets why a listener has lost its place: `slow` or `gone`.
    """

    def __init__(self, feed: Feed, places: Sequence[StreamId], lost: Callable[[str], None]) -> None:
        self._feed = feed
        self._lost = lost
        self._now_s = asyncio.get_running_loop().time
        self._channels: dict[Filter, dict[Subscriber, Sequence[StreamId]]] = {}
        self._move(places)

    def _move(self, places: Sequence[StreamId]) -> None:
        self.places = list(places)
        self.name = encode_cursor(self.places)

    @property
    def listeners(self) -> list[Subscriber]:
        """All that it tells."""
        return [listener for channel in self._channels.values() for listener in channel]

    def add(self, listener: Subscriber, start: Sequence[StreamId] = ()) -> None:
        """Tells a listener from now on, or once it has come to where the listener starts."""
        self._channels.setdefault(listener.wanted, {})[listener] = start

    def remove(self, listener: Subscriber) -> None:
        """Tells it no more."""
        channel = self._channels.get(listener.wanted, {})
        channel.pop(listener, None)
        if not channel:
            self._channels.pop(listener.wanted, None)

    async def step(self) -> bool:
        """Tells of the next changes of each partition, all listeners in one go.

        Returns:
            whether more is there already.

        Raises:
            Unavailable: a partition is; the others' changes have been told all the same.
        """
        until_s = self._now_s() + _STEP_S
        looks = [partial(self._read, p, place, until_s) for p, place in enumerate(self.places)]
        found = await some_at_once(looks)
        done = {p: each for p, each in enumerate(found) if isinstance(each, _Read)}
        self._tell(done)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return any(read.more for read in done.values())

    async def _read(self, partition: int, place: StreamId, until_s: float) -> _Read:
        until_s = max(until_s, self._now_s() + _LOOK_S)  # others may have used the time up
        found = await self._feed.read(partition, place, until_s)
        if found is None:
            return _Read((), await self._feed.end(partition, until_s), lost=True)
        return _Read(await self._prepared(found), found.place, found.more)

    async def _prepared(self, found: Changes) -> list[_Change]:
        """Makes the events that are wanted now, a few at a time: the loop has others to serve."""
        changes = list(map(_Change, found.records))
        for number, change in enumerate(changes, start=1):
            if any(wanted in self._channels for wanted in change.filters()):
                change.event()
            if number % _IN_A_ROW == 0:
                await asyncio.sleep(0)
        return changes

    def _tell(self, found: dict[int, _Read]) -> None:
        """Moves on, and tells of what was passed; who joins is told of all or nothing of it."""
        if all(read.place == self.places[p] for p, read in found.items()):
            return
        events = self._sorted([change for read in found.values() for change in read.changes])
        self._move([found[p].place if p in found else at for p, at in enumerate(self.places)])
        for wanted, some in events.items():
            block = b"%bid: %b\n\n" % (b"".join(some)[:-1], self.name.encode())
            for listener, start in self._channels[wanted].items():
                if self._is_behind(start) and not listener.offer(block):
                    self.lose(listener, "slow")
        if any(read.lost for read in found.values()):
            for listener in self.listeners:
                self.lose(listener, "gone")

    def _sorted(self, changes: Sequence[_Change]) -> dict[Filter, list[bytes]]:
        """The events that somebody wants, by who does."""
        events: dict[Filter, list[bytes]] = defaultdict(list)
        for change in changes:
            for wanted in change.filters():
                if wanted in self._channels:
                    events[wanted].append(change.event())
        return events

    def _is_behind(self, start: Sequence[StreamId]) -> bool:
        """Whether a listener that starts there hasn't been told of all up to here."""
        return not start or any(map(StreamId.__lt__, start, self.places))

    def lose(self, listener: Subscriber, reason: str) -> None:
        """Tells a listener that it has lost its place, instead of all that waits for it."""
        self._lost(reason)
        listener.replace(event_named("lost", self.name))

    def has_reached(self, other: FeedReader) -> bool:
        """Whether nothing that the other has told is left to tell."""
        return all(map(StreamId.__ge__, self.places, other.places))


def event_named(name: str, last_id: str) -> bytes:
    """An event whose data is an empty object; it has no `id` line if the id is ""."""
    named = f"id: {last_id}\n" if last_id else ""
    return f"event: {name}\ndata: {{}}\n{named}\n".encode()


async def some_at_once(
    calls: Sequence[Callable[[], Awaitable[Found]]],
) -> list[Found | BaseException]:
    """What each call answers or raises, in order. A few at a time, so that others get through."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def made(call: Callable[[], Awaitable[Found]]) -> Found:
        async with limit:
            return await call()

    return await asyncio.gather(*map(made, calls), return_exceptions=True)
