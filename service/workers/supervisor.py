"""The outermost process of the trial mode with several workers: it runs the private server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence

import msgspec

from service.backends.connect import connect
from service.backends.embedded import embedded_server, end_with_parent
from service.config import PREFIX, Settings
from service.errors import StartError
from service.store.scripts import Scripts
from service.store.startup import check

_URL = f"{PREFIX}REDIS__URL"


class Supervisor:
    """Runs the private server, from before the first worker starts until the last has ended.

    Args:
        settings: without a `redis.url`.
        command: starts this program again, as a master. It finds the server's URL in its
            environment.
    """

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        self._settings = settings
        self._command = command
        self._master: subprocess.Popen[bytes] | None = None

    async def run(self) -> int:
        """Runs until SIGTERM or SIGINT. These signals and SIGHUP are passed on to the master.

        Returns:
            the master's exit code; 0 if a signal came before the master was started.

        Raises:
            StartError: the server can't be started, or the master was ended by a signal.
        """
        loop = asyncio.get_running_loop()
        work = loop.create_task(self._work())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, work)
        loop.add_signal_handler(signal.SIGHUP, self._send, signal.SIGHUP)
        await asyncio.wait({work})
        return 0 if work.cancelled() else work.result()

    def _stop(self, work: asyncio.Task[int]) -> None:
        if self._master is None:
            work.cancel()
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        if self._master is not None:
            self._master.send_signal(number)

    async def _work(self) -> int:
        folder, appendfsync = self._settings.data_dir, self._settings.appendfsync
        async with embedded_server(folder, appendfsync) as url:
            await self._await_store(url)
            self._master, gone = _start(self._command, {**os.environ, _URL: url})
            await _readable(gone)
            os.close(gone)
            return _code_of(self._master)

    async def _await_store(self, url: str) -> None:
        """Waits until the server has loaded its data. Workers would not wait as long for that."""
        redis = msgspec.structs.replace(self._settings.redis, url=url)
        async with connect(msgspec.structs.replace(self._settings, redis=redis)) as server:
            scripts = Scripts(server)
            await check(server, scripts, self._settings)


def _start(
    command: Sequence[str], environment: dict[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Starts the master.

    Returns:
        the master's process, and a descriptor that is readable once the master and all workers
        have ended.
    """
    # Each of these processes inherits the other end of the pipe. So we notice the end of the last
    # one, even if workers outlive a master that was killed.
    environment.pop(f"{_URL}_FILE", None)
    reader, writer = os.pipe()
    master = subprocess.Popen(  # noqa: S603  the command is our own
        command,
        env=environment,
        pass_fds=(writer,),
        preexec_fn=end_with_parent,  # noqa: PLW1509  no thread runs yet
    )
    os.close(writer)
    return master, reader


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(descriptor, event.set)
    await event.wait()
    loop.remove_reader(descriptor)


def _code_of(master: subprocess.Popen[bytes]) -> int:
    code = master.wait()
    if code < 0:
        raise StartError(f"The master of the workers was ended by signal {-code}.")
    return code
