"""What strangers announce, leave open, or don't read is not taken from those who have a token.

All over real connections to a service in a process of its own.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from service.web.admission import MOST_STRANGERS
from tests.conftest import TOKEN, need_server
from tests.factories import event_send, status_update
from tests.process import Service
from tests.servers import RedisServer

HOOKS = "/api/webhooks/"
SEND, STATUS, LOGS = f"{HOOKS}track-send/", f"{HOOKS}message-status/", f"{HOOKS}message-logs/"
WHATSAPP, LOOKUP, BATCH = (
    f"{HOOKS}whatsapp/",
    f"{HOOKS}message-status-lookup/",
    f"{HOOKS}message-status/batch/",
)
SECRET = "app-secret"
PLAUSIBLE = "sha256=" + "0" * 64
ANSWER_S = 10.0
CALM_S = 0.05


class Answer(NamedTuple):
    """A response."""

    status: int
    head: bytes
    body: bytes


@pytest.fixture
def store() -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    need_server()
    with RedisServer() as server:
        yield server


Start = Callable[..., Service]


def known_to(store: RedisServer) -> dict[str, str]:
    """The settings of a service on that Redis that knows Meta's secret."""
    return {
        "TRACKER_REDIS__URL": store.url,
        "TRACKER_AUTH__TOKENS": TOKEN,
        "TRACKER_META__APP_SECRET": SECRET,
        "TRACKER_JOURNAL__ENABLED": "false",
    }


@pytest.fixture
def start(tmp_path: Path, store: RedisServer) -> Iterator[Start]:
    """Starts services on that Redis, with further settings."""
    with ExitStack() as stack:

        def started(*arguments: str, **settings: str) -> Service:
            known = known_to(store) | settings
            return stack.enter_context(Service(tmp_path, *arguments, **known))

        yield started


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all tests that leave it as it was."""
    need_server()
    with (
        RedisServer() as store,
        Service(tmp_path_factory.mktemp("service"), **known_to(store)) as service,
    ):
        yield service


def head(method: str, path: str, *lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def request(method: str, path: str, body: object = None, *lines: str) -> bytes:
    """A caller's request."""
    data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    known = [f"X-Webhook-Token: {TOKEN}", f"Content-Length: {len(data)}"]
    return head(method, path, *known, *lines) + data


def signed(body: object) -> bytes:
    """A request as Meta makes it."""
    data = json.dumps(body).encode()
    mark = "sha256=" + hmac.digest(SECRET.encode(), data, hashlib.sha256).hex()
    length = f"Content-Length: {len(data)}"
    return head("POST", WHATSAPP, f"X-Hub-Signature-256: {mark}", length) + data


class Line:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Sends this, unless the service has closed the connection."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self) -> Answer:
        """The next response."""
        async with asyncio.timeout(ANSWER_S):
            received = await self.reader.readuntil(b"\r\n\r\n")
            length = int(received.lower().partition(b"content-length: ")[2].split()[0])
            body = await self.reader.readexactly(length)
            return Answer(int(received.split()[1]), received, body)

    async def ask(self, data: bytes) -> Answer:
        """Sends a request and returns its response."""
        await self.send(data)
        return await self.answer()

    async def rest(self) -> bytes:
        """All until the service closes the connection."""
        received = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(ANSWER_S):
                while piece := await self.reader.read(1 << 16):
                    received += piece
        return received

    async def is_closed(self) -> bool:
        """Whether the service has closed it and sent nothing."""
        try:
            async with asyncio.timeout(CALM_S):
                return not await self.reader.read(1)
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        """Ends it."""
        self._writer.transport.abort()


@asynccontextmanager
async def lines(service: Service, number: int = 1, *, room: int = 0) -> AsyncIterator[list[Line]]:
    """So many connections; with `room` the kernel buffers no more than that of the answers."""
    address = urlsplit(service.url)
    async with AsyncExitStack() as stack:
        some: list[Line] = []
        for _ in range(number):
            opened = socket.socket()
            if room:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            opened.setblocking(False)
            at = (address.hostname, address.port)
            await asyncio.get_running_loop().sock_connect(opened, at)
            limit = room or 1 << 16
            some.append(Line(*await asyncio.open_connection(sock=opened, limit=limit)))
            stack.callback(some[-1].close)
        yield some


