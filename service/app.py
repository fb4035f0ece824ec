"""Puts the application together: its state, its routes, and what starts and stops with it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import orjson
from aiohttp import web

from service.api.app_keys import (
    ACCESS,
    CLOCKS,
    HEALTH,
    LIVE,
    METRICS,
    OPENAPI,
    READINESS,
    REPLAY,
    STORE,
    clock,
)
from service.api.openapi import document
from service.api.operator_handlers import look_ready
from service.api.routes import ROUTES, add_routes
from service.backends.connect import address_of, connect
from service.backends.server import Server
from service.config import Settings, weak_settings
from service.errors import Unavailable
from service.live.feed import Feed
from service.live.hub import LiveHub
from service.store.clocks import Clocks
from service.store.journal import Journal, open_journal
from service.store.journal_owners import held_back
from service.store.recovery import RecoveryWatch, running, watch_evictions
from service.store.replay import Replay
from service.store.retention import Sweeper
from service.store.scripts import Scripts
from service.store.startup import (
    UnsavedStoreId,
    check,
    claim,
    deleted_for_room,
    is_same_store,
    record_size,
)
from service.store.store import Observer, Store
from service.telemetry import CachedProbe, Health, Metrics
from service.web.abuse_limits import LogLimit
from service.web.admission import Admission, Strangers
from service.web.auth import Access
from service.web.bodies import SETTINGS
from service.web.middleware import ADMISSION, LOG_LIMIT

log = logging.getLogger(__name__)


JOURNAL_OFF = "journal.enabled is false: while Redis is away reports are refused, not kept."
"""The reason in the log and in `--check` when the journal is off."""

_SOON_S = 2.0
"""How long the store may take to be opened again, in seconds."""


def create_app(settings: Settings) -> web.Application:
    """Returns the application. It opens its store when it starts, and closes it when it stops."""
    metrics = Metrics()
    app = web.Application()
    app[SETTINGS] = settings
    app[LOG_LIMIT] = lines = LogLimit()
    app[ACCESS] = Access(settings, lines)
    app[METRICS] = metrics
    app[HEALTH] = Health()
    app[READINESS] = CachedProbe(partial(look_ready, app))
    app[OPENAPI] = _description()
    app[ADMISSION] = Admission(
        settings.http.requests,
        depth=lambda: app[STORE].depth,
        most_listeners=settings.http.listeners,
        strangers=Strangers(lambda: metrics.connection_closed("stranger")),
    )
    metrics.watch_listeners(lambda: app[ADMISSION].listeners)
    add_routes(app)
    app.cleanup_ctx.append(_store)
    app.cleanup_ctx.append(_live)
    app.on_startup.append(_warn)
    app.on_shutdown.append(_end_streams)
    if settings.retention.days:
        app.cleanup_ctx.append(_retention)
    return app


async def _store(app: web.Application) -> AsyncIterator[None]:
    """Opens the store, and watches it as long as the application runs."""
    settings, metrics = app[SETTINGS], app[METRICS]
    async with connect(settings) as server, _journal(settings) as journal:
        scripts = Scripts(server)
        store = app[STORE] = Store(
            server,
            scripts,
            partitions=settings.redis.partitions,
            timeout_s=settings.redis.timeout_s,
            observer=Observer(metrics.merged, metrics.redis_failed, metrics.forgotten),
            journal=journal,
        )
        clocks = app[CLOCKS] = Clocks(server)
        clock.latest_ms = clocks.latest_ms
        metrics.watch_queue(lambda: store.depth)
        metrics.watch_clocks(lambda: clocks.apart_s)
        opener = _Opener(server, scripts, settings, clocks, journal, journal or UnsavedStoreId())
        watch = RecoveryWatch(store, partial(opener.open, _SOON_S), opener.is_same)
        tasks: list[Callable[[], Coroutine[object, object, None]]] = [
            watch.run,
            clocks.run,
            partial(watch_evictions, partial(deleted_for_room, server)),
        ]
        if journal is None:
            await opener.open()
        else:
            tasks.append((await _open_with_journal(app, watch, journal)).run)
        async with running(*(task() for task in tasks)):
            yield
        await store.close()


async def _open_with_journal(
    app: web.Application, watch: RecoveryWatch, journal: Journal
) -> Replay:
    """Opens the store, or starts without it: the journal takes reports until it can be opened."""
    replay = app[REPLAY] = Replay(app[STORE], journal)
    app[METRICS].watch_journal(replay.backlog_if_leader)
    with suppress(Unavailable):  # the journal has logged it, and the store may be well
        await replay.look()
    await watch.open()
    return replay


class _Opener(NamedTuple):
    """Opens the store: at the start, and later if it was away then or has been replaced since."""

    server: Server
    scripts: Scripts
    settings: Settings
    clocks: Clocks
    journal: Journal | None
    keeper: Journal | UnsavedStoreId

    async def open(self, within_s: float | None = None) -> None:
        """Checks and claims the store, and logs its weaknesses."""
        warnings = await check(
            self.server, self.scripts, self.settings, within_s=within_s, keeper=self.keeper
        )
        await claim(self.scripts, self.settings, self.keeper)
        await _say_weaknesses(self.server, warnings)
        await self.clocks.look()
        if self.journal:
            await _say_held(self.journal)

    async def is_same(self) -> bool:
        """Returns whether the store is still the one that was opened."""
        return await is_same_store(
            self.server, self.scripts, self.settings, self.keeper, within_s=_SOON_S / 2
        )


async def _say_weaknesses(server: Server, warnings: list[str]) -> None:
    """Logs what may lose data, and whether records take more memory than they need."""
    for warning in warnings:
        log.warning("store_may_lose_data", extra={"reason": warning})
    size = await record_size(server)
    if size.sentence:
        level = logging.WARNING if size.is_known else logging.INFO
        log.log(level, "records_large", extra={"reason": size.sentence})


async def _say_held(journal: Journal) -> None:
    """Logs how many reports in the journal belong to other stores, if any do."""
    with suppress(Unavailable):
        if foreign := (await journal.waiting()).foreign:
            log.error("journal_held", extra={"reason": held_back(foreign)})


@asynccontextmanager
async def _journal(settings: Settings) -> AsyncIterator[Journal | None]:
    """Opens the journal, unless the settings switch it off."""
    if not settings.journal.enabled:
        log.warning("journal_off", extra={"reason": JOURNAL_OFF})
        yield None
        return
    folder = Path(settings.data_dir).absolute()  # noqa: ASYNC240  it asks for the working folder
    async with open_journal(folder, settings.journal.max_mib, address_of(settings)) as journal:
        yield journal


async def _live(app: web.Application) -> AsyncIterator[None]:
    """Tells subscribers of changes as long as the application runs."""
    receive_s, lost = app[SETTINGS].http.receive_s, app[METRICS].place_lost
    live = app[LIVE] = LiveHub(Feed(app[STORE]), receive_s=receive_s, lost=lost)
    yield
    await live.close()


async def _warn(app: web.Application) -> None:
    """Logs the settings that strangers could exploit, once the store is open."""
    for weakness in weak_settings(app[SETTINGS]):
        log.warning("setting_weak", extra={"reason": weakness})


async def _end_streams(app: web.Application) -> None:
    """Ends the live streams. aiohttp waits for requests under way, and these would never end."""
    app[LIVE].end()


async def _retention(app: web.Application) -> AsyncIterator[None]:
    """Removes old messages as long as the application runs."""
    sweeper = Sweeper(app[STORE], app[CLOCKS], days=app[SETTINGS].retention.days)
    app[METRICS].watch_retention(lambda: sweeper.stopped)
    sweeper.start()
    yield
    await sweeper.close()


@cache
def _description() -> bytes:
    return orjson.dumps(document(ROUTES, version("message-tracker")))
