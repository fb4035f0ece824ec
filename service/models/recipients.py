"""Reads recipients: phone numbers in any spelling, and Meta's ids of persons.

All code that takes a recipient reads it here, so that a person has one id everywhere.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from unicodedata import category, normalize

from service.errors import BadRequest
from service.keys import ending_of
from service.models.reader import CONTROLS, refusal
from service.models.requests import RECIPIENT

_LEAST_DIGITS, _MOST_DIGITS = 6, 15
_NATIONAL_DIGITS = 10
"""Numbers with at least so many digits are indexed by their last ten."""

_CODES = tomllib.loads((Path(__file__).parent / "calling_codes.toml").read_text())
CALLING_CODES = frozenset(map(str, _CODES["codes"]))
"""The calling codes of countries, which stand before a national number."""
_CODE_LENGTHS = sorted({len(code) for code in CALLING_CODES})

_PLAIN_MARKS = b" +-()"
"""What spreadsheets and programs spoil has others beside these, so they need no closer look."""

_NUMBER = re.compile(rf"(?!00)[0-9]{{{_LEAST_DIGITS},{_MOST_DIGITS}}}")
"""A phone number in its stored form."""

_METAS_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")
"""Meta's business-scoped id of a person: a country, and letters and digits of any kind."""


def calling_code_of(number: str) -> str:
    """The country's calling code that a number begins with, `""` for none."""
    return next((number[:n] for n in _CODE_LENGTHS if number[:n] in CALLING_CODES), "")


def same_person(a: str, b: str) -> bool:
    """Whether two recipients, as `recipient_of` returns them, are one person."""
    return a == b


def recipient_of(text: str, field: str) -> str:
    """The recipient in its stored form.

    A text with 6 to 15 digits and no letter is a phone number, and its digits are kept, as ASCII
    digits and without a leading 00. Any other id is kept as it came.

    Args:
        text: what the caller gave.
        field: to name in the error, which never holds the text.

    Raises:
        BadRequest: it can't be a recipient.
    """
    if _NUMBER.fullmatch(text):  # as nearly always
        return text
    if text.isascii():
        if _METAS_ID.fullmatch(text):
            return text
        if _is_number(bare := text.encode().translate(None, _PLAIN_MARKS).decode()):
            return bare
    letters, digits = _letters_in(text), _digits_in(text)
    if problem := _problem_with(text, letters, digits):
        raise BadRequest(f"{field} {problem}", field)
    if letters or len(digits) > _MOST_DIGITS:
        if CONTROLS.search(text):
            raise BadRequest(f"{field} {_CONTROL}", field)
        return text
    if not _is_number(digits):
        raise refusal(field, RECIPIENT)
    return digits


def heads_of(number: str) -> str:
    """The digits that may come before the last ten of the numbers that a filter for this one finds.

    The filter finds the number itself, the number with a country's calling code before it, and the
    number without its calling code. It also ignores one 0 before a national number.

    Returns:
        these heads, each between commas, so that a search for a head with its commas is exact;
        `""` for a recipient that isn't indexed by its last ten digits.
    """
    ending = ending_of(number)
    if not _is_number(number) or len(number) < _NATIONAL_DIGITS:
        return ""
    heads = {
        each[:-_NATIONAL_DIGITS]
        for each in _forms_of(number)
        if each.endswith(ending) and len(each) <= _MOST_DIGITS
    }
    return ",".join(["", *sorted(heads), ""])


def _forms_of(number: str) -> Iterator[str]:
    """The ways in which a number may be written: with or without a calling code and a leading 0."""
    bare = number.removeprefix("0")
    yield from (number, bare, f"0{bare}")
    for form in {number, bare}:
        yield from (code + form for code in CALLING_CODES)
    for length in _CODE_LENGTHS:
        if number[:length] in CALLING_CODES:
            yield from (number[length:], f"0{number[length:]}")


def _is_number(digits: str) -> bool:
    """Whether the text is a phone number in its stored form."""
    return _NUMBER.fullmatch(digits) is not None


def _digits_in(text: str) -> str:
    """The text's digits, of any script, as ASCII digits; without a leading 00."""
    digits = "".join(re.findall(r"\d", text))
    if not digits.isascii():
        digits = "".join(str(int(digit)) for digit in digits)
    while digits.startswith("00"):
        digits = digits[2:]
    return digits


_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Characters that are invisible although their category is that of letters."""


def _letters_in(text: str) -> str:
    if text.isascii():
        return "".join(re.findall("[A-Za-z]", text)).lower()
    # Modifier letters (Lm) stand between digits as punctuation does: in Japan ー is a dash.
    letters = (each for each in text if each.isalpha() and each not in _FILLERS)
    found = "".join(each for each in letters if category(each) != "Lm")
    return normalize("NFKC", found).casefold()


_CONTROL = "has a control character, which is allowed only between the digits of a phone number."
_SPOILT = (
    "is what a spreadsheet makes of a number; take the phone number from where it is still whole, "
    "and have its column formatted as text."
)
_PLACEHOLDER = (
    "holds a word that programs write where a value is missing; give the phone number or id of the "
    "recipient."
)
_ODD_DIGIT = (
    "has a character that stands for a number and is no digit, such as a fraction; write the phone "
    "number in digits alone."
)

_SHEET_NUMBER = re.compile(
    r"""
      \d+ ([.,\u066b]\d*)? \ ? e \ ? [+-]? \ ? \d+                 # 9.19877E+11
    | \d+ [.,\u066b] \d* \ ? [x*\u00d7\u22c5] \ ? 10 \^? [+-]? \d+  # 9.19877x10^11
    | \d+ [.,\u066b] 0{1,2}                                        # 919876540001.0
    | \d{6,} [.,\u066b] 0+              # 98765.00000 is as people write it: 98765 is no number
    | \d{1,3} (?P<between>[., '\u2019]) \d{2,3} ((?P=between) \d{2,3})*  # 919,876,540,001.00
      (?!(?P=between)) [.,] 0+
    """,
    re.VERBOSE,
)
_SHEET_ERROR = re.compile(r"#(n/a|(ref|value|num|null|div/0|spill|calc|error)!|name\?)")
_AROUND = " +-()=$\u20ac\u00a3\u20b9'\"\u2018\u2019\u201c\u201d"

_PLACEHOLDERS = re.compile("(undefined|null|nan|none|nil|objectobject)+")
_PLACEHOLDERS_ALONE = frozenset({"na", "n", "nat", "true", "false"})
"""Words that may begin an id if digits follow: ids of people in Namibia begin with NA."""


def _problem_with(text: str, letters: str, digits: str) -> str:
    """What is wrong with the recipient, as the end of a sentence; `""` if nothing is known."""
    if _PLACEHOLDERS.fullmatch(letters) or (letters in _PLACEHOLDERS_ALONE and not digits):
        return _PLACEHOLDER
    plain = _plain(text)
    if _SHEET_NUMBER.fullmatch(plain.strip(_AROUND)) or _SHEET_ERROR.fullmatch(plain):
        return _SPOILT
    if not letters and any(each.isnumeric() and not each.isdecimal() for each in text):
        return _ODD_DIGIT
    return ""


def _plain(text: str) -> str:
    """The text in lower case, without invisible characters, each character in its simplest form."""
    if not text.isascii():
        text = "".join(map(_simple, normalize("NFKC", text)))
    return CONTROLS.sub("", text).lower().strip()


def _simple(character: str) -> str:
    if character.isdecimal():
        return str(int(character))
    return "" if category(character) in {"Cf", "Mn"} else character
