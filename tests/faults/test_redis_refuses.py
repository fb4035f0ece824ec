"""Redis is there and won't: no password, no writes, no memory, no time."""

import asyncio
from time import monotonic

import pytest

from service.api.app_keys import STORE
from service.errors import Unavailable
from tests.conftest import Client
from tests.factories import event_send, send_report, status_update
from tests.faults.fault_kit import (
    LOGS,
    LONGEST_S,
    LOOKUP,
    SEND,
    STATUS,
    readiness,
    records_at,
    service_on,
    until_ready,
)
from tests.faults.redis_refusals import (
    Refusal,
    full_memory,
    no_password,
    paused,
    replica_of_a_dead_master,
    too_few_replicas,
)
from tests.servers import RedisServer


async def _post(client: Client, path: str, body: object) -> int:
    """The status of a request, which is answered in time, and when it is a 503, properly."""
    started_s = monotonic()
    async with client.post(path, json=body) as response:
        answer = await response.json()
    assert monotonic() - started_s < LONGEST_S
    assert answer["ok"] is (response.status == 200)
    assert (response.status == 503) == ("Retry-After" in response.headers)
    return response.status


REFUSALS = [
    pytest.param(full_memory, "full", id="full"),
    pytest.param(too_few_replicas, "error", id="too few replicas"),
    pytest.param(replica_of_a_dead_master, "readonly", id="replica"),
]


@pytest.mark.parametrize(("refusal", "_reason"), REFUSALS)
async def test_writes_are_refused_and_reads_go_on(
    redis: RedisServer, refusal: Refusal, _reason: str
) -> None:
    async with service_on(redis.url, timeout_s=0.5) as client:
        assert await _post(client, SEND, event_send(1)) == 200
        with refusal(redis):
            assert await _post(client, SEND, event_send(2)) == 503
            assert await _post(client, STATUS, status_update(1, "read")) == 503
            async with client.post(LOOKUP, json={"wamids": ["wamid.1"]}) as response:
                assert (await response.json())["statuses"]["wamid.1"]["status"] == "sent"
            async with client.get(LOGS) as response:
                assert [log["wamid"] for log in (await response.json())["logs"]] == ["wamid.1"]
            assert (await readiness(client))[0] == 503
        await until_ready(client)
        assert await _post(client, SEND, event_send(2)) == 200
        assert await _post(client, STATUS, status_update(1, "read")) == 200
    records = await records_at(redis.url)
    assert {wamid: record.status for wamid, record in records.items()} == {
        "wamid.1": "read",
        "wamid.2": "sent",
    }


@pytest.mark.parametrize(
    ("refusal", "reason"), [*REFUSALS, pytest.param(no_password, "refused", id="password")]
)
async def test_readiness_says_why_the_store_is_not_available(
    redis: RedisServer, refusal: Refusal, reason: str
) -> None:
    async with service_on(redis.url, timeout_s=0.5) as client:
        with refusal(redis):
            assert await readiness(client) == (503, f"The store is not available: {reason}.")
        await until_ready(client)


@pytest.mark.parametrize("refusal", [replica_of_a_dead_master, paused])
async def test_a_batch_that_queued_until_its_time_was_up_is_answered_at_once(
    redis: RedisServer, refusal: Refusal
) -> None:
    """Reports of the same moment: the first is at Redis until they have all run out of time."""
    async with service_on(redis.url, timeout_s=0.5) as client:
        lookups = (client.post(LOOKUP, json={"wamids": ["wamid.1"]}) for _ in range(8))
        for response in await asyncio.gather(*lookups):  # leaves connections that are not in use
            assert response.status == 200
        with refusal(redis):
            store = client.app[STORE]
            answers = []
            for number in (1, 2, 3):
                report = send_report(wamid=f"wamid.{number}")
                answers.append(asyncio.ensure_future(store.write([report])))
                await asyncio.sleep(0)  # it is submitted
                await asyncio.sleep(0)  # and the first one's batch on its way
            assert store.depth == 2
            _, waiting = await asyncio.wait(answers, timeout=LONGEST_S / 2)
            assert not waiting
            for answer in answers:
                assert isinstance(answer.exception(), Unavailable)
        await until_ready(client)


async def test_a_password_changed_behind_the_service_stops_it_until_it_is_back(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with service_on(redis.url) as client:
        assert await _post(client, SEND, event_send(1)) == 200
        with no_password(redis):
            assert await _post(client, STATUS, status_update(1, "read")) == 503
            assert (await client.post(LOOKUP, json={"wamids": ["wamid.1"]})).status == 503
            assert (await client.get(LOGS)).status == 503
            assert (await readiness(client))[0] == 503
        await until_ready(client)
        assert await _post(client, STATUS, status_update(1, "read")) == 200
    assert (await records_at(redis.url))["wamid.1"].status == "read"
    assert "password" not in caplog.text


async def test_a_redis_that_is_busy_with_a_script_is_waited_for(redis: RedisServer) -> None:
    """A script of somebody else's that doesn't end, until it is killed."""
    redis.command("CONFIG", "SET", "busy-reply-threshold", "50")
    async with service_on(redis.url) as client:
        blocked = asyncio.create_task(asyncio.to_thread(_run_forever, redis))
        try:
            while (await readiness(client))[0] == 200:
                pass
            assert await _post(client, SEND, event_send(1)) == 503
        finally:
            redis.command("SCRIPT", "KILL")
            await blocked
        await until_ready(client)
        assert await _post(client, SEND, event_send(1)) == 200


def _run_forever(redis: RedisServer) -> None:
    with redis.client() as caller, pytest.raises(Exception, match=r"(?i)script.*kill"):
        caller.execute_command("EVAL", "while true do end", 0)
