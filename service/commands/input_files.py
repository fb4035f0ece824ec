"""Reads the files of `import`: text in any encoding, compressed or not, and lines of JSON."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import click

from service.commands.foreign_rows import Table
from service.commands.record_lines import RecordLine, reports_of_line
from service.domain.report import Report
from service.errors import BadRequest, CommandError, TrackerError
from service.models.ndjson import MOST_LINE_BYTES

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""The first bytes of xlsx, ods and zip; of xls; and of files that other packers made."""
_HEAD_BYTES = 20
_MOST_NAMED, _MOST_REMEMBERED = 20, 1_000
_RECORD_FIELDS = frozenset(RecordLine.__struct_fields__)
_UTF_8 = {"utf-8", "utf-8-sig"}
TOO_LONG = "The line is too long; at most 1 MiB is allowed."


class CutShort(TrackerError):
    """The file ends too early, or can't be read any further."""


class Line(NamedTuple):
    """One message of a source, or the end of a file that is cut short.

    Attributes:
        number: the number of the message's first line.
        found: the message's reports, none if the line is empty; or the error of the line; or a
            CutShort, which stands for no line and ends the file.
    """

    number: int
    found: list[Report] | BadRequest | CutShort


class Source(NamedTuple):
    """A file to read, and the progress in it.

    Attributes:
        file: the unpacked bytes.
        done: how many bytes of the (perhaps packed) file have been read.
        total: how many bytes the file has; None if that isn't known.
    """

    file: io.BufferedReader
    done: Callable[[], int]
    total: int | None


@contextmanager
def open_source(path: Path | None) -> Iterator[Source]:
    """Opens a file, or stdin for None. Unpacks gzip, which is recognised by its first two bytes."""
    raw = sys.stdin.buffer if path is None else path.open("rb")
    total = path.stat().st_size if path is not None and path.is_file() else None
    counted = _Counted(cast("io.BufferedReader", raw))
    file = io.BufferedReader(counted, 2**16)
    packed = file.peek(2)[:2] == _GZIP
    try:
        # Both have the methods that we need: peek and read1.
        unpacked = gzip.GzipFile(fileobj=file) if packed else file
        yield Source(cast("io.BufferedReader", unpacked), lambda: counted.done, total)
    finally:
        raw.close()


class _Counted(io.RawIOBase):
    """Counts the bytes that are read through it."""

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
    """The same lines. If the file is broken, a CutShort follows the last line."""
    number = 0
    try:
        for line in lines:
            number = line.number
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        sentence = "The file is broken gzip: from here on, or a little before, it can't be read."
        yield Line(number + 1, CutShort(sentence))
    except UnicodeError:  # seldom: most bytes of other encodings are marked instead, see `_marked`
        yield Line(number + 1, CutShort("The file is not in the encoding that --encoding says."))


def json_lines(file: io.BufferedReader, table: Table, encoding: str = "utf-8") -> Iterator[Line]:
    """The messages of a file with one JSON object in each line.

    Args:
        file: the unpacked file.
        table: reads the lines that aren't in the form of an export.
        encoding: the encoding of the text.

    Raises:
        CommandError: the first bytes show that the file is in another encoding.
    """
    unread: dict[str, None] = {}
    for number, line in read_texts(file, encoding):
        try:
            yield Line(number, _reports_of_json(line, table, encoding, unread))
        except BadRequest as error:
            yield Line(number, error)
    say_unread(unread)


def say_unread(columns: Collection[str]) -> None:
    """Prints the names of columns that no field was read from, if there are any."""
    if columns:
        named = ", ".join(islice(columns, _MOST_NAMED))
        more = f" and {len(columns) - _MOST_NAMED} more" if len(columns) > _MOST_NAMED else ""
        sentence = f"Not read: {named}{more}. Say by --map FIELD=COLUMN what a column is."
        click.echo(sentence, err=True)


def _reports_of_json(
    line: str | None, table: Table, encoding: str, unread: dict[str, None]
) -> list[Report]:
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
        reports = table.reports(names, [value for _, value in pairs])
        _note(table.unread(names), unread)
        return reports
    if _has_a_field_twice(pairs):
        raise BadRequest("The line has a field twice.")
    _note([name for name in names if name not in _RECORD_FIELDS], unread)
    return reports_of_line(line.encode())


