"""Listeners while Redis is away, callers dawdle, workers come and go, and at the service's end."""

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic

import aiohttp
import pytest
from aiohttp import TCPConnector
from aiohttp.test_utils import TestClient
from yarl import URL

from service.app import create_app
from service.config import Auth, Http, Redis, Settings
from service.errors import Overloaded
from service.live.hub import LiveHub
from service.web.admission import Admission
from service.web.middleware import ADMISSION
from tests.conftest import NO_JOURNAL, TOKEN, Client, JsonTestServer, need_server
from tests.factories import event_send
from tests.faults.fault_kit import (
    SEND,
    TAKEN,
    eventually,
    logged,
    service_on,
    until_ready,
)
from tests.faults.workers_probe import until_two, workers_of
from tests.process import Service
from tests.servers import RedisCluster, RedisServer
from tests.sse_client import LIVE, SseClient

HEADERS = {"X-Webhook-Token": TOKEN}
SENDS = f"{SEND}batch/"
SOON_S = 3.0
"""Within which a service with nothing but listeners ends."""


async def send(session: aiohttp.ClientSession | Client, number: int, url: str = "") -> str:
    """Tracks a message; returns which worker took it."""
    async with session.post(url + SEND, json=event_send(number)) as response:
        assert response.status in TAKEN
        return response.headers["X-Request-ID"].partition("-")[0]


# Redis ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [False, True])
async def test_listeners_stay_while_redis_is_away_and_miss_nothing(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, tmp_path: Path, frozen: bool
) -> None:
    async with (
        service_on(redis.url, data_dir=tmp_path) as client,
        SseClient(client) as early,
        SseClient(client, event_id="event-1") as other,
    ):
        await send(client, 1)
        await early.hears(("wamid.1", "sent"))
        if frozen:
            redis.pause()
        else:
            redis.kill()
        await eventually(lambda: logged(caplog, "live_failed") == 1, "the reader to fail")
        async with SseClient(client) as late, SseClient(client, early.last_id) as resuming:
            await send(client, 2)  # into the journal
            await asyncio.sleep(1.5)
            assert late.names == early.names == ["ready"]
            if frozen:
                redis.resume()
            else:
                redis.start()
            await send(client, 3)
            for ear in (early, other, late, resuming):
                await ear.hears(("wamid.2", "sent"), ("wamid.3", "sent"))
                assert ear.names == ["ready"]
    assert logged(caplog, "live_failed") == 1


async def test_nobody_begins_to_listen_while_redis_is_away(redis: RedisServer) -> None:
    """Nobody knows where the feed ends. All get their answer in time, however many they are."""
    async with service_on(redis.url, timeout_s=1.0) as client:
        redis.pause()
        started_s = monotonic()
        answers = await asyncio.gather(*(client.get(LIVE) for _ in range(50)))
        assert {answer.status for answer in answers} == {503}
        assert monotonic() - started_s < 2 * SOON_S
        redis.resume()
        await until_ready(client)
        async with SseClient(client) as ear:
            await send(client, 1)
            await ear.hears(("wamid.1", "sent"))


