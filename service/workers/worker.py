"""A worker, one of several processes that serve: aiohttp's gunicorn worker with our runner."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, NoReturn, Protocol

from aiohttp import web
from aiohttp.web_request import BaseRequest
from aiohttp.worker import GunicornUVLoopWebWorker

from service.api.app_keys import HEALTH, LIVE, METRICS
from service.app import create_app
from service.config import Settings
from service.errors import StartError
from service.server import KEEP_ALIVE_S, Runner, announce_started
from service.telemetry import SharedMetrics, log_to_stderr
from service.web.acceptor import Acceptor

log = logging.getLogger(__name__)

LAST_REQUESTS_S = 1.0
"""How long a worker that is told to stop still answers requests on its idle connections."""

_MOST_A_TURN = 16
_AGAIN_S = 1.0
_BEAT_S = 1.0
_POLL_S = 0.01
_READY = "ready"


class WorkerRunner(Runner):
    """A worker's runner. It drains so that no caller loses a request.

    Args:
        app: made by `create_app`.
        beat: tells the master that the worker is alive; called every second during the drain.
        sockets: the sockets to listen on.
        **options: of aiohttp's runner.
    """

    def __init__(
        self,
        app: web.Application,
        beat: Callable[[], None],
        *,
        sockets: Iterable[socket.socket],
        **options: Any,  # noqa: ANN401  as aiohttp has it
    ) -> None:
        super().__init__(app, **options)
        self._beat = beat
        self._sockets = sockets

    async def setup(self) -> None:
        """Opens the store, then listens."""
        await super().setup()
        for shared in self._sockets:
            await Acceptor(self, shared, most_a_turn=_MOST_A_TURN).start()

    async def cleanup(self) -> None:
        """Stops listening, finishes the requests that were accepted, then closes the app."""
        self.app[HEALTH].draining = True
        log.info("draining", extra={"pid": os.getpid()})
        beating = asyncio.create_task(self._beat_on())
        for site in self.sites:
            await site.stop()
        self.app[LIVE].end()
        if self.server is not None:
            until_s = time.monotonic() + self._shutdown_timeout
            await _close_connections(self.server, until_s)
            self._shutdown_timeout = max(until_s - time.monotonic(), _POLL_S)  # 0 means for ever
        await super().cleanup()
        beating.cancel()
        log.info("stopped", extra={"pid": os.getpid()})

    async def _beat_on(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(_BEAT_S)


async def _close_connections(server: web.Server, until_s: float) -> None:
    """Answers one more request on each connection, with `Connection: close`, if one comes in time.

    Args:
        server: a server that no longer listens.
        until_s: the deadline of requests under way, in seconds of the monotonic clock.
    """
    # aiohttp would close idle and new connections at once, though a request may be on its way; and
    # it would not read the rest of a body.
    handle = server.request_handler

    async def answer_last(request: BaseRequest) -> web.StreamResponse:
        response = await handle(request)
        response.force_close()
        return response

    server.request_handler = answer_last
    for connection in server.connections:
        connection._request_handler = answer_last  # noqa: SLF001  there is no public way
    idle_until_s = time.monotonic() + LAST_REQUESTS_S
    while server.connections and (now_s := time.monotonic()) < until_s:
        if now_s > idle_until_s and not _busy(server):
            return
        await asyncio.sleep(_POLL_S)


def _busy(server: web.Server) -> bool:
    return any(connection._request_in_progress for connection in server.connections)  # noqa: SLF001


class WorkerContext(Protocol):
    """What a worker gets from the master that forks it; `GunicornApp` implements it."""

    settings: Settings
    metrics: SharedMetrics
    on_start: Callable[[str], None]

    def clear(self) -> None:
        """Removes the files of the master and all its workers."""


class Worker(GunicornUVLoopWebWorker):
    """One process that serves. The master makes the object before the fork.

    Attributes:
        app: what it gets from the master; gunicorn chose the name.
        slot: the number of its metrics, which it continues; set by the master.
        replaces: whether any worker has served before; set by the master.
    """

    app: WorkerContext
    slot = 0
    replaces = False

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self._told = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the master
        self._runner: WorkerRunner | None = None

    @property
    def told(self) -> str:
        """Its message to the master: empty at first, then `ready`, or why it can't start."""
        return self._told[:].rstrip(b"\0").decode(errors="replace")

    @property
    def ready(self) -> bool:
        """Whether it has begun to serve."""
        return self.told == _READY

    def _tell(self, text: str) -> None:
        message = text.encode()[: mmap.PAGESIZE]
        self._told[: len(message)] = message

    def init_process(self) -> None:
        """Runs the worker, from the fork to its end."""
        log_to_stderr(self.app.settings.log.level)
        self.app.metrics.join(self.slot)
        try:
            super().init_process()
        except asyncio.CancelledError:
            log.info("stopped", extra={"pid": os.getpid()})  # it was told to stop during its start
        except (StartError, OSError) as error:
            self._fail(str(error))
        except Exception as error:
            log.exception("worker_failed")
            self._fail(f"A worker can't start: {type(error).__name__}, see the log.")
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends anyway
            if os.getppid() != self.ppid:  # the master was killed, and can't clear up itself
                self.app.clear()

    def _fail(self, sentence: str) -> NoReturn:
        """Tells the master the reason and ends this process."""
        self._tell(sentence)
        # At the service's start the master then ends too and prints the reason. Later it tries
        # again, so the reason is logged here.
        if self.replaces:
            log.error("worker_failed", extra={"reason": sentence, "pid": os.getpid()})
            time.sleep(_AGAIN_S)
        sys.exit(1)

    def init_signals(self) -> None:
        """Handles SIGTERM only."""
        # Ctrl-C in a terminal sends SIGINT to all processes; the master then stops the workers.
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGQUIT):
            self.loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stops at SIGTERM, at once; aiohttp's own handler would take up to a second."""
        super().handle_exit(sig, frame)
        if not self.booted and self._task is not None:
            self._task.cancel()
        self._notify_waiter_done()

    def load_wsgi(self) -> None:
        """Makes aiohttp use our runner, which listens by itself."""
        self.wsgi = self._make_runner
        self._shared = [listener.sock for listener in self.sockets]
        self.sockets = []

    async def _make_runner(self) -> WorkerRunner:
        settings = self.app.settings
        self._runner = WorkerRunner(
            create_app(settings),
            self.notify,
            sockets=self._shared,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_S,
            shutdown_timeout=settings.http.drain_s,
        )
        return self._runner

    def notify(self) -> None:
        """Tells the master that the worker is alive, and refreshes its metrics.

        aiohttp calls it every second while the worker serves, first as soon as it listens.
        """
        if self._runner is not None:
            if not self.ready:
                self._open(self._runner)
            self._runner.app[METRICS].refresh()
        super().notify()

    def _open(self, runner: WorkerRunner) -> None:
        address = min(site.name for site in runner.sites)
        announce_started(address, pid=os.getpid())
        if self.age == 1:
            self.app.on_start(address)
        self._tell(_READY)
