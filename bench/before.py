"""The service against an earlier commit of itself, by what callers send, in turns."""

import subprocess
from collections.abc import Iterator
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
from bench.processes import Server, save_requests, serve

BATCH = 500
CONNECTIONS, BATCHES = 64, 8
TARGET = "ratio >= 0.97"
PER_S = {STATUS: 24_000, STATUSES: 40_000, TRACK_SEND: 12_000, TRACK_SENDS: 25_000}
"""Reports that are made for a second, by path: more than a server takes on two cores. Past the last
wrk would begin anew, with what is no news."""


class Load(NamedTuple):
    """What is sent: so many reports a request, to a path."""

    name: str
    path: str
    batch: int
    connections: int
    bodies: Iterator[dict[str, str]]

    def requests(self, seconds: int) -> Iterator[bytes]:
        """Requests for so many seconds that were not given before."""
        some = islice(self.bodies, PER_S[self.path] * seconds)
        if self.batch == 1:
            return (post(self.path, body) for body in some)
        name = "updates" if self.path == STATUSES else "messages"
        return (post(self.path, {name: each}) for each in batches(some, self.batch))


def _loads(seconds: int) -> tuple[int, list[Load]]:
    """How many messages are tracked beforehand, and what is sent in so many seconds."""
    alone, batched = (PER_S[path] * seconds // len(STEPS) for path in (STATUS, STATUSES))
    return alone + batched, [
        Load("status, tracked", STATUS, 1, CONNECTIONS, _statuses(0, alone)),
        Load(f"statuses, tracked, by {BATCH}", STATUSES, BATCH, BATCHES, _statuses(alone, batched)),
        Load("send", TRACK_SEND, 1, CONNECTIONS, _sends(10**7)),
        Load(f"sends by {BATCH}", TRACK_SENDS, BATCH, BATCHES, _sends(2 * 10**7)),
    ]


def _statuses(first: int, count: int) -> Iterator[dict[str, str]]:
    """Of tracked messages, in an order that jumps from event to event."""
    numbers = list(range(first, first + count))
    Random(first).shuffle(numbers)
    return map(status_body, news_of(numbers))


def _sends(first: int) -> Iterator[dict[str, str]]:
    return map(send_body, map(message, count(first)))


async def compare(revision: str, rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures each load in turns and returns a row for each: the ratios are now by before.

    Args:
        revision: a commit of this repository, as git names it.
        rounds: of each load, each with requests of its own.
        seconds: a round.
        say: is told how far the run is.
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
            duel = Duel(
                load.name, "ratio >= 0.97", before, now, Path(folder, "-"), load.connections
            )
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
    """The files of a commit in a folder of their own."""
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
        archive = subprocess.run(["git", "archive", revision], capture_output=True, check=False)
        if archive.returncode:
            raise BenchError(f"before: git knows no {revision}: {archive.stderr.decode()}")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield folder


async def _track(server: Server, tracked: int) -> None:
    """Over HTTP, since another commit may lay its store out otherwise."""
    bodies = islice(_sends(0), tracked)
    requests = (post(TRACK_SENDS, {"messages": some}) for some in batches(bodies, BATCH))
    async with client_of(server) as client:
        answers = await client.ask_all(requests, BATCHES)
    with wire.client(server.socket) as redis:
        redis.config_set("auto-aof-rewrite-percentage", 0)  # a rewrite takes a core now and then
    if odd := [answer for answer in answers if answer.status != 200]:
        raise BenchError(f"before: {len(odd)} requests failed, as with {odd[0]}")
