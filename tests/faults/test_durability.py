"""What is answered with 200 is where `redis.durability` says, whatever fails meanwhile."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from redis.crc import key_slot

from service.backends.connect import connect
from service.backends.durability import NotDurable
from service.config import Auth, Redis, Settings
from service.domain.identity import id_of, partition_of
from service.store.keys import message_key, tag_of
from tests.backends import soon_s
from tests.conftest import Client, need_server
from tests.factories import event_send, status_update
from tests.faults.fault_kit import (
    LONGEST_S,
    LOOKUP,
    SEND,
    SLACK_S,
    STATUS,
    Load,
    readiness,
    records_at,
    service_on,
    until_ready,
)
from tests.proxy import Cut, Proxy
from tests.servers import RedisCluster, RedisServer, Replicated, wheel_binary

UNAVAILABLE = (503, "The store is not available: durability.")


@pytest.fixture
def replicated() -> Iterator[Replicated]:
    """A master with one replica."""
    need_server()
    with Replicated() as servers:
        yield servers


@pytest.fixture
def valkey() -> Iterator[RedisServer]:
    """A server that has WAITAOF and syncs its file once a second."""
    with RedisServer(
        "--appendonly", "yes", "--appendfsync", "everysec", binary=wheel_binary()
    ) as server:
        yield server


@contextmanager
def _late_replica(replicated: Replicated) -> Iterator[None]:
    replicated.replicas[0].pause()
    try:
        yield
    finally:
        replicated.replicas[0].resume()


@contextmanager
def _no_sync(valkey: RedisServer) -> Iterator[None]:
    valkey.command("CONFIG", "SET", "appendfsync", "no")
    try:
        yield
    finally:
        valkey.command("CONFIG", "SET", "appendfsync", "everysec")


Promise = tuple[RedisServer, str, Callable[[], AbstractContextManager[None]]]
"""A server, what is asked of it, and how it is kept from that."""


@pytest.fixture(params=["replica", "disk"])
def promise(request: pytest.FixtureRequest) -> Iterator[Promise]:
    """Each in turn, on a Valkey.

    To WAIT on Redis 7.0 every command counts as a write of its connection; on newer ones only what
    does write, so that they show whether there is a fence.
    """
    if request.param == "replica":
        with Replicated(binary=wheel_binary()) as replicated:
            yield replicated.master, "replica", lambda: _late_replica(replicated)
    else:
        valkey: RedisServer = request.getfixturevalue("valkey")
        yield valkey, "disk", lambda: _no_sync(valkey)


async def _post(client: Client, path: str, body: object) -> int:
    async with client.post(path, json=body) as response:
        return response.status


async def test_a_report_that_is_not_where_it_should_be_is_not_acknowledged(
    promise: Promise,
) -> None:
    redis, durability, broken = promise
    async with service_on(redis.url, timeout_s=0.7, durability=durability) as client:
        assert await _post(client, SEND, event_send(1)) == 200
        with broken():
            started_s = monotonic()
            assert await _post(client, STATUS, status_update(1, "read")) == 503
            assert monotonic() - started_s < 0.7 + SLACK_S
            assert await readiness(client) == UNAVAILABLE
            metrics = await (await client.get("/metrics")).text()
            assert 'tracker_redis_errors_total{reason="durability"}' in metrics
            # It is in memory, and so it is read.
            async with client.post(LOOKUP, json={"wamids": ["wamid.1"]}) as response:
                assert (await response.json())["statuses"]["wamid.1"]["status"] == "read"
        await until_ready(client)
        assert await _post(client, STATUS, status_update(1, "read")) == 200
    assert (await records_at(redis.url))["wamid.1"].status == "read"


async def test_a_repeated_batch_waits_for_what_its_first_try_wrote(promise: Promise) -> None:
    """The first answer is lost; the second try finds all merged and writes nothing but a fence."""
    redis, durability, broken = promise
    async with (
        Proxy(redis.port, marker=b"wamid.") as proxy,
        service_on(proxy.url, timeout_s=1.5, durability=durability) as client,
    ):
        assert await _post(client, SEND, event_send(1)) == 200  # loads the script
        with broken():
            proxy.cuts = [Cut(reply=0)]
            assert await _post(client, SEND, event_send(2)) == 503
            assert not proxy.cuts
        await until_ready(client)
        proxy.cuts = [Cut(reply=0)]
        assert await _post(client, SEND, event_send(3)) == 200
        assert not proxy.cuts
    assert set(await records_at(redis.url)) == {"wamid.1", "wamid.2", "wamid.3"}


async def test_lost_scripts_are_loaded_again(promise: Promise) -> None:
    redis, durability, broken = promise
    async with service_on(redis.url, timeout_s=0.7, durability=durability) as client:
        redis.command("SCRIPT", "FLUSH")
        assert await _post(client, SEND, event_send(1)) == 200
        redis.command("SCRIPT", "FLUSH")
        with broken():
            assert await _post(client, SEND, event_send(2)) == 503


async def test_what_a_full_server_erases_is_waited_for(promise: Promise) -> None:
    redis, durability, broken = promise
    known = Redis(url=redis.url, durability=durability, timeout_s=0.7)  # type: ignore[arg-type]
    async with connect(Settings(auth=Auth(tokens=["unused"]), redis=known)) as server:
        redis.command("CONFIG", "SET", "maxmemory", "1mb")
        redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        some = [("DEL", "{wa:0}:nothing")] * 2
        assert await server.write(soon_s(), "{wa:0}", some) == [0, 0]
        until_s = asyncio.get_running_loop().time() + 0.7
        with broken(), pytest.raises(NotDurable):
            await server.write(until_s, "{wa:0}", some)


async def test_what_is_acknowledged_is_on_the_replica(replicated: Replicated) -> None:
    """Under load, while the replica comes and goes; then the master is lost."""
    [replica] = replicated.replicas
    async with service_on(replicated.master.url, timeout_s=0.7, durability="replica") as client:
        async with Load(str(client.make_url("/"))) as load:
            await load.more(200)
            with _late_replica(replicated):
                await load.more(503, 16)
            await until_ready(client)
            await load.more(200)
            replicated.master.kill()
            await load.more(503, 16)
        load.check_answers(0.7 + SLACK_S)
    replica.command("REPLICAOF", "NO", "ONE")
    load.check_stored(await records_at(replica.url))


async def test_with_a_journal_reports_wait_in_it_for_the_replica(
    replicated: Replicated, tmp_path: Path
) -> None:
    url = replicated.master.url
    async with service_on(url, data_dir=tmp_path, durability="replica") as client:
        with _late_replica(replicated):
            assert await _post(client, SEND, event_send(1)) == 202
        async with asyncio.timeout(15):
            while await _post(client, STATUS, status_update(1, "read")) != 200:
                pass
    [replica] = replicated.replicas
    replicated.master.kill()
    replica.command("REPLICAOF", "NO", "ONE")
    record = (await records_at(replica.url))["wamid.1"]
    assert (record.status, record.event_id) == ("read", "event-1")


@pytest.mark.parametrize("where", ["redis", "valkey"])
async def test_what_is_acknowledged_is_there_after_a_kill(
    where: str, request: pytest.FixtureRequest
) -> None:
    """Of a server that syncs at every write, and of one that is waited for."""
    redis: RedisServer = request.getfixturevalue(where)
    async with service_on(redis.url, durability="disk") as client:
        async with Load(str(client.make_url("/"))) as load:
            for _ in range(3):
                await load.more(200)
                redis.kill()
                redis.start()
            await load.more(200)
        load.check_answers(LONGEST_S)
        assert load.count(503) == 0
        redis.kill()
        redis.start()
        load.check_stored(await records_at(redis.url))


@pytest.mark.slow
async def test_each_node_of_a_cluster_is_waited_for() -> None:
    """Also when a slot has moved since the service looked where it is."""
    aof = ("--appendonly", "yes", "--appendfsync", "always")
    with RedisCluster(*aof, binary=wheel_binary()) as cluster:
        more: dict[str, Any] = {"partitions": 8, "durability": "disk"}
        async with service_on(cluster.url, timeout_s=0.7, **more) as client:
            for number in range(16):
                assert await _post(client, SEND, event_send(number)) == 200
            _move(cluster, partition_of("wamid.1", 8))
            assert await _post(client, STATUS, status_update(1, "read")) == 200
            for node in cluster.nodes:
                with _no_sync(node):
                    answers = [_post(client, SEND, event_send(n)) for n in range(16, 32)]
                    assert {*await asyncio.gather(*answers)} == {200, 503}
            await until_ready(client)


def _move(cluster: RedisCluster, partition: int) -> None:
    """Moves the partition's slot to another node, all at once."""
    slot = key_slot(tag_of(partition).encode())
    key = message_key(tag_of(partition), id_of("wamid.1"))
    source = next(node for node in cluster.nodes if _holds(node, slot))
    target = next(node for node in cluster.nodes if node is not source)
    keys = source.command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
    assert isinstance(keys, list)
    assert key in keys
    target_id = str(target.command("CLUSTER", "MYID"))
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", str(source.command("CLUSTER", "MYID")))
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, source):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", target_id)


def _holds(node: RedisServer, slot: int) -> bool:
    return bool(node.command("CLUSTER", "COUNTKEYSINSLOT", slot))
