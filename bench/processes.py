"""Runs child processes: the servers and wrk. They end with the run, even if it is killed."""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import BenchError

TOKEN = "bench"  # of servers that live for one run on loopback
TIMEOUT_S = 30.0
_REPLAY = Path(__file__).parent / "replay.lua"
_STORES = ("redis-server", "valkey-server")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Cpu(NamedTuple):
    """The processor time used so far, user and system, in seconds."""

    service_s: float
    redis_s: float

    def since(self, before: "Cpu") -> "Cpu":
        """The processor time used since `before`."""
        return Cpu(self.service_s - before.service_s, self.redis_s - before.redis_s)


class Server(NamedTuple):
    """A running server: its port, its first process and the socket of its Redis."""

    port: int
    pid: int
    socket: str

    @property
    def url(self) -> str:
        """The address at which it answers."""
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> Cpu:
        """The processor time of all its processes together, and of its Redis."""
        service, redis = self._processes()
        return Cpu(sum(map(_cpu_s, service)), sum(map(_cpu_s, redis)))

    def rss_mib(self) -> float:
        """The resident memory of its processes, without Redis."""
        service, _ = self._processes()
        pages = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in service)
        return sum(map(int, pages)) * resource.getpagesize() / 2**20

    def connections(self) -> int:
        """How many files its processes have open. Under load nearly all of them are connections."""
        service, _ = self._processes()
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in service)

    def signal_store(self, number: signal.Signals) -> None:
        """Sends a signal to its Redis."""
        _, stores = self._processes()
        for pid in stores:
            os.kill(pid, number)

    def _processes(self) -> tuple[list[int], list[int]]:
        """The ids of the processes of the server, workers included, and of its Redis."""
        service, redis = [self.pid], list[int]()
        for pid in service:
            for child in _children(pid):
                stored = Path(f"/proc/{child}/comm").read_text().strip() in _STORES
                (redis if stored else service).append(child)
        return service, redis


def _children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def _cpu_s(pid: int) -> float:
    """The processor time of all threads of a process."""
    # The process' own clock (clock_getcpuclockid(3)) has the time of /proc/<pid>/stat, but in
    # nanoseconds instead of ticks of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def serve(
    module: str,
    *arguments: str,
    store: str = "",
    tree: str = ".",
    **settings: str,
) -> Iterator[Server]:
    """Runs a server. `service` and `bench.obvious` start a private Redis, which is empty.

    Args:
        module: the module to run.
        *arguments: of its command line.
        store: the socket of a Redis to use instead of a private one.
        tree: the checkout to run it from; by default the working folder.
        **settings: variables of its environment.
    """
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRACKER_", "DJANGO_"))}
    environment |= {"TRACKER_HTTP__HOST": "127.0.0.1", "TRACKER_HTTP__PORT": str(port)}
    environment |= settings | ({"TRACKER_REDIS__URL": f"unix://{store}"} if store else {})
    # Not in TMPDIR: the path of a Unix socket may have at most 107 characters.
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
        log = Path(folder, "server.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=tree,
                env=environment | {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_DATA_DIR": folder},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the bench, which then stops the server
                preexec_fn=_prepare_child,  # noqa: PLW1509  one thread
            )
        try:
            server = Server(port, process.pid, store or f"{folder}/redis.sock")
            _await_ready(server, process, log)
            yield server
        finally:
            _stop(process)


@contextmanager
def redis(port: int, *options: str, binary: str) -> Iterator[str]:
    """Runs a Redis with an append-only file; yields the path of its socket.

    Args:
        port: its port on loopback.
        *options: of its command line.
        binary: the path of a redis-server.
    """
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
        path = f"{folder}/redis.sock"
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", path]
        command += ["--dir", folder, "--save", "", "--appendonly", "yes"]
        command += ["--hash-max-listpack-value", "512", *options]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_prepare_child,  # noqa: PLW1509  one thread
        )
        try:
            _until(Path(path).exists, f"{binary} to listen")
            yield path
        finally:
            _stop(process)


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise BenchError(f"waited {TIMEOUT_S} s in vain for {what}")
        time.sleep(0.05)


def save_requests(file: Path, requests: Iterable[bytes]) -> Path:
    """Writes raw requests to a file, for `wrk`."""
    with file.open("wb") as output:
        output.writelines(b"%d\n%b" % (len(request), request) for request in requests)
    return file


@contextmanager
def wrk(
    server: Server, requests: Path, seconds: int, connections: int, *more: str
) -> Iterator["Wrk"]:
    """Runs wrk with the requests of a file of `save_requests`; `replay.lua` gets `more`."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_REPLAY)]
    process = subprocess.Popen(
        [*command, server.url, "--", str(requests), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_prepare_child,  # noqa: PLW1509  one thread
    )
    try:
        yield Wrk(process, seconds)
    finally:
        _stop(process)


class Wrk(NamedTuple):
    """A running wrk."""

    process: subprocess.Popen[str]
    seconds: int

    def figures(self) -> dict[str, int]:
        """Waits until wrk ends; returns the figures that the script printed."""
        output, _ = self.process.communicate(timeout=self.seconds + TIMEOUT_S)
        last = output.strip().rpartition("\n")[2]
        if self.process.returncode or not last.startswith("{"):
            raise BenchError(f"wrk failed: {output}")
        figures: dict[str, int] = json.loads(last)
        return figures


def _await_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not _is_ready(server):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise BenchError(f"{process.args!r} did not become ready:\n{tail}")
        time.sleep(0.05)


def _is_ready(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/readyz", timeout=5):  # noqa: S310  loopback
            return True
    except OSError:  # refused, or answered with an error
        return False


def _stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prepare_child() -> None:
    """Prepares a child: it may open many files, and the kernel kills it if the bench is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
