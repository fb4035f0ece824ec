"""Redis is killed, frozen, restarted, or loses its scripts, while requests flow."""

from collections.abc import Callable

import pytest

from tests.factories import event_send, status_update
from tests.faults.fault_kit import (
    LOGS,
    LONGEST_S,
    LOOKUP,
    SEND,
    SLACK_S,
    STATUS,
    Load,
    logged,
    readiness,
    records_at,
    service_on,
    until_ready,
)
from tests.servers import RedisServer

Fault = Callable[[RedisServer], object]

PATIENCES_S = [0.5, pytest.param(LONGEST_S - SLACK_S, marks=pytest.mark.slow)]


@pytest.mark.parametrize("timeout_s", PATIENCES_S)
@pytest.mark.parametrize(
    ("go_away", "come_back"),
    [(RedisServer.kill, RedisServer.start), (RedisServer.pause, RedisServer.resume)],
    ids=["killed", "paused"],
)
async def test_every_request_is_answered_in_time_and_no_success_is_lost(
    redis: RedisServer,
    go_away: Fault,
    come_back: Fault,
    timeout_s: float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with service_on(redis.url, timeout_s=timeout_s) as client:
        async with Load(str(client.make_url("/"))) as load:
            await load.more(200)
            go_away(redis)
            await load.more(503, 16)
            status, reason = await readiness(client)
            assert status == 503
            assert reason.startswith("The store is not available: ")
            assert logged(caplog, "redis_lost") == 1
            assert logged(caplog, "redis_back") == 0
            come_back(redis)
            await until_ready(client)
            before = load.count(503)
            await load.more(200, 200)
        assert load.count(503) - before <= 16  # the callers that waited as it came back
        load.check_answers(timeout_s + SLACK_S)
        load.check_stored(await records_at(redis.url))
    assert logged(caplog, "redis_lost") == 1
    assert logged(caplog, "redis_back") == 1


async def test_a_short_absence_costs_nobody_an_error(redis: RedisServer) -> None:
    async with service_on(redis.url) as client:
        async with Load(str(client.make_url("/"))) as load:
            for _ in range(3):
                await load.more(200)
                redis.kill()
                redis.start()
            await load.more(200)
        load.check_answers(LONGEST_S)
        assert load.count(503) == 0
        load.check_stored(await records_at(redis.url))


def _flush_scripts(redis: RedisServer) -> None:
    redis.command("SCRIPT", "FLUSH")


@pytest.mark.parametrize(
    "lose", [_flush_scripts, RedisServer.restart], ids=lambda lose: lose.__name__
)
async def test_lost_scripts_are_loaded_again(redis: RedisServer, lose: Fault) -> None:
    """The first request after the loss may be of any kind."""
    async with service_on(redis.url) as client:
        lose(redis)
        assert (await client.post(SEND, json=event_send(1))).status == 200
        lose(redis)
        assert (await client.post(STATUS, json=status_update(1, "read"))).status == 200
        async with client.post(LOOKUP, json={"wamids": ["wamid.1"]}) as response:
            assert (await response.json())["statuses"]["wamid.1"]["status"] == "read"
        lose(redis)
        assert (await client.get(LOGS)).status == 200
        lose(redis)
        assert await readiness(client) == (200, "")


async def test_scripts_lost_under_load_cost_nobody_an_error(redis: RedisServer) -> None:
    async with service_on(redis.url) as client:
        async with Load(str(client.make_url("/"))) as load:
            for _ in range(10):
                await load.more(200, 20)
                _flush_scripts(redis)
            await load.more(200, 20)
        load.check_answers(LONGEST_S)
        assert load.count(503) == 0
        load.check_stored(await records_at(redis.url))
