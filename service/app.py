"""Puts the service together: contexts, routes, the entrance; runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import orjson
from aiohttp import web

from service.api.handlers import (
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
    look_ready,
)
from service.api.openapi import document
from service.api.routes import ROUTES, add_routes, policies
from service.backends.connect import Server, address_of, connect
from service.config import Settings, weaknesses
from service.errors import Unavailable
from service.live.feed import Feed
from service.live.hub import Live
from service.store.clocks import Clocks
from service.store.journal import Journal, open_journal
from service.store.journal_owners import held_back
from service.store.recovery import Watch, running, watch_evictions
from service.store.replay import Replay
from service.store.retention import Sweeper
from service.store.scripts import Scripts
from service.store.startup import Unkept, check, claim, deleted_for_room, is_ours, record_size
from service.store.store import Observer, Store
from service.telemetry import Glance, Health, Metrics
from service.web.acceptor import Listener, bind
from service.web.admission import Admission, Strangers
from service.web.auth import Access
from service.web.middleware import ADMISSION, LOG_LIMIT, SETTINGS, Entrance
from service.web.protocol import JsonServer
from service.web.refusals import LogLimit

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""How long a connection may be idle: longer than the 60 s after which proxies close theirs."""

JOURNAL_OFF = "journal.enabled is false: while Redis is away reports are refused, not kept."
"""The reason in the log and in `--check` when the journal is off."""

_MOST_A_TURN = 256
_OTHER_FILES = 96
_SOON_S = 2.0


def create_app(settings: Settings) -> web.Application:
    """The application. Its store is opened when it starts and closed when it has stopped."""
    metrics = Metrics()
    app = web.Application()
    app[SETTINGS] = settings
    app[LOG_LIMIT] = lines = LogLimit()
    app[ACCESS] = Access(settings, lines)
    app[METRICS] = metrics
    app[HEALTH] = Health()
    app[READINESS] = Glance(partial(look_ready, app))
    app[OPENAPI] = _description()
    app[ADMISSION] = Admission(
        settings.http.requests,
        depth=lambda: app[STORE].depth,
        most_listeners=settings.http.listeners,
        strangers=Strangers(lambda: metrics.connection_closed("stranger")),
    )
    metrics.watch_listeners(lambda: app[ADMISSION].listeners)
    add_routes(app)

    async def store(app: web.Application) -> AsyncIterator[None]:
        async with connect(settings) as server, _journal(settings) as journal:
            scripts = Scripts(server.run, shebang=server.shebang, write=server.write)
            store = app[STORE] = Store(
                server,
                scripts,
                partitions=settings.redis.partitions,
                patience_s=settings.redis.patience_s,
                observer=Observer(metrics.merged, metrics.redis_failed, metrics.forgotten),
                journal=journal,
            )
            metrics.watch_queue(lambda: store.depth)
            clocks = app[CLOCKS] = Clocks(server)
            clock.latest_ms = clocks.latest_ms
            metrics.watch_clocks(lambda: clocks.apart_s)
            keeper = journal or Unkept()

            async def open_store(within_s: float | None = None) -> None:
                warnings = await check(server, scripts, settings, within_s=within_s, keeper=keeper)
                await claim(scripts, settings, keeper)
                await _say_weaknesses(server, warnings)
                await clocks.look()
                if journal:
                    await _say_held(journal)

            watch = Watch(
                store,
                lambda: open_store(_SOON_S),
                lambda: is_ours(server, scripts, settings, keeper, within_s=_SOON_S / 2),
            )
            evictions = partial(watch_evictions, lambda: deleted_for_room(server))
            if journal is None:
                await open_store()
                async with running(watch.run(), clocks.run(), evictions()):
                    yield
            else:
                replay = app[REPLAY] = Replay(store, journal)
                metrics.watch_journal(replay.held)
                with suppress(Unavailable):  # the journal has logged it, and the store may be well
                    await replay.look()
                await watch.open()
                async with running(watch.run(), clocks.run(), evictions(), replay.run()):
                    yield
            await store.close()

    app.cleanup_ctx.append(store)
    app.cleanup_ctx.append(_live)
    app.on_startup.append(_warn)
    app.on_shutdown.append(_end_streams)
    if settings.retention.days:
        app.cleanup_ctx.append(_retention)
    return app


async def _say_weaknesses(server: Server, warnings: list[str]) -> None:
    """Logs what may lose data, and that records take more memory than they need."""
    for warning in warnings:
        log.warning("store_may_lose_data", extra={"reason": warning})
    size = await record_size(server)
    if size.sentence:
        level = logging.WARNING if size.is_known else logging.INFO
        log.log(level, "records_large", extra={"reason": size.sentence})


