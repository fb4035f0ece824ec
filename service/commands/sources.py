"""What `import` reads: lines of JSON or rows of CSV, compressed or not, of any length."""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import orjson

from service.errors import BadRequest, CommandError
from service.models.lines import reports_in
from service.models.rows import Table
from service.ndjson import MOST_LINE_BYTES
from service.reports import Report

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One message of a source: where it stands, and what it reports or why it can't be read."""

    number: int
    found: list[Report] | BadRequest


class Source(NamedTuple):
    """Bytes to read, and how far they are read.

    Attributes:
        file: the bytes, unpacked.
        done: how many bytes have been read, as the file has them.
        total: how many there are; None where nobody knows.
    """

    file: IO[bytes]
    done: Callable[[], int]
    total: int | None


@contextmanager
def open_source(path: Path | None) -> Iterator[Source]:
    """The bytes of a file, or of stdin; gzip is known by its first two bytes."""
    raw = sys.stdin.buffer if path is None else path.open("rb")
    total = path.stat().st_size if path is not None and path.is_file() else None
    counted = _Counted(cast("io.BufferedReader", raw))
    file = io.BufferedReader(counted, 2**16)
    packed = file.peek(2)[:2] == _GZIP
    try:
        unpacked = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
        yield Source(unpacked, lambda: counted.done, total)
    finally:
        raw.close()


class _Counted(io.RawIOBase):
    """Counts the bytes that go by."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of any writable one
        number = self._raw.readinto1(buffer)
        self.done += number
        return number


def lines_of(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines; where packed bytes turn out to be broken, one that says so is the last."""
    number = 0
    try:
        for line in lines:
            number = line.number
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        sentence = "The file is broken gzip: from here on, or a little before, it can't be read."
        yield Line(number + 1, BadRequest(sentence))


def json_lines(file: IO[bytes], table: Table) -> Iterator[Line]:
    """The messages of a source with one JSON object a line.

    Args:
        file: the source.
        table: reads lines that are not of our own form.
    """
    for number, line in _lines(file):
        try:
            yield Line(number, _reports_of_json(line, table))
        except BadRequest as error:
            yield Line(number, error)


def _reports_of_json(line: bytes | None, table: Table) -> list[Report]:
    if line is None:
        raise BadRequest("The line is too long; at most 1 MiB is allowed.")
    try:
        cells = orjson.loads(line)
    except ValueError:
        raise BadRequest("The line is not valid JSON; it must be a JSON object.") from None
    if not isinstance(cells, dict):
        raise BadRequest("The line must be a JSON object.")
    return reports_in(line) if "record" in cells else table.reports(cells)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their numbers, without blank ones; None for one that is too long."""
    number, whole = 0, True
    while piece := file.readline(MOST_LINE_BYTES):
        ended = piece.endswith(b"\n") or len(piece) < MOST_LINE_BYTES
        if whole:
            number += 1
            line = piece.removeprefix(_BOM) if number == 1 else piece
            if not ended or line.strip():
                yield number, line if ended else None
        whole = ended


def csv_rows(file: IO[bytes], table: Table, delimiter: str) -> Iterator[Line]:
    """The messages of a CSV file whose first row names its columns.

    Raises:
        CommandError: it has no such row, or it lacks a column that is needed.
    """
    # Bytes that are no UTF-8 become halves of surrogate pairs, which no field may hold.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    lines = iter(lambda: text.readline(MOST_LINE_BYTES), "")
    rows = csv.reader(lines, delimiter=delimiter)
    header = _header_of(rows)
    if missing := table.missing(header):
        raise CommandError(
            f"The first line of the file must name its columns; none of them is {missing}. Say by "
            "--map what the file calls a field, by --delimiter what stands between cells."
        )
    while True:
        try:
            row = next(rows, None)
            if row is None:
                return
            if row:
                yield Line(rows.line_num, table.reports(_cells(header, row)))
        except csv.Error:
            yield Line(rows.line_num, BadRequest("The line is no CSV."))
        except BadRequest as error:
            yield Line(rows.line_num, error)


def _header_of(rows: Iterator[list[str]]) -> list[str]:
    try:
        return next(rows, [])
    except csv.Error:
        return []


def _cells(header: list[str], row: list[str]) -> Mapping[str, object]:
    if len(row) != len(header):
        raise BadRequest(f"The line must have {len(header)} cells, as many as the first line.")
    return dict(zip(header, row, strict=True))
