"""The requests and responses of the integration guide.

Requests are read, validated and turned into reports, records into what the guide's callers get.

The types say what is allowed and hold the sentence that a caller reads who sent something else.
Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import (
    Annotated,
    Generic,
    Literal,
    NoReturn,
    TypedDict,
    TypeVar,
    get_args,
    get_type_hints,
)

import msgspec
from msgspec import Meta

from service.errors import BadRequest
from service.keys import Position, Selection, ending_of, id_of, uuid_of
from service.reports import Context, Record, Report, Status

MAX_WAMIDS = 1_000
_MAX_ERROR_TEXT = 1_000

_SURROGATES = re.compile(r"[\ud800-\udfff]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_RECIPIENT = (
    "a phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 128 "
    "characters"
)

_Text128 = Annotated[str, Meta(max_length=128)]
_Text256 = Annotated[str, Meta(max_length=256)]
_Text512 = Annotated[str, Meta(max_length=512)]
_Digits = Annotated[int, Meta(ge=0)]

Wamid = Annotated[
    _Text256 | _Digits,
    Meta(description="a text of 1 to 256 characters without control characters"),
]
Id = Annotated[
    _Text128 | _Digits,
    Meta(description="a text of up to 128 characters without control characters, or an integer"),
]
Recipient = Annotated[
    _Text128 | _Digits,
    Meta(description=_RECIPIENT),
]
Word = Annotated[
    _Text128, Meta(description="a text of up to 128 characters without control characters")
]
Name = Annotated[
    _Text512, Meta(description="a text of up to 512 characters without control characters")
]
Time = Annotated[
    _Text128 | int,
    Meta(
        description="an ISO 8601 date and time or epoch seconds, not before 2009 and at most a day "
        "ahead"
    ),
]
ReportedStatus = Annotated[
    Literal["sent", "delivered", "read", "failed", "played"],
    Meta(description="one of sent, delivered, read, failed (or played, taken as read)"),
]
Wamids = Annotated[
    list[Wamid],
    Meta(max_length=MAX_WAMIDS, description="a list of up to 1,000 message ids"),
]


FilterId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="a text of 1 to 128 characters without control characters",
    ),
]
FilterName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        description="a text of 1 to 512 characters without control characters",
    ),
]
FilterRecipient = Annotated[
    str,
    Meta(min_length=1, max_length=128, description=_RECIPIENT),
]
Flag = Annotated[Literal["true", "false"], Meta(description="true or false")]
ListedStatus = Annotated[
    Literal["sent", "delivered", "read", "failed"],
    Meta(description="one of sent, delivered, read, failed"),
]
Limit = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]?|1[0-9][0-9]|200)(?![\s\S])",
        description="a whole number from 1 to 200",
    ),
]
Cursor = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{16}\.[A-Za-z0-9_-]{22}(?![\s\S])",
        description="taken from the Link header of the page before",
    ),
]

_STATUSES = {status.value: status for status in Status} | {"played": Status.READ}


class TrackSendRequest(msgspec.Struct, frozen=True, gc=False):
    """A template message was sent: body of `track-send`."""

    wa_id: Recipient
    template_wamid: Wamid
    event_id: Id | None = None
    event_registration_id: Id | None = None
    guest_id: Id | None = None
    template_name: Name | None = None
    flow_type: Word | None = None
    message_type: Word | None = None
    guest_name: Name | None = None


class MessageStatusRequest(msgspec.Struct, frozen=True, gc=False):
    """Meta reported a status: body of `message-status`."""

    wamid: Wamid
    status: ReportedStatus
    timestamp: Time
    recipient_id: Recipient | None = None
    errors: msgspec.Raw = msgspec.Raw(b"null")


class StatusLookupRequest(msgspec.Struct, frozen=True, gc=False):
    """Body of `message-status-lookup`."""

    wamids: Wamids


class MessageLogsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of `message-logs`; a filter that is not given lets everything through."""

    registration_id: FilterId | None = None
    event_id: FilterId | None = None
    guest_id: FilterId | None = None
    recipient_id: FilterRecipient | None = None
    template_name: FilterName | None = None
    standalone: Flag | None = None
    status: ListedStatus | None = None
    limit: Limit = "50"
    cursor: Cursor | None = None


class LatestLogQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of `message-logs/latest`."""

    registration_id: FilterId


# Requests in -----------------------------------------------------------------------------------

Model = TypeVar("Model", bound=msgspec.Struct)


class Reader(Generic[Model]):
    """Reads one kind of request.

    Args:
        model: the struct that the request must fit.
    """

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._decoder = msgspec.json.Decoder(model)
        self._allowed = {
            name: _description(hint)
            for name, hint in get_type_hints(model, include_extras=True).items()
        }

    def body(self, raw: bytes) -> Model:
        """The request in a JSON body.

        Raises:
            BadRequest: it isn't JSON, not an object, or a field is missing or ill-typed.
        """
        try:
            model = self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise self._bad_request(error, "The body must be a JSON object.") from None
        except (ValueError, RecursionError):
            model = self._odd_body(raw)
        # JSON holds control characters only as escapes (\), save for these beginnings in UTF-8.
        if 0x5C in raw or 0x7F in raw or 0xC2 in raw:
            self._refuse_controls(model)
        return model

    def _odd_body(self, raw: bytes) -> Model:
        try:
            return self._decoder.decode(self._without_lone_surrogates(raw))
        except msgspec.ValidationError as error:
            raise self._bad_request(error, "The body must be a JSON object.") from None
        except (ValueError, RecursionError):
            raise BadRequest("The body is not valid JSON; it must be a JSON object.") from None

    def _refuse_controls(self, model: Model) -> None:
        for name, allowed in self._allowed.items():
            value = getattr(model, name)
            for text in value if isinstance(value, list) else (value,):
                if isinstance(text, str) and _CONTROLS.search(text):
                    raise _refusal(name, allowed)

    def _without_lone_surrogates(self, raw: bytes) -> bytes:
        """The body with what the decoder stumbles over taken out of it, where it may be.

        JavaScript escapes half of a cut emoji as a lone surrogate. That must not cost a status
        whose `errors` or unknown fields hold one; in any other field it is refused.
        """
        body = json.loads(raw.decode(), parse_constant=_refuse_constant)
        if not isinstance(body, dict):
            raise ValueError("not an object")  # noqa: TRY004  as json raises for what is no JSON
        known = {name: value for name, value in body.items() if name in self._allowed}
        if "errors" in known:
            text = json.dumps(known["errors"], ensure_ascii=False)
            known["errors"] = json.loads(_SURROGATES.sub("\ufffd", text))
        for name, value in known.items():
            if _SURROGATES.search(json.dumps(value, ensure_ascii=False)):
                raise _refusal(name, self._allowed[name])
        return json.dumps(known, ensure_ascii=False).encode()

    def query(self, parameters: Sequence[tuple[str, str]]) -> Model:
        """The request in the parameters of a query.

        Raises:
            BadRequest: one is unknown, given twice, empty or ill-formed.
        """
        given = dict(parameters)
        for name in given:
            if name not in self._allowed:
                raise BadRequest(
                    f"Unknown parameter; allowed are {', '.join(self._allowed)}.", name
                )
        if len(given) < len(parameters):
            names = [name for name, _ in parameters]
            twice = next(name for name in names if names.count(name) > 1)
            raise BadRequest(f"{twice} may be given once only.", twice)
        try:
            model = msgspec.convert(given, self._model)
        except msgspec.ValidationError as error:
            raise self._bad_request(error, "The query is ill-formed.") from None
        self._refuse_controls(model)
        return model

    def _bad_request(self, error: msgspec.ValidationError, otherwise: str) -> BadRequest:
        if found := re.search(r"missing required field `(\w+)`", str(error)):
            return BadRequest(f"{found[1]} is required: {self._allowed[found[1]]}.", found[1])
        if found := re.search(r"at `\$\.(\w+)", str(error)):
            return _refusal(found[1], self._allowed[found[1]])
        return BadRequest(otherwise)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _description(hint: object) -> str:
    """What a type says of itself."""
    for part in (hint, *get_args(hint)):
        for meta in getattr(part, "__metadata__", ()):
            if meta.description:
                return str(meta.description)
    return ""


def _refusal(field: str, allowed: str) -> BadRequest:
    return BadRequest(f"{field} must be {allowed}.", field)


_ALLOWED_TIME = _description(Time)


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


_PUNCTUATION = re.compile(r"[+\s\-\u2010\u2011.()\[\]]")
_LEAST_DIGITS, _MOST_DIGITS = 6, 15
_NATIONAL_DIGITS = 10


def _is_phone(text: str) -> bool:
    return text.isdigit() and text.isascii() and _LEAST_DIGITS <= len(text) <= _MOST_DIGITS


def recipient_of(text: str, field: str) -> str:
    """A recipient in the form in which it is kept: a phone number as its digits.

    Raises:
        BadRequest: fewer than six digits and no letter.
    """
    if _is_phone(text):
        return text
    bare = _PUNCTUATION.sub("", text)
    if _is_phone(bare):
        return bare
    if len(re.findall("[0-9]", bare)) < _LEAST_DIGITS and not any(map(str.isalpha, bare)):
        raise _refusal(field, _RECIPIENT)
    return text


_TIME = re.compile(r"[0-9W-]{7,10}[T ][0-9:.,]+(?:Z|[+-][0-9:.,]+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EARLIEST_MS = (datetime(2009, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LONGEST_AHEAD_MS = timedelta(days=1) // _MILLISECOND


def time_of(value: str | int, now_ms: int, field: str = "timestamp") -> int:
    """A reported time, in ms since the epoch.

    Args:
        value: ISO 8601, UTC where it has no offset, or epoch seconds.
        now_ms: the service's clock.
        field: to name in the error.

    Raises:
        BadRequest: it can't be read, is before 2009 or more than a day ahead.
    """
    try:
        time_ms = _milliseconds(value)
    except (ValueError, OverflowError):
        time_ms = None
    if time_ms is None or not _EARLIEST_MS <= time_ms <= now_ms + _LONGEST_AHEAD_MS:
        raise _refusal(field, _ALLOWED_TIME)
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


def send_report(request: TrackSendRequest, received_us: int) -> Report:
    """What a track-send says: sent, now, with this context.

    Raises:
        BadRequest: a required field is empty, or there is a registration and no event.
    """
    event_id = _text(request.event_id, "event_id")
    registration_id = _text(request.event_registration_id, "event_registration_id")
    if registration_id and not event_id:
        raise BadRequest(
            "event_registration_id needs the event_id that it belongs to.", "event_registration_id"
        )
    return Report(
        wamid=_required(request.template_wamid, "template_wamid", 256),
        status=Status.SENT,
        at_ms=received_us // 1000,
        received_us=received_us,
        context=Context(
            recipient_id=recipient_of(_required(request.wa_id, "wa_id"), "wa_id"),
            event_id=event_id,
            registration_id=registration_id,
            guest_id=_text(request.guest_id, "guest_id"),
            template_name=request.template_name or "",
            flow_type=request.flow_type or "",
            message_type=request.message_type or "",
            guest_name=request.guest_name or "",
        ),
    )


def status_report(request: MessageStatusRequest, received_us: int) -> Report:
    """What a status update says.

    Raises:
        BadRequest: a field can't be read.
    """
    status = _STATUSES[request.status]
    recipient_id = _text(request.recipient_id, "recipient_id")
    if recipient_id:
        recipient_id = recipient_of(recipient_id, "recipient_id")
    code, message = error_of(request.errors) if status is Status.FAILED else ("", "")
    return Report(
        _required(request.wamid, "wamid", 256),
        status,
        time_of(request.timestamp, received_us // 1000),
        received_us,
        recipient_id,
        code,
        message,
    )


def wamids_of(request: StatusLookupRequest) -> list[str]:
    """The message ids that a look-up asks for, each once.

    Raises:
        BadRequest: one is empty.
    """
    return list(dict.fromkeys(_required(wamid, "wamids", 256) for wamid in request.wamids))


def error_of(raw: msgspec.Raw) -> tuple[str, str]:
    """The code and the message of the first of Meta's errors, `""` for what there isn't.

    Takes anything: what is ill-typed counts as absent.
    """
    try:
        errors = json.loads(bytes(raw).decode(errors="replace"), parse_int=_cut_int)
    except (ValueError, RecursionError):
        return "", ""
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            found = _error_code(error.get("code")), _error_message(error)
            if any(found):
                return found
    return "", ""


def _cut_int(digits: str) -> int:
    """Python reads integers of a few thousand digits only, and no more than this are kept."""
    return int(digits[:_MAX_ERROR_TEXT])


def _error_code(code: object) -> str:
    if isinstance(code, int) and not isinstance(code, bool):
        return str(code)[:_MAX_ERROR_TEXT]
    return _error_text(code)


def _error_message(error: Mapping[str, object]) -> str:
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else None
    candidates = (error.get("title"), error.get("message"), details, error.get("details"))
    return next(filter(None, map(_error_text, candidates)), "")


def _error_text(text: object) -> str:
    if not isinstance(text, str):
        return ""
    text = _CONTROLS.sub(" ", text)[:_MAX_ERROR_TEXT]
    return text if text.strip() else ""


def selection_of(query: MessageLogsQuery) -> Selection:
    """Which messages a query asks for.

    Raises:
        BadRequest: the phone number is none.
    """
    recipient_id = recipient_of(query.recipient_id, "recipient_id") if query.recipient_id else ""
    ending = ending_of(recipient_id)
    filters = [
        (dimension, value)
        for dimension, value in (
            ("registration", query.registration_id),
            ("event", query.event_id),
            ("guest", query.guest_id),
            ("recipient", ending),
            ("template", query.template_name),
        )
        if value
    ]
    if query.standalone == "true":
        filters.append(("standalone", ""))
    return Selection(
        filters=filters or [("all", "")],
        status=query.status or "",
        recipient_id=recipient_id if len(ending) == _NATIONAL_DIGITS else "",
    )


def latest_of(query: LatestLogQuery) -> Selection:
    """The messages of the registration that a query asks for."""
    return Selection([("registration", query.registration_id)])


def position_of(cursor: str | None) -> Position | None:
    """The position that `cursor_of` wrote."""
    if cursor is None:
        return None
    created_us, _, message_id = cursor.partition(".")
    return Position(int(created_us), message_id)


# Records out ------------------------------------------------------------------------------------


class MessageStatus(TypedDict):
    """What `message-status-lookup` tells of a message."""

    status: str
    sent_at: str | None
    delivered_at: str | None
    read_at: str | None
    error_code: str | None
    error: str | None


class LatestLog(TypedDict):
    """What `message-logs/latest` tells of a message."""

    id: str
    wamid: str
    recipient_id: str
    status: str
    message_type: str
    template_name: str | None
    sent_at: str | None
    delivered_at: str | None
    read_at: str | None
    error_code: str | None
    error_message: str | None


class MessageLog(LatestLog):
    """What `message-logs` tells of a message."""

    event_id: str | None
    registration_id: str | None
    guest_id: str | None
    guest_name: str | None
    failed_at: str | None


def cursor_of(position: Position) -> str:
    """A position as callers hand it back."""
    return f"{position.created_us}.{position.message_id}"


def iso(time_ms: int | None) -> str | None:
    """A time as the guide has it; with milliseconds only where they aren't zero."""
    if time_ms is None:
        return None
    seconds, rest = divmod(time_ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    return f"{text}.{rest:03}Z" if rest else f"{text}Z"


def message_type_of(record: Record) -> str:
    """The type that a track-send gave, or the one that follows from the rest."""
    context = record.context
    if context.message_type:
        return context.message_type
    return context.flow_type or "rsvp" if context.event_id else "template"


def message_status(record: Record) -> MessageStatus:
    """A record for `message-status-lookup`."""
    return {
        "status": record.status,
        "sent_at": iso(record.sent_ms),
        "delivered_at": iso(record.delivered_ms),
        "read_at": iso(record.read_ms),
        "error_code": record.error_code or None,
        "error": record.error_message or None,
    }


def latest_log(record: Record) -> LatestLog:
    """A record for `message-logs/latest`."""
    return {
        "id": uuid_of(id_of(record.wamid)),
        "wamid": record.wamid,
        "recipient_id": record.context.recipient_id,
        "status": record.status,
        "message_type": message_type_of(record),
        "template_name": record.context.template_name or None,
        "sent_at": iso(record.sent_ms),
        "delivered_at": iso(record.delivered_ms),
        "read_at": iso(record.read_ms),
        "error_code": record.error_code or None,
        "error_message": record.error_message or None,
    }


def message_log(record: Record) -> MessageLog:
    """A record for `message-logs`."""
    return {
        **latest_log(record),
        "event_id": record.context.event_id or None,
        "registration_id": record.context.registration_id or None,
        "guest_id": record.context.guest_id or None,
        "guest_name": record.context.guest_name or None,
        "failed_at": iso(record.failed_ms),
    }
