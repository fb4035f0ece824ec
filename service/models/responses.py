"""The responses of the integration guide, with exactly its keys, and how records become them.

`/openapi.json` describes each answer by its type here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from msgspec import Meta

from service.domain.dimensions import DIMENSIONS
from service.domain.identity import uuid_of
from service.domain.record import Record
from service.domain.report import Status
from service.domain.rows import Kind, Texts, texts_of
from service.models import meanings
from service.models.schema import one_of

Yes = Annotated[bool, Meta(extra_json_schema={"const": True})]
No = Annotated[bool, Meta(extra_json_schema={"const": False})]
Count = Annotated[int, Meta(ge=0)]
Moment = Annotated[
    str,
    Meta(
        description="a time in UTC, with milliseconds only where they aren't zero",
        extra_json_schema={"format": "date-time"},
    ),
]
MessageId = Annotated[str, Meta(extra_json_schema={"format": "uuid"}), meanings.ID]
MessageWamid = Annotated[str, meanings.WAMID]
MessageState = Annotated[Status, meanings.STATUS]
SentAt = Annotated[Moment | None, meanings.SENT_AT]
DeliveredAt = Annotated[Moment | None, meanings.DELIVERED_AT]
ReadAt = Annotated[Moment | None, meanings.READ_AT]
FailedAt = Annotated[Moment | None, meanings.FAILED_AT]
ErrorCode = Annotated[str | None, meanings.ERROR_CODE]
ErrorMessage = Annotated[str | None, meanings.ERROR_MESSAGE]
RecipientId = Annotated[str, meanings.RECIPIENT_ID]
TemplateName = Annotated[str | None, meanings.TEMPLATE_NAME]
EventId = Annotated[str | None, meanings.EVENT_ID]
RegistrationId = Annotated[str | None, meanings.REGISTRATION_ID]
GuestId = Annotated[str | None, meanings.GUEST_ID]
GuestName = Annotated[str | None, meanings.GUEST_NAME]
Version = Annotated[int, Meta(ge=1), meanings.VERSION]


class MessageStatus(TypedDict):
    """A message in the answer of `message-status-lookup`."""

    status: MessageState
    sent_at: SentAt
    delivered_at: DeliveredAt
    read_at: ReadAt
    error_code: ErrorCode
    error: ErrorMessage
    version: NotRequired[Version]


class LatestLog(TypedDict):
    """A message in the answer of `message-logs/latest`."""

    id: MessageId
    wamid: MessageWamid
    recipient_id: RecipientId
    status: MessageState
    message_type: Annotated[str, meanings.MESSAGE_TYPE]
    template_name: TemplateName
    sent_at: SentAt
    delivered_at: DeliveredAt
    read_at: ReadAt
    error_code: ErrorCode
    error_message: ErrorMessage
    version: NotRequired[Version]


class MessageLog(LatestLog):
    """A message in the answer of `message-logs`."""

    event_id: EventId
    registration_id: RegistrationId
    guest_id: GuestId
    guest_name: GuestName
    failed_at: FailedAt


class Refusal(TypedDict):
    """Why a request, or an item of one, was not fulfilled."""

    ok: Annotated[No, meanings.NOT_OK]
    error: Annotated[str, meanings.ERROR]
    field: NotRequired[Annotated[str, meanings.FIELD]]


Queued = Annotated[Yes, meanings.QUEUED]


class Done(TypedDict):
    """All is well."""

    ok: Annotated[Yes, meanings.OK]


class PayloadTaken(TypedDict):
    """Everything usable is kept. A caller with a token also gets the counts."""

    ok: Annotated[Yes, meanings.OK]
    taken: NotRequired[Annotated[Count, meanings.TAKEN]]
    passed_over: NotRequired[Annotated[dict[str, Count], meanings.PASSED_OVER]]
    queued: NotRequired[Queued]


class JournalState(TypedDict):
    """Whether reports are kept on disk while the store is away, and how many wait there."""

    on: Annotated[bool, meanings.JOURNAL_ON]
    reports: NotRequired[Annotated[Count, meanings.JOURNAL_REPORTS]]
    age_s: NotRequired[Annotated[float, meanings.JOURNAL_AGE_S]]
    for_other_stores: NotRequired[Annotated[Count, meanings.JOURNAL_FOREIGN]]
    fault: NotRequired[Annotated[str, meanings.JOURNAL_FAULT]]


class Ready(TypedDict):
    """Requests are served; while the store is away only those that write."""

    ok: Annotated[Yes, meanings.OK]
    store: Annotated[Literal["up", "away"], meanings.STORE]
    reason: NotRequired[Annotated[str, meanings.REASON]]
    journal: Annotated[JournalState, meanings.JOURNAL]
    clock_ahead_s: NotRequired[Annotated[int, meanings.CLOCK_AHEAD_S]]


class TrackSendEventResponse(TypedDict):
    """A send that belongs to an event is kept."""

    ok: Annotated[Yes, meanings.OK]
    map_id: MessageId
    queued: NotRequired[Queued]


class TrackSendStandaloneResponse(TypedDict):
    """A send without an event is kept."""

    ok: Annotated[Yes, meanings.OK]
    standalone: Annotated[Yes, meanings.STANDALONE]
    wamid: MessageWamid
    queued: NotRequired[Queued]


TrackSendResponse = TrackSendEventResponse | TrackSendStandaloneResponse


class MessageStatusResponse(TypedDict):
    """A status is kept; `status` is the message's status after it."""

    ok: Annotated[Yes, meanings.OK]
    status: MessageState
    queued: NotRequired[Queued]