async def ask(service: Service, data: bytes) -> Answer:
    """Asks on a connection of its own."""
    async with lines(service) as [line]:
        return await line.ask(data)


async def reports(service: Service, number: int = 12) -> set[int]:
    """How reports are answered that come on connections of their own."""
    asked = [ask(service, request("POST", SEND, event_send(each))) for each in range(number)]
    return {answer.status for answer in await asyncio.gather(*asked)}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits for what becomes true."""
    deadline_s = monotonic() + ANSWER_S
    while not await condition():
        assert monotonic() < deadline_s


def rss_mib(service: Service) -> float:
    """The memory that the service holds."""
    pages = int(Path(f"/proc/{service.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def test_probes_with_a_body_keep_no_report_out(service: Service) -> None:
    """A stranger asks `/readyz` on a hundred connections, and each probe announces a body.

    A probe is never refused. So it must not count either, or reports that are sent once are.
    """
    probe = head("GET", "/readyz", "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    async with lines(service, 128) as attackers:
        for attacker in attackers:
            await attacker.send(probe * 100)
        assert await reports(service) == {200}
        assert (await ask(service, request("GET", LOGS))).status == 200


@pytest.mark.parametrize("length", ["Content-Length: 5242880", "Transfer-Encoding: chunked"])
async def test_bodies_that_are_announced_and_never_come_keep_nobody_from_reading(
    service: Service, length: str
) -> None:
    """A stranger opens connections to Meta's webhook, announces 5 MiB on each, and sends a byte."""
    announced = head("POST", WHATSAPP, f"X-Hub-Signature-256: {PLAUSIBLE}", length) + b"1\r\n{"
    async with lines(service, 100) as attackers:
        for attacker in attackers:
            await attacker.send(announced)
        for path in (LOGS, f"{HOOKS}message-stats/", "/dashboard/"):
            assert (await ask(service, request("GET", path))).status == 200
        assert (await ask(service, signed({"entry": []}))).status == 200
        assert await reports(service) == {200}
        assert not await attackers[0].is_closed()


async def test_the_oldest_of_too_many_silent_strangers_gives_way_to_meta(start: Start) -> None:
    """Nobody can tell Meta from a stranger before the body is there; so nobody is turned away."""
    service = start()
    announced = head("POST", WHATSAPP, f"X-Hub-Signature-256: {PLAUSIBLE}", "Content-Length: 9")
    async with lines(service, 400) as attackers:
        for attacker in attackers:
            await attacker.send(announced + b"{")
        assert (await ask(service, signed({"entry": []}))).status == 200
        closed = await asyncio.gather(*(attacker.is_closed() for attacker in attackers))
        # Which came first is the service's to say: many connections are read in one turn.
        assert sum(closed) in (400 - MOST_STRANGERS, 400 - MOST_STRANGERS + 1)


async def test_unsigned_bodies_have_a_small_budget(start: Start) -> None:
    """A stranger sends all of 5 MiB but the last byte, on a hundred connections."""
    service = start()
    before_mib = rss_mib(service)
    size = 5 * 2**20
    announced = head(
        "POST", WHATSAPP, f"X-Hub-Signature-256: {PLAUSIBLE}", f"Content-Length: {size}"
    )
    async with lines(service, 100) as attackers:
        for attacker in attackers:
            await attacker.send(announced + b" " * (size - 1))
        assert (await ask(service, request("GET", LOGS))).status == 200
        assert (await ask(service, signed({"entry": []}))).status == 200
        assert rss_mib(service) - before_mib < 150


@pytest.mark.parametrize("mark", ["x", "sha256=0", "sha1=" + "0" * 40, PLAUSIBLE.upper()])
async def test_a_signature_that_can_fit_nothing_is_refused_before_the_body(
    service: Service, mark: str
) -> None:
    line = head("POST", WHATSAPP, f"X-Hub-Signature-256: {mark}", "Content-Length: 5242880")
    assert (await ask(service, line)).status == 403


