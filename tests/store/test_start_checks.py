"""What the service says at start of the Redis behind it, and what it refuses to start on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import ResponseError
from redis.asyncio.connection import SSLConnection

from service.backends.connect import connect
from service.backends.sentinel import client_of
from service.config import Auth, Redis, Settings
from service.errors import ConfigError, StartError
from service.store.scripts import Scripts
from service.store.startup import check, record_size
from tests.conftest import need_server
from tests.servers import RedisServer, Replicated, free_port, wheel_binary

NO_REPLICA = "Redis has no replica: if its machine is lost, so are all messages."


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of the test's own; of 7.0, say, which has no WAITAOF."""
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server


@pytest.fixture
def valkey() -> Iterator[RedisServer]:
    """A server that has WAITAOF."""
    with RedisServer(appendonly=True, binary=wheel_binary()) as server:
        yield server


async def _found(url: str, data_dir: str = "data", **settings: object) -> tuple[list[str], str]:
    """The warnings, and by which command writes are waited for."""
    redis = Redis(url=url, **settings)  # type: ignore[arg-type]
    known = Settings(data_dir=data_dir, auth=Auth(tokens=["t"]), redis=redis)
    async with connect(known) as server:
        warnings = await check(server, Scripts(server), known)
        return warnings, str(server.wait.command[0]) if server.wait else ""


def _without_waitaof(redis: RedisServer, *rules: str) -> str:
    """The URL of a user for whom there is no WAITAOF, as for nobody on Redis 7.0."""
    try:
        redis.command("WAITAOF", 0, 0, 1)
        rules = (*rules, "-waitaof")
    except ResponseError:
        pass
    redis.command("ACL", "SETUSER", "somebody", "on", ">p", "~*", "+@all", *rules)
    return redis.url.replace("//", "//somebody:p@")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru"),
        ("appendonly", "no", "appendonly is off"),
        ("appendfsync", "no", "appendfsync is no"),
    ],
)
async def test_each_weakness_is_a_warning_and_a_refusal_where_the_settings_are_strict(
    redis: RedisServer, name: str, value: str, sentence: str
) -> None:
    assert (await _found(redis.url))[0] == [NO_REPLICA]
    redis.command("CONFIG", "SET", name, value)
    [weakness] = {*(await _found(redis.url))[0]} - {NO_REPLICA}
    assert sentence in weakness
    with pytest.raises(StartError, match=r"redis\.strict is set"):
        await _found(redis.url, strict=True)


async def test_a_missing_replica_is_a_refusal_where_the_settings_are_strict(
    redis: RedisServer,
) -> None:
    with pytest.raises(StartError, match="has no replica"):
        await _found(redis.url, strict=True)


async def test_the_private_server_needs_no_replica(tmp_path: Path) -> None:
    need_server()
    assert await _found("", str(tmp_path / "data"), strict=True) == ([], "")


async def test_the_private_server_syncs_every_write_where_disk_is_asked_for(
    tmp_path: Path,
) -> None:
    need_server()
    redis = Redis(durability="disk")
    settings = Settings(data_dir=str(tmp_path / "data"), auth=Auth(tokens=["t"]), redis=redis)
    async with connect(settings) as server:
        assert await check(server, Scripts(server), settings) == []
        assert await server.ask("CONFIG GET", "appendfsync") == [{"appendfsync": "always"}]


async def test_too_few_replicas_are_a_warning_since_more_may_be_coming() -> None:
    need_server()
    with Replicated() as servers:
        url = servers.master.url
        assert await _found(url, durability="replica") == ([], "WAIT")
        [warning], _ = await _found(url, durability="replica", replicas=2)
        assert "redis.replicas says 2, but Redis has 1" in warning
        with pytest.raises(StartError, match=r"redis\.strict is set"):
            await _found(url, durability="replica", replicas=2, strict=True)


async def test_disk_on_a_redis_without_waitaof_needs_every_write_synced(
    redis: RedisServer,
) -> None:
    url = _without_waitaof(redis)
    assert await _found(url, durability="disk") == ([NO_REPLICA], "")
    for appendfsync in ("everysec", "no"):
        redis.command("CONFIG", "SET", "appendfsync", appendfsync)
        with pytest.raises(StartError, match="set its appendfsync to always"):
            await _found(url, durability="disk")


async def test_disk_where_redis_does_not_tell_how_it_syncs_is_refused(redis: RedisServer) -> None:
    url = _without_waitaof(redis, "-config")
    assert (await _found(url))[0] == [NO_REPLICA]
    with pytest.raises(StartError, match="refuses CONFIG GET"):
        await _found(url, durability="disk")


