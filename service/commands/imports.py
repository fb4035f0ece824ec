"""`import`: merges messages from a file: our own export, or another system's table."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC
from functools import partial
from itertools import chain, islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click

from service.commands.common import Writer, conclude, open_store, plural, progress, resolve, run
from service.commands.csv_rows import csv_rows
from service.commands.foreign_rows import FIELDS, Table
from service.commands.input_files import CutShort, Line, json_lines, lines_of, open_source
from service.config import Settings
from service.domain.report import Merged, Outcome, Report
from service.errors import BadRequest
from service.models.fields import STATUSES
from service.models.times import Times, can_be_read

_LINES_AT_ONCE = 1_000
_MOST_SHOWN = 100
_TABS = {"tab": "\t", "\\t": "\t"}


class _Plan(NamedTuple):
    """What to import, by the command's options; `Table` explains most of them."""

    file: str
    form: str
    delimiter: str
    encoding: str
    columns: dict[str, str]
    skipped: tuple[str, ...]
    statuses: dict[str, str]
    defaults: dict[str, str]
    date_formats: tuple[str, ...]
    zone: ZoneInfo | None
    dry_run: bool


def _pairs(
    _context: click.Context, _option: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    """The NAME=VALUE pairs of an option that may be repeated."""
    pairs = dict(value.partition("=")[::2] for value in values if "=" in value)
    if len(pairs) < len(values):
        raise click.BadParameter("it must be NAME=VALUE, each NAME once.")
    return pairs


def _fields(
    context: click.Context, option: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    """Like `_pairs`; each name must be a field of a message."""
    pairs = _pairs(context, option, values)
    for name, value in pairs.items():
        if name not in FIELDS:
            raise click.BadParameter(f"{name} is none of {', '.join(FIELDS)}.")
        if not value:
            raise click.BadParameter(f"{name} has nothing behind its =.")
    return pairs


def _words(
    context: click.Context, option: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    """Like `_pairs`; each value must be a status or empty."""
    pairs = _pairs(context, option, values)
    for status in pairs.values():
        if status not in {"", *STATUSES}:
            raise click.BadParameter(f"what a word means must be {', '.join(STATUSES)} or nothing.")
    return pairs


def _delimiter(_context: click.Context, _option: click.Parameter, value: str) -> str:
    delimiter = _TABS.get(value, value)
    if len(delimiter) != 1 or delimiter in '"\r\n\ufeff':
        raise click.BadParameter("it must be one character, or tab; no quote and no line end.")
    return delimiter


def _encoding(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        known = "wamid".encode(value).decode(value) == "wamid"
    except (LookupError, ValueError):
        known = False
    if not known:
        raise click.BadParameter("it must be an encoding, such as windows-1252 or utf-16.")
    return value


def _date_formats(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    if not all(map(can_be_read, values)):
        raise click.BadParameter(
            "it must have a day, a month and a year, %p only with %I, and no %Z (but %z for "
            "+0530): such as '%d/%m/%Y %H:%M'."
        )
    return values


def _zone(_context: click.Context, _option: click.Parameter, value: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(value) if value is not None else None
    except (LookupError, ValueError, OSError):
        raise click.BadParameter(
            "it must be a time zone of this system's, such as Asia/Kolkata."
        ) from None


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(["ndjson", "csv"]),
    help="Lines of JSON, or CSV with a row of names; default: by the file's name.",
)
@click.option(
    "--delimiter",
    default=",",
    callback=_delimiter,
    help="What stands between the cells of CSV: one character, or tab.",
)
@click.option(
    "--encoding",
    default="utf-8",
    callback=_encoding,
    help="The file's encoding, if it isn't UTF-8: windows-1252, say, or utf-16.",
)
@click.option(
    "--map",
    "columns",
    multiple=True,
    callback=_fields,
    help="FIELD=COLUMN: the file's column that holds the field.",
)
@click.option("--skip", "skipped", multiple=True, help="COLUMN: a column to ignore.")
@click.option(
    "--status-map",
    "statuses",
    multiple=True,
    callback=_words,
    help="WORD=STATUS: what a word of the file's means; nothing behind the = is no status.",
)
@click.option(
    "--set",
    "defaults",
    multiple=True,
    callback=_fields,
    help="FIELD=VALUE: for the lines that leave it out.",
)
@click.option(
    "--date-format",
    "date_formats",
    multiple=True,
    callback=_date_formats,
    help="How the file writes all its times, such as '%d/%m/%Y %H:%M'. May be repeated: the first "
    "that fits is used.",
)
@click.option(
    "--timezone",
    "zone",
    callback=_zone,
    help="The zone of times that name none, such as Asia/Kolkata; default: UTC.",
)
@click.option("--dry-run", is_flag=True, help="Read and check only.")
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stdout.")
def import_(file: str, form: str | None, *, as_json: bool, **rest: object) -> None:
    """Merge the messages in FILE into the store; - is stdin.

    FILE is an export or a list of failures of this service, or another table as NDJSON or CSV,
    compressed or not. Each line is written, or refused with its number and the reason. A second
    import of the same file changes nothing.
    """
    form = form or ("csv" if file.lower().removesuffix(".gz").endswith(".csv") else "ndjson")
    plan = _Plan(file, form, **rest)  # type: ignore[arg-type]  # as the options have them
    tally = run(lambda settings: _import(settings, plan))
    conclude(tally.sentence(), tally.figures(), as_json=as_json, err=False)
    if tally.refused or tally.cut_short:
        sys.exit(1)


class Tally:
    """Counts what became of each line: written (or readable, in a dry run) or refused.

    Args:
        zone: the name of the time zone that is used for times without one.
        dry_run: whether nothing is written.
    """

    def __init__(self, zone: str = "UTC", *, dry_run: bool = False) -> None:
        self._zone = zone
        self._dry_run = dry_run
        self.lines = 0
        self.refused = 0
        self.empty = 0
        self.cut_short = False
        self.repeated = False
        self.without_zone = 0
        self.outcomes: Counter[str] = Counter()

    def note(self, line: Line) -> list[Report]:
        """Counts a line, and prints its error if it can't be read.

        Returns:
            the reports of the line.
        """
        if isinstance(line.found, CutShort):
            self.cut_short = True
            click.echo(f"line {line.number}: {line.found}", err=True)
            return []
        if not line.found:
            self.empty += 1
            return []
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
        """Counts one line by its first report that changed something."""
        outcomes = [one.outcome for one in merged]
        done = (outcome for outcome in outcomes if outcome is not Outcome.UNCHANGED)
        self.outcomes[next(done, outcomes[0])] += 1

    def figures(self) -> dict[str, int | bool]:
        """The summary for machines. `lines` is `refused` plus the counts of the outcomes."""
        others: dict[str, int | bool] = {
            "empty": self.empty,
            "times_without_zone": self.without_zone,
            "cut_short": self.cut_short,
            "repeated": self._is_unsure,
        }
        nonzero = {name: number for name, number in others.items() if number}
        return {"lines": self.lines, "refused": self.refused, **self._taken(), **nonzero}

    @property
    def _is_unsure(self) -> bool:
        """Whether this run may itself have written lines that it counted as unchanged."""
        return self.repeated and Outcome.UNCHANGED in self.outcomes

    def _taken(self) -> dict[str, int]:
        readable = {"readable": self.lines - self.refused}
        return readable if self._dry_run else dict(sorted(self.outcomes.items()))

    def sentence(self) -> str:
        """The summary for people."""
        counts = [f"{number:,} {outcome}" for outcome, number in self._taken().items()]
        done = f"{', '.join(counts) or 'nothing to write'}; {self.refused:,} refused."
        sentences = [f"Read {plural(self.lines, 'line')}: {done}"]
        if self._dry_run:
            sentences.append("Nothing was written.")
        if self.empty:
            sentences.append(f"Passed over {plural(self.empty, 'empty line')}.")
        if self.without_zone:
            sentences.append(
                f"{plural(self.without_zone, 'time')} had no zone, read as {self._zone}"
                + (": --timezone says which it is." if self._zone == "UTC" else ".")
            )
        if self._is_unsure:
            sentences.append(
                "An answer of the store was lost, and what it was for was written again: this "
                "import may itself have created or changed some that are called unchanged."
            )
        return " ".join(sentences)


async def _import(settings: Settings, plan: _Plan) -> Tally:
    tally = Tally(plan.zone.key if plan.zone else "UTC", dry_run=plan.dry_run)
    table = _table_of(plan)
    async with AsyncExitStack() as stack:
        source = stack.enter_context(open_source(resolve(plan.file)))
        lines = lines_of(_messages_of(plan, source.file, table))
        taken = await _take(lines)  # raises for a wrong kind of file, before the store is opened
        store = writer = None
        if not plan.dry_run:
            store = await stack.enter_async_context(open_store(settings))
            writer = Writer(store)
        move = stack.enter_context(progress("Importing", source.total, in_bytes=True))
        while taken:
            some = [reports for line in taken if (reports := tally.note(line))]
            if writer:
                await writer.put(list(chain(*some)), partial(_note, tally, some))
            move(source.done())
            taken = await _take(lines)
        if store and writer:
            await writer.finish()
            tally.repeated = store.tries_lost > 0
    tally.without_zone = table.without_zone
    return tally


async def _take(lines: Iterator[Line]) -> list[Line]:
    """The next lines, at most `_LINES_AT_ONCE`; an empty list at the end."""
    # In a thread: a pipe may have no line for a long time, and writing goes on meanwhile.
    return await asyncio.to_thread(list, islice(lines, _LINES_AT_ONCE))


def _note(tally: Tally, lines: Sequence[Sequence[Report]], merged: Sequence[Merged]) -> None:
    """Counts the outcomes of lines.

    Args:
        tally: counts them.
        lines: the reports of each line.
        merged: the outcomes of all these reports, in the same order.
    """
    rest = iter(merged)
    for reports in lines:
        tally.note_merged(list(islice(rest, len(reports))))


def _table_of(plan: _Plan) -> Table:
    return Table(
        columns=plan.columns,
        skipped=plan.skipped,
        statuses=plan.statuses,
        defaults=plan.defaults,
        times=Times(plan.date_formats, plan.zone or UTC),
        now_us=time.time_ns() // 1_000,
    )


def _messages_of(plan: _Plan, file: io.BufferedReader, table: Table) -> Iterator[Line]:
    if plan.form == "csv":
        return csv_rows(file, table, plan.delimiter, plan.encoding)
    return json_lines(file, table, plan.encoding)