AllTaken = Annotated[bool, meanings.ALL_TAKEN]


class TrackSendBatchResponse(TypedDict):
    """Answer of `track-send/batch`."""

    ok: AllTaken
    results: Annotated[list[Annotated[Any, one_of(TrackSendResponse | Refusal)]], meanings.RESULTS]
    queued: NotRequired[Queued]


class MessageStatusBatchResponse(TypedDict):
    """Answer of `message-status/batch`."""

    ok: AllTaken
    results: Annotated[
        list[Annotated[Any, one_of(MessageStatusResponse | Refusal)]], meanings.RESULTS
    ]
    queued: NotRequired[Queued]


class StatusLookupResponse(TypedDict):
    """Answer of `message-status-lookup`: what is known, by wamid."""

    statuses: Annotated[dict[str, MessageStatus], meanings.STATUSES_BY_WAMID]


class MessageLogsResponse(TypedDict):
    """Answer of `message-logs`."""

    logs: Annotated[list[MessageLog], meanings.LOGS]


class LatestLogResponse(TypedDict):
    """Answer of `message-logs/latest`; null where there is no message."""

    log: Annotated[LatestLog | None, meanings.LATEST]


class EraseResponse(TypedDict):
    """Answer of `erase`."""

    ok: Annotated[Yes, meanings.OK]
    erased: Annotated[Count, meanings.ERASED]
    complete: Annotated[bool, meanings.COMPLETE]
    ends_alike: NotRequired[Annotated[Count, meanings.ENDS_ALIKE]]


Description = Annotated[dict[str, Any], Meta(description="an OpenAPI document")]


def iso(time_ms: str | None) -> str | None:
    """Returns a time in ISO 8601, with milliseconds only if they aren't zero.

    Args:
        time_ms: the digits of ms since the epoch; `""` and None stand for no time.
    """
    if not time_ms:
        return None
    rest = time_ms[-3:]
    second = _second(time_ms[:-3])
    return f"{second}Z" if rest == "000" else f"{second}.{rest}Z"


@lru_cache(maxsize=8192)  # thousands of messages share the second of a bulk send
def _second(digits: str) -> str:
    return datetime.fromtimestamp(int(digits), UTC).isoformat()[:19]


_STATUS_FIELDS = (
    *("status", "sent_ms", "delivered_ms", "read_ms", "failed_ms", "error_code", "error_message"),
)

