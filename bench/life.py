"""Measures whole lives of messages with an earlier commit and with this one, in turns."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from statistics import median
from typing import NamedTuple

from bench import BenchError, Row, Say, wire
from bench.before import checkout
from bench.bodies import (
    META,
    STATUSES,
    STEPS,
    TRACK_SENDS,
    News,
    batches,
    message,
    meta_body,
    news_of,
    post,
    send_body,
    status_body,
)
from bench.client import Client, client_of
from bench.duels import spread
from bench.processes import Server, free_port, redis, serve
from service.backends.embedded import find_server
from service.store.scripts import MAX_BATCH

MESSAGES = 16 * MAX_BATCH
"""The number of messages in a round."""

SEND = "track-send"
WHOLE = "whole life"
TARGETS = {WHOLE: "redis ratio <= 1.05, file ratio <= 0.85"}
MOST_BYTES = {SEND: 1_450, WHOLE: 1_650}

_OPTIONS = ("--appendfsync", "no", "--auto-aof-rewrite-percentage", "0")
"""The file is neither synced nor rewritten. All other options are Redis' defaults."""


class Life(NamedTuple):
    """An endpoint by which statuses are reported, and the body for a list of them."""

    name: str
    path: str
    body: Callable[[Iterable[News]], object]


LIVES = (
    Life("message-status", STATUSES, lambda some: {"updates": list(map(status_body, some))}),
    Life("Meta's webhook", META, meta_body),
)


class Used(NamedTuple):
    """Processor time of the service and of Redis' main thread in µs, and the size of its file."""

    service_us: float
    redis_us: float
    file_bytes: float

    def since(self, before: "Used", reports: int = 1) -> "Used":
        """What was used since `before`, for each of this number of reports."""
        return Used(*((now - then) / reports for now, then in zip(self, before, strict=True)))


class Side(NamedTuple):
    """A service with a Redis of its own."""

    server: Server
    client: Client

    async def report(self, requests: Sequence[bytes], reports: int) -> Used:
        """Sends requests one after the other; returns what each of the `reports` in them used."""
        before = self._used()
        for request in requests:
            answer = await self.client.ask(request)
            if answer.status != 200 or b'"ok":false' in answer.body:
                raise BenchError(f"life: {request[:200]!r} was answered with {answer}")
        return self._used().since(before, reports)

    def memory(self) -> int:
        """The memory that its Redis uses, in bytes."""
        return wire.used_memory(self.server.socket)

    def _used(self) -> Used:
        path = self.server.socket
        with wire.client(path) as client:
            size = client.info("persistence")["aof_current_size"]
        return Used(self.server.cpu().service_s * 1e6, wire.main_thread_s(path) * 1e6, size)


class Round(NamedTuple):
    """The figures of one round.

    Attributes:
        steps: what each step used for a report, by its name.
        grown: the growth of memory for a message, after its send and after its whole life.
    """

    steps: dict[str, Used]
    grown: dict[str, float]


Pair = tuple[Round, Round]
"""A round of the earlier commit, and of this one."""


async def compare(revision: str, rounds: int, say: Say) -> tuple[list[Row], list[Row]]:
    """Measures every life in turns; returns rows of what reports used, and rows of memory growth.

    Args:
        revision: a commit of this repository, as git names it.
        rounds: the number of rounds of each life; each round has messages of its own.
        say: prints how far the run is.
    """
    took, kept = list[Row](), list[Row]()
    with checkout(revision) as tree:
        for life in LIVES:
            async with _side(tree) as before, _side() as now:
                pairs = []
                for number, numbers in enumerate(_numbers(rounds + 1)):
                    say(f"life by {life.name}: round {number} of {rounds}")
                    requests = dict(_requests(life, numbers))
                    sides = (before, now) if number % 2 else (now, before)
                    lived = {side: await _live(side, requests) for side in sides}
                    pairs.append((lived[before], lived[now]))
                took += _took(life, pairs[1:])
                kept += _kept(life, pairs[1:])
    return took, kept


@asynccontextmanager
async def _side(tree: str = ".") -> AsyncIterator[Side]:
    with (
        redis(free_port(), *_OPTIONS, binary=find_server()) as store,
        serve("service", store=store, tree=tree, TRACKER_JOURNAL__ENABLED="false") as server,
    ):
        async with client_of(server) as client:
            yield Side(server, client)


def _numbers(rounds: int) -> Iterator[list[int]]:
    """The numbers of the messages of each round. Every event has messages in all rounds."""
    numbers = list(range(rounds * MESSAGES))
    Random(0).shuffle(numbers)
    return batches(numbers, MESSAGES)


def _requests(life: Life, numbers: Sequence[int]) -> Iterator[tuple[str, list[bytes]]]:
    """Yields the name of each step and its requests, in full batches."""
    sends = batches(map(send_body, map(message, numbers)), MAX_BATCH)
    yield SEND, [post(TRACK_SENDS, {"messages": some}) for some in sends]
    news = list(news_of(numbers))
    for status in STEPS:
        some = batches((each for each in news if each.status is status), MAX_BATCH)
        yield status, [post(life.path, life.body(each)) for each in some]


async def _live(side: Side, requests: dict[str, list[bytes]]) -> Round:
    steps, grown, before = dict[str, Used](), dict[str, float](), side.memory()
    for step, some in requests.items():
        steps[step] = await side.report(some, MESSAGES)
        if step == SEND:
            grown[SEND] = (side.memory() - before) / MESSAGES
    grown[WHOLE] = (side.memory() - before) / MESSAGES
    steps[WHOLE] = Used(*map(sum, zip(*steps.values(), strict=True)))
    return Round(steps, grown)


def _took(life: Life, pairs: Sequence[Pair]) -> Iterator[Row]:
    for step in pairs[0][0].steps:
        used = [(before.steps[step], now.steps[step]) for before, now in pairs]
        before, now = map(_median, zip(*used, strict=True))
        yield {
            "statuses by": life.name,
            "step": step,
            "target": TARGETS.get(step, ""),
            **spread("redis ratio", [now.redis_us / before.redis_us for before, now in used]),
            **spread("file ratio", [now.file_bytes / before.file_bytes for before, now in used]),
            **spread("cpu ratio", [_cpu_us(now) / _cpu_us(before) for before, now in used]),
            "redis us": round(now.redis_us, 1),
            "rival redis us": round(before.redis_us, 1),
            "file bytes": round(now.file_bytes),
            "rival file bytes": round(before.file_bytes),
            "service us": round(now.service_us, 1),
            "rival us": round(before.service_us, 1),
        }


def _median(rounds: Iterable[Used]) -> Used:
    return Used(*map(median, zip(*rounds, strict=True)))


def _cpu_us(used: Used) -> float:
    return used.service_us + used.redis_us


def _kept(life: Life, pairs: Sequence[Pair]) -> Iterator[Row]:
    for step, most in MOST_BYTES.items():
        grown = [(before.grown[step], now.grown[step]) for before, now in pairs]
        before, now = (sum(side) / len(pairs) for side in zip(*grown, strict=True))
        yield {
            "statuses by": life.name,
            "after": step,
            "messages": MESSAGES * len(pairs),
            "bytes a message": round(now),
            "rival bytes": round(before),
            "target": f"<= {most}",
        }
