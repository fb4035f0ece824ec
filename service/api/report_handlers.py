"""Endpoints that take reports: track-send, message-status, both in batches, and Meta's webhook."""

from __future__ import annotations

import logging
from functools import partial

import msgspec
import orjson
from aiohttp import web
from multidict import istr

from service.api.app_keys import ACCESS, METRICS, STORE, clock
from service.api.batches import (
    NDJSON,
    Intake,
    answer_stream,
    aside,
    note_refused,
    payload_of,
    write_all,
    write_each,
)
from service.domain.identity import uuid_of
from service.domain.report import Context, Merged, Outcome, Report, Status
from service.errors import (
    BadRequest,
    TooLarge,
    Unauthorized,
)
from service.models.decoding import Model, Notes, Reader
from service.models.incoming import read_send, read_status
from service.models.meta_webhook import PayloadItem
from service.models.requests import (
    HandshakeQuery,
    MessageStatusBatch,
    TrackSendBatch,
)
from service.web.admission import Stranger, ticket
from service.web.bodies import MIB, MOST_BODY_BYTES, SETTINGS, body_of, send_continue
from service.web.http_responses import JSON, TOKEN, json_response
from service.web.middleware import ADMISSION, connection_of
from service.web.policies import META

log = logging.getLogger(__name__)

_track_sends = Reader(TrackSendBatch)

_message_statuses = Reader(MessageStatusBatch)

_AS_LINES = f"Lines of JSON, in any number, need the Content-Type {NDJSON}."

_NOTHING_KNOWN = (
    "The body has nothing that Meta's webhook sends. Statuses must be in "
    "entry[].changes[].value.statuses[], with the field messages."
)

_ODD = (PayloadItem.MALFORMED, PayloadItem.UNKNOWN_STATUS, PayloadItem.AHEAD)

SIGNATURE = istr("X-Hub-Signature-256")

_WRITTEN, _QUEUED = 200, 202

_STATUS_ANSWERS = {s: orjson.dumps({"ok": True, "status": s}) for s in Status}
_QUEUED_ANSWERS = {s: orjson.dumps({"ok": True, "status": s, "queued": True}) for s in Status}


def _send_answer(report: Report, merged: Merged) -> bytes:
    """Returns the JSON that answers a track-send."""
    answer: dict[str, object] = {"ok": True}
    if isinstance(report.context, Context) and report.context.event_id:
        answer["map_id"] = uuid_of(report.wamid)
    else:
        answer |= {"standalone": True, "wamid": report.wamid}
    if merged.outcome is Outcome.QUEUED:
        answer["queued"] = True
    return orjson.dumps(answer)


def _status_answer(_: Report, merged: Merged) -> bytes:
    """Returns the JSON that answers a status update."""
    return (_QUEUED_ANSWERS if merged.outcome is Outcome.QUEUED else _STATUS_ANSWERS)[merged.status]


def _read_send(body: bytes, notes: Notes) -> Report:
    """Reads a track-send that is received now."""
    return read_send(body, clock(), notes, clock.latest_ms)


def _read_status(body: bytes, notes: Notes) -> Report:
    """Reads a status update that is received now."""
    return read_status(body, clock(), notes, clock.latest_ms)


# For batches, where one code reads and answers the items of both endpoints.
_SENDS = Intake(_read_send, _send_answer)
_STATUSES = Intake(_read_status, _status_answer)


def _written(answer: bytes, merged: Merged) -> web.Response:
    status = _QUEUED if merged.outcome is Outcome.QUEUED else _WRITTEN
    return web.Response(body=answer, status=status, headers=JSON)


async def track_send(request: web.Request) -> web.Response:
    """POST track-send: report a send.

    The sender calls this when Meta has taken a template message. `wa_id` and `template_wamid` are
    required. A message without `event_id` is a standalone message. A repeated call does no harm: a
    later one fills and replaces what it names, and erases nothing by leaving it out.
    """
    report = _read_send(await body_of(request, MIB), request.app[METRICS])
    [merged] = await request.app[STORE].write([report])
    return _written(_send_answer(report, merged), merged)


async def update_status(request: web.Request) -> web.Response:
    """POST message-status: report a status.

    Whoever gets Meta's webhook forwards each status here. The answer has the status that the
    message has now: a late `delivered` of a message that was read is answered `read`. The status is
    taken even if an optional field can't be used: that field then counts as absent.
    """
    report = _read_status(await body_of(request, MIB), request.app[METRICS])
    [merged] = await request.app[STORE].write([report])
    return _written(_status_answer(report, merged), merged)


async def track_sends(request: web.Request) -> web.StreamResponse:
    """POST track-send/batch: report many sends.

    Each item is the body of a track-send. A bad item doesn't affect the good ones; the answer has
    one result for each item, in the same order. As NDJSON any number of items may be sent, one a
    line, and each line is answered with a line, which is what `results` has of an item, while the
    rest is still coming.
    """
    if request.content_type == NDJSON:
        return await _take_stream(request, _SENDS)
    return await _take_many(request, _SENDS, (await _batch(request, _track_sends)).messages)


