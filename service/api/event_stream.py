"""Server-sent events over HTTP: one response that goes on as long as its listener."""

from __future__ import annotations

from time import perf_counter

from aiohttp import web

from service.live.subscribers import Subscriber
from service.telemetry import request_id
from service.web.http_responses import set_common_headers
from service.web.middleware import BEGAN

EVENT_STREAM = "text/event-stream"
HEADERS = {
    "Content-Type": EVENT_STREAM,
    "X-Accel-Buffering": "no",  # nginx would keep what is small until there is more
}


async def answer_with_events(request: web.Request, listener: Subscriber) -> web.StreamResponse:
    """Sends a listener what there is for it until its end, or until its connection's."""
    response = web.StreamResponse(headers=HEADERS)
    set_common_headers(response, request_id.get())
    await response.prepare(request)
    response[BEGAN] = perf_counter()
    try:
        while blocks := await listener.take():
            for block in blocks:
                await response.write(block)
    except ConnectionError:
        pass  # it has left, as every listener does
    return response
