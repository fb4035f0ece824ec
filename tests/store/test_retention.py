"""Messages that have grown old go by themselves, on every backend."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient

from service.api.app_keys import STORE
from service.app import create_app
from service.backends.server import Fake
from service.config import Retention
from service.domain.identity import id_of, partition_of
from service.domain.query import Selection
from service.domain.report import Status
from service.errors import Unavailable
from service.store import retention
from service.store.availability import UNVERIFIED
from service.store.clocks import Clocks
from service.store.keys import index_key, message_key, tag_of
from service.store.retention import HELD_S, Sweeper
from service.store.scripts import MAX_ERASED
from tests.backends import Backend, Bench, open_store
from tests.conftest import TOKEN, Client, JsonTestServer, settings_of
from tests.factories import BASE_US, send_report, status_report
from tests.faults.fault_kit import eventually, logged

DAY_US = 86_400_000_000


async def send(bench: Bench, number: int) -> list[str]:
    """Tracks so many messages, each received a microsecond after the one before."""
    reports = [
        send_report(wamid=f"wamid.{i}", received_us=BASE_US + i, event_id="e")
        for i in range(number)
    ]
    await bench.store.write(reports)
    return [report.wamid for report in reports]


@asynccontextmanager
async def sweeping(
    bench: Bench, now_us: int, *, redis_us: int = 0, held_s: float = HELD_S
) -> AsyncIterator[Sweeper]:
    """A sweeper of what is three days old at this time by our clock, and by that of Redis."""
    clocks = clocks_at(now_us, redis_us or now_us)
    sweeper = Sweeper(bench.store, clocks, days=3, idle_s=0.01, held_s=held_s)
    sweeper.start()
    try:
        yield sweeper
    finally:
        await sweeper.close()


class FixedServer(Fake):
    """A server that says what its clock has, and nothing else."""

    def __init__(self, *times_us: int) -> None:
        self.times_us = times_us

    async def ask(self, *command: Any) -> list[Any]:
        assert command == ("TIME",)
        return [divmod(each, 1_000_000) for each in self.times_us]


def clocks_at(now_us: int, *redis_us: int) -> Clocks:
    return Clocks(FixedServer(*redis_us), wall_ns=lambda: 1000 * now_us)


async def until_left(bench: Bench, number: int) -> None:
    """Waits until there are no more than so many messages."""
    deadline_s = time.monotonic() + 15
    tags = [tag_of(partition) for partition in range(bench.partitions)]
    while sum([await bench.execute(tag, "ZCARD", index_key(tag, "all")) for tag in tags]) > number:
        assert time.monotonic() < deadline_s


async def test_what_is_old_goes_and_the_rest_stays(
    store: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wamids = await send(store, 190)
    await store.merge(status_report(Status.READ, wamid="wamid.1"))
    async with sweeping(store, BASE_US + 3 * DAY_US + 120):
        await until_left(store, 70)
        await eventually(lambda: logged(caplog, "retention_swept") == 1, "the end of the sweep")
    left = await store.check_invariants()
    assert {record.wamid for record in left} == set(wamids[120:])
    assert await store.tombs() == {}
    [event] = [record for record in caplog.records if record.getMessage() == "retention_swept"]
    assert vars(event)["messages"] == 120


async def test_a_late_status_makes_a_message_that_goes_in_its_turn(store: Bench) -> None:
    await send(store, 1)
    now_us = BASE_US + 3 * DAY_US + 1
    async with sweeping(store, now_us):
        await until_left(store, 0)
        late = status_report(Status.READ, wamid="wamid.0", received_us=now_us)
        await store.merge(late)
    assert [record.created_us for record in await store.check_invariants()] == [str(now_us)]
    async with sweeping(store, now_us + 3 * DAY_US + 1):
        await until_left(store, 0)


YEAR_US = 365 * DAY_US


@pytest.mark.parametrize(("ours_us", "theirs_us"), [(YEAR_US, 0), (0, YEAR_US)])
async def test_nothing_goes_while_the_clocks_are_apart(
    store: Bench, caplog: pytest.LogCaptureFixture, ours_us: int, theirs_us: int
) -> None:
    """Whichever of them is wrong: these messages are of today."""
    await send(store, 60)
    async with sweeping(store, BASE_US + ours_us, redis_us=BASE_US + theirs_us, held_s=0) as it:
        await eventually(lambda: logged(caplog, "retention_stopped") == 1, "it to stop")
        assert it.stopped
    assert len(await store.check_invariants()) == 60


async def test_it_goes_on_when_the_clocks_agree_again(
    store: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """And by the earlier of the two, for what they still differ."""
    caplog.set_level(logging.INFO)
    await send(store, 60)
    now_us = BASE_US + 3 * DAY_US + 20
    server = FixedServer(BASE_US)
    sweeper = Sweeper(
        store.store, Clocks(server, wall_ns=lambda: 1000 * now_us), days=3, idle_s=0.01
    )
    sweeper.start()
    try:
        await eventually(lambda: sweeper.stopped, "it to stop")
        server.times_us = (now_us + 3_000_000_000,)
        await eventually(lambda: logged(caplog, "retention_goes_on") == 1, "it to go on")
        await until_left(store, 40)
    finally:
        await sweeper.close()
    assert len(await store.check_invariants()) == 40


async def test_what_is_overdue_stays_for_a_while(
    store: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Both clocks are a year ahead, as on a machine that has Redis too: all would be gone."""
    await send(store, 60)
    async with sweeping(store, BASE_US + YEAR_US) as sweeper:
        await eventually(lambda: logged(caplog, "retention_stopped") == 1, "it to stop")
        assert sweeper.stopped
    assert len(await store.check_invariants()) == 60
    async with sweeping(store, BASE_US + YEAR_US, held_s=0.05):
        await until_left(store, 0)


