"""Every line of a table is read or refused, whatever it holds and whatever quotes are missing."""

import csv
import io
import re
from collections.abc import Sequence
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from service.commands.csv_rows import Row, csv_rows_of
from service.commands.input_files import read_texts
from tests.factories import tried

_TEXTS = st.text("ab é\",;\n\r'", max_size=6)
_ROWS = st.one_of(
    *(st.lists(st.lists(_TEXTS, min_size=width, max_size=width), max_size=6) for width in (2, 3, 4))
)
_DAMAGE = st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["", '"', '""'])), max_size=3)


def written(rows: Sequence[Sequence[str]], delimiter: str, quoting: int) -> list[str]:
    """The rows as a spreadsheet writes them, after a header with as many columns."""
    header = [f"c{number}" for number in range(len(rows[0]) if rows else 2)]
    found: list[str] = []
    for row in [header, *rows]:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, quoting=quoting).writerow(row)  # type: ignore[arg-type]
        found.append(text.getvalue())
    return found


def rows_in(text: str, delimiter: str) -> list[Row]:
    file = cast("io.BufferedReader", io.BufferedReader(io.BytesIO(text.encode())))
    return list(csv_rows_of(read_texts(file, "utf-8"), delimiter))


def lines_in(text: str) -> list[str]:
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text)


def cells_by_hand(text: str, delimiter: str) -> list[str] | None:
    """The cells of a row, read character by character; None if a quote is in a wrong place."""
    cells, cell, state = [], "", "begin"
    for here in [*text.removesuffix("\n").removesuffix("\r"), None]:
        if state == "quoted":
            if here is None:
                return None
            state = "quote" if here == '"' else "quoted"
            cell += "" if here == '"' else here
        elif state == "quote" and here == '"':
            cell, state = cell + '"', "quoted"
        elif here is None or here == delimiter:
            cells.append(cell)
            cell, state = "", "begin"
        elif state in {"quote", "closed"}:
            if here != " ":
                return None
            state = "closed"
        elif here == '"' and not cell.strip():
            if cell:
                return None
            state = "quoted"
        else:
            cell, state = cell + here, "plain"
    return cells


def check_is_told_of_whole(text: str, rows: Sequence[Row], delimiter: str) -> None:
    """Each line is in one row, or refused by its own number; each row is what its lines say."""
    lines = lines_in(text)
    starts = [row.number for row in rows]
    assert starts == sorted(set(starts))
    assert starts[:1] == ([1] if lines else [])
    width = next((len(row.cells) for row in rows if row.cells and isinstance(row.cells, list)), 0)
    ends = [*starts[1:], len(lines) + 1]
    for row, end in zip(rows, ends[-len(rows) :], strict=bool(rows)):
        own = lines[row.number - 1 : end - 1]
        if not isinstance(row.cells, list):
            assert len(own) == 1, "a line went along with one that was refused"
        elif row.cells:
            assert len(row.cells) == width
            assert row.cells == cells_by_hand("".join(own), delimiter)
            assert all(line.count(delimiter) < width - 1 for line in own[1:])
        else:
            assert [line.strip() for line in own] == [""]


@tried(3)
@given(
    rows=_ROWS,
    delimiter=st.sampled_from(",;\t"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_is_written_in_order_is_read_as_it_was(
    rows: list[list[str]], delimiter: str, quoting: int
) -> None:
    """Except a cell with a line that could be a row: its row is refused, line by line."""
    texts = written(rows, delimiter, quoting)
    found = rows_in("".join(texts), delimiter)
    check_is_told_of_whole("".join(texts), found, delimiter)
    taken = [row.cells for row in found if isinstance(row.cells, list) and row.cells]
    width = len(rows[0]) if rows else 2
    clear = [
        row
        for row, text in zip(rows, texts[1:], strict=True)
        if all(line.count(delimiter) < width - 1 for line in lines_in(text)[1:])
        and lines_in(text)[0].strip()
    ]
    assert taken[1:] == clear


@tried(3)
@given(
    rows=_ROWS,
    delimiter=st.sampled_from(",;"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    damage=_DAMAGE,
)
def test_missing_quotes_take_no_line_along(
    rows: list[list[str]], delimiter: str, quoting: int, damage: list[tuple[int, str]]
) -> None:
    """With missing or extra quotes, the lines read and refused still add up to all lines."""
    head, *rest = written(rows, delimiter, quoting)
    text = "".join(rest)
    for at, instead in damage:
        quotes = [found.start() for found in re.finditer('"', text)] or [0]
        place = quotes[at % len(quotes)] if at % 2 else at % (len(text) + 1)
        gone = 1 if text[place : place + 1] == '"' else 0
        text = text[:place] + instead + text[place + gone :]
    found = rows_in(head + text, delimiter)
    check_is_told_of_whole(head + text, found, delimiter)


@tried(3)
@given(text=st.text('a",\n\r '))
def test_nor_does_any_text(text: str) -> None:
    check_is_told_of_whole(text, rows_in(text, ","), ",")
