"""Reads CSV row by row. A forgotten quote costs its own line, not the lines after it.

A row is one line, or several lines if a quoted cell holds line ends. Several lines are one row only
if the quote is closed at the end of a cell, and if no line after the first could be a row by
itself. Otherwise we can't know where the mistake is, and each of the lines is refused.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.commands.foreign_rows import Table
from service.commands.input_files import (
    TOO_LONG,
    CutShort,
    Line,
    read_texts,
    refuse_other_encodings,
    say_unread,
)
from service.domain.report import Report
from service.errors import BadRequest, CommandError
from service.models import sheets

Text = tuple[int, str | None]
"""The number of a line, and its text; None if it is too long."""

_MOST_IN_QUOTES = 2**16
"""How many characters of the following lines are read to find the end of a quoted cell."""

_INSIDE_QUOTES = re.compile(r'(?:[^"]|"")*+')
_UNCLOSED = (
    "A quote opens in this line and isn't closed at the end of a cell. A quote within a quoted "
    'cell must be written twice: "".'
)
_UNCLEAR = (
    "A quote opens in this line, and lines behind it may be rows or parts of its cell. Close the "
    "quote, or write the cell in one line."
)
_DELIMITERS = {";": "';'", "\t": "tab", "|": "'|'", ",": "','"}


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        number: the number of its first line.
        cells: empty if the line is blank; an error if the row can't be read.
    """

    number: int
    cells: list[str] | BadRequest | CutShort


def csv_rows(
    file: io.BufferedReader, table: Table, delimiter: str, encoding: str = "utf-8"
) -> Iterator[Line]:
    """The messages of a CSV file. Its first row names its columns.

    Raises:
        CommandError: it has no such row, or the row lacks a column or has one twice, or the first
            bytes show that the file is in another encoding.
    """
    if file.peek(1)[:1] == b"{":
        raise CommandError("The lines seem to be JSON: give --format ndjson.")
    rows = csv_rows_of(read_texts(file, encoding), delimiter)
    header = header_of(rows, table, delimiter, encoding)
    if sheets.is_failures_csv(header):
        rows = _without_guards(rows)
    else:
        say_unread(table.unread(header))
    for row in rows:
        yield Line(row.number, _found_in(row, header, table, encoding))


def _found_in(
    row: Row, header: tuple[str, ...], table: Table, encoding: str
) -> list[Report] | BadRequest | CutShort:
    if not isinstance(row.cells, list):
        return row.cells
    if not any(cell.strip() for cell in row.cells):
        return []
    try:
        refuse_other_encodings("".join(row.cells), encoding)
        return table.reports(header, row.cells)
    except BadRequest as error:
        return error


