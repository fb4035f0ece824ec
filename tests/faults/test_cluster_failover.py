"""Redis Cluster loses a master, gets it back, and moves slots, while requests flow."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from redis.crc import key_slot

from service.api.app_keys import REPLAY, STORE
from service.backends.cluster import _LOOK_EVERY_S
from service.backends.connect import connect
from service.config import Redis, Settings
from service.store.keys import tag_of
from tests.backends import soon_s
from tests.conftest import Client, need_server
from tests.faults.fault_kit import (
    LONGEST_S,
    LOOKUP,
    Load,
    eventually,
    logged,
    records_at,
    service_on,
)
from tests.proxy import Proxy
from tests.servers import RedisCluster, RedisServer, node_id, owner_by, owners_by, wait_until

pytestmark = pytest.mark.slow

PARTITIONS = 64
SLOTS = [key_slot(tag_of(partition).encode()) for partition in range(PARTITIONS)]
MOVED = SLOTS[: PARTITIONS // 8]

RECOVERY_S = 2.0
"""Within which the service must have followed a failover."""

CONNECTIONS = 2

Fault = Callable[[RedisServer], object]


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    """Three masters with a replica each, which lose nothing in a restart."""
    need_server()
    with RedisCluster("--appendonly", "yes", replicas=1) as cluster:
        yield cluster


def _load(client: Client, *, forgetful: bool = False) -> Load:
    return Load(str(client.make_url("/")), forgetful=forgetful)


def _owner(cluster: RedisCluster, slot: int) -> RedisServer:
    owner = owner_by(cluster.nodes[0], slot)
    return next(node for node in cluster.nodes if node_id(node) == owner)


async def _until(condition: Callable[[], bool], what: str) -> None:
    """As `wait_until`, while the service goes on."""
    await asyncio.to_thread(wait_until, condition, what, 20)


async def _until_taken_over(cluster: RedisCluster, gone: RedisServer, its_id: str) -> None:
    """Waits until the others have all the slots of one, and serve."""
    left = [node for node in cluster.nodes if node is not gone]

    def taken_over() -> bool:
        owners = {owner for node in left for owner in owners_by(node, SLOTS)}
        states = {"cluster_state:ok" in str(node.command("CLUSTER", "INFO")) for node in left}
        return its_id not in owners and states == {True}

    await _until(taken_over, "a failover")


def _looks(cluster: RedisCluster, gone: RedisServer) -> int:
    """How often the others were asked which node has what."""
    asked = [
        re.search(r"cluster\|slots:calls=(\d+)", _command_statistics(node))
        for node in cluster.nodes
        if node is not gone
    ]
    return sum(int(found[1]) for found in asked if found)


def _command_statistics(node: RedisServer) -> str:
    with node.client() as client:
        client.set_response_callback("INFO", str)
        return str(client.execute_command("INFO", "commandstats"))


def _is_replica(node: RedisServer) -> bool:
    role = node.command("ROLE")
    return isinstance(role, list) and "connected" in role


@pytest.mark.parametrize(
    ("go_away", "come_back"),
    [(RedisServer.kill, RedisServer.start), (RedisServer.pause, RedisServer.resume)],
    ids=["killed", "paused"],
)
async def test_the_service_follows_a_failover(
    cluster: RedisCluster,
    go_away: Fault,
    come_back: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And minds no more when the master comes back as a replica.

    What a master alone has taken may be lost with it: `redis.durability` is memory.
    """
    master = _owner(cluster, SLOTS[0])
    its_id = node_id(master)
    async with service_on(cluster.url, partitions=PARTITIONS) as client:
        async with _load(client, forgetful=True) as load:
            await load.more(200, 200)
            go_away(master)
            gone_s = monotonic()
            await _until_taken_over(cluster, master, its_id)
            over_s = monotonic()
            assert _looks(cluster, master) < (over_s - gone_s) / _LOOK_EVERY_S + 10
            early = set(load.sent)
            await eventually(lambda: monotonic() > over_s + RECOVERY_S, "time to recover")
            await load.more(200, 200)
            come_back(master)
            await _until(lambda: _is_replica(master), "the master to be a replica")
            await load.more(200, 200)
        load.check_answers(LONGEST_S)
        assert 1 <= logged(caplog, "redis_lost") == logged(caplog, "redis_back") <= 3
        errors = [answer.at_s - over_s for answer in load.answers if answer.status != 200]
        assert max(errors, default=0) < RECOVERY_S
        cluster.wait_ok()
        records = await records_at(cluster.url, PARTITIONS)
        assert load.sent - early
        assert load.sent - early <= records.keys()


@pytest.fixture
def cluster_of_nine() -> Iterator[RedisCluster]:
    """Three masters with two replicas each: one takes over, and still has the other."""
    need_server()
    with RedisCluster("--appendonly", "yes", replicas=2) as cluster:
        yield cluster


