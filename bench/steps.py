"""Measures how long a single step blocks Redis, in a store with many messages."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from os import environ

from bench import BenchError, Row, Say, endpoints, wire
from bench.bodies import ERASE, event_of, post
from bench.client import client_of
from bench.processes import serve
from bench.stored import stock

LONGEST_US = 2_000
MORE = 4
"""How many times the requests of a turn of `growth` are sent."""
ERASED = 5
"""The number of events that are erased, of a thousand messages each."""
_MOST_LOGGED = 1_000

_SPIN = "local sum = 0 for number = 1, 60000 do sum = sum + number end return sum"
SPINS = 500


async def measure(size: int, say: Say) -> list[Row]:
    """Sends every kind of request to a store of this size; returns rows of its slow steps.

    The last row is for the machine: a script that counts to 60,000, which should always take the
    same time.
    """
    with serve("service") as server:
        say(f"steps: filling a store with {size:,} messages")
        wire.empty(server.socket)
        stock(server.socket, size)
        wire.used_memory(server.socket)
        rows = []
        async with client_of(server) as client:
            for name, requests in _requests(size):
                say(f"steps: {name}")
                _watch(server.socket)
                for request in requests:
                    answer = await client.ask(request)
                    if answer.status != 200 or b'"ok":false' in answer.body:
                        raise BenchError(f"steps: {request[:200]!r} was answered with {answer}")
                rows.append(_row(name, server.socket))
        say("steps: recount")
        _watch(server.socket)
        _recount(server.socket)
        rows.append(_row("the command recount", server.socket))
        _watch(server.socket)
        _spin(server.socket)
        return [*rows, _row("the machine", server.socket)]


def _requests(size: int) -> Iterator[tuple[str, Iterable[bytes]]]:
    for name, (pace, requests) in endpoints.every(size).items():
        yield name, islice(requests, MORE * pace)
    events = (event_of(number) for number in range(0, ERASED * 1_000, 1_000))
    yield "erase of an event", (post(ERASE, {"event_id": event}) for event in events)


def _watch(path: str) -> None:
    """Makes Redis log every step that takes too long from now on."""
    with wire.client(path) as redis:
        redis.config_set("slowlog-max-len", _MOST_LOGGED)
        redis.config_set("slowlog-log-slower-than", LONGEST_US)
        redis.config_resetstat()
        redis.slowlog_reset()


def _row(name: str, path: str) -> Row:
    with wire.client(path) as redis:
        slow = [entry["duration"] for entry in redis.slowlog_get(_MOST_LOGGED)]
        stats = redis.info("commandstats")
    own = ("cmdstat_config", "cmdstat_slowlog", "cmdstat_info")
    steps = {command: each for command, each in stats.items() if not command.startswith(own)}
    scripts = [each for command, each in steps.items() if command.startswith("cmdstat_eval")]
    return {
        "request": name,
        "target": "0 over 2 ms",
        "over 2 ms": len(slow),
        "longest ms": round(max(slow, default=0) / 1e3, 1) or "",
        "scripts": sum(each["calls"] for each in scripts),
        "mean us a script": round(
            sum(each["usec"] for each in scripts) / max(1, sum(each["calls"] for each in scripts))
        ),
    }


def _recount(path: str) -> None:
    settings = {"TRACKER_REDIS__URL": f"unix://{path}", "TRACKER_AUTH__TOKENS": "bench"}
    command = [sys.executable, "-m", "service", "recount"]
    done = subprocess.run(command, env=environ | settings, capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"steps: {command} failed: {done.stdout!r} {done.stderr!r}")


def _spin(path: str) -> None:
    with wire.client(path) as redis:
        for _ in range(SPINS):
            redis.eval(_SPIN, 0)
