"""Erasing and retention while Redis is full, away, or cut off in the middle."""

import time
from functools import partial
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from service.api.app_keys import STORE
from service.app import create_app
from service.config import Auth, Redis, Retention, Settings
from service.store.retention import Sweeper
from tests.conftest import NO_JOURNAL, TOKEN, Client, JsonTestServer
from tests.factories import event_send, send_report
from tests.faults.fault_kit import (
    LONGEST_S,
    SEND,
    eventually,
    logged,
    records_at,
    service_on,
    until_ready,
)
from tests.servers import RedisServer

ERASE = "/api/webhooks/erase/"
EVENT = {"event_id": "event-1"}


async def post(client: Client, path: str, body: object) -> tuple[int, Any]:
    async with client.post(path, json=body) as response:
        return response.status, await response.json()


async def test_a_full_server_can_be_made_room_on(redis: RedisServer) -> None:
    async with service_on(redis.url, timeout_s=0.5) as client:
        assert (await post(client, SEND, event_send(1)))[0] == 200
        redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis.command("CONFIG", "SET", "maxmemory", "1mb")
        try:
            assert (await post(client, SEND, event_send(2)))[0] == 503
            status, answer = await post(client, ERASE, EVENT)
            assert (status, answer) == (200, {"ok": True, "erased": 1, "complete": True})
        finally:
            redis.command("CONFIG", "SET", "maxmemory", "0")
    assert await records_at(redis.url) == {}


async def test_nothing_is_answered_to_be_erased_while_redis_is_away(redis: RedisServer) -> None:
    async with service_on(redis.url, timeout_s=0.5) as client:
        assert (await post(client, SEND, event_send(1)))[0] == 200
        redis.stop()
        started_s = time.monotonic()
        async with client.post(ERASE, json=EVENT) as response:
            assert response.status == 503
            assert response.headers["Retry-After"]
        assert time.monotonic() - started_s < LONGEST_S
        redis.start()
        await until_ready(client)
        assert (await post(client, ERASE, EVENT))[0] == 200
    assert "wamid.1" not in await records_at(redis.url)


async def test_retention_outlives_an_absence_of_redis(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.app.Sweeper", partial(Sweeper, idle_s=0.01, held_s=0.0))
    settings = Settings(
        journal=NO_JOURNAL,
        auth=Auth(tokens=[TOKEN]),
        redis=Redis(url=redis.url, timeout_s=0.3),
        retention=Retention(days=1),
    )
    headers = {"X-Webhook-Token": TOKEN}
    async with TestClient(JsonTestServer(create_app(settings)), headers=headers) as client:
        redis.stop()
        await eventually(lambda: logged(caplog, "retention_failed") == 1, "a failed sweep")
        redis.start()
        await until_ready(client)
        await client.app[STORE].write([send_report()])
        deadline_s = time.monotonic() + 15
        while await client.app[STORE].lookup(["wamid.A"]):
            assert time.monotonic() < deadline_s
    assert logged(caplog, "retention_failed") == 1


async def test_a_service_whose_redis_hangs_in_a_sweep_stops_all_the_same(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.app.Sweeper", partial(Sweeper, idle_s=0.0))
    settings = Settings(
        journal=NO_JOURNAL,
        auth=Auth(tokens=[TOKEN]),
        redis=Redis(url=redis.url),
        retention=Retention(days=1),
    )
    client = TestClient(JsonTestServer(create_app(settings)))
    await client.start_server()
    redis.pause()
    try:
        started_s = time.monotonic()
        await client.close()
        assert time.monotonic() - started_s < settings.redis.timeout_s / 2
    finally:
        redis.resume()
