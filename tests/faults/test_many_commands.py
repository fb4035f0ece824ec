"""Many hashes read at once, when the connection breaks, the server hangs or the caller leaves."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from redis import exceptions as faults
from redis.crc import key_slot

from service.backends.cluster import Cluster
from service.backends.connect import connect
from service.backends.server import MAX_PIPELINED, HashRead, Server
from service.config import Redis, Settings
from service.store.keys import message_key, tag_of
from tests.backends import soon_s
from tests.conftest import need_server
from tests.faults.fault_kit import logged
from tests.proxy import Cut, Proxy
from tests.servers import (
    RedisCluster,
    RedisServer,
    Replicated,
    Sentinels,
    node_id,
    owner_by,
    wait_until,
)

TAG = tag_of(0)
NUMBER = MAX_PIPELINED + 50
KEYS = [message_key(TAG, f"{number:022}") for number in range(NUMBER)]
READS: list[HashRead] = [((), key) for key in KEYS]
REPLIES = [["wamid", key] for key in KEYS]
LAST = KEYS[MAX_PIPELINED - 1].encode()
"""Of the first write; no other has it."""
FIRST_BYTES = sum(len(f"*2\r\n$5\r\nwamid\r\n${len(key)}\r\n{key}\r\n") for key in KEYS[:-50])
"""Of the replies to the first write."""


@asynccontextmanager
async def _server_at(url: str, **settings: float) -> AsyncIterator[Server]:
    redis = Redis(url=url, **settings)  # type: ignore[arg-type]
    async with connect(Settings(redis=redis)) as server:
        for key in KEYS:
            await server.execute(soon_s(), TAG, "HSET", key, "wamid", key)
        yield server


@contextmanager
def _paused(redis: RedisServer) -> Iterator[None]:
    redis.pause()
    try:
        yield
    finally:
        redis.resume()


@asynccontextmanager
async def _cut_off(redis: RedisServer, **settings: float) -> AsyncIterator[tuple[Server, Proxy]]:
    async with (
        Proxy(redis.port, marker=LAST) as proxy,
        _server_at(proxy.url, **settings) as server,
    ):
        yield server, proxy


async def _ask(server: Server, within_s: float = 10.0) -> list[object]:
    until_s = asyncio.get_running_loop().time() + within_s
    return await server.read_hashes(until_s, TAG, READS)


async def test_replies_cut_anywhere_are_asked_for_again(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    cuts = [
        *(Cut(reply=at) for at in (0, 1, 60, 3_000, FIRST_BYTES - 1)),
        *(Cut(request=at) for at in (0, 1, 60, 3_000)),
    ]
    async with _cut_off(redis) as (server, proxy):
        for lost, cut in enumerate(cuts, start=1):
            proxy.cuts = [cut]
            assert await _ask(server) == REPLIES
            assert server.tries_lost == lost
            assert not server.falters
    assert logged(caplog, "redis_lost") == logged(caplog, "redis_back") == len(cuts)


async def test_only_what_was_lost_is_asked_for_again(redis: RedisServer) -> None:
    async with _cut_off(redis) as (server, proxy):
        proxy._marker = KEYS[-1].encode()  # of the second write
        proxy.cuts = [Cut(reply=5)]
        redis.command("CONFIG", "RESETSTAT")
        assert await _ask(server) == REPLIES
        calls = str(redis.command("INFO", "commandstats"))
    assert f"'cmdstat_hgetall': {{'calls': {NUMBER + 50}," in calls


async def test_a_caller_that_leaves_in_the_midst_leaves_no_reply_to_another(
    redis: RedisServer,
) -> None:
    """There is one connection: half of the replies have been read from it."""
    async with _cut_off(redis, connections=1) as (server, proxy):
        for at in (0, 60, 3_000):
            proxy.cuts = [Cut(reply=at or 1, hangs=True)]
            proxy.hanging.clear()
            caller = asyncio.ensure_future(_ask(server))
            await proxy.hanging.wait()
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
            assert await server.execute(soon_s(), TAG, "HGET", KEYS[1], "wamid") == KEYS[1].encode()
            assert await _ask(server) == REPLIES


async def test_where_the_rest_of_the_replies_never_comes_time_is_up(redis: RedisServer) -> None:
    """Nor does the connection, which still may bring them, serve another."""
    async with _cut_off(redis, connections=1) as (server, proxy):
        proxy.cuts = [Cut(reply=3_000, hangs=True)]
        with pytest.raises((TimeoutError, faults.TimeoutError)):
            await _ask(server, within_s=0.3)
        assert server.falters
        assert await _ask(server) == REPLIES
        assert not server.falters


async def test_a_server_that_hangs_is_waited_for_until_time_is_up(redis: RedisServer) -> None:
    async with _server_at(redis.url, connections=1) as server:
        with _paused(redis), pytest.raises((TimeoutError, faults.TimeoutError)):
            await _ask(server, within_s=0.3)
        assert await _ask(server) == REPLIES


@pytest.mark.parametrize("leaves", [True, False], ids=["caller leaves", "time is up"])
async def test_of_a_node_that_hangs_no_late_reply_is_another_s(
    redis_cluster: RedisCluster, leaves: bool
) -> None:
    redis_cluster.flush()
    slot = key_slot(TAG.encode())
    node = next(node for node in redis_cluster.nodes if owner_by(node, slot) == node_id(node))
    async with _server_at(redis_cluster.url, connections=1) as server:
        with _paused(node):
            caller = asyncio.ensure_future(_ask(server, within_s=10 if leaves else 0.2))
            if leaves:
                await _until_sent(server)
                caller.cancel()
            with pytest.raises((TimeoutError, faults.TimeoutError, asyncio.CancelledError)):
                await caller
        assert await server.execute(soon_s(), TAG, "HGET", KEYS[1], "wamid") == KEYS[1].encode()
        assert await _ask(server) == REPLIES


async def test_a_restart_is_waited_for(redis: RedisServer) -> None:
    async with _server_at(redis.url) as server:
        redis.kill()
        caller = asyncio.ensure_future(_ask(server))
        while not server.falters:  # noqa: ASYNC110  nobody is told of it
            await asyncio.sleep(0)
        await asyncio.to_thread(redis.start)
        assert await caller == REPLIES


async def test_a_user_that_may_not_read_is_no_store_without_messages(redis: RedisServer) -> None:
    async with _server_at(redis.url) as server:
        redis.command("ACL", "SETUSER", "default", "-hgetall")
        with pytest.raises(faults.NoPermissionError):
            await _ask(server)
        redis.command("ACL", "SETUSER", "default", "+hgetall")
        assert await _ask(server) == REPLIES


async def test_more_calls_than_connections_wait_for_one(redis: RedisServer) -> None:
    async with _server_at(redis.url, connections=2) as server:
        assert await asyncio.gather(*(_ask(server) for _ in range(8))) == [REPLIES] * 8


async def test_the_master_is_asked_for_when_connections_to_it_are_lost() -> None:
    need_server()
    with Replicated() as servers, Sentinels(servers) as sentinels:
        async with _server_at(sentinels.url) as server:
            assert await _ask(server) == REPLIES
            servers.master.command("CLIENT", "KILL", "TYPE", "normal")
            assert await _ask(server) == REPLIES


async def test_replies_wait_while_the_slot_is_on_the_move(redis_cluster: RedisCluster) -> None:
    """Half of the keys are where they were, half are where they will be."""
    redis_cluster.flush()
    slot = key_slot(TAG.encode())
    async with _server_at(redis_cluster.url) as server:
        source = next(node for node in redis_cluster.nodes if owner_by(node, slot) == node_id(node))
        target = next(node for node in redis_cluster.nodes if node is not source)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", node_id(source))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", node_id(target))
        _migrate(source, target, KEYS[::2])
        caller = asyncio.ensure_future(_ask(server))
        while server.tries_lost < 2:  # noqa: ASYNC110  nobody is told of it
            await asyncio.sleep(0)
        assert not caller.done()
        _migrate(source, target, KEYS[1::2])
        for node in (target, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", node_id(target))
        assert await caller == REPLIES
    third = next(node for node in redis_cluster.nodes if node not in (source, target))
    await asyncio.to_thread(
        wait_until, lambda: owner_by(third, slot) == node_id(target), "the move to be known"
    )


async def _until_sent(server: Server) -> None:
    """Waits until the replies are waited for on the one connection to the partition's node."""
    assert isinstance(server, Cluster)
    node: Any = server._client.get_node_from_key(TAG)
    [connection] = node._connections
    while connection._reader._waiter is None:  # noqa: ASYNC110  nobody is told of it
        await asyncio.sleep(0)


def _migrate(source: RedisServer, target: RedisServer, keys: list[str]) -> None:
    source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)


async def test_a_node_that_has_gone_is_one_that_others_are_asked_about(
    redis_cluster: RedisCluster,
) -> None:
    """Connections broken by a node are opened anew, as many at once as a node may have."""
    redis_cluster.flush()
    async with _server_at(redis_cluster.url, connections=2) as server:
        assert await asyncio.gather(*(_ask(server) for _ in range(8))) == [REPLIES] * 8
        for node in redis_cluster.nodes:
            node.command("CLIENT", "KILL", "TYPE", "normal")
        assert await asyncio.gather(*(_ask(server) for _ in range(8))) == [REPLIES] * 8
