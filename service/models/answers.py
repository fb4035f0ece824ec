"""What the guide's callers get: records as its responses have them, with exactly their keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypedDict

from service.keys import Position, id_of, uuid_of
from service.reports import Record


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
