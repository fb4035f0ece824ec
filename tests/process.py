"""The service as a child process, for what only a process has: signals, exit codes, its output.

Nothing here knows pytest. A child never outlives the test run: its context manager ends it, and
the kernel does where that can't.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.servers import _die_with_parent, wait_until

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


def environment(**variables: str) -> dict[str, str]:
    """What a child gets: these variables, and no setting of the shell that runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TRACKER_") and name != "DJANGO_RSVP_SECRET"
    }
    return kept | _QUICK | {"PYTHONPATH": str(ROOT), "TRACKER_HTTP__PORT": "0"} | variables


_QUICK = {
    "PYTHONDONTWRITEBYTECODE": "",  # else each start compiles all modules of the service anew
    "SSL_CERT_FILE": os.devnull,  # aiohttp reads all certificates of the system when it is imported
}
"""What makes the start of a child quicker, and nothing else: it talks to nobody over TLS."""


HASTY = "tests.short_timeouts"
"""A `program` for those who shall not wait as long for what is not there."""


KILLED = "tests.killed_midway"
"""A `program` for commands that shall not come to their end."""


def run(
    *arguments: str, cwd: Path, program: str = "service", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m service` to its end.

    Raises:
        TimeoutExpired: it goes on longer than `START_TIMEOUT_S`; it is killed then.
    """
    return subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )


def runs(pid: int) -> bool:
    """Whether the process is there and not a zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Service:
    """A running service on a loopback port.

    Args:
        folder: where it runs, and where its output is kept.
        *arguments: of the command line.
        program: the module that is run.
        **variables: of its environment.
    """

    def __init__(
        self, folder: Path, *arguments: str, program: str = "service", **variables: str
    ) -> None:
        self._program = program
        self._folder = folder
        self._arguments = arguments
        self._variables = variables
        self._stdout = folder / f"service-{id(self)}.out"
        self._stderr = folder / f"service-{id(self)}.err"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers, once it does."""
        started = self.events("started")
        return str(started[0]["address"]) if started else ""

    @property
    def output(self) -> str:
        """All that it has written to stdout."""
        return self._stdout.read_text()

    @property
    def errors(self) -> str:
        """All that it has written to stderr."""
        return self._stderr.read_text()

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Its log so far, or the events of that name in it."""
        whole, _, _ = self.errors.rpartition("\n")
        events = [json.loads(line) for line in whole.splitlines()]
        return [event for event in events if name in {"", event["event"]}]

    def start(self) -> Self:
        """Starts it and waits until it is ready."""
        self.launch()
        wait_until(self._ready, "the service to be ready", START_TIMEOUT_S)
        return self

    def launch(self) -> None:
        """Starts it."""
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._program, *self._arguments],
                cwd=self._folder,
                env=environment(**self._variables),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                process_group=0,  # so that it can be sent what Ctrl-C sends, to all its processes
                preexec_fn=_die_with_parent,  # noqa: PLW1509  no other thread forks here
            )

    def _ready(self) -> bool:
        if not self.running:
            raise RuntimeError(f"the service ended: {self.output}{self.errors}")
        return self.status_of("/readyz") == 200

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        assert self._process is not None
        return self._process.poll() is None

    def status_of(self, path: str, token: str = "") -> int:
        """The status of a GET on a connection of its own; 0 without an answer."""
        address = urlsplit(self.url)
        if address.hostname is None:
            return 0
        connection = HTTPConnection(address.hostname, address.port, timeout=10)
        try:
            connection.request("GET", path, headers={"X-Webhook-Token": token} if token else {})
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0
        finally:
            connection.close()

    @property
    def pid(self) -> int:
        """The process id of the one that was started, not of its workers."""
        assert self._process is not None
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def send_signal_to_all(self, number: signal.Signals) -> None:
        """Sends a signal to it and all its workers, as a terminal does."""
        os.killpg(self.pid, number)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> tuple[int, float]:
        """Waits for its end.

        Returns:
            its exit code, and how many seconds that took.
        """
        assert self._process is not None
        started_s = time.monotonic()
        code = self._process.wait(timeout_s)
        return code, time.monotonic() - started_s

    def stop(self) -> int:
        """Tells it to stop and waits for its end; returns its exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait()[0]

    def kill(self) -> None:
        """Ends it without a chance to say goodbye (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