async def update_statuses(request: web.Request) -> web.StreamResponse:
    """POST message-status/batch: report many statuses.

    Each item is the body of a message-status. Items are applied in order. A bad item doesn't affect
    the good ones; the answer has one result for each item, in the same order. As NDJSON any number
    of items may be sent, one a line, and each line is answered with a line, which is what `results`
    has of an item.
    """
    if request.content_type == NDJSON:
        return await _take_stream(request, _STATUSES)
    return await _take_many(request, _STATUSES, (await _batch(request, _message_statuses)).updates)


async def _batch(request: web.Request, reader: Reader[Model]) -> Model:
    if "jsonl" in request.content_type or "ndjson" in request.content_type:
        raise BadRequest(_AS_LINES)
    try:
        body = await body_of(request, MOST_BODY_BYTES)
        if len(body) > MIB:
            return await aside(partial(reader.body, body, request.app[METRICS]))
        return reader.body(body, request.app[METRICS])
    except (BadRequest, TooLarge) as error:
        error.sentence += f" {_AS_LINES}"  # the body may be lines with another Content-Type
        raise


async def _take_many(
    request: web.Request, intake: Intake, items: list[msgspec.Raw]
) -> web.Response:
    store, metrics = request.app[STORE], request.app[METRICS]
    answers, refused, queued = await write_each(store, intake, map(bytes, items), metrics)
    note_refused(metrics, refused)
    ok = b"false" if refused else b"true"
    more = b',"queued":true' if queued else b""
    body = b'{"ok":%b,"results":[%b]%b}' % (ok, b",".join(answers), more)
    return web.Response(body=body, status=_QUEUED if queued else _WRITTEN, headers=JSON)


async def _take_stream(request: web.Request, intake: Intake) -> web.StreamResponse:
    if (held := ticket.get()) is not None:
        held.hold(MIB)  # the most that a stream has in memory at a time
    await send_continue(request)
    return await answer_stream(
        request,
        intake,
        store=request.app[STORE],
        metrics=request.app[METRICS],
        receive_s=request.app[SETTINGS].http.receive_s,
    )


async def verify_webhook(request: web.Request) -> web.Response:
    """GET whatsapp: answer Meta's handshake.

    Meta asks this once, to verify that the address of the webhook is the operator's. The answer is
    the challenge.
    """
    access = request.app[ACCESS]
    of_ours = access.knows_token(request.headers.get(TOKEN))
    access.check_handshake(request.query.get("hub.verify_token"), of_ours=of_ours)
    try:
        query = msgspec.convert(dict(request.query), HandshakeQuery)
    except msgspec.ValidationError:
        sentence = "hub.mode must be subscribe, and hub.challenge is required."
        raise BadRequest(sentence) from None
    return web.Response(text=query.challenge, content_type="text/plain", charset="utf-8")


async def receive_webhook(request: web.Request) -> web.Response:
    """POST whatsapp: take Meta's webhook as it comes.

    Meta calls this itself, or the operator's application passes the raw body on. Every status in
    the body is taken. A body that Meta signed is answered 200 even if the service knows nothing in
    it. A caller with the token learns what was taken, and gets 400 if nothing in it is known.
    """
    body, signed = await _webhook_body(request)
    payload = await payload_of(body, clock)
    queued = await write_all(request.app[STORE], payload, clock)
    request.app[METRICS].webhook(payload.items)
    if odd := {kind.value: payload.items[kind] for kind in _ODD if payload.items[kind]}:
        log.warning("webhook_items_odd", extra=odd)
    if not signed and not payload.is_known:
        raise BadRequest(_NOTHING_KNOWN)
    answer: dict[str, object] = {"ok": True}
    if request.headers.get(TOKEN):  # Meta doesn't read the answer
        answer |= {"taken": len(payload.reports), "passed_over": payload.passed_over}
    if queued:  # for Meta 202 is no success: it sends the same again later
        return json_response(answer | {"queued": True}, _QUEUED)
    return json_response(answer)


async def _webhook_body(request: web.Request) -> tuple[bytes, bool]:
    """Authenticates a webhook, by its token or its signature, and reads its body.

    Returns:
        the body, and whether its signature was checked.

    Raises:
        Unauthorized: there is neither a token nor a signature.
        Forbidden: one of them is wrong.
    """
    access = request.app[ACCESS]
    token, signature = request.headers.get(TOKEN), request.headers.get(SIGNATURE)
    if token:
        access.check_token(token)
        _admit(request)
    elif not signature:
        raise Unauthorized("The header X-Hub-Signature-256 or X-Webhook-Token is missing.")
    if not signature or (token and not access.checks_signatures):
        return await body_of(request, MOST_BODY_BYTES), False
    access.check_form(signature)
    body = await body_of(request, MOST_BODY_BYTES)
    access.check_signature(signature, body)
    _admit(request)
    return body, True


def _admit(request: web.Request) -> None:
    """Counts an authenticated request among those of callers, no longer among the strangers'.

    Raises:
        Overloaded: the limits of callers leave no room for it.
    """
    before = ticket.get()
    if isinstance(before, Stranger):
        admitted = request.app[ADMISSION].admit(META.refused_at)
        ticket.set(admitted)
        before.release()
        connection_of(request).admit()
        admitted.hold(before.bytes)
