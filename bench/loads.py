"""Requests a second against the bare handler, by wrk."""

from collections.abc import Callable, Sequence
from statistics import median

from bench import BenchError, Row
from bench.processes import Server, serve, wrk

CONNECTIONS = 64
WARM_UP_S = 1
SCRIPTS = {"status": "message-status", "send": "track-send"}
TARGETS = {"status": ">= 0.75", "send": ">= 0.4"}

Pair = tuple[dict[str, float], dict[str, float]]
"""What one round measured of the bare server and of the service."""


def compare(
    names: Sequence[str], rounds: int, seconds: int, say: Callable[[str], None]
) -> list[Row]:
    """Measures the named loads in turns and returns a row for each."""
    pairs: dict[str, list[Pair]] = {name: [] for name in names}
    with serve("bench.bare") as bare, serve("service") as service:
        for run in range(rounds + 1):
            for name in names:
                say(f"{name}: round {run} of {rounds}" if run else f"{name}: warming up")
                length = seconds if run else WARM_UP_S
                pair = _measure(bare, name, run, length), _measure(service, name, run, length)
                pairs[name] += [pair] if run else []
    return [_row(name, pairs[name]) for name in names]


def _measure(server: Server, name: str, run: int, seconds: int) -> dict[str, float]:
    before_s = server.cpu_s()
    figures = wrk(server, SCRIPTS[name], run, seconds, CONNECTIONS)
    used_s = server.cpu_s() - before_s
    if not figures["requests"]:
        raise BenchError(f"{name}: not one answer from {server.url}")
    return {
        "per_s": figures["requests"] / figures["duration_us"] * 1e6,
        "p50_ms": figures["p50_us"] / 1e3,
        "p99_ms": figures["p99_us"] / 1e3,
        "cpu_us": used_s / figures["requests"] * 1e6,
        "failed": figures["failed"],
    }


def _row(name: str, pairs: Sequence[Pair]) -> Row:
    bare, service = (
        {figure: median(pair[side][figure] for pair in pairs) for figure in pairs[0][side]}
        for side in (0, 1)
    )
    ratios = [service["per_s"] / bare["per_s"] for bare, service in pairs]
    return {
        "load": SCRIPTS[name],
        "ratio": round(median(ratios), 3),
        "target": TARGETS[name],
        "least": round(min(ratios), 3),
        "most": round(max(ratios), 3),
        "req/s": round(service["per_s"]),
        "bare req/s": round(bare["per_s"]),
        "p50 ms": round(service["p50_ms"], 2),
        "bare p50 ms": round(bare["p50_ms"], 2),
        "p99 ms": round(service["p99_ms"], 2),
        "bare p99 ms": round(bare["p99_ms"], 2),
        "cpu us": round(service["cpu_us"], 1),
        "bare cpu us": round(bare["cpu_us"], 1),
        "failed": int(sum(figures["failed"] for pair in pairs for figures in pair)),
    }
