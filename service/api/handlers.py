"""One handler a route: read the request, ask the store, write the answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import msgspec
import orjson
from aiohttp import hdrs, web
from multidict import istr
from prometheus_client import CONTENT_TYPE_LATEST

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
from service.api.event_stream import HEADERS, answer_with_events
from service.api.failures_csv import CSV, answer_sheet
from service.domain.error_codes import group_of, groups_of
from service.domain.keys import Dimension, uuid_of
from service.domain.report import Clock, Context, Participant, Report, Status
from service.domain.statistics import Stats
from service.errors import (
    BadRequest,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from service.live.hub import Live
from service.live.subscribers import Listener
from service.models.decoding import Model, Reader
from service.models.insight_responses import (
    counted_failures,
    failures_answer,
    list_name,
    message,
    values_answer,
)
from service.models.insight_responses import message_stats as stats_answer
from service.models.meaning import (
    failed_selection,
    filter_of,
    position_of,
    read_wamid,
    selection_of,
    selection_to_erase,
    send_report,
    value_position_of,
    wamids_of,
)
from service.models.meta_webhook import Item
from service.models.requests import (
    EraseRequest,
    FailuresQuery,
    HandshakeQuery,
    LatestLogQuery,
    LiveQuery,
    MessageLogsQuery,
    MessageStatsQuery,
    MessageStatusBatch,
    StatusLookupRequest,
    TrackSendBatch,
    TrackSendRequest,
    ValuesQuery,
)
from service.models.responses import (
    STATUS_ROWS,
    EraseResponse,
    JournalState,
    cursor_of,
    latest_log,
    log_of,
    log_rows,
    message_status,
    value_cursor_of,
)
from service.models.updates import update_in
from service.store.clocks import Clocks
from service.store.erasure import erase as erase_messages
from service.store.failures import count_failed, failed_page, page_of_class
from service.store.replay import Replay
from service.store.scripts import Merged, Outcome
from service.store.store import Store
from service.telemetry import Glance, Health, Metrics
from service.web.admission import Stranger, ticket
from service.web.auth import Access
from service.web.middleware import (
    ADMISSION,
    META,
    MIB,
    MOST_BODY_BYTES,
    SETTINGS,
    TOKEN,
    body_of,
    connection_of,
    error_response,
    invite,
)

log = logging.getLogger(__name__)

ACCESS = web.AppKey("access", Access)
STORE = web.AppKey("store", Store)
REPLAY = web.AppKey("replay", Replay)
HEALTH = web.AppKey("health", Health)
LIVE = web.AppKey("live", Live)
METRICS = web.AppKey("metrics", Metrics)
OPENAPI = web.AppKey("openapi", bytes)

CLOCKS = web.AppKey("clocks", Clocks)

clock = Clock(time.time_ns)
"""Stamps all reports of this process. The application has it know Redis' clock."""


class Readiness(NamedTuple):
    """What `/readyz` answers: a state, or the sentence that says why not."""

    state: dict[str, object]
    sentence: str = ""


READINESS = web.AppKey("readiness", Glance[Readiness])

_track_send = Reader(TrackSendRequest)
_track_sends = Reader(TrackSendBatch)
_message_statuses = Reader(MessageStatusBatch)
_status_lookup = Reader(StatusLookupRequest)
_message_logs = Reader(MessageLogsQuery)
_latest_log = Reader(LatestLogQuery)
_live = Reader(LiveQuery)
_erase = Reader(EraseRequest)
_message_stats = Reader(MessageStatsQuery)
_list_values = Reader(ValuesQuery)
_failures = Reader(FailuresQuery)

_AS_LINES = f"Lines of JSON, in any number, need the Content-Type {NDJSON}."
_JSON = {"Content-Type": "application/json"}
_NOTHING_KNOWN = (
    "The body has nothing that Meta's webhook sends. Statuses must be in "
    "entry[].changes[].value.statuses[], with the field messages."
)
_ODD = (Item.MALFORMED, Item.UNKNOWN_STATUS, Item.AHEAD)
LAST_EVENT_ID = istr("Last-Event-ID")
SIGNATURE = istr("X-Hub-Signature-256")
_WRITTEN, _QUEUED = 200, 202
_STATUS_ANSWERS = {s: orjson.dumps({"ok": True, "status": s}) for s in Status}
_QUEUED_ANSWERS = {s: orjson.dumps({"ok": True, "status": s, "queued": True}) for s in Status}


