"""Places in the feed as callers hand them back: short, and read strictly."""

from hypothesis import given
from hypothesis import strategies as st

from service.live.feed import START, Place, name_of, places_in

NUMBERS = st.integers(0, 2**63 - 2)  # of a time the next number is written
PLACES = st.just(START) | st.builds(Place, NUMBERS, NUMBERS)
HEADER_BYTES = 8_190
A_YEAR_MS = 365 * 86_400_000


@given(st.lists(PLACES, min_size=1, max_size=40))
def test_what_was_written_is_read(places: list[Place]) -> None:
    name = name_of(places)
    assert name.isascii()
    assert places_in(name, len(places)) == places
    assert places_in(name, len(places) + 1) is None


@given(st.lists(PLACES, min_size=1, max_size=4), st.data())
def test_what_was_changed_is_another_or_none(places: list[Place], data: st.DataObject) -> None:
    """There is one way to write places, so that nothing else passes for them."""
    name = name_of(places)
    at = data.draw(st.integers(0, len(name)))
    changed = name[:at] + data.draw(st.text(max_size=2)) + name[at + data.draw(st.integers(0, 2)) :]
    found = places_in(changed, len(places))
    assert found is None or name_of(found) == changed


@given(st.text(max_size=50), st.integers(1, 3))
def test_any_text_is_read_or_refused(text: str, partitions: int) -> None:
    found = places_in(text, partitions)
    assert found is None or len(found) == partitions


def test_the_id_of_many_partitions_fits_into_a_header() -> None:
    """Those with changes all year round and those of a year ago, thousands in a millisecond."""
    places = [Place(1_700_000_000_000 + A_YEAR_MS * p // 256, 9_999) for p in range(256)]
    assert len(name_of(places)) < HEADER_BYTES / 2
    assert places_in(name_of(places), 256) == places


def test_the_id_of_too_many_stands_for_none() -> None:
    places = [Place(1_700_000_000_000 + A_YEAR_MS * p // 4096, 9_999) for p in range(4096)]
    assert name_of(places) == "-"
    assert places_in("-", 4096) is None
