"""Reads recipients: phone numbers in any spelling, and Meta's ids of persons.

All code that takes a recipient reads it here, so that a person has one id everywhere.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from unicodedata import category, normalize

from service.domain.identity import ENDING_DIGITS, ending_of
from service.errors import BadRequest
from service.models.decoding import CONTROLS, refusal
from service.models.requests import RECIPIENT

_LEAST_DIGITS, _MOST_DIGITS = 6, 15
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


def ids_in(recipient_id: str) -> dict[str, str]:
    """Meta's id of a person among a message's fields, under its name; empty for another recipient.

    Of the recipients that statuses name only one is kept, and its ids beside it.
    """
    found = None if recipient_id.isdigit() else _METAS_ID.fullmatch(recipient_id)
    return {"parent_user_id" if found[1] else "user_id": recipient_id} if found else {}


def calling_code_of(number: str) -> str:
    """The country's calling code that a number begins with, `""` for none."""
    return next((number[:n] for n in _CODE_LENGTHS if number[:n] in CALLING_CODES), "")


_REWRITTEN = re.compile(r"(55\d\d)9?(\d{8})|(52)1?(\d{10})|(54)9?(\d{10})", re.ASCII)
"""Numbers of Brazil, Mexico and Argentina, in which Meta adds or drops the digit with a `?`."""
_REWRITTEN_CODES = ("52", "54", "55")


def numbers_of(recipient_id: str) -> frozenset[str]:
    """The texts that stand for the same person as this recipient; none for `""`.

    They are itself, and the number with or without the digit that Meta adds or drops.
    """
    if found := _REWRITTEN.fullmatch(recipient_id):
        head, ending = filter(None, found.groups())
        added = "1" if head == "52" else "9"
        return frozenset((head + ending, head + added + ending))
    return frozenset(filter(None, [recipient_id]))


def person_of(recipient_id: str) -> str:
    """One text for all of a person's numbers: the shortest."""
    return min(numbers_of(recipient_id), key=len, default="")


def same_person(a: str, b: str) -> bool:
    """Whether two recipients, as `recipient_of` returns them, are one person."""
    return a == b or person_of(a) == person_of(b)


def nationals_of(recipient_id: str) -> frozenset[str]:
    """What may be the national part of a person's numbers; none for what is no number.

    Two persons whose numbers have one in common end alike: one number is the other behind a
    country's calling code, or both stand behind different ones.
    """
    if not _is_number(recipient_id):
        return frozenset()
    forms = numbers_of(recipient_id) | numbers_of(recipient_id.removeprefix("0"))
    parts = forms | {form.removeprefix(calling_code_of(form)) for form in forms}
    bare = (part.removeprefix("0") for part in parts)
    return frozenset(part for part in bare if len(part) >= ENDING_DIGITS)


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
    """The digits that may come before the last eight of the numbers that a filter for this finds.

    The filter finds the same person's numbers, these with a country's calling code before them, and
    without their calling code. It also ignores one 0 before a national number.

    Returns:
        these heads, each between commas, so that a search for a head with its commas is exact;
        `""` for a recipient that isn't indexed by its last eight digits.
    """
    ending = ending_of(number)
    if not _is_number(number) or len(number) < ENDING_DIGITS:
        return ""
    heads = {
        each[:-ENDING_DIGITS]
        for each in _forms_of(number)
        if each.endswith(ending) and len(each) <= _MOST_DIGITS
    }
    return ",".join(["", *sorted(heads), ""])


def _forms_of(number: str) -> Iterator[str]:
    """The ways in which a number may be written: with or without a calling code and a leading 0."""
    bare = number.removeprefix("0")
    for form in numbers_of(number) | numbers_of(bare):
        yield from (form, form.removeprefix("0"), f"0{form.removeprefix('0')}")
    for form in {number, bare}:
        yield from (code + form for code in CALLING_CODES)
        for code in _REWRITTEN_CODES:
            yield from numbers_of(code + form)
    for form in numbers_of(number):
        national = form.removeprefix(calling_code_of(form))
        yield from (national, f"0{national}")


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
