"""Several workers: one port, one sum of metrics, and nothing lost when one or all of them end."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import TOKEN
from tests.factories import event_send
from tests.faults.fault_kit import LONGEST_S, SEND, Load, eventually, records_at
from tests.faults.workers_probe import WORKERS, left, until_two, workers_of
from tests.process import HASTY, START_TIMEOUT_S, Service
from tests.servers import RedisServer, free_port, wait_until

HEADERS = {"X-Webhook-Token": TOKEN}
TIMEOUT = aiohttp.ClientTimeout(2 * LONGEST_S)
CALLERS = 40


async def _post_alone(url: str, number: int) -> str:
    """Reports a message over a connection of its own; returns what tells the workers apart."""
    async with (
        aiohttp.ClientSession(url, headers=HEADERS, timeout=TIMEOUT) as session,
        session.post(SEND, json=event_send(number)) as response,
    ):
        assert (response.status, await response.json()) == (200, await response.json())
        return response.headers["X-Request-ID"].partition("-")[0]


async def _post_to_both(url: str) -> int:
    """Reports messages until both workers have answered; returns how many."""
    answered: list[str] = []
    while len(set(answered)) < 2:
        assert len(answered) < 20 * CALLERS
        numbers = range(len(answered), len(answered) + CALLERS)
        answered += await asyncio.gather(*(_post_alone(url, n) for n in numbers))
    return len(answered)


async def _metric(url: str, *names: str) -> list[float]:
    """The sums of some metrics over their labels, as one of the workers tells them."""
    async with aiohttp.ClientSession(url) as session, session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return [
        sum(float(line.split()[-1]) for line in lines if re.match(rf"{re.escape(n)}[ {{]", line))
        for n in names
    ]


SENT = f'tracker_request_seconds_count{{route="{SEND}",status="200"}}'


async def _sent(url: str) -> float:
    """How many track-sends were answered with 200, by the metrics."""
    async with aiohttp.ClientSession(url) as session, session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(SENT)), 0.0)


async def test_both_answer_and_each_tells_the_sum_of_both(crew: Service) -> None:
    posted = await _post_to_both(crew.url)
    for _ in range(12):
        assert await _sent(crew.url) == posted
        reports, batched = await _metric(
            crew.url, "tracker_reports_total", "tracker_batch_reports_sum"
        )
        assert reports == batched == posted


async def test_a_killed_worker_comes_back_and_its_counts_stay(crew: Service, files: Path) -> None:
    before = until_two(crew)
    made = left(files)
    posted = await _post_to_both(crew.url)
    for _ in range(2):
        killed = min(workers_of(crew))
        os.kill(killed, signal.SIGKILL)
        until_two(crew, but={killed})
        posted += await _post_to_both(crew.url)
        assert await _sent(crew.url) == posted
    assert before != workers_of(crew)
    assert left(files) == made
    assert crew.stop() == 0


# The stop ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ctrl_c", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_what_was_answered_under_load_is_in_the_store(
    redis: RedisServer, crew: Service, files: Path, ctrl_c: bool
) -> None:
    async with Load(crew.url) as load:
        await load.more(200, 200)
        if ctrl_c:
            crew.send_signal_to_all(signal.SIGINT)
            crew.send_signal_to_all(signal.SIGINT)
        else:
            crew.send_signal(signal.SIGTERM)
        await eventually(lambda: not crew.running, "the service to end")
    assert crew.wait()[0] == 0
    assert 0 < load.lost <= 16  # callers found the door closed at last
    assert {answer.status for answer in load.answers} == {200}
    load.check_stored(await records_at(redis.url))
    assert len(crew.events("draining")) == len(crew.events("stopped")) == 2
    assert not [event for event in crew.events() if "rror" in event["event"]]
    assert left(files) == set()


async def _post_slowly(url: str, number: int, *, begun: asyncio.Event, go_on: asyncio.Event) -> int:
    """Reports a message: a part when the worker asks for the body, the rest when told to."""
    body = json.dumps(event_send(number)).encode()

    async def parts() -> AsyncIterator[bytes]:
        yield body[:20]
        begun.set()
        await go_on.wait()
        yield body[20:]

    async with (
        aiohttp.ClientSession(url, headers=HEADERS, timeout=TIMEOUT) as session,
        session.post(SEND, data=parts(), expect100=True) as response,
    ):
        return response.status


@asynccontextmanager
async def _requests_under_way(
    url: str, go_on: asyncio.Event
) -> AsyncIterator[list[asyncio.Task[int]]]:
    """Requests whose bodies the workers read; the rest of these comes when it is told to."""
    begun = [asyncio.Event() for _ in range(CALLERS)]
    requests = [
        asyncio.create_task(_post_slowly(url, n, begun=event, go_on=go_on))
        for n, event in enumerate(begun)
    ]
    async with asyncio.timeout(START_TIMEOUT_S):
        await asyncio.gather(*(event.wait() for event in begun))
    yield requests


@pytest.mark.slow
async def test_batches_under_way_are_written(redis: RedisServer, crew: Service) -> None:
    """The other worker's queue is told once a second, so it may go unseen: then more are sent."""
    seen = False
    while not seen:
        go_on = asyncio.Event()
        async with _requests_under_way(crew.url, go_on) as requests:
            redis.pause()
            try:
                go_on.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(2.0):
                        while not (seen := await _queue(crew.url) > 0):
                            pass
                if seen:
                    crew.send_signal(signal.SIGTERM)
                    await eventually(lambda: len(crew.events("draining")) == 2, "the drain")
            finally:
                redis.resume()
        assert await asyncio.gather(*requests) == [200] * CALLERS
    assert crew.wait()[0] == 0
    assert len(await records_at(redis.url)) == CALLERS


