"""More connections than there is room for, and many newcomers at once."""

import asyncio
import gc
import json
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvloop
from aiohttp.test_utils import TestClient

from service.app import create_app
from service.config import Auth, Redis, Settings
from service.protocol import Protocol
from service.refuser import Refuser
from tests.conftest import NO_JOURNAL, TOKEN, JsonTestServer
from tests.factories import event_send
from tests.faults.scenes import SEND, depth_of, eventually
from tests.faults.test_overload import MOST, call, service_on
from tests.process import Service
from tests.servers import RedisServer, wait_until

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\n\r\nGET /"


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, object]:
    """The next response: its status, its head and its body."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].split()[0])
        return int(head.split()[1]), head, json.loads(await reader.readexactly(length))


class Crowd:
    """A server that refuses everybody as long as there is no room."""

    def __init__(self) -> None:
        self.refusals = 0
        self.served: asyncio.Protocol | None = None

    def refused(self, _: asyncio.Transport) -> None:
        self.refusals += 1

    def protocol(self) -> Refuser:
        return Refuser(lambda _: self.served, self.refused, receive_s=0.8)


@pytest.fixture
async def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
async def connection(crowd: Crowd) -> AsyncIterator[Connection]:
    """To a server of refusers."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(crowd.protocol, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer
    writer.transport.abort()
    server.close()


async def test_each_request_is_refused_once(crowd: Crowd, connection: Connection) -> None:
    """However it is cut into pieces; a body that looks like a request is none."""
    reader, writer = connection
    requests = POST + GET + POST + POST
    for at in range(0, len(requests), 7):
        writer.write(requests[at : at + 7])
        await asyncio.sleep(0)
    for _ in range(4):
        status, head, body = await answer(reader)
        assert status == 503
        assert b"Retry-After: 1\r\n" in head
        assert b"X-Request-ID: " in head
        assert body == {
            "ok": False,
            "error": "The service has more to do than it can take on; try again.",
        }
    assert crowd.refusals == 4


async def test_a_refusal_carries_the_callers_request_id(connection: Connection) -> None:
    reader, writer = connection
    writer.write(GET[:-2] + b"x-request-id: the-callers.1\r\n\r\n")
    _, head, _ = await answer(reader)
    assert b"\r\nX-Request-ID: the-callers.1\r\n" in head


async def test_a_head_is_refused_without_a_body(connection: Connection) -> None:
    """Or the caller would take the body for the next answer."""
    reader, writer = connection
    writer.write(GET.replace(b"GET", b"HEAD") + GET)
    async with asyncio.timeout(5):
        assert b" 503 " in await reader.readuntil(b"\r\n\r\n")
    assert (await answer(reader))[0] == 503


async def test_who_asks_again_at_once_waits_for_the_second_that_retry_after_names(
    connection: Connection,
) -> None:
    """Or a crowd that does so would cost more than those who are served."""
    reader, writer = connection
    loop = asyncio.get_running_loop()
    writer.write(GET)
    assert (await answer(reader))[0] == 503
    first_s = loop.time()
    writer.write(GET)
    assert (await answer(reader))[0] == 503
    assert loop.time() - first_s > 0.9


async def test_a_body_without_a_length_ends_the_connection_but_not_before_its_answer(
    connection: Connection,
) -> None:
    """What comes after the answer would reset the connection if nobody read it."""
    reader, writer = connection
    writer.write(GET[:-2] + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(30):
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await asyncio.sleep(0.01)
    status, head, _ = await answer(reader)
    assert status == 503
    assert b"Connection: close\r\n" in head
    assert await reader.read() == b""


async def test_a_probe_is_not_answered_before_what_was_asked_before(connection: Connection) -> None:
    """Its `ok` would be taken for that of the report."""
    reader, writer = connection
    writer.write(POST + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [(await answer(reader))[0] for _ in range(2)] == [503, 503]


def test_who_leaves_before_the_refusal_is_no_error() -> None:
    """On uvloop, where writing to a connection that has ended is one."""
    errors: list[str] = []

    async def leave() -> None:
        crowd, loop = Crowd(), asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context["message"]))
        server = await loop.create_server(crowd.protocol, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(GET)
        await eventually(lambda: crowd.refusals == 1, "the request")
        writer.close()
        await asyncio.sleep(0.7)
        server.close()

    uvloop.run(leave())
    assert errors == []


async def test_who_drips_is_cut_off(connection: Connection) -> None:
    reader, writer = connection

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.1)

    dripping = asyncio.ensure_future(drip())
    try:
        async with asyncio.timeout(3):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
    finally:
        dripping.cancel()


@pytest.mark.parametrize("sent", [b"", b"GET /x HTT", GET, b"x" * 40_000])
async def test_who_is_silent_or_sends_no_head_is_cut_off(
    connection: Connection, sent: bytes
) -> None:
    reader, writer = connection
    writer.write(sent)
    async with asyncio.timeout(5):
        with suppress(ConnectionResetError):
            assert (await reader.read()).count(b"HTTP/1.1") <= 1


async def test_newcomers_are_sent_away_while_there_is_no_room(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But those who are in are served, and a probe of life is answered."""
    monkeypatch.setattr("service.admission._LATE_S", 60.0)  # a busy machine makes no crowd here
    async with service_on(redis.url) as client:
        redis.pause()
        try:
            calls = [
                asyncio.ensure_future(call(client, "POST", SEND, event_send(number)))
                for number in range(MOST)
            ]
            await eventually(lambda: depth_of(client) == MOST - 1, "the limit")
            async with client.post(SEND, json=event_send(99)) as response:
                assert response.status == 503
                assert response.headers["Connection"] == "close"  # it costs less to come anew
            probe, asking = await asyncio.open_connection(client.host, client.port)
            asking.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(probe))[::2] == (200, {"ok": True})
            reader, writer = await asyncio.open_connection(client.host, client.port)
            for _ in range(2):
                writer.write(POST)
                status, head, _ = await answer(reader)
                assert status == 503
                assert b"Date: " not in head  # it never came to aiohttp
        finally:
            redis.resume()
        assert {status for status, _ in await asyncio.gather(*calls)} == {200}
        await asyncio.sleep(1.1)  # as long as it takes to be calm again
        writer.write(POST)
        status, head, _ = await answer(reader)
        assert status == 404
        assert b"Date: " in head
        for each in (writer, asking):
            each.close()
        async with client.get("/metrics") as response:
            text = await response.text()
        assert 'tracker_request_seconds_count{route="unknown",status="503"} 3.0' in text


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
def test_it_pauses_where_no_descriptor_is_left_and_goes_on_after(tmp_path: Path) -> None:
    settings = {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_REDIS__URL": "fakeredis://"}
    with Service(tmp_path, **settings) as service:
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (60, 60))
        with opened(service.url, 100) as some:
            wait_until(lambda: bool(service.events("accept_failed")), "the event")
            assert len(service.events("accept_failed")) < 5
            assert len(some) == 100
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
