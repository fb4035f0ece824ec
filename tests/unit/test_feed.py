"""Places in the feed as callers hand them back: short, and read strictly."""

from hypothesis import given
from hypothesis import strategies as st

from service.live.feed import START, StreamId, decode_cursor, encode_cursor

NUMBERS = st.integers(0, 2**63 - 2)  # of a time the next number is written
PLACES = st.just(START) | st.builds(StreamId, NUMBERS, NUMBERS)
HEADER_BYTES = 8_190
A_YEAR_MS = 365 * 86_400_000


@given(st.lists(PLACES, min_size=1, max_size=40))
def test_what_was_written_is_read(places: list[StreamId]) -> None:
    name = encode_cursor(places)
    assert name.isascii()
    assert decode_cursor(name, len(places)) == places
    assert decode_cursor(name, len(places) + 1) is None


@given(st.lists(PLACES, min_size=1, max_size=4), st.data())
def test_what_was_changed_is_another_or_none(places: list[StreamId], data: st.DataObject) -> None:
    """There is one way to write places, so that nothing else passes for them."""
    name = encode_cursor(places)
    at = data.draw(st.integers(0, len(name)))
    changed = name[:at] + data.draw(st.text(max_size=2)) + name[at + data.draw(st.integers(0, 2)) :]
    found = decode_cursor(changed, len(places))
    assert found is None or encode_cursor(found) == changed


@given(st.text(max_size=50), st.integers(1, 3))
def test_any_text_is_read_or_refused(text: str, partitions: int) -> None:
    found = decode_cursor(text, partitions)
    assert found is None or len(found) == partitions


def test_the_id_of_many_partitions_fits_into_a_header() -> None:
    """Those with changes all year round and those of a year ago, thousands in a millisecond."""
    places = [StreamId(1_700_000_000_000 + A_YEAR_MS * p // 256, 9_999) for p in range(256)]
    assert len(encode_cursor(places)) < HEADER_BYTES / 2
    assert decode_cursor(encode_cursor(places), 256) == places


def test_the_id_of_too_many_stands_for_none() -> None:
    places = [StreamId(1_700_000_000_000 + A_YEAR_MS * p // 4096, 9_999) for p in range(4096)]
    assert encode_cursor(places) == "-"
    assert decode_cursor("-", 4096) is None
