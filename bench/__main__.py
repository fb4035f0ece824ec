"""`python -m bench`: parses the arguments, runs the parts in order, prints the tables."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence

import uvloop

from bench import (
    BenchError,
    Row,
    before,
    ceiling,
    durability,
    growth,
    insight,
    life,
    live,
    loads,
    mixed,
    outage,
    overload,
    reads,
    steps,
    stored,
)

PARTS = (
    *("ceiling", "insight", "status", "untracked", "send", "reads", "workers"),
    *("mixed", "live", "overload", "outage", "durability", "memory", "growth"),
    "steps",
)
AGAINST = ("before", "life")
SIZES, LARGE = (10_000, 100_000), 1_000_000
MIXED, LIVE, OVERLOAD, OUTAGE = 10, 10, 20, 10
"""How many times `--seconds` each of these parts takes."""


def main() -> int:
    """Runs the chosen parts; prints the figures of each part as soon as it is done.

    Returns:
        the exit status: 1 if a request failed, whatever the figures are.
    """
    options = _options()
    # So that after a SIGTERM, too, every `finally` runs and the servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    figures: dict[str, list[Row]] = {}
    try:
        for name, rows in _against(options) if options.against else _measure(options):
            figures[name] = rows
            if not options.json:
                print(f"{name}\n{_table(rows)}\n", flush=True)
    except (BenchError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(figures))
    return int(any(row.get("failed") for rows in figures.values() for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="See bench/__init__.py.")
    add = parser.add_argument
    against = ",".join(AGAINST)
    add("--only", help=f"parts, comma-separated (all: {','.join(PARTS)}; against: {against})")
    add("--rounds", type=int, default=5, help="of each measurement (%(default)s)")
    length = f"a round (%(default)s); mixed, live, outage: {MIXED} times as long"
    length += f", overload: {OVERLOAD} times"
    add("--seconds", type=int, default=3, help=length)
    add("--large", action="store_true", help=f"growth and steps up to {LARGE:,} messages")
    add("--against", metavar="COMMIT", help="measure only the service against that commit")
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    parts = AGAINST if options.against else PARTS
    options.only = options.only.split(",") if options.only else parts
    if not set(options.only) <= set(parts) or options.rounds < 1 or options.seconds < 1:
        parser.error(f"--only takes {', '.join(parts)}; --rounds and --seconds at least 1")
    return options


def _against(options: argparse.Namespace) -> Iterator[tuple[str, list[Row]]]:
    commit, rounds, seconds = options.against, options.rounds, options.seconds
    if "before" in options.only:
        yield "before", uvloop.run(before.compare(commit, rounds, seconds, _say))
    if "life" in options.only:
        took, kept = uvloop.run(life.compare(commit, rounds, _say))
        yield from (("life", took), ("kept", kept))


def _measure(options: argparse.Namespace) -> Iterator[tuple[str, list[Row]]]:  # noqa: C901, PLR0912  flat
    rounds, seconds = options.rounds, options.seconds
    if "ceiling" in options.only:
        yield "ceiling", uvloop.run(ceiling.compare(rounds, seconds, _say))
    if "insight" in options.only:
        yield "insight", insight.compare(rounds, seconds, _say)
    if names := [name for name in loads.TARGETS if name in options.only]:
        yield "loads", loads.compare(names, rounds, seconds, _say)
    if "reads" in options.only:
        yield "reads", uvloop.run(reads.compare(rounds, seconds, _say))
    if "workers" in options.only:
        yield "workers", loads.workers(rounds, seconds, _say)
    if "mixed" in options.only:
        times, kept = uvloop.run(mixed.measure(seconds * MIXED, _say))
        yield from (("mixed", times), ("kept", kept))
    if "live" in options.only:
        yield "live", uvloop.run(live.measure(seconds * LIVE, _say))
    if "overload" in options.only:
        yield "overload", uvloop.run(overload.measure(seconds * OVERLOAD, _say))
    if "outage" in options.only:
        yield "outage", uvloop.run(outage.measure(seconds * OUTAGE, _say))
    if "durability" in options.only:
        yield "durability", durability.compare(rounds, seconds, _say)
    if "memory" in options.only:
        yield "memory", stored.memory(SIZES[-1], _say)
    if "growth" in options.only:
        sizes = (*SIZES, LARGE) if options.large else SIZES
        yield "growth", uvloop.run(growth.compare(sizes, rounds, _say))
    if "steps" in options.only:
        yield "steps", uvloop.run(steps.measure(LARGE if options.large else SIZES[-1], _say))


def _say(progress: str) -> None:
    if sys.stderr.isatty():
        print(progress, file=sys.stderr)


def _table(rows: Sequence[Row]) -> str:
    """The rows as a table, or its transpose if that is narrower."""
    lines = [list(rows[0]), *(list(map(_cell, row.values())) for row in rows)]
    return min(_aligned(lines), _aligned(list(zip(*lines, strict=True))), key=_width)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def _width(table: str) -> int:
    return table.index("\n")


def _cell(value: float | str) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
