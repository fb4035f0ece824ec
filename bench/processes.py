"""Child processes: the servers and wrk. All of them end with the run, however it ends."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import BenchError

TOKEN = "bench"  # of servers that live for one run on loopback
TIMEOUT_S = 30.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Server(NamedTuple):
    """A server that runs: its address, its process and the socket of its private Redis."""

    url: str
    pid: int
    socket: str

    def cpu_s(self) -> float:
        """The processor time that the process has used, user and system, in seconds."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serve(module: str) -> Iterator[Server]:
    """Runs `bench.bare`, or `service` with a private Redis and nothing in it."""
    port = _free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRACKER_", "DJANGO_"))}
    environment |= {"TRACKER_HTTP__HOST": "127.0.0.1", "TRACKER_HTTP__PORT": str(port)}
    # Not in TMPDIR: the path of a Unix socket may have 107 characters.
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
        log = Path(folder, "server.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=environment | {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_DATA_DIR": folder},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the bench, which then stops the server
                preexec_fn=_die_with_parent,  # noqa: PLW1509  one thread
            )
        try:
            server = Server(f"http://127.0.0.1:{port}", process.pid, f"{folder}/redis.sock")
            _await_ready(server, process, log)
            yield server
        finally:
            _stop(process)


def wrk(server: Server, script: str, run: int, seconds: int, connections: int) -> dict[str, int]:
    """Runs wrk with a script of `bench/wrk/` and returns what the script printed at the end."""
    requests = seconds * 35_000  # about as many as the bare server can take
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", f"bench/wrk/{script}.lua"]
    done = subprocess.run(
        [*command, server.url, "--", str(run), str(requests)],
        capture_output=True,
        text=True,
        timeout=seconds + TIMEOUT_S,
        check=False,
        preexec_fn=_die_with_parent,
    )
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not last.startswith("{"):
        raise BenchError(f"wrk failed: {done.stdout}{done.stderr}")
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
    except OSError:  # refused, or an answer that is no success
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """Runs in the child: the kernel kills it when the bench is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
