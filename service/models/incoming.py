"""Turns request bodies into reports."""

from __future__ import annotations

from service.domain.report import Context, Extras, Report, Status
from service.errors import BadRequest
from service.models.decoding import MOST_PARTS, Notes, Reader, any_json, check_parts, utf8
from service.models.fields import (
    NO_ERROR,
    STATUSES,
    Latest,
    error_in_json,
    error_of,
    none_later,
    optional_text,
    required_text,
    time_of,
)
from service.models.meta_fields import recipient_and_extras
from service.models.recipients import ids_in, recipient_of
from service.models.requests import (
    MAX_METAS_ID,
    ForwardedStatusRequest,
    MessageStatusRequest,
    StatusRequired,
    TrackSendRequest,
)


def read_send(raw: bytes, received_us: int, notes: Notes, latest_ms: Latest = none_later) -> Report:
    """Returns the report in a body of `track-send`.

    Args:
        raw: the body as it came.
        received_us: when it was received, in µs since the epoch.
        notes: called for each part of the body that was ignored.
        latest_ms: see `Latest`.

    Raises:
        BadRequest: the body is no JSON object, or a field can't be read.
    """
    return send_report(_track_send.body(raw, notes), received_us, latest_ms)


def send_report(
    request: TrackSendRequest, received_us: int, latest_ms: Latest = none_later
) -> Report:
    """Returns the report of a track-send: `sent`, at its `sent_at` or else now, with its context.

    Raises:
        BadRequest: a required field is empty, there is a registration and no event, or the
            recipient or the time can't be read.
    """
    event_id = optional_text(request.event_id, "event_id")
    registration_id = optional_text(request.event_registration_id, "event_registration_id")
    if registration_id and not event_id:
        raise BadRequest(
            "event_registration_id needs the event_id that it belongs to.", "event_registration_id"
        )
    at_ms = now_ms = received_us // 1000
    if request.sent_at is not None and request.sent_at != "":
        at_ms = time_of(request.sent_at, now_ms, "sent_at", latest_ms)
    return Report(
        wamid=required_text(request.template_wamid, "template_wamid", 256),
        status=Status.SENT,
        at_ms=at_ms,
        received_us=received_us,
        context=Context(
            recipient_id=recipient_of(required_text(request.wa_id, "wa_id", MAX_METAS_ID), "wa_id"),
            event_id=event_id,
            registration_id=registration_id,
            guest_id=optional_text(request.guest_id, "guest_id"),
            template_name=request.template_name or "",
            flow_type=request.flow_type or "",
            message_type=request.message_type or "",
            guest_name=request.guest_name or "",
            campaign_id=optional_text(request.campaign_id, "campaign_id"),
            phone_number_id=optional_text(request.phone_number_id, "phone_number_id"),
        ),
    )


def status_report(
    request: MessageStatusRequest, received_us: int, latest_ms: Latest = none_later
) -> Report:
    """Returns the report of a status update that has only the guide's fields.

    Raises:
        BadRequest: a field can't be read.
    """
    status = STATUSES[request.status]
    recipient_id = optional_text(request.recipient_id, "recipient_id", MAX_METAS_ID)
    if recipient_id:
        recipient_id = recipient_of(recipient_id, "recipient_id")
    ids = ids_in(recipient_id)
    return Report(
        required_text(request.wamid, "wamid", 256),
        status,
        time_of(request.timestamp, received_us // 1000, latest_ms=latest_ms),
        received_us,
        recipient_id,
        *(error_in_json(request.errors) if status is Status.FAILED else NO_ERROR),
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
    """Returns the report of a status update that may also have Meta's other fields.

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
        required_text(required.wamid, "wamid", 256),
        status,
        time_of(required.timestamp, received_us // 1000, latest_ms=latest_ms),
        received_us,
        recipient_id,
        *(error_of(errors) if status is Status.FAILED else NO_ERROR),
        (),
        extras,
    )


_RECIPIENT = "recipient_id"

_NO_EXTRAS = Extras()

_KNOWN = frozenset(ForwardedStatusRequest.__struct_fields__)

_track_send = Reader(TrackSendRequest)
_guides = Reader(MessageStatusRequest)

_required = Reader(StatusRequired)


def read_status(
    raw: bytes, received_us: int, notes: Notes, latest_ms: Latest = none_later
) -> Report:
    """Returns the report in a body of `message-status`.

    Args:
        raw: the body as it came.
        received_us: when it was received, in µs since the epoch.
        notes: called for each part of the body that was ignored.
        latest_ms: see `Latest`.

    Raises:
        BadRequest: the body is no JSON object, or its wamid, status or time can't be read.
        TooManyParts: the body would take long to read.
    """
    if len(raw) > MOST_PARTS:  # a part has at least one byte
        check_parts(raw)
    if not raw.isascii():
        raw = utf8(raw)
    # Nearly all bodies have only the guide's fields. To allow for others costs twice as much.
    request = _guides.exact(raw)
    if request is None:
        return _forwarded(raw, received_us, notes, latest_ms)
    try:
        return status_report(request, received_us, latest_ms)
    except BadRequest as error:
        if error.field != _RECIPIENT:
            raise
        return _forwarded(raw, received_us, notes, latest_ms)


def _forwarded(raw: bytes, received_us: int, notes: Notes, latest_ms: Latest) -> Report:
    """Returns the report in a body that has other fields than the guide's, or an odd one."""
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
