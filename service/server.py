"""Runs an application: opens its sockets, handles signals, and drains it at the end."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
from collections.abc import Callable
from functools import partial

from aiohttp import web

from service.api.app_keys import (
    ACCESS,
    HEALTH,
    METRICS,
)
from service.api.routes import policies
from service.app import log
from service.config import Settings
from service.web.acceptor import Acceptor, bind
from service.web.bodies import SETTINGS
from service.web.middleware import ADMISSION, LOG_LIMIT, RequestGate
from service.web.protocol import JsonServer

KEEP_ALIVE_S = 75
"""How long a connection may be idle, in seconds: longer than the 60 s after which proxies close
theirs."""

_MOST_A_TURN = 256

_OTHER_FILES = 96


class Runner(web.AppRunner):
    """aiohttp's runner, with the request gate in front of the application."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        settings = self.app[SETTINGS]
        handle = RequestGate(
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
    """Returns how many connections this process may have now."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Redis, the journal and other files need descriptors too.
    reserve = min(_OTHER_FILES + settings.redis.connections, most // 2)
    # Twice as many as may have a request under way, so that idle ones can be closed for new ones.
    return min(most - reserve, 2 * (settings.http.requests + settings.http.listeners))


async def serve(app: web.Application, on_start: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT, then drains: accepted requests are finished and written.

    Args:
        app: an application of `create_app`.
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
    """Opens the store, then the port. Returns the service's address."""
    await runner.setup()
    sites = [
        Acceptor(runner, sock, most_a_turn=_MOST_A_TURN) for sock in bind(runner.app[SETTINGS].http)
    ]
    for site in sites:
        await site.start()
    address = min(site.name for site in sites)
    announce_started(address)
    return address


_COLLECTIONS = 700, 10, 100
"""When Python collects cyclic garbage: https://docs.python.org/3/library/gc.html#gc.set_threshold
New objects are collected as often as by default, all objects ten times less often. Requests leave
next to no garbage. With thousands of connections a collection of all objects took half a second,
and all of these together a quarter of the time."""


def announce_started(address: str, **more: object) -> None:
    """Sets up the garbage collection of a process that now listens, and logs that it has started.

    Args:
        address: the address on which it listens.
        **more: further fields of the log line.
    """
    gc.collect()
    gc.freeze()  # the present objects stay for good, so later collections can skip them
    gc.set_threshold(*_COLLECTIONS)
    log.info("started", extra={"address": address, **more})
