"""Thousands of requests, few of them good: every one is answered, and none does any harm."""

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random, SystemRandom

import pytest

from service.api.batches import NDJSON
from service.api.event_stream import EVENT_STREAM
from service.config import PREFIX
from tests.conftest import TOKEN, need_server
from tests.faults.fault_kit import records_at
from tests.fuzz import Fuzzer
from tests.process import Service
from tests.servers import RedisServer

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "5000"))
SEED = int(os.environ.get("FUZZ_SEED") or SystemRandom().randrange(10**6))
CALLERS = 48
RECEIVE_S = 1.0
ANSWER_S = 5.0 + RECEIVE_S
ROUNDS = 4
LEAK_BYTES = 2048
"""A request may not leave as much behind, in every round after the first. In one round the process
may grow by more: the allocator keeps what the largest bodies took."""

_HEAD_END = b"\r\n\r\n"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    need_server()
    with RedisServer() as server:
        yield server


@pytest.fixture
def service(redis: RedisServer, tmp_path: Path) -> Iterator[Service]:
    settings = {
        "AUTH__TOKENS": TOKEN,
        "META__APP_SECRET": "app-secret",
        "META__VERIFY_TOKEN": "verify-token",
        "REDIS__URL": redis.url,
        "HTTP__RECEIVE_S": str(RECEIVE_S),
    }
    variables = {f"{PREFIX}{name}": value for name, value in settings.items()}
    with Service(tmp_path, **variables) as service:
        yield service


class Caller:
    """Sends requests on one connection after another, and judges what comes back.

    Args:
        url: of the service.
        fuzzer: makes the requests.

    Attributes:
        statuses: how many answers had each; 0 for a connection that was closed without one.
    """

    def __init__(self, url: str, fuzzer: Fuzzer) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._address = host, int(port)
        self._fuzzer = fuzzer
        self._writer: asyncio.StreamWriter | None = None
        self.statuses: Counter[int] = Counter()

    async def send(self) -> None:
        """One more request."""
        wire, wild = self._fuzzer.next()
        if wild:  # on a connection that was in use before, the rest may take the 75 s of keep-alive
            self.close()
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        self._writer.write(wire)
        try:
            async with asyncio.timeout(ANSWER_S):
                status, kept = await self._answer(wire)
        except TimeoutError:
            raise AssertionError(f"no answer to {wire[:2_000]!r}") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            assert wild, f"no answer, but an end, to {wire[:2_000]!r}"
            status, kept = 0, False
        self.statuses[status] += 1
        if wild or not kept:
            self.close()

    async def _answer(self, wire: bytes) -> tuple[int, bool]:
        """The status, and whether the connection is kept."""
        head = await self._reader.readuntil(_HEAD_END)
        while head.startswith(b"HTTP/1.1 100 "):
            head = await self._reader.readuntil(_HEAD_END)
        status = int(head[9:12])
        if EVENT_STREAM.encode() in head:  # it has no end, unless it was HEAD that asked
            return status, False
        try:
            body = b"" if wire.startswith(b"HEAD ") else await self._body(head)
        except asyncio.IncompleteReadError:
            assert NDJSON.encode() in head, (wire[:2_000], head)  # a stream that was broken off
            return status, False
        assert status < 500, (wire[:2_000], head, body)
        if status >= 400 and body:
            refusal = json.loads(body)
            assert refusal["ok"] is False, (wire[:2_000], body)
            assert refusal["error"], (wire[:2_000], body)
        assert b"\r\nX-Request-ID: " in head, (wire[:2_000], head)
        return status, b"\r\nconnection: close\r\n" not in head.lower() and b"HTTP/1.1" in head

    async def _body(self, head: bytes) -> bytes:
        if length := re.search(rb"\r\nContent-Length: (\d+)", head):
            return await self._reader.readexactly(int(length[1]))
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body

    def close(self) -> None:
        """Ends the connection."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._writer = None


async def _send(url: str, fuzzer: Fuzzer, number: int) -> Counter[int]:
    """Sends so many requests; returns how many were answered with each status."""
    left = iter(range(number))
    callers = [Caller(url, fuzzer) for _ in range(CALLERS)]

    async def call(caller: Caller) -> None:
        for _ in left:
            await caller.send()

    try:
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(call(caller))
    finally:
        for caller in callers:
            caller.close()
    return sum((caller.statuses for caller in callers), Counter())


def _resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.slow
@pytest.mark.timeout(60 + REQUESTS // 50)
async def test_no_request_does_harm(service: Service, redis: RedisServer) -> None:
    """`FUZZ_SEED` has the same requests made again, if not at the same times."""
    print(f"FUZZ_SEED={SEED} FUZZ_REQUESTS={REQUESTS}")  # noqa: T201  shown where it fails
    fuzzer = Fuzzer(Random(SEED), TOKEN)
    statuses: Counter[int] = Counter()
    resident = []
    for _ in range(ROUNDS):
        statuses += await _send(service.url, fuzzer, REQUESTS // ROUNDS)
        resident.append(_resident_bytes(service.pid))
    grown = [after - before for before, after in pairwise(resident)]
    print(f"{dict(sorted(statuses.items()))}, grown from {resident[0]} by {grown} bytes")  # noqa: T201
    assert statuses[200] > REQUESTS / 10
    assert statuses[400] > REQUESTS / 10
    assert statuses[0] < REQUESTS / 20
    assert min(grown) < LEAK_BYTES * REQUESTS / ROUNDS
    assert service.status_of("/readyz") == 200
    assert await records_at(redis.url)
    assert service.stop() == 0
    faults = {"request_failed", "batch_failed", "store_unavailable", "accept_failed"}
    assert not [event for event in service.events() if event["event"] in faults]
