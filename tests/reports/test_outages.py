"""What people lost while Redis was away or took no writes, and what nobody told them."""

import asyncio
import json
import sqlite3
import stat
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic, process_time
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

import aiohttp
import pytest

from service.domain.identity import crc16_of
from service.store.keys import SCHEMA_VERSION
from tests.conftest import TOKEN, need_server
from tests.factories import event_send, status_update
from tests.faults.fault_kit import (
    ERASE,
    LONGEST_S,
    LOOKUP,
    SEND,
    STATUS,
    TAKEN,
    eventually,
    records_at,
)
from tests.faults.redis_refusals import (
    Refusal,
    failing_snapshots,
    full_disk,
    full_memory,
    no_permission_to_write,
    replica_of_a_dead_master,
    too_few_replicas,
)
from tests.in_process import invoke
from tests.process import Service, run
from tests.proxy import Cut, Proxy
from tests.servers import RedisCluster, RedisServer

PROMISED_S = 5.0
"""How long after Redis takes writes again an acknowledged report may take to be merged."""
A_HANDFUL = 20
"""Log lines of an outage, from its beginning to its end."""
_PER_S = 100


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of the test's own, which loses nothing that it has answered."""
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server


def settings(url: str, **more: str) -> dict[str, str]:
    return {"TRACKER_REDIS__URL": url, "TRACKER_AUTH__TOKENS": TOKEN, **more}


def slowdown() -> float:
    """How many times slower the machine is at the moment, since others use the processors."""
    wall_s, used_s = monotonic(), process_time()
    while process_time() < used_s + 0.05:
        pass
    return max(1.0, (monotonic() - wall_s) / (process_time() - used_s))