@pytest.mark.parametrize("ctrl_c", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_requests_under_way_are_waited_for_however_often_it_is_told_to_stop(
    redis: RedisServer, crew: Service, ctrl_c: bool
) -> None:
    go_on = asyncio.Event()
    tell = crew.send_signal_to_all if ctrl_c else crew.send_signal
    async with _requests_under_way(crew.url, go_on) as requests:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            tell(number)
            await eventually(lambda: len(crew.events("draining")) == 2, "the drain to begin")
        await asyncio.sleep(3)  # gunicorn would kill the workers after two
        assert crew.running
        go_on.set()
        assert await asyncio.gather(*requests) == [200] * CALLERS
    assert crew.wait()[0] == 0
    assert len(await records_at(redis.url)) == CALLERS


async def test_the_queue_of_all_workers_is_told_by_each(redis: RedisServer, crew: Service) -> None:
    """The others' as it was a second ago at the most, and none when all is written.

    Reports wait for a few seconds only. Where the machine is too busy to ask for it in time, more
    reports are sent.
    """
    told: set[float] = set()
    while len(told) != 1 or told == {0}:
        go_on = asyncio.Event()
        async with _requests_under_way(crew.url, go_on) as requests:
            redis.pause()
            go_on.set()
            while (len(told) != 1 or told == {0}) and not any(each.done() for each in requests):
                told = set(await asyncio.gather(*(_queue(crew.url) for _ in range(12))))
            redis.resume()
        await asyncio.gather(*requests)
    while await _queue(crew.url) > 0:
        pass


async def _queue(url: str) -> float:
    return (await _metric(url, "tracker_queue_reports"))[0]


def test_it_can_be_told_to_stop_while_it_waits_for_redis_at_its_start(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    variables = {"TRACKER_REDIS__URL": url, "TRACKER_AUTH__TOKENS": TOKEN}
    service = Service(tmp_path, *WORKERS, TRACKER_JOURNAL__ENABLED="false", **variables)
    service.launch()
    try:
        wait_until(
            lambda: len(service.events("redis_lost")) == 2,
            "both to look for Redis",
            START_TIMEOUT_S,
        )
        service.send_signal(signal.SIGTERM)
        assert service.wait()[0] == 0
        assert not service.events("started")
        assert "message-tracker:" not in service.errors
    finally:
        service.kill()


# The reload -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(180)  # it starts six workers under load
async def test_a_reload_is_noticed_by_nobody(
    redis: RedisServer, crew: Service, files: Path
) -> None:
    """Neither by who keeps a connection nor by who comes with a new one each time."""
    old = until_two(crew)
    posted = 0

    async def come_and_go(first: int) -> None:
        nonlocal posted
        number = first
        while load_goes_on:
            await _post_alone(crew.url, number)
            posted += 1
            number += 4

    load_goes_on = True
    async with Load(crew.url, 8) as load:
        comers = [asyncio.create_task(come_and_go(100_000 + n)) for n in range(4)]
        for _ in range(2):
            await load.more(200, 100)
            reloads = len(crew.events("reloaded"))
            crew.send_signal(signal.SIGHUP)
            await eventually(lambda n=reloads: len(crew.events("reloaded")) > n, "a reload")  # type: ignore[misc]
            new = await asyncio.to_thread(until_two, crew, but=old)
            old |= new
        await load.more(200, 100)
        load_goes_on = False
        await asyncio.gather(*comers)
    assert load.lost == 0
    assert {answer.status for answer in load.answers} == {200}
    assert len(old) == 6
    load.check_stored(await records_at(redis.url))
    sent = sum(1 for answer in load.answers if "map_id" in answer.body)
    assert posted > 50
    assert await _sent(crew.url) == sent + posted
    assert sum(name.endswith(".db") for name in left(files)) <= 12  # 3 for each of 4 slots
    assert crew.stop() == 0


async def test_a_reload_reads_the_settings_again(redis: RedisServer, tmp_path: Path) -> None:
    """And keeps the old workers when they are wrong."""
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)
    config = tmp_path / "my.toml"
    config.write_text("[http]\nslow_s = 2.0")
    variables = {"TRACKER_REDIS__URL": redis.url, "TRACKER_AUTH__TOKENS_FILE": str(tokens)}
    with Service(tmp_path, *WORKERS, "--config", str(config), **variables) as service:
        old = until_two(service)
        tokens.write_text("another")
        service.send_signal(signal.SIGHUP)
        wait_until(lambda: bool(service.events("reloaded")), "the reload", START_TIMEOUT_S)
        new = until_two(service, but=old)
        path = "/api/webhooks/message-logs/"
        assert (service.status_of(path, TOKEN), service.status_of(path, "another")) == (403, 200)
        config.write_text("[http]\nslow_z = 2.0")
        service.send_signal(signal.SIGHUP)
        wait_until(lambda: bool(service.events("reload_refused")), "the refusal", START_TIMEOUT_S)
        assert "slow_z" in service.events("reload_refused")[0]["reason"]
        assert workers_of(service) == new
        assert service.stop() == 0


def test_who_asks_for_a_reload_during_a_reload_gets_another(crew: Service) -> None:
    """The settings may have been changed once more after the first had read them."""
    until_two(crew)
    crew.send_signal(signal.SIGHUP)
    wait_until(
        lambda: len(crew.events("draining")) > 0, "the old ones to be told to go", START_TIMEOUT_S
    )
    crew.send_signal(signal.SIGHUP)
    wait_until(lambda: len(crew.events("reloaded")) == 2, "the second reload", START_TIMEOUT_S)
    assert crew.stop() == 0


async def test_a_reload_while_redis_is_away_keeps_the_old_workers(
    redis: RedisServer, tmp_path: Path
) -> None:
    """And one that was killed is tried again until Redis is back."""
    variables = {"TRACKER_REDIS__URL": redis.url, "TRACKER_AUTH__TOKENS": TOKEN}
    variables["TRACKER_JOURNAL__ENABLED"] = "false"  # with a journal they'd start without Redis
    with Service(tmp_path, *WORKERS, program=HASTY, **variables) as crew:
        old = until_two(crew)
        redis.stop()
        crew.send_signal(signal.SIGHUP)
        await eventually(lambda: bool(crew.events("reload_failed")), "it to give up", 25)
        assert workers_of(crew) == old
        assert crew.status_of("/healthz") == 200
        killed = min(old)
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: len(crew.events("worker_failed")) == 3, "a third failure", 25)
        redis.start()
        until_two(crew, but={killed})
        assert crew.running
        assert crew.stop() == 0
