"""The ceiling: what aiohttp can do here, with nothing behind it.

The same worker settings as the service's one process: uvloop, no access log, the default
keep-alive of 75 s. The one handler compares the token, decodes the body and answers in the
guide's shape. No middleware, no validation, no store.
"""

import hmac
import os

import orjson
import uvloop
from aiohttp import web

TOKEN = os.environ["TRACKER_AUTH__TOKENS"].encode()


async def answer(request: web.Request) -> web.Response:
    """Answers what the service would answer, without having done it."""
    if not hmac.compare_digest(request.headers.get("X-Webhook-Token", "").encode(), TOKEN):
        return web.json_bytes_response({"ok": False}, status=403, dumps=orjson.dumps)
    body = orjson.loads(await request.read())
    reply = {"ok": True, "status": body.get("status")}
    return web.json_bytes_response(reply, dumps=orjson.dumps)


async def ready(_: web.Request) -> web.Response:
    """Answers as soon as the server is up."""
    return web.Response()


def main() -> None:
    """Serves until it is told to stop."""
    app = web.Application()
    app.router.add_get("/readyz", ready)
    app.router.add_post("/api/webhooks/message-status/", answer)
    app.router.add_post("/api/webhooks/track-send/", answer)
    port = int(os.environ["TRACKER_HTTP__PORT"])
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
