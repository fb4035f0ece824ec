"""From a URL to a server that answers: embedded, one Redis, a cluster, or fakeredis.

Also the checks of what is behind the URL, made at start and by `--check`.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from fakeredis import FakeAsyncRedis, FakeServer
from redis import asyncio as driver
from redis import exceptions as faults
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from service import config
from service.embedded import embedded_server
from service.errors import ConfigError, StartError
from service.keys import SCHEMA_VERSION
from service.scripts import Layout, Scripts

log = logging.getLogger(__name__)

_START_S = 10.0
_ANSWER_S = 4.9
_LOADING_S = 300.0
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_OLDEST = (7, 0)

_HOPELESS = (faults.AuthenticationError, faults.AuthorizationError)
_PASSING = (
    faults.ConnectionError,
    faults.TimeoutError,
    faults.ReadOnlyError,
    faults.ClusterDownError,
    faults.TryAgainError,
    faults.AskError,
    faults.RedisClusterException,
    OSError,
)
"""Errors after which the same command may succeed in a moment: a restart, a failover, a slot on
the move. AskError includes MovedError. All our commands may be repeated."""


class Server(ABC):
    """What holds the store, seen as one: `execute` finds the right node and waits for it."""

    shebang = True
    """Whether scripts may begin with a `#!lua` line."""

    def __init__(self) -> None:
        self._lost = False

    async def execute(self, until_s: float, tag: str, *command: Any) -> Any:
        """Sends a command to the server that holds a partition.

        Tries again, ever more slowly, while the server is away or a slot is on the move.

        Args:
            until_s: when to give up, in seconds of the loop's clock.
            tag: of the partition.
            command: its name and arguments.

        Raises:
            RedisError: the server refused the command, or was away until the last try.
            TimeoutError: there was no time for a try, or no answer.
        """
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while loop.time() < until_s:
            try:
                # Its time limit may go unnoticed: asyncio.wait_for in Python 3.11, by which the
                # driver sends, can swallow a cancellation. The socket's own limit ends it then.
                async with asyncio.timeout_at(until_s):
                    reply = await self._send(tag, *command)
            except _HOPELESS:
                raise
            except _PASSING as error:
                self._note_loss(error)
                if loop.time() + pause_s >= until_s:
                    raise
            else:
                self._note_return()
                return reply
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise TimeoutError

    def _note_loss(self, error: Exception) -> None:
        if not self._lost:
            self._lost = True
            log.warning("redis_lost", extra={"error": type(error).__name__})

    def _note_return(self) -> None:
        if self._lost:
            self._lost = False
            log.warning("redis_back")

    @abstractmethod
    async def _send(self, tag: str, *command: Any) -> Any:
        """One try."""

    @abstractmethod
    async def info(self) -> list[dict[str, Any]]:
        """INFO of every server that takes writes."""

    @abstractmethod
    async def close(self) -> None:
        """Closes all connections."""


class OneServer(Server):
    """A single server, or one behind a name that fails over by itself."""

    def __init__(self, client: driver.Redis) -> None:
        super().__init__()
        self._client = client

    async def _send(self, tag: str, *command: Any) -> Any:  # noqa: ARG002  it holds all partitions
        return await self._client.execute_command(*command)

    async def info(self) -> list[dict[str, Any]]:
        """INFO of the one."""
        return [await self._client.info()]

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()


class Fake(OneServer):
    """fakeredis in this process: its Lua doesn't know the `#!lua` line."""

    shebang = False

    async def info(self) -> list[dict[str, Any]]:
        """Nothing: there is no server."""
        return []


class Cluster(Server):
    """Redis Cluster.

    Commands go to a partition's node directly. The driver's own routing follows ASK, which during
    the move of a slot would run a script on a node that has only part of the keys: half of a
    record would be written and the other half lost. Here ASK means to wait for the move's end.
    """

    def __init__(self, client: driver.RedisCluster, connections: int) -> None:
        super().__init__()
        self._client = client
        self._free = asyncio.Semaphore(connections)

    async def _send(self, tag: str, *command: Any) -> Any:
        await self._client.initialize()
        node = cast("ClusterNode", self._client.get_node_from_key(tag))
        try:
            async with self._free:
                return await node.execute_command(*command)
        except _PASSING:
            await self._client.nodes_manager.initialize()
            raise

    async def info(self) -> list[dict[str, Any]]:
        """INFO of every master."""
        await self._client.initialize()
        return [await node.execute_command("INFO") for node in self._client.get_primaries()]

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()


@asynccontextmanager
async def connect(settings: config.Settings) -> AsyncIterator[Server]:
    """The server of the settings; starts and stops the embedded one.

    Raises:
        ConfigError: the URL is none that we know.
        StartError: the embedded server doesn't start.
    """
    async with AsyncExitStack() as stack:
        url = settings.redis.url
        if settings.embedded:
            url = await stack.enter_async_context(embedded_server(settings.data_dir))
        server = _server_of(url, settings.redis)
        stack.push_async_callback(server.close)
        yield server


