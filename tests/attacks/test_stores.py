"""A store and a journal that don't know each other, and a store that takes no reports."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from service.store.keys import SCHEMA_VERSION
from tests.conftest import TOKEN, need_server
from tests.factories import event_send, status_update
from tests.faults.fault_kit import (
    ERASE,
    LOOKUP,
    SEND,
    STATUS,
    eventually,
    logged,
    readiness,
    records_at,
    service_on,
)
from tests.in_process import invoke
from tests.process import Service, run
from tests.proxy import Proxy
from tests.servers import RedisServer, wait_until

SCHEMA = "{wa:0}:schema"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of the test's own, which loses nothing that it has answered."""
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server


@pytest.fixture
def other() -> Iterator[RedisServer]:
    """Another one: of staging, say."""
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server


def settings(url: str, **more: str) -> dict[str, str]:
    return {"TRACKER_REDIS__URL": url, "TRACKER_AUTH__TOKENS": TOKEN, **more}


async def post(service: Service, path: str, body: object) -> tuple[int, Any]:
    """The status and the answer of a POST with the token."""

    def ask() -> tuple[int, Any]:
        request = Request(  # noqa: S310  our own
            service.url + path,
            json.dumps(body).encode(),
            {"X-Webhook-Token": TOKEN, "Content-Type": "application/json"},
        )
        try:
            with urlopen(request, timeout=10) as response:  # noqa: S310  our own
                return response.status, json.load(response)
        except OSError as error:
            return getattr(error, "code", 0), {}

    return await asyncio.to_thread(ask)


def readyz(service: Service) -> dict[str, Any]:
    with urlopen(f"{service.url}/readyz", timeout=10) as response:  # noqa: S310  our own
        return dict(json.load(response))


async def queue(service: Service, number: int) -> None:
    """Reports a message until it is queued: the first may wait for Redis."""
    assert (await post(service, SEND, event_send(number)))[0] == 202


async def until_empty(service: Service) -> None:
    """Waits until the store is up, and the journal empty."""
    wanted = {"ok": True, "store": "up", "journal": {"on": True, "reports": 0, "age_s": 0.0}}
    async with asyncio.timeout(30):
        while await asyncio.to_thread(readyz, service) != wanted:
            pass


