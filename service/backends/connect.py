"""From a URL to a server that answers: private, one Redis, by Sentinel, a cluster, fakeredis."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import lru_cache, partial
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import hiredis
from redis import asyncio as driver
from redis import exceptions as faults
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from service import config
from service.backends.durability import Command, NotDurable, Wait, wait_of
from service.backends.embedded import embedded_server, is_private
from service.backends.sentinel import client_of, nodes_of
from service.errors import ConfigError

log = logging.getLogger(__name__)

_ANSWER_S = 4.9
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_LOOK_EVERY_S = 0.2

MOST_AT_ONCE = 200
"""Commands in one write of `read_hashes`: Redis does nothing else while it answers them, which for
as many records takes about a millisecond."""
_READ_BYTES = 2**16

HashRead = tuple[tuple[str, ...], str]
"""Fields, `()` for all, and the key of a hash, which has ASCII characters only."""

HOPELESS = (faults.AuthenticationError, faults.AuthorizationError)
"""Errors after which the same command will fail again."""
_PASSING = (
    faults.ConnectionError,
    faults.TimeoutError,
    faults.ReadOnlyError,
    faults.ClusterDownError,
    faults.TryAgainError,
    faults.AskError,
    faults.RedisClusterException,
    NotDurable,
    OSError,
)
"""Errors after which the same command may succeed in a moment: a restart, a failover, a slot on
the move, a replica that is late. AskError includes MovedError. All our commands may be repeated."""


async def _tried(send: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await send()
    except RuntimeError as error:
        # uvloop raises it for a write to a connection that the server has just closed, and the
        # driver lets it through.
        raise faults.ConnectionError(str(error)) from error


async def _write(connection: AbstractConnection, packed: bytes) -> None:
    """The driver's own way to write makes a task for it."""
    writer: Any = connection._writer  # noqa: SLF001  see tests/unit/test_borrowed.py
    writer.writelines([packed])
    await writer.drain()


def _packed(reads: Iterable[HashRead]) -> bytes:
    """HGETALL or HMGET of each, as Redis reads it."""
    texts: list[str] = []
    fields, head, tail = None, "", ""
    for asked, key in reads:
        if asked is not fields:  # those of a page are all the same
            fields, (head, tail) = asked, _around_key(asked)
        texts.append(f"{head}{len(key)}\r\n{key}\r\n{tail}")
    return "".join(texts).encode()


@lru_cache(maxsize=64)
def _around_key(fields: tuple[str, ...]) -> tuple[str, str]:
    """What stands before the length of a command's key, and behind the key."""
    name = "HMGET" if fields else "HGETALL"
    texts = [f"${len(field.encode())}\r\n{field}\r\n" for field in fields]
    return f"*{2 + len(fields)}\r\n${len(name)}\r\n{name}\r\n$", "".join(texts)


async def _fake_reply(connection: AbstractConnection, encoding: str | None) -> Any:
    try:
        reply = await connection.read_response()
    except faults.ResponseError as error:
        return error
    return [text and text.decode() for text in reply] if encoding else reply


