"""What is read as a recipient: numbers as programs write them, ids, and what is refused."""

import json
import re
from itertools import chain

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scripts.calling_codes import FILE
from scripts.calling_codes import text as codes_of_the_library
from service.domain.identity import ending_of
from service.errors import BadRequest
from service.models.recipients import (
    CALLING_CODES,
    heads_of,
    numbers_of,
    person_of,
    recipient_of,
    same_person,
)
from tests.recipients import CONTROLS, ODD_DIGITS, PLACEHOLDERS, REFUSED, SPOILT, TOO_FEW, WRITTEN


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("+91 98765-43210", "919876543210"),
        ("(91) [98765].43210", "919876543210"),
        ("91/98765/43210", "919876543210"),
        ('"919876543210"', "919876543210"),
        ("'919876543210", "919876543210"),
        ("919,876,543,210", "919876543210"),
        ("91 98765 43210\r\n", "919876543210"),
        ("91\t98765\x0043210", "919876543210"),
        ("\u260e\ufe0f +91 98765 43210", "919876543210"),
        ("\u2116 919876543210", "919876543210"),
        ("+91 98765 43210 \U0001f1ee\U0001f1f3", "919876543210"),
        ("91\ufffd9876543210", "919876543210"),
        ("91\ud83d98765\ude0043210", "919876543210"),
        ("\u3164919876543210\u115f", "919876543210"),
        ("123456", "123456"),
        ("123456789012345", "123456789012345"),
        ("123456#7", "1234567"),
        ("98765.00000", "9876500000"),
        ("3003,0000", "30030000"),
    ],
)
def test_a_phone_number_is_its_digits(text: str, kept: str) -> None:
    assert recipient_of(text, "wa_id") == kept


@pytest.mark.parametrize(("text", "kept"), WRITTEN.items())
def test_numbers_as_programs_write_them(text: str, kept: str) -> None:
    assert recipient_of(text, "wa_id") == kept


@pytest.mark.parametrize("form", ["INTERNATIONAL", "E164", "NATIONAL"])
def test_an_example_of_each_region_as_its_people_write_it(form: str) -> None:
    """The examples, and the ways of writing, are libphonenumber's."""
    written = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is None or len(str(number.national_number)) < 6:
            continue
        text = phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, form))
        digits = "".join(filter(str.isdecimal, text))
        for marked in (text, f"\u202a{text}\u202c", f"\u2068{text}\u2069", f"\u200f{text}"):
            assert recipient_of(marked, "wa_id") == digits
        written += 1
    assert written > 190


@pytest.mark.parametrize(
    "text",
    [
        "\u0669\u0661\u0669\u0668\u0667\u0666\u0665\u0664\u0663\u0662\u0661\u0660",  # Arabic
        "\u06f9\u06f1\u06f9\u06f8\u06f7\u06f6\u06f5\u06f4\u06f3\u06f2\u06f1\u06f0",  # Persian
        "\u096f\u0967\u096f\u096e\u096d\u096c\u096b\u096a\u0969\u0968\u0967\u0966",  # Devanagari
        "\u09ef\u09e7 \u09ef\u09ee\u09ed\u09ec\u09eb-\u09ea\u09e9\u09e8\u09e7\u09e6",  # Bengali
        "\uff0b\uff19\uff11\uff0d\uff19\uff18\uff17\uff16\uff15\uff14\uff13\uff12\uff11\uff10",
        "\U0001d7d7\U0001d7cf98765\U0001d7d2\U0001d7d1\U0001d7d0\U0001d7cf\U0001d7ce",  # bold
        "9\ufe0f\u20e31\ufe0f\u20e39876543210",  # keycaps
    ],
)
def test_digits_of_every_script_are_digits(text: str) -> None:
    assert recipient_of(text, "wa_id") == "919876543210"


def test_the_long_mark_that_japan_writes_for_a_dash_is_no_letter() -> None:
    assert recipient_of("090\u30fc1234\uff705678", "wa_id") == "09012345678"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("00919876543210", "919876543210"),
        ("+00 91 98765 43210", "919876543210"),
        ("0000919876543210", "919876543210"),
        ("0 0 91-9876543210", "919876543210"),
        ("09876543210", "09876543210"),
        ("00123456", "123456"),
        ("00123456789012345", "123456789012345"),
    ],
)
def test_the_digits_of_an_international_call_are_dropped(text: str, kept: str) -> None:
    assert recipient_of(text, "wa_id") == kept


@pytest.mark.parametrize(
    "text",
    [
        "1234567890123456",
        "120363023456789012",
        "+1234 5678 9012 3456",
        "US.13491208655302741918",
        "NA.13491208655302741918",
        "NO.NE491208655302741918",
        "NU.LL1",
        "NA.N5",
        "US.ENT.11815799212886844830",
        "us.1",
        "é",
        "一二三四五六七",
        "919876543210 x105",
        "919876543210 and 919876543211",
    ],
)
def test_any_other_id_is_kept_as_it_came(text: str) -> None:
    assert recipient_of(text, "wa_id") == text


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (TOO_FEW, "wa_id must be a phone number"),
        (SPOILT, "wa_id is what a spreadsheet makes of a number"),
        (PLACEHOLDERS, "wa_id holds a word that programs write where a value is missing"),
        (ODD_DIGITS, "wa_id has a character that stands for a number and is no digit"),
        (CONTROLS, "wa_id has a control character"),
    ],
)
def test_what_nobody_can_be_meant_by_is_refused(texts: list[str], sentence: str) -> None:
    for text in texts:
        with pytest.raises(BadRequest, match=sentence):
            recipient_of(text, "wa_id")


