"""Measures the service against an earlier commit of itself, in turns, by what callers send."""

import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import BenchError, Row, Say, wire
from bench.bodies import (
    STATUS,
    STATUSES,
    STEPS,
    TRACK_SEND,
    TRACK_SENDS,
    batches,
    message,
    news_of,
    post,
    send_body,
    status_body,
)
from bench.client import client_of
from bench.duels import WARM_UP_S, Duel, one_round, row
from bench.endpoints import lookups, pages
from bench.processes import Server, save_requests, serve

BATCH = 500
CONNECTIONS, BATCHES, READERS = 64, 8, 16
READ, REQUESTS = 20_000, 1_000
"""The number of messages that are read, and of different requests that read them."""
TARGET = "req/s ratio >= 0.97, cpu ratio <= 1.05"
PER_S = {STATUS: 24_000, STATUSES: 40_000, TRACK_SEND: 12_000, TRACK_SENDS: 25_000}
"""How many reports are made for a second, by path: more than a server takes on two cores. After the
last one wrk would start again from the first, and repeated reports change nothing."""


class Load(NamedTuple):
    """A load. `requests` gives requests for a number of seconds, new ones at each call."""

    name: str
    target: str
    connections: int
    requests: Callable[[int], Iterable[bytes]]


def _loads(seconds: int) -> tuple[int, list[Load]]:
    """How many messages to track beforehand, and the loads for a number of seconds."""
    alone, batched = (PER_S[path] * seconds // len(STEPS) for path in (STATUS, STATUSES))
    many = f"by {BATCH}"
    return READ + alone + batched, [
        _reports("status, tracked", STATUS, 1, _statuses(READ, alone)),
        _reports(f"statuses, tracked, {many}", STATUSES, BATCH, _statuses(READ + alone, batched)),
        _reports("send", TRACK_SEND, 1, _sends(10**7)),
        _reports(f"sends {many}", TRACK_SENDS, BATCH, _sends(2 * 10**7)),
        _reads("page of 50", pages(READ, "event")),
        _reads("look-up of 100", lookups(READ)),
    ]


def _reports(name: str, path: str, batch: int, bodies: Iterator[dict[str, str]]) -> Load:
    """A load of reports, with `batch` of them in a request."""

    def requests(seconds: int) -> Iterator[bytes]:
        return _posts(path, batch, islice(bodies, PER_S[path] * seconds))

    return Load(name, TARGET, CONNECTIONS if batch == 1 else BATCHES, requests)


def _posts(path: str, batch: int, bodies: Iterable[dict[str, str]]) -> Iterator[bytes]:
    if batch == 1:
        return (post(path, body) for body in bodies)
    name = "updates" if path == STATUSES else "messages"
    return (post(path, {name: each}) for each in batches(bodies, batch))


def _reads(name: str, requests: Iterator[bytes]) -> Load:
    some = list(islice(requests, REQUESTS))
    return Load(name, "cpu ratio <= 1.15", READERS, lambda _seconds: some)


def _statuses(first: int, count: int) -> Iterator[dict[str, str]]:
    """Statuses of tracked messages, in an order that jumps from event to event."""
    numbers = list(range(first, first + count))
    Random(first).shuffle(numbers)
    return map(status_body, news_of(numbers))


def _sends(first: int) -> Iterator[dict[str, str]]:
    return map(send_body, map(message, count(first)))


async def compare(revision: str, rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures each load in turns; returns a row for each. The ratios are now by before.

    Args:
        revision: a commit of this repository, as git names it.
        rounds: the number of rounds of each load; each round has requests of its own.
        seconds: the length of a round.
        say: prints how far the run is.
    """
    tracked, loads = _loads(rounds * seconds + WARM_UP_S)
    with (
        checkout(revision) as tree,
        TemporaryDirectory(prefix="bench-", dir="/tmp") as folder,
        serve("service", tree=tree) as before,
        serve("service") as now,
    ):
        for server in (before, now):
            say(f"before: tracking {tracked:,} messages")
            await _track(server, tracked)
        rows = []
        for load in loads:
            file = Path(folder, "requests")
            duel = Duel(load.name, load.target, before, now, file, load.connections)
            pairs = []
            for number in range(rounds + 1):
                say(f"{load.name}: round {number} of {rounds}")
                length_s = seconds if number else WARM_UP_S
                save_requests(duel.requests, load.requests(length_s))
                pairs.append(one_round(duel, length_s, first=number % 2))
            rows.append(row(duel, pairs[1:]))
        return rows


@contextmanager
def checkout(revision: str) -> Iterator[str]:
    """Checks a commit out into a temporary folder; yields the folder."""
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
        archive = subprocess.run(["git", "archive", revision], capture_output=True, check=False)
        if archive.returncode:
            raise BenchError(f"before: git knows no {revision}: {archive.stderr.decode()}")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield folder


async def _track(server: Server, tracked: int) -> None:
    """Tracks messages. The first `READ` of them, which are read later, also reach every status."""
    # Over HTTP, because the store of another commit may have another layout.
    sends = _posts(TRACK_SENDS, BATCH, islice(_sends(0), tracked))
    statuses = _posts(STATUSES, BATCH, map(status_body, news_of(range(READ))))
    async with client_of(server) as client:
        answers = [
            answer for some in (sends, statuses) for answer in await client.ask_all(some, BATCHES)
        ]
    with wire.client(server.socket) as redis:
        redis.config_set("auto-aof-rewrite-percentage", 0)  # a rewrite takes a core now and then
    if odd := [answer for answer in answers if answer.status != 200]:
        raise BenchError(f"before: {len(odd)} requests failed, as with {odd[0]}")
