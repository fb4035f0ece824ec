"""More connections than there is room for, and many newcomers at once."""

import asyncio
import gc
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from aiohttp.web_request import BaseRequest

from service.admission import Admission
from service.app import create_app
from service.config import Auth, Redis, Settings
from service.errors import Overloaded
from service.middleware import OPEN, READ, WRITE
from service.protocol import JsonServer, Protocol
from service.refusals import LogLimit
from service.telemetry import Metrics
from tests.conftest import NO_JOURNAL, TOKEN, JsonTestServer
from tests.factories import event_send
from tests.faults.scenes import SEND, depth_of, eventually
from tests.faults.test_overload import MOST, call, service_on
from tests.process import Service
from tests.servers import RedisServer, wait_until

LISTEN = (
    f"GET /api/webhooks/live/ HTTP/1.1\r\nHost: x\r\nX-Webhook-Token: {TOKEN}\r\n\r\n"
).encode()
POST = (
    f"POST {SEND} HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\nX-Webhook-Token: {TOKEN}\r\n"
    "x-request-id: the-callers.1\r\n\r\nGET /"
).encode()


@pytest.mark.parametrize(
    ("request_", "whole"),
    [
        (b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (
            b"POST /a HTTP/1.1\r\nConnection: keep-alive\r\nContent-Length: 2\r\nA: b\r\n\r\n{}",
            True,
        ),
        (b"POST /a HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"POST /a HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\n{}", False),
        (b"POST /a HTTP/1.1\r\nContent-Length : 2\r\n\r\n{}", False),
        (b"POST /a HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}", False),
        (b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}", False),
        (b"POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n{}", False),
        (b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nA: b\nContent-Length: 2\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nA: b\r\n Content-Length: 2\r\n\r\n", False),
        (b"GET /a HTTP/1.1\n\n", False),
        (b"GET /a HTTP/1.0\r\n\r\n", False),
        (b"HEAD /a HTTP/1.1\r\n\r\n", False),
        (b"GET /healthz HTTP/1.1\r\n\r\n", False),
        (b"GET /b HTTP/1.1\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\n" + b"A:\r\n" * 5_000 + b"\r\n", False),
        (b"", False),
    ],
)
async def test_only_a_whole_request_of_a_known_path_is_refused_unread(
    request_: bytes, whole: bool
) -> None:
    """Whatever could be read in another way than aiohttp reads it is left to aiohttp."""
    admission = Admission(1, lambda: 0)
    server = JsonServer.like(
        web.Server(_nobody),
        _nobody,
        admission=admission,
        lines=LogLimit(),
        policies={("GET", "/a"): READ, ("POST", "/a"): WRITE, ("GET", "/healthz"): OPEN},
        metrics=Metrics(),
        receive_s=1.0,
        most=lambda: 1,
    )
    assert not server.would_refuse(request_)
    held = admission.enter(1.0)
    assert server.would_refuse(request_) == whole
    held.leave()
    assert not server.would_refuse(request_)


async def _nobody(_: BaseRequest) -> web.StreamResponse:
    raise AssertionError


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, object]:
    """The next response: its status, its head and its body."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].split()[0])
        return int(head.split()[1]), head, json.loads(await reader.readexactly(length))


async def test_newcomers_are_refused_while_there_is_no_room(redis: RedisServer) -> None:
    """But those who are in are served, and a probe of life is answered."""
    async with service_on(redis.url) as client:
        redis.pause()
        try:
            calls = [
                asyncio.ensure_future(call(client, "POST", SEND, event_send(number)))
                for number in range(MOST)
            ]
            await eventually(lambda: depth_of(client) == MOST - 1, "the limit")
            probe, asking = await asyncio.open_connection(client.host, client.port)
            asking.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(probe))[::2] == (200, {"ok": True})
            reader, writer = await asyncio.open_connection(client.host, client.port)
            began_s = asyncio.get_running_loop().time()
            for _ in range(2):
                writer.write(POST)
                status, head, body = await answer(reader)
                assert status == 503
                assert b"Retry-After: 1\r\n" in head
                assert b"X-Request-ID: the-callers.1\r\n" in head
                assert b"Date: " not in head  # it never came to aiohttp
                assert body == {"ok": False, "error": Overloaded().sentence}
            assert asyncio.get_running_loop().time() - began_s > 0.9  # as Retry-After asks
        finally:
            redis.resume()
        assert {status for status, _ in await asyncio.gather(*calls)} == {200}
        writer.write(POST)
        assert (await answer(reader))[0] == 400
        for each in (writer, asking):
            each.close()
        async with client.get("/metrics") as response:
            text = await response.text()
        assert 'tracker_request_seconds_count{route="unknown",status="503"} 2.0' in text


async def test_a_connection_that_is_gone_is_forgotten() -> None:
    settings = Settings(
        journal=NO_JOURNAL, auth=Auth(tokens=[TOKEN]), redis=Redis(url="fakeredis://")
    )
    async with TestClient(JsonTestServer(create_app(settings))) as client:
        for _ in range(5):
            async with client.get("/healthz", headers={"Connection": "close"}) as response:
                assert response.status == 200
        await asyncio.sleep(0.05)
        gc.collect()
        assert not [each for each in gc.get_objects() if isinstance(each, Protocol)]


@contextmanager
def opened(url: str, number: int) -> Iterator[list[socket.socket]]:
    address = urlsplit(url)
    some = [socket.create_connection((address.hostname, address.port)) for _ in range(number)]
    try:
        yield some
    finally:
        for each in some:
            each.close()


@pytest.mark.slow
def test_newcomers_wait_where_all_connections_are_busy(tmp_path: Path) -> None:
    """None of them is closed for a new one: each is a listener's."""
    settings = {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_REDIS__URL": "fakeredis://"}
    with Service(tmp_path, **settings) as service:
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (60, 60))
        with opened(service.url, 20) as some, ExitStack() as stack:
            for each in some:
                each.sendall(LISTEN)
                assert each.recv(1000).startswith(b"HTTP/1.1 200 ")
            for _ in range(40):
                [one] = stack.enter_context(opened(service.url, 1))
                one.sendall(LISTEN)
            wait_until(lambda: bool(service.events("accept_failed")), "the event")
            assert len(service.events("accept_failed")) < 5
            for each in some:
                each.setblocking(False)
                with suppress(BlockingIOError):
                    assert each.recv(1000)
        wait_until(lambda: service.status_of("/healthz") == 200, "the service to go on")


@pytest.mark.slow
def test_hundreds_that_come_at_once_are_all_served(tmp_path: Path) -> None:
    settings = {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_REDIS__URL": "fakeredis://"}
    with Service(tmp_path, **settings) as service, opened(service.url, 600) as some:
        for each in some:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        for each in some:
            each.settimeout(10)
            assert each.recv(1000).startswith(b"HTTP/1.1 200 ")