def _server_of(url: str, settings: config.Redis) -> Server:
    # Short enough that even a last try that overstays its time is over within 5 s.
    timeout_s = min(settings.patience_s / 2, _ANSWER_S - settings.patience_s)
    options: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
    }
    try:
        scheme = urlsplit(url).scheme
        if scheme == "fakeredis":
            return Fake(FakeAsyncRedis(server=FakeServer()))
        if scheme in ("redis+cluster", "rediss+cluster"):
            return _cluster(url, settings, options)
        if scheme in ("redis", "rediss", "unix"):
            return _one_server(url, settings, options)
    except ValueError:
        pass  # the driver's text may hold the URL, and so its password
    raise ConfigError(
        "redis.url must be like redis://host:6379/0, rediss://…, unix:///path, "
        "redis+cluster://host:port,host:port, rediss+cluster://… or fakeredis://."
    )


def _one_server(url: str, settings: config.Redis, options: dict[str, Any]) -> Server:
    pool = driver.BlockingConnectionPool.from_url(
        url,
        max_connections=settings.connections,
        timeout=settings.patience_s,
        retry=Retry(NoBackoff(), 0),
        **options,
    )
    return OneServer(driver.Redis.from_pool(pool))


def _cluster(url: str, settings: config.Redis, options: dict[str, Any]) -> Server:
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query:
        raise ValueError("a cluster has no databases, and we know no options")
    credentials, _, hosts = parts.netloc.rpartition("@")
    nodes = []
    for host in hosts.split(","):
        name, _, port = host.rpartition(":")
        nodes.append(ClusterNode(name.strip("[]"), int(port)))
    user, _, password = credentials.partition(":")
    client = driver.RedisCluster(
        startup_nodes=nodes,
        max_connections=settings.connections,
        username=unquote(user) or None,
        password=unquote(password) or None,
        ssl=parts.scheme == "rediss+cluster",
        retry=Retry(NoBackoff(), 0),
        **options,
    )
    return Cluster(client, settings.connections)


async def check(server: Server, scripts: Scripts, settings: config.Settings) -> list[str]:
    """What is wrong with the store. Writes nothing.

    Returns:
        a sentence for each thing that may lose data.

    Raises:
        StartError: the store can't be used: not reachable, too old, laid out otherwise, or it may
            lose data and `redis.strict` is set.
    """
    until_s = asyncio.get_running_loop().time() + (_LOADING_S if settings.embedded else _START_S)
    try:
        async with asyncio.timeout_at(until_s):
            await scripts.merge(0, [], until_s)  # an empty batch: does it take writes?
            layout = await scripts.layout(until_s)
            found = await server.info()
    except (TimeoutError, faults.RedisError, faults.RedisClusterException, OSError) as error:
        text = str(error).rstrip(".") or "it doesn't answer"
        raise StartError(f"Redis can't be used: {type(error).__name__}: {text}.") from None
    if layout:
        _check_layout(layout, settings.redis.partitions)
    warnings = [warning for info in found for warning in _weaknesses(info)]
    if isinstance(server, Fake):
        warnings.append("fakeredis:// is for tests and a look around: nothing is kept.")
    if warnings and settings.redis.strict:
        raise StartError(" ".join([*warnings, "redis.strict is set, so the service won't start."]))
    return warnings


async def claim(scripts: Scripts, settings: config.Settings) -> None:
    """Writes the layout into an empty store, which `check` has found usable.

    Raises:
        StartError: another service was faster, with another layout.
    """
    until_s = asyncio.get_running_loop().time() + _START_S
    layout = await scripts.schema(settings.redis.partitions, until_s)
    _check_layout(layout, settings.redis.partitions)


def _check_layout(layout: Layout, partitions: int) -> None:
    if layout.version != SCHEMA_VERSION:
        raise StartError(
            f"The store was written with schema version {layout.version}; this service has "
            f"{SCHEMA_VERSION}."
        )
    if layout.moving:
        raise StartError(
            f"The messages are on the way to {layout.moving} partitions, and not all are there: "
            "run `python -m service repartition` again, as it was run, until it is done."
        )
    if layout.partitions != partitions:
        raise StartError(
            f"The store has {layout.partitions} partitions, redis.partitions says {partitions}. "
            f"Set it to {layout.partitions}."
        )


def _weaknesses(info: dict[str, Any]) -> list[str]:
    """What a server with this INFO may lose."""
    version = str(info.get("valkey_version") or info["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        raise StartError(f"Redis {version} is too old: 7.0 is the oldest that will do.")
    weaknesses = []
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        weaknesses.append(
            f"Redis deletes messages when its memory is full (maxmemory-policy is {policy}): "
            "set it to noeviction."
        )
    if not info.get("aof_enabled"):
        weaknesses.append(
            "Redis loses its latest writes when it stops (appendonly is off): set it to yes."
        )
    return weaknesses
