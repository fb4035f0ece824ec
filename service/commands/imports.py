"""`import`: merges messages from a file: our own export, or somebody else's table."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain, islice
from typing import IO, NamedTuple

import click

from service.commands.common import Writer, conclude, counted, open_store, progress, resolve, run
from service.commands.sources import Line, csv_rows, json_lines, lines_of, open_source
from service.config import Settings
from service.errors import BadRequest
from service.models.rows import FIELDS, Table
from service.reports import Report
from service.scripts import Merged, Outcome

_LINES_AT_ONCE = 1_000
_MOST_SHOWN = 100


class _Plan(NamedTuple):
    """What to import: `columns` and the rest are of `Table`."""

    file: str
    form: str
    delimiter: str
    columns: dict[str, str]
    statuses: dict[str, str]
    defaults: dict[str, str]
    dry_run: bool


def _pairs(
    _context: click.Context, _option: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    """The NAME=VALUE of an option that may be given often."""
    pairs = dict(value.partition("=")[::2] for value in values if "=" in value)
    if len(pairs) < len(values):
        raise click.BadParameter("it must be NAME=VALUE, each NAME once.")
    return pairs


def _fields(
    context: click.Context, option: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    """As `_pairs`, each name one of a message's fields."""
    pairs = _pairs(context, option, values)
    for name in pairs:
        if name not in FIELDS:
            raise click.BadParameter(f"{name} is none of {', '.join(FIELDS)}.")
    return pairs


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(["ndjson", "csv"]),
    help="Lines of JSON, or CSV with a row of names; default: by the file's name.",
)
@click.option("--delimiter", default=",", help="Between the cells of CSV.")
@click.option(
    "--map",
    "columns",
    multiple=True,
    callback=_fields,
    help="FIELD=COLUMN: what the file calls it.",
)
@click.option(
    "--status-map",
    "statuses",
    multiple=True,
    callback=_pairs,
    help="WORD=STATUS: what a word of the file's means; nothing behind the = is no status.",
)
@click.option(
    "--set",
    "defaults",
    multiple=True,
    callback=_fields,
    help="FIELD=VALUE: for the lines that leave it out.",
)
@click.option("--dry-run", is_flag=True, help="Read and check only.")
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stdout.")
def import_(file: str, form: str | None, *, as_json: bool, **rest: object) -> None:
    """Merge the messages in FILE into the store; - is stdin.

    FILE is an export of ours, or another table as NDJSON or CSV, compressed or not. Doing it again
    changes nothing.
    """
    form = form or ("csv" if file.removesuffix(".gz").endswith(".csv") else "ndjson")
    plan = _Plan(file, form, **rest)  # type: ignore[arg-type]  # as the options have them
    if len(plan.delimiter) != 1:
        raise click.UsageError("--delimiter must be one character.")
    tally = run(lambda settings: _import(settings, plan))
    conclude(tally.sentence(dry_run=plan.dry_run), tally.figures(), as_json=as_json, err=False)
    if tally.refused:
        sys.exit(1)


class Tally:
    """What became of the lines."""

    def __init__(self) -> None:
        self.lines = 0
        self.refused = 0
        self.outcomes: Counter[str] = Counter()

    def note(self, line: Line) -> list[Report]:
        """Counts a line, and says what is wrong with it if it can't be read.

        Returns:
            its reports.
        """
        self.lines += 1
        if not isinstance(line.found, BadRequest):
            return line.found
        self.refused += 1
        if self.refused <= _MOST_SHOWN:
            click.echo(f"line {line.number}: {line.found.sentence}", err=True)
        elif self.refused == _MOST_SHOWN + 1:
            click.echo("More lines can't be read; they are counted.", err=True)
        return []

    def note_merged(self, merged: Sequence[Merged]) -> None:
        """Counts what the reports of one line did: the first that did something says it."""
        outcomes = [one.outcome for one in merged]
        done = (outcome for outcome in outcomes if outcome is not Outcome.UNCHANGED)
        self.outcomes[next(done, outcomes[0])] += 1

    def figures(self) -> dict[str, int]:
        """For machines."""
        return {"lines": self.lines, "refused": self.refused, **self.outcomes}

    def sentence(self, *, dry_run: bool) -> str:
        """For people."""
        counts = [f"{number:,} {outcome}" for outcome, number in sorted(self.outcomes.items())]
        done = ["nothing written"] if dry_run else counts or ["nothing to write"]
        return f"Read {counted(self.lines, 'line')}: {', '.join(done)}; {self.refused:,} refused."


async def _import(settings: Settings, plan: _Plan) -> Tally:
    tally = Tally()
    async with AsyncExitStack() as stack:
        source = stack.enter_context(open_source(resolve(plan.file)))
        lines = lines_of(_messages_of(plan, source.file))
        taken = await _take(lines)  # a file of another kind is known by these
        writer = None
        if not plan.dry_run:
            writer = Writer(await stack.enter_async_context(open_store(settings)))
        move = stack.enter_context(progress("Importing", source.total, in_bytes=True))
        while taken:
            some = [reports for line in taken if (reports := tally.note(line))]
            if writer:
                await writer.put(list(chain(*some)), partial(_note, tally, some))
            move(source.done())
            taken = await _take(lines)
        if writer:
            await writer.finish()
    return tally


async def _take(lines: Iterator[Line]) -> list[Line]:
    """The next lines. In a thread: a pipe may have none for long, and writing goes on meanwhile."""
    return await asyncio.to_thread(list, islice(lines, _LINES_AT_ONCE))


def _note(tally: Tally, some: Sequence[Sequence[Report]], merged: Sequence[Merged]) -> None:
    """Counts what became of some lines, of which there are the reports."""
    rest = iter(merged)
    for reports in some:
        tally.note_merged(list(islice(rest, len(reports))))


def _messages_of(plan: _Plan, file: IO[bytes]) -> Iterator[Line]:
    table = Table(
        columns=plan.columns,
        statuses=plan.statuses,
        defaults=plan.defaults,
        now_us=time.time_ns() // 1_000,
    )
    if plan.form == "csv":
        return csv_rows(file, table, plan.delimiter)
    return json_lines(file, table)
