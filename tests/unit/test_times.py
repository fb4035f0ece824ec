"""Times of somebody else's table: of its own form, and in its own zone."""

from zoneinfo import ZoneInfo

import pytest

from service.errors import BadRequest
from service.models.times import Times, advice, can_be_read

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "read", "without_zone"),
    [
        ("2026-01-15T10:30:00Z", "2026-01-15T10:30:00Z", 0),
        ("2026-01-15 10:30:00.123456+05:30", "2026-01-15 10:30:00.123456+05:30", 0),
        ("2026-01-15 10:30:00", "2026-01-15T09:30:00+00:00", 1),
        ("2026-07-15 10:30:00", "2026-07-15T08:30:00+00:00", 1),
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00+00:00", 1),  # came twice
        ("1768473005", "1768473005", 0),
        ("15/01/2026", "15/01/2026", 0),  # the API refuses it
        ("2026-13-45T10:30", "2026-13-45T10:30", 0),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00", 1),
        (" 1768473005 ", "1768473005", 0),
        ("\t2026-01-15 10:30:00Z ", "2026-01-15 10:30:00Z", 0),
    ],
)
def test_a_time_is_read_in_its_zone(text: str, read: str, without_zone: int) -> None:
    times = Times(zone=BERLIN)
    assert times.read(text, "sent_at") == read
    assert times.without_zone == without_zone


def test_a_time_that_the_clocks_skipped_is_refused() -> None:
    with pytest.raises(BadRequest, match="sent_at is a time that never was") as caught:
        Times(zone=BERLIN).read("2026-03-29 02:30:00", "sent_at")
    assert caught.value.field == "sent_at"


def test_with_forms_all_times_are_of_one() -> None:
    """A day and a month that changed places would be read without a word otherwise."""
    times = Times(["%d/%m/%Y %H:%M", "%Y-%d-%m", "%d.%m.%Y %H:%M %z"])
    assert times.read(" 03/02/2026 10:30", "x") == "2026-02-03T10:30:00+00:00"
    assert times.read("2026-03-02", "x") == "2026-02-03T00:00:00+00:00"
    assert times.read("03.02.2026 10:30 +0530", "x") == "2026-02-03T05:00:00+00:00"
    for text in ("2026-02-25", "2026-02-03T10:30:00Z", "1768473005"):
        with pytest.raises(BadRequest, match="--date-format"):
            times.read(text, "x")
    with pytest.raises(BadRequest, match="nothing may stand"):
        times.read("NULL", "x")


@pytest.mark.parametrize(
    ("form", "can"),
    [
        ("%d/%m/%Y", True),
        ("%m/%d/%y %I:%M:%S %p", True),
        ("%Y-%m-%dT%H:%M:%S.%f", True),
        ("%d %b %Y %H:%M", True),
        ("%d.%m.%Y %H:%M %z", True),
        ("%d/%m/%Y %H:%M %Z", False),
        ("%d/%m/%Y %H:%M %p", False),
        ("%d/%m/%Y %I:%M", False),
        ("%d/%m %H:%M", False),
        ("%s", False),
        ("%Q", False),
        ("", False),
        ("dd/mm/yyyy", False),
    ],
)
def test_a_form_has_a_whole_day_and_no_half_of_a_time(form: str, can: bool) -> None:
    assert can_be_read(form) is can


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("15/01/26", "such as '%d/%m/%y'."),
        ("1/15/2026, 10:30:05 pm", "such as '%m/%d/%Y, %I:%M:%S %p'."),
        ("2026-01-15", "such as '%Y-%m-%d'."),
        ("2026/1/5 10:30:05.25", "such as '%Y/%m/%d %H:%M:%S.%f'."),
        ("Jan 15, 2026", "such as '%d/%m/%Y %H:%M'."),
        ("46037,4375", "number of days"),
        ("46037", "number of days"),
        ("1768473005000", "give its first ten digits"),
        (1768473005000, "give its first ten digits"),
        ("1768473005.123", "give its first ten digits"),
        ("1768473005123456", "give its first ten digits"),
        *((text, "nothing may stand") for text in ("NULL", "\\N", "n/a", "-", "0", True)),
        ("0000-00-00 00:00:00", "nothing may stand"),
    ],
)
def test_what_helps_is_said_by_the_look_of_a_time(text: str | int, said: str) -> None:
    assert said in advice(text)


@pytest.mark.parametrize("text", ["2001-01-01T00:00:00Z", "100000000", 5, None, ["x"]])
def test_nothing_is_said_where_nothing_helps(text: object) -> None:
    assert advice(text) == ""
