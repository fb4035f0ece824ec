"""Measures two servers under the same load of wrk, in turns."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import BenchError, Row, Say
from bench.processes import Server, wrk

WARM_UP_S = 1


class Duel(NamedTuple):
    """A load, the service to measure, and the rival that it is compared with.

    Attributes:
        requests: a file of `save_requests`.
        reset: called before each round.
    """

    name: str
    target: str
    rival: Server
    service: Server
    requests: Path
    connections: int
    reset: Callable[[], None] = lambda: None


class Figures(NamedTuple):
    """The figures of one round of wrk against a server; processor time is in µs a request."""

    per_s: float
    p50_ms: float
    p99_ms: float
    service_us: float
    redis_us: float
    wrk_us: float
    failed: float

    @property
    def cpu_us(self) -> float:
        """The processor time of the server and its Redis together."""
        return self.service_us + self.redis_us


Pair = tuple[Figures, Figures]
"""The figures of one round: the rival's, then the service's."""


def run(duels: Sequence[Duel], rounds: int, seconds: int, say: Say) -> list[list[Pair]]:
    """Runs the duels; returns the rounds of each. The rival and the service go first in turns."""
    results: list[list[Pair]] = [[] for _ in duels]
    for number in range(rounds + 1):
        for duel, pairs in zip(duels, results, strict=True):
            say(f"{duel.name}: " + (f"round {number} of {rounds}" if number else "warming up"))
            pairs.append(one_round(duel, seconds if number else WARM_UP_S, first=number % 2))
    return [pairs[1:] for pairs in results]


def one_round(duel: Duel, seconds: int, *, first: int) -> Pair:
    """Measures both sides; `first` says which one goes first: 0 the rival, 1 the service."""
    duel.reset()
    sides = (duel.rival, duel.service)
    measured = {side: measure(duel, sides[side], seconds) for side in (first, 1 - first)}
    return measured[0], measured[1]


def measure(duel: Duel, server: Server, seconds: int) -> Figures:
    """Runs one round of wrk against one server."""
    before = server.cpu()
    with wrk(server, duel.requests, seconds, duel.connections) as running:
        found = running.figures()
    used, count = server.cpu().since(before), found["requests"]
    if not count:
        raise BenchError(f"{duel.name}: not one answer from {server.url}")
    return Figures(
        per_s=count / found["duration_us"] * 1e6,
        p50_ms=found["p50_us"] / 1e3,
        p99_ms=found["p99_us"] / 1e3,
        service_us=used.service_s / count * 1e6,
        redis_us=used.redis_s / count * 1e6,
        wrk_us=found["cpu_us"] / count,
        failed=sum(found[name] for name in ("over_399", "connect", "broken", "late")),
    )


def medians(pairs: Sequence[Pair]) -> Pair:
    """The median of each figure over the rounds, for the rival and for the service."""
    rival, service = (
        Figures(*map(median, zip(*(pair[side] for pair in pairs), strict=True))) for side in (0, 1)
    )
    return rival, service


def row(duel: Duel, pairs: Sequence[Pair]) -> Row:
    """The figures of a duel as a row. Ratios are the service by the rival."""
    rival, service = medians(pairs)
    return {
        "load": duel.name,
        "target": duel.target,
        **spread("req/s ratio", [service.per_s / rival.per_s for rival, service in pairs]),
        **spread("cpu ratio", [service.cpu_us / rival.cpu_us for rival, service in pairs]),
        "req/s": round(service.per_s),
        "rival req/s": round(rival.per_s),
        "p50 ms": round(service.p50_ms, 2),
        "rival p50 ms": round(rival.p50_ms, 2),
        "p99 ms": round(service.p99_ms, 2),
        "rival p99 ms": round(rival.p99_ms, 2),
        "service us": round(service.service_us, 1),
        "redis us": round(service.redis_us, 1),
        "rival us": round(rival.service_us, 1),
        "rival redis us": round(rival.redis_us, 1),
        "wrk us": round(service.wrk_us, 1),
        "failed": int(sum(figures.failed for pair in pairs for figures in pair)),
    }


def spread(name: str, ratios: Sequence[float]) -> Row:
    """The median, the least and the greatest of the rounds' ratios."""
    return {
        name: round(median(ratios), 3),
        f"{name}, least": round(min(ratios), 3),
        f"{name}, most": round(max(ratios), 3),
    }
