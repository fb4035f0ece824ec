"""The service follows a failover by Sentinel, and loses nothing that it has acknowledged."""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from typing import NamedTuple

import pytest
from redis import AuthenticationError, ReadOnlyError
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.backends.connect import connect
from service.config import Auth, Redis, Settings
from service.store.keys import tag_of
from tests.backends import soon_s
from tests.conftest import need_server
from tests.factories import event_send
from tests.faults.fault_kit import (
    LONGEST_S,
    SEND,
    SLACK_S,
    Load,
    eventually,
    logged,
    records_at,
    service_on,
    until_ready,
)
from tests.servers import RedisServer, Replicated, Sentinels, free_port

FAILOVER_S = 20.0
"""Within which Sentinel should be through."""
FOLLOWED_S = 2.0
"""Within which the service should then have followed."""


class Watched(NamedTuple):
    """A master, two replicas, and who watches them."""

    servers: Replicated
    sentinels: Sentinels

    def has_failed_over(self) -> bool:
        """Whether the Sentinels agree on a new master, and that has a replica to wait for."""
        ports = self.sentinels.master_ports()
        new = [server for server in self.servers.replicas if ports == {server.port}]
        return any("'state': 'online'" in str(one.command("INFO", "replication")) for one in new)


@pytest.fixture
def watched() -> Iterator[Watched]:
    """One replica more than is waited for, so that a failover leaves one."""
    need_server()
    with Replicated(replicas=2) as servers, Sentinels(servers) as sentinels:
        yield Watched(servers, sentinels)


def _kill(watched: Watched) -> None:
    watched.servers.master.kill()


def _pause(watched: Watched) -> None:
    watched.servers.master.pause()


@pytest.mark.parametrize(
    "lose",
    [pytest.param(_kill, id="killed"), pytest.param(_pause, id="paused", marks=pytest.mark.slow)],
)
async def test_a_failover_under_load_loses_nothing_acknowledged(
    watched: Watched, lose: Callable[[Watched], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with service_on(watched.sentinels.url, durability="replica") as client:
        async with Load(str(client.make_url("/"))) as load:
            await load.more(200)
            lose(watched)
            await eventually(watched.has_failed_over, "a new master", FAILOVER_S)
            followed_s = monotonic() + FOLLOWED_S
            await eventually(lambda: monotonic() > followed_s, "the service to follow")
            before = load.count(503)
            await load.more(200)
            assert load.count(503) == before
        load.check_answers(LONGEST_S)
        load.check_stored(await records_at(watched.sentinels.url))
    assert logged(caplog, "redis_lost") >= 1
    assert logged(caplog, "redis_back") == logged(caplog, "redis_lost")


@pytest.mark.slow
async def test_a_failover_of_a_living_master_loses_nothing_where_all_replicas_are_waited_for(
    watched: Watched,
) -> None:
    """It takes writes until it is told; of one replica it might hear that it has them."""
    async with service_on(watched.sentinels.url, durability="replica", replicas=2) as client:
        async with Load(str(client.make_url("/"))) as load:
            await load.more(200)
            watched.sentinels.servers[0].command("SENTINEL", "FAILOVER", "tracker")
            await load.more(503, 16)  # until the old master is a replica
            await until_ready(client)
            await load.more(200)
        load.check_answers(LONGEST_S)
        load.check_stored(await records_at(watched.sentinels.url))


@pytest.mark.slow
async def test_what_only_the_lost_master_had_was_not_acknowledged(watched: Watched) -> None:
    """The replicas stand still while the master goes on, and then it is gone."""
    old = watched.servers.master
    async with service_on(watched.sentinels.url, timeout_s=0.7, durability="replica") as client:
        async with Load(str(client.make_url("/"))) as load:
            await load.more(200)
            for replica in watched.servers.replicas:
                replica.pause()
            await load.more(503, 32)
            sent = len(load.sent)
            await load.more(503, 32)
            assert len(load.sent) == sent
            held = old.command("DBSIZE")
            assert isinstance(held, int)
            assert held > sent
            old.kill()
            for replica in watched.servers.replicas:
                replica.resume()
            await load.more(200)
        load.check_answers(0.7 + SLACK_S)
        load.check_stored(await records_at(watched.sentinels.url))


async def test_one_sentinel_may_be_away_and_passwords_be_asked_for(watched: Watched) -> None:
    for server in watched.servers.servers:
        server.command("CONFIG", "SET", "masterauth", "of data")
    for server in watched.servers.servers:
        server.command("CONFIG", "SET", "requirepass", "of data")
    for sentinel in watched.sentinels.servers:
        sentinel.command("SENTINEL", "SET", "tracker", "auth-pass", "of data")
        sentinel.command("ACL", "SETUSER", "default", ">of sentinel")
    watched.sentinels.servers[0].kill()
    for server in (watched.servers.master, watched.sentinels.servers[1]):
        with server.client() as nobody:
            nobody.set_retry(Retry(NoBackoff(), 0))
            with pytest.raises(AuthenticationError):
                nobody.ping()
    url = watched.sentinels.url.replace("//", "//:of%20data@")
    async with service_on(f"{url}?sentinel_password=of+sentinel", durability="replica") as client:
        assert (await client.post(SEND, json=event_send(1))).status == 200


async def test_more_calls_than_connections_wait_for_one(watched: Watched) -> None:
    redis = Redis(url=watched.sentinels.url, connections=2)
    async with connect(Settings(auth=Auth(tokens=["unused"]), redis=redis)) as server:
        assert await asyncio.gather(*(server._send("", "PING") for _ in range(8))) == [True] * 8


async def test_no_sentinel_is_forgotten_where_many_ask_at_once(watched: Watched) -> None:
    """The first doesn't answer them, and later it is the only one that does."""
    first, *others = watched.sentinels.servers
    redis = Redis(url=watched.sentinels.url)
    async with connect(Settings(auth=Auth(tokens=["unused"]), redis=redis)) as server:
        first.pause()
        calls = [server.execute(soon_s(), "", "PING") for _ in range(8)]
        assert await asyncio.gather(*calls) == [True] * 8
        first.resume()
        for other in others:
            other.pause()
        watched.servers.master.command("CLIENT", "KILL", "TYPE", "normal")
        assert await server.execute(soon_s(), "", "PING") is True


async def test_a_server_that_is_a_replica_now_is_left_by_the_next_try() -> None:
    """Its connections may stay. Who asks on a new one is led to the present master."""
    need_server()
    tag = tag_of(0)
    with RedisServer() as redis:
        url = f"redis://127.0.0.1:{redis.port}"
        settings = Settings(auth=Auth(tokens=["t"]), redis=Redis(url=url, connections=1))
        async with connect(settings) as server:
            write = "EVAL", "#!lua\nreturn redis.call('SET', KEYS[1], 1)", 1, f"{tag}:fence"
            await server.run(soon_s(), tag, *write)
            redis.command("REPLICAOF", "127.0.0.1", free_port())
            before = _connections(redis)
            until_s = asyncio.get_running_loop().time() + 0.3
            with pytest.raises(ReadOnlyError):
                await server.run(until_s, tag, *write)
            assert _connections(redis) > before + 2  # one is that of `_connections`


def _connections(redis: RedisServer) -> int:
    """How many there have been."""
    with redis.client() as client:
        return int(client.info("stats")["total_connections_received"])
