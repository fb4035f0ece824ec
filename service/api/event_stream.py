"""Server-sent events over HTTP: one response that lasts as long as its subscriber."""

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
    "X-Accel-Buffering": "no",  # nginx would hold small events back until it has more
}


async def answer_with_events(request: web.Request, subscriber: Subscriber) -> web.StreamResponse:
    """Sends a subscriber its events until it is ended or its connection is lost."""
    response = web.StreamResponse(headers=HEADERS)
    set_common_headers(response, request_id.get())
    await response.prepare(request)
    response[BEGAN] = perf_counter()
    try:
        while blocks := await subscriber.take():
            for block in blocks:
                await response.write(block)
    except ConnectionError:
        pass  # the caller has left, as every subscriber does one day
    return response