class Server(ABC):
    """What holds the store, seen as one: finds the right node and waits for it.

    Attributes:
        wait: how `write` waits for durability; None: a write is done when it is in memory.
    """

    shebang = True
    """Whether scripts may begin with a `#!lua` line."""

    def __init__(self) -> None:
        self._lost: set[str] = set()  # tags of partitions
        self.tries_lost = 0
        """Tries that had no answer: what they wrote may have been written once more."""
        self.wait: Wait | None = None

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
        return await self._insist(until_s, tag, lambda: self._send(tag, *command))

    async def read_hashes(self, until_s: float, tag: str, reads: Sequence[HashRead]) -> list[Any]:
        """Reads many hashes of a partition, or some fields of each.

        `MOST_AT_ONCE` commands go out in one write on one connection. When that is lost, all of
        these are sent again.

        Args:
            until_s: when to give up, in seconds of the loop's clock.
            tag: of the partition.
            reads: what of which hash.

        Returns:
            of each the texts of the fields, None for one that isn't there; of a whole hash its
            fields and their texts in turns. Where a key holds something else, a ResponseError
            stands for its reply, so that one odd key hides none of the others.

        Raises:
            RedisError: as `execute` does: the server serves none of the commands.
            TimeoutError: as `execute` does.
        """
        replies: list[Any] = []
        for start in range(0, len(reads), MOST_AT_ONCE):
            some = reads[start : start + MOST_AT_ONCE]
            replies += await self._insist(until_s, tag, partial(self._read_hashes, tag, some))
        return replies

    async def _read_hashes(self, tag: str, reads: Sequence[HashRead]) -> list[Any]:
        return await self._ask(tag, _packed(reads), len(reads), encoding="utf-8")

    async def _ask(
        self, tag: str, packed: bytes, number: int, encoding: str | None = None
    ) -> list[Any]:
        """One try of so many commands on one connection; the reply to each, or a ResponseError.

        The driver's own way to send and read takes several times as long.

        Args:
            tag: of the partition.
            packed: the commands, as Redis reads them.
            number: of the commands.
            encoding: of the texts in the replies; None: they stay bytes.

        Raises:
            RedisError: one of its subclasses that says what ails the server, its user, or the place
                of a slot.
        """
        async with self._connection_of(tag) as connection:
            try:
                await connection.connect()  # unless it is
                async with asyncio.timeout(connection.socket_timeout):
                    await _write(connection, packed)
                    replies = await self._replies(connection, number, encoding)
            except BaseException:  # what is left of the replies must not be taken for others
                await connection.disconnect(nowait=True)
                raise
            for reply in replies:
                if isinstance(reply, Exception) and type(reply) is not faults.ResponseError:
                    raise reply
        return replies

    async def _replies(
        self, connection: AbstractConnection, number: int, encoding: str | None
    ) -> list[Any]:
        """So many replies. The driver's own way to read takes ten times as long for each."""
        stream: Any = connection._reader  # noqa: SLF001  see tests/unit/test_borrowed.py
        reader = hiredis.Reader(
            protocolError=faults.InvalidResponse,
            replyError=DefaultParser.parse_error,
            encoding=encoding,
            errors="replace",
        )
        replies: list[Any] = []
        while len(replies) < number:
            received = await stream.read(_READ_BYTES)
            if not received:
                raise faults.ConnectionError("closed by the server")
            reader.feed(received)
            while (reply := reader.gets()) is not False:
                if isinstance(reply, faults.ConnectionError):  # such as that it is still loading
                    raise reply
                replies.append(reply)
        return replies

    async def run(self, until_s: float, tag: str, *command: Any) -> Any:
        """As `execute`, of a script: its reply as Redis has it, of bytes, integers and lists."""
        return await self._insist(until_s, tag, partial(self._run, tag, command))

    async def _run(self, tag: str, command: Command) -> Any:
        [reply] = await self._ask(tag, hiredis.pack_command(command), 1)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def write(self, until_s: float, tag: str, *command: Any) -> Any:
        """As `run`, of a script that writes: the answer comes when the write is durable.

        Raises:
            NotDurable: it is written, but not where it should be.
        """
        wait = self.wait
        if wait is None:
            return await self.run(until_s, tag, *command)
        run = partial(self._run_and_wait, wait, until_s, tag, command)
        return await self._insist(until_s, tag, run)

    async def _run_and_wait(self, wait: Wait, until_s: float, tag: str, command: Command) -> Any:
        left_s = until_s - asyncio.get_running_loop().time()
        commands = [command, *wait.after(tag, left_s)]
        packed = b"".join(map(hiredis.pack_command, commands))
        replies = await self._ask(tag, packed, len(commands))
        for reply in replies[:-1]:
            if isinstance(reply, Exception):
                raise reply
        wait.check(replies[-1])
        return replies[0]

    async def _insist(self, until_s: float, tag: str, send: Callable[[], Awaitable[Any]]) -> Any:
        """Tries until it succeeds, or time is over."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        missing: NotDurable | None = None  # says more than a last try that ran out of time
        while loop.time() < until_s:
            try:
                # Its time limit may go unnoticed: asyncio.wait_for in Python 3.11, by which the
                # driver sends, can swallow a cancellation. The socket's own limit ends it then.
                async with asyncio.timeout_at(until_s):
                    reply = await _tried(send)
            except HOPELESS:
                raise
            except _PASSING as error:
                self.tries_lost += 1
                if isinstance(error, NotDurable):
                    missing = error
                elif missing is None:
                    self._note_loss(tag, error)
                if loop.time() + pause_s >= until_s:
                    raise missing or error from None
            else:
                self._note_return(tag)
                return reply
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise missing or TimeoutError

    @property
    def falters(self) -> bool:
        """Whether a call was lost, and none for the same partition has succeeded since."""
        return bool(self._lost)

    def _note_loss(self, tag: str, error: Exception) -> None:
        if not self._lost:
            # Only info: a call waits for a second, so a short loss costs nothing. A longer one is
            # logged as `store_away`.
            log.info("redis_lost", extra={"error": type(error).__name__})
        self._lost.add(tag)

    def _note_return(self, tag: str) -> None:
        """Of a cluster one part may be away, while the others answer."""
        if tag in self._lost:
            self._lost.remove(tag)
            if not self._lost:
                log.info("redis_back")

    @abstractmethod
    async def _send(self, tag: str, *command: Any) -> Any:
        """One try."""

    async def home_of(self, tag: str) -> str:  # noqa: ARG002  one server holds all partitions
        """The name of the server that holds a partition."""
        return ""

    @abstractmethod
    def _connection_of(self, tag: str) -> AbstractAsyncContextManager[AbstractConnection]:
        """A connection to the server that holds a partition."""

    @abstractmethod
    async def ask(self, *command: Any) -> list[Any]:
        """The answer of every server that takes writes."""

    async def info(self) -> list[dict[str, Any]]:
        """INFO of every server that takes writes."""
        return await self.ask("INFO")

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

    @asynccontextmanager
    async def _connection_of(self, tag: str) -> AsyncIterator[AbstractConnection]:  # noqa: ARG002
        pool = self._client.connection_pool
        connection = await pool.get_connection()
        try:
            yield connection
        finally:
            await pool.release(connection)

    async def ask(self, *command: Any) -> list[Any]:
        """The answer of the one."""
        return [await self._client.execute_command(*command)]

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()


class Fake(OneServer):
    """fakeredis in this process: its Lua doesn't know the `#!lua` line."""

    shebang = False

    async def _replies(
        self, connection: AbstractConnection, number: int, encoding: str | None
    ) -> list[Any]:
        """There is no stream of bytes."""
        return [await _fake_reply(connection, encoding) for _ in range(number)]

    async def ask(self, *command: Any) -> list[Any]:  # noqa: ARG002  there is no server
        """Nothing."""
        return []


