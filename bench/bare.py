"""The ceiling of HTTP: a server that shows what aiohttp can do here without a store.

It has the settings of the service's single process: uvloop, no access log, the default keep-alive
of 75 s. Each handler compares the token, reads the request and answers in the guide's shape. There
is no middleware, no validation and no store.
"""

import hmac
import os

import orjson
import uvloop
from aiohttp import web

from bench.bodies import LATEST, STATUS, TRACK_SEND, message
from service.domain.record import record_of
from service.domain.report import Report, Status
from service.models.responses import latest_log

TOKEN = os.environ["TRACKER_AUTH__TOKENS"].encode()

_WAMID, _CONTEXT = message(1)
_SEND = Report(_WAMID, Status.SENT, 1_700_000_000_000, 1_700_000_000_000_000, context=_CONTEXT)
LOG = latest_log(record_of([_SEND]), versions=False)


async def report(request: web.Request) -> web.Response:
    """Answers what the service would answer to a report, but doesn't store it."""
    if not _is_let_in(request):
        return web.json_bytes_response({"ok": False}, status=403, dumps=orjson.dumps)
    body = orjson.loads(await request.read())
    reply = {"ok": True, "status": body.get("status")}
    return web.json_bytes_response(reply, dumps=orjson.dumps)


async def latest(request: web.Request) -> web.Response:
    """Answers what the service would answer about a registration; it is always the same."""
    if not _is_let_in(request):
        return web.json_bytes_response({"ok": False}, status=403, dumps=orjson.dumps)
    known = "registration_id" in request.query
    return web.json_bytes_response({"log": LOG if known else None}, dumps=orjson.dumps)


async def ready(_: web.Request) -> web.Response:
    """Answers as soon as the server is up."""
    return web.Response()


def _is_let_in(request: web.Request) -> bool:
    return hmac.compare_digest(request.headers.get("X-Webhook-Token", "").encode(), TOKEN)


def serve(app: web.Application) -> None:
    """Serves with the service's worker settings, until a signal stops it."""
    app.router.add_get("/readyz", ready)
    port = int(os.environ["TRACKER_HTTP__PORT"])
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


def main() -> None:
    """Serves the bare handlers."""
    app = web.Application()
    app.router.add_post(STATUS, report)
    app.router.add_post(TRACK_SEND, report)
    app.router.add_get(LATEST, latest)
    serve(app)


if __name__ == "__main__":
    main()
