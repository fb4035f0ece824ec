"""While Redis is away, reports wait on disk: nobody is refused, and nothing is lost."""

import asyncio
import json
import math
import resource
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest

from service.api.app_keys import READINESS, REPLAY
from service.domain.identity import uuid_of
from service.store.keys import SCHEMA_VERSION
from tests.conftest import TOKEN, Client
from tests.factories import event_send, send_report, status_update
from tests.faults.fault_kit import (
    LOGS,
    LONGEST_S,
    LOOKUP,
    SEND,
    STATUS,
    Load,
    eventually,
    logged,
    records_at,
    service_on,
)
from tests.faults.redis_refusals import (
    Refusal,
    failing_snapshots,
    full_disk,
    full_memory,
    no_password,
    paused,
    replica_of_a_dead_master,
    too_few_replicas,
)
from tests.process import Service
from tests.servers import RedisServer

META = "/api/webhooks/whatsapp/"
STATUSES = "/api/webhooks/message-status/batch/"
SENDS = "/api/webhooks/track-send/batch/"


async def post(client: Client, path: str, body: object) -> tuple[int, Any]:
    async with client.post(path, json=body) as response:
        return response.status, await response.json()


async def state(client: Client) -> dict[str, Any]:
    """What `/readyz` says by a look of now, which is 200 all the while."""
    client.app[READINESS]._began_s = -math.inf
    async with client.get("/readyz") as response:
        assert response.status == 200
        return dict(await response.json())


async def until_replayed(client: Client) -> None:
    """Waits until the store is back and the journal empty."""
    async with asyncio.timeout(15):
        while (found := await state(client))["store"] != "up" or found["journal"]["reports"]:
            pass


async def metric(client: Client, name: str) -> float:
    async with client.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def meta_payload(number: int, reported: str) -> dict[str, object]:
    status = {"id": f"wamid.{number}", "status": reported, "timestamp": "1768473065"}
    change = {"field": "messages", "value": {"statuses": [status]}}
    return {"entry": [{"changes": [change]}]}


