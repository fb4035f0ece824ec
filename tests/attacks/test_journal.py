"""A journal whose disk is full, read-only or damaged: what was acknowledged, and what is said."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.conftest import TOKEN, need_server
from tests.factories import event_send
from tests.faults.fault_kit import ERASE, SEND, eventually, service_on
from tests.in_process import invoke
from tests.process import Service
from tests.servers import RedisServer, wait_until

BATCH = "/api/webhooks/track-send/batch/"
QUEUED = 150
"""Reports that wait in the journal that is damaged, each in an entry of its own."""
PAGE = 4096
A_HANDFUL = 12
"""Lines that an outage may make in the log."""


@pytest.fixture
def redis_away() -> Iterator[RedisServer]:
    """A server of the test's own, which a test may stop."""
    need_server()
    with RedisServer() as server:
        yield server


def settings(redis: RedisServer, folder: Path, **more: str) -> dict[str, str]:
    return {
        "TRACKER_REDIS__URL": redis.url,
        "TRACKER_AUTH__TOKENS": TOKEN,
        "TRACKER_DATA_DIR": str(folder),
        **more,
    }


class Caller:
    """Asks a service."""

    def __init__(self, service: Service) -> None:
        address = urlsplit(service.url)
        self._address = str(address.hostname), address.port

    def _ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        headers = {"X-Webhook-Token": TOKEN, "Content-Type": "application/json"}
        with closing(HTTPConnection(*self._address, timeout=10)) as connection:
            connection.request(method, path, json.dumps(body), headers)
            with connection.getresponse() as response:
                return response.status, response.read()

    def post(self, path: str, body: object) -> tuple[int, Any]:
        status, answer = self._ask("POST", path, body)
        return status, json.loads(answer)

    def journal(self) -> dict[str, Any]:
        """What `/readyz` says of the journal, and that a report would be taken."""
        status, answer = self._ask("GET", "/readyz")
        assert status == 200
        return dict(json.loads(answer)["journal"])

    def metric(self, name: str) -> float:
        lines = self._ask("GET", "/metrics")[1].decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def stored(redis: RedisServer) -> int:
    keys = redis.command("KEYS", "{wa:0}:msg:*")
    assert isinstance(keys, list)
    return len(keys)


def queue(service: Service, first: int, number: int) -> None:
    caller = Caller(service)
    for each in range(first, first + number):
        assert caller.post(SEND, event_send(each, guest_name="x" * 400))[0] == 202


# A full or read-only disk -----------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    if os.geteuid():
        pytest.skip("only root may mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(disk))
    except subprocess.CalledProcessError:
        pytest.skip("nobody may mount in this container")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def fill_up(disk: Path) -> None:
    """Takes what is left of the disk."""
    with (disk / "others").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PAGE))
        except OSError:
            pass


def test_what_was_taken_before_the_disk_was_full_is_merged(
    redis_away: RedisServer, tmp_path: Path, small_disk: Path
) -> None:
    """Guests' sends were acknowledged, and three of four never came into the store.

    Removing the first of them from the journal found no room, so the replay began with the same
    ones for ever, four times a second, with a line each.
    """
    with Service(tmp_path, **settings(redis_away, small_disk)) as service:
        redis_away.pause()
        taken, status, caller = 0, 202, Caller(service)
        while status == 202:
            sends = [event_send(taken + n) for n in range(50)]
            status, _ = caller.post(BATCH, {"messages": sends})
            taken += 50 * (status == 202)
        assert status == 503
        assert taken >= 500
        fill_up(small_disk)
        redis_away.resume()
        wait_until(lambda: stored(redis_away) >= taken, "all to be merged", 30)
        wait_until(lambda: caller.journal()["reports"] == 0, "the journal to be emptied", 30)
        assert caller.metric("tracker_journal_stuck_reports") == 0
        assert len(service.events("replay_started")) <= 3
        assert len(service.events()) <= 2 * A_HANDFUL


