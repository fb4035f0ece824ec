"""SIGTERM: what was accepted is finished, what was answered is written, and it ends in time."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import TOKEN
from tests.factories import event_send
from tests.faults.fault_kit import LONGEST_S, SEND, Load, eventually, records_at
from tests.faults.redis_refusals import Refusal, paused, replica_of_a_dead_master
from tests.process import Service
from tests.servers import RedisServer, free_port, wait_until

TIMEOUT_S = 1.0
DRAIN_S = 2.0
CALLERS = 20
LIFE = ["store_begun", "store_may_lose_data", "setting_weak", "started", "draining", "stopped"]
"""What is logged in a life without faults; the Redis of these tests has no replica."""


@pytest.fixture
def service(redis: RedisServer, tmp_path: Path) -> Iterator[Service]:
    with Service(
        tmp_path,
        TRACKER_REDIS__URL=redis.url,
        TRACKER_AUTH__TOKENS=TOKEN,
    ) as service:
        yield service


@contextmanager
def _dead(redis: RedisServer) -> Iterator[None]:
    redis.kill()
    yield


async def _post(session: aiohttp.ClientSession, number: int) -> int:
    async with session.post(SEND, json=event_send(number)) as response:
        assert (await response.json())["ok"] is (response.status == 200)
        return response.status


@asynccontextmanager
async def _requests_under_way(service: Service) -> AsyncIterator[list[asyncio.Task[int]]]:
    """Requests that wait for Redis, which is away: one at it, the others behind that."""
    headers = {"X-Webhook-Token": TOKEN}
    timeout = aiohttp.ClientTimeout(2 * LONGEST_S)
    async with aiohttp.ClientSession(service.url, headers=headers, timeout=timeout) as session:
        requests = [asyncio.create_task(_post(session, 0))]
        try:
            for _ in range(3):  # after that the first batch is on its way, with it alone
                await _queued(session)
            requests += [asyncio.create_task(_post(session, n)) for n in range(1, CALLERS)]
            async with asyncio.timeout(LONGEST_S):
                while await _queued(session) < CALLERS - 1:
                    pass
            yield requests
        finally:
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)


async def _queued(session: aiohttp.ClientSession) -> float:
    async with session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(
        float(line.split()[1]) for line in lines if line.startswith("tracker_queue_reports ")
    )


async def _draining(service: Service) -> None:
    await eventually(lambda: bool(service.events("draining")), "the drain to begin")


async def test_what_was_answered_under_load_is_in_the_store(
    redis: RedisServer, service: Service
) -> None:
    async with Load(service.url) as load:
        await load.more(200, 200)
        service.send_signal(signal.SIGTERM)
        await eventually(lambda: not service.running, "the service to end")
    assert service.wait()[0] == 0
    assert 0 < load.lost <= 16  # callers found the door closed at last
    assert {answer.status for answer in load.answers} == {200}
    load.check_stored(await records_at(redis.url))
    assert [event["event"] for event in service.events()] == LIFE


@pytest.mark.parametrize("again", [0, 2])
async def test_requests_under_way_are_answered_and_no_more_are_accepted(
    redis: RedisServer, service: Service, again: int
) -> None:
    """However often it is told to stop."""
    with paused(redis):
        async with _requests_under_way(service) as requests:
            service.send_signal(signal.SIGTERM)
            await _draining(service)
            for _ in range(again):
                service.send_signal(signal.SIGTERM)
            await eventually(lambda: service.status_of("/healthz") == 0, "the door to close")
            assert service.running
            redis.resume()
            assert await asyncio.gather(*requests) == [200] * CALLERS
    code, took_s = service.wait()
    assert code == 0
    assert took_s < 2
    assert len(await records_at(redis.url)) == CALLERS
    assert len(service.events("draining")) == 1
    assert len(service.events("stopped")) == 1


@pytest.mark.parametrize("away", [paused, replica_of_a_dead_master, _dead])
async def test_it_ends_in_time_while_redis_is_away(
    redis: RedisServer, tmp_path: Path, away: Refusal
) -> None:
    """Who waits gets a 503; nobody is left without an answer."""
    with Service(
        tmp_path,
        TRACKER_REDIS__URL=redis.url,
        TRACKER_REDIS__TIMEOUT_S=str(TIMEOUT_S),
        TRACKER_HTTP__DRAIN_S=str(DRAIN_S),
        TRACKER_JOURNAL__ENABLED="false",
        TRACKER_AUTH__TOKENS=TOKEN,
    ) as service:
        with away(redis):
            async with _requests_under_way(service) as requests:
                service.send_signal(signal.SIGTERM)
                await eventually(
                    lambda: not service.running, "the service to end", DRAIN_S + TIMEOUT_S + 1
                )
                answers = await asyncio.gather(*requests, return_exceptions=True)
        assert answers == [503] * CALLERS
        assert service.wait()[0] == 0
        assert len(service.events("stopped")) == 1


def test_it_can_be_told_to_stop_while_it_waits_for_redis_at_its_start(tmp_path: Path) -> None:
    service = Service(
        tmp_path,
        TRACKER_REDIS__URL=f"redis://127.0.0.1:{free_port()}",
        TRACKER_AUTH__TOKENS=TOKEN,
        TRACKER_JOURNAL__ENABLED="false",
    )
    service.launch()
    try:
        wait_until(lambda: bool(service.events("redis_lost")), "it to look for Redis")
        service.send_signal(signal.SIGTERM)
        wait_until(lambda: not service.running, "the service to end", 5)
        assert not service.events("started")
        assert len(service.events("stopped")) == 1
    finally:
        service.kill()
