"""An HTTP client that costs almost nothing: it sends raw requests, and returns status and body."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

from bench.processes import TIMEOUT_S, Server

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST = b"\r\nconnection: close"
_HEAD_END, _CHUNKS_END = b"\r\n\r\n", b"0\r\n\r\n"


class Answer(NamedTuple):
    """A status, 0 if the connection broke, and the raw body, chunk headers included."""

    status: int
    body: bytes


_BROKEN = Answer(0, b"")


class Connection(asyncio.Protocol):
    """A connection for one request at a time. It reconnects if the server has closed it.

    Attributes:
        ends: whether the server has announced that it closes the connection.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self.ends = False
        self._answer: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Sends a request and waits for its answer, for `TIMEOUT_S` at most."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._ask(request)
        except OSError:  # TimeoutError is one
            self.close()
            return _BROKEN

    async def _ask(self, request: bytes) -> Answer:
        if self._transport is None or self._transport.is_closing():
            self._transport, _ = await self._loop.create_connection(
                lambda: self, "127.0.0.1", self._server.port
            )
        self._received, self._answer = b"", self._loop.create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Closes the connection."""
        if self._transport:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._received += data
        head, end, body = self._received.partition(_HEAD_END)
        if not end:
            return
        length = _LENGTH.search(head)
        whole = len(body) >= int(length[1]) if length else body.endswith(_CHUNKS_END)
        if whole and self._answer and not self._answer.done():
            self.ends = _LAST in head.lower()
            self._answer.set_result(Answer(int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  none or any
        """See asyncio.Protocol."""
        self._transport = None
        if self._answer and not self._answer.done():
            self._answer.set_result(_BROKEN)


class Client:
    """A client that opens as many connections as it needs at once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._free: list[Connection] = []

    async def ask(self, request: bytes) -> Answer:
        """Sends a request on a free connection, or on a new one."""
        connection = self._free.pop() if self._free else Connection(self._server)
        answer = await connection.ask(request)
        if connection.ends:
            connection.close()
        else:
            self._free.append(connection)
        return answer

    async def ask_all(self, requests: Iterable[bytes], connections: int) -> list[Answer]:
        """Sends requests on several connections; returns the answers in the order of arrival."""
        pending, answers = iter(requests), []

        async def work() -> None:
            for request in pending:
                answers.append(await self.ask(request))  # noqa: PERF401  one at a time

        await asyncio.gather(*(work() for _ in range(connections)))
        return answers

    def close(self) -> None:
        """Closes all connections."""
        for connection in self._free:
            connection.close()


@asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[Client]:
    """A client of a server; its connections are closed in the end."""
    client = Client(server)
    try:
        yield client
    finally:
        client.close()