@pytest.mark.parametrize("journal", [False, True], ids=["refused", "queued"])
async def test_nothing_acknowledged_is_lost_with_a_master_where_replicas_have_it(
    cluster_of_nine: RedisCluster, tmp_path: Path, *, journal: bool
) -> None:
    """With a journal no report is refused either."""
    cluster = cluster_of_nine
    master = _owner(cluster, SLOTS[0])
    its_id, folder = node_id(master), tmp_path if journal else None
    settings: dict[str, Any] = {"partitions": PARTITIONS, "durability": "replica"}
    async with service_on(cluster.url, data_dir=folder, **settings) as client:
        async with _load(client) as load:
            await load.more(200, 200)
            master.kill()
            await _until_taken_over(cluster, master, its_id)
            over_s = monotonic()
            await eventually(lambda: monotonic() > over_s + RECOVERY_S, "time to recover")
            await load.more(200, 200)
        if journal:
            replay = client.app[REPLAY]
            await eventually(lambda: not replay.waiting.reports, "the replay")
            await eventually(lambda: not client.app[STORE].away, "the store")
        load.check_answers(LONGEST_S)
        refused = [answer for answer in load.answers if answer.status == 503]
        if journal:
            assert load.count(202) > 0
            assert {answer.path for answer in refused} <= {LOOKUP}
        assert max((answer.at_s - over_s for answer in refused), default=0) < RECOVERY_S
        master.start()
        cluster.wait_ok()
        load.check_stored(await records_at(cluster.url, PARTITIONS))


async def test_a_restart_of_a_master_loses_nothing(cluster: RedisCluster) -> None:
    """It is back before its replica would take over."""
    master = _owner(cluster, SLOTS[0])
    async with service_on(cluster.url, partitions=PARTITIONS) as client:
        async with _load(client) as load:
            for _ in range(2):
                await load.more(200, 100)
                await asyncio.to_thread(master.stop)
                master.start()
            await load.more(200, 200)
        load.check_answers(LONGEST_S)
        await _until(lambda: all(map(_knows_its_masters, cluster.nodes)), "the cluster to be well")
        load.check_stored(await records_at(cluster.url, PARTITIONS))


def _knows_its_masters(node: RedisServer) -> bool:
    return "cluster_state:ok" in str(node.command("CLUSTER", "INFO"))


async def test_slots_move_to_a_new_node_and_nothing_is_lost(cluster: RedisCluster) -> None:
    async with service_on(cluster.url, partitions=PARTITIONS) as client:
        async with _load(client) as load:
            await load.more(200, 200)
            target = cluster.add()
            await asyncio.to_thread(cluster.wait_ok)
            for slot in MOVED:
                await asyncio.to_thread(_move, cluster, slot, target)
                await load.more(200)
            await load.more(200, 200)
        load.check_answers(LONGEST_S)
        assert load.count(503) == 0
        load.check_stored(await records_at(cluster.url, PARTITIONS))
        assert set(owners_by(cluster.nodes[0], MOVED)) == {node_id(target)}
        assert _looks(cluster, target) <= 3  # at the starts; who has moved is told by MOVED


def _move(cluster: RedisCluster, slot: int, target: RedisServer) -> None:
    """Moves a slot as `redis-cli --cluster reshard` does, ten keys at a time."""
    source = _owner(cluster, slot)
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", node_id(source))
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", node_id(target))
    while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 10):
        assert isinstance(keys, list)
        source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, source):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", node_id(target))


async def test_a_node_that_hangs_holds_up_nobody_who_waits_for_another(
    cluster: RedisCluster, caplog: pytest.LogCaptureFixture
) -> None:
    master = _owner(cluster, SLOTS[0])
    owners = owners_by(master, SLOTS)
    others = [tag_of(p) for p, owner in enumerate(owners) if owner != node_id(master)]
    redis = Redis(url=cluster.url, partitions=PARTITIONS, connections=CONNECTIONS)
    async with connect(Settings(redis=redis)) as server:
        assert await server.execute(soon_s(), others[0], "GET", others[0]) is None
        master.pause()
        hanging = [
            asyncio.ensure_future(server.execute(soon_s(), tag_of(0), "GET", tag_of(0)))
            for _ in range(3 * CONNECTIONS)
        ]
        await asyncio.sleep(0)
        assert await server.execute(soon_s(), others[0], "GET", others[0]) is None
        assert logged(caplog, "redis_lost") == 0  # not even a first try was given up by then
        master.resume()
        assert await asyncio.gather(*hanging) == [None] * len(hanging)


async def test_where_all_nodes_have_moved_elsewhere_the_addresses_of_the_url_are_asked(
    cluster: RedisCluster, redis_cluster: RedisCluster
) -> None:
    """As a name in the URL may lead to other machines by then; played by a proxy."""
    tag = tag_of(0)
    async with Proxy(cluster.nodes[0].port, b"") as proxy:
        redis = Redis(url=proxy.url.replace("redis:", "redis+cluster:"))
        async with connect(Settings(redis=redis)) as server:
            await server.execute(soon_s(), tag, "SET", tag, "here")
            for node in cluster.nodes:
                node.kill()
            proxy._port = redis_cluster.nodes[0].port
            assert await server.execute(soon_s(), tag, "GET", tag) is None
