"""Reads the files of `import`: lines of text in any encoding, compressed or not, and JSON lines."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

from service.errors import BadRequest, CommandError, TrackerError
from service.models.lines import reports_in
from service.models.rows import Table
from service.ndjson import MOST_LINE_BYTES
from service.reports import Report

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_SOME = 20
TOO_LONG = "The line is too long; at most 1 MiB is allowed."


class CutShort(TrackerError):
    """A file ends before it should, or can't be read from here on."""


class Line(NamedTuple):
    """One message of a source.

    Attributes:
        number: of the line that it begins in.
        found: the reports of the line, none if it is empty; or the error of the line; or the
            error that ends the file, which isn't a line.
    """

    number: int
    found: list[Report] | BadRequest | CutShort


class Source(NamedTuple):
    """Bytes to read, and how far they are read.

    Attributes:
        file: the bytes, unpacked.
        done: how many bytes have been read, as the file has them.
        total: how many there are; None where nobody knows.
    """

    file: io.BufferedReader
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
        # Either has what a text is read from: peek and read1.
        unpacked = gzip.GzipFile(fileobj=file) if packed else file
        yield Source(cast("io.BufferedReader", unpacked), lambda: counted.done, total)
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
    """The lines. If the bytes are broken, the last one says so."""
    number = 0
    try:
        for line in lines:
            number = line.number
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        sentence = "The file is broken gzip: from here on, or a little before, it can't be read."
        yield Line(number + 1, CutShort(sentence))
    except UnicodeError:  # what of a text isn't in its encoding is marked instead, see `_marked`
        yield Line(number + 1, CutShort("The file is not in the encoding that --encoding says."))


def json_lines(file: io.BufferedReader, table: Table, encoding: str = "utf-8") -> Iterator[Line]:
    """The messages of a source with one JSON object a line.

    Args:
        file: the source.
        table: reads the lines that aren't in the form of an export.
        encoding: the encoding of the text.

    Raises:
        CommandError: it is in another encoding, by its first bytes.
    """
    for number, line in texts_of(file, encoding):
        try:
            yield Line(number, _reports_of_json(line, table, encoding))
        except BadRequest as error:
            yield Line(number, error)


def _reports_of_json(line: str | None, table: Table, encoding: str) -> list[Report]:
    if line is None:
        raise BadRequest(TOO_LONG)
    if not line.strip():
        return []
    refuse_other_encodings(line, encoding)
    try:
        pairs = json.loads(line, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise BadRequest(
            "The line is not valid JSON; it must be a JSON object. CSV needs --format csv, or a "
            "name that ends in .csv."
        ) from None
    if not isinstance(pairs, _Pairs):
        raise BadRequest("The line must be a JSON object.")
    names = tuple(name for name, _ in pairs)
    if "record" not in names:
        return table.reports(names, [value for _, value in pairs])
    if len(set(names)) < len(names):
        raise BadRequest("The line has a field twice.")
    return reports_in(line.encode())


class _Pairs(list[tuple[str, object]]):
    """All fields of a JSON object, repeated ones too."""


def texts_of(file: io.BufferedReader, encoding: str) -> Iterator[tuple[int, str | None]]:
    """Lines with their numbers and line ends; None for a line that is too long.

    Raises:
        CommandError: the file is in another encoding, by its first bytes.
    """
    _refuse_other_mark(file.peek(_SOME)[:_SOME], codecs.lookup(encoding).name)
    text = io.TextIOWrapper(file, encoding, errors=_MARKED, newline="")
    number, whole = 0, True
    while piece := text.readline(MOST_LINE_BYTES):
        ended = piece.endswith(("\n", "\r")) or len(piece) < MOST_LINE_BYTES
        if whole:
            number += 1
            line = piece.removeprefix("\ufeff") if number == 1 else piece
            yield number, line if ended else None
        whole = ended


def _refuse_other_mark(head: bytes, encoding: str) -> None:
    """Refuses a file if its first bytes show another encoding."""
    if encoding.startswith("utf-16"):
        return
    if head.startswith(_BOM) and encoding not in {"utf-8", "utf-8-sig"}:
        raise CommandError("The file begins as UTF-8 does: leave --encoding out.")
    looks_like, long = "", len(head) >= _SOME
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        looks_like = "utf-16"
    elif long and not any(head[1:_SOME:2]):
        looks_like = "utf-16-le"
    elif long and not any(head[:_SOME:2]):
        looks_like = "utf-16-be"
    if looks_like:
        raise CommandError(
            "The file is not UTF-8; it looks like UTF-16, which spreadsheets call Unicode text. "
            f"Save it as UTF-8, or give --encoding {looks_like}."
        )


def refuse_other_encodings(text: str, encoding: str) -> None:
    """Refuses a text if its bytes were in another encoding than the file's.

    Raises:
        BadRequest: they were; the error says which encoding it looks like.
    """
    if text.isascii():
        return
    if marked := _MARKS.findall(text):
        named = codecs.lookup(encoding).name.upper()
        guess = ""
        if named == "UTF-8" and _MARKS.sub("", text).isascii() and _NO_LETTERS.isdisjoint(marked):
            guess = (
                "; it looks like Windows-1252. Save the file as UTF-8, or give --encoding "
                "windows-1252"
            )
        raise BadRequest(f"The line is not {named}{guess}.")
    if _is_utf8(text, encoding):
        raise BadRequest("The line is UTF-8: import such lines without --encoding.")


def _is_utf8(text: str, encoding: str) -> bool:
    """Whether a text that was read in a single-byte encoding was UTF-8 in fact."""
    if codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}:
        return False
    raw = text.encode(encoding, "replace")
    try:
        return len(raw) == len(text) and raw.decode() != text
    except UnicodeDecodeError:
        return False


def _marked(error: UnicodeError) -> tuple[str, int]:
    """Replaces bytes that the encoding doesn't know by half surrogates, which no real text has."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


_MARKED = "marked"
codecs.register_error(_MARKED, _marked)
_MARKS = re.compile("[\ud800-\udfff]")
_NO_LETTERS = {chr(0xDC00 + byte) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
"""The half surrogates of the bytes that Windows-1252 doesn't know."""
