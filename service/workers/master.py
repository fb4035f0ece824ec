"""The master process: gunicorn's arbiter, with our way to reload and to drain workers."""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import NoReturn

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from service.config import Settings
from service.errors import ConfigError, StartError
from service.server import KEEP_ALIVE_S
from service.telemetry import SharedMetrics, log_to_stderr
from service.web.acceptor import bind
from service.workers.worker import LAST_REQUESTS_S, Worker

log = logging.getLogger(__name__)

_HUNG_S = 30
"""A worker is killed if its event loop is blocked for so long."""

_BOOT_S = 30.0
"""How long the new workers of a reload may take to be ready. After that the old ones stay."""

_SLACK_S = 3.0
_KILLED_S = 5.0
_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def run_workers(
    read: Callable[[], Settings], workers: int, *, on_start: Callable[[str], None]
) -> NoReturn:
    """Serves in several processes until SIGTERM or SIGINT, then drains them all and exits.

    Args:
        read: reads the settings. It is called now, and at every SIGHUP.
        workers: the number of processes that serve.
        on_start: called with the service's address once a worker serves.

    Raises:
        StartError: the store or the address can't be used, or processes can't share the store.
    """
    GunicornApp(read, workers=workers, on_start=on_start).run()
    raise AssertionError("gunicorn ends by SystemExit")


class JsonLogger(Logger):
    """Gunicorn's log, passed on to the root logger, which writes JSON lines."""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.error_log.propagate = True