async def test_disk_on_a_redis_with_waitaof_waits_however_it_syncs(valkey: RedisServer) -> None:
    for appendfsync in ("always", "everysec"):
        valkey.command("CONFIG", "SET", "appendfsync", appendfsync)
        assert await _found(valkey.url, durability="disk") == ([NO_REPLICA], "WAITAOF")


async def test_disk_without_an_append_only_file_is_refused(
    redis: RedisServer, valkey: RedisServer
) -> None:
    for server in (redis, valkey):
        server.command("CONFIG", "SET", "appendonly", "no")
        with pytest.raises(StartError, match="set its appendonly to yes"):
            await _found(server.url, durability="disk")


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://h:1",
        "redis+sentinel://h:1/",
        "redis+sentinel://h:1/a/b",
        "redis+sentinel://h/a",
        "redis+sentinel://h:x/a",
        "redis+sentinel:///a",
        "redis+sentinel://h:1/a?b=c",
        "redis+sentinel://h:1/a?sentinel_password",
        "redis+sentinels://h:1/a",
    ],
)
async def test_a_sentinel_url_that_is_wrong_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis\+sentinel://host:port,host:port/name") as raised:
        await _found(url.replace("//", "//user:hush@"))
    assert "hush" not in str(raised.value)


async def test_tls_and_passwords_go_to_servers_and_sentinels_each_their_own() -> None:
    url = "rediss+sentinel://u:data@h:1,[::1]:2/name?sentinel_username=v&sentinel_password=s"
    client = client_of(url, max_connections=1, timeout=1, socket_timeout=1, protocol=2)
    pools = [client.connection_pool, *(each.connection_pool for each in client.sentinels.sentinels)]
    assert all(issubclass(pool.connection_class, SSLConnection) for pool in pools)
    found = [pool.connection_kwargs for pool in pools]
    assert [(each["username"], each["password"]) for each in found] == [
        ("u", "data"),
        ("v", "s"),
        ("v", "s"),
    ]
    assert [(each["host"], each["port"]) for each in found[1:]] == [("h", 1), ("::1", 2)]
    assert {each["socket_timeout"] for each in found} == {1}


async def test_sentinels_that_do_not_answer_are_named_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"redis+sentinel://user:hush@127.0.0.1:{free_port()}/a?sentinel_password=hush2"
    monkeypatch.setattr("service.store.startup._START_S", 0.3)
    with pytest.raises(StartError, match="No master found for 'a'") as raised:
        await _found(url)
    assert "hush" not in str(raised.value)


# What records take ------------------------------------------------------------------------------


async def _size_on(url: str, data_dir: str = "data") -> tuple[str, bool]:
    known = Settings(data_dir=data_dir, auth=Auth(tokens=["t"]), redis=Redis(url=url))
    async with connect(known) as server:
        return await record_size(server)


@pytest.mark.parametrize("binary", [None, "wheel"], ids=["redis", "valkey"])
async def test_a_redis_that_keeps_long_values_dearly_is_told_of(binary: str | None) -> None:
    """At the default of 64 a failure's record took 2,424 bytes, not 1,128."""
    need_server()
    with RedisServer(binary=wheel_binary() if binary else None) as server:
        assert await _size_on(server.url) == ("", True)
        server.command("CONFIG", "SET", "hash-max-listpack-value", "64")
        sentence, is_known = await _size_on(server.url)
        assert "hash-max-listpack-value is 64" in sentence
        assert "three times the memory" in sentence
        assert is_known


async def test_where_config_is_refused_the_setting_is_told_of_and_no_more(
    redis: RedisServer,
) -> None:
    redis.command("ACL", "SETUSER", "somebody", "on", ">p", "~*", "+@all", "-config")
    sentence, is_known = await _size_on(redis.url.replace("//", "//somebody:p@"))
    assert "CONFIG GET doesn't tell hash-max-listpack-value" in sentence
    assert "Set it to 512" in sentence
    assert not is_known


@pytest.mark.parametrize("wheel", [False, True])
async def test_the_private_server_keeps_records_compact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, wheel: bool
) -> None:
    """Whichever server it is; the longest record with an error's details among them."""
    need_server()
    if wheel:
        monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(data_dir=str(tmp_path / "data"), auth=Auth(tokens=["t"]))
    async with connect(settings) as server:
        assert await record_size(server) == ("", True)
        await server.ask("HSET", "{wa:0}:msg:A", "error_details", "d" * 512)
        assert await server.ask("OBJECT", "ENCODING", "{wa:0}:msg:A") == [b"listpack"]


async def test_fakeredis_has_nothing_to_set() -> None:
    assert await _size_on("fakeredis://") == ("", True)