def _json(body: object, status: int = 200) -> web.Response:
    return web.json_bytes_response(body, dumps=orjson.dumps, status=status)


def _send_answer(report: Report, merged: Merged) -> bytes:
    answer: dict[str, object] = {"ok": True}
    if isinstance(report.context, Context) and report.context.event_id:
        answer["map_id"] = uuid_of(report.wamid)
    else:
        answer |= {"standalone": True, "wamid": report.wamid}
    if merged.outcome is Outcome.QUEUED:
        answer["queued"] = True
    return orjson.dumps(answer)


def _status_answer(_: Report, merged: Merged) -> bytes:
    return (_QUEUED_ANSWERS if merged.outcome is Outcome.QUEUED else _STATUS_ANSWERS)[merged.status]


_SENDS = Intake(
    lambda body, notes: send_report(_track_send.body(body, notes), clock(), clock.latest_ms),
    _send_answer,
)
_STATUSES = Intake(
    lambda body, notes: update_in(body, clock(), notes, clock.latest_ms), _status_answer
)


async def _take_one(request: web.Request, intake: Intake) -> web.Response:
    report = intake.read(await body_of(request, MIB), request.app[METRICS])
    [merged] = await request.app[STORE].write([report])
    status = _QUEUED if merged.outcome is Outcome.QUEUED else _WRITTEN
    return web.Response(body=intake.answer(report, merged), status=status, headers=_JSON)


async def track_send(request: web.Request) -> web.Response:
    """POST track-send: a template message was sent."""
    return await _take_one(request, _SENDS)


async def status_update(request: web.Request) -> web.Response:
    """POST message-status: Meta reported a status."""
    return await _take_one(request, _STATUSES)


async def track_send_batch(request: web.Request) -> web.StreamResponse:
    """POST track-send/batch: many template messages were sent."""
    if request.content_type == NDJSON:
        return await _take_stream(request, _SENDS)
    return await _take_many(request, _SENDS, (await _batch(request, _track_sends)).messages)


async def status_update_batch(request: web.Request) -> web.StreamResponse:
    """POST message-status/batch: Meta reported many statuses."""
    if request.content_type == NDJSON:
        return await _take_stream(request, _STATUSES)
    return await _take_many(request, _STATUSES, (await _batch(request, _message_statuses)).updates)


async def _batch(request: web.Request, reader: Reader[Model]) -> Model:
    if "jsonl" in request.content_type or "ndjson" in request.content_type:
        raise BadRequest(_AS_LINES)
    try:
        body = await body_of(request, MOST_BODY_BYTES)
        read = partial(reader.body, body, request.app[METRICS])
        return read() if len(body) <= MIB else await aside(read)
    except (BadRequest, TooLarge) as error:
        error.sentence += f" {_AS_LINES}"  # it may be lines that were sent as something else
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
    return web.Response(body=body, status=_QUEUED if queued else _WRITTEN, headers=_JSON)


async def _take_stream(request: web.Request, intake: Intake) -> web.StreamResponse:
    if (held := ticket.get()) is not None:
        held.hold(MIB)  # what it may hold at a time, as long as it lasts
    await invite(request)
    return await answer_stream(
        request,
        intake,
        store=request.app[STORE],
        metrics=request.app[METRICS],
        receive_s=request.app[SETTINGS].http.receive_s,
    )


async def whatsapp_verify(request: web.Request) -> web.Response:
    """GET whatsapp: Meta makes sure that the address is ours."""
    access = request.app[ACCESS]
    of_ours = access.knows_token(request.headers.get(TOKEN))
    access.check_handshake(request.query.get("hub.verify_token"), of_ours=of_ours)
    try:
        query = msgspec.convert(dict(request.query), HandshakeQuery)
    except msgspec.ValidationError:
        sentence = "hub.mode must be subscribe, and hub.challenge is required."
        raise BadRequest(sentence) from None
    return web.Response(text=query.challenge, content_type="text/plain", charset="utf-8")


