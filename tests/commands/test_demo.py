"""`make demo`: there is much to see at once, more comes, and nothing is left when it has ended."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.process import ROOT, STOP_TIMEOUT_S, environment, runs
from tests.servers import wait_until

START_TIMEOUT_S = 50.0
MESSAGES = 200


class Shown:
    """A demo that runs.

    Args:
        folder: where it makes its own, and all that it leaves would be.
        output: a file for what it says.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        self.folder = folder
        self._output = output
        command = [sys.executable, "-m", "scripts.demo", "--messages", str(MESSAGES), "--port", "0"]
        with output.open("wb") as said:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(TMPDIR=str(folder)),
                stdout=said,
                stderr=subprocess.STDOUT,
                process_group=0,  # so that it can be sent what Ctrl-C sends
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.said)
        assert match, self.said
        return match[1]

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.said
            return "Ctrl-C" in self.said

        wait_until(ready, "the demo to be ready", START_TIMEOUT_S)

    def get(self, path: str) -> Any:
        address = urlsplit(self.found(r"Dashboard +(\S+)/dashboard/"))
        assert address.hostname
        connection = HTTPConnection(address.hostname, address.port, timeout=10)
        try:
            headers = {"X-Webhook-Token": self.found(r"Token +(\S+)")}
            connection.request("GET", f"/api/webhooks/{path}", headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200
            return json.loads(answer.read())
        finally:
            connection.close()

    def descendants(self) -> list[int]:
        """The process and all that it has started, and so on."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    # A path in tmp_path may be too long for a Unix socket.
    with TemporaryDirectory(prefix="demo") as folder:
        demo = Shown(Path(folder), tmp_path / "said")
        try:
            demo.wait_ready()
            yield demo
        finally:
            demo.process.kill()
            demo.process.wait()


def test_the_demo_is_full_at_once_goes_on_and_leaves_nothing(shown: Shown) -> None:
    stats = shown.get("message-stats/")
    statuses, reached = stats["statuses"], stats["reached"]
    assert stats["total"] >= MESSAGES
    assert sum(statuses.values()) == stats["total"] == reached["sent"]
    assert reached["sent"] > reached["delivered"] > reached["read"] > reached["failed"] > 0
    assert sum(failure["count"] for failure in stats["failures"]) == statuses["failed"]
    assert sum(age["count"] for age in stats["awaiting"]["by_age"]) == statuses["sent"]
    assert 0 < stats["time_to_deliver"]["p50_s"] < 10 < stats["time_to_read"]["p50_s"]
    events = shown.get("events/")["events"]
    assert len(events) > 5
    assert events[0]["event_id"] == "harbour-gala"

    wait_until(lambda: shown.get("message-stats/")["total"] > stats["total"], "the send to go on")

    failed = shown.get("message-logs/?status=failed&limit=200")["logs"]
    odd = next(message["wamid"] for message in failed if message["delivered_at"])
    message = shown.get(f"messages/{odd}/")["message"]
    assert len(message["conflicts"]) == 1
    assert message["error"]["details"]
    assert message["error"]["href"].startswith("https://")

    started = shown.descendants()
    assert len(started) == 3, "the demo, the service, its server"
    assert os.getpgid(started[1]) == started[1], "Ctrl-C is for the demo alone"
    os.killpg(shown.process.pid, signal.SIGINT)
    assert shown.process.wait(STOP_TIMEOUT_S) == 0, shown.said
    assert [pid for pid in started if runs(pid)] == []
    assert list(shown.folder.iterdir()) == []
    assert len(shown.said.strip().splitlines()) == 6, "it has nothing to complain of"
