"""Callers that dawdle: each is cut off, and none holds up the others."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from aiohttp.test_utils import TestClient

from service.app import create_app
from service.config import Auth, Http, Redis, Settings
from tests.conftest import NO_JOURNAL, TOKEN, Client, JsonTestServer
from tests.factories import status_update
from tests.faults.fault_kit import SEND, STATUS, eventually, logged

RECEIVE_S = 0.5
BATCH = f"{STATUS}batch/"
FAILURES = "/api/webhooks/failures/"
HEAD = f"Host: x\r\nX-Webhook-Token: {TOKEN}\r\n"
STREAM = (
    f"POST {BATCH} HTTP/1.1\r\n{HEAD}Content-Type: application/x-ndjson\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
).encode()
LAST_CHUNK = b"0\r\n\r\n"


class Caller:
    """A connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._dripping: asyncio.Task[None] | None = None
        self.writer = writer

    def drip(self, data: bytes) -> None:
        """Begins to send a byte now and then."""

        async def drops() -> None:
            for byte in data:
                self.writer.write(bytes([byte]))
                await asyncio.sleep(RECEIVE_S / 5)

        self._dripping = asyncio.ensure_future(drops())

    async def line(self) -> bytes:
        """The next line that it is sent."""
        return await asyncio.wait_for(self._reader.readline(), 20 * RECEIVE_S)

    async def rest(self) -> bytes:
        """What it is sent until the service ends the connection, which is soon."""
        received = b""
        with suppress(ConnectionResetError):
            while piece := await asyncio.wait_for(self._reader.read(1000), 20 * RECEIVE_S):
                received += piece
        return received

    def close(self) -> None:
        if self._dripping:
            self._dripping.cancel()
        self.writer.transport.abort()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A caller of a service that waits half a second for what is to come."""
    settings = Settings(
        journal=NO_JOURNAL,
        auth=Auth(tokens=[TOKEN]),
        redis=Redis(url="fakeredis://"),
        http=Http(receive_s=RECEIVE_S),
    )
    headers = {"X-Webhook-Token": TOKEN}
    async with TestClient(JsonTestServer(create_app(settings)), headers=headers) as client:
        yield client


@asynccontextmanager
async def calling(client: Client) -> AsyncIterator[Caller]:
    """A connection, which is closed at the end."""
    caller = Caller(*await asyncio.open_connection(client.host, client.port))
    try:
        yield caller
    finally:
        caller.close()


@pytest.fixture
async def caller(client: Client) -> AsyncIterator[Caller]:
    """A connection to that service."""
    async with calling(client) as caller:
        yield caller


async def test_who_sends_nothing_is_cut_off(caller: Caller) -> None:
    assert await caller.rest() == b""


async def test_who_drips_headers_is_cut_off(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    caller.drip(b"GET / HTTP/1.1\r\n" + b"x" * 100)
    assert await caller.rest() == b""
    assert logged(caplog, "connection_silent") == 1


@pytest.mark.parametrize("length", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_who_drips_a_body_gets_408(caller: Caller, length: str) -> None:
    caller.writer.write(f"POST {SEND} HTTP/1.1\r\n{HEAD}{length}\r\n\r\n".encode())
    caller.drip(b"1\r\n{\r\n" * 20)
    assert (await caller.line()).startswith(b"HTTP/1.1 408 ")


async def test_a_stream_without_a_whole_line_is_broken_off(caller: Caller) -> None:
    caller.writer.write(STREAM)
    caller.drip(b"1\r\n{\r\n" * 20)
    assert not (await caller.rest()).endswith(LAST_CHUNK)


async def test_a_stream_goes_on_as_long_as_lines_come(client: Client) -> None:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(5):
            yield json.dumps(status_update(number, "read")).encode() + b"\n"
            await asyncio.sleep(RECEIVE_S / 2)

    headers = {"Content-Type": "application/x-ndjson"}
    async with client.post(BATCH, data=lines(), headers=headers) as response:
        assert (await response.read()).count(b'"read"') == 5


async def test_a_broken_chunk_breaks_a_stream_off(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller can tell: there is no last chunk. What was answered is kept."""
    line = json.dumps(status_update(1, "read")).encode() + b"\n"
    caller.writer.write(STREAM + b"%x\r\n%b\r\n" % (len(line), line))
    assert b" 200 " in await caller.line()
    caller.writer.write(b"no chunk\r\n")
    rest = await caller.rest()
    assert b'"read"' in rest
    assert not rest.endswith(LAST_CHUNK)
    assert logged(caplog, "stream_broke_off") == 1


async def who_reads_little(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has room for little of what it is sent."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.setblocking(False)
    await asyncio.get_running_loop().sock_connect(opened, (client.host, client.port))
    return await asyncio.open_connection(sock=opened, limit=1)


async def test_who_reads_no_answers_is_cut_off(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream's answers wait for their reader only so long."""
    reader, writer = await who_reads_little(client)
    lines = b"{}\n" * 20_000
    chunk = b"%x\r\n%b\r\n" % (len(lines), lines)

    async def push() -> None:
        writer.write(STREAM)
        while True:
            writer.write(chunk)
            await writer.drain()

    pushing = asyncio.ensure_future(push())
    try:
        await eventually(lambda: logged(caplog, "stream_broke_off") == 1, "its end", 50)
    finally:
        pushing.cancel()
        writer.transport.abort()
    assert not reader.at_eof()
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_who_reads_no_sheet_is_cut_off(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A list of failures of some megabytes waits for its reader only so long."""
    error = {"code": 1, "title": "🎉" * 1_000, "error_data": {"details": "🎉" * 1_000}}
    for start in range(0, 2_000, 40):
        updates = [
            status_update(number, "failed", errors=[error]) for number in range(start, start + 40)
        ]
        async with client.post(BATCH, json={"updates": updates}) as response:
            assert response.status == 200
    reader, writer = await who_reads_little(client)
    try:
        writer.write(f"GET {FAILURES}?format=csv HTTP/1.1\r\n{HEAD}\r\n".encode())
        await eventually(lambda: logged(caplog, "sheet_broke_off") == 1, "its end", 30)
    finally:
        writer.transport.abort()
    assert not reader.at_eof()
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_the_others_are_served_meanwhile(client: Client) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(50):
            dawdler = await stack.enter_async_context(calling(client))
            head = f"POST {SEND} HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n\r\n"
            dawdler.writer.write(head.encode())
        answers = await asyncio.gather(*(_report(client, number) for number in range(50)))
    assert set(answers) == {200}


async def _report(client: Client, number: int) -> int:
    async with client.post(STATUS, json=status_update(number, "read")) as response:
        return response.status