async def whatsapp(request: web.Request) -> web.Response:
    """POST whatsapp: Meta's webhook, as it comes."""
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
    if queued:  # to Meta 202 is no success: it sends the same again, and finds Redis back or not
        return _json(answer | {"queued": True}, _QUEUED)
    return _json(answer)


async def _webhook_body(request: web.Request) -> tuple[bytes, bool]:
    """The body of a webhook that is let in, and whether its signature was checked."""
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
    """Counts a request that has proved whose it is on the callers' account from now on.

    Raises:
        Overloaded: there is no room on it.
    """
    before = ticket.get()
    if isinstance(before, Stranger):
        admitted = request.app[ADMISSION].enter(META.refused_at)
        ticket.set(admitted)
        before.leave()
        connection_of(request).admit()
        admitted.hold(before.bytes)


async def status_lookup(request: web.Request) -> web.Response:
    """POST message-status-lookup: the statuses of many messages."""
    body = _status_lookup.body(await body_of(request, MIB), request.app[METRICS])
    rows = await request.app[STORE].look_up(wamids_of(body), STATUS_ROWS)
    return _json({"statuses": {wamid: message_status(row) for wamid, row in rows.items()}})


async def message_logs(request: web.Request) -> web.Response:
    """GET message-logs: a page of messages, newest first."""
    query = _message_logs.query(list(request.query.items()))
    selection, after = selection_of(query), position_of(query.cursor)
    limit = int(query.limit)
    kind = log_rows(*(dimension for dimension, _ in selection.filters))
    rows, following = await request.app[STORE].page_of(kind, selection, limit, after)
    response = _json({"logs": list(map(log_of, rows))})
    if following:
        _add_next(request, response, cursor_of(following))
    return response


async def message_logs_latest(request: web.Request) -> web.Response:
    """GET message-logs/latest: the most recent message of a registration."""
    query = _latest_log.query(list(request.query.items()))
    record = await request.app[STORE].latest("registration", query.registration_id)
    return _json({"log": latest_log(record) if record else None})


async def live(request: web.Request) -> web.StreamResponse:
    """GET live: the changes of messages as they happen, as server-sent events."""
    wanted = filter_of(_live.query(list(request.query.items())))
    if request.method == hdrs.METH_HEAD:
        return web.Response(headers=HEADERS)
    if request.transport is None:
        raise ConnectionResetError
    listener = Listener(wanted, request.transport)
    try:
        await request.app[LIVE].join(listener, request.headers.get(LAST_EVENT_ID, ""))
        return await answer_with_events(request, listener)
    finally:
        request.app[LIVE].leave(listener)


def _add_next(request: web.Request, response: web.Response, cursor: str) -> None:
    following = request.rel_url.update_query(cursor=cursor)
    response.headers["Link"] = f'<{following}>; rel="next"'


async def message_details(request: web.Request) -> web.Response:
    """GET messages: everything known of one message."""
    wamid = read_wamid(request.match_info["wamid"])
    if request.query:
        raise BadRequest("No parameter is allowed.", next(iter(request.query)))
    store = request.app[STORE]
    record = (await store.lookup([wamid])).get(wamid)
    participants: list[Participant] = []
    if record:
        record, participants = await store.with_participants(record)
    if record is None:
        raise NotFound("No message has this wamid.")
    return _json({"message": message(record, participants)})


async def message_stats(request: web.Request) -> web.Response:
    """GET message-stats: how all messages stand in numbers, or those of an event, say."""
    chosen = filter_of(_message_stats.query(list(request.query.items())))
    return _json(stats_answer(await _stats(request, chosen)))


