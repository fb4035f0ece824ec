"""Reads very large JSON in pieces, so that no call takes long to decode it or to free it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from service.errors import BadRequest
from service.models.decoding import any_json, parts_of, utf8, whole_pairs

AT_ONCE = 30_000
"""How many parts are decoded in one call; see `parts_of`."""

_MOST_BYTES = 1024**2
"""How many bytes are decoded in one call: a long text takes long if it has many escapes."""

_NAMES = (
    *("entry", "changes", "field", "value", "metadata", "statuses", "contacts", "messages"),
    *("errors", "id", "status", "timestamp", "recipient_id", "recipient_type"),
)
_Members = msgspec.defstruct(
    "_Members", [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in _NAMES]
)
_members = msgspec.json.Decoder(_Members)
_any = msgspec.json.Decoder(msgspec.Raw)
_one = msgspec.json.Decoder(tuple[msgspec.Raw])
"""Reads a list of one item; it fails at a second one."""

_TEXT = rb'(?:[^"\\]++|\\.)'
# Matches up to the next bracket or comma outside of texts, or to the beginning of a long text.
_MARK = re.compile(rb'[^"\[\]{},]*+(?:"%b{0,1000}+"[^"\[\]{},]*+)*+(["\[\]{},])' % _TEXT, re.DOTALL)
_REST_OF_TEXT = re.compile(rb'%b{0,50000}+(")?' % _TEXT, re.DOTALL)


def is_large(raw: bytes) -> bool:
    """Returns whether JSON is too large to be decoded in one call."""
    return len(raw) > AT_ONCE and (len(raw) > _MOST_BYTES or parts_of(raw) > AT_ONCE)


class Items:
    """The items of a very large list. Each iteration decodes them again, one by one.

    Args:
        raw: the list as JSON.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def __iter__(self) -> Iterator[object]:
        return map(_opened, _items_of(self._raw))


def json_in_pieces(raw: bytes) -> object:
    """Decodes JSON like `any_json`, but returns very large lists as `Items`.

    Of a very large object it returns only the members that Meta's webhook needs.

    Raises:
        BadRequest: the text is no JSON, or not UTF-8. Decoding the `Items` later may raise it too.
    """
    raw = utf8(raw)
    if not _is_valid(raw) and not _is_valid(raw := whole_pairs(raw)):
        raise BadRequest("The body is not valid JSON; it must be a JSON object.")
    return _opened(raw)


def _is_valid(raw: bytes) -> bool:
    try:
        _any.decode(raw)
    except (ValueError, RecursionError):
        return False
    return True


def _opened(raw: bytes) -> object:
    if parts_of(raw) <= AT_ONCE:
        return any_json(raw)
    if raw.lstrip().startswith(b"["):
        return _listed(raw)
    try:
        members = _members.decode(raw)
    except msgspec.ValidationError:  # a text with very many commas
        return any_json(raw)
    found = {name: getattr(members, name) for name in _NAMES}
    opened = {
        name: _opened(bytes(value)) for name, value in found.items() if value is not msgspec.UNSET
    }
    return opened or {"": None}


def _listed(raw: bytes) -> Items | list[object]:
    try:
        [item] = _one.decode(raw)  # Meta's outer lists nearly always have one item
    except msgspec.ValidationError:
        return Items(raw)
    return [_opened(bytes(item))]


def _items_of(raw: bytes) -> Iterator[bytes]:
    """Yields the items of a list in JSON that is known to be valid."""
    start = at = raw.index(b"[") + 1
    depth = 0
    while found := _MARK.match(raw, at):
        at, mark = found.end(), found[1]
        if mark == b'"':
            at = _end_of_text(raw, at)
        elif mark in b"[{":
            depth += 1
        elif mark == b",":
            if not depth:
                yield raw[start : at - 1]
                start = at
        elif depth:
            depth -= 1
        else:
            yield raw[start : at - 1]
            return


def _end_of_text(raw: bytes, at: int) -> int:
    while (found := _REST_OF_TEXT.match(raw, at)) and not found[1]:
        at = found.end()
    return found.end() if found else len(raw)
