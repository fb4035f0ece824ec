"""What single fields mean: texts, message ids, times and Meta's errors, by the contract's rules."""

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
"""Characters of a message id."""

NO_ERROR = ("", "", "", "")
"""The result of `error_of` when there is no error."""

_MAX_ERROR_TEXT = 1_000

_METAS_PAGES = "https://developers.facebook.com"

STATUSES = {status.value: status for status in Status} | {"played": Status.READ}

_ALLOWED_TIME = description(Time)


def optional_text(value: str | int | None, field: str, limit: int = 128) -> str:
    """A field's text: an integer is read as its digits, None and "" mean not given."""
    if isinstance(value, str):
        return value
    digits = "" if value is None else str(value)
    if len(digits) > limit:
        raise BadRequest(f"{field} must have at most {limit} digits.", field)
    return digits


def required_text(value: str | int, field: str, limit: int = 128) -> str:
    """As `optional_text`; an empty one is refused."""
    text = optional_text(value, field, limit)
    if not text:
        raise BadRequest(f"{field} is required and must not be empty.", field)
    return text


_TIME = re.compile(ISO_TIME)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MILLISECOND = timedelta(milliseconds=1)

_EARLIEST_MS = (EARLIEST - _EPOCH) // _MILLISECOND

_LATEST_MS = 9_999_999_999_999
"""Ten digits of seconds, as far as all that is made of times is right."""

Latest = Callable[[], float]
"""Tells the latest time that is taken, in ms since the epoch. It is asked only for one that lies
more than a day ahead of our clock."""


def any_time() -> float:
    """The `Latest` of a caller with a right clock: if its time lies far ahead, ours is wrong."""
    return math.inf


def none_later() -> float:
    """The `Latest` where our clock is the only one."""
    return -math.inf


def time_of(
    value: str | int, now_ms: int, field: str = "timestamp", latest_ms: Latest = none_later
) -> int:
    """A reported time, in ms since the epoch.

    Args:
        value: ISO 8601, UTC where it has no offset, or epoch seconds.
        now_ms: the service's clock.
        field: to name in the error.
        latest_ms: see `Latest`; as the service's clock may be wrong.

    Raises:
        BadRequest: it can't be read, is before 2009 or more than a day ahead.
    """
    try:
        short = (
            isinstance(value, int) or len(value) <= MAX_TIME
        )  # what isn't stays out of the cache
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
    """The message id in a path.

    Raises:
        BadRequest: it can't be one.
    """
    if not 0 < len(text) <= MAX_WAMID or CONTROLS.search(text):
        raise refusal("wamid", description(Wamid))
    return text


def error_in_json(raw: msgspec.Raw | msgspec.UnsetType) -> tuple[str, str, str, str]:
    """As `error_of`, of errors that are still JSON."""
    if isinstance(raw, msgspec.UnsetType):
        return error_of(None)
    try:
        return error_of(json.loads(bytes(raw).decode(errors="replace"), parse_int=cut_int))
    except (ValueError, RecursionError):
        return error_of(None)


def error_of(errors: object) -> tuple[str, str, str, str]:
    """Code, message, details and link of the first of Meta's errors, `""` for what there isn't.

    Takes anything: what is ill-typed counts as absent, an error with neither code nor text is none.
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
    """Meta's link, made whole: Meta may leave out the beginning."""
    is_path = href.startswith("/") and not href.startswith("//")
    return f"{_METAS_PAGES}{href}"[:_MAX_ERROR_TEXT] if is_path else href


def _error_code(code: object) -> str:
    if isinstance(code, int) and not isinstance(code, bool):
        return str(code)[:_MAX_ERROR_TEXT]
    return text_of(code)


def text_of(text: object, limit: int = _MAX_ERROR_TEXT) -> str:
    """A text of Meta's, without control characters and cut; `""` for what is none."""
    if not isinstance(text, str):
        return ""
    text = clean(text)[:limit]
    return text if text.strip() else ""
