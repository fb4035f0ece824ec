"""One handler a route: read the request, ask the store, write the answer."""

from __future__ import annotations

import time

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from service.errors import Unavailable
from service.keys import id_of, uuid_of
from service.middleware import error_response
from service.models.answers import cursor_of, latest_log, message_log, message_status
from service.models.meaning import (
    latest_of,
    position_of,
    selection_of,
    send_report,
    status_report,
    wamids_of,
)
from service.models.reader import Reader
from service.models.requests import (
    LatestLogQuery,
    MessageLogsQuery,
    MessageStatusRequest,
    StatusLookupRequest,
    TrackSendRequest,
)
from service.reports import Clock, Status
from service.store import Store
from service.telemetry import Health, Metrics

STORE = web.AppKey("store", Store)
HEALTH = web.AppKey("health", Health)
METRICS = web.AppKey("metrics", Metrics)

_now_us = Clock(time.time_ns)
_track_send = Reader(TrackSendRequest)
_message_status = Reader(MessageStatusRequest)
_status_lookup = Reader(StatusLookupRequest)
_message_logs = Reader(MessageLogsQuery)
_latest_log = Reader(LatestLogQuery)

_JSON = {"Content-Type": "application/json"}
_STATUS_ANSWERS = {s: orjson.dumps({"ok": True, "status": s}) for s in Status}


def _json(body: object) -> web.Response:
    return web.json_bytes_response(body, dumps=orjson.dumps)


async def track_send(request: web.Request) -> web.Response:
    """POST track-send: a template message was sent."""
    body = _track_send.body(await request.read())
    report = send_report(body, _now_us())
    await request.app[STORE].write([report])
    if body.event_id not in (None, ""):
        return _json({"ok": True, "map_id": uuid_of(id_of(report.wamid))})
    return _json({"ok": True, "standalone": True, "wamid": report.wamid})


async def status_update(request: web.Request) -> web.Response:
    """POST message-status: Meta reported a status."""
    body = _message_status.body(await request.read())
    [merged] = await request.app[STORE].write([status_report(body, _now_us())])
    return web.Response(body=_STATUS_ANSWERS[merged.status], headers=_JSON)


async def status_lookup(request: web.Request) -> web.Response:
    """POST message-status-lookup: the statuses of many messages."""
    body = _status_lookup.body(await request.read())
    records = await request.app[STORE].lookup(wamids_of(body))
    return _json({"statuses": {w: message_status(record) for w, record in records.items()}})


async def message_logs(request: web.Request) -> web.Response:
    """GET message-logs: a page of messages, newest first."""
    query = _message_logs.query(list(request.query.items()))
    page = await request.app[STORE].page(
        selection_of(query), int(query.limit), position_of(query.cursor)
    )
    response = _json({"logs": [message_log(record) for record in page.records]})
    if page.following:
        following = request.rel_url.update_query(cursor=cursor_of(page.following))
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


async def message_logs_latest(request: web.Request) -> web.Response:
    """GET message-logs/latest: the most recent message of a registration."""
    query = _latest_log.query(list(request.query.items()))
    record = await request.app[STORE].latest(latest_of(query))
    return _json({"log": latest_log(record) if record else None})


async def healthz(_: web.Request) -> web.Response:
    """GET healthz: the process is alive."""
    return _json({"ok": True})


async def readyz(request: web.Request) -> web.Response:
    """GET readyz: requests would be served."""
    if request.app[HEALTH].draining:
        return error_response(503, "The service is stopping.")
    try:
        await request.app[STORE].probe()
    except Unavailable as error:
        return error_response(503, f"The store is not available: {error.reason}.")
    return _json({"ok": True})


async def metrics(request: web.Request) -> web.Response:
    """GET metrics: for Prometheus."""
    body = request.app[METRICS].exposition()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