STATUS_ROWS = texts_of(*_STATUS_FIELDS)
"""The fields that `message-status-lookup` reads; `message_status` makes an answer of them."""

VERSIONED_STATUS_ROWS = texts_of(*_STATUS_FIELDS, "version")
"""The same with the version; `versioned_status` makes an answer of them."""


def versioned_status(texts: Texts) -> MessageStatus:
    """Returns a row of `VERSIONED_STATUS_ROWS` as `message-status-lookup` shows it."""
    return {**message_status(texts), "version": version_of(texts[-1])}


def message_status(texts: Texts) -> MessageStatus:
    """Returns a row of `STATUS_ROWS` as `message-status-lookup` shows it."""
    status, sent_ms, delivered_ms, read_ms, _, error_code, error_message, *_ = texts
    return {
        "status": cast("Status", status),
        "sent_at": iso(sent_ms),
        "delivered_at": iso(delivered_ms),
        "read_at": iso(read_ms),
        "error_code": error_code,
        "error": error_message,
    }


_LOG_FIELDS = (
    *("status", "wamid", "recipient_id", "event_id", "registration_id", "guest_id", "guest_name"),
    *("template_name", "flow_type", "message_type", "sent_ms", "delivered_ms", "read_ms"),
    *("failed_ms", "error_code", "error_message"),
)


@lru_cache(maxsize=64)
def log_rows(*dimensions: str, versions: bool = False) -> Kind[Texts]:
    """Returns the fields that `message-logs` reads: those of `log_of`, and those of its filters.

    Each further field costs Redis 5 % more.
    """
    by = (field for each in DIMENSIONS if each.name in dimensions for field in each.fields)
    return texts_of(*dict.fromkeys((*_LOG_FIELDS, *["version"] * versions, *by)))


def log_of(texts: Texts) -> MessageLog:
    """Returns a row of `log_rows` as `message-logs` shows it."""
    (  # in the order of _LOG_FIELDS
        status, wamid, recipient_id, event_id, registration_id, guest_id, guest_name,
        template_name, flow_type, message_type, sent_ms, delivered_ms, read_ms,
        failed_ms, error_code, error_message, *_,
    ) = texts  # fmt: skip
    if not message_type:  # no track-send named one, so it follows from the rest
        message_type = (flow_type or "rsvp") if event_id else "template"
    wamid = wamid or ""
    return {
        "id": uuid_of(wamid),
        "wamid": wamid,
        "recipient_id": recipient_id or "",
        "status": cast("Status", status),
        "message_type": message_type,
        "template_name": template_name,
        "sent_at": iso(sent_ms) if sent_ms else None,
        "delivered_at": iso(delivered_ms) if delivered_ms else None,
        "read_at": iso(read_ms) if read_ms else None,
        "error_code": error_code,
        "error_message": error_message,
        "event_id": event_id,
        "registration_id": registration_id,
        "guest_id": guest_id,
        "guest_name": guest_name,
        "failed_at": iso(failed_ms) if failed_ms else None,
    }


def versioned_log_of(texts: Texts) -> MessageLog:
    """Returns a row of `log_rows`, read with its version, as `message-logs` shows it."""
    return {**log_of(texts), "version": version_of(texts[len(_LOG_FIELDS)])}


def version_of(text: str | None) -> int:
    """Returns the number that a record's `version` stands for."""
    return int(text or 1)


_log_texts = attrgetter(*_LOG_FIELDS)


def message_log(record: Record) -> MessageLog:
    """Returns a record as `message-logs` shows it with its version."""
    log = log_of([text or None for text in _log_texts(record)])
    return {**log, "version": version_of(record.version)}


def latest_log(record: Record, *, versions: bool) -> LatestLog:
    """Returns a record as `message-logs/latest` shows it."""
    log = message_log(record)
    names = (name for name in LatestLog.__annotations__ if versions or name != "version")
    return cast("LatestLog", {name: log[name] for name in names})  # type: ignore[literal-required]
