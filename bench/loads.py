"""Measures single reports with wrk: against the bare handler, and two workers against one."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from bench import Row, Say, duels, endpoints, wire
from bench.bodies import (
    STATUS,
    STEPS,
    TRACK_SEND,
    message,
    news,
    news_of,
    post,
    send_body,
    status_body,
)
from bench.duels import Duel, Figures, Pair
from bench.processes import save_requests, serve
from bench.stored import sent, stock
from service.domain.report import Report

CONNECTIONS = 64
STORED = 20_000
MOST_PER_S = 35_000
"""About as many as the bare server can take. Only so many requests are made for a second; after the
last one wrk repeats them, which is cheaper."""

TARGETS = {"status": "req/s ratio >= 0.7", "untracked": "", "send": "req/s ratio >= 0.4"}
NAMES = {
    "status": "status, tracked messages",
    "untracked": "status, unknown messages, empty store",
    "send": "send",
}


def compare(names: Sequence[str], rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures the named loads against the bare handler; returns a row for each."""
    with (
        TemporaryDirectory(prefix="bench-", dir="/tmp") as folder,
        serve("bench.bare") as bare,
        serve("service") as service,
    ):
        some = [
            Duel(
                name=NAMES[name],
                target=TARGETS[name],
                rival=bare,
                service=service,
                requests=_save(Path(folder), name, seconds),
                connections=CONNECTIONS,
                reset=partial(_reset, name, service.socket, seconds),
            )
            for name in names
        ]
        results = duels.run(some, rounds, seconds, say)
    return [duels.row(duel, pairs) for duel, pairs in zip(some, results, strict=True)]


def workers(rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures two workers against one; returns a row for look-ups and one for message-status."""
    with (
        TemporaryDirectory(prefix="bench-", dir="/tmp") as folder,
        serve("service", "--workers", "1") as one,
        serve("service", "--workers", "2") as two,
    ):

        def duel(name: str, requests: Path, reset: Callable[[], None] = lambda: None) -> Duel:
            target = "req/s ratio >= 1.5"
            return Duel(name, target, one, two, requests, CONNECTIONS, reset)

        def empty_both() -> None:
            wire.empty(one.socket)
            wire.empty(two.socket)

        say(f"workers: filling two stores with {STORED:,} messages")
        for server in (one, two):
            stock(server.socket, STORED)
        lookups = save_requests(Path(folder, "lookups"), islice(endpoints.lookups(STORED), 1_000))
        some = [
            duel("2 workers: look-up of 100", lookups),
            duel("2 workers: status", _save(Path(folder), "untracked", seconds), empty_both),
        ]
        results = [duels.run([each], rounds, seconds, say)[0] for each in some]
    return [
        duels.row(each, pairs) | _computed(pairs) for each, pairs in zip(some, results, strict=True)
    ]


def _computed(pairs: Sequence[Pair]) -> Row:
    """Ratios computed from processor time: on this machine, and with a core for each process."""
    one, two = duels.medians(pairs)
    cores = len(os.sched_getaffinity(0))
    shared = cores * one.service_us / (one.cpu_us + one.wrk_us)
    return {
        f"computed: most on {cores} cores": round(min(2, shared), 2),
        "computed: with a core for each": round(_ideal(two, 2) / _ideal(one, 1), 2),
    }


def _ideal(figures: Figures, workers: int) -> float:
    return min(workers / figures.service_us, 1 / figures.redis_us)


def _reset(name: str, path: str, seconds: int) -> None:
    wire.empty(path)
    if name == "status":
        wire.drive(path, wire.commands(map(_tracked, range(_messages(seconds)))))


def _tracked(n: int) -> Report:
    """A track-send of the n-th message, received just now, so after all its statuses happened."""
    now_us = time.time_ns() // 1000
    return replace(sent(n), at_ms=now_us // 1000, received_us=now_us)


def _messages(seconds: int) -> int:
    """How many messages have statuses enough for this number of seconds."""
    return seconds * MOST_PER_S // len(STEPS) + 1


def _save(folder: Path, name: str, seconds: int) -> Path:
    return save_requests(folder / name, islice(_requests(name, seconds), seconds * MOST_PER_S))


def _requests(name: str, seconds: int) -> Iterator[bytes]:
    if name == "send":
        return (post(TRACK_SEND, send_body(message(n))) for n in range(10**8))
    if name == "untracked":
        return (post(STATUS, status_body(item)) for item in news(10**8))
    numbers = list(range(_messages(seconds)))
    Random(0).shuffle(numbers)  # so that they jump from event to event
    return (post(STATUS, status_body(item)) for item in news_of(numbers))
