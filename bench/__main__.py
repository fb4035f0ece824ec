"""`python -m bench`: arguments, the parts in their order, the tables."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence

from bench import BenchError, Row, loads, stored

PARTS = ("status", "send", "memory", "pages")
FEW, MANY, LARGE = 1_000, 100_000, 1_000_000


def main() -> int:
    """Runs the parts that were asked for and prints their figures.

    Returns:
        the exit status: 1 when a request failed, whatever the figures are.
    """
    options = _options()
    # So that a SIGTERM, too, goes through every `finally` and stops the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        figures = _measure(options)
    except (BenchError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    tables = "\n\n".join(_table(rows) for rows in figures.values())
    print(json.dumps(figures) if options.json else tables)
    return int(any(row.get("failed") for rows in figures.values() for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="See bench/__init__.py.")
    add = parser.add_argument
    add("--only", default=",".join(PARTS), help="parts, comma-separated (all: %(default)s)")
    add("--rounds", type=int, default=5, help="of wrk against each server (%(default)s)")
    add("--seconds", type=int, default=5, help="a round (%(default)s)")
    add("--large", action="store_true", help=f"time pages in {LARGE:,} messages, not {MANY:,}")
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if not set(options.only) <= set(PARTS) or options.rounds < 1 or options.seconds < 1:
        parser.error(f"--only takes {', '.join(PARTS)}; --rounds and --seconds at least 1")
    return options


def _measure(options: argparse.Namespace) -> dict[str, list[Row]]:
    figures = {}
    if names := [name for name in loads.SCRIPTS if name in options.only]:
        figures["loads"] = loads.compare(names, options.rounds, options.seconds, _say)
    if "memory" in options.only:
        figures["memory"] = stored.memory(MANY, _say)
    if "pages" in options.only:
        figures["pages"] = stored.pages(FEW, LARGE if options.large else MANY, _say)
    return figures


def _say(progress: str) -> None:
    if sys.stderr.isatty():
        print(progress, file=sys.stderr)


def _table(rows: Sequence[Row]) -> str:
    lines = [list(rows[0]), *(list(map(_cell, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def _cell(value: float | str) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
