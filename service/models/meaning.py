"""What requests mean: reports, selections, positions; with the contract's rules for texts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from service.domain.error_codes import KNOWN_CODES, RemedyClass, classes_of, codes_of
from service.domain.keys import FILTERS, Position, Selection, ending_of
from service.domain.report import LONGEST_AHEAD_MS, Context, Extras, Report, Status
from service.domain.statistics import OTHER_CODE
from service.errors import BadRequest
from service.models.decoding import CONTROLS, clean, cut_int, description, refusal
from service.models.recipients import heads_of, ids_in, recipient_of
from service.models.requests import (
    EARLIEST,
    ISO_TIME,
    MAX_METAS_ID,
    MAX_TIME,
    EraseRequest,
    FailuresQuery,
    LiveQuery,
    MessageLogsQuery,
    MessageStatsQuery,
    MessageStatusRequest,
    StatusLookupRequest,
    StatusRequired,
    Time,
    TrackSendRequest,
    Wamid,
)

MAX_WAMID = 256
"""Characters of a message id."""

NO_CODE = "none"
"""What a query has for the code of failures without one."""

NO_ERROR = ("", "", "", "")
"""The result of `error_of` when there is no error."""

_MAX_ERROR_TEXT = 1_000
_METAS_PAGES = "https://developers.facebook.com"
STATUSES = {status.value: status for status in Status} | {"played": Status.READ}

_ALLOWED_TIME = description(Time)


def _text(value: str | int | None, field: str, limit: int = 128) -> str:
    """A field's text: an integer is read as its digits, None and "" mean not given."""
    if isinstance(value, str):
        return value
    digits = "" if value is None else str(value)
    if len(digits) > limit:
        raise BadRequest(f"{field} must have at most {limit} digits.", field)
    return digits


def _required(value: str | int, field: str, limit: int = 128) -> str:
    text = _text(value, field, limit)
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


def send_report(
    request: TrackSendRequest, received_us: int, latest_ms: Latest = none_later
) -> Report:
    """The report of a track-send: sent, at its `sent_at` or else now, with this context.

    Raises:
        BadRequest: a required field is empty, there is a registration and no event, or the
            recipient or the time can't be read.
    """
    event_id = _text(request.event_id, "event_id")
    registration_id = _text(request.event_registration_id, "event_registration_id")
    if registration_id and not event_id:
        raise BadRequest(
            "event_registration_id needs the event_id that it belongs to.", "event_registration_id"
        )
    at_ms = now_ms = received_us // 1000
    if request.sent_at is not None and request.sent_at != "":
        at_ms = time_of(request.sent_at, now_ms, "sent_at", latest_ms)
    return Report(
        wamid=_required(request.template_wamid, "template_wamid", 256),
        status=Status.SENT,
        at_ms=at_ms,
        received_us=received_us,
        context=Context(
            recipient_id=recipient_of(_required(request.wa_id, "wa_id", MAX_METAS_ID), "wa_id"),
            event_id=event_id,
            registration_id=registration_id,
            guest_id=_text(request.guest_id, "guest_id"),
            template_name=request.template_name or "",
            flow_type=request.flow_type or "",
            message_type=request.message_type or "",
            guest_name=request.guest_name or "",
            campaign_id=_text(request.campaign_id, "campaign_id"),
            phone_number_id=_text(request.phone_number_id, "phone_number_id"),
        ),
    )


