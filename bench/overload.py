"""Loads the service with far more connections than it can serve, and measures its recovery."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from bench import BenchError, Row, Say
from bench.bodies import STATUS, get, news, post, status_body
from bench.client import Client, client_of
from bench.processes import TIMEOUT_S, Server, Wrk, save_requests, serve, wrk

CONNECTIONS = 10_000
"""A hundred would be enough to keep the service busy."""

PROBES = 50
"""The number of our own connections among those of wrk. wrk doesn't time answered and refused
requests apart."""

REQUESTS = 200_000
_HEALTH = get("/healthz")
_POLL_S, _PAUSE_S = 0.02, 0.2
_SOON_MS = 100
_IN_A_ROW = 20


class Watch:
    """Asks on our own connections, and samples the service's memory.

    Args:
        server: the service.
        client: a client of it.
        requests: an endless iterator of requests.
    """

    def __init__(self, server: Server, client: Client, requests: Iterator[bytes]) -> None:
        self._server = server
        self._client = client
        self._requests = requests
        self.statuses: Counter[int] = Counter()
        self.answered_ms = list[float]()
        self.newcomer_ms = list[float]()
        self.rss_mib = [server.rss_mib()]
        self.connections = 0

    @property
    def odd(self) -> int:
        """The number of broken connections, and of answers that are neither success nor refusal."""
        return sum(self.statuses.values()) - self.statuses[200] - self.statuses[503]

    async def ask(self) -> bool:
        """Sends one request; returns whether it succeeded soon."""
        start_s = time.perf_counter()
        answer = await self._client.ask(next(self._requests))
        took_ms = (time.perf_counter() - start_s) * 1e3
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.answered_ms.append(took_ms)
        return answer.status == 200 and took_ms < _SOON_MS

    async def during(self, load: Wrk) -> None:
        """Asks on every connection, until wrk ends. It doesn't wait after a refusal."""
        probes = [asyncio.create_task(self._go_on()) for _ in range(PROBES)]
        probes.append(asyncio.create_task(self._come_anew()))
        next_s = time.monotonic()
        while load.process.poll() is None:
            await asyncio.sleep(_POLL_S)
            if time.monotonic() > next_s:
                next_s += 1
                self.rss_mib.append(self._server.rss_mib())
                if self.connections < CONNECTIONS / 2:  # wrk is still reading its requests
                    self.answered_ms.clear()
                    self.newcomer_ms.clear()
                self.connections = max(self.connections, self._server.connections())
        for probe in probes:
            probe.cancel()
        await asyncio.wait(probes)

    async def _go_on(self) -> None:
        while True:
            await self.ask()

    async def _come_anew(self) -> None:
        """Asks on a new connection each time."""
        while True:
            start_s = time.perf_counter()
            try:
                async with client_of(self._server) as client:
                    await client.ask(_HEALTH)
            finally:  # the last one, which is cancelled, counts too
                self.newcomer_ms.append((time.perf_counter() - start_s) * 1e3)
            await asyncio.sleep(_PAUSE_S)

    async def until_well(self) -> float:
        """Waits until single requests are answered soon again; returns after how many seconds."""
        start_s, well, in_a_row = time.monotonic(), 0.0, 0
        while in_a_row < _IN_A_ROW:
            begun_s = time.monotonic() - start_s
            if begun_s > TIMEOUT_S:
                raise BenchError(f"the service did not recover within {TIMEOUT_S} s")
            in_a_row = in_a_row + 1 if await self.ask() else 0
            well = begun_s if in_a_row <= 1 else well
            await asyncio.sleep(_POLL_S)
        return well


async def measure(seconds: int, say: Say) -> list[Row]:
    """Loads one worker for this number of seconds; returns a row of figures."""
    connections = CONNECTIONS
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as folder, serve("service") as server:
        say("overload: making the requests")
        requests = [post(STATUS, status_body(item)) for item in islice(news(10**6), REQUESTS)]
        file = save_requests(Path(folder, "requests"), requests)
        async with client_of(server) as client:
            watch = Watch(server, client, cycle(requests))
            say(f"overload: {connections:,} connections for {seconds} s")
            with wrk(server, file, seconds, connections - PROBES, "count-refusals") as load:
                await watch.during(load)
                found = load.figures()
        async with client_of(server) as client:
            after = Watch(server, client, cycle(requests))
            well_s = await after.until_well()
    return [_row(connections, found, watch) | _after(after, well_s)]


def _row(connections: int, found: dict[str, int], watch: Watch) -> Row:
    if len(watch.answered_ms) < 2:
        raise BenchError(f"next to nothing was answered under overload: {watch.statuses}")
    cuts = quantiles(watch.answered_ms, n=100, method="inclusive")
    return {
        "connections": connections,
        "target": "p99 < 1,000 ms, well < 5 s",
        "answered p50 ms": round(median(watch.answered_ms)),
        "answered p99 ms": round(cuts[98]),
        "answered most ms": round(max(watch.answered_ms)),
        "timed": len(watch.answered_ms),
        "newcomers": len(watch.newcomer_ms),
        "newcomer p50 ms": round(median(watch.newcomer_ms)),
        "newcomer most ms": round(max(watch.newcomer_ms)),
        "connections accepted": watch.connections,
        "req/s": round(found["requests"] / found["duration_us"] * 1e6),
        "answered": found["requests"] - found["over_399"],
        "refused (503)": found["refused"],
        "failed": found["over_399"] - found["refused"] + found["broken"] + watch.odd,
        "late (over 2 s, or to connect)": found["late"],
        "rss MiB before": round(watch.rss_mib[0]),
        "after a third": round(watch.rss_mib[len(watch.rss_mib) // 3]),
        "at the end": round(watch.rss_mib[-1]),
        "most": round(max(watch.rss_mib)),
    }


def _after(after: Watch, well_s: float) -> Row:
    return {"well again after s": round(well_s, 2), "rss MiB then": round(after.rss_mib[-1])}
