"""Lists for a spreadsheet: CSV whose cells are never taken for formulas."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from io import StringIO

from service.models.insights import FailedRecipient, failed_recipient
from service.reports import Record

COLUMNS = tuple(FailedRecipient.__annotations__)

_FORMULA = re.compile(r"^(?=[\t\r\n])|(^|[;\r\n])(?=[ \t\"]*[=+\-@＝＋－＠])")  # noqa: RUF001
"""Before what makes a spreadsheet calculate a cell (OWASP, "CSV Injection"). Where numbers have a
decimal comma it divides cells at semicolons, and then takes quotes that don't begin a cell for
nothing: it divides at those within our cells too, begins a line where one of them has a line end,
and may drop quotes that stand there."""


def head() -> bytes:
    """The line that names the columns."""
    return _lines([dict(zip(COLUMNS, COLUMNS, strict=True))])


def rows(failed: Iterable[tuple[Record, Record | None]]) -> bytes:
    """A line for each failed message, and what its recipient was sent since."""
    return _lines(failed_recipient(*each) for each in failed)


def _lines(cells: Iterable[Mapping[str, object]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows([_cell(row[column]) for column in COLUMNS] for row in cells)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    return "" if value is None else _FORMULA.sub(r"\g<0>'", str(value))
