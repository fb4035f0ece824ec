"""More connections than there is room for, and many newcomers at once."""

import asyncio
import gc
import json
import random
import re
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from itertools import accumulate, chain, pairwise
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from aiohttp.web_request import BaseRequest

from service.app import create_app
from service.config import Auth, Redis, Settings
from service.errors import Overloaded
from service.server import announce_started
from service.telemetry import Metrics
from service.web.abuse_limits import LogLimit
from service.web.admission import Admission
from service.web.middleware import ADMISSION
from service.web.policies import OPEN, READ, WRITE
from service.web.protocol import JsonServer, Protocol
from tests.conftest import NO_JOURNAL, TOKEN, Client, JsonTestServer
from tests.factories import event_send
from tests.faults.fault_kit import SEND, depth_of, eventually
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
        (b"GET /healthz HTTP/1.1\r\n\r\n", True),
        (b"GET /b HTTP/1.1\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\n" + b"A:\r\n" * 5_000 + b"\r\n", False),
        (b"", False),
    ],
)
async def test_only_a_whole_request_of_a_known_path_may_be_refused_unread(
    request_: bytes, whole: bool
) -> None:
    """Whatever could be read in another way than aiohttp reads it is left to aiohttp."""
    server = JsonServer.like(
        web.Server(_nobody),
        _nobody,
        admission=Admission(1, lambda: 0),
        lines=LogLimit(),
        policies={("GET", "/a"): READ, ("POST", "/a"): WRITE, ("GET", "/healthz"): OPEN},
        metrics=Metrics(),
        receive_s=1.0,
        most=lambda: 1,
    )
    assert (server.share_of(request_) is not None) == whole


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


async def test_a_caller_who_was_served_is_refused_unread_too_and_keeps_the_connection(
    redis: RedisServer,
) -> None:
    """To come anew after each refusal costs more than the refusal."""
    async with service_on(redis.url) as client, AsyncExitStack() as stack:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        stack.callback(writer.close)
        admission = client.app[ADMISSION]
        held = [admission.admit(1.0) for _ in range(MOST)]
        writer.write(POST)
        status, head, _ = await answer(reader)
        assert (status, b"Date: " in head) == (503, False)
        held.pop().release()
        writer.write(POST)
        assert (await answer(reader))[0] == 400  # there is no such JSON: it was let in
        held.append(admission.admit(1.0))
        writer.write(POST)
        status, head, _ = await answer(reader)
        assert (status, b"Date: " in head) == (503, False)
        for each in held:
            each.release()


@pytest.mark.parametrize("seed", range(40))
async def test_however_requests_are_cut_each_has_its_answer(seed: int, crowded: Client) -> None:
    """Refused unread or by aiohttp: the answers are those of the requests, in their order."""
    chance = random.Random(seed)
    asked = [chance.choice(list(KINDS)) for _ in range(6)]
    data = b"".join(KINDS[kind] % number for number, kind in enumerate(asked))
    ends = sorted({*chance.choices(range(1, len(data)), k=chance.randint(0, 6)), len(data)})
    if chance.random() < 0.5:  # each by itself, or its head and its body
        parts = (re.split(rb"(?=GET /)", KINDS[kind] % 0) for kind in asked)
        ends = list(accumulate(len(part) for part in chain.from_iterable(parts) if part))
    reader, writer = await asyncio.open_connection(crowded.host, crowded.port)
    reading = asyncio.ensure_future(received(reader, len(asked)))
    with suppress(OSError):  # it was closed after an answer
        for start, end in pairwise([0, *ends]):
            writer.write(data[start:end])
            await asyncio.sleep(chance.choice([0.002, 0.03]))
    answers = await reading
    writer.close()
    found = re.findall(rb"HTTP/1.1 (\d+) .*?X-Request-ID: asked-(\d)\r\n", answers, re.DOTALL)
    expected = [(STATUSES[kind], b"%d" % number) for number, kind in enumerate(asked)]
    assert found
    assert found == expected[: len(found)]
    assert len(found) == len(expected) or b"Connection: close" in answers


async def received(reader: asyncio.StreamReader, number: int) -> bytes:
    """So many answers, or all until the connection ends, in whatever way."""
    answers = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            while answers.count(b"HTTP/1.1 ") < number and (piece := await reader.read(1 << 16)):
                answers += piece
    return answers


KINDS = {
    kind: f"{line} HTTP/1.1\r\nHost: x\r\nX-Webhook-Token: {TOKEN}\r\n".encode() + more
    for kind, line, more in (
        ("send", f"POST {SEND}", b"content-length: 5\r\nX-Request-ID: asked-%d\r\n\r\nGET /"),
        ("list", "GET /api/webhooks/message-logs/", b"X-Request-ID: asked-%d\r\n\r\n"),
        ("probe", "GET /healthz", b"X-Request-ID: asked-%d\r\n\r\n"),
        (
            "request as body",
            f"POST {SEND}",
            b"Content-Length: %d\r\nX-Request-ID: asked-%%d\r\n\r\n%b" % (len(LISTEN), LISTEN),
        ),
    )
}
STATUSES = {"send": b"503", "list": b"503", "probe": b"200", "request as body": b"503"}


@pytest.fixture
async def crowded() -> AsyncIterator[Client]:
    """A service that has no room."""
    async with service_on("fakeredis://") as client:
        admission = client.app[ADMISSION]
        held = [admission.admit(1.0) for _ in range(MOST)]
        yield client
        for each in held:
            each.release()


async def test_only_requests_of_callers_count_before_they_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a refusal. Strangers, of whom there may be thousands, must not fill the room."""
    seen, arrive = list[int](), Protocol.arrive

    def note(self: Protocol) -> None:
        seen.append(self.admission.coming)
        arrive(self)

    monkeypatch.setattr(Protocol, "arrive", note)
    async with service_on("fakeredis://") as client, AsyncExitStack() as stack:
        admission = client.app[ADMISSION]
        reader, writer = await asyncio.open_connection(client.host, client.port)
        stack.callback(writer.close)
        for counted in ([], [1]):  # nobody knows who it is, and then a caller
            admission._last_refused_s = monotonic()
            writer.write(POST)
            assert (await answer(reader))[0] == 400
            assert seen == counted


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


def test_python_seldom_looks_through_all_that_there_is_for_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With thousands of connections each look takes long, and all requests wait meanwhile."""
    monkeypatch.setattr(gc, "freeze", lambda: None)
    before = gc.get_threshold()
    try:
        announce_started("http://127.0.0.1:1")
        assert gc.get_threshold() == (*before[:2], 10 * before[2])
    finally:
        gc.set_threshold(*before)


@contextmanager
def opened(url: str, number: int) -> Iterator[list[socket.socket]]:
    address = urlsplit(url)
    some = [socket.create_connection((address.hostname, address.port)) for _ in range(number)]
    try:
        yield some
    finally:
        for each in some:
            each.close()


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


def test_hundreds_that_come_at_once_are_all_served(tmp_path: Path) -> None:
    settings = {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_REDIS__URL": "fakeredis://"}
    with Service(tmp_path, **settings) as service, opened(service.url, 600) as some:
        for each in some:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        for each in some:
            each.settimeout(10)
            assert each.recv(1000).startswith(b"HTTP/1.1 200 ")