def test_what_a_read_only_disk_keeps_in_the_journal_holds_nothing_up(
    redis_away: RedisServer, tmp_path: Path, small_disk: Path
) -> None:
    """The system makes a disk with errors read-only; what it holds can still be read."""
    with Service(tmp_path, **settings(redis_away, small_disk)) as service:
        redis_away.pause()
        queue(service, 0, 50)
        service.kill()
    _mount("-o", "remount,ro", str(small_disk))
    redis_away.resume()
    with Service(tmp_path, **settings(redis_away, small_disk)) as service:
        caller = Caller(service)
        wait_until(lambda: stored(redis_away) == 50, "all to be merged", 30)
        wait_until(lambda: caller.metric("tracker_journal_stuck_reports") == 50, "it to be said")
        wait_until(lambda: caller.journal()["reports"] == 0, "none to be said to wait")
        assert caller.journal()["fault"] == "journal"
        assert caller.post(SEND, event_send(1001))[0] == 200
        # It is still there, with the people in it.
        assert caller.post(ERASE, {"event_id": "event-2"})[1]["complete"] is False
        for event in ("journal_read_only", "journal_failed", "journal_not_emptied"):
            assert len(service.events(event)) == 1
        assert len(service.events()) <= A_HANDFUL
        redis_away.pause()
        assert caller.post(SEND, event_send(1002))[0] == 503
        redis_away.resume()
        _mount("-o", "remount,rw", str(small_disk))
        wait_until(lambda: caller.metric("tracker_journal_stuck_reports") == 0, "its removal", 60)
        assert caller.post(ERASE, {"event_id": "event-2"})[1]["complete"] is True


# Damage -----------------------------------------------------------------------------------------