async def _say_held(journal: Journal) -> None:
    """Logs how many reports in the journal are for other stores, if there are any."""
    with suppress(Unavailable):
        if foreign := (await journal.waiting()).foreign:
            log.error("journal_held", extra={"reason": held_back(foreign)})


@asynccontextmanager
async def _journal(settings: Settings) -> AsyncIterator[Journal | None]:
    """The journal, unless the settings switch it off."""
    if not settings.journal.enabled:
        log.warning("journal_off", extra={"reason": JOURNAL_OFF})
        yield None
        return
    folder = Path(settings.data_dir).absolute()  # noqa: ASYNC240  it asks for the working folder
    async with open_journal(folder, settings.journal.most_mib, address_of(settings)) as journal:
        yield journal


async def _live(app: web.Application) -> AsyncIterator[None]:
    """Has listeners told of changes as long as the application runs."""
    receive_s, lost = app[SETTINGS].http.receive_s, app[METRICS].place_lost
    live = app[LIVE] = Live(Feed(app[STORE]), receive_s=receive_s, lost=lost)
    yield
    await live.close()


async def _warn(app: web.Application) -> None:
    """Tells the operator what strangers could make use of, once the store is open."""
    for weakness in weaknesses(app[SETTINGS]):
        log.warning("setting_weak", extra={"reason": weakness})


async def _end_streams(app: web.Application) -> None:
    """Before aiohttp waits for requests under way: these would go on for ever."""
    app[LIVE].end()


async def _retention(app: web.Application) -> AsyncIterator[None]:
    """Has old messages removed as long as the application runs."""
    sweeper = Sweeper(app[STORE], app[CLOCKS], days=app[SETTINGS].retention.days)
    app[METRICS].watch_retention(lambda: sweeper.stopped)
    sweeper.start()
    yield
    await sweeper.close()


@cache
def _description() -> bytes:
    return orjson.dumps(document(ROUTES, version("message-tracker")))


class Runner(web.AppRunner):
    """aiohttp's runner with our entrance before the application."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        settings = self.app[SETTINGS]
        handle = Entrance(
            server.request_handler,
            access=self.app[ACCESS],
            admission=self.app[ADMISSION],
            policies=policies(),
            metrics=self.app[METRICS],
            settings=settings.http,
            lines=self.app[LOG_LIMIT],
        )
        return JsonServer.like(
            server,
            handle,
            admission=self.app[ADMISSION],
            lines=self.app[LOG_LIMIT],
            policies=policies(),
            metrics=self.app[METRICS],
            receive_s=settings.http.receive_s,
            most=partial(most_connections, settings),
        )


def most_connections(settings: Settings) -> int:
    """How many connections this process may have now.

    Twice as many as may have something under way, so that the rest are idle; fewer where the
    descriptor limit leaves no more beside those for Redis, the journal and what else is open.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    reserve = min(_OTHER_FILES + settings.redis.connections, most // 2)
    return min(most - reserve, 2 * (settings.http.requests + settings.http.listeners))


async def serve(app: web.Application, on_start: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT, then drains: what was accepted is finished and written.

    Args:
        app: made by `create_app`.
        on_start: called with the service's address once it listens.

    Raises:
        StartError: the store or the address can't be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    drain_s = app[SETTINGS].http.drain_s
    runner = Runner(app, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=drain_s)
    starting = asyncio.create_task(_listen(runner))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            on_start(await starting)
            await stopping
        app[HEALTH].draining = True
        log.info("draining")
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        stopping.cancel()
        await runner.cleanup()
    log.info("stopped")


async def _listen(runner: Runner) -> str:
    """Opens the store, then the port; returns the address."""
    await runner.setup()
    sites = [
        Listener(runner, sock, most_a_turn=_MOST_A_TURN) for sock in bind(runner.app[SETTINGS].http)
    ]
    for site in sites:
        await site.start()
    address = min(site.name for site in sites)
    settle(address)
    return address


_COLLECTIONS = 700, 10, 100
"""When Python looks for cyclic garbage (https://docs.python.org/3/library/gc.html#gc.set_threshold):
at what is new as often as by default, at all that there is ten times less often. Requests leave
next to none, and with thousands of connections such a look took half a second, and all of them
together a quarter of the time."""


def settle(address: str, **more: object) -> None:
    """Readies this process for a long life, once it listens, and logs that it has started.

    Args:
        address: where it listens.
        **more: what else the log line says.
    """
    gc.collect()
    gc.freeze()  # what is there now stays: collections needn't look through it again
    gc.set_threshold(*_COLLECTIONS)
    log.info("started", extra={"address": address, **more})
