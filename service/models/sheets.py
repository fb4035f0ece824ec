"""The failures as CSV that spreadsheets neither calculate nor change, and that import reads back.

A cell gets an apostrophe in front if a spreadsheet would calculate or rewrite it, or if it begins
with an apostrophe itself: so the first apostrophe of a cell is always ours. Whole phone numbers are
written as people write them. The last line says how many rows there are, so that a list that was
cut short isn't taken for a whole one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO

from service.domain.record import Record
from service.models.insight_responses import FailedRecipient, failed_recipient
from service.models.recipients import calling_code_of

COLUMNS = tuple(FailedRecipient.__annotations__)

_SIGN = "[=+\\-@＝＋－＠]"  # noqa: RUF001
# Spreadsheets may skip blanks, quotes and invisible characters before a sign. Invisible characters
# are those that Unicode calls default-ignorable, marks of annotations, and the blank of Braille.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_FORMULA = rf"(?:[^\S\r\n]|[\"{_INVISIBLE}])*{_SIGN}"

# In countries with a decimal comma, spreadsheets split cells at semicolons. Our quotes have no
# meaning then, so a semicolon or a line end within our cell begins another cell.
_INNER = re.compile(rf"(?<=[;\r\n])(?='*{_FORMULA})")
_INNER_GUARD = re.compile(rf"(?<=[;\r\n])'(?='*{_FORMULA})")

_GUARDED = re.compile(rf"['#\t\r\n]|{_FORMULA}")
"""Matches the beginning of a formula, of a spreadsheet's error value, and our own mark."""

_KEPT = re.compile(r"0|[1-9][0-9]{0,10}")
"""The numbers that a spreadsheet doesn't change."""

_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]+")
_OTHER_ALPHABETS = re.compile("[\u0370-\u1dff\u2e80-\ufeff]+")  # all but Latin
# The words that spreadsheets know in numbers, amounts, times and dates, and the truth values.
_UNITS = "a p am pm e d t z w r h rs kr fr sfr kč zł tl usd eur gbp inr chf brl mxn ars zar"
_MONTHS = """
jan january januar janv janvier ene enero gen gennaio janeiro januari
feb february februar fev fév févr février febrero febbraio fevereiro februari
mar march mär märz mrz mars marzo março mrt maart apr april avr avril abr abril aprile
may mai mayo maggio mag maio mei jun june juni juin junio giu giugno junho
jul july juli juil juillet julio lug luglio julho aug august août aou ago agosto augustus
sep sept september septembre septiembre set settembre setembro
oct october okt oktober octobre octubre ott ottobre out outubro
nov november novembre noviembre novembro dec december dez dezember déc décembre dic diciembre
dicembre dezembro
maj mei maret agu agt agustus ags avg okt des desember
oca ocak şub şubat mart nis nisan mayıs haz haziran tem temmuz ağu ağustos eyl eylül eki ekim kas
kasım ara aralık
sty styczeń stycznia lut luty lutego marzec marca kwi kwiecień kwietnia maja cze czerwiec czerwca
lip lipiec lipca sie sierpień sierpnia wrz wrzesień września paź październik października
lis listopad listopada gru grudzień grudnia
led leden ledna úno únor února bře březen března dub duben dubna kvě květen května čvn čer červen
června čvc červenec července srp srpen srpna zář září říj říjen října listopadu pro prosinec
prosince tammi tammikuuta helmi helmikuuta maalis maaliskuuta huhti huhtikuuta touko toukokuuta kesä
kesäkuuta heinä heinäkuuta elo elokuuta syys syyskuuta loka lokakuuta marras marraskuuta joulu
joulukuuta
ian ianuarie februarie martie aprilie iun iunie iul iulie septembrie octombrie noi noiembrie
decembrie
"""  # noqa: RUF001  a Turkish letter
_IN_NUMBERS = frozenset(f"{_UNITS} {_MONTHS}".split()) | {""}
_TRUTH = "true false wahr falsch vrai faux verdadero falso vero verdadeiro waar onwaar"
_TRUTHS = frozenset(_TRUTH.split(" "))

_PHONE = re.compile(r"[0-9]{6,15}")
_GROUPS = re.compile(".{1,5}(?=(?:.{5})*$)")
_AMERICAN = re.compile("...(?=....)|.+")
_NATIONAL_DIGITS = 10

_END = re.compile(r"# ([0-9]+) rows")


def head() -> bytes:
    """Returns the line that names the columns."""
    return _lines([COLUMNS])


def rows(failed: Iterable[tuple[Record, Record | None]]) -> bytes:
    """Returns a line for each failed message and its latest second try."""
    return _lines(_cells(failed_recipient(*each)) for each in failed)


def end(number: int) -> bytes:
    """Returns the last line of a list, which says how many rows there are."""
    return _lines([(f"# {number} rows", *[""] * (len(COLUMNS) - 1))])


def is_failures_csv(columns: Sequence[str]) -> bool:
    """Returns whether a table with these columns is such a list, or a part of one.

    Columns may have been added, and the line with the names may be cut short.
    """
    *others, last = columns
    begins = others == list(COLUMNS[: len(others)]) and "wamid" in columns
    is_begun = begins and any(name.startswith(last) for name in COLUMNS[len(others) :][:1])
    return is_begun or set(COLUMNS) <= set(columns)


def rows_said(cells: Sequence[str]) -> int | None:
    """Returns the number of rows in the cells of a last line; None if they are no last line."""
    first, *others = [cell for cell in cells if cell] or [""]
    said = None if others else _END.fullmatch(first)
    return int(said[1]) if said else None


def text_in(cell: str) -> str:
    """Returns the original text of a cell."""
    return _INNER_GUARD.sub("", cell.removeprefix("'"))


def _lines(rows_of_cells: Iterable[Sequence[str]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows_of_cells)
    return text.getvalue().encode()


def _cells(row: Mapping[str, object]) -> list[str]:
    texts = {name: "" if value is None else str(value) for name, value in row.items()}
    phone = texts["recipient_id"]
    written = {name: _guarded(text) for name, text in texts.items()}
    if _PHONE.fullmatch(phone):
        written["recipient_id"] = _as_people_write(phone)
    return [written[name] for name in COLUMNS]


def _guarded(text: str) -> str:
    guard = "'" if _GUARDED.match(text) or _is_rewritten(text) else ""
    return guard + _INNER.sub("'", text)


def _is_rewritten(text: str) -> bool:
    """Returns whether a spreadsheet may read the text as a number, a date or a truth value."""
    if not _DIGIT.search(text):
        return text.strip().casefold() in _TRUTHS
    words = "".join(_LETTERS.findall(text)).casefold()
    # The months and units of all languages can't be listed. Any text with digits in another
    # alphabet counts as one of them, since names seldom have digits.
    is_known = words in _IN_NUMBERS or _OTHER_ALPHABETS.fullmatch(words) is not None
    return is_known and not _KEPT.fullmatch(text)


def _as_people_write(phone: str) -> str:
    """Returns the digits in groups, which no spreadsheet reads as a number or a formula.

    Only long numbers get a +, since shorter ones may lack a calling code.
    """
    code = calling_code_of(phone) if len(phone) > _NATIONAL_DIGITS else ""
    groups = (_AMERICAN if code == "1" else _GROUPS).findall(phone.removeprefix(code))
    return " ".join([f"+{code}", *groups] if code else groups)