class Outage(NamedTuple):
    """A Redis, and the folder of a journal that was left by a service that was killed."""

    redis: RedisServer
    folder: Path


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    need_server()
    folder = tmp_path_factory.mktemp("outage")
    with RedisServer() as redis:
        with Service(folder, **settings(redis, folder / "data")) as service:
            redis.pause()
            queue(service, 0, QUEUED // 3)
            shutil.copy(folder / "data" / "journal.db", folder / "earlier")
            queue(service, QUEUED // 3, QUEUED - QUEUED // 3)
            service.kill()
        redis.resume()
        shutil.copy(folder / "earlier", folder / "data" / "earlier")
        yield Outage(redis, folder / "data")


def _change(file: Path, change: Callable[[bytearray], None]) -> None:
    content = bytearray(file.read_bytes())
    change(content)
    file.write_bytes(content)


def _page_of(content: bytearray) -> int:
    """Where a page begins that holds entries and is neither the first nor the last."""
    return content.index(b"wamid.77") // PAGE * PAGE


def a_bit_of_an_entry(folder: Path) -> None:
    def flip(content: bytearray) -> None:
        content[content.index(b"wamid.77") + 7] ^= 1  # another wamid, and sound JSON

    _change(folder / "journal.db", flip)


def a_bit_of_a_page(folder: Path) -> None:
    def flip(content: bytearray) -> None:
        content[_page_of(content)] ^= 64

    _change(folder / "journal.db", flip)


def a_page_of_zeros(folder: Path) -> None:
    def clear(content: bytearray) -> None:
        start = _page_of(content)
        content[start : start + PAGE] = bytes(PAGE)

    _change(folder / "journal.db", clear)


def a_page_of_another_file(folder: Path) -> None:
    def replace(content: bytearray) -> None:
        start = _page_of(content)
        content[start : start + PAGE] = b"something else! " * (PAGE // 16)

    _change(folder / "journal.db", replace)


def the_first_page_of_zeros(folder: Path) -> None:
    def clear(content: bytearray) -> None:
        content[:PAGE] = bytes(PAGE)

    _change(folder / "journal.db", clear)


def half_of_it(folder: Path) -> None:
    file = folder / "journal.db"
    os.truncate(file, file.stat().st_size // 2)


def nothing_of_it(folder: Path) -> None:
    os.truncate(folder / "journal.db", 0)


def no_file(folder: Path) -> None:
    (folder / "journal.db").unlink()


def another_file(folder: Path) -> None:
    (folder / "journal.db").write_text("not what it should be" * 1000)


def a_folder(folder: Path) -> None:
    (folder / "journal.db").unlink()
    (folder / "journal.db").mkdir()


def another_table(folder: Path) -> None:
    (folder / "journal.db").unlink()
    with closing(sqlite3.connect(folder / "journal.db")) as database, database:
        database.execute("CREATE TABLE entries (name)")


def an_earlier_copy(folder: Path) -> None:
    (folder / "earlier").rename(folder / "journal.db")


def a_garbled_rollback_journal(folder: Path) -> None:
    (folder / "journal.db-journal").write_bytes(b"not what it should be" * 1000)


def no_rollback_journal(folder: Path) -> None:
    (folder / "journal.db-journal").unlink()


def no_mark(folder: Path) -> None:
    (folder / "journal.mark").unlink()


def a_garbled_count(folder: Path) -> None:
    _change(folder / "journal.mark", lambda content: content.__setitem__(slice(41), b"\xff" * 41))


def nothing(_: Path) -> None:
    pass


class Way(NamedTuple):
    """What is done to the journal, and what must come of it."""

    damage: Callable[[Path], None]
    merged: range
    """How many reports may be merged."""
    said: str
    """The event that says the number of the others; "" where there are none."""


ALL, MOST, SOME, NONE = (
    range(QUEUED, QUEUED + 1),
    range(QUEUED - 20, QUEUED),
    range(1, QUEUED),
    range(1),
)
WAYS = [
    Way(nothing, ALL, ""),
    Way(a_bit_of_an_entry, range(QUEUED - 1, QUEUED), "entry_unreadable"),
    Way(a_bit_of_a_page, MOST, "journal_set_aside"),
    Way(a_page_of_zeros, MOST, "journal_set_aside"),
    Way(a_page_of_another_file, MOST, "journal_set_aside"),
    Way(the_first_page_of_zeros, NONE, "journal_set_aside"),
    Way(half_of_it, SOME, "journal_set_aside"),
    Way(nothing_of_it, NONE, "journal_lost"),
    Way(no_file, NONE, "journal_lost"),
    Way(another_file, NONE, "journal_set_aside"),
    Way(a_folder, NONE, "journal_set_aside"),
    Way(another_table, NONE, "journal_set_aside"),
    Way(an_earlier_copy, range(QUEUED // 3, QUEUED // 3 + 1), "journal_lost"),
    Way(a_garbled_rollback_journal, ALL, ""),
    Way(no_rollback_journal, ALL, ""),
    Way(no_mark, ALL, ""),
    Way(a_garbled_count, ALL, ""),
]


Events = Callable[[str], list[dict[str, Any]]]
"""The events of a name in a log."""


def missing(events: Events) -> int:
    """How many reports the log says to be lost, or to be unreadable in the journal."""
    return (
        sum(int(event["entries"]) for event in events("entry_unreadable"))
        + sum(int(event["reports_lost"]) for event in events("journal_set_aside"))
        + sum(int(event["reports"]) for event in events("journal_lost"))
    )


def events_in(caplog: pytest.LogCaptureFixture) -> Events:
    return lambda name: [vars(each) for each in caplog.records if each.getMessage() == name]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.damage.__name__)
async def test_what_can_be_read_is_merged_and_the_rest_is_said(
    outage: Outage, tmp_path: Path, caplog: pytest.LogCaptureFixture, way: Way
) -> None:
    """A flipped bit cost 600 acknowledged reports without a line; garbage kept the service out."""
    redis, folder, events = outage.redis, tmp_path / "data", events_in(caplog)
    shutil.copytree(outage.folder, folder)
    keys = redis.command("KEYS", "{wa:0}:*")
    assert isinstance(keys, list)
    redis.command("DEL", "none", *(key for key in keys if not key.endswith(":schema")))
    way.damage(folder)
    damaged = (folder / "journal.db").read_bytes() if (folder / "journal.db").is_file() else b""

    async def merged_or_said(number: int) -> None:
        await eventually(lambda: stored(redis) + missing(events) == number, "all merged or said")

    async with service_on(redis.url, data_dir=folder) as client:
        await merged_or_said(QUEUED)
        assert stored(redis) in way.merged
        names = ("entry_unreadable", "journal_set_aside", "journal_lost")
        assert [name for name in names if events(name)] == [way.said] * bool(way.said)
        assert (await client.post(SEND, json=event_send(QUEUED))).status == 200
        for event in events("journal_set_aside"):
            aside = folder / event["file"]
            assert aside.is_dir() or aside.read_bytes() == damaged
            assert aside.is_dir() or stat.S_IMODE(aside.stat().st_mode) == 0o600
        redis.pause()
        try:  # the journal is as good as new
            for number in (1, 2):
                assert (await client.post(SEND, json=event_send(QUEUED + number))).status == 202
        finally:
            redis.resume()
        await merged_or_said(QUEUED + 3)


@pytest.mark.parametrize("damage", [no_file, another_file, nothing_of_it])
def test_damage_while_the_service_runs_is_said_and_the_journal_goes_on(
    redis_away: RedisServer, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Somebody cleans up in the folder while reports wait: what came later was lost as well."""
    folder = tmp_path / "data"
    with Service(tmp_path, **settings(redis_away, folder)) as service:
        redis_away.pause()
        queue(service, 0, QUEUED)
        damage(folder)
        queue(service, QUEUED, 50)
        redis_away.resume()
        total = QUEUED + 50
        # Redis may also have had the first of them, before it stood still.
        wait_until(
            lambda: stored(redis_away) + missing(service.events) >= total, "all to be said", 30
        )
        assert stored(redis_away) >= 50
        assert 0 < missing(service.events) <= QUEUED
        assert len(service.events()) <= 2 * A_HANDFUL


def test_what_nobody_can_tell_the_store_of_waits_until_it_is_adopted(
    outage: Outage, tmp_path: Path
) -> None:
    """Where a garbled mark was, it would all go into whatever store is there."""
    redis, folder = outage.redis, tmp_path / "data"
    shutil.copytree(outage.folder, folder)
    keys = redis.command("KEYS", "{wa:0}:*")
    assert isinstance(keys, list)
    redis.command("DEL", "none", *(key for key in keys if not key.endswith(":schema")))
    (folder / "journal.mark").write_bytes(b"\xff" * 500)
    with Service(tmp_path, **settings(redis, folder)) as service:
        [held] = service.events("journal_held")
        assert f"stay there: {QUEUED}." in held["reason"]
        caller = Caller(service)
        assert caller.post(SEND, event_send(QUEUED))[0] == 200
        assert caller.journal()["for_other_stores"] == QUEUED
        assert stored(redis) == 1
        assert invoke("adopt", cwd=tmp_path, **settings(redis, folder)).returncode == 0
        wait_until(lambda: stored(redis) == QUEUED + 1, "all to be merged", 30)


_OLD = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE entries (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kept_us INTEGER NOT NULL,
  reports INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE TABLE total (reports INTEGER NOT NULL);
INSERT INTO total SELECT 0;
CREATE TRIGGER kept AFTER INSERT ON entries
BEGIN UPDATE total SET reports = reports + NEW.reports; END;
CREATE TRIGGER removed AFTER DELETE ON entries
BEGIN UPDATE total SET reports = reports - OLD.reports; END;
"""


def test_the_journal_of_an_older_version_is_merged(redis_away: RedisServer, tmp_path: Path) -> None:
    """It was killed during an outage, with a write-ahead log, and then the service was updated."""
    folder, left = tmp_path / "data", tmp_path / "left"
    for each in (folder, left):
        each.mkdir(mode=0o700)
    with closing(sqlite3.connect(left / "journal.db")) as database:
        database.executescript(_OLD)
        for number in range(50):
            row = f'[["wamid.{number}","sent",1700000000000,1,"","","","","",[],[]]]'
            with database:
                database.execute("INSERT INTO entries VALUES (NULL, 1, 1, ?)", [row.encode()])
        for file in left.iterdir():
            shutil.copy(file, folder)
    assert (folder / "journal.db-wal").stat().st_size > 50 * PAGE
    with Service(tmp_path, **settings(redis_away, folder)) as service:
        wait_until(lambda: stored(redis_away) == 50, "all to be merged", 30)
        wait_until(lambda: Caller(service).journal()["reports"] == 0, "their removal", 30)
        assert not service.events("journal_set_aside")
        assert not (folder / "journal.db-wal").exists()


# What was erased --------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "2"])
def test_who_was_erased_is_in_none_of_the_journals_files(
    redis_away: RedisServer, tmp_path: Path, workers: str
) -> None:
    """Names and numbers of people that were erased stood there as long as the service ran."""
    folder = tmp_path / "data"
    with Service(tmp_path, "--workers", workers, **settings(redis_away, folder)) as service:
        redis_away.pause()
        callers = [Caller(service) for _ in range(4)]
        person = {"wa_id": "919311223344", "guest_name": "Asha of the Garden"}
        for number in range(40):
            send = event_send(number) | (person if number % 2 else {})
            assert callers[number % 4].post(SEND, send)[0] == 202
        assert found(folder, b"919311223344")
        redis_away.resume()
        wait_until(lambda: stored(redis_away) == 40, "all to be merged", 30)

        def complete() -> bool:
            _, answer = callers[0].post(ERASE, {"recipient_id": "919311223344"})
            return bool(answer.get("complete"))

        wait_until(complete, "the erasure to be complete", 30)
        assert not found(folder, b"919311223344")
        assert not found(folder, b"Asha")
        assert stored(redis_away) == 20


def found(folder: Path, text: bytes) -> list[str]:
    """The files of a folder that hold it."""
    return [file.name for file in folder.iterdir() if text in file.read_bytes()]


# The folder -------------------------------------------------------------------------------------


def test_a_folder_that_others_may_write_to_is_refused(
    redis_away: RedisServer, tmp_path: Path
) -> None:
    """Whoever can put a file there can put reports into the store."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    for arguments in ((), ("--check",)):
        ended = invoke(*arguments, cwd=tmp_path, **settings(redis_away, folder))
        assert ended.returncode == 1
        assert f"data_dir is open to other users: chmod 700 {folder}" in ended.stderr
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    with Service(tmp_path, **settings(redis_away, folder)) as service:
        assert service.stop() == 0


@contextmanager
def read_only(disk: Path) -> Iterator[Path]:
    _mount("-o", "remount,ro", str(disk))
    yield disk / "data"
    _mount("-o", "remount,rw", str(disk))


def test_without_a_folder_to_write_to_the_service_says_so_and_does_not_start(
    redis_away: RedisServer, tmp_path: Path, small_disk: Path
) -> None:
    """It started without a journal and without a word, and refused reports in the next outage."""
    (tmp_path / "file").touch()
    with read_only(small_disk) as beyond:
        for folder in (tmp_path / "file", tmp_path / "file" / "data", small_disk, beyond):
            for arguments in ((), ("--check",)):
                ended = invoke(*arguments, cwd=tmp_path, **settings(redis_away, folder))
                assert ended.returncode == 1
                assert "data_dir" in ended.stderr
                assert "Traceback" not in ended.stderr


def test_a_check_tells_what_will_be_set_aside(redis_away: RedisServer, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "journal.db").write_text("not what it should be" * 100)
    ended = invoke("--check", cwd=tmp_path, **settings(redis_away, folder))
    assert ended.returncode == 0
    assert "warning: " in ended.stdout
    assert "the service will set it aside" in ended.stdout
    assert (folder / "journal.db").read_text().startswith("not what")