async def _stats(request: web.Request, chosen: tuple[str, str]) -> Stats:
    return await request.app[STORE].stats(*chosen, clock() // 1000)


def lister_of(dimension: Dimension) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler that lists a dimension's values, under the name of the list."""

    async def values(request: web.Request) -> web.Response:
        query = _list_values.query(list(request.query.items()))
        page = await request.app[STORE].values(
            dimension.name, int(query.limit), value_position_of(query.cursor)
        )
        response = _json(values_answer(dimension, page.standings))
        if page.following:
            _add_next(request, response, value_cursor_of(page.following))
        return response

    values.__name__ = name = list_name(dimension)
    values.__doc__ = f"GET {name}: those that have messages, the one with the latest message first."
    return values


async def failures(request: web.Request) -> web.StreamResponse:
    """GET failures: why messages failed, what to do about it, and whom they were for."""
    query = _failures.query(list(request.query.items()))
    groups = groups_of((await _stats(request, filter_of(query))).errors)
    selection, after = failed_selection(query, groups), position_of(query.cursor)
    sent_since = None if query.sent_since is None else query.sent_since == "true"
    read = partial(failed_page, request.app[STORE], selection, sent_since=sent_since)
    read = partial(page_of_class, read, query.remedy_class)
    if query.format == "csv" or (query.format is None and _wants_csv(request)):
        return await answer_sheet(request, read, after)
    answer = failures_answer
    if query.count == "true":
        listed = await count_failed(read, partial(group_of, groups=groups))
        answer = partial(counted_failures, listed=listed)
    page = await read(int(query.limit), after)
    response = _json(answer(groups=groups, failed=page.rows))
    if page.following:
        _add_next(request, response, cursor_of(page.following))
    return response


def _wants_csv(request: web.Request) -> bool:
    """Whether the caller names CSV, and not JSON beside it."""
    accepted = ",".join(request.headers.getall(hdrs.ACCEPT, [])).lower().split(",")
    kinds = {each.partition(";")[0].strip() for each in accepted}
    return CSV in kinds and "application/json" not in kinds


async def erase(request: web.Request) -> web.Response:
    """POST erase: the messages of a person, an event, a campaign, say, are to be forgotten."""
    body = _erase.body(await body_of(request, MIB), request.app[METRICS])
    selection = selection_to_erase(body)
    replay = request.app.get(REPLAY)
    wiped = replay is None or await replay.wipe()
    number, complete, ends_alike = await erase_messages(request.app[STORE], selection)
    complete = complete and wiped  # some of what is in the journal may be of theirs
    [(dimension, _)] = selection.filters
    log.info("messages_erased", extra={"by": dimension, "messages": number, "complete": complete})
    answer: EraseResponse = {"ok": True, "erased": number, "complete": complete}
    if dimension == "recipient":
        answer["ends_alike"] = ends_alike
    return _json(answer)


async def healthz(_: web.Request) -> web.Response:
    """GET healthz: the process is alive."""
    return _json({"ok": True})


async def readyz(request: web.Request) -> web.Response:
    """GET readyz: requests would be served."""
    if request.app[HEALTH].draining:
        return error_response(503, "The service is stopping.")
    state, sentence = await request.app[READINESS].seen(request.app[STORE].absent)
    return error_response(503, sentence) if sentence else _json(state)


async def look_ready(app: web.Application) -> Readiness:
    """Looks at the journal and, by a write, at every partition."""
    store, replay = app[STORE], app.get(REPLAY)
    state: dict[str, object] = {"ok": True, "store": "up", "journal": await _state_of(replay)}
    try:
        if ahead_s := app[CLOCKS].apart_s:
            state["clock_ahead_s"] = round(ahead_s)
        await store.probe()
    except Unavailable as error:
        if replay is None or replay.fault:
            return Readiness({}, f"The store is not available: {error.reason}.")
        state |= {"store": "away", "reason": error.reason}
    return Readiness(state)


async def _state_of(replay: Replay | None) -> JournalState:
    if replay is None:
        return {"on": False}
    state: JournalState = {"on": True}
    with suppress(Unavailable):
        waiting = await replay.look()
        state |= {"reports": waiting.reports, "age_s": round(waiting.age_s, 3)}
        if waiting.foreign:
            state["for_other_stores"] = waiting.foreign
    if replay.fault:
        state["fault"] = replay.fault
    return state


async def metrics(request: web.Request) -> web.Response:
    """GET metrics: for Prometheus."""
    body = request.app[METRICS].exposition()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def openapi(request: web.Request) -> web.Response:
    """GET openapi.json: the description of all this."""
    return web.Response(body=request.app[OPENAPI], headers=_JSON)
