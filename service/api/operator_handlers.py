"""Endpoints for operators: health, readiness, metrics, the description of the API."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.app_keys import (
    CLOCKS,
    HEALTH,
    METRICS,
    OPENAPI,
    READINESS,
    REPLAY,
    STORE,
    Readiness,
)
from service.errors import (
    Unavailable,
)
from service.models.responses import (
    JournalState,
)
from service.store.replay import Replay
from service.web.http_responses import JSON, error_response, json_response


async def get_health(_: web.Request) -> web.Response:
    """GET healthz: learn whether the process is alive.

    This is for probes that restart a process that hangs. It doesn't look at Redis.
    """
    return json_response({"ok": True})


async def get_readiness(request: web.Request) -> web.Response:
    """GET readyz: learn whether the service can serve requests.

    This is for load balancers. With a journal the service is ready even while Redis is away; it
    then takes reports only.
    """
    if request.app[HEALTH].draining:
        return error_response(503, "The service is stopping.")
    state, sentence = await request.app[READINESS].seen(request.app[STORE].absent)
    return error_response(503, sentence) if sentence else json_response(state)


async def look_ready(app: web.Application) -> Readiness:
    """Checks the journal, and every partition by a write."""
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


async def get_metrics(request: web.Request) -> web.Response:
    """GET metrics: get the metrics for Prometheus.

    They are in the text format of Prometheus.
    """
    body = request.app[METRICS].exposition()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def get_openapi(request: web.Request) -> web.Response:
    """GET openapi.json: get this description of the API.

    It is OpenAPI 3.1, and made from the code that reads requests and writes answers.
    """
    return web.Response(body=request.app[OPENAPI], headers=JSON)