async def test_every_way_to_write_is_queued_and_merged_later(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with service_on(redis.url, data_dir=tmp_path) as client:
        assert (await post(client, STATUS, status_update(1, "delivered")))[0] == 200
        redis.kill()
        assert await post(client, SEND, event_send(1)) == (
            202,
            {"ok": True, "map_id": uuid_of("wamid.1"), "queued": True},
        )
        standalone = {"wa_id": "919876543210", "template_wamid": "wamid.2"}
        assert await post(client, SEND, standalone) == (
            202,
            {"ok": True, "standalone": True, "wamid": "wamid.2", "queued": True},
        )
        assert await post(client, STATUS, status_update(1, "sent")) == (
            202,
            {"ok": True, "status": "sent", "queued": True},
        )
        updates = [status_update(3, "read"), status_update(3, "seen")]
        status, body = await post(client, STATUSES, {"updates": updates})
        assert (status, body["ok"], body["queued"]) == (202, False, True)
        assert body["results"][0] == {"ok": True, "status": "read", "queued": True}
        assert body["results"][1]["field"] == "status"
        lines = "\n".join(json.dumps(event_send(number)) for number in (4, 5))
        async with client.post(
            SENDS, data=lines, headers={"Content-Type": "application/x-ndjson"}
        ) as response:
            assert response.status == 200  # it was sent before the first line came
            answers = [json.loads(line) async for line in response.content]
        assert [(answer["ok"], answer["queued"]) for answer in answers] == [(True, True)] * 2
        assert await post(client, META, meta_payload(6, "failed")) == (
            202,
            {"ok": True, "taken": 1, "passed_over": {}, "queued": True},
        )
        found = await state(client)
        assert (found["store"], found["reason"]) == ("away", "connection")
        await eventually(lambda: client.app[REPLAY].waiting.reports == 7, "the count")
        assert (await state(client))["journal"]["age_s"] > 0
        assert await metric(client, "tracker_journal_reports") == 7
        assert await metric(client, "tracker_journal_age_seconds") > 0
        redis.start()
        await until_replayed(client)
        # The last entries are gone a moment before the replay says so.
        await eventually(lambda: logged(caplog, "replay_ended") == 1, "the replay's end")
        assert await metric(client, "tracker_journal_reports") == 0
        assert (await post(client, STATUS, status_update(1, "read")))[0] == 200
    records = await records_at(redis.url)
    assert {wamid: record.status.value for wamid, record in records.items()} == {
        "wamid.1": "read",
        "wamid.2": "sent",
        "wamid.3": "read",
        "wamid.4": "sent",
        "wamid.5": "sent",
        "wamid.6": "failed",
    }
    assert records["wamid.1"].event_id == "event-1"
    for event in ("store_away", "store_back", "replay_started", "replay_ended"):
        assert logged(caplog, event) == 1


# Of those that are an answer of Redis to a write one is quick.
FAULTS = [
    pytest.param(failing_snapshots, marks=pytest.mark.slow),
    pytest.param(full_disk, marks=pytest.mark.slow),
    full_memory,
    pytest.param(too_few_replicas, marks=pytest.mark.slow),
    pytest.param(replica_of_a_dead_master, marks=pytest.mark.slow),
    no_password,
    paused,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_whatever_redis_suffers_from_writes_are_taken_and_merged_later(
    redis: RedisServer, tmp_path: Path, fault: Refusal
) -> None:
    async with service_on(redis.url, data_dir=tmp_path) as client:
        async with Load(str(client.make_url("/"))) as load:
            await load.more(200)
            with fault(redis):
                began_s = monotonic()
                await load.more(202, 100)
                # Longer than any pause of the replay, so that it meets the fault as well.
                await eventually(lambda: load.answers[-1].at_s > began_s + 2.5, "the fault to last")
            before = load.count(200)
            await eventually(lambda: load.count(200) > before + 100, "the store to be back")
        await until_replayed(client)
    load.check_answers(LONGEST_S)
    load.check_stored(await records_at(redis.url))


async def test_reads_are_refused_at_once_while_it_is_silent(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with service_on(redis.url, data_dir=tmp_path) as client:
        redis.pause()
        try:
            assert (await post(client, SEND, event_send(1)))[0] == 202
            async with asyncio.timeout(1):
                assert (await post(client, LOOKUP, {"wamids": ["wamid.1"]}))[0] == 503
                assert (await client.get(LOGS)).status == 503
        finally:
            redis.resume()


async def test_what_cannot_be_merged_holds_nothing_else_up(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An entry that Redis refuses, and one of a version to come: both stay where they are."""
    async with service_on(redis.url, data_dir=tmp_path) as client:
        redis.pause()
        try:
            assert (await post(client, SEND, event_send(1)))[0] == 202
            with closing(sqlite3.connect(tmp_path / "journal.db")) as database, database:
                for body in (b'[["wamid.9","sent","not ms",1,"","","","","",[],[]]]', b"[[1]]"):
                    database.execute("INSERT INTO entries VALUES (NULL, 1, 1, ?)", [body])
            assert (await post(client, SEND, event_send(2)))[0] == 202
        finally:
            redis.resume()
        await eventually(lambda: logged(caplog, "replay_ended") == 1, "the replay")
        assert (await state(client))["journal"]["reports"] == 2
    assert set(await records_at(redis.url)) == {"wamid.1", "wamid.2"}
    assert logged(caplog, "entry_refused")
    assert logged(caplog, "entry_unreadable")


async def test_a_journal_from_which_nothing_can_be_removed_is_a_line_and_no_more(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """On a full disk, say: four times a second all was merged again, and what came later never."""
    async with service_on(redis.url, data_dir=tmp_path) as client:
        redis.kill()
        assert (await post(client, SEND, event_send(1)))[0] == 202
        database = client.app[REPLAY]._journal._file.database
        assert database
        database.execute("PRAGMA query_only = 1")
        redis.start()
        await eventually(lambda: logged(caplog, "replay_ended") == 1, "the replay")
        merges = _merges(redis)
        assert await metric(client, "tracker_journal_stuck_reports") == 1
        assert (await state(client))["journal"]["reports"] == 0
        await eventually(lambda: client.app[REPLAY]._free_s > 2, "another try to remove it")
        assert _merges(redis) < merges + 10
        assert logged(caplog, "journal_failed") == 1
        assert logged(caplog, "journal_not_emptied") == 1
        database.execute("PRAGMA query_only = 0")
        async with asyncio.timeout(15):
            while await metric(client, "tracker_journal_stuck_reports"):
                pass
        assert await client.app[REPLAY].wipe()
    assert set(await records_at(redis.url)) == {"wamid.1"}


def _merges(redis: RedisServer) -> int:
    told = redis.command("INFO", "commandstats")
    assert isinstance(told, dict)
    return int(told.get("cmdstat_evalsha", {"calls": 0})["calls"])


def settings(redis: RedisServer, **more: str) -> dict[str, str]:
    return {"TRACKER_REDIS__URL": redis.url, "TRACKER_AUTH__TOKENS": TOKEN, **more}


def make_folder(folder: Path) -> None:
    (folder / "data").mkdir(mode=0o700)


async def until_through(service: Service) -> None:
    """Waits for a replay, and stops the service."""
    await eventually(lambda: bool(service.events("replay_ended")), "the replay")
    assert service.stop() == 0


async def test_it_starts_without_redis_and_takes_writes(redis: RedisServer, tmp_path: Path) -> None:
    make_folder(tmp_path)
    redis.stop()
    with Service(tmp_path, **settings(redis)) as service:
        assert service.events("store_away")
        async with Load(service.url) as load:
            await load.more(202)
            redis.start()
            await load.more(200, 200)
        await until_through(service)
        assert not service.events("store_unfit")
    load.check_answers(LONGEST_S)
    load.check_stored(await records_at(redis.url))


@pytest.mark.slow
async def test_a_store_that_turns_out_to_be_another_is_not_written_to(
    redis: RedisServer, tmp_path: Path
) -> None:
    make_folder(tmp_path)
    with Service(tmp_path, **settings(redis)) as service:
        assert service.stop() == 0
    redis.stop()
    with Service(tmp_path, **settings(redis, TRACKER_REDIS__PARTITIONS="7")) as service:
        async with Load(service.url) as load:
            await load.more(202)
            redis.start()
            await eventually(lambda: bool(service.events("store_unfit")), "the refusal")
            await load.more(202)
        [event] = service.events("store_unfit")
        assert "partitions" in event["reason"]
        assert service.stop() == 0
    assert await records_at(redis.url) == {}
    with Service(tmp_path, **settings(redis)) as service:
        await until_through(service)
    load.check_stored(await records_at(redis.url))


async def test_while_messages_are_on_the_move_reports_wait(
    redis: RedisServer, tmp_path: Path
) -> None:
    """As `repartition` says in the schema key until it is through."""
    make_folder(tmp_path)
    schema = "{wa:0}:schema"
    redis.command("HSET", schema, "version", SCHEMA_VERSION, "partitions", 1, "moving", 1)
    with Service(tmp_path, **settings(redis)) as service:
        async with Load(service.url) as load:
            await load.more(202)
            assert load.count(200) == 0
            redis.command("HDEL", schema, "moving")
            await load.more(200)
        await until_through(service)
        assert not service.events("store_unfit")
    load.check_answers(LONGEST_S)
    load.check_stored(await records_at(redis.url))


async def test_what_was_queued_survives_a_kill_of_the_service(
    redis: RedisServer, tmp_path: Path
) -> None:
    make_folder(tmp_path)
    with Service(tmp_path, **settings(redis)) as service:
        async with Load(service.url) as load:
            await load.more(200)
            redis.kill()
            await load.more(202, 100)
            service.kill()
    redis.start()
    with Service(tmp_path, **settings(redis)) as service:
        await until_through(service)
    load.check_stored(await records_at(redis.url))


async def test_of_several_workers_one_replays_for_all(redis: RedisServer, tmp_path: Path) -> None:
    make_folder(tmp_path)
    with Service(tmp_path, "--workers", "2", **settings(redis)) as service:
        async with Load(service.url) as load:
            await load.more(200)
            redis.kill()
            await load.more(202, 100)
            redis.start()
            await load.more(200, 100)
        await until_through(service)
    replayed = [event["reports"] for event in service.events("replay_ended")]
    assert sum(replayed) == load.count(202)  # each by one of them
    load.check_answers(LONGEST_S)
    load.check_stored(await records_at(redis.url))


async def fill_up(url: str) -> None:
    """Reports by the hundred, each of which takes much room, until there is none."""
    numbers, status = count(10**6, 100), 202
    async with aiohttp.ClientSession(url, headers={"X-Webhook-Token": TOKEN}) as session:
        while status == 202:
            first = next(numbers)
            some = [event_send(n, guest_name="x" * 500) for n in range(first, first + 100)]
            async with session.post(SENDS, json={"messages": some}) as response:
                status = response.status
    assert status == 503


@pytest.mark.slow
async def test_a_full_journal_refuses_clearly_and_recovers(
    redis: RedisServer, tmp_path: Path
) -> None:
    make_folder(tmp_path)
    with Service(tmp_path, **settings(redis, TRACKER_JOURNAL__MAX_MIB="1")) as service:
        async with Load(service.url) as load:
            await load.more(200)
            redis.kill()
            await load.more(202)
            await fill_up(service.url)
            await load.more(503)
            await eventually(lambda: service.status_of("/readyz") == 503, "it to say so")
            redis.start()
            await load.more(200, 100)
        reasons = {event["reason"] for event in service.events("journal_failed")}
        assert reasons == {"journal_full"}
        await eventually(lambda: bool(service.events("replay_ended")), "the replay")
        assert service.status_of("/readyz") == 200
        assert service.stop() == 0
    load.check_answers(LONGEST_S)
    load.check_stored(await records_at(redis.url))


@pytest.mark.slow
async def test_a_disk_that_takes_no_more_is_said_and_recovered_from(
    redis: RedisServer, tmp_path: Path
) -> None:
    make_folder(tmp_path)
    with Service(tmp_path, **settings(redis)) as service:
        async with Load(service.url) as load:
            await load.more(200)
            redis.kill()
            await load.more(202)
            without_limit = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (10**5, without_limit[1]))
            await load.more(503)
            await eventually(lambda: service.status_of("/readyz") == 503, "it to say so")
            resource.prlimit(service.pid, resource.RLIMIT_FSIZE, without_limit)
            await load.more(202)
            await eventually(lambda: service.status_of("/readyz") == 200, "it to say so")
            redis.start()
            await load.more(200, 200)
        assert service.events("journal_failed")[0]["reason"] in {"journal", "journal_full"}
        await until_through(service)
    load.check_answers(LONGEST_S)
    load.check_stored(await records_at(redis.url))


async def test_an_erasure_is_not_complete_while_reports_wait(
    redis: RedisServer, tmp_path: Path
) -> None:
    """Some of them may be of the person's, and would bring a message back."""
    erase = ("/api/webhooks/erase/", {"event_id": "event-1"})
    async with service_on(redis.url, data_dir=tmp_path) as client:
        await post(client, SEND, event_send(1))
        replay = client.app[REPLAY]
        await replay._journal.append([send_report(wamid="wamid.2", event_id="event-1")])
        status, answer = await post(client, *erase)
        assert (status, answer["complete"]) == (200, False)
        await until_replayed(client)
        status, answer = await post(client, *erase)
        assert (status, answer["complete"]) == (200, True)
    assert await records_at(redis.url) == {}
