"""Stops Redis for a while under a steady load of writes: who waits, and what is stored?"""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from itertools import count
from random import Random
from statistics import quantiles

import orjson

from bench import BenchError, Row, Say
from bench.bodies import STATUS, TRACK_SEND, get, message, news, post, send_body, status_body
from bench.client import Client, client_of
from bench.mixed import TAKEN, Done, Due, Fact, fact_of, kept, run
from bench.processes import TIMEOUT_S, Server, serve

WRITES_PER_S = 500
BEFORE_S, AFTER_S = 5, 30
_POLL_S = 0.1
_READY = get("/readyz")


async def measure(seconds: int, say: Say) -> list[Row]:
    """Stops Redis for this long; returns a row for the time before, during and after."""
    with serve("service") as server:
        plan = list(_writes(BEFORE_S + seconds + AFTER_S))
        async with client_of(server) as client:
            say(f"outage: {WRITES_PER_S} writes/s, and Redis away for {seconds} s")
            merged, done = await asyncio.gather(
                _interrupt(server, client, seconds), run(client, plan)
            )
            found = await kept(client, done)
    back_s = BEFORE_S + seconds
    spans = {
        "before": (0, BEFORE_S),
        "away": (BEFORE_S, back_s),
        "after": (back_s, back_s + AFTER_S),
    }
    rows = [_row(name, done, *span) for name, span in spans.items()]
    rows[-1] |= {"merged after s": round(merged, 1)}
    for row in rows[:-1]:
        row["merged after s"] = ""
    rows[-1]["failed"] = int(rows[-1]["failed"]) + int(found["failed"])
    return rows


def _writes(seconds: int) -> Iterator[Due]:
    """Half statuses and half sends, at random times."""
    random, at_s = Random(3), 0.0
    statuses, sends = news(10**6, 10**6), map(message, count(3 * 10**6))
    while (at_s := at_s + random.expovariate(WRITES_PER_S)) < seconds:
        if random.random() < 0.5:
            item = next(statuses)
            yield Due(at_s, "status", post(STATUS, status_body(item)), [fact_of(item)])
        else:
            sent = next(sends)
            facts = [Fact(sent.wamid, "sent_at", None)]
            yield Due(at_s, "send", post(TRACK_SEND, send_body(sent)), facts)


async def _interrupt(server: Server, client: Client, seconds: int) -> float:
    """Stops and continues Redis; returns after how many seconds everything was merged."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(BEFORE_S)
    server.signal_store(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        server.signal_store(signal.SIGCONT)
    back_s = loop.time()
    while loop.time() < back_s + TIMEOUT_S:
        state = orjson.loads((await client.ask(_READY)).body)
        if state.get("store") == "up" and not state["journal"]["reports"]:
            return loop.time() - back_s
        await asyncio.sleep(_POLL_S)
    raise BenchError("outage: not everything was merged in time")


def _row(name: str, done: Sequence[Done], start_s: float, end_s: float) -> Row:
    some = [each for each in done if start_s <= each.due.at_s < end_s]
    cuts = quantiles([each.took_ms for each in some], n=100, method="inclusive")
    return {
        "redis": name,
        "target": {"after": "p99 < 100 ms, merged < 30 s"}.get(name, ""),
        "writes": len(some),
        "queued (202)": sum(each.status == 202 for each in some),
        "p50 ms": round(cuts[49], 2),
        "p99 ms": round(cuts[98], 2),
        "most ms": round(max(each.took_ms for each in some), 2),
        "failed": sum(each.status not in TAKEN for each in some),
    }