async def test_signs_of_life_go_on_while_redis_is_away(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They carry an id, so that a listener that gets few changes can resume too."""
    monkeypatch.setattr("service.app.LiveHub", partial(LiveHub, pings_s=0.1))
    async with service_on(redis.url) as client:
        async with SseClient(client, event_id="another") as ear:
            began_at = ear.last_id
            await send(client, 1)
            await eventually(lambda: ear.last_id != began_at, "an id without a change")
            redis.pause()
            heard = ear.pings
            await eventually(lambda: ear.pings > heard + 5, "signs of life")
            redis.resume()
            assert set(ear.names) == {"ready", "alive"}
        async with SseClient(client, ear.last_id) as ear:
            await send(client, 2)
            await ear.hears(("wamid.2", "sent"))
            assert ear.told == [("wamid.2", "sent")]


# Callers ----------------------------------------------------------------------------------------


@asynccontextmanager
async def dawdler(url: str, receive_bytes: int = 4096) -> AsyncIterator[socket.socket]:
    """A listener that reads nothing by itself."""
    host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (host, int(port)))
        head = f"GET {LIVE} HTTP/1.1\r\nHost: x\r\nX-Webhook-Token: {TOKEN}\r\n\r\n"
        await loop.sock_sendall(sock, head.encode())
        assert b"event: ready" in await received(sock, b"event: ready")
        yield sock


async def received(sock: socket.socket, until: bytes) -> bytes:
    """What comes on a socket until these bytes do, or its end."""
    text = b""
    async with asyncio.timeout(10):
        while until not in text:
            try:
                piece = await asyncio.get_running_loop().sock_recv(sock, 65536)
            except ConnectionError:
                break
            if not piece:
                break
            text += piece
    return text


async def flood(session: aiohttp.ClientSession | Client, batches: int, url: str = "") -> None:
    """Sends 500 messages a batch, over half a megabyte of events each."""
    for batch in range(batches):
        sends = [
            event_send(500 * batch + number, guest_name="x" * 500, template_name="y" * 500)
            for number in range(500)
        ]
        async with session.post(url + SENDS, json={"messages": sends}) as response:
            assert response.status == 200


async def metric(session: aiohttp.ClientSession | Client, name: str, url: str = "") -> float:
    async with session.get(f"{url}/metrics") as response:
        lines = (await response.text()).splitlines()
    found = [line.split()[-1] for line in lines if re.match(rf"{re.escape(name)}[ {{]", line)]
    return sum(map(float, found))


@pytest.fixture
def service(redis: RedisServer, tmp_path: Path) -> Iterator[Service]:
    with Service(
        tmp_path,
        TRACKER_REDIS__URL=redis.url,
        TRACKER_AUTH__TOKENS=TOKEN,
        TRACKER_JOURNAL__ENABLED="false",
    ) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:
        yield session


async def test_who_is_too_slow_loses_its_place_and_costs_no_memory(
    service: Service, session: aiohttp.ClientSession
) -> None:
    def rss_mib() -> float:
        return int(Path(f"/proc/{service.pid}/statm").read_text().split()[1]) / 256

    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(dawdler(service.url)) for _ in range(20)]
        ear = await stack.enter_async_context(SseClient(session, url=service.url))
        await flood(session, 6, service.url)
        await ear.hears(("wamid.2999", "sent"))
        before_mib = rss_mib()
        await flood(session, 10, service.url)
        await ear.hears(*((f"wamid.{number}", "sent") for number in range(5_000)))
        assert ear.names == ["ready"]
        assert rss_mib() - before_mib < 30  # ten times that was for them to read
        assert await metric(session, "tracker_places_lost_total", service.url) >= 20
        assert b"event: lost\ndata: {}\nid: " in await received(slow[0], b"event: lost\n")
        await send(session, 50_000, service.url)
        assert b'"wamid.50000"' in await received(slow[0], b'"wamid.50000"')


@pytest.mark.parametrize("abrupt", [False, True])
async def test_who_has_left_is_forgotten_in_a_second_and_is_no_slow_request(
    service: Service, session: aiohttp.ClientSession, abrupt: bool
) -> None:
    if abrupt:
        async with dawdler(service.url) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await asyncio.sleep(1.2)
    else:
        async with SseClient(session, url=service.url):
            assert await metric(session, "tracker_listeners", service.url) == 1
            await asyncio.sleep(1.2)
    until_s = monotonic() + 2
    while await metric(session, "tracker_listeners", service.url):
        assert monotonic() < until_s
    timed = f'tracker_request_seconds_sum{{route="{LIVE}",status="200"}}'
    assert 0 < await metric(session, timed, service.url) < 1
    assert await metric(session, timed.replace("sum", "count"), service.url) == 1
    assert not service.events("request_slow")
    assert not service.events("request_failed")


async def test_who_takes_nothing_is_cut_off(redis: RedisServer) -> None:
    settings = Settings(
        journal=NO_JOURNAL,
        auth=Auth(tokens=[TOKEN]),
        redis=Redis(url=redis.url),
        http=Http(receive_s=1.0),
    )
    async with TestClient(JsonTestServer(create_app(settings)), headers=HEADERS) as client:
        async with dawdler(str(client.make_url("/"))) as sock:
            await flood(client, 12)
            began_s = monotonic()
            await asyncio.sleep(2.5)
            text = await received(sock, b"never")
            assert b"data: " in text
            assert monotonic() - began_s < 2 * SOON_S
        await send(client, 1)


# Admission --------------------------------------------------------------------------------------


@asynccontextmanager
async def service_with(redis: RedisServer, http: Http) -> AsyncIterator[Client]:
    settings = Settings(
        journal=NO_JOURNAL, auth=Auth(tokens=[TOKEN]), redis=Redis(url=redis.url), http=http
    )
    server = JsonTestServer(create_app(settings))
    connector = TCPConnector(limit=0)
    async with TestClient(server, headers=HEADERS, connector=connector) as client:
        await until_ready(client)
        yield client


async def test_listeners_take_no_place_from_requests(redis: RedisServer) -> None:
    async with service_with(redis, Http(requests=4)) as client, AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(SseClient(client)) for _ in range(40)]
        await asyncio.gather(*(send(client, number) for number in range(3)))
        for ear in ears:
            await ear.hears(*((f"wamid.{number}", "sent") for number in range(3)))


async def test_listeners_are_refused_while_there_is_too_much_to_do(redis: RedisServer) -> None:
    async with service_with(redis, Http(requests=10)) as client, SseClient(client) as ear:
        redis.pause()
        try:
            calls = [asyncio.ensure_future(send(client, number)) for number in range(9)]
            while (response := await client.get(LIVE)).status == 200:
                response.close()
            assert response.status == 503
        finally:
            redis.resume()
        await asyncio.gather(*calls)
        await ear.hears(*((f"wamid.{number}", "sent") for number in range(9)))
        admission = client.app[ADMISSION]  # those who come anew are refused for a second longer
        await eventually(admission.is_calm, "calm")
        async with SseClient(client):
            pass


async def test_there_is_a_limit_to_listeners(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with service_with(redis, Http(listeners=3)) as client:
        async with SseClient(client), SseClient(client), SseClient(client):
            async with client.get(LIVE) as response:
                assert response.status == 503
                assert response.headers["Retry-After"] == "1"
            assert logged(caplog, "overloaded") == 1
            await send(client, 1)
        admission = client.app[ADMISSION]
        await eventually(lambda: admission.listeners == 0, "the listeners' leave to be noticed")
        async with SseClient(client), SseClient(client), SseClient(client):
            pass


@pytest.mark.parametrize("path", [LIVE, "/api/webhooks/l%69ve"])
async def test_the_limit_holds_however_the_path_is_written(redis: RedisServer, path: str) -> None:
    async with (
        service_with(redis, Http(listeners=1)) as client,
        SseClient(client),
        client.get(URL(path, encoded=True)) as response,
    ):
        assert response.status == 503


def test_listeners_dont_count_as_requests() -> None:
    admission = Admission(10, lambda: 0, most_listeners=6)
    listeners = [admission.admit(1.0) for _ in range(6)]
    for each in listeners:
        each.admit_stream()
    assert (admission.requests, admission.listeners) == (0, 6)
    last = admission.admit(1.0)
    with pytest.raises(Overloaded):
        last.admit_stream()
    for each in [*listeners, last]:
        each.release()
    assert (admission.requests, admission.listeners) == (0, 0)


# Workers and the end ----------------------------------------------------------------------------


async def test_what_one_worker_takes_the_listeners_of_the_other_are_told(
    crew: Service, session: aiohttp.ClientSession
) -> None:
    async with AsyncExitStack() as stack:
        ears: dict[str, SseClient] = {}
        while len(ears) < 2:
            alone = await stack.enter_async_context(aiohttp.ClientSession(headers=HEADERS))
            ear = await stack.enter_async_context(SseClient(alone, url=crew.url))
            ears[ear.response.headers["X-Request-ID"].partition("-")[0]] = ear
        took: set[str] = set()
        number = 0
        while len(took) < 2:
            number += 1
            async with aiohttp.ClientSession(headers=HEADERS) as alone:
                took.add(await send(alone, number, crew.url))
        assert took == set(ears)
        for ear in ears.values():
            await ear.hears(*((f"wamid.{n}", "sent") for n in range(1, number + 1)))
        await asyncio.sleep(1.2)  # of the other worker they are a second old at the most
        assert await metric(session, "tracker_listeners", crew.url) >= 2


@pytest.mark.parametrize("stuck", [False, True])
async def test_the_end_of_the_service_is_the_end_of_the_stream(
    service: Service, session: aiohttp.ClientSession, stuck: bool
) -> None:
    async with AsyncExitStack() as stack:
        ears = [
            await stack.enter_async_context(SseClient(session, url=service.url)) for _ in range(5)
        ]
        if stuck:
            await stack.enter_async_context(dawdler(service.url))
            await flood(session, 12, service.url)
        await send(session, 9_999, service.url)
        await ears[0].hears(("wamid.9999", "sent"))
        service.send_signal(signal.SIGTERM)
        await eventually(lambda: not service.running, "the service to end")
        code, _ = service.wait()
        assert code == 0
        [began] = [each["time"] for each in service.events("draining")]
        [ended] = [each["time"] for each in service.events("stopped")]
        assert seconds_between(began, ended) < SOON_S
        for ear in ears:
            await eventually(lambda e=ear: e.ended, "the streams to end in good order")  # type: ignore[misc]
    assert not service.events("request_failed")


def seconds_between(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


async def test_workers_end_their_streams_too(crew: Service, session: aiohttp.ClientSession) -> None:
    async with AsyncExitStack() as stack:
        ears = [
            await stack.enter_async_context(SseClient(session, url=crew.url)) for _ in range(20)
        ]
        crew.send_signal(signal.SIGTERM)
        await eventually(lambda: not crew.running, "the service to end")
        assert crew.wait()[0] == 0
        times = [seconds_between(a["time"], b["time"]) for a, b in ends(crew)]
        assert max(times) < SOON_S
        for ear in ears:
            await eventually(lambda e=ear: e.ended, "the streams to end in good order")  # type: ignore[misc]


def ends(crew: Service) -> list[tuple[dict[str, str], dict[str, str]]]:
    began = {event["pid"]: event for event in crew.events("draining")}
    ended = {event["pid"]: event for event in crew.events("stopped")}
    assert set(began) == set(ended)
    return [(began[pid], ended[pid]) for pid in began]


async def test_over_a_reload_nothing_is_missed(
    crew: Service, session: aiohttp.ClientSession
) -> None:
    before = workers_of(crew)
    async with AsyncExitStack() as stack:
        ears = [
            await stack.enter_async_context(SseClient(session, url=crew.url)) for _ in range(10)
        ]
        crew.send_signal(signal.SIGHUP)
        number = 0
        while not all(ear.ended for ear in ears):
            number += 1
            await send(session, number, crew.url)
        after = number + 1
        await send(session, after, crew.url)
        until_two(crew, but=before)
        assert max(seconds_between(a["time"], b["time"]) for a, b in ends(crew)) < SOON_S
        for ear in ears:
            again = await stack.enter_async_context(SseClient(session, ear.last_id, url=crew.url))
            heard = {wamid for wamid, _ in ear.told}
            await again.hears(
                *((w, "sent") for n in range(1, after + 1) if (w := f"wamid.{n}") not in heard)
            )
            assert again.names == ["ready"]


# A cluster --------------------------------------------------------------------------------------


async def test_listeners_of_a_cluster_are_told_what_its_other_parts_take() -> None:
    """While a master stands still; and once it goes on, what it takes then."""
    need_server()
    with RedisCluster() as cluster:
        async with (
            service_on(cluster.url, timeout_s=1.0, partitions=8) as client,
            SseClient(client) as ear,
        ):
            cluster.nodes[0].pause()
            bodies = [event_send(number) for number in range(24)]
            answers = await asyncio.gather(*(client.post(SEND, json=body) for body in bodies))
            taken = {n for n, answer in enumerate(answers) if answer.status == 200}
            assert 0 < len(taken) < len(bodies)
            await ear.hears(*((f"wamid.{n}", "sent") for n in taken))
            cluster.nodes[0].resume()
            cluster.wait_ok()
            await until_ready(client)
            for body in bodies:
                assert (await client.post(SEND, json=body)).status == 200
            await ear.hears(*((f"wamid.{n}", "sent") for n in range(len(bodies))))
            assert ear.names == ["ready"]
