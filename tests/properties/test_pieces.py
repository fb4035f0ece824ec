"""What is read in pieces, or mended, says the same as what is read at once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadRequest
from service.models import large_json
from service.models.decoding import any_json, parts_of, whole_pairs
from service.models.meta_webhook import Payload

AT_S = "1705314600"

_odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_person = st.sampled_from(["919876543210", "919876543211", "IN.1", 5, None])


def _mostly(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=fields) | _odd


_status = _mostly(
    id=st.sampled_from(["wamid.1", 'wamid."2",[{', "wamid\\.3", 7]),
    status=st.sampled_from(["read", "failed", "odd"]),
    timestamp=st.sampled_from([AT_S, "never", 5]),
    recipient_id=_person,
    errors=st.lists(_mostly(code=st.integers(), title=st.text(max_size=3)), max_size=2),
)
_contact = _mostly(wa_id=_person, user_id=st.just("IN.1"))
_value = _mostly(
    statuses=st.lists(_status, max_size=4) | _odd,
    contacts=st.lists(_contact, max_size=2) | _odd,
    messages=st.lists(_odd, max_size=2),
    errors=st.lists(_odd, max_size=2),
    metadata=_mostly(phone_number_id=st.just("1")),
)
_change = _mostly(field=st.sampled_from(["messages", "calls", 1]), value=_value)
_payload = _mostly(entry=st.lists(_mostly(changes=st.lists(_change, max_size=3)), max_size=3))


def said(body: bytes) -> tuple[object, ...] | str:
    """What a payload holds."""
    try:
        payload = Payload(body, lambda: 1_800_000_000_000_000)
    except BadRequest as error:
        return error.sentence
    return payload.reports, payload.passed_over


@given(_payload, st.sampled_from([2, None]), st.booleans())
def test_a_payload_says_the_same_in_pieces(
    payload: object, indent: int | None, ensure_ascii: bool
) -> None:
    """As Meta's webhook brings it, with something odd at any place."""
    body = json.dumps(payload, indent=indent, ensure_ascii=ensure_ascii)
    raw = body.encode("utf-8", "surrogatepass")
    at_once = said(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_json, "AT_ONCE", 12)
        assert large_json.is_large(raw) or len(raw) <= 12 or parts_of(raw) <= 12
        assert said(raw) == at_once


@pytest.mark.parametrize("raw", [b"", b"[", b"[1,2", b'{"entry":[[]', b"\xff", b'{"a":[1,2,]}'])
def test_what_is_no_json_is_refused_in_pieces_too(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        large_json.json_in_pieces(raw)


@given(st.lists(_odd | st.text('\\"[]{},a\n', max_size=9), min_size=1))
def test_a_list_is_cut_into_its_items(items: list[object]) -> None:
    raw = json.dumps(items).encode()
    assert [json.loads(item) for item in large_json._items_of(raw)] == items


@given(
    st.lists(st.sampled_from(["\\ud83d", "\\ude00", "\\\\", "u", "\\n", "d83d", "\\uD800", "a"]))
)
def test_each_lone_half_and_no_other_becomes_a_replacement_character(parts: list[str]) -> None:
    """Whatever stands before it: a backslash that is itself escaped begins no escape."""
    text = f'["{"".join(parts)}"]'
    [expected] = json.loads(text)
    mended = expected.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert any_json(text.encode()) == [mended]
    assert json.loads(whole_pairs(text.encode())) == [mended]
