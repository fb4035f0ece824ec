"""Callers disconnect in the middle of their requests."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from aiohttp.web import AppRunner

from service.api.app_keys import STORE
from service.app import create_app
from service.config import Auth, Redis, Settings
from tests.conftest import NO_JOURNAL, TOKEN, JsonTestServer
from tests.factories import event_send
from tests.faults.fault_kit import LONGEST_S, SEND, eventually, records_at
from tests.process import Service
from tests.servers import RedisServer, wait_until

CALLERS = 40


class _Service(JsonTestServer):
    """Cancels the handler of a caller who has left, which `aiohttp` can be told to do, or not."""

    def __init__(self, url: str, *, cancels: bool) -> None:
        self._cancels = cancels
        super().__init__(
            create_app(
                Settings(journal=NO_JOURNAL, auth=Auth(tokens=[TOKEN]), redis=Redis(url=url))
            )
        )

    async def _make_runner(self, **kwargs: object) -> AppRunner:
        kwargs |= {"handler_cancellation": self._cancels, "shutdown_timeout": 1.0}
        return await super()._make_runner(**kwargs)


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _call(service: _Service, number: int) -> Connection:
    """A connection on which a track-send was written."""
    reader, writer = await asyncio.open_connection(service.host, service.port)
    body = orjson.dumps(event_send(number))
    head = f"POST {SEND} HTTP/1.1\r\nHost: here\r\nX-Webhook-Token: {TOKEN}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return reader, writer


async def _leave(connection: Connection) -> None:
    connection[1].close()
    with suppress(OSError):
        await connection[1].wait_closed()


def _connected(service: _Service) -> int:
    """How many callers the service sees; one who has left may still be in its list."""
    return sum(protocol.transport is not None for protocol in service.handler.connections)


@asynccontextmanager
async def _paused(redis: RedisServer) -> AsyncIterator[None]:
    redis.pause()
    try:
        yield
    finally:
        redis.resume()


@pytest.mark.parametrize("cancels", [False, True])
async def test_callers_that_leave_change_nothing_for_the_others_of_their_batch(
    redis: RedisServer, cancels: bool
) -> None:
    service = _Service(redis.url, cancels=cancels)
    async with service:
        store = service.app[STORE]
        async with _paused(redis):
            calls = [await _call(service, number) for number in range(CALLERS)]
            await eventually(lambda: store.depth == CALLERS - 1, "all reports to be accepted")
            for connection in calls[::2]:
                await _leave(connection)
            await eventually(lambda: _connected(service) == CALLERS // 2, "the service to notice")
        async with asyncio.timeout(LONGEST_S):
            answers = [await reader.readline() for reader, _ in calls[1::2]]
        for connection in calls:
            await _leave(connection)
        assert set(answers) == {b"HTTP/1.1 200 OK\r\n"}
        assert store.depth == 0
    records = await records_at(redis.url)
    assert set(records) == {f"wamid.{number}" for number in range(CALLERS)}


async def test_a_caller_that_leaves_in_the_middle_of_its_body_writes_nothing(
    redis: RedisServer,
) -> None:
    service = _Service(redis.url, cancels=False)
    async with service:
        _, writer = await asyncio.open_connection(service.host, service.port)
        head = f"POST {SEND} HTTP/1.1\r\nHost: here\r\nX-Webhook-Token: {TOKEN}\r\n"
        body = orjson.dumps(event_send(1))
        writer.write(f"{head}Content-Length: {len(body) + 1}\r\n\r\n".encode() + body)
        await eventually(lambda: _connected(service) == 1, "the call to arrive")
        await _leave((asyncio.StreamReader(), writer))
        await eventually(lambda: _connected(service) == 0, "the service to notice")
    assert await records_at(redis.url) == {}


def test_a_caller_who_leaves_in_the_middle_of_a_body_is_no_fault_of_ours(tmp_path: Path) -> None:
    settings = {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_REDIS__URL": "fakeredis://"}
    with Service(tmp_path, **settings) as service:
        address = urlsplit(service.url)
        with socket.create_connection((address.hostname, address.port)) as caller:
            head = f"POST /api/webhooks/track-send/ HTTP/1.1\r\nHost: x\r\nX-Webhook-Token: {TOKEN}"
            caller.sendall(f"{head}\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n".encode())
            assert b" 100 " in caller.recv(100)  # now the body is waited for
            caller.sendall(b"{")
        wait_until(lambda: bool(service.events("caller_left")), "the event")
        assert {event["level"] for event in service.events()} <= {"info", "warning"}
