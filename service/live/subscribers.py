"""Subscribers to changes, and the reader of the feed that serves them.

A change is read and encoded once, and all subscribers with the same filter get the same bytes. No
subscriber waits for a slow one: the backlog of each is bounded. A subscriber whose backlog is full
loses changes, and is told so. All bytes have the form of server-sent events:
https://html.spec.whatwg.org/multipage/#parsing-an-event-stream
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
"""A dimension and a value; `ALL` stands for all messages."""

ALL: Filter = ("all", "")

_FILTERS = [each for each in FILTERS.items() if each[0] in LiveQuery.__struct_fields__]

Found = TypeVar("Found")

MOST_BLOCKS, MAX_BACKLOG_BYTES = 64, 1024**2
"""The largest backlog of a subscriber, in blocks and in bytes."""

_AT_ONCE = 8
_STEP_S, _LOOK_S = 1.0, 0.05
_IN_A_ROW = 64


class Connection(Protocol):
    """What a subscriber's connection must offer; an `asyncio.Transport` does."""

    def is_closing(self) -> bool:
        """Returns whether it is closed, or is about to be."""

    def abort(self) -> None:
        """Closes it at once."""


class Subscriber:
    """A caller that is told of changes, and its backlog.

    Args:
        wanted: the filter: only changes of its messages are sent.
        connection: the caller's connection.
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
        """Waits for the next blocks to send and returns them; an empty list ends the stream."""
        self._sending_since_s = math.inf
        while not self._blocks and not self._ended:
            self._wake = self._loop.create_future()
            await self._wake
        blocks, self._blocks, self._bytes = self._blocks, [], 0
        self._begun = True
        self._sending_since_s = self._loop.time()
        return blocks

    def offer(self, block: bytes) -> bool:
        """Adds a block to the backlog; returns False if the backlog is full."""
        full = len(self._blocks) >= MOST_BLOCKS or self._bytes + len(block) > MAX_BACKLOG_BYTES
        if self._blocks and full:
            return False
        self._blocks.append(block)
        self._bytes += len(block)
        self._rouse()
        return True

    def replace(self, block: bytes) -> None:
        """Puts a block in place of the whole backlog, except for the first block of the stream."""
        self._blocks = [] if self._begun else self._blocks[:1]
        self._bytes = sum(map(len, self._blocks))
        self.offer(block)

    def end(self) -> None:
        """Ends the stream behind the present backlog."""
        self._ended = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    @property
    def idle(self) -> bool:
        """Whether the backlog is empty and nothing is being sent."""
        return not self._blocks and self._sending_since_s == math.inf

    @property
    def laden(self) -> bool:
        """Whether more than half of the largest backlog waits."""
        return len(self._blocks) > MOST_BLOCKS // 2 or self._bytes > MAX_BACKLOG_BYTES // 2

    def sends_for_s(self) -> float:
        """Returns how long the last blocks have been on their way, in seconds."""
        return self._loop.time() - self._sending_since_s


class _Change:
    """A changed record, and its event, which is encoded when it is first needed."""

    __slots__ = ("_event", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self._event = b""

    def event(self) -> bytes:
        if not self._event:
            self._event = b"data: %b\n\n" % orjson.dumps(message_log(self.record))
        return self._event

    def filters(self) -> tuple[Filter, ...]:
        """Returns the filters that this record matches."""
        record = self.record
        return (
            *((dimension, getattr(record, field)) for field, dimension in _FILTERS),
            ALL,
        )


class _Read(NamedTuple):
    """The changes that were read from a partition, like `Changes`.

    If `lost` is true, some changes are no longer in the feed.
    """

    changes: Sequence[_Change]
    place: StreamId
    more: bool = False
    lost: bool = False


class FeedReader:
    """Reads the feed from given offsets on, and sends the changes to its subscribers.

    Args:
        feed: the feed of the store.
        places: the offset in each partition.
        lost: called with the reason why a subscriber missed changes: `slow` or `gone`.
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
    def subscribers(self) -> list[Subscriber]:
        """All subscribers that it serves."""
        return [subscriber for channel in self._channels.values() for subscriber in channel]

    def add(self, subscriber: Subscriber, start: Sequence[StreamId] = ()) -> None:
        """Serves a subscriber from now on.

        Args:
            subscriber: the subscriber.
            start: offsets of the subscriber's own; it gets only changes behind them. Without any it
                gets all changes.
        """
        self._channels.setdefault(subscriber.wanted, {})[subscriber] = start

    def remove(self, subscriber: Subscriber) -> None:
        """Stops serving a subscriber."""
        channel = self._channels.get(subscriber.wanted, {})
        channel.pop(subscriber, None)
        if not channel:
            self._channels.pop(subscriber.wanted, None)

    async def step(self) -> bool:
        """Reads the next changes of each partition and sends them to all subscribers at once.

        Returns:
            whether the feed already has further changes.

        Raises:
            Unavailable: a partition is unavailable; the changes of the others have been sent.
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
        until_s = max(until_s, self._now_s() + _LOOK_S)  # others may have used up the time
        found = await self._feed.read(partition, place, until_s)
        if found is None:
            return _Read((), await self._feed.end(partition, until_s), lost=True)
        return _Read(await self._prepared(found), found.place, found.more)

    async def _prepared(self, found: Changes) -> list[_Change]:
        """Encodes the events that are wanted now, a few at a time so that the loop stays free."""
        changes = list(map(_Change, found.records))
        for number, change in enumerate(changes, start=1):
            if any(wanted in self._channels for wanted in change.filters()):
                change.event()
            if number % _IN_A_ROW == 0:
                await asyncio.sleep(0)
        return changes

    def _tell(self, found: dict[int, _Read]) -> None:
        """Advances the offsets and delivers the changes.

        Nothing is awaited in between, so that a new subscriber gets all or none of them.
        """
        if all(read.place == self.places[p] for p, read in found.items()):
            return
        events = self._sorted([change for read in found.values() for change in read.changes])
        self._move([found[p].place if p in found else at for p, at in enumerate(self.places)])
        for wanted, encoded in events.items():
            block = b"%bid: %b\n\n" % (b"".join(encoded)[:-1], self.name.encode())
            for subscriber, start in self._channels[wanted].items():
                if self._is_behind(start) and not subscriber.offer(block):
                    self.lose(subscriber, "slow")
        if any(read.lost for read in found.values()):
            for subscriber in self.subscribers:
                self.lose(subscriber, "gone")

    def _sorted(self, changes: Sequence[_Change]) -> dict[Filter, list[bytes]]:
        """Returns the events that subscribers want, by their filter."""
        events: dict[Filter, list[bytes]] = defaultdict(list)
        for change in changes:
            for wanted in change.filters():
                if wanted in self._channels:
                    events[wanted].append(change.event())
        return events

    def _is_behind(self, start: Sequence[StreamId]) -> bool:
        """Returns whether a subscriber with these offsets still lacks changes up to here."""
        return not start or any(map(StreamId.__lt__, start, self.places))

    def lose(self, subscriber: Subscriber, reason: str) -> None:
        """Tells a subscriber that it missed changes, in place of its whole backlog."""
        self._lost(reason)
        subscriber.replace(event_named("lost", self.name))

    def has_reached(self, other: FeedReader) -> bool:
        """Returns whether it has read everything that the other reader has read."""
        return all(map(StreamId.__ge__, self.places, other.places))


def event_named(name: str, last_id: str) -> bytes:
    """Returns an event whose data is an empty object; it has no `id` line if the id is ""."""
    named = f"id: {last_id}\n" if last_id else ""
    return f"event: {name}\ndata: {{}}\n{named}\n".encode()


async def some_at_once(
    calls: Sequence[Callable[[], Awaitable[Found]]],
) -> list[Found | BaseException]:
    """Makes the calls, a few at a time, so that other requests get through.

    Returns:
        what each call returned or raised, in their order.
    """
    limit = asyncio.Semaphore(_AT_ONCE)

    async def made(call: Callable[[], Awaitable[Found]]) -> Found:
        async with limit:
            return await call()

    return await asyncio.gather(*map(made, calls), return_exceptions=True)
