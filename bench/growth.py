"""Measures what a request to each endpoint costs in a small store and in larger ones, in turns."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain, islice
from statistics import median
from typing import NamedTuple

from bench import BenchError, Row, Say, endpoints, wire
from bench.client import Client, client_of
from bench.duels import spread
from bench.processes import Server, serve
from bench.stored import stock

TURNS = 3
"""How many rounds it makes for each of `--rounds`: they are short."""


class Store(NamedTuple):
    """A service with a filled store, and the requests to each of its endpoints."""

    server: Server
    client: Client
    requests: dict[str, tuple[int, Iterator[bytes]]]


class Turn(NamedTuple):
    """The cost of requests one after the other: mean processor time in µs, and their times."""

    cpu_us: float
    times_ms: list[float]


async def compare(sizes: Sequence[int], rounds: int, say: Say) -> list[Row]:
    """Measures every endpoint in stores of these sizes; returns a row for each endpoint."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(_store(size, say)) for size in sizes]
        rows = []
        for name in stores[0].requests:
            say(f"growth: {name}")
            some = [await _round(stores, name, number) for number in range(rounds * TURNS + 1)]
            rows.append(_row(name, sizes, some[1:]))
    return rows


@asynccontextmanager
async def _store(size: int, say: Say) -> AsyncIterator[Store]:
    with serve("service") as server:
        say(f"growth: filling a store with {size:,} messages")
        wire.empty(server.socket)
        stock(server.socket, size)
        wire.used_memory(server.socket)
        async with client_of(server) as client:
            yield Store(server, client, endpoints.every(size))


async def _round(stores: Sequence[Store], name: str, number: int) -> list[Turn]:
    """Runs a turn in each store: from small to large, and from large to small in the next round."""
    order = stores if number % 2 else list(reversed(stores))
    turns = [await _turn(store, name) for store in order]
    return turns if number % 2 else list(reversed(turns))


async def _turn(store: Store, name: str) -> Turn:
    pace, requests = store.requests[name]
    some, times_ms = list(islice(requests, pace)), []
    before = store.server.cpu()
    for request in some:
        start_s = time.perf_counter()
        answer = await store.client.ask(request)
        times_ms.append((time.perf_counter() - start_s) * 1e3)
        if answer.status != 200 or b'"ok":false' in answer.body:
            raise BenchError(f"growth: {request[:200]!r} was answered with {answer}")
    used = store.server.cpu().since(before)
    return Turn((used.service_s + used.redis_s) / len(some) * 1e6, times_ms)


def _row(name: str, sizes: Sequence[int], rounds: Sequence[list[Turn]]) -> Row:
    row: Row = {"request": name, "target": "ratio <= 1.3"}
    row |= spread("cpu ratio", [turns[-1].cpu_us / turns[0].cpu_us for turns in rounds])
    for size, turns in zip(sizes, zip(*rounds, strict=True), strict=True):
        row[f"{size:,}: cpu us"] = round(median(turn.cpu_us for turn in turns), 1)
        times_ms = chain.from_iterable(turn.times_ms for turn in turns)
        row[f"{size:,}: p50 ms"] = round(median(times_ms), 3)
    return row