async def test_a_second_service_with_another_redis_is_kept_out_of_the_folder(
    redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    """Production and staging were started in one folder: the guests of one went to the other."""
    with Service(tmp_path, **settings(redis.url)) as first:
        refused = run(cwd=tmp_path, **settings(other.url))
        assert refused.returncode == 1
        assert f"redis://127.0.0.1:{redis.port}" in refused.stderr
        assert "TRACKER_DATA_DIR" in refused.stderr
        assert "Traceback" not in refused.stderr
        redis.pause()
        await queue(first, 1)
        redis.resume()
        await until_empty(first)
    assert other.command("DBSIZE") == 0
    assert set(await records_at(redis.url)) == {"wamid.1"}


async def test_a_service_on_the_same_redis_may_share_the_folder(
    redis: RedisServer, tmp_path: Path
) -> None:
    """As one that takes over from another in a rolling restart. A password is no difference."""
    with Service(tmp_path, **settings(redis.url)) as first:
        named = redis.url.replace("//", "//default:@")
        with Service(tmp_path, **settings(named)) as second:
            assert (await post(second, SEND, event_send(1)))[0] == 200
            assert (await post(first, STATUS, status_update(1, "read")))[0] == 200
            assert not second.events("store_unfit")


async def test_what_waits_for_one_store_is_never_merged_into_another(
    redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    """An operator led the service to another Redis; 202 had been promised for the first one."""
    with Service(tmp_path, **settings(redis.url)) as service:
        redis.stop()
        for number in (1, 2, 3):
            await queue(service, number)
        assert service.stop() == 0
    with Service(tmp_path, **settings(other.url)) as service:
        [held] = service.events("journal_held")
        assert "stay there: 3." in held["reason"]
        assert "python -m service adopt" in held["reason"]
        assert (await post(service, SEND, event_send(4)))[0] == 200
        other.pause()
        await queue(service, 5)
        other.resume()
        await eventually(lambda: readyz(service)["journal"]["reports"] == 3, "its own report")
        assert readyz(service)["journal"]["for_other_stores"] == 3
        checked = invoke("--check", cwd=tmp_path, **settings(other.url))
        assert checked.returncode == 0
        assert "warning: Reports for another store wait in the journal" in checked.stdout
        status, answer = await post(service, "/api/webhooks/erase/", {"event_id": "event-1"})
        # What waits for the other store may be of theirs, and may be given to this one.
        assert (status, answer) == (200, {"ok": True, "erased": 2, "complete": False})
        assert service.stop() == 0
    redis.start()
    with Service(tmp_path, **settings(redis.url)) as service:
        await until_empty(service)
        assert not service.events("journal_held")
    assert set(await records_at(redis.url)) == {"wamid.1", "wamid.2", "wamid.3"}


async def test_reports_taken_before_redis_was_seen_are_for_the_one_at_that_address(
    redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    """It starts without Redis, is killed, and comes back on another one: nothing is mixed."""
    redis.stop()
    with Service(tmp_path, **settings(redis.url)) as service:
        await queue(service, 1)
        service.kill()
    with Service(tmp_path, **settings(other.url)) as service:
        assert service.events("journal_held")
        assert (await post(service, SEND, event_send(2)))[0] == 200
    redis.start()
    with Service(tmp_path, **settings(redis.url)) as service:
        await until_empty(service)
    assert set(await records_at(redis.url)) == {"wamid.1"}
    assert set(await records_at(other.url)) == {"wamid.2"}


async def test_what_waits_may_be_given_to_another_store_by_one_command(
    redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    """The first store is lost for good, and the reports were real ones."""
    with Service(tmp_path, **settings(redis.url)) as service:
        redis.stop()
        await queue(service, 1)
        assert service.stop() == 0
    with Service(tmp_path, **settings(other.url)) as service:
        adopted = run("adopt", cwd=tmp_path, **settings(other.url))
        assert adopted.returncode == 0
        assert "1 report in it had been for another" in adopted.stdout
        await until_empty(service)
    assert set(await records_at(other.url)) == {"wamid.1"}


async def test_a_redis_that_is_emptied_is_noticed_and_held_until_somebody_decides(
    redis: RedisServer, tmp_path: Path
) -> None:
    """FLUSHALL by mistake: what came next went into the empty store, and a backup ended it."""
    with Service(tmp_path, **settings(redis.url)) as service:
        assert (await post(service, SEND, event_send(1)))[0] == 200
        redis.command("FLUSHALL")
        await eventually(lambda: bool(service.events("store_unfit")), "the notice")
        await queue(service, 2)
        assert redis.command("DBSIZE") == 0
        assert readyz(service)["reason"] == "other_store"
        assert (await post(service, LOOKUP, {"wamids": ["wamid.1"]}))[0] == 503
        [unfit] = service.events("store_unfit")
        assert "no store any more" in unfit["reason"]
        assert "python -m service adopt" in unfit["reason"]
        adopted = invoke("adopt", cwd=tmp_path, **settings(redis.url))
        assert adopted.returncode == 0
        await until_empty(service)
    assert set(await records_at(redis.url)) == {"wamid.2"}


async def test_a_backup_that_is_put_back_gets_what_came_meanwhile(
    redis: RedisServer, tmp_path: Path
) -> None:
    with Service(tmp_path, **settings(redis.url)) as service:
        assert (await post(service, SEND, event_send(1)))[0] == 200
        with redis.client() as client:
            backup = {key: client.dump(key) for key in client.keys("*")}
        redis.command("FLUSHALL")
        await eventually(lambda: bool(service.events("store_unfit")), "the notice")
        await queue(service, 2)
        with redis.client() as client:
            for key, content in sorted(backup.items(), reverse=True):
                client.restore(key, 0, content)
        await until_empty(service)
    assert set(await records_at(redis.url)) == {"wamid.1", "wamid.2"}


async def test_without_a_journal_an_emptied_redis_is_refused_until_a_restart(
    redis: RedisServer, tmp_path: Path
) -> None:
    known = settings(redis.url, TRACKER_JOURNAL__ENABLED="false")
    with Service(tmp_path, **known) as service:
        redis.command("FLUSHALL")
        await eventually(lambda: bool(service.events("store_unfit")), "the notice")
        assert (await post(service, SEND, event_send(1)))[0] == 503
        assert service.status_of("/readyz") == 503
        [unfit] = service.events("store_unfit")
        assert "restart the service" in unfit["reason"]
        assert redis.command("DBSIZE") == 0
    with Service(tmp_path, **known) as service:
        assert (await post(service, SEND, event_send(1)))[0] == 200


@pytest.mark.parametrize(
    "url",
    ["redis://u:hush@[::1/0", "redis+cluster://u:hush@[::1", "redis://u:hush@h:6379/0?foo=hush"],
)
def test_a_url_that_cannot_be_read_is_a_sentence_without_the_password(
    tmp_path: Path, url: str
) -> None:
    """A bracket that was forgotten was a traceback, at the start and in `--check`."""
    for arguments in ([], ["--check"], ["export", "all"], ["adopt"]):
        ended = invoke(*arguments, cwd=tmp_path, **settings(url))
        assert ended.returncode == 1
        assert ended.stderr.startswith("message-tracker: redis.url must be like")
        assert "hush" not in ended.stderr
        assert "Traceback" not in ended.stderr


async def test_messages_that_redis_deletes_for_room_are_told_of_and_can_be_erased(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two thirds of 30,000 messages were gone, the counters said they were there: not a word."""
    monkeypatch.setattr("service.store.recovery._EVICTED_S", 0.1)
    redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    async with service_on(redis.url) as client:
        known = redis.command("HGET", SCHEMA, "id")
        redis.command("CONFIG", "SET", "maxmemory", "3mb")
        for first in range(0, 3000, 500):
            some = [event_send(number) for number in range(first, first + 500)]
            async with client.post(f"{SEND}batch/", json={"messages": some}) as response:
                assert response.status == 200
        await eventually(lambda: logged(caplog, "keys_evicted") > 0, "the notice")
        assert await readiness(client) == (200, "")
        redis.command("CONFIG", "SET", "maxmemory", "0")
        redis.command("DEL", "{wa:0}:times:all", "{wa:0}:count:all", SCHEMA)  # it may take any key
        await eventually(lambda: redis.command("HGET", SCHEMA, "id") == known, "the id")
        async with client.post(ERASE, json={"event_id": "event-1"}) as response:
            assert response.status == 200
            answer = await response.json()
            assert answer["complete"] is True
        async with client.get("/api/webhooks/message-stats/?event_id=event-1") as response:
            # Redis may have taken the event's index too, and then nothing is found.
            assert 0 <= (await response.json())["total"] <= 3000 - answer["erased"]


async def test_another_store_that_takes_the_place_of_ours_is_not_written_to(
    redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    """A name that leads elsewhere of a sudden: to a Redis with a sound store of somebody else's."""
    (tmp_path / "theirs").mkdir()
    with Service(tmp_path / "theirs", **settings(other.url)) as theirs:
        assert (await post(theirs, SEND, event_send(9)))[0] == 200
    async with Proxy(redis.port, b"") as proxy:
        with Service(tmp_path, **settings(proxy.url)) as service:
            await until_empty(service)  # it started while this loop stood still
            assert (await post(service, SEND, event_send(1)))[0] == 200
            proxy.lead_to(other.port)
            await eventually(lambda: bool(service.events("store_unfit")), "the notice")
            await queue(service, 2)
            proxy.lead_to(redis.port)
            await until_empty(service)
            assert "another store" in service.events("store_unfit")[0]["reason"]
    assert set(await records_at(redis.url)) == {"wamid.1", "wamid.2"}
    assert set(await records_at(other.url)) == {"wamid.9"}


@pytest.mark.slow
def test_services_that_start_together_agree_on_the_id(redis: RedisServer, tmp_path: Path) -> None:
    """On a store that an upgrade from a version without ids has made."""
    redis.command("HSET", SCHEMA, "version", SCHEMA_VERSION, "partitions", 1)
    folders = [tmp_path / name for name in "abcd"]
    services = [Service(folder, **settings(redis.url)) for folder in folders]
    for folder in folders:
        folder.mkdir()
    try:
        for service in services:
            service.launch()
        wait_until(lambda: all(each.status_of("/readyz") == 200 for each in services), "all", 30)
        assert len(str(redis.command("HGET", SCHEMA, "id"))) == 16
        assert not any(each.events("store_unfit") for each in services)
        assert {each.stop() for each in services} == {0}
    finally:
        for service in services:
            service.kill()


async def test_a_worker_that_is_replaced_does_not_begin_a_store_that_others_hold_back(
    redis: RedisServer, tmp_path: Path
) -> None:
    """The store was emptied, and then a worker died: its successor found an empty Redis."""
    with Service(tmp_path, "--workers", "2", **settings(redis.url)) as service:
        wait_until(lambda: len(service.events("started")) == 2, "two workers")
        redis.command("FLUSHALL")
        await eventually(lambda: len(service.events("store_unfit")) == 2, "both to notice")
        os.kill(service.events("started")[0]["pid"], signal.SIGKILL)
        await eventually(lambda: len(service.events("started")) == 3, "its successor")
        await queue(service, 1)
        assert redis.command("DBSIZE") == 0
        assert invoke("adopt", cwd=tmp_path, **settings(redis.url)).returncode == 0
        await until_empty(service)
    assert set(await records_at(redis.url)) == {"wamid.1"}