class Master(Arbiter):
    """Starts and watches the workers.

    It differs from gunicorn's arbiter in three ways. Every signal to stop drains, however often it
    comes. In a reload the old workers stop only when the new ones are ready. If a worker can't
    start, the service ends; but once a worker has served, the start is tried again.
    """

    app: GunicornApp
    WORKERS: dict[int, Worker]

    def __init__(self, app: GunicornApp) -> None:
        self.failure = ""
        self._stopping = False
        self._been_up = False
        self._reload_again = False
        super().__init__(app)

    @property
    def been_up(self) -> bool:
        """Whether any worker has ever served."""
        self._been_up = self._been_up or any(worker.ready for worker in self.WORKERS.values())
        return self._been_up

    def started(self, worker: Worker) -> None:
        """Prepares a worker that is about to be forked."""
        taken = {other.slot for other in self.WORKERS.values()}
        worker.slot = next(slot for slot in count() if slot not in taken)
        worker.replaces = self.been_up
        self.app.metrics.prepare(worker.slot)

    def ended(self, worker: Worker) -> None:
        """Takes leave of a worker that has ended; ends the service if none could start."""
        self.app.metrics.leave(worker.slot)
        self._been_up = self._been_up or worker.ready
        if worker.told and not self.been_up and not self._stopping:
            self.failure = worker.told
            raise HaltServer(None, 1)

    def handle_int(self) -> None:
        """Does the same as SIGTERM."""
        self.handle_term()

    def handle_quit(self) -> None:
        """Does the same as SIGTERM."""
        self.handle_term()

    def handle_hup(self) -> None:
        """Reloads, and again if another SIGHUP came meanwhile: settings may have changed since."""
        super().handle_hup()
        if self._reload_again:
            self._reload_again = False
            self.SIG_QUEUE.put_nowait(signal.SIGHUP)

    def handle_usr2(self) -> None:
        """Does nothing, where gunicorn would start a second master."""

    def spawn_worker(self) -> int:
        """Starts a worker; returns its process id."""
        # Blocked until the worker has a handler for it: otherwise a SIGTERM could be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid: int = super().spawn_worker()  # in the worker's process this never returns
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return pid

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002  as gunicorn has it
        """Drains all workers, and ignores further signals."""
        self._stopping = True
        # At a second signal gunicorn would kill the workers.
        for number in (*_STOP, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while not self.SIG_QUEUE.empty():
            self.SIG_QUEUE.get_nowait()
        super().stop(graceful)

    def reload(self) -> None:
        """Starts new workers with the present settings; once they are ready, drains the old ones.

        Wrong settings, or new workers that don't get ready, are logged; then the old workers stay.
        """
        try:
            self.app.reload()
        except StartError as error:
            log.error("reload_refused", extra={"reason": str(error)})  # noqa: TRY400  no fault
            return
        self.setup(self.app)
        old = list(self.WORKERS.values())
        new = [self.WORKERS[self.spawn_worker()] for _ in range(self.num_workers)]
        self._await(lambda: all(worker.told for worker in new), _BOOT_S)
        if all(worker.ready and self._lives(worker) for worker in new):
            self._end(old)
            log.info("reloaded")
        else:
            self._end(new)
            log.error("reload_failed")  # the workers have logged the reason themselves

    def _lives(self, worker: Worker) -> bool:
        return worker in self.WORKERS.values()

    def _end(self, workers: Iterable[Worker]) -> None:
        """Drains these workers, and kills those that don't end in time."""
        for number, limit_s in (
            (signal.SIGTERM, self.cfg.graceful_timeout),
            (signal.SIGKILL, _KILLED_S),
        ):
            for worker in filter(self._lives, workers):
                self.kill_worker(worker.pid, number)
            self._await(lambda: not any(map(self._lives, workers)), limit_s)

    def _await(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Waits for the condition, up to the time limit.

        A signal to stop is obeyed meanwhile; a signal to reload is remembered for later.
        """
        until_s = time.monotonic() + limit_s
        while not condition() and time.monotonic() < until_s:
            signals = self.wait_for_signals(timeout=0.05)
            if _STOP.intersection(signals):
                raise StopIteration  # gunicorn's own handlers of these signals raise it too
            self._reload_again = self._reload_again or signal.SIGHUP in signals
            self.reap_workers()


class GunicornApp(BaseApplication):
    """The application that gunicorn runs: our settings, and what the master and workers share.

    Args:
        read: reads the settings.
        workers: the number of workers.
        on_start: called with the service's address once it listens.
    """

    cfg: Config

    def __init__(
        self, read: Callable[[], Settings], *, workers: int, on_start: Callable[[str], None]
    ) -> None:
        self._read = read
        self._workers = workers
        self.on_start = on_start
        self.settings = _sharable(read())
        self._descriptors = [made.detach() for made in bind(self.settings.http)]
        self._folder = Path(tempfile.mkdtemp(prefix="message-tracker-"))
        self.metrics = SharedMetrics(self._folder)
        super().__init__()

    def load_config(self) -> None:
        """Sets gunicorn's settings from ours."""
        http, redis = self.settings.http, self.settings.redis
        drain_s = LAST_REQUESTS_S + 2 * http.drain_s + redis.timeout_s + _SLACK_S
        options = {
            "bind": [f"fd://{descriptor}" for descriptor in self._descriptors],
            "workers": self._workers,
            "worker_class": Worker,
            "worker_tmp_dir": str(self._folder),
            "timeout": _HUNG_S,
            "graceful_timeout": math.ceil(drain_s),
            "keepalive": KEEP_ALIVE_S,
            "logger_class": JsonLogger,
            "loglevel": self.settings.log.level,
            "errorlog": None,
            "control_socket_disable": True,
            "pre_fork": Master.started,
            "child_exit": Master.ended,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def reload(self) -> None:
        """Reads the settings again.

        Raises:
            StartError: the settings are wrong.
        """
        self.settings = _sharable(self._read())
        log_to_stderr(self.settings.log.level)
        super().reload()

    def run(self) -> None:
        """Runs the master until it is told to stop.

        Raises:
            StartError: the workers can't start.
        """
        here = os.getpid()  # workers are forked inside of `run`, and leave it here when they end
        master = Master(self)
        try:
            master.run()
        except SystemExit:
            if master.failure and os.getpid() == here:
                raise StartError(master.failure) from None
            raise
        finally:
            if os.getpid() == here:
                self.clear()

    def clear(self) -> None:
        """Removes the folder that the master and the workers share."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _sharable(settings: Settings) -> Settings:
    if settings.redis.url.startswith("fakeredis:"):
        raise ConfigError(
            "With fakeredis:// each worker would have a store of its own: set redis.url to a "
            "Redis, or start one worker."
        )
    return settings
