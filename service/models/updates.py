"""Reads the body of `message-status`. An odd optional field never loses the status."""

from __future__ import annotations

from service.domain.report import Extras, Report
from service.errors import BadRequest
from service.models.decoding import MOST_PARTS, Notes, Reader, any_json, check_parts, utf8
from service.models.meaning import Latest, forwarded_report, none_later, status_report
from service.models.meta_fields import recipient_and_extras
from service.models.requests import ForwardedStatusRequest, MessageStatusRequest, StatusRequired

_RECIPIENT = "recipient_id"
_NO_EXTRAS = Extras()
_KNOWN = frozenset(ForwardedStatusRequest.__struct_fields__)

_guides = Reader(MessageStatusRequest)
_required = Reader(StatusRequired)


def update_in(raw: bytes, received_us: int, notes: Notes, latest_ms: Latest = none_later) -> Report:
    """The report of a body of `message-status`.

    Args:
        raw: the body as it came.
        received_us: when it was received, in µs since the epoch.
        notes: called for what was ignored in the body.
        latest_ms: see `Latest`.

    Raises:
        BadRequest: it is no JSON object, or its wamid, status or time can't be read.
        TooManyParts: it would take long to read.
    """
    if len(raw) > MOST_PARTS:  # a part has a byte at least
        check_parts(raw)
    if not raw.isascii():
        raw = utf8(raw)
    request = _guides.exact(raw)  # nearly all are, and to look closer costs twice as much
    if request is None:
        return _forwarded(raw, received_us, notes, latest_ms)
    try:
        return status_report(request, received_us, latest_ms)
    except BadRequest as error:
        if error.field != _RECIPIENT:
            raise
        return _forwarded(raw, received_us, notes, latest_ms)


def _forwarded(raw: bytes, received_us: int, notes: Notes, latest_ms: Latest) -> Report:
    """The report of a body that has other fields than the guide's, or something odd in it."""
    given = any_json(raw)
    required = _required.values(given, raw)
    if not isinstance(given, dict):
        raise BadRequest("The body must be a JSON object.")
    if not _KNOWN.issuperset(given):
        for name in given.keys() - _KNOWN:
            notes.ignored(name)
    recipient_id, extras = recipient_and_extras(given)
    if not recipient_id and given.get(_RECIPIENT) not in (None, ""):
        notes.odd(_RECIPIENT)
    return forwarded_report(
        required,
        received_us,
        latest_ms,
        recipient_id=recipient_id,
        errors=given.get("errors"),
        extras=() if extras == _NO_EXTRAS else extras,
    )
