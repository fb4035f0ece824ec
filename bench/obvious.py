"""The obvious way to read: each message is a hash, and each row a pipelined HGETALL.

It uses aiohttp with the service's worker settings, redis-py with hiredis, and a private Redis like
the service's. It is as fast as this way can be: there is no middleware, and no validation save of
the token. The hashes hold the texts of the answers, and leave out fields without a value.
"""

import os
from collections.abc import AsyncIterator, Iterable

import orjson
from aiohttp import web
from redis.asyncio import Redis

from bench.bare import TOKEN, serve
from bench.bodies import LOGS, LOOKUP
from service.backends.embedded import embedded_server
from service.models.responses import MessageLog, MessageStatus

REDIS = web.AppKey("redis", Redis)
LOG_FIELDS = tuple(MessageLog.__annotations__)
STATUS_FIELDS = {name: name for name in MessageStatus.__annotations__} | {"error": "error_message"}
"""The fields of a status, by their names in the look-up's answer."""


async def lookup(request: web.Request) -> web.Response:
    """POST message-status-lookup."""
    if request.headers.get("X-Webhook-Token", "").encode() != TOKEN:
        return web.json_response({"ok": False}, status=403)
    wamids = orjson.loads(await request.read())["wamids"]
    found = await _rows(request.app[REDIS], wamids)
    statuses = {wamid: _status(row) for wamid, row in zip(wamids, found, strict=True) if row}
    return web.json_bytes_response({"statuses": statuses}, dumps=orjson.dumps)


async def logs(request: web.Request) -> web.Response:
    """GET message-logs by event."""
    if request.headers.get("X-Webhook-Token", "").encode() != TOKEN:
        return web.json_response({"ok": False}, status=403)
    redis, limit = request.app[REDIS], int(request.query.get("limit", 50))
    wamids = await redis.zrevrange(f"event:{request.query['event_id']}", 0, limit - 1)
    rows = await _rows(redis, wamids)
    found = [{field: row.get(field) for field in LOG_FIELDS} for row in rows]
    return web.json_bytes_response({"logs": found}, dumps=orjson.dumps)


async def _rows(redis: Redis, wamids: Iterable[object]) -> list[dict[str, str]]:
    async with redis.pipeline(transaction=False) as pipeline:
        for wamid in wamids:
            pipeline.hgetall(f"message:{wamid}")
        rows: list[dict[str, str]] = await pipeline.execute()
        return rows


def _status(row: dict[str, str]) -> dict[str, str | None]:
    return {name: row.get(field) for name, field in STATUS_FIELDS.items()}


async def _redis(app: web.Application) -> AsyncIterator[None]:
    async with (
        embedded_server(os.environ["TRACKER_DATA_DIR"]) as url,
        Redis.from_url(url, decode_responses=True, protocol=2) as app[REDIS],
    ):
        yield


def main() -> None:
    """Serves the two reads."""
    app = web.Application()
    app.cleanup_ctx.append(_redis)
    app.router.add_post(LOOKUP, lookup)
    app.router.add_get(LOGS, logs)
    serve(app)


if __name__ == "__main__":
    main()