class Reporter:
    """Reports a hundred messages a second, one by one, as a webhook's forwarder does.

    Args:
        url: of the service.
        first: the number of the first message.

    Attributes:
        taken: the messages whose report was acknowledged.
        refused: how many were not.
        slowest_s: how long the slowest answer took.
    """

    def __init__(self, url: str, first: int = 1) -> None:
        self._url = url
        self._number = first
        self._tasks: set[asyncio.Task[None]] = set()
        self.taken: list[int] = []
        self.refused = 0
        self.slowest_s = 0.0

    async def lasts(self, seconds: float) -> None:
        """Waits until as many more messages were reported as come in this time."""
        until = self._number + int(_PER_S * seconds)
        await eventually(lambda: self._number >= until, "reports", seconds + 30)

    async def _run(self) -> None:
        due_s = monotonic()
        while True:
            task = asyncio.create_task(self._report(self._number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._number += 1
            due_s += 1 / _PER_S
            await asyncio.sleep(max(0.0, due_s - monotonic()))

    async def _report(self, number: int) -> None:
        started_s = monotonic()
        body = status_update(number, "delivered")
        async with self.session.post(STATUS, json=body) as response:
            await response.read()
        self.slowest_s = max(self.slowest_s, monotonic() - started_s)
        if response.status in TAKEN:
            self.taken.append(number)
        else:
            self.refused += 1

    async def statuses(self, numbers: list[int]) -> dict[str, Any]:
        """The known ones of these messages, from look-ups."""
        found: dict[str, Any] = {}
        for start in range(0, len(numbers), 1000):
            wamids = [f"wamid.{number}" for number in numbers[start : start + 1000]]
            async with self.session.post(LOOKUP, json={"wamids": wamids}) as response:
                if response.status == 200:
                    found |= (await response.json())["statuses"]
        return found

    async def until_merged(self, within_s: float = PROMISED_S) -> None:
        """Waits until look-ups know all messages acknowledged before this call."""
        unknown, began_s = list(self.taken), monotonic()
        until_s = began_s + within_s
        while unknown:
            if monotonic() > until_s:  # others may have come to use the processors by now
                until_s = began_s + within_s * slowdown()
                left = f"{len(unknown)} of {len(self.taken)} aren't merged"
                assert monotonic() < until_s, left
            found = await self.statuses(unknown[:1000])  # the oldest are merged first
            unknown = [number for number in unknown if f"wamid.{number}" not in found]
            await asyncio.sleep(0.02)

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(
            self._url,
            headers={"X-Webhook-Token": TOKEN},
            timeout=aiohttp.ClientTimeout(2 * LONGEST_S),
            connector=aiohttp.TCPConnector(limit=0),
        )
        self._main = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._main.cancel()
        await asyncio.gather(self._main, *self._tasks, return_exceptions=True)
        await self.session.close()


async def takes_writes(redis: RedisServer) -> None:
    """Waits until Redis itself does: what it suffered from may last longer than its cause."""

    def written() -> bool:
        try:
            return bool(redis.command("SET", "{other}", "x", "PX", 1))
        except Exception:  # noqa: BLE001  each says in other words that it doesn't
            return False

    await eventually(written, "Redis to take writes")


LONG = (pytest.mark.slow, pytest.mark.timeout(180))


@pytest.mark.parametrize(
    ("fault", "lasts_s"),
    [
        (too_few_replicas, 2),
        pytest.param(full_memory, 2, marks=LONG),
        pytest.param(failing_snapshots, 2, marks=LONG),
        pytest.param(full_disk, 2, marks=LONG),
        pytest.param(replica_of_a_dead_master, 2, marks=LONG),
        pytest.param(no_permission_to_write, 2, marks=LONG),
        pytest.param(failing_snapshots, 20, marks=LONG),
        pytest.param(too_few_replicas, 60, marks=LONG),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
async def test_what_came_while_redis_took_no_writes_is_there_soon_after(
    redis: RedisServer, tmp_path: Path, fault: Refusal, lasts_s: int
) -> None:
    """Reports were taken with 202, and each was blamed for what Redis suffered from.

    For up to a minute after that was over look-ups said that a guest had never been written to,
    and the log had a line for every report.
    """
    with Service(tmp_path, **settings(redis.url)) as service:
        async with Reporter(service.url) as reporter:
            await reporter.lasts(0.5)
            before = len(service.events())
            with fault(redis):
                await reporter.lasts(lasts_s)
                assert await reporter.statuses(reporter.taken[:10])  # reads go on
            await takes_writes(redis)
            await reporter.until_merged()
            lines = service.events()[before:]
            await reporter.lasts(0.2)
        assert reporter.refused == 0
        assert reporter.slowest_s < LONGEST_S
        assert [line["event"] for line in lines].count("store_away") == 1
        assert len(lines) <= A_HANDFUL, lines
        assert not service.events("entry_refused")
        assert service.stop() == 0
    records = await records_at(redis.url)
    assert {f"wamid.{number}" for number in reporter.taken} <= records.keys()


@pytest.mark.slow
async def test_outages_on_outages_and_a_restart_within_lose_nothing(
    redis: RedisServer, tmp_path: Path
) -> None:
    """First Redis refused writes, then it was gone, then the service itself was started again."""
    with Service(tmp_path, **settings(redis.url)) as service:
        async with Reporter(service.url) as reporter:
            await reporter.lasts(0.5)
            for _ in range(2):
                with too_few_replicas(redis):
                    await reporter.lasts(1)
                redis.kill()
                await reporter.lasts(1)
                redis.start()
            redis.kill()
            await reporter.lasts(0.5)
        assert service.stop() == 0
    redis.start()
    with too_few_replicas(redis), Service(tmp_path, **settings(redis.url)) as service:
        assert service.events("store_away")
        async with Reporter(service.url, first=10_000) as later:
            await later.lasts(1)
            redis.command("CONFIG", "SET", "min-replicas-to-write", "0")
            later.taken += reporter.taken
            await later.until_merged()
        assert reporter.refused == later.refused == 0
        assert not service.events("entry_refused")


async def test_a_report_that_cannot_be_merged_delays_no_others(
    redis: RedisServer, tmp_path: Path
) -> None:
    """One entry that Redis refuses, or of a later version, made all others wait a minute more."""
    with Service(tmp_path, **settings(redis.url)) as service:
        async with Reporter(service.url) as reporter:
            redis.pause()
            await reporter.lasts(0.5)
            good = '["wamid.good","sent",1700000000000,1,"","","","","",[],[]]'
            bad = '["wamid.bad","sent","not ms",1,"","","","","",[],[]]'
            rows = [(2, f"[{good},{bad}]".encode()), (1, b"[[1]]")]
            with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as database, database:
                database.executemany("INSERT INTO entries VALUES (NULL, 1, ?, ?)", rows)
            await reporter.lasts(0.5)
            redis.resume()
            await reporter.until_merged()
            for _ in range(2):
                with too_few_replicas(redis):
                    await reporter.lasts(0.5)
                await reporter.until_merged()
        await eventually(lambda: waiting(service) == 2, "the rest of the journal", PROMISED_S)
        for event in ("entry_refused", "entry_unreadable"):
            assert len(service.events(event)) == 1
    assert "wamid.good" in await records_at(redis.url)


async def test_many_that_cannot_be_merged_delay_no_others_either(
    redis: RedisServer, tmp_path: Path
) -> None:
    """For each of them all that waited beside it were merged one by one, and each had a line."""
    with Service(tmp_path, **settings(redis.url)) as service:
        async with Reporter(service.url) as reporter:
            redis.pause()
            await reporter.lasts(0.5)
            rows: list[list[Any]] = [
                [f"wamid.beside.{n}", "sent", 1 if n % 40 else "bad", 1, *[""] * 5, [], []]
                for n in range(4000)
            ]
            bodies = [[json.dumps([row]).encode()] for row in rows] + [[b"[[1]]"]] * 50
            with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as database, database:
                database.executemany("INSERT INTO entries VALUES (NULL, 1, 1, ?)", bodies)
            before = len(service.events())
            await reporter.lasts(0.5)
            redis.resume()
            await reporter.until_merged()
        await eventually(lambda: waiting(service) == 150, "the rest of the journal")
        assert len(service.events()[before:]) <= A_HANDFUL


@pytest.mark.slow
async def test_another_store_in_the_place_of_ours_is_not_written_to(
    redis: RedisServer, tmp_path: Path
) -> None:
    """An address led to another Redis after an absence, and reports were put into its store."""
    with RedisServer() as other:
        other.command("HSET", "{wa:0}:schema", "version", SCHEMA_VERSION, "partitions", 7)
        async with Proxy(redis.port, b"") as proxy:
            with Service(tmp_path, **settings(proxy.url)) as service:
                async with Reporter(service.url) as reporter:
                    await reporter.lasts(0.2)
                    before = len(service.events("store_away"))  # a late start is one, too
                    redis.kill()
                    await eventually(
                        lambda: len(service.events("store_away")) > before, "the absence"
                    )
                    await reporter.lasts(1.5)  # longer than a merge under way waits for Redis
                    proxy.lead_to(other.port)
                    await eventually(lambda: bool(service.events("store_unfit")), "the refusal")
                    await reporter.lasts(0.5)
                    assert other.command("KEYS", "*") == ["{wa:0}:schema"]
                    redis.start()
                    proxy.lead_to(redis.port)
                    await reporter.until_merged()
                assert reporter.refused == 0
                [line] = service.events("store_unfit")
                assert "Redis has another store" in line["reason"]


def readyz(service: Service) -> dict[str, Any]:
    with urlopen(f"{service.url}/readyz") as response:  # noqa: S310  our own
        return dict(json.load(response))


def waiting(service: Service) -> int:
    return int(readyz(service)["journal"]["reports"])


@pytest.mark.slow
async def test_a_part_that_stays_away_does_not_hold_up_what_is_back(tmp_path: Path) -> None:
    """One machine of a cluster was gone for good, and no report was merged any more."""
    need_server()
    forgets_nothing = ("--appendonly", "yes", "--appendfsync", "always")
    with RedisCluster(*forgets_nothing, "--cluster-require-full-coverage", "no") as cluster:
        more = {"TRACKER_REDIS__PARTITIONS": "16"}
        with Service(tmp_path, **settings(cluster.url, **more)) as service:
            async with Reporter(service.url) as reporter:
                await reporter.lasts(0.5)
                gone, back, third = cluster.nodes
                gone.kill()
                back.kill()
                await reporter.lasts(3)
                back.start()
                for node in (back, third):
                    await serves_its_slots(node)
                reporter.taken = [n for n in reporter.taken if _slot(n) >= 16384 // 3]
                await reporter.until_merged()
                assert reporter.refused == 0
                assert len(service.events("store_away")) <= A_HANDFUL
                gone.start()


def _slot(number: int) -> int:
    """The slot of a message's partition, of 16."""
    return crc16_of(f"{{wa:{crc16_of(f'wamid.{number}') % 16}}}"[1:-1]) % 16384


async def serves_its_slots(node: RedisServer) -> None:
    """Waits until a node does, for which most masters must know each other."""
    await eventually(
        lambda: "cluster_state:ok" in str(node.command("CLUSTER", "INFO")), "a node to serve"
    )


@pytest.mark.slow
async def test_every_worker_takes_reports_and_one_merges_them(
    redis: RedisServer, tmp_path: Path
) -> None:
    with Service(tmp_path, "--workers", "2", **settings(redis.url)) as service:
        async with Reporter(service.url) as reporter:
            await reporter.lasts(0.5)
            for _ in range(3):
                with too_few_replicas(redis):
                    await reporter.lasts(1)
                await reporter.until_merged()
        assert reporter.refused == 0
        assert not service.events("entry_refused")


# Reads ------------------------------------------------------------------------------------------


@asynccontextmanager
async def caller(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"X-Webhook-Token": TOKEN}
    async with aiohttp.ClientSession(service.url, headers=headers) as session:
        yield session


async def status_of(session: aiohttp.ClientSession) -> int:
    async with session.get("/api/webhooks/message-logs/") as response:
        await response.read()
        return response.status


@pytest.mark.parametrize("journal", ["true", "false"])
async def test_nobody_waits_again_and_again_for_a_redis_that_is_gone(
    redis: RedisServer, tmp_path: Path, journal: str
) -> None:
    """If nobody wrote, each request of the dashboard took 3.6 s to fail."""
    with Service(tmp_path, **settings(redis.url, TRACKER_JOURNAL__ENABLED=journal)) as service:
        async with caller(service) as session:
            redis.kill()
            assert await status_of(session) == 503
            await eventually(lambda: bool(service.events("store_away")), "the service to notice")
            async with asyncio.timeout(2):
                for _ in range(20):
                    assert await status_of(session) == 503
            assert len(service.events("store_unavailable")) <= 2
            redis.start()
            async with asyncio.timeout(PROMISED_S):
                while await status_of(session) != 200:
                    pass
            assert (await session.post(SEND, json=event_send(1))).status in TAKEN


async def test_one_read_that_fails_does_not_put_the_store_away(
    redis: RedisServer, tmp_path: Path
) -> None:
    with Service(tmp_path, **settings(redis.url)) as service:
        async with caller(service) as session:
            redis.command("SET", "{wa:0}:by:event:broken", "no index")
            for _ in range(3):
                query = {"event_id": "broken"}
                async with session.get("/api/webhooks/message-logs/", params=query) as response:
                    assert response.status == 503
                assert (await session.post(SEND, json=event_send(1))).status == 200
                assert await status_of(session) == 200
        assert not service.events("store_away")


async def test_an_erasure_that_is_refused_stops_no_reads(
    redis: RedisServer, tmp_path: Path
) -> None:
    """While Redis took no writes, each try to erase had all reads refused for a moment."""
    with Service(tmp_path, **settings(redis.url)) as service:
        async with caller(service) as session:
            assert (await session.post(SEND, json=event_send(1))).status == 200
            with too_few_replicas(redis):
                assert (await session.post(SEND, json=event_send(2))).status == 202
                for _ in range(10):
                    erased = await session.post(ERASE, json={"event_id": "event-1"})
                    assert erased.status == 503
                    assert await status_of(session) == 200


async def test_a_refused_request_is_no_line_in_the_log_each(
    redis: RedisServer, tmp_path: Path
) -> None:
    """An hour's outage under load filled the disk that the journal is on."""
    off = {"TRACKER_JOURNAL__ENABLED": "false", "TRACKER_REDIS__TIMEOUT_S": "0.2"}
    with Service(tmp_path, **settings(redis.url, **off)) as service:
        before = len(service.events())
        redis.kill()
        async with Reporter(service.url) as reporter:
            await eventually(lambda: reporter.refused > 100, "refusals")
            redis.start()
            await eventually(lambda: len(reporter.taken) > 10, "Redis to be back")
            async with reporter.session.get("/metrics") as response:
                lines = (await response.text()).splitlines()
        route = 'tracker_request_seconds_count{route="/api/webhooks/message-status/",status="503"}'
        [counted] = [line for line in lines if line.startswith(route)]
        assert float(counted.split()[-1]) >= 100
        assert len(service.events()[before:]) <= A_HANDFUL


async def test_an_ordinary_restart_of_redis_is_no_alarm(redis: RedisServer, tmp_path: Path) -> None:
    with Service(tmp_path, **settings(redis.url)) as service:
        async with Reporter(service.url) as reporter:
            await reporter.lasts(0.2)
            redis.restart()
            await reporter.lasts(0.5)
            await reporter.until_merged()
        assert {line["level"] for line in service.events("redis_lost")} <= {"info"}


# The journal ------------------------------------------------------------------------------------


async def test_the_journal_is_on_without_a_folder_made_by_hand(
    redis: RedisServer, tmp_path: Path
) -> None:
    """With the documented recipe the journal was off, and nothing said so: reports got 503."""
    folder = tmp_path / "var" / "tracker"
    with Service(tmp_path, **settings(redis.url, TRACKER_DATA_DIR=str(folder))) as service:
        assert [stat.S_IMODE(each.stat().st_mode) for each in (folder.parent, folder)] == [
            0o700,
            0o700,
        ]
        assert readyz(service)["journal"] == {"on": True, "reports": 0, "age_s": 0.0}
        redis.kill()
        async with caller(service) as session, session.post(SEND, json=event_send(1)) as response:
            assert response.status == 202
        assert readyz(service)["store"] == "away"


def test_where_the_settings_switch_it_off_the_service_says_what_that_means(
    redis: RedisServer, tmp_path: Path
) -> None:
    off = settings(redis.url, TRACKER_JOURNAL__ENABLED="false")
    with Service(tmp_path, **off) as service:
        [line] = service.events("journal_off")
        assert "refused" in line["reason"]
        assert readyz(service)["journal"] == {"on": False}
    assert not (tmp_path / "data").exists()
    assert "The journal is off" in invoke("--check", cwd=tmp_path, **off).stdout


@pytest.mark.parametrize("workers", ["1", "2"])
def test_where_its_folder_cannot_be_made_the_service_does_not_start(
    redis: RedisServer, tmp_path: Path, workers: str
) -> None:
    (tmp_path / "file").touch()
    given = settings(redis.url, TRACKER_DATA_DIR=str(tmp_path / "file" / "data"))
    ended = run("--workers", workers, cwd=tmp_path, **given)
    assert ended.returncode == 1
    sentence = ended.stderr.splitlines()[-1]
    assert "data_dir" in sentence
    assert "journal.enabled" in sentence
    checked = invoke("--check", cwd=tmp_path, **given)
    assert checked.returncode == 1
    assert "journal.enabled" in checked.stderr


def _a_folder(file: Path) -> None:
    file.mkdir()


@pytest.mark.parametrize(
    ("name", "put"),
    [
        ("data/journal.lock", _a_folder),
        ("data/journal.mark", _a_folder),
        ("data/journal.users", _a_folder),
        ("data/journal.db", lambda link: link.symlink_to("elsewhere")),
        ("data", lambda link: link.symlink_to("nowhere")),
    ],
    ids=["a folder for the lock", "for the mark", "for the users", "a link", "a dangling link"],
)
def test_what_is_in_the_way_of_the_journal_is_said(
    redis: RedisServer, tmp_path: Path, name: str, put: Callable[[Path], None]
) -> None:
    """`--check` said that the journal was on, and the service didn't start."""
    (tmp_path / name).parent.mkdir(mode=0o700, exist_ok=True)
    put(tmp_path / name)
    assert invoke("--check", cwd=tmp_path, **settings(redis.url)).returncode == 1
    ended = invoke(cwd=tmp_path, **settings(redis.url))
    assert ended.returncode == 1
    assert "journal.enabled" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_check_says_where_the_journal_will_be_and_leaves_nothing_behind(
    redis: RedisServer, tmp_path: Path
) -> None:
    ended = invoke("--check", cwd=tmp_path, **settings(redis.url))
    assert ended.returncode == 0
    assert f"The journal is on: while Redis is away reports are kept in {tmp_path / 'data'}." in (
        ended.stdout
    )
    assert list(tmp_path.iterdir()) == []


# A Redis that is too old ------------------------------------------------------------------------

_OLD = b"# Server\r\nredis_version:6.2.14\r\n"


@asynccontextmanager
async def redis_6() -> AsyncIterator[str]:
    """The URL of a server that says of itself that it is Redis 6.2, and knows no `#!lua` line."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2].upper())
            if words[0] == b"INFO":
                writer.write(b"$%d\r\n%s\r\n" % (len(_OLD), _OLD))
            elif words[0].startswith(b"EVAL"):
                writer.write(b"-ERR Error compiling script: unexpected symbol near '#'\r\n")
            else:
                writer.write(b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["start", "check"])
async def test_redis_6_is_called_too_old(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The service started, answered 202 for ever, and merged nothing."""
    async with redis_6() as url:
        ended = await asyncio.to_thread(run, *arguments, cwd=tmp_path, **settings(url))
    assert ended.returncode == 1
    assert "Redis 6.2.14 is too old: 7.0 is the oldest that will do." in ended.stderr


def test_of_the_servers_on_path_none_is_taken_that_is_too_old(tmp_path: Path) -> None:
    """Older distributions have a Redis 6 on PATH, with which `make run` lost every report."""
    programs = tmp_path / "bin"
    programs.mkdir()
    server = programs / "redis-server"
    server.write_text('#!/bin/sh\necho "Redis server v=6.2.14 sha=00000000:0 bits=64"\n')
    server.chmod(0o755)
    given = {"PATH": f"{programs}:/usr/bin-that-is-not-there", "TRACKER_AUTH__TOKENS": TOKEN}
    with Service(tmp_path, **given) as service:
        assert readyz(service)["store"] == "up"


# Another number of partitions -------------------------------------------------------------------


async def test_a_lost_answer_is_not_called_a_lost_message(
    redis: RedisServer, tmp_path: Path
) -> None:
    """`repartition` said that counts differed and that something was written, and ended with 1."""
    with Service(tmp_path, **settings(redis.url)) as service:
        async with caller(service) as session:
            bodies = [event_send(number) for number in range(300)]
            body = {"messages": bodies}
            answered = await session.post("/api/webhooks/track-send/batch/", json=body)
            assert answered.status == 200
        assert service.stop() == 0
    async with Proxy(redis.port, b'"wamid.') as proxy:
        proxy.cuts = [Cut(reply=0)]
        given = settings(proxy.url)
        ended = await asyncio.to_thread(
            invoke, "repartition", "--partitions", "5", cwd=tmp_path, **given
        )
        assert not proxy.cuts
    assert "the counts agree" in ended.stdout
    assert ended.returncode == 0
    assert len(await records_at(redis.url, 5)) == 300
