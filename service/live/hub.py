"""Tells subscribers of changes as they happen. One reader of the feed serves a whole process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from functools import partial
from typing import Any, NamedTuple, TypeVar

from service.errors import Unavailable
from service.live.feed import Feed, StreamId, decode_cursor
from service.live.subscribers import FeedReader, Subscriber, event_named, some_at_once

log = logging.getLogger(__name__)

POLL_S, POLL_EACH_S = 0.2, 0.001
"""The pause between two polls of the feed, in seconds: the first, or the second for each partition,
whichever is longer."""

PINGS_S = 15.0
"""The pause between two keep-alives, in seconds."""

_OPEN_S = 4.0
"""How long a partition may take to say where its feed ends, or what it holds, in seconds."""

_BEAT_S = 1.0
"""How often the connections are looked after, in seconds."""

_LAST_S = 1.0
"""How long a subscriber may take its last events once the service stops, in seconds."""

_ENOUGH_S = 0.5
"""How long a subscriber that catches up may keep the others waiting, in seconds."""

_AGAIN_S = 0.05
_RETRY = b"retry: 2000\n"
_PING = b": ping\n"

Done = TypeVar("Done")


class _Resume(NamedTuple):
    """A subscriber that wants what it missed, and the offset in each partition where it stopped."""

    subscriber: Subscriber
    offsets: Sequence[StreamId]


class LiveHub:
    """The subscribers of this process. The feed is read only while there are any.

    Two readers share the work. The main reader is at the end of the feed and serves all subscribers
    that are up to date. A subscriber that reconnects is first served by a second reader, which
    begins where the subscriber stopped. When that reader has caught up with the main one, the
    subscriber moves over.

    Args:
        feed: the feed of the store.
        receive_s: how long a subscriber may take to receive what it is sent, in seconds.
        lost: called with the reason why a subscriber missed changes: `slow`, or `gone` where the
            feed no longer reaches back to its offset.
        poll_s: see `POLL_S`.
        pings_s: see `PINGS_S`.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        receive_s: float,
        lost: Callable[[str], None],
        poll_s: float = POLL_S,
        pings_s: float = PINGS_S,
    ) -> None:
        self._feed = feed
        self._receive_s = receive_s
        self._lost = lost
        self._poll_s = max(poll_s, feed.partitions * POLL_EACH_S)
        self._pings_s = pings_s
        self._loop = asyncio.get_running_loop()
        self._subscribers: set[Subscriber] = set()
        self._main: FeedReader | None = None
        self._opening: asyncio.Task[FeedReader] | None = None
        self._resumes: list[_Resume] = []
        self._behind: FeedReader | None = None
        self._resumer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def join(self, subscriber: Subscriber, last_id: str = "") -> None:
        """Tells a subscriber of changes from now on. The caller must call `leave` afterwards.

        Args:
            subscriber: has not joined before.
            last_id: the last id that it received, to resume behind it; "" to begin now.

        Raises:
            Unavailable: the store can't be reached, and no reader of the feed runs yet.
        """
        offsets = decode_cursor(last_id, self._feed.partitions)
        self._subscribers.add(subscriber)
        if self._closed:  # it reconnects, and then another process takes it
            subscriber.offer(_RETRY + event_named("ready", last_id if offsets else ""))
            subscriber.end()
            return
        main = await self._open()
        begins_at = last_id if offsets else main.name
        subscriber.offer(_RETRY + event_named("ready", begins_at))
        if offsets is None:
            main.add(subscriber)
            if last_id:
                main.lose(subscriber, "gone")
        else:
            self._resumes.append(_Resume(subscriber, offsets))
            if self._resumer is None or self._resumer.done():
                self._resumer = self._start(self._resume())

    def leave(self, subscriber: Subscriber) -> None:
        """Stops telling a subscriber of changes."""
        self._subscribers.discard(subscriber)
        for reader in (self._main, self._behind):
            if reader is not None:
                reader.remove(subscriber)

    def end(self) -> None:
        """Ends the streams of all subscribers, and of every one that still joins.

        A subscriber that has not taken its last events after a second is cut off.
        """
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.end()
        self._loop.call_later(_LAST_S, self._cut_off)

    def _cut_off(self) -> None:
        for subscriber in self._subscribers:
            subscriber.connection.abort()

    async def close(self) -> None:
        """Stops reading the feed."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()  # repeated, since one may go unnoticed: see `Server.execute`
            await asyncio.wait(self._tasks, timeout=_AGAIN_S)

    def _start(self, run: Coroutine[None, None, Done]) -> asyncio.Task[Done]:
        """Starts a task. Its log lines don't carry the id of the request that started it."""
        task = self._loop.create_task(run, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _open(self) -> FeedReader:
        """Returns the main reader, starting it if needed. Concurrent callers share one start."""
        if self._main is not None:
            return self._main
        if self._opening is None or self._opening.done():
            self._opening = self._start(self._begin())
        try:
            return await asyncio.shield(self._opening)
        except Unavailable as error:
            # Each caller raises an error of its own: raising one adds to its traceback.
            raise Unavailable(error.reason) from None

    async def _begin(self) -> FeedReader:
        deadline_s = self._loop.time() + _OPEN_S
        looks = [partial(self._feed.end, p, deadline_s) for p in range(self._feed.partitions)]
        ends = []
        for end in await some_at_once(looks):
            if isinstance(end, BaseException):
                raise end
            ends.append(end)
        main = self._main = FeedReader(self._feed, ends, self._lost)
        self._start(self._run(main))
        self._start(self._beat(main))
        return main

    async def _run(self, main: FeedReader) -> None:
        """Reads on while there are subscribers. Any error is logged once and retried."""
        failed = False
        while self._subscribers:
            more = False
            try:
                more = await main.step()
                failed = False
            except Exception:
                if not failed:
                    log.warning("live_failed", exc_info=True)
                failed = True
            if not more:
                await asyncio.sleep(self._poll_s)
        self._main = None

    async def _beat(self, main: FeedReader) -> None:
        """Looks after connections and sends keep-alives, even while the store is unavailable."""
        beat_s = min(_BEAT_S, self._pings_s)
        pinged_s = self._loop.time()
        while self._main is main:
            await asyncio.sleep(beat_s)
            for subscriber in list(self._subscribers):
                self._look_after(subscriber)
            if self._loop.time() - pinged_s >= self._pings_s:
                pinged_s = self._loop.time()
                self._ping(main)

    def _look_after(self, subscriber: Subscriber) -> None:
        if subscriber.connection.is_closing():
            subscriber.end()
        elif subscriber.sends_for_s() > self._receive_s:
            subscriber.connection.abort()
            subscriber.end()

    def _ping(self, main: FeedReader) -> None:
        """Sends keep-alives. Subscribers that are up to date also get an id to resume from."""
        up_to_date = set(main.subscribers)
        # The id comes in an event with data, and no blank line follows the comment: many parsers
        # turn a block without data into an empty message.
        current = _PING + event_named("alive", main.name)
        for subscriber in self._subscribers:
            if subscriber.idle:
                subscriber.offer(current if subscriber in up_to_date else _PING)

    async def _resume(self) -> None:
        """Catches up the subscribers that resume, in groups of those that came meanwhile."""
        while self._resumes:
            resumes, self._resumes = self._resumes, []
            try:
                await self._catch_up(resumes)
            except Exception:
                log.exception("live_failed")
                for resume in resumes:
                    self._give_up(resume.subscriber, "gone")
            self._behind = None

    async def _catch_up(self, resumes: Sequence[_Resume]) -> None:
        """Sends subscribers what they missed, then hands them over to the main reader.

        A subscriber from whose offsets the feed can't be read on is told that it lost changes.
        """
        held = await self._still_held(resumes)
        possible = []
        for resume in resumes:
            if resume.subscriber not in self._subscribers:
                continue  # it left meanwhile
            if held.issuperset(enumerate(resume.offsets)):
                possible.append(resume)
            else:
                self._give_up(resume.subscriber, "gone")
        if possible:
            reader = self._behind = FeedReader(self._feed, _earliest(possible), self._lost)
            for resume in possible:
                reader.add(resume.subscriber, resume.offsets)
            await self._hand_over(reader)

    async def _still_held(self, resumes: Sequence[_Resume]) -> set[tuple[int, StreamId]]:
        """Returns the pairs of partition and offset from which the feed can be read on."""
        asked = {pair for resume in resumes for pair in enumerate(resume.offsets)}
        return {pair for pair in asked if await self._is_held(*pair)}

    async def _is_held(self, partition: int, offset: StreamId) -> bool:
        """Asks one partition, as often as it takes while the partition is unavailable."""
        while self._subscribers:
            try:
                return await self._feed.holds(partition, offset, self._loop.time() + _OPEN_S)
            except Unavailable:
                await asyncio.sleep(self._poll_s)
        return False

    async def _hand_over(self, reader: FeedReader) -> None:
        """Reads on until a reader has caught up, then moves its subscribers to the main one."""
        while (main := self._main) and reader.subscribers:
            if reader.has_reached(main):
                # Nothing is awaited since the check, so no change falls between the two readers.
                for subscriber in reader.subscribers:
                    main.add(subscriber)
                return
            await self._step_behind(reader)

    async def _step_behind(self, reader: FeedReader) -> None:
        """Sends the next changes, then waits for slow subscribers: this is the back-pressure.

        A subscriber that stays slow for `_ENOUGH_S` is told that it lost changes.
        """
        try:
            await reader.step()
        except Unavailable:
            await asyncio.sleep(self._poll_s)
        deadline_s = self._loop.time() + _ENOUGH_S
        while slow := [each for each in reader.subscribers if each.laden]:
            if self._loop.time() > deadline_s:
                for subscriber in slow:
                    reader.remove(subscriber)
                    self._give_up(subscriber, "slow")
                return
            await asyncio.sleep(_AGAIN_S)

    def _give_up(self, subscriber: Subscriber, reason: str) -> None:
        """Tells a subscriber that it lost changes, and serves it from the main reader."""
        if self._main is not None and subscriber in self._subscribers:
            self._main.add(subscriber)
            self._main.lose(subscriber, reason)


def _earliest(resumes: Sequence[_Resume]) -> list[StreamId]:
    """Returns the earliest offset of each partition among all subscribers."""
    return [min(offsets) for offsets in zip(*(each.offsets for each in resumes), strict=True)]