def _without_guards(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of our own list of failures, without the guards against formulas in spreadsheets."""
    number, there, said = 1, 0, None
    for number, cells in rows:
        if not isinstance(cells, list):
            there += 1
            yield Row(number, cells)
        elif (rows_said := sheets.rows_said(cells)) is not None:
            said = rows_said + (said or 0)
        else:
            there += any(cells)
            yield Row(number, [sheets.text_in(cell) for cell in cells])
    if said != there:
        yield Row(number + 1, CutShort(_difference(said, there)))


def _difference(said: int | None, there: int) -> str:
    if said is None:
        return (
            "The list is cut short: its last line doesn't say how many rows it has. The rows in it "
            "were read; download it again for the rest."
        )
    return (
        f"The list has {there:,} rows, but its last line says {said:,}. Its rows were read; if "
        "rows are missing, download it again."
    )


def header_of(rows: Iterator[Row], table: Table, delimiter: str, encoding: str) -> tuple[str, ...]:
    """The names of the columns, from the first row that isn't blank.

    Raises:
        CommandError: they can't be read, or a column that the table needs is missing or there
            twice.
    """
    first = next((row for row in rows if row.cells), Row(1, []))
    try:
        if not isinstance(first.cells, list):
            raise first.cells
        refuse_other_encodings("".join(first.cells), encoding)
        header = tuple(first.cells)
        table.column_indexes(header)  # raises if a field has two columns
    except (BadRequest, CutShort) as error:
        raise CommandError(f"line {first.number}: {error}") from None
    if missing := table.missing(header):
        raise CommandError(
            f"The first line of the file must name its columns; none of them is {missing}. "
            + _advice(header, delimiter)
        )
    return header


def _advice(header: tuple[str, ...], delimiter: str) -> str:
    first = header[0] if header else ""
    if first.lower().startswith("sep="):
        return "Remove the line sep=, which is for spreadsheets alone."
    for other, written in _DELIMITERS.items():
        if len(header) == 1 and other in first and other != delimiter:
            return _give(written)
    return "Name the file's columns by --map, or what stands between its cells by --delimiter."


def _give(delimiter: str) -> str:
    return f"If the cells are divided by {delimiter}, give --delimiter {delimiter}."


class _Ahead:
    """An iterator over lines. Lines that were read ahead can be put back."""

    def __init__(self, lines: Iterator[Text]) -> None:
        self._lines = lines
        self._back: deque[Text] = deque()

    def __iter__(self) -> Iterator[Text]:
        return self

    def __next__(self) -> Text:
        return self._back.popleft() if self._back else next(self._lines)

    def put_back(self, lines: list[Text]) -> None:
        self._back.extendleft(reversed(lines))


def csv_rows_of(lines: Iterator[Text], delimiter: str) -> Iterator[Row]:
    """The rows of a file. The first row that isn't blank sets the number of cells for all."""
    ahead = _Ahead(lines)
    width = 0
    for number, text in ahead:
        if text is None:
            yield Row(number, BadRequest(TOO_LONG))
        elif not text.strip():
            yield Row(number, [])
        else:
            others: list[Text] = []
            try:
                cells = _cells_of(text, ahead, others, delimiter)
            except BadRequest as error:
                ahead.put_back(others)
                yield Row(number, error)
            else:
                width = width or len(cells)
                yield from _judged(number, cells, others, width, delimiter)


def _judged(
    number: int, cells: list[str], others: Sequence[Text], width: int, delimiter: str
) -> Iterator[Row]:
    """Yields the row, or an error for each of its lines; `others` are the lines after its first."""
    unclear = any(text is None or text.count(delimiter) >= width - 1 for _, text in others)
    if len(cells) == width and not unclear:
        yield Row(number, cells)
        return
    must = f"The line must have {width} cells, as many as the first line."
    yield Row(number, BadRequest(_UNCLEAR if others else must))
    for other, _ in others:
        yield Row(other, BadRequest(f"The line may belong to a cell that begins in line {number}."))


def _cells_of(text: str, ahead: _Ahead, others: list[Text], delimiter: str) -> list[str]:
    """The cells of a row. Further lines that belong to it are appended to `others`.

    Raises:
        BadRequest: a quote isn't closed, isn't closed at the end of a cell, or opens after a blank.
    """
    if '"' not in text:
        return text.rstrip("\r\n").split(delimiter)
    cells: list[str] = []
    opened = _divide(text, None, cells, delimiter)
    size = 0
    while opened is not None:
        following = next(ahead, None)
        if following is None:
            raise BadRequest(_UNCLOSED)
        others.append(following)
        _, more = following
        size += len(more or "")
        if more is None or size > _MOST_IN_QUOTES:
            raise BadRequest(_UNCLOSED)
        opened = _divide(more, opened, cells, delimiter)
    return cells


def _divide(line: str, opened: str | None, cells: list[str], delimiter: str) -> str | None:
    """Appends the cells of a line to the row's cells.

    Args:
        line: the line, with its line end.
        opened: the text so far of a quoted cell that began in an earlier line; else None.
        cells: the row's cells so far.
        delimiter: stands between cells.

    Returns:
        the text so far of a quoted cell that goes on in the next line; else None.

    Raises:
        BadRequest: a quote stands where none may be.
    """
    end, at = len(line.rstrip("\r\n")), 0
    while True:
        if opened is None and line.startswith('"', at):
            opened, at = "", at + 1
        if opened is None:
            cell, stop = _plain_cell(line, at, end, delimiter)
        else:
            inside = _INSIDE_QUOTES.match(line, at, end)
            stop = inside.end() if inside else at
            opened += line[at:stop]
            if stop == end:
                return opened + line[end:]
            cell, opened = opened.replace('""', '"'), None
            stop = _behind_quote(line, stop + 1, end, delimiter)
        cells.append(cell)
        if stop >= end:
            return None
        at = stop + 1


def _plain_cell(line: str, at: int, end: int, delimiter: str) -> tuple[str, int]:
    """The cell without quotes that begins at `at`, and the index of its end."""
    found = line.find(delimiter, at, end)
    stop = end if found < 0 else found
    cell = line[at:stop]
    if cell.lstrip().startswith('"'):
        raise BadRequest("A blank stands before a cell's quote; the quote must be its beginning.")
    return cell, stop


def _behind_quote(line: str, at: int, end: int, delimiter: str) -> int:
    """The index of a quoted cell's end; blanks may stand after its quote."""
    while line.startswith(" ", at) and delimiter != " ":
        at += 1
    if at < end and line[at] != delimiter:
        written = _DELIMITERS.get(line[at])
        raise BadRequest(f"{_UNCLOSED} {_give(written)}" if written else _UNCLOSED)
    return at