def status_report(
    request: MessageStatusRequest, received_us: int, latest_ms: Latest = none_later
) -> Report:
    """What a status update says.

    Raises:
        BadRequest: a field can't be read.
    """
    status = STATUSES[request.status]
    recipient_id = _text(request.recipient_id, "recipient_id", MAX_METAS_ID)
    if recipient_id:
        recipient_id = recipient_of(recipient_id, "recipient_id")
    ids = ids_in(recipient_id)
    return Report(
        _required(request.wamid, "wamid", 256),
        status,
        time_of(request.timestamp, received_us // 1000, latest_ms=latest_ms),
        received_us,
        recipient_id,
        *(_raw_error_of(request.errors) if status is Status.FAILED else NO_ERROR),
        extras=Extras(**ids) if ids else (),
    )


def forwarded_report(
    required: StatusRequired,
    received_us: int,
    latest_ms: Latest,
    *,
    recipient_id: str,
    errors: object,
    extras: Extras | tuple[()],
) -> Report:
    """The report of a status update that may have more of Meta's fields than the guide's.

    Args:
        required: the required fields.
        received_us: when it was received, in µs since the epoch.
        latest_ms: see `Latest`.
        recipient_id: the recipient in its stored form, `""` for none.
        errors: Meta's errors, in any form.
        extras: Meta's other fields.

    Raises:
        BadRequest: a field can't be read.
    """
    status = STATUSES[required.status]
    return Report(
        _required(required.wamid, "wamid", 256),
        status,
        time_of(required.timestamp, received_us // 1000, latest_ms=latest_ms),
        received_us,
        recipient_id,
        *(error_of(errors) if status is Status.FAILED else NO_ERROR),
        (),
        extras,
    )


def wamids_of(request: StatusLookupRequest) -> list[str]:
    """The message ids that a look-up asks for, each once.

    Raises:
        BadRequest: one is empty.
    """
    given = (wamid for wamid in request.wamids if wamid is not None)
    return list(dict.fromkeys(_required(wamid, "wamids", 256) for wamid in given))


def read_wamid(text: str) -> str:
    """The message id in a path.

    Raises:
        BadRequest: it can't be one.
    """
    if not 0 < len(text) <= MAX_WAMID or CONTROLS.search(text):
        raise refusal("wamid", description(Wamid))
    return text


def _raw_error_of(raw: msgspec.Raw | msgspec.UnsetType) -> tuple[str, str, str, str]:
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


def selection_of(query: MessageLogsQuery) -> Selection:
    """Which messages a query asks for.

    Raises:
        BadRequest: the phone number is none.
    """
    recipient_id = recipient_of(query.recipient_id, "recipient_id") if query.recipient_id else ""
    filters = [
        (dimension, value)
        for field, dimension in FILTERS.items()
        if (value := getattr(query, field))
    ]
    if recipient_id:
        filters.append(("recipient", ending_of(recipient_id)))
    if query.standalone == "true":
        filters.append(("standalone", ""))
    if query.status == Status.FAILED.value:  # of these there are few, and an index
        filters.append(("failed", ""))
    return Selection(
        filters=filters or [("all", "")],
        status=query.status or "",
        heads=heads_of(recipient_id),
    )


def filter_of(query: LiveQuery | MessageStatsQuery | FailuresQuery) -> tuple[str, str]:
    """Whose messages a query is about: a dimension and a value, or `all` and "".

    Raises:
        BadRequest: it gives several.
    """
    given = {
        name: value
        for name in FILTERS
        if (value := getattr(query, name, None))  # not every query has them all
    }
    if len(given) > 1:
        raise BadRequest(f"At most one of {', '.join(given)} may be given.", list(given)[-1])
    return next(((FILTERS[name], value) for name, value in given.items()), ("all", ""))


def failed_selection(query: FailuresQuery, groups: Iterable[str]) -> Selection | None:
    """The selection of failed messages that a query asks for; None if no message can match.

    Args:
        query: asks for a code or a class.
        groups: the codes that failures are grouped by, see `remedies.groups_of`.
    """
    chosen = filter_of(query)
    filters = [("failed", "")] if chosen == ("all", "") else [chosen, ("failed", "")]
    wanted = RemedyClass(query.remedy_class) if query.remedy_class else None
    if query.code:
        code = "" if query.code == NO_CODE else query.code
        if wanted not in {None, *classes_of(code)}:
            return None
        if code == OTHER_CODE:
            named = {"", *KNOWN_CODES, *groups} - {OTHER_CODE}
            return Selection(filters, but_codes=sorted(named))
        return Selection(filters, codes=[code])
    if wanted is RemedyClass.UNKNOWN:
        return Selection(filters, but_codes=KNOWN_CODES)
    return Selection(filters, codes=codes_of(wanted) if wanted else ())


def value_position_of(cursor: str | None) -> tuple[int, str] | None:
    """The position that `value_cursor_of` wrote."""
    if cursor is None:
        return None
    latest_us, _, value = cursor.partition(".")
    return int(latest_us), value


def selection_to_erase(request: EraseRequest) -> Selection:
    """The messages to erase: of a recipient (the whole number or id), a guest, an event, say.

    Raises:
        BadRequest: none or several of these are given, or the recipient can't be one.
    """
    names = request.__struct_fields__
    limits = {"recipient_id": MAX_METAS_ID}
    texts = {name: _text(getattr(request, name), name, limits.get(name, 128)) for name in names}
    given = {name: text for name, text in texts.items() if text}
    if len(given) != 1:
        raise BadRequest(f"Exactly one of {', '.join(names)} must be given.")
    [(name, text)] = given.items()
    if name != "recipient_id":
        return Selection([(FILTERS[name], text)])
    recipient_id = recipient_of(text, name)
    return Selection([("recipient", ending_of(recipient_id))], recipient_id=recipient_id)


def position_of(cursor: str | None) -> Position | None:
    """The position that `cursor_of` wrote."""
    if cursor is None:
        return None
    created_us, _, message_id = cursor.partition(".")
    return Position(int(created_us), message_id)