@pytest.mark.parametrize("text", [text for text in REFUSED if len(text.strip()) > 1])
def test_a_refusal_never_holds_what_was_given(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        recipient_of(text, "f")
    assert text.strip().casefold() not in caught.value.sentence.casefold()


@given(st.text(alphabet="0123456789+ -.()[]", min_size=6, max_size=20))
def test_what_is_read_is_read_the_same_again(text: str) -> None:
    """So a number that an answer has finds its messages."""
    try:
        kept = recipient_of(text, "wa_id")
    except BadRequest:
        return
    assert recipient_of(kept, "wa_id") == kept
    assert same_person(kept, recipient_of(f" {kept} ", "wa_id")) or len(kept) > 15


@given(st.text(max_size=30))
def test_a_recipient_is_a_number_or_what_came(text: str) -> None:
    try:
        kept = recipient_of(text, "wa_id")
    except BadRequest as error:
        assert error.field == "wa_id"
    else:
        assert kept == text or re.fullmatch("[0-9]{6,15}", kept)
        assert recipient_of(kept, "wa_id") == kept
        assert json.loads(json.dumps(kept)) == kept


def test_numbers_are_found_by_their_last_eight_digits() -> None:
    assert [ending_of(digits) for digits in ("919876543210", "1234567", "us.1234567890")] == [
        "76543210",
        "1234567",
        "us.1234567890",
    ]


REWRITTEN = [
    ("5511987654321", "551187654321"),
    ("5215512345678", "525512345678"),
    ("5491123456789", "541123456789"),
]


@pytest.mark.parametrize(("longer", "shorter"), REWRITTEN)
def test_a_number_is_the_same_person_s_without_the_digit_that_meta_drops(
    longer: str, shorter: str
) -> None:
    assert same_person(longer, shorter)
    assert not same_person(longer, shorter[:-1] + "0")
    assert numbers_of(longer) == numbers_of(shorter) == {longer, shorter}


def without(number: str) -> set[str]:
    """The rule once more: what is left of a number without the digit that Meta adds."""
    places = {"55": (4, "9", 13), "52": (2, "1", 13), "54": (2, "9", 13)}
    place, digit, length = places.get(number[:2], (0, "", 0))
    if len(number) == length and number[place] == digit:
        return {number, number[:place] + number[place + 1 :]}
    return {number}


def is_same(a: str, b: str) -> bool:
    return not without(a).isdisjoint(without(b))


PERSONS = st.from_regex(r"(5[245]|91|)(1|9|11|119|)[0-9]{6,10}", fullmatch=True) | st.sampled_from(
    [*chain.from_iterable(REWRITTEN), "US.1", "us.5511987654321", "11987654321"]
)


@given(PERSONS, PERSONS, PERSONS)
def test_being_the_same_person_is_an_equivalence_and_reaches_nobody_else(
    a: str, b: str, c: str
) -> None:
    assert same_person(a, a)
    assert same_person(a, b) == same_person(b, a) == is_same(a, b)
    assert not (same_person(a, b) and same_person(b, c)) or same_person(a, c)
    assert same_person(a, b) == (person_of(a) == person_of(b)) == (b in numbers_of(a))
    for other in numbers_of(a):
        assert ending_of(other) == ending_of(a)
        assert same_person(a, other)


def finds(asked: str, number: str) -> bool:
    """The rule of the filter once more, for two numbers of eight digits and more."""
    if is_same(asked, number) or is_same(asked.removeprefix("0"), number.removeprefix("0")):
        return True
    return any(
        is_same(code + national, long)
        for short, long in ((asked, number), (number, asked))
        for national in {short, short.removeprefix("0")}
        for code in CALLING_CODES
        if long.startswith(code)
    )


HEADS = st.sampled_from(
    [
        *("", "0", "1", "7", "9", "91", "091", "44", "39", "391", "999", "1091", "33", "98"),
        *("55", "5511", "55119", "11", "119", "0119", "0551", "52", "521", "54", "549", "0549"),
    ]
)
ENDINGS = st.sampled_from(["9876543210", "0876543210", "1719876543", "98765432", "09876543"])


@given(HEADS, HEADS, ENDINGS)
def test_what_may_stand_before_the_last_eight_digits(first: str, second: str, ending: str) -> None:
    asked, number = first + ending, second + ending
    assume(not asked.startswith("00") and not number.startswith("00"))
    first, second = asked[:-8], number[:-8]
    heads = heads_of(asked)
    assert (f",{second}," in heads) == finds(asked, number)
    assert (f",{first}," in heads_of(number)) == finds(number, asked)
    assert f",{first}," in heads


@given(st.integers(10**7, 10**15 - 1).map(str), st.sampled_from(sorted(CALLING_CODES)))
def test_every_calling_code_may_stand_before_a_number(number: str, code: str) -> None:
    known = [f"{code}{number}", f"0{number}", number]
    for each in known:
        if len(each) <= 15:
            assert f",{each[:-8]}," in heads_of(number)
    assert len(heads_of(number)) < 5_000


@pytest.mark.parametrize("asked", ["1234567", "us.9876543210", "1234567890123456", ""])
def test_what_is_not_found_by_its_ending_has_no_heads(asked: str) -> None:
    assert heads_of(asked) == ""


def test_the_calling_codes_are_those_of_the_pinned_library() -> None:
    assert FILE.read_text() == codes_of_the_library(), "run make codes"
    assert {"1", "91", "44", "971"} <= CALLING_CODES
    assert CALLING_CODES.isdisjoint({"0", "9", "2", "999", ""})