async def test_without_a_secret_no_signed_body_is_read(start: Start) -> None:
    service = start(TRACKER_META__APP_SECRET="")
    line = head("POST", WHATSAPP, f"X-Hub-Signature-256: {PLAUSIBLE}", "Content-Length: 5242880")
    assert (await ask(service, line)).status == 403


async def test_idle_connections_and_refused_strangers_keep_no_newcomer_out(start: Start) -> None:
    """More connections than `http.requests`, all idle, and strangers who are refused on others."""
    service = start(TRACKER_HTTP__REQUESTS="50")
    announced = head("POST", WHATSAPP, f"X-Hub-Signature-256: {PLAUSIBLE}", "Content-Length: 9")
    async with lines(service, 150) as idle, lines(service, 300) as silent:
        for each in idle:
            assert (await each.ask(head("GET", "/healthz"))).status == 200
        for each in silent:
            await each.send(announced + b"{")
        assert await reports(service, 30) == {200}


async def test_where_no_descriptor_is_left_the_oldest_idle_connection_is_closed(
    start: Start, store: RedisServer
) -> None:
    """A stranger opens more connections than the service may have files, and says nothing."""
    service = start()
    async with lines(service) as [caller]:
        assert (await caller.ask(request("GET", LOGS))).status == 200
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (128, 128))
        async with lines(service, 400) as idle:
            assert (await caller.ask(request("GET", LOGS))).status == 200  # it isn't the oldest
            assert await reports(service) == {200}
            await until(idle[0].is_closed)
            store.command("CLIENT", "KILL", "TYPE", "normal")
            assert await reports(service) == {200}
    assert not service.events("accept_failed")


async def overloaded(service: Service, store: RedisServer, stack: AsyncExitStack) -> None:
    """Has a service of two requests freeze with both under way."""
    store.pause()
    stack.callback(store.resume)
    for line in await stack.enter_async_context(lines(service, 2)):
        await line.send(request("POST", SEND, event_send(1)))
    asked = request("POST", SEND, event_send(2))
    await until(lambda: _is_refused(service, asked))


async def _is_refused(service: Service, asked: bytes) -> bool:
    async with lines(service) as [line]:
        await line.send(asked)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                return (await line.answer()).status == 503
        return False


