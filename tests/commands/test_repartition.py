"""`repartition` as an operator has it: here or to another server, whole or not at all."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from service.domain.identity import id_of, partition_of
from service.store.keys import SCHEMA_VERSION, tag_of
from tests.backends import Backend
from tests.commands.stores import fill, histories, records_in, variables
from tests.in_process import invoke
from tests.process import KILLED, run
from tests.servers import RedisCluster, RedisServer

pytestmark = pytest.mark.timeout(120)

Ended = subprocess.CompletedProcess[str]


def copies(folder: Path, source: Backend, target: Backend, *options: str, code: int = 0) -> Ended:
    """Runs the command; it must end with this code."""
    to = ["--partitions", str(target.partitions), "--to-url", target.url]
    ended = invoke("repartition", *to, *options, cwd=folder, **variables(source))
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr
    return ended


def entombs(backend: Backend, node: RedisServer, wamid: str, *limit: str | int) -> None:
    """Marks a message as erased, as the store of that Redis would have it."""
    crc = partition_of(wamid, 65_536)
    tag = tag_of(partition_of(wamid, backend.partitions))
    node.command("SET", f"{tag}:gone:{id_of(wamid)}", crc, *limit)


def messages_in(node: RedisServer) -> int:
    """How many there are, one that is in two partitions counted twice."""
    found = node.command("KEYS", "*:msg:*")
    assert isinstance(found, list)
    return len(found)


def gone_of(node: RedisServer) -> list[str]:
    found = node.command("KEYS", "*:gone:*")
    assert isinstance(found, list)
    return sorted(str(key) for key in found)


def test_one_redis_goes_to_a_cluster(tmp_path: Path, one: Backend, cluster: Backend) -> None:
    """By a process of its own."""
    records = fill(one, histories(300))
    to = ["--partitions", str(cluster.partitions), "--to-url", cluster.url]
    told = run("repartition", *to, cwd=tmp_path, **variables(one))
    assert told.returncode == 0
    assert told.stdout.startswith("Copied 300 messages and 0 tombstones in ")
    assert told.stdout.endswith("and redis.partitions to 8.\n")
    assert records_in(cluster) == records
    assert records_in(one) == records


def test_a_cluster_goes_to_one_redis(tmp_path: Path, cluster: Backend, other: Backend) -> None:
    records = fill(cluster, histories(300))
    told = json.loads(copies(tmp_path, cluster, other, "--json").stdout)
    assert (told["messages"], told["partitions"]) == (300, 3)
    assert records_in(other) == records


def test_tombstones_go_where_their_messages_would_with_the_time_left_to_them(
    tmp_path: Path,
    other: Backend,
    other_server: RedisServer,
    cluster: Backend,
    redis_cluster: RedisCluster,
) -> None:
    fill(other, histories(5))
    wamids = [f"gone.{number}" for number in range(20)]
    entombs(other, other_server, "forever")
    for wamid in wamids:
        entombs(other, other_server, wamid, "PX", 500_000)
    assert "and 21 tombstones" in copies(tmp_path, other, cluster).stdout
    found = {key: node for node in redis_cluster.nodes for key in gone_of(node)}
    expected = {
        f"{tag_of(partition_of(wamid, 8))}:gone:{id_of(wamid)}": wamid
        for wamid in [*wamids, "forever"]
    }
    assert found.keys() == expected.keys()
    for key, wamid in expected.items():
        assert found[key].command("GET", key) == str(partition_of(wamid, 65_536))
        left_ms = found[key].command("PTTL", key)
        assert isinstance(left_ms, int)
        assert (left_ms == -1) if wamid == "forever" else (400_000 < left_ms <= 500_000)


def test_a_copy_that_was_killed_is_run_again(
    tmp_path: Path, one: Backend, other: Backend, other_server: RedisServer
) -> None:
    """Until it is whole no service starts on it, and no copy of another kind goes into it."""
    records = fill(one, histories(100, seed=3))
    arguments = ["--partitions", "3", "--to-url", other.url]
    killed = run("repartition", *arguments, cwd=tmp_path, program=KILLED, **variables(one))
    assert killed.returncode == -signal.SIGKILL
    assert messages_in(other_server) == 60
    checked = invoke("--check", cwd=tmp_path, TRACKER_AUTH__TOKENS="t", **variables(other))
    assert checked.returncode == 1
    assert "on the way to 3 partitions" in checked.stderr
    otherwise = copies(tmp_path, one, Backend(other.url, partitions=4), code=1)
    assert "has a store with 3 partitions" in otherwise.stderr
    copies(tmp_path, one, other)
    assert records_in(other) == records
    checked = invoke("--check", cwd=tmp_path, TRACKER_AUTH__TOKENS="t", **variables(other))
    assert checked.returncode == 0


def test_stores_that_differ_are_said_and_no_service_starts_on_the_new_one(
    tmp_path: Path, one: Backend, other: Backend, other_server: RedisServer
) -> None:
    """As when a service went on writing: here the new store has a message more."""
    fill(one, histories(100))
    layout = "version", SCHEMA_VERSION, "partitions", 3, "moving", 3
    fill(other, histories(101, seed=7))
    other_server.command("HSET", "{wa:0}:schema", *layout)
    other_server.command("HDEL", "{wa:0}:schema", "id")  # as an earlier version left it
    told = copies(tmp_path, one, other, code=1)
    assert told.stderr.startswith("message-tracker: The stores differ: ")
    assert "100 messages" in told.stderr
    assert "101 messages" in told.stderr
    assert other_server.command("HGET", "{wa:0}:schema", "moving") == "3"


@pytest.mark.parametrize("to", ["itself", "a store", "nowhere", "no url"])
def test_what_can_be_no_target_is_refused(
    tmp_path: Path, one: Backend, other: Backend, to: str
) -> None:
    records = fill(one, histories(10))
    fill(other, histories(1))
    targets = {
        "itself": (Backend(one.url, 2), "has a store with 1 partitions"),
        "a store": (other, "has a store with 3 partitions"),
        "nowhere": (Backend("redis://127.0.0.1:1", 2), "can't be used (connection)"),
        "no url": (Backend("http://x", 2), "redis.url must be like"),
    }
    target, said = targets[to]
    assert said in copies(tmp_path, one, target, code=1).stderr
    assert records_in(one) == records


# in place ---------------------------------------------------------------------------------------


def moves(folder: Path, store: Backend, partitions: int, code: int = 0) -> Ended:
    """Runs the command on the store itself; it must end with this code."""
    ended = invoke("repartition", "--partitions", str(partitions), cwd=folder, **variables(store))
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr
    return ended


def test_a_store_changes_its_partitions_where_it_is(
    tmp_path: Path, other: Backend, other_server: RedisServer
) -> None:
    """More and fewer of them, from what was said of them in the store, not in the settings."""
    records = fill(other, histories(300))
    for partitions in (8, 5, 1):
        told = moves(tmp_path, other, partitions)
        assert told.stdout.startswith("Moved 300 messages and 0 tombstones in ")
        assert records_in(Backend(other.url, partitions)) == records
    assert "has 1 partitions already" in moves(tmp_path, other, 1, code=1).stderr


def test_a_cluster_changes_its_partitions_where_it_is(tmp_path: Path, cluster: Backend) -> None:
    records = fill(cluster, histories(200))
    moves(tmp_path, cluster, 11)
    assert records_in(Backend(cluster.url, 11)) == records


def test_tombstones_move_too(tmp_path: Path, other: Backend, other_server: RedisServer) -> None:
    fill(other, histories(3))
    wamids = [f"gone.{number}" for number in range(20)]
    for wamid in wamids:
        entombs(other, other_server, wamid, "PX", 500_000)
    away = [wamid for wamid in wamids if partition_of(wamid, 3) != partition_of(wamid, 4)]
    assert f"and {len(away)} tombstones" in moves(tmp_path, other, 4).stdout
    there = Backend(other.url, 4)
    assert gone_of(other_server) == sorted(
        f"{tag_of(partition_of(wamid, 4))}:gone:{id_of(wamid)}" for wamid in wamids
    )
    records_in(there)


def test_a_move_that_was_killed_is_run_again(
    tmp_path: Path, one: Backend, redis_server: RedisServer
) -> None:
    """Meanwhile no service starts, and the move can't be made another one, nor taken for a copy."""
    records = fill(one, histories(100, seed=4))
    arguments = ["--partitions", "4"]
    killed = run("repartition", *arguments, cwd=tmp_path, program=KILLED, **variables(one))
    assert killed.returncode == -signal.SIGKILL
    twice = messages_in(redis_server) - 100
    assert 10 < twice <= 20  # of the last twenty those that have to move
    checked = invoke("--check", cwd=tmp_path, TRACKER_AUTH__TOKENS="t", **variables(one))
    assert "on the way to 4 partitions" in checked.stderr
    assert "first take it there" in moves(tmp_path, one, 3, code=1).stderr
    assert moves(tmp_path, one, 4).stdout.startswith("Moved 100 messages")
    assert records_in(Backend(one.url, 4)) == records


def test_a_half_copy_is_not_taken_for_a_store(
    tmp_path: Path, other: Backend, other_server: RedisServer
) -> None:
    fill(other, histories(3))
    other_server.command("HSET", "{wa:0}:schema", "moving", 3)
    for partitions in (3, 4):
        assert "a copy that broke off" in moves(tmp_path, other, partitions, code=1).stderr


def test_an_empty_redis_has_nothing_to_move(tmp_path: Path, one: Backend) -> None:
    assert "no store yet" in moves(tmp_path, one, 2, code=1).stderr
