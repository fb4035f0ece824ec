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
from service.models.schema import one_of

Yes = Annotated[bool, Meta(extra_json_schema={"const": True})]
No = Annotated[bool, Meta(extra_json_schema={"const": False})]
Moment = Annotated[
    str,
    Meta(
        description="a time in UTC, with milliseconds only where they aren't zero",
        extra_json_schema={"format": "date-time"},
    ),
]
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]


Version = Annotated[
    int,
    Meta(
        ge=1,
        description="grows with each change of the message, so the answer or event with the "
        "greater one is newer; compare those of one message only",
    ),
]


class MessageStatus(TypedDict):
    """A message in the answer of `message-status-lookup`."""

    status: Status
    sent_at: Moment | None
    delivered_at: Moment | None
    read_at: Moment | None
    error_code: str | None
    error: str | None
    version: NotRequired[Version]


class LatestLog(TypedDict):
    """A message in the answer of `message-logs/latest`."""

    id: Uuid
    wamid: str
    recipient_id: str
    status: Status
    message_type: str
    template_name: str | None
    sent_at: Moment | None
    delivered_at: Moment | None
    read_at: Moment | None
    error_code: str | None
    error_message: str | None
    version: NotRequired[Version]


class MessageLog(LatestLog):
    """A message in the answer of `message-logs`."""

    event_id: str | None
    registration_id: str | None
    guest_id: str | None
    guest_name: str | None
    failed_at: Moment | None


class Refusal(TypedDict):
    """Why a request, or an item of one, was not fulfilled."""

    ok: No
    error: Annotated[str, Meta(description="a sentence: what is wrong and what is allowed")]
    field: NotRequired[Annotated[str, Meta(description="the field or parameter at fault")]]


Queued = Annotated[
    bool, Meta(description="true: it is on disk and will be merged when Redis is back")
]


class Done(TypedDict):
    """All is well."""

    ok: Yes


class PayloadTaken(TypedDict):
    """Everything usable is kept. A caller with a token also gets the counts."""

    ok: Yes
    taken: NotRequired[Annotated[int, Meta(ge=0, description="how many statuses")]]
    passed_over: NotRequired[
        Annotated[dict[str, int], Meta(description="how many other items, by their kind")]
    ]
    queued: NotRequired[Queued]


class JournalState(TypedDict):
    """Whether reports are kept on disk while the store is away, and how many wait there."""

    on: bool
    reports: NotRequired[int]
    age_s: NotRequired[Annotated[float, Meta(description="how long the first of them has waited")]]
    for_other_stores: NotRequired[
        Annotated[int, Meta(description="how many of them wait for another store than this one")]
    ]
    fault: NotRequired[Annotated[str, Meta(description="why it takes no reports")]]


class Ready(TypedDict):
    """Requests are served; while the store is away only those that write."""

    ok: Yes
    store: Literal["up", "away"]
    reason: NotRequired[Annotated[str, Meta(description="why the store is away")]]
    journal: JournalState
    clock_ahead_s: NotRequired[
        Annotated[
            int,
            Meta(
                description="by how many seconds this machine's clock is ahead of that of Redis, "
                "less than 0: behind it; only where that is more than a minute"
            ),
        ]
    ]


class TrackSendEventResponse(TypedDict):
    """A send that belongs to an event is kept."""

    ok: Yes
    map_id: Uuid
    queued: NotRequired[Queued]


class TrackSendStandaloneResponse(TypedDict):
    """A send without an event is kept."""

    ok: Yes
    standalone: Yes
    wamid: str
    queued: NotRequired[Queued]


TrackSendResponse = TrackSendEventResponse | TrackSendStandaloneResponse


class MessageStatusResponse(TypedDict):
    """A status is kept; `status` is the message's status after it."""

    ok: Yes
    status: Status
    queued: NotRequired[Queued]


_Whether = Annotated[bool, Meta(description="whether every item was taken")]
_IN_ORDER = Meta(description="an answer for each item, in their order")


class TrackSendBatchResponse(TypedDict):
    """Answer of `track-send/batch`."""

    ok: _Whether
    results: Annotated[list[Annotated[Any, one_of(TrackSendResponse | Refusal)]], _IN_ORDER]
    queued: NotRequired[Queued]


class MessageStatusBatchResponse(TypedDict):
    """Answer of `message-status/batch`."""

    ok: _Whether
    results: Annotated[list[Annotated[Any, one_of(MessageStatusResponse | Refusal)]], _IN_ORDER]
    queued: NotRequired[Queued]


class StatusLookupResponse(TypedDict):
    """Answer of `message-status-lookup`: what is known, by wamid."""

    statuses: dict[str, MessageStatus]


class MessageLogsResponse(TypedDict):
    """Answer of `message-logs`."""

    logs: list[MessageLog]


class LatestLogResponse(TypedDict):
    """Answer of `message-logs/latest`; null where there is no message."""

    log: LatestLog | None


class EraseResponse(TypedDict):
    """Answer of `erase`."""

    ok: Yes
    erased: Annotated[int, Meta(ge=0, description="how many messages were there, and are gone")]
    complete: Annotated[
        bool, Meta(description="whether those were all; if not, ask again to go on")
    ]
    ends_alike: NotRequired[
        Annotated[
            int,
            Meta(
                ge=0,
                description="only when a recipient is erased: how many messages stay because "
                "their recipient's number only ends alike; if complete is false, those met so far",
            ),
        ]
    ]


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
