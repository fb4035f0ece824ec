"""More than the service can take on: a refusal at once, and no lasting harm."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic

import pytest
from aiohttp import ClientTimeout, TCPConnector
from aiohttp.test_utils import TestClient

from service.app import create_app
from service.config import Auth, Http, Redis, Settings
from service.errors import Overloaded
from service.web.admission import (
    MAX_HELD_BYTES,
    MOST_REPORTS,
    MOST_STRANGE_BYTES,
    MOST_STRANGERS,
    Admission,
    Strangers,
)
from service.web.policies import READ
from tests.conftest import NO_JOURNAL, TOKEN, Client, JsonTestServer
from tests.factories import event_send, status_update
from tests.faults.fault_kit import (
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


@pytest.mark.parametrize("size", [MAX_HELD_BYTES // 8, MAX_HELD_BYTES])
def test_bytes_count_as_long_as_they_are_held(size: int) -> None:
    admission = Admission(1000, lambda: 0)
    held = [admission.admit(1.0) for _ in range(MAX_HELD_BYTES // size)]
    for each in held:
        each.hold(size)
    with pytest.raises(Overloaded):
        admission.admit(1.0)
    held[0].release()
    last = admission.admit(1.0)
    last.hold(size)
    with pytest.raises(Overloaded):
        last.hold(1)
    for each in [*held[1:], last]:
        each.release()
    assert (admission.requests, admission.bytes) == (0, 0)


def test_waiting_reports_count_too() -> None:
    depth = MOST_REPORTS // 2
    admission = Admission(1000, lambda: depth)
    with pytest.raises(Overloaded):
        admission.admit(0.5)
    admission.admit(1.0)
    depth = MOST_REPORTS
    with pytest.raises(Overloaded):
        admission.admit(1.0)


@pytest.mark.parametrize(("callers", "refused"), [(9, False), (10, True)])
def test_newcomers_take_no_callers_place_where_one_was_refused(
    callers: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = Admission(10, lambda: 0)
    held = [admission.admit(1.0) for _ in range(10)]
    assert admission.is_calm()
    with pytest.raises(Overloaded):
        admission.admit(1.0)
    held.pop().release()
    assert not admission.is_full(1.0)
    assert admission.is_full(1.0, callers) == refused
    assert not admission.is_calm()
    assert not admission.is_full(math.inf, callers)
    later_s = monotonic() + 1.1
    monkeypatch.setattr("service.web.admission.time.monotonic", lambda: later_s)
    assert not admission.is_full(1.0, callers)
    assert admission.is_calm()


def test_the_oldest_stranger_gives_way() -> None:
    closed: list[int] = []
    strangers = Strangers(lambda: None)
    first = strangers.add(partial(closed.append, 0))
    for number in range(1, MOST_STRANGERS):
        strangers.add(partial(closed.append, number))
    assert closed == []
    last = strangers.add(partial(closed.append, MOST_STRANGERS))
    assert closed == [0]
    last.hold(MOST_STRANGE_BYTES)
    assert closed == [0]
    with pytest.raises(Overloaded):
        first.hold(1)
    newest = strangers.add(partial(closed.append, -1))
    assert closed == [0, 1]
    newest.hold(1)
    assert closed == [0, 1, MOST_STRANGERS]


def test_a_stranger_that_has_left_is_forgotten() -> None:
    strangers = Strangers(lambda: None)
    for _ in range(3 * MOST_STRANGERS):
        stranger = strangers.add(pytest.fail)
        stranger.hold(MOST_STRANGE_BYTES)
        stranger.release()
