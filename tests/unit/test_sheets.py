"""Lists for a spreadsheet: every text comes back from them, and none of them calculates."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.record import Record, record_of
from service.domain.report import Status
from service.models import sheets
from service.models.recipients import recipient_of
from tests.factories import BASE_MS, send_report, status_report

COLUMNS = [
    *("recipient_id", "guest_name", "guest_id", "registration_id", "event_id", "template_name"),
    *("wamid", "failed_at", "error_code", "error_message", "error_details", "class", "sent_since"),
]
TEXTS = [name for name in COLUMNS if name not in {"failed_at", "class", "sent_since"}]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")']


def failed(**fields: str) -> Record:
    """A failed message with these fields."""
    record = record_of([send_report(), status_report(Status.FAILED, error_code="131026")])
    return Record(**(record._asdict() | fields))


def cells_of(*records: Record) -> list[dict[str, str]]:
    """What a reader of CSV makes of them."""
    text = (sheets.head() + sheets.rows((record, None) for record in records)).decode()
    head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head == COLUMNS
    assert sheets.is_failures_csv(head)
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
            "recipient_id": "+91 98765 43210",
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
    assert sheets.text_in(cells[field]) == formula


@pytest.mark.parametrize(
    "text", ["a;=1", "a; =1", 'a;"=1";b', 'a; " "=1', "a\n=1", 'a\r\n"=1"', ";;@a", '";+1', "\n;-1"]
)
def test_nor_does_one_where_semicolons_divide_them(text: str) -> None:
    written = (sheets.head() + sheets.rows([(failed(guest_name=text), None)])).decode()
    check_divided_by_semicolons(written)


def check_divided_by_semicolons(written: str) -> None:
    """As a spreadsheet reads it whose numbers have a decimal comma."""
    for row in csv.reader(io.StringIO(written, newline=""), delimiter=";"):
        begin = [cell.lstrip(" ") for cell in row]
        assert not [cell for cell in begin if calculates(cell, "=+-@")], row


def calculates(cell: str, signs: str = "=+-@\t\r\n") -> bool:
    """Two numbers side by side, as in a phone number, are no formula, whatever follows."""
    return cell.startswith(tuple(signs)) and not re.match(r"\+[0-9]{1,3} [0-9]", cell)


@pytest.mark.parametrize(
    "text",
    [
        "ab=1",
        "12",
        "0",
        "99999999999",
        "g-12",
        "Ann @ work",
        " ",
        "June",
        "a'b",
        "a;b",
        "a1b2",
        "1e5f",
        "12345678-12ab-1234-1234-123456789012",
        "wamid.HBgLMTk4==",
        "Анна",
        "李明",
    ],
)
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


# What spreadsheets made of such cells when they were tried: other digits, dates, truth values.
EATEN = [
    *("00123", "007", "1E5", "1e5", "1/2", "1-2", "TRUE", "false", "2026-01-15", "12:30", "5 PM"),
    *("1,5", "1.5", "1,234", "5%", "$5", "919876543210", "1234567890123456789", "MARCH1", "5 Jan"),
    *("5 янв", "15 يناير 2026", "15 ม.ค. 2569", "15 Ιαν 2026", "15 जनवरी 2026", "15 ינו 2026"),  # noqa: RUF001
    *("2026年1月15日", "15 Oca 2026", "5 Şub", "15 stycznia 2026", "15-maj-26", "5 zł", "5 Agu"),
    *("5 Kč", "15 ledna 2026", "15 tammi 2026", "15 ian 2026", "H30.1.1", "15 січ 2026"),
    *("3.Mai", "#N/A", "# 4 rows", "WAHR", " 007 ", "12345678-1234-1234-1234-123456789012", "٣"),
]


@pytest.mark.parametrize("field", ["guest_id", "registration_id", "wamid", "guest_name"])
@pytest.mark.parametrize("text", [*EATEN, "'", "''", "'=1", "'12"])
def test_what_a_spreadsheet_would_rewrite_stays_a_text(field: str, text: str) -> None:
    """An apostrophe that was there gets another one: the first is always ours."""
    (cells,) = cells_of(failed(**{field: text}))
    assert cells[field] == f"'{text}"
    assert sheets.text_in(cells[field]) == text


@pytest.mark.parametrize(
    ("phone", "written"),
    [
        ("919876510001", "+91 98765 10001"),
        ("19172345678", "+1 917 234 5678"),
        ("4915123456789", "+49 1 51234 56789"),
        ("971501234567", "+971 5012 34567"),
        ("9876543210", "98765 43210"),
        ("09876543210", "0 98765 43210"),
        ("123456", "1 23456"),
        ("1234567890123456", "'1234567890123456"),
        ("US.13491208655302741918", "US.13491208655302741918"),
    ],
)
def test_a_phone_number_is_written_as_people_do(phone: str, written: str) -> None:
    (cells,) = cells_of(failed(recipient_id=phone))
    assert cells["recipient_id"] == written
    assert recipient_of(sheets.text_in(written), "recipient_id") == phone


@given(texts=st.lists(st.fixed_dictionaries(dict.fromkeys(TEXTS, anything)), max_size=4))
def test_every_text_comes_back_and_none_calculates(texts: list[dict[str, str]]) -> None:
    records = [failed(**each) for each in texts]
    check_divided_by_semicolons(sheets.rows((record, None) for record in records).decode())
    rows = cells_of(*records)
    assert len(rows) == len(texts)
    for row, given_texts in zip(rows, texts, strict=True):
        for name, text in given_texts.items():
            assert not calculates(row[name])
            if name != "recipient_id":
                assert sheets.text_in(row[name]) == text


@given(st.from_regex(r"[0-9]{1,20}", fullmatch=True))
def test_every_recipient_of_digits_comes_back(recipient_id: str) -> None:
    (cells,) = cells_of(failed(recipient_id=recipient_id))
    back = sheets.text_in(cells["recipient_id"])
    assert re.sub("[+ ]", "", back) == recipient_id
    assert cells["recipient_id"][0] in "'+" or " " in back or int(back) < 10**11


@pytest.mark.parametrize("number", [0, 1, 12_345])
def test_the_last_line_says_how_many_rows_there_are(number: int) -> None:
    ((first, *others),) = csv.reader([sheets.end(number).decode()])
    assert first == f"# {number} rows"
    assert others == [""] * (len(COLUMNS) - 1)
    assert sheets.rows_said([first, *others]) == number
    assert sheets.rows_said([*others, first]) == number  # somebody moved the column
    assert sheets.rows_said([first, "x"]) is None
    assert sheets.rows_said(["# 12", ""]) is sheets.rows_said([]) is None


def test_of_no_messages_there_is_no_line() -> None:
    assert sheets.rows([]) == b""
