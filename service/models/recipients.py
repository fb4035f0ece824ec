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
"""Marks in a phone number that need no closer look: a spoilt number has others beside them."""

_NUMBER = re.compile(rf"(?!00)[0-9]{{{_LEAST_DIGITS},{_MOST_DIGITS}}}")
"""A phone number in its stored form."""

_METAS_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")
"""Meta's business-scoped id of a person: a country, then any letters and digits."""


def ids_in(recipient_id: str) -> dict[str, str]:
    """Returns the field for a recipient that is Meta's id of a person; empty for another recipient.

    A record keeps only one of the recipients that statuses name, but all ids of the person.
    """
    found = None if recipient_id.isdigit() else _METAS_ID.fullmatch(recipient_id)
    return {"parent_user_id" if found[1] else "user_id": recipient_id} if found else {}


def calling_code_of(number: str) -> str:
    """Returns the country's calling code that a number begins with, `""` for none."""
    return next((number[:n] for n in _CODE_LENGTHS if number[:n] in CALLING_CODES), "")


_REWRITTEN = re.compile(r"(55\d\d)9?(\d{8})|(52)1?(\d{10})|(54)9?(\d{10})", re.ASCII)
"""Numbers of Brazil, Mexico and Argentina. Meta adds or drops the digit that has a `?` here."""
_REWRITTEN_CODES = ("52", "54", "55")


def numbers_of(recipient_id: str) -> frozenset[str]:
    """Returns the texts that stand for the same person as this recipient; none for `""`.

    These are the recipient itself, and its number with or without the digit that Meta adds or
    drops.
    """
    if found := _REWRITTEN.fullmatch(recipient_id):
        head, ending = filter(None, found.groups())
        added = "1" if head == "52" else "9"
        return frozenset((head + ending, head + added + ending))
    return frozenset(filter(None, [recipient_id]))


def person_of(recipient_id: str) -> str:
    """Returns one text for all of a person's numbers: the shortest number."""
    return min(numbers_of(recipient_id), key=len, default="")


def same_person(a: str, b: str) -> bool:
    """Returns whether two recipients in their stored form are the same person."""
    return a == b or person_of(a) == person_of(b)


def nationals_of(recipient_id: str) -> frozenset[str]:
    """Returns what may be the national part of a person's numbers; none if it is no number.

    If two numbers have one of these parts in common, they may be spellings of one number: one of
    them is the other behind a country's calling code, or they have different calling codes.
    """
    if not _is_number(recipient_id):
        return frozenset()
    forms = numbers_of(recipient_id) | numbers_of(recipient_id.removeprefix("0"))
    parts = forms | {form.removeprefix(calling_code_of(form)) for form in forms}
    bare = (part.removeprefix("0") for part in parts)
    return frozenset(part for part in bare if len(part) >= ENDING_DIGITS)


def recipient_of(text: str, field: str) -> str:
    """Returns the recipient in its stored form.

    A text with 6 to 15 digits and no letter is a phone number. Its stored form is its digits, in
    ASCII and without a leading 00. Any other id is stored as it came.

    Args:
        text: the text that the caller gave.
        field: the field that the error names. The error never contains the text.

    Raises:
        BadRequest: the text can't be a recipient.
    """
    if _NUMBER.fullmatch(text):  # the usual case
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
    """Returns the heads of the numbers that a filter for this number finds.

    A head is all digits before the last eight. The filter finds the person's numbers, the same
    numbers behind a country's calling code, and the same without their own calling code. It ignores
    one 0 before a national number.

    Returns:
        the heads, each between commas, so that a search for a head with its commas is exact; `""`
        for a recipient that isn't indexed by its last eight digits.
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
    """Yields the spellings of a number: with and without a calling code and a leading 0."""
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
    """Returns whether the text is a phone number in its stored form."""
    return _NUMBER.fullmatch(digits) is not None


def _digits_in(text: str) -> str:
    """Returns the digits of a text, in any script, as ASCII digits without a leading 00."""
    digits = "".join(re.findall(r"\d", text))
    if not digits.isascii():
        digits = "".join(str(int(digit)) for digit in digits)
    while digits.startswith("00"):
        digits = digits[2:]
    return digits


_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Characters that are invisible although Unicode counts them as letters."""


def _letters_in(text: str) -> str:
    if text.isascii():
        return "".join(re.findall("[A-Za-z]", text)).lower()
    # Modifier letters (Lm) may stand between digits like punctuation: in Japan ー is a dash.
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
    """Returns what is wrong with a recipient, as the end of a sentence; `""` if nothing is."""
    if _PLACEHOLDERS.fullmatch(letters) or (letters in _PLACEHOLDERS_ALONE and not digits):
        return _PLACEHOLDER
    plain = _plain(text)
    if _SHEET_NUMBER.fullmatch(plain.strip(_AROUND)) or _SHEET_ERROR.fullmatch(plain):
        return _SPOILT
    if not letters and any(each.isnumeric() and not each.isdecimal() for each in text):
        return _ODD_DIGIT
    return ""


def _plain(text: str) -> str:
    """Returns the text in lower case and in its simplest form, without invisible characters."""
    if not text.isascii():
        text = "".join(map(_simple, normalize("NFKC", text)))
    return CONTROLS.sub("", text).lower().strip()


def _simple(character: str) -> str:
    if character.isdecimal():
        return str(int(character))
    return "" if category(character) in {"Cf", "Mn"} else character
