"""Lists for a spreadsheet: every text comes back from them, and none of them calculates."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import sheets
from service.reports import Record, Status, record_of
from tests.factories import BASE_MS, send_report, status_report

COLUMNS = [
    *("recipient_id", "guest_name", "guest_id", "registration_id", "event_id", "template_name"),
    *("wamid", "failed_at", "error_code", "error_message", "error_details", "class", "sent_since"),
]
TEXTS = [name for name in COLUMNS if name not in {"failed_at", "class", "sent_since"}]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")']
CALCULATES = tuple("=+-@\t\r\n")


def failed(**fields: str) -> Record:
    """A failed message with these fields."""
    record = record_of([send_report(), status_report(Status.FAILED, error_code="131026")])
    return Record(**(record._asdict() | fields))


def cells_of(*records: Record) -> list[dict[str, str]]:
    """What a reader of CSV makes of them."""
    text = (sheets.head() + sheets.rows((record, None) for record in records)).decode()
    head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head == COLUMNS
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_the_columns_are_those_of_a_recipient_in_their_order() -> None:
    assert sheets.head() == (",".join(COLUMNS) + "\r\n").encode()


def test_a_failed_message_is_a_line_and_what_is_not_known_an_empty_cell() -> None:
    sent = send_report(guest_name="Ann", guest_id="g", registration_id="r", event_id="e")
    failure = status_report(
        Status.FAILED, at_ms=BASE_MS + 5, error_code="131026", error_message="Undeliverable"
    )
    assert cells_of(record_of([sent, failure])) == [
        {
            "recipient_id": "919876543210",
            "guest_name": "Ann",
            "guest_id": "g",
            "registration_id": "r",
            "event_id": "e",
            "template_name": "",
            "wamid": "wamid.A",
            "failed_at": "2023-11-14T22:13:20.005Z",
            "error_code": "131026",
            "error_message": "Undeliverable",
            "error_details": "",
            "class": "never",
            "sent_since": "",
        }
    ]


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_begins_as_a_formula_does(field: str, formula: str) -> None:
    (cells,) = cells_of(failed(**{field: formula}))
    assert cells[field].startswith("'")
    assert cells[field].replace("'", "") == formula


@pytest.mark.parametrize(
    "text", ["a;=1", "a; =1", 'a;"=1";b', 'a; " "=1', "a\n=1", 'a\r\n"=1"', ";;@a", '";+1', "\n;-1"]
)
def test_nor_does_one_where_semicolons_divide_them(text: str) -> None:
    written = (sheets.head() + sheets.rows([(failed(guest_name=text), None)])).decode()
    check_divided_by_semicolons(written)


def check_divided_by_semicolons(written: str) -> None:
    """As a spreadsheet reads it whose numbers have a decimal comma."""
    for row in csv.reader(io.StringIO(written, newline=""), delimiter=";"):
        assert not [cell for cell in row if cell.lstrip(" ").startswith(tuple("=+-@"))], row


@pytest.mark.parametrize("text", ["a=1", "919876543210", "1-2", "'=1", "Ann @ work", " "])
def test_other_texts_stay_as_they_are(text: str) -> None:
    (cells,) = cells_of(failed(guest_name=text))
    assert cells["guest_name"] == text


@pytest.mark.parametrize(
    "text", ['say "hi"', '"', "a,b;c", "two\nlines", "two\r\nlines", "end\r", "Zoë 李 🎉 \u202eabc"]
)
def test_what_stands_between_cells_and_lines_may_stand_in_them(text: str) -> None:
    rows = cells_of(failed(guest_name=text), failed(error_details=text))
    assert rows[0]["guest_name"] == rows[1]["error_details"] == text
    assert [row["wamid"] for row in rows] == ["wamid.A", "wamid.A"]


anything = st.text(st.characters(exclude_categories=["Cs"])) | st.text("=+-@\t\r\n\",;x '")


@given(texts=st.lists(st.fixed_dictionaries(dict.fromkeys(TEXTS, anything)), max_size=4))
def test_every_text_comes_back_and_none_calculates(texts: list[dict[str, str]]) -> None:
    records = [failed(**each) for each in texts]
    check_divided_by_semicolons(sheets.rows((record, None) for record in records).decode())
    rows = cells_of(*records)
    assert len(rows) == len(texts)
    for row, given_texts in zip(rows, texts, strict=True):
        for name, text in given_texts.items():
            assert not row[name].startswith(CALCULATES)
            assert row[name].replace("'", "") == text.replace("'", "")


def test_of_no_messages_there_is_no_line() -> None:
    assert sheets.rows([]) == b""
