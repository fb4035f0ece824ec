"""Tells listeners of changes as they happen: one reader of the feed for all that a process has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

from service.errors import Unavailable
from service.live.feed import Feed, StreamId, decode_cursor
from service.live.subscribers import FeedReader, Subscriber, event_named, some_at_once

log = logging.getLogger(__name__)

POLL_S, POLL_EACH_S = 0.2, 0.001
"""The pause between one look at the feed and the next, in seconds; that many times the partitions
where it is longer."""

PINGS_S = 15.0
"""The pause between signs of life, in seconds."""

_OPEN_S = 4.0
_BEAT_S = 1.0
_LAST_S = 1.0
_ENOUGH_S = 0.5
_AGAIN_S = 0.05
_RETRY = b"retry: 2000\n"
_PING = b": ping\n"

Done = TypeVar("Done")
_Resuming = list[tuple[Subscriber, list[StreamId]]]


class LiveHub:
    """The listeners of this process. The feed is read only while there are any.

    Args:
        feed: of the store.
        receive_s: how long a listener may take for what it is sent, in seconds.
        lost: gets why a listener has lost its place: `slow`, or `gone` where the feed no longer
            reaches back to it.
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
        self._listeners: set[Subscriber] = set()
        self._main: FeedReader | None = None
        self._opening: asyncio.Task[FeedReader] | None = None
        self._resuming: _Resuming = []
        self._back: FeedReader | None = None
        self._resumer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def join(self, listener: Subscriber, last_id: str = "") -> None:
        """Tells a listener of changes from now on; `leave` must follow.

        Args:
            listener: has not joined before.
            last_id: of what it was told last, to go on behind that; "" to begin now.

        Raises:
            Unavailable: the store can't be reached, and nobody reads the feed yet.
        """
        start = decode_cursor(last_id, self._feed.partitions)
        self._listeners.add(listener)
        if self._closed:  # it comes again, to one who goes on
            listener.offer(_RETRY + event_named("ready", last_id if start else ""))
            listener.end()
            return
        main = await self._open()
        begins_at = last_id if start else main.name
        listener.offer(_RETRY + event_named("ready", begins_at))
        if start is None:
            main.add(listener)
            if last_id:
                main.lose(listener, "gone")
        else:
            self._resuming.append((listener, start))
            if self._resumer is None or self._resumer.done():
                self._resumer = self._start(self._resume())

    def leave(self, listener: Subscriber) -> None:
        """Tells a listener no more."""
        self._listeners.discard(listener)
        for follower in (self._main, self._back):
            if follower is not None:
                follower.remove(listener)

    def end(self) -> None:
        """Ends all listeners' streams, and those of who comes now: at once, or in a moment."""
        self._closed = True
        for listener in self._listeners:
            listener.end()
        self._loop.call_later(_LAST_S, self._cut_off)

    def _cut_off(self) -> None:
        for listener in self._listeners:
            listener.connection.abort()

    async def close(self) -> None:
        """Stops reading."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()  # more than once: one may go unnoticed, as `Server.execute` says
            await asyncio.wait(self._tasks, timeout=_AGAIN_S)

    def _start(self, run: Coroutine[None, None, Done]) -> asyncio.Task[Done]:
        """A task of its own, whose log lines aren't those of the request that it began in."""
        task = self._loop.create_task(run, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _open(self) -> FeedReader:
        """Who reads the feed, from now on if nobody did. All who come meanwhile wait for one."""
        if self._main is not None:
            return self._main
        if self._opening is None or self._opening.done():
            self._opening = self._start(self._begin())
        try:
            return await asyncio.shield(self._opening)
        except Unavailable as error:
            raise Unavailable(error.reason) from None  # raising one changes it

    async def _begin(self) -> FeedReader:
        until_s = self._loop.time() + _OPEN_S
        looks = [partial(self._feed.end, p, until_s) for p in range(self._feed.partitions)]
        places = []
        for place in await some_at_once(looks):
            if isinstance(place, BaseException):
                raise place
            places.append(place)
        main = self._main = FeedReader(self._feed, places, self._lost)
        self._start(self._run(main))
        self._start(self._beat(main))
        return main

    async def _run(self, main: FeedReader) -> None:
        """What goes wrong, whatever it is, is logged once and tried again."""
        failed = False
        while self._listeners:
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
        """Looks after connections, and gives signs of life, whether or not the store is away."""
        beat_s = min(_BEAT_S, self._pings_s)
        pinged_s = self._loop.time()
        while self._main is main:
            await asyncio.sleep(beat_s)
            for listener in list(self._listeners):
                self._look_after(listener)
            if self._loop.time() - pinged_s >= self._pings_s:
                pinged_s = self._loop.time()
                self._ping(main)

    def _look_after(self, listener: Subscriber) -> None:
        if listener.connection.is_closing():
            listener.end()
        elif listener.sends_for_s() > self._receive_s:
            listener.connection.abort()
            listener.end()

    def _ping(self, main: FeedReader) -> None:
        """Sends keep-alives. Listeners that are up to date also get an id to resume from.

        The id comes in an event with data, and the comment doesn't end a block: many parsers make
        an empty message of a block without data.
        """
        up_to_date = set(main.listeners)
        current = _PING + event_named("alive", main.name)
        for listener in self._listeners:
            if listener.idle:
                listener.offer(current if listener in up_to_date else _PING)

    async def _resume(self) -> None:
        """Brings listeners back from where they were, all that have come together."""
        while self._resuming:
            some, self._resuming = self._resuming, []
            try:
                await self._bring_back(some)
            except Exception:
                log.exception("live_failed")
                for listener, _ in some:
                    self._give_up(listener, "gone")
            self._back = None

    async def _bring_back(self, some: _Resuming) -> None:
        held = await self._held({pair for _, start in some for pair in enumerate(start)})
        there = [(each, start) for each, start in some if each in self._listeners]
        fit = [(each, start) for each, start in there if held.issuperset(enumerate(start))]
        for listener in {each for each, _ in there} - {each for each, _ in fit}:
            self._give_up(listener, "gone")
        if not fit:
            return
        first = list(map(min, zip(*(start for _, start in fit), strict=True)))
        back = self._back = FeedReader(self._feed, first, self._lost)
        for listener, start in fit:
            back.add(listener, start)
        while (main := self._main) and back.listeners and not back.has_reached(main):
            await self._step_back(back)
        if main:
            for listener in back.listeners:
                main.add(listener)

    async def _held(self, places: set[tuple[int, StreamId]]) -> set[tuple[int, StreamId]]:
        """Those partitions' places from which the feed can be read on."""
        held = set()
        for partition, place in places:
            while self._listeners:
                try:
                    until_s = self._loop.time() + _OPEN_S
                    if await self._feed.holds(partition, place, until_s):
                        held.add((partition, place))
                    break
                except Unavailable:
                    await asyncio.sleep(self._poll_s)
        return held

    async def _step_back(self, back: FeedReader) -> None:
        """A step, and a moment for those who can't take what it brings as fast."""
        try:
            await back.step()
        except Unavailable:
            await asyncio.sleep(self._poll_s)
        until_s = self._loop.time() + _ENOUGH_S
        while laden := [each for each in back.listeners if each.laden]:
            if self._loop.time() > until_s:
                for listener in laden:
                    back.remove(listener)
                    self._give_up(listener, "slow")
                return
            await asyncio.sleep(_AGAIN_S)

    def _give_up(self, listener: Subscriber, reason: str) -> None:
        if self._main is not None and listener in self._listeners:
            self._main.add(listener)
            self._main.lose(listener, reason)