class Cluster(Server):
    """Redis Cluster.

    Commands go to a partition's node directly. The driver's own routing follows ASK, which during
    the move of a slot would run a script on a node that has only part of the keys: half of a
    record would be written and the other half lost. Here ASK means to wait for the move's end.

    Args:
        client: with the nodes of the URL, and room for more than twice the connections.
        connections: to a node at the most. Each has its own, so that one which hangs holds up
            nobody who waits for another.
    """

    def __init__(self, client: driver.RedisCluster, connections: int) -> None:
        super().__init__()
        self._client = client
        self._nodes = client.nodes_manager
        self._seeds = dict(self._nodes.startup_nodes)
        self._free: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(connections)
        )
        self._looked_s = -math.inf

    async def _send(self, tag: str, *command: Any) -> Any:
        async with self._node_of(tag) as node:
            return await node.execute_command(*command)

    @asynccontextmanager
    async def _connection_of(self, tag: str) -> AsyncIterator[AbstractConnection]:
        async with self._node_of(tag) as node:
            connection = node.acquire_connection()
            try:
                await node.disconnect_if_needed(connection)
                yield connection
            finally:
                node.release(connection)

    @asynccontextmanager
    async def _node_of(self, tag: str) -> AsyncIterator[ClusterNode]:
        """The partition's node. After an error that may pass, all nodes are looked up anew."""
        await self._client.initialize()
        node = cast("ClusterNode", self._client.get_node_from_key(tag))
        try:
            async with self._free[node.name]:
                yield node
        except faults.MovedError as error:
            await self._nodes.move_slot(error)
            raise
        except faults.AskError:
            raise  # who has the slot hasn't changed yet
        except _PASSING:
            await self._look_around(node)
            raise

    async def _look_around(self, failed: ClusterNode) -> None:
        """Asks the nodes which of them has what; the one that failed is asked last.

        Not at every failure: where a node is gone all batches for it fail again and again, and the
        answer takes 10 ms to read and has every connection opened anew.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s < self._looked_s + _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        try:
            await self._nodes.initialize(last_failed_node_name=failed.name)
        except faults.RedisClusterException:
            # None of those that the driver remembers is there: all may have moved elsewhere.
            self._nodes.startup_nodes |= self._seeds
            raise

    async def home_of(self, tag: str) -> str:
        """The name of the server that holds a partition."""
        await self._client.initialize()
        return cast("ClusterNode", self._client.get_node_from_key(tag)).name

    async def ask(self, *command: Any) -> list[Any]:
        """The answer of every master."""
        await self._client.initialize()
        return [await node.execute_command(*command) for node in self._client.get_primaries()]

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
            url = await stack.enter_async_context(
                embedded_server(settings.data_dir, settings.appendfsync)
            )
        server = _server_of(url, settings.redis)
        stack.push_async_callback(server.close)
        yield server


def address_of(settings: config.Settings) -> str:
    """Where the store is, fit for a log: the URL, in which no user, password and option is left."""
    if is_private(settings.redis.url, settings.data_dir):
        return "the private server"
    parts = urlsplit(settings.redis.url)
    database = parse_qs(parts.query).get("db", [""])[-1]
    path = parts.path.rstrip("/") + (f"?db={database}" if database else "")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def _server_of(url: str, settings: config.Redis) -> Server:
    # Short enough that even a last try that overstays its time is over within 5 s.
    timeout_s = min(settings.patience_s / 2, _ANSWER_S - settings.patience_s)
    try:
        _check_form(url)
        server = _KINDS[urlsplit(url).scheme](
            url,
            settings,
            protocol=2,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
    # The driver raises any of these for a bad option. Its text is hidden: it may hold the password.
    except (KeyError, TypeError, ValueError, faults.RedisError):
        raise ConfigError(
            "redis.url must be like redis://host:6379/0, rediss://…, unix:///path, "
            "redis+sentinel://host:port,host:port/name, rediss+sentinel://…, "
            "redis+cluster://host:port,host:port, rediss+cluster://… or fakeredis://, and so must "
            "--to-url or REPARTITION_TO_URL. A user and a password in it are percent-encoded: "
            "p%40ss for p@ss."
        ) from None
    server.wait = wait_of(settings, timeout_s)
    return server


def _check_form(url: str) -> None:
    """Refuses URLs that the driver and `urlsplit` would misread.

    Raises:
        ValueError: the URL has no form that we know.
    """
    if not url.isprintable() or "%00" in url:
        raise ValueError("a line's end is dropped by urlsplit, and a NUL refused by the system")
    parts = urlsplit(url)
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("a path is needed")
    elif " " in url or "#" in url:
        raise ValueError("what is behind a # would be ignored")
    if parts.scheme in {"redis", "rediss"}:
        _, _, nodes = nodes_of(parts.netloc, usual_port="6379")
        if len(nodes) > 1 or not re.fullmatch(r"/?[0-9]*", parts.path):
            raise ValueError("one host is needed, and the number of a database at the most")


def _fake(_url: str, _settings: config.Redis, **_options: Any) -> Server:
    from fakeredis import FakeAsyncRedis, FakeServer  # noqa: PLC0415  0.15 s for who uses another

    return Fake(FakeAsyncRedis(server=FakeServer(), protocol=2))


def _one_server(url: str, settings: config.Redis, **options: Any) -> Server:
    pool = driver.BlockingConnectionPool.from_url(
        url, max_connections=settings.connections, timeout=settings.patience_s, **options
    )
    pool.make_connection()  # which refuses wrong options, and connects to nothing
    return OneServer(driver.Redis.from_pool(pool))


def _watched(url: str, settings: config.Redis, **options: Any) -> Server:
    limits = {"max_connections": settings.connections, "timeout": settings.patience_s}
    return OneServer(client_of(url, **limits, **options))


def _cluster(url: str, settings: config.Redis, **options: Any) -> Server:
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query:
        raise ValueError("a cluster has no databases, and we know no options")
    user, password, nodes = nodes_of(parts.netloc)
    client = driver.RedisCluster(
        startup_nodes=[ClusterNode(*node) for node in nodes],
        max_connections=2 * settings.connections + 1,  # it counts those that it is closing
        username=user,
        password=password,
        ssl=parts.scheme == "rediss+cluster",
        **options,
    )
    return Cluster(client, settings.connections)


_KINDS: dict[str, Callable[..., Server]] = {
    "fakeredis": _fake,
    **dict.fromkeys(["redis", "rediss", "unix"], _one_server),
    **dict.fromkeys(["redis+sentinel", "rediss+sentinel"], _watched),
    **dict.fromkeys(["redis+cluster", "rediss+cluster"], _cluster),
}