async def test_several_may_sweep_at_once(store: Bench) -> None:
    await send(store, 200)
    now_us = BASE_US + 3 * DAY_US + 150
    async with sweeping(store, now_us), sweeping(store, now_us), sweeping(store, now_us):
        await until_left(store, 50)
    assert len(await store.check_invariants()) == 50


async def test_entries_whose_records_are_lost_do_not_stop_it(store: Bench) -> None:
    """More of them than a step takes, the oldest of all: nothing behind them ever went."""
    wamids = await send(store, 8 * MAX_ERASED * store.partitions)
    for wamid in wamids[: len(wamids) // 2]:
        tag = tag_of(partition_of(wamid, store.partitions))
        await store.execute(tag, "DEL", message_key(tag, id_of(wamid)))
    async with sweeping(store, BASE_US + 4 * DAY_US):
        await until_left(store, 0)
    assert await store.store.lookup(wamids) == {}


async def test_a_store_that_is_not_opened_yet_is_left_alone(
    store: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be another one, or its messages may be on the move."""
    await send(store, 20)
    store.store.close_all(UNVERIFIED)
    async with sweeping(store, BASE_US + 4 * DAY_US):
        await eventually(lambda: logged(caplog, "retention_failed") == 1, "a try")
    assert len(await store.check_invariants()) == 20


async def test_trouble_is_logged_once_and_tried_again(
    store: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await send(store, 20)
    oldest, failures = store.store.oldest, 0

    async def fail(partition: int, before_us: int) -> list[str]:
        nonlocal failures
        failures += 1
        raise Unavailable("connection")

    store.store.oldest = fail  # type: ignore[method-assign]
    async with sweeping(store, BASE_US + 4 * DAY_US):
        await eventually(lambda: failures > 3, "several tries")
        store.store.oldest = oldest  # type: ignore[method-assign]
        await until_left(store, 0)
    assert logged(caplog, "retention_failed") == 1


async def test_after_trouble_it_does_not_wait_for_the_next_sweep(
    store: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis doesn't answer in time while everything starts, say."""
    monkeypatch.setattr(retention, "_FAILED_S", 0.01)
    await send(store, 20)
    oldest = store.store.oldest

    async def fail(partition: int, before_us: int) -> list[str]:
        store.store.oldest = oldest  # type: ignore[method-assign]
        raise Unavailable("timeout")

    store.store.oldest = fail  # type: ignore[method-assign]
    now_us = BASE_US + 3 * DAY_US + 20
    sweeper = Sweeper(store.store, clocks_at(now_us, now_us), days=3)
    sweeper.start()
    try:
        await until_left(store, 0)
    finally:
        await sweeper.close()


async def test_it_stops_at_once_even_if_its_cancellation_goes_unnoticed(store: Bench) -> None:
    """As asyncio.wait_for, by which the driver waits, lets happen."""
    started = asyncio.Event()

    async def swallow(partition: int, before_us: int) -> list[str]:
        started.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return []
        raise AssertionError("it went on")

    store.store.oldest = swallow  # type: ignore[method-assign]
    sweeper = Sweeper(store.store, clocks_at(BASE_US, BASE_US), days=1)
    sweeper.start()
    await started.wait()
    async with asyncio.timeout(5):
        await sweeper.close()
    assert sweeper._task is not None
    assert sweeper._task.done()


async def counted(client: Client) -> str:
    """How many messages the service says that it has removed for their age; `""`: nothing of it."""
    async with client.get("/metrics") as response:
        text = await response.text()
    pattern = r'tracker_messages_forgotten_total\{reason="retention"\} (\d+)'
    found = re.search(pattern, text)
    return found[1] if found else ""


@pytest.mark.parametrize("days", [0, 1])
async def test_the_service_sweeps_where_that_is_set(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """A day after BASE_US is long past, so it doesn't hold back; the last report is of now."""
    monkeypatch.setattr("service.app.Sweeper", partial(Sweeper, idle_s=0.01, held_s=0))
    async with open_store(backend):
        pass  # it is empty now
    settings = msgspec.structs.replace(settings_of(backend), retention=Retention(days=days))
    headers = {"X-Webhook-Token": TOKEN}
    async with TestClient(JsonTestServer(create_app(settings)), headers=headers) as client:
        store = client.app[STORE]
        await store.write([send_report(wamid=f"wamid.{i}") for i in range(60)])
        await store.write([status_report(Status.READ, received_us=time.time_ns() // 1000)])
        deadline_s = time.monotonic() + 15
        while days and await counted(client) != "60":
            assert time.monotonic() < deadline_s
        left = await store.page(Selection([("all", "")]), 200)
        assert len(left.records) == (1 if days else 61)
        assert await counted(client) == ("60" if days else "")
