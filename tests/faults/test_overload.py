"""More than the service can take on: a refusal at once, and no lasting harm."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from aiohttp import ClientTimeout, TCPConnector
from aiohttp.test_utils import TestClient

from service.admission import MOST_BYTES, MOST_REPORTS, Admission
from service.app import create_app
from service.config import Auth, Http, Redis, Settings
from service.errors import Overloaded
from service.middleware import READ
from tests.conftest import NO_JOURNAL, TOKEN, Client, JsonTestServer
from tests.factories import event_send, status_update
from tests.faults.scenes import (
    LOGS,
    LOOKUP,
    SEND,
    STATUS,
    depth_of,
    eventually,
    logged,
    records_at,
    until_ready,
)
from tests.servers import RedisServer

WHATSAPP = "/api/webhooks/whatsapp/"
MOST = 40
REPEATABLE = math.ceil(MOST * READ.refused_at)


@asynccontextmanager
async def service_on(url: str) -> AsyncIterator[Client]:
    """A service that takes on 40 requests at once; the connections to it are without limit."""
    settings = Settings(
        journal=NO_JOURNAL,
        auth=Auth(tokens=[TOKEN]),
        redis=Redis(url=url),
        http=Http(requests=MOST),
    )
    server = JsonTestServer(create_app(settings))
    async with TestClient(
        server,
        connector=TCPConnector(limit=0),
        headers={"X-Webhook-Token": TOKEN},
        timeout=ClientTimeout(10),
    ) as client:
        await until_ready(client)
        yield client


async def call(client: Client, method: str, path: str, body: object = None) -> tuple[int, float]:
    """A request's status, and how long it took, in seconds."""
    started_s = monotonic()
    async with client.request(method, path, json=body) as response:
        answer = await response.json()
        if response.status == 503:
            assert response.headers["Retry-After"] == "1"
            assert answer["ok"] is False
        return response.status, monotonic() - started_s


async def test_reads_and_meta_are_refused_before_what_nobody_sends_again(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    repeatable: list[tuple[str, str, object]] = [
        ("POST", LOOKUP, {"wamids": ["wamid.1"]}),
        ("GET", LOGS, None),
        ("POST", WHATSAPP, {"entry": [{"changes": [{"field": "calls"}]}]}),
    ]
    async with service_on(redis.url) as client:
        redis.pause()
        try:
            calls = [
                asyncio.ensure_future(call(client, "POST", SEND, event_send(number)))
                for number in range(REPEATABLE)
            ]
            await eventually(lambda: depth_of(client) == REPEATABLE - 1, "their limit")
            for request in repeatable:
                assert (await call(client, *request))[0] == 503
            calls += [
                asyncio.ensure_future(call(client, "POST", STATUS, status_update(number, "read")))
                for number in range(MOST - REPEATABLE)
            ]
            await eventually(lambda: depth_of(client) == MOST - 1, "the limit")
            refused = await call(client, "POST", SEND, event_send(99))
            assert refused[0] == 503
            async with client.get("/healthz") as response:
                assert response.status == 200
        finally:
            redis.resume()
        assert [status for status, _ in await asyncio.gather(*calls)] == [200] * MOST
        for request in repeatable:
            assert (await call(client, *request))[0] == 200
    assert logged(caplog, "overloaded") >= 1
    records = await records_at(redis.url)
    assert {wamid: record.status for wamid, record in records.items()} == {
        f"wamid.{number}": "read" if number < MOST - REPEATABLE else "sent"
        for number in range(REPEATABLE)
    }


async def test_ten_times_too_many_are_refused_at_once_and_it_is_itself_again_after(
    redis: RedisServer,
) -> None:
    async with service_on(redis.url) as client:
        redis.pause()
        try:
            calls = [
                asyncio.ensure_future(call(client, "POST", SEND, event_send(number)))
                for number in range(10 * MOST)
            ]
            await eventually(lambda: sum(c.done() for c in calls) == 9 * MOST, "the refusals")
            early = [each.result() for each in calls if each.done()]
            assert {status for status, _ in early} == {503}
        finally:
            redis.resume()
        statuses = Counter(status for status, _ in await asyncio.gather(*calls))
        assert statuses == {200: MOST, 503: 9 * MOST}
        await asyncio.sleep(1.1)  # as long as it takes to be calm again
        again = await asyncio.gather(
            *(call(client, "POST", SEND, event_send(number)) for number in range(MOST))
        )
        assert {status for status, _ in again} == {200}
    assert len(await records_at(redis.url)) >= MOST


@pytest.mark.parametrize("size", [MOST_BYTES // 8, MOST_BYTES])
def test_bodies_count_by_their_bytes(size: int) -> None:
    admission = Admission(1000, lambda: 0, lambda: 0)
    for _ in range(MOST_BYTES // size):
        admission.enter(1.0, size)
    with pytest.raises(Overloaded):
        admission.enter(1.0, 0)
    admission.leave(size)
    admission.enter(1.0, size)


def test_waiting_reports_count_too() -> None:
    depth = MOST_REPORTS // 2
    admission = Admission(1000, lambda: depth, lambda: 0)
    with pytest.raises(Overloaded):
        admission.enter(0.5, 0)
    admission.enter(1.0, 0)
    depth = MOST_REPORTS
    with pytest.raises(Overloaded):
        admission.enter(1.0, 0)
    admission.enter(float("inf"), 0)