async def test_who_sends_very_many_requests_at_once_gets_few_refusals(
    start: Start, store: RedisServer
) -> None:
    """Where there is no room, a megabyte of requests must not be worth 57 MB of answers."""
    service = start(TRACKER_HTTP__REQUESTS="2")
    async with AsyncExitStack() as stack:
        await overloaded(service, store, stack)
        before_mib = rss_mib(service)
        [attacker] = await stack.enter_async_context(lines(service))
        asked = request("POST", SEND, event_send(3))
        sending = asyncio.ensure_future(attacker.send(asked * (2**20 // len(asked))))
        received = await attacker.rest()
        await sending
        assert received.count(b"HTTP/1.1 503") == 1
        assert b"\r\nConnection: close\r\n" in received
        [other] = await stack.enter_async_context(lines(service))
        await other.send(b"\r\n\r\n" * 2**18)
        assert (await ask(service, head("GET", "/healthz"))).status == 200
        assert rss_mib(service) - before_mib < 20


@pytest.mark.parametrize("zeros", ["", "00", "00000000"])
async def test_a_refused_request_is_answered_once_however_its_length_is_written(
    start: Start, store: RedisServer, zeros: str
) -> None:
    """Two answers to one request would shift all answers that a proxy passes on."""
    service = start(TRACKER_HTTP__REQUESTS="2")
    async with AsyncExitStack() as stack:
        await overloaded(service, store, stack)
        body = head("GET", "/healthz")
        known = [f"X-Webhook-Token: {TOKEN}", f"Content-Length: {zeros}{len(body)}"]
        async with lines(service) as [line]:
            refused = await line.ask(head("POST", SEND, *known) + body)
            assert refused.status == 503
            if b"\r\nConnection: close\r\n" in refused.head:
                assert await line.rest() == b""
            else:
                assert (await line.ask(head("GET", "/healthz"))).body == b'{"ok":true}'


@pytest.mark.parametrize("workers", [1, 2])
async def test_all_who_ask_whether_it_is_ready_share_one_look(
    start: Start, store: RedisServer, workers: int
) -> None:
    """A thousand probes at 16 partitions would be 16,000 scripts, while reports wait."""
    service = start(f"--workers={workers}", TRACKER_REDIS__PARTITIONS="16")

    def scripts() -> int:
        with store.client() as client:
            stats = client.info("commandstats")
        return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in _SCRIPTS)

    async with lines(service, 500) as strangers:
        before = scripts()
        for stranger in strangers:
            await stranger.send(head("GET", "/readyz"))
        answers = await asyncio.gather(*(stranger.answer() for stranger in strangers))
        assert {answer.status for answer in answers} == {200}
        looks = (scripts() - before) / 16
        assert looks <= workers * 3  # one a second, and they took about one


_SCRIPTS = ("eval", "evalsha", "fcall")


@pytest.mark.parametrize(
    ("path", "token", "status"), [(STATUS, TOKEN, 413), (STATUS, "", 401), (LOOKUP, TOKEN, 413)]
)
async def test_who_asks_first_whether_to_send_a_body_is_not_told_to_send_it_in_vain(
    service: Service, path: str, token: str, status: int
) -> None:
    known = [f"X-Webhook-Token: {token}", "Content-Length: 999999999", "Expect: 100-continue"]
    async with lines(service) as [line]:
        answer = await line.ask(head("POST", path, *known))
    assert answer.status == status
    assert b"\r\nConnection: close\r\n" in answer.head


@pytest.mark.parametrize("path", [STATUS, BATCH])
async def test_who_asks_first_and_is_let_in_is_told_to_send_it(service: Service, path: str) -> None:
    body = json.dumps(status_update(1, "read")).encode() + b"\n"
    kind = "application/x-ndjson" if path == BATCH else "application/json"
    known = [f"X-Webhook-Token: {TOKEN}", f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
    async with lines(service) as [line]:
        await line.send(head("POST", path, *known, "Expect: 100-continue"))
        async with asyncio.timeout(ANSWER_S):
            assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await line.send(body)
            assert b" 200 " in await line.reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("kind", ["h2c", "websocket", "TLS/1.0"])
async def test_requests_behind_an_upgrade_are_not_left_hanging(service: Service, kind: str) -> None:
    """The service speaks nothing but HTTP/1.1: it answers, and closes, so that they come anew."""
    upgrade = head("GET", "/healthz", "Connection: Upgrade", f"Upgrade: {kind}")
    async with lines(service) as [line]:
        await line.send(upgrade + head("GET", "/healthz") * 2)
        received = await line.rest()
    assert received.count(b"HTTP/1.1 200 OK") == 1
    assert b"\r\nConnection: close\r\n" in received


async def test_answers_that_nobody_reads_are_bounded(start: Start) -> None:
    """A caller looks up a thousand messages with the longest texts, 200 times, and reads nothing.

    Each answer is 4 MB. What is still to be sent counts, so the rest is refused; reports go on.
    """
    service = start()
    error = {"code": 1, "title": "🎉" * 1_000, "error_data": {"details": "🎉" * 1_000}}
    updates = [status_update(number, "failed", errors=[error]) for number in range(1_000)]
    for first in range(0, 1_000, 250):
        body = {"updates": updates[first : first + 250]}
        assert (await ask(service, request("POST", BATCH, body))).status == 200
    look = request("POST", LOOKUP, {"wamids": [update["wamid"] for update in updates]})
    assert len((await ask(service, look)).body) > 4_000_000
    before_mib = rss_mib(service)
    async with lines(service, 200, room=4096) as attackers:
        for attacker in attackers:
            await attacker.send(look)
        assert await reports(service) == {200}
        await until(lambda: _is_refused(service, look))
        assert await reports(service) == {200}
        assert rss_mib(service) - before_mib < 250
    await until(lambda: _is_answered(service, look))


async def _is_answered(service: Service, asked: bytes) -> bool:
    return (await ask(service, asked)).status == 200