def _note(columns: Sequence[str], unread: dict[str, None]) -> None:
    """Remembers columns, but no more once there are many: every line may have others."""
    if columns and len(unread) < _MOST_REMEMBERED:
        unread.update(dict.fromkeys(columns))


def _has_a_field_twice(pairs: _Pairs) -> bool:
    objects = [pairs]
    for each in objects:  # the list grows by the objects inside of each
        objects.extend(value for _, value in each if isinstance(value, _Pairs))
    return any(len(dict(each)) < len(each) for each in objects)


class _Pairs(list[tuple[str, object]]):
    """All fields of a JSON object, repeated fields too."""


def read_texts(file: io.BufferedReader, encoding: str) -> Iterator[tuple[int, str | None]]:
    """The lines of a file: number, and text with its line end; None for a line that is too long.

    Raises:
        CommandError: the first bytes show that the file is in another encoding.
    """
    _refuse_other_mark(file.peek(_HEAD_BYTES)[:_HEAD_BYTES], codecs.lookup(encoding).name)
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
    """Refuses a file if its first bytes show that it is in another encoding, or isn't text."""
    if encoding.startswith(("utf-16", "utf-32")):
        return
    if head.startswith(_BOM) and encoding not in _UTF_8:
        raise CommandError("The file begins as UTF-8 does: leave --encoding out.")
    if head.startswith(_ARCHIVES):
        raise CommandError("The file is a workbook or an archive: save the table in it as CSV.")
    if looks_like := _wide_encoding(head):
        raise CommandError(
            f"The file is not UTF-8; it looks like {looks_like.upper()}, which spreadsheets call "
            f"Unicode text. Save it as UTF-8, or give --encoding {looks_like}."
        )


def _wide_encoding(head: bytes) -> str:
    """The encoding of a file with two or four bytes a character, by its beginning; else `""`."""
    for mark, encoding in _WIDE_MARKS.items():
        if head.startswith(mark):
            return encoding
    if len(head) < _HEAD_BYTES:
        return ""
    if not any(head[1::2]):
        return "utf-16-le"
    return "" if any(head[::2]) else "utf-16-be"


def refuse_other_encodings(text: str, encoding: str) -> None:
    """Refuses a text if its bytes were in another encoding than `encoding`.

    Raises:
        BadRequest: they were. The sentence names the encoding that it looks like.
    """
    if text.isascii():
        return
    name = codecs.lookup(encoding).name
    if marks := _MARKS.findall(text):
        raise BadRequest(f"The line is not {name.upper()}{_other_encoding(name, marks)}.")
    if name.startswith("iso8859") and _FIRST_CONTROLS.search(text):
        raise BadRequest("The line looks like Windows-1252: give --encoding windows-1252.")
    if name not in _UTF_8 and _is_utf8(text, encoding):
        raise BadRequest("The line is UTF-8: import such lines without --encoding.")


def _other_encoding(name: str, marks: Sequence[str]) -> str:
    """Advice for a line with runs of bytes (`marks`) that its encoding doesn't have."""
    if name not in _UTF_8:
        return ": give the --encoding that the file was saved in"
    if all(_AS_IN_WINDOWS.fullmatch(run) for run in marks):
        return (
            "; it looks like Windows-1252. Save the file as UTF-8, or give --encoding windows-1252"
        )
    return ". Save the file as UTF-8, or say by --encoding what it is in"


def _is_utf8(text: str, encoding: str) -> bool:
    """Whether a text that was read in a single-byte encoding is UTF-8 in fact."""
    raw = text.encode(encoding, "replace")
    try:
        return len(raw) == len(text) and raw.decode() != text
    except UnicodeDecodeError:
        return False


def _marked(error: UnicodeError) -> tuple[str, int]:
    """Replaces bytes that the encoding doesn't have by half surrogates, which no real text has."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


_MARKED = "marked"
codecs.register_error(_MARKED, _marked)
_MARKS = re.compile("[\ud800-\udfff]+")
_AS_IN_WINDOWS = re.compile("[\udc85\udc91-\udc97\udca0-\udcff]{1,2}")
"""Letters, quotes and dashes of Windows-1252, one or two together, as in names. Texts in other
alphabets have longer runs."""
_FIRST_CONTROLS = re.compile("[\x80-\x9f]")
"""The control characters that quotes and dashes of Windows-1252 become when read as Latin-1."""
