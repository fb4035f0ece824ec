"""Several workers: a start that fails, the private server, and what is left when one is killed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import redis as driver

from service.store.keys import SCHEMA_VERSION
from tests.conftest import TOKEN, need_server
from tests.faults.fault_kit import Load, eventually, records_at
from tests.faults.workers_probe import WORKERS, left, until_two
from tests.process import HASTY, Service, run, runs
from tests.servers import RedisServer, free_port, wait_until

# A start that fails -----------------------------------------------------------------------------


def _refusal(ended: subprocess.CompletedProcess[str]) -> str:
    """The one sentence with which it ended."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    *logged, sentence = ended.stderr.splitlines()
    assert all(json.loads(line)["event"] for line in logged)
    assert sentence.startswith("message-tracker: ")
    return sentence.removeprefix("message-tracker: ")


def _start(folder: Path, **variables: str) -> str:
    variables = {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_JOURNAL__ENABLED": "false"} | variables
    return _refusal(run(*WORKERS, cwd=folder, program=HASTY, **variables))


def test_without_redis_it_ends_with_one_sentence(tmp_path: Path, files: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    sentence = _start(tmp_path, TRACKER_REDIS__URL=url, TMPDIR=str(files))
    assert sentence.startswith("Redis can't be used: ")
    assert left(files) == set()


def test_with_other_partitions_it_ends_with_one_sentence(
    redis: RedisServer, tmp_path: Path
) -> None:
    redis.command("HSET", "{wa:0}:schema", "version", SCHEMA_VERSION, "partitions", 4)
    sentence = _start(tmp_path, TRACKER_REDIS__URL=redis.url, TRACKER_REDIS__PARTITIONS="8")
    assert sentence == "The store has 4 partitions, redis.partitions says 8. Set it to 4."


def test_fakeredis_is_refused(tmp_path: Path) -> None:
    assert "a store of its own" in _start(tmp_path, TRACKER_REDIS__URL="fakeredis://")


@pytest.mark.parametrize("embedded", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_port_that_is_taken_is_named(
    redis: RedisServer, tmp_path: Path, crew: Service, embedded: bool
) -> None:
    port = crew.url.rpartition(":")[2]
    url = "" if embedded else redis.url
    sentence = _start(tmp_path, TRACKER_REDIS__URL=url, TRACKER_HTTP__PORT=port)
    assert port in sentence
    assert "already in use" in sentence


# The private server -----------------------------------------------------------------------------


def _server_pid(folder: Path) -> int:
    socket = str(folder / "data" / "redis.sock")
    with driver.Redis(unix_socket_path=socket, protocol=2) as client:
        return int(client.info("server")["process_id"])


def _master_of(worker: int) -> int:
    return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.timeout(180)  # it starts six workers
@pytest.mark.slow
async def test_the_private_server_serves_all_workers_and_keeps_its_data(tmp_path: Path) -> None:
    need_server()
    port = str(free_port())
    with Service(tmp_path, *WORKERS, TRACKER_HTTP__PORT=port, DJANGO_RSVP_SECRET=TOKEN) as service:
        until_two(service)
        server = _server_pid(tmp_path)
        async with Load(service.url) as load:
            await load.more(200, 100)
            service.send_signal_to_all(signal.SIGINT)
            await eventually(lambda: not service.running, "the service to end")
        assert service.wait()[0] == 0
        assert not runs(server)
        assert {answer.status for answer in load.answers} == {200}
    with Service(tmp_path, *WORKERS, TRACKER_HTTP__PORT=port, DJANGO_RSVP_SECRET=TOKEN) as service:
        old = until_two(service)
        load.check_stored(await records_at(f"unix://{tmp_path / 'data' / 'redis.sock'}"))
        service.send_signal(signal.SIGHUP)
        new = until_two(service, but=old)
        assert len(new) == 2
        assert service.stop() == 0


def test_the_trial_mode_says_once_how_to_call_it(tmp_path: Path) -> None:
    """Also after a reload."""
    need_server()
    with Service(tmp_path, *WORKERS) as service:
        old = until_two(service)
        service.send_signal(signal.SIGHUP)
        until_two(service, but=old)
        token = (tmp_path / "data" / "token").read_text()
        assert service.output.count("curl -H") == 1
        assert service.url in service.output
        assert service.status_of("/api/webhooks/message-logs/", token) == 200
        assert service.stop() == 0
        assert token not in service.output + service.errors


@pytest.mark.parametrize("embedded", [pytest.param(False, marks=pytest.mark.slow), True])
def test_with_the_outermost_process_everything_ends(
    redis: RedisServer, tmp_path: Path, files: Path, embedded: bool
) -> None:
    url = "" if embedded else redis.url
    variables = {"TRACKER_REDIS__URL": url, "TRACKER_AUTH__TOKENS": TOKEN, "TMPDIR": str(files)}
    with Service(tmp_path, *WORKERS, **variables) as service:
        all_of_it = {service.pid, *until_two(service)}
        all_of_it.add(_master_of(max(all_of_it)))
        if embedded:
            all_of_it.add(_server_pid(tmp_path))
        assert len(all_of_it) == (5 if embedded else 3)
        service.kill()
        wait_until(lambda: not any(map(runs, all_of_it)), "all to end", 15)
        wait_until(lambda: left(files) == set(), "the files to be gone")


def test_the_private_server_ends_after_the_workers_of_a_master_that_was_killed(
    tmp_path: Path,
) -> None:
    need_server()
    with Service(tmp_path, *WORKERS, TRACKER_AUTH__TOKENS=TOKEN) as service:
        workers = until_two(service)
        server = _server_pid(tmp_path)
        os.kill(_master_of(min(workers)), signal.SIGKILL)
        assert service.wait()[0] == 1
        assert not any(map(runs, {server, *workers}))
        last = service.errors.splitlines()[-1]
        assert last == "message-tracker: The master of the workers was ended by signal 9."
        assert len(service.errors.splitlines()) > 5
