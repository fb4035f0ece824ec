"""Measures the peak of a day: Meta's webhook at its full rate, and all other calls beside it.

A request is sent when it is due, whether or not earlier ones are answered, and timed from when it
was due. At the end every reported status is looked up.
"""

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from random import Random
from statistics import quantiles
from typing import NamedTuple

import orjson

from bench import Row, Say, endpoints, wire
from bench.bodies import (
    LOOKUP,
    META,
    STATUS,
    TRACK_SEND,
    News,
    batches,
    message,
    meta_body,
    news,
    post,
    send_body,
    status_body,
)
from bench.client import Client, client_of
from bench.processes import serve
from bench.stored import stock
from service.models.responses import iso

STATUSES_PER_S = 3_000
OTHERS_PER_S = 300
LEAST, MOST = 100, 1_000
"""The least and the most statuses in one of Meta's bodies."""

STOCKED = 20_000
METAS, STATUSES, SENDS = 10_000_000, 20_000_000, 30_000_000
"""The number of the first message of each kind."""

WEBHOOK = "Meta's webhook"
WEIGHTS = {"message-status": 100, "track-send": 100, "look-up": 30, "page": 30, "latest": 40}
"""The shares of the other calls."""
TARGETS = {WEBHOOK: 250} | dict.fromkeys(("look-up", "page", "latest"), 50)

TAKEN = (200, 202)
_LOOKED_UP = 1_000


class Fact(NamedTuple):
    """A field of a message that a look-up must find in the end; None stands for any value."""

    wamid: str
    field: str
    value: str | None


class Due(NamedTuple):
    """A request, its due time in seconds after the start, and the facts that it reports."""

    at_s: float
    kind: str
    request: bytes
    facts: Sequence[Fact] = ()


class Done(NamedTuple):
    """The status of the answer to a request, and how long after the due time it came."""

    due: Due
    status: int
    took_ms: float


async def measure(seconds: int, say: Say) -> tuple[list[Row], list[Row]]:
    """Loads one worker for this long.

    Returns:
        a row of times for each kind of request, and a row about what was stored.
    """
    with serve("service") as server:
        say("mixed: making the requests")
        stock(server.socket, STOCKED)
        wire.used_memory(server.socket)
        plan = sorted([*_metas(seconds), *_others(seconds)])
        async with client_of(server) as client:
            say(f"mixed: {len(plan):,} requests in {seconds} s")
            before, own_s = server.cpu(), time.process_time()
            done = await run(client, plan)
            used, own_s = server.cpu().since(before), time.process_time() - own_s
            say("mixed: looking up what was reported")
            found = await kept(client, done)
    shares = {"service": used.service_s, "redis": used.redis_s, "client": own_s}
    found |= {f"{name} % of a core": round(100 * s / seconds, 1) for name, s in shares.items()}
    return [_row(kind, done) for kind in (WEBHOOK, *WEIGHTS)], [found]


def _metas(seconds: int) -> Iterator[Due]:
    """Bodies of mixed sizes, each due when Meta would have collected this many statuses."""
    random, at_s = Random(1), 0.0
    pending = news(seconds * STATUSES_PER_S // 3, METAS)
    while some := list(islice(pending, random.randint(LEAST, MOST))):
        at_s += len(some) / STATUSES_PER_S
        yield Due(at_s, WEBHOOK, post(META, meta_body(some)), list(map(fact_of, some)))


def _others(seconds: int) -> Iterator[Due]:
    """All other requests, at random times."""
    random, at_s = Random(2), 0.0
    sources: dict[str, Iterator[tuple[bytes, Sequence[Fact]]]] = {
        "message-status": (
            (post(STATUS, status_body(item)), [fact_of(item)]) for item in news(10**6, STATUSES)
        ),
        "track-send": (
            (post(TRACK_SEND, send_body(each)), [Fact(each.wamid, "sent_at", None)])
            for each in map(message, count(SENDS))
        ),
        "look-up": ((request, ()) for request in endpoints.lookups(STOCKED)),
        "page": ((request, ()) for request in endpoints.pages(STOCKED, "event")),
        "latest": ((request, ()) for request in endpoints.latest(STOCKED)),
    }
    while (at_s := at_s + random.expovariate(OTHERS_PER_S)) < seconds:
        [kind] = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        yield Due(at_s, kind, *next(sources[kind]))


def fact_of(item: News) -> Fact:
    """What a look-up must find after this status."""
    return Fact(item.wamid, f"{item.status}_at", iso(str(item.at_s * 1000)))


async def run(client: Client, plan: Sequence[Due]) -> list[Done]:
    """Sends each request when it is due, and waits for all answers."""
    gc.collect()
    gc.freeze()  # else the bench's own garbage collections would look like a slow service
    loop, done = asyncio.get_running_loop(), list[Done]()
    start_s = loop.time() + 0.1

    async def ask(due: Due) -> None:
        answer = await client.ask(due.request)
        done.append(Done(due, answer.status, (loop.time() - start_s - due.at_s) * 1e3))

    async with asyncio.TaskGroup() as tasks:
        for due in plan:
            if (early_s := start_s + due.at_s - loop.time()) > 0:
                await asyncio.sleep(early_s)
            tasks.create_task(ask(due))
    gc.unfreeze()
    return done


async def kept(client: Client, done: Sequence[Done]) -> Row:
    """Looks up what was acknowledged; returns a row that says how much of it was found."""
    facts = [fact for each in done if each.status in TAKEN for fact in each.due.facts]
    found: dict[str, dict[str, str | None]] = {}
    for wamids in batches(dict.fromkeys(fact.wamid for fact in facts), _LOOKED_UP):
        answer = await client.ask(post(LOOKUP, {"wamids": wamids}))
        found |= orjson.loads(answer.body)["statuses"]
    held = (found.get(fact.wamid, {}).get(fact.field) for fact in facts)
    lost = sum(
        not value or fact.value not in {None, value}
        for fact, value in zip(facts, held, strict=True)
    )
    return {"acknowledged": len(facts), "found again": len(facts) - lost, "failed": lost}


def _row(kind: str, done: Sequence[Done]) -> Row:
    some = [each for each in done if each.due.kind == kind]
    times_ms = sorted(each.took_ms for each in some)
    cuts = quantiles(times_ms, n=100, method="inclusive")
    return {
        "request": kind,
        "target": f"p99 < {TARGETS[kind]} ms" if kind in TARGETS else "",
        "requests": len(some),
        "p50 ms": round(cuts[49], 2),
        "p99 ms": round(cuts[98], 2),
        "most ms": round(times_ms[-1], 2),
        "failed": sum(each.status != 200 for each in some),
    }
