"""Reads single fields: texts, message ids, times and Meta's errors."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from service.domain.report import LONGEST_AHEAD_MS, Status
from service.errors import BadRequest
from service.models.decoding import CONTROLS, clean, cut_int, description, refusal
from service.models.requests import (
    EARLIEST,
    ISO_TIME,
    MAX_TIME,
    Time,
    Wamid,
)

MAX_WAMID = 256
"""The most characters of a message id."""

NO_ERROR = ("", "", "", "")
"""The result of `error_of` when there is no error."""

_MAX_ERROR_TEXT = 1_000

_METAS_PAGES = "https://developers.facebook.com"

STATUSES = {status.value: status for status in Status} | {"played": Status.READ}

_ALLOWED_TIME = description(Time)


def optional_text(value: str | int | None, field: str, limit: int = 128) -> str:
    """Returns a field's text. An integer is read as its digits; None and "" mean not given."""
    if isinstance(value, str):
        return value
    digits = "" if value is None else str(value)
    if len(digits) > limit:
        raise BadRequest(f"{field} must have at most {limit} digits.", field)
    return digits


def required_text(value: str | int, field: str, limit: int = 128) -> str:
    """Returns a field's text like `optional_text`, but refuses an empty one."""
    text = optional_text(value, field, limit)
    if not text:
        raise BadRequest(f"{field} is required and must not be empty.", field)
    return text


_TIME = re.compile(ISO_TIME)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MILLISECOND = timedelta(milliseconds=1)

_EARLIEST_MS = (EARLIEST - _EPOCH) // _MILLISECOND

_LATEST_MS = 9_999_999_999_999
"""The largest time that the whole service handles correctly: ten digits of seconds."""

Latest = Callable[[], float]
"""Returns the latest time that is accepted, in ms since the epoch. It is called only for a time
that is more than a day ahead of our clock."""


def any_time() -> float:
    """The `Latest` for a caller whose clock is right: if its time is far ahead, ours is wrong."""
    return math.inf


def none_later() -> float:
    """The `Latest` if there is no other clock than ours."""
    return -math.inf


def time_of(
    value: str | int, now_ms: int, field: str = "timestamp", latest_ms: Latest = none_later
) -> int:
    """Returns a reported time, in ms since the epoch.

    Args:
        value: the time in ISO 8601, taken as UTC if it has no offset, or in epoch seconds.
        now_ms: the time by the service's clock.
        field: the field that the error names.
        latest_ms: another clock, since the service's may be wrong; see `Latest`.

    Raises:
        BadRequest: the time can't be read, is before 2009 or more than a day ahead.
    """
    try:
        # A longer text can't be a time, and must not fill the cache.
        short = isinstance(value, int) or len(value) <= MAX_TIME
        time_ms = _milliseconds(value) if short else None
    except (ValueError, OverflowError):
        time_ms = None
    if time_ms is None or time_ms < _EARLIEST_MS:
        raise refusal(field, _ALLOWED_TIME)
    if time_ms > now_ms + LONGEST_AHEAD_MS and time_ms > min(latest_ms(), _LATEST_MS):
        raise refusal(field, _ALLOWED_TIME)
    return time_ms


@lru_cache(maxsize=4096)  # Meta's times are whole seconds: thousands of statuses share one
def _milliseconds(value: str | int) -> int | None:
    if isinstance(value, int):
        return value * 1000
    if value.isascii() and value.isdigit():
        return int(value) * 1000
    if not _TIME.fullmatch(value):
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND


def read_wamid(text: str) -> str:
    """Returns the message id in a path.

    Raises:
        BadRequest: the text can't be a message id.
    """
    if not 0 < len(text) <= MAX_WAMID or CONTROLS.search(text):
        raise refusal("wamid", description(Wamid))
    return text


def error_in_json(raw: msgspec.Raw | msgspec.UnsetType) -> tuple[str, str, str, str]:
    """Decodes Meta's errors, then reads them like `error_of`."""
    if isinstance(raw, msgspec.UnsetType):
        return error_of(None)
    try:
        return error_of(json.loads(bytes(raw).decode(errors="replace"), parse_int=cut_int))
    except (ValueError, RecursionError):
        return error_of(None)


def error_of(errors: object) -> tuple[str, str, str, str]:
    """Returns the code, message, details and link of the first of Meta's errors.

    It accepts anything: an ill-typed part counts as absent, and is `""`. An error with neither a
    code nor a text is none.
    """
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            data = error.get("error_data")
            details = text_of(data.get("details")) if isinstance(data, dict) else ""
            details = details or text_of(error.get("details"))
            message = text_of(error.get("title")) or text_of(error.get("message")) or details
            code = _error_code(error.get("code"))
            if code or message:
                return code, message, details, _whole_link(text_of(error.get("href")))
    return NO_ERROR


def _whole_link(href: str) -> str:
    """Returns Meta's link with the beginning that Meta may leave out."""
    is_path = href.startswith("/") and not href.startswith("//")
    return f"{_METAS_PAGES}{href}"[:_MAX_ERROR_TEXT] if is_path else href


def _error_code(code: object) -> str:
    if isinstance(code, int) and not isinstance(code, bool):
        return str(code)[:_MAX_ERROR_TEXT]
    return text_of(code)


def text_of(text: object, limit: int = _MAX_ERROR_TEXT) -> str:
    """Returns a text of Meta's, cut and without control characters; `""` if it is no text."""
    if not isinstance(text, str):
        return ""
    text = clean(text)[:limit]
    return text if text.strip() else ""
