"""One interface to the servers that hold the store. Commands are retried while they are away."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache, partial
from typing import Any, cast

import hiredis
from redis import asyncio as driver
from redis import exceptions as faults
from redis.asyncio.connection import AbstractConnection, DefaultParser

from service.backends.durability import NotDurable, RedisCommand, Wait

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.02

_LONGEST_PAUSE_S = 0.5

MAX_PIPELINED = 200
"""The number of commands in one write of `read_hashes`. Redis does nothing else while it answers
them: for 200 records that takes about a millisecond."""

_READ_BYTES = 2**16

HashRead = tuple[tuple[str, ...], str]
"""The fields to read (`()` means all), and the key of the hash, in ASCII characters only."""

FATAL = (faults.AuthenticationError, faults.AuthorizationError)
"""Fatal errors: the same command would fail again. To the driver they are ConnectionErrors, so
they must be caught before `TRANSIENT`."""

TRANSIENT = (
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
"""Transient errors: the same command may succeed in a moment. They come from a restart, a failover,
a slot that is being moved, or a late replica. AskError includes MovedError. All our commands may be
repeated."""


async def _attempt(until_s: float, send: Callable[[], Awaitable[Any]]) -> Any:
    """Sends once, and stops waiting at the deadline.

    Raises:
        TimeoutError: there was no reply by then.
    """
    try:
        # This deadline may be missed: the driver sends through asyncio.wait_for, which in Python
        # 3.11 can swallow a cancellation. Then the socket's own time-out ends the wait.
        async with asyncio.timeout_at(until_s):
            return await send()
    except RuntimeError as error:
        # uvloop raises it for a write to a connection that the server has just closed, and the
        # driver doesn't catch it.
        raise faults.ConnectionError(str(error)) from error


async def _pause(pause_s: float, until_s: float) -> bool:
    """Sleeps, unless the deadline comes first; returns whether there is time for another try."""
    loop = asyncio.get_running_loop()
    if loop.time() + pause_s >= until_s:
        return False
    await asyncio.sleep(pause_s)
    return loop.time() < until_s


async def _write(connection: AbstractConnection, packed: bytes) -> None:
    """Writes to the connection's stream. The driver's own method makes a task for each write."""
    writer: Any = connection._writer  # noqa: SLF001  see tests/unit/test_borrowed.py
    writer.writelines([packed])
    await writer.drain()


def _packed(reads: Iterable[HashRead]) -> bytes:
    """Encodes an HGETALL or HMGET for each read in Redis' protocol."""
    texts: list[str] = []
    fields, head, tail = None, "", ""
    for wanted, key in reads:
        if wanted is not fields:  # all reads of a page want the same fields
            fields, (head, tail) = wanted, _around_key(wanted)
        texts.append(f"{head}{len(key)}\r\n{key}\r\n{tail}")
    return "".join(texts).encode()


@lru_cache(maxsize=64)
def _around_key(fields: tuple[str, ...]) -> tuple[str, str]:
    """The bytes of a command before the length of its key, and those after the key."""
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
    """The server or servers that hold the store. Finds the node of a partition, and waits for it.

    Attributes:
        wait: how `write` waits for durability; None: a write is done when it is in memory.
    """

    shebang = True
    """Whether scripts may begin with a `#!lua` line."""

    def __init__(self) -> None:
        self._lost: set[str] = set()  # tags of partitions
        self.tries_lost = 0
        """The number of failed tries. A later try may have written the same again."""
        self.wait: Wait | None = None

    async def execute(self, until_s: float, tag: str, *command: Any) -> Any:
        """Sends a command to the server that holds a partition.

        Retries, with pauses that grow, while the server is away or a slot is being moved.

        Args:
            until_s: the deadline, in seconds of the loop's clock.
            tag: of the partition.
            command: its name and arguments.

        Raises:
            RedisError: the server refused the command, or was away until the last try.
            TimeoutError: there was no time for a try, or no reply to the last one.
        """
        send = partial(self._send, tag, *command)
        return await self._retry_until(until_s, tag, partial(_attempt, until_s, send))

    async def read_hashes(self, until_s: float, tag: str, reads: Sequence[HashRead]) -> list[Any]:
        """Reads many hashes of a partition, each as a whole or only the named fields.

        `MAX_PIPELINED` commands go out in one write on one connection. If the connection is lost,
        all of these are sent again.

        Args:
            until_s: the deadline, in seconds of the loop's clock.
            tag: of the partition.
            reads: the hashes and their fields.

        Returns:
            a reply for each read. For named fields it holds their texts, None for a missing field;
            for a whole hash it holds fields and texts in turns. If a key holds something else, its
            reply is a ResponseError, so that one odd key doesn't hide the others.

        Raises:
            RedisError: as `execute` does: the server serves none of the commands.
            TimeoutError: as `execute` does.
        """
        replies: list[Any] = []
        for start in range(0, len(reads), MAX_PIPELINED):
            send = partial(self._read_hashes, tag, reads[start : start + MAX_PIPELINED])
            replies += await self._retry_until(until_s, tag, partial(_attempt, until_s, send))
        return replies

    async def _read_hashes(self, tag: str, reads: Sequence[HashRead]) -> list[Any]:
        return await self._ask(tag, _packed(reads), len(reads), encoding="utf-8")

    async def _ask(
        self, tag: str, packed: bytes, number: int, encoding: str | None = None
    ) -> list[Any]:
        """Sends commands once, on one connection; returns a reply or a ResponseError for each.

        The driver's own methods to send and read take several times as long.

        Args:
            tag: of the partition.
            packed: the commands, encoded in Redis' protocol.
            number: the number of commands.
            encoding: the encoding of texts in the replies; None: they stay bytes.

        Raises:
            RedisError: a subclass that says what is wrong with the server or its user, or that the
                slot is on another node.
        """
        async with self._connection_of(tag) as connection:
            try:
                if not connection.is_connected:  # to ask the driver to connect takes 4 µs
                    await connection.connect()
                async with asyncio.timeout(connection.socket_timeout):
                    await _write(connection, packed)
                    replies = await self._replies(connection, number, encoding)
            except BaseException:  # the rest of the replies must not be read as those of others
                await connection.disconnect(nowait=True)
                raise
            for reply in replies:
                if isinstance(reply, faults.ReadOnlyError):
                    # It was the master when this connection was made. A new one finds the master.
                    await connection.disconnect(nowait=True)
                if isinstance(reply, Exception) and type(reply) is not faults.ResponseError:
                    raise reply
        return replies

    async def _replies(
        self, connection: AbstractConnection, number: int, encoding: str | None
    ) -> list[Any]:
        """Reads this number of replies. The driver's own method takes ten times as long."""
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
                if isinstance(reply, faults.ConnectionError):  # the server is still loading, say
                    raise reply
                replies.append(reply)
        return replies

    async def run(self, until_s: float, tag: str, *command: Any) -> Any:
        """Runs a script, as `execute` does; its reply is made of bytes, integers and lists."""
        send = partial(self._run_all, tag, [command])
        [reply] = await self._retry_until(until_s, tag, partial(_attempt, until_s, send))
        return reply

    async def write(self, until_s: float, tag: str, commands: Sequence[RedisCommand]) -> list[Any]:
        """Runs scripts that write, as `run` does, and returns once their writes are durable.

        They go out in one write on one connection. If one of them fails or its reply is lost, the
        others may have run all the same. A retry sends all of them again.

        Raises:
            NotDurable: the writes are in memory, but not yet where `wait` wants them.
        """
        attempt: Callable[[], Awaitable[Any]]
        if self.wait is None:
            attempt = partial(_attempt, until_s, partial(self._run_all, tag, commands))
        else:
            attempt = self._durable_attempt(self.wait, until_s, tag, commands)
        return cast("list[Any]", await self._retry_until(until_s, tag, attempt))

    def _durable_attempt(
        self, wait: Wait, until_s: float, tag: str, commands: Sequence[RedisCommand]
    ) -> Callable[[], Awaitable[Any]]:
        """An attempt for `_retry_until` to run the commands and wait until they are durable."""
        send = partial(self._run_all_and_wait, wait, until_s, tag, commands)
        missing: NotDurable | None = None

        async def attempt() -> Any:
            nonlocal missing
            try:
                return await _attempt(until_s, send)
            except FATAL:
                raise
            except NotDurable as error:
                missing = error
                raise
            except TRANSIENT:
                if missing is None:
                    raise
                # An earlier try says more than this one, which most often ran out of time.
                raise missing from None

        return attempt

    async def _run_all(self, tag: str, commands: Sequence[RedisCommand]) -> list[Any]:
        packed = b"".join(map(hiredis.pack_command, commands))
        replies = await self._ask(tag, packed, len(commands))
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _run_all_and_wait(
        self, wait: Wait, until_s: float, tag: str, commands: Sequence[RedisCommand]
    ) -> list[Any]:
        """Runs the commands, then waits for the connection's last write, and so for all of them."""
        left_s = until_s - asyncio.get_running_loop().time()
        followed = [*commands, *wait.after(tag, left_s)]
        packed = b"".join(map(hiredis.pack_command, followed))
        replies = await self._ask(tag, packed, len(followed))
        for reply in replies[:-1]:
            if isinstance(reply, Exception):
                raise reply
        wait.check(replies[-1])
        return replies[: len(commands)]

    async def _retry_until(
        self, until_s: float, tag: str, attempt: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Repeats an attempt after transient errors, with exponential back-off, until the deadline.

        Raises:
            TimeoutError: the deadline is over already.
        """
        if asyncio.get_running_loop().time() >= until_s:
            raise TimeoutError
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                reply = await attempt()
            except FATAL:
                raise
            except TRANSIENT as error:
                self._note_failure(tag, error)
                if not await _pause(pause_s, until_s):
                    raise
            else:
                self._note_return(tag)
                return reply
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    @property
    def falters(self) -> bool:
        """Whether a call was lost, and none for the same partition has succeeded since."""
        return bool(self._lost)

    def _note_failure(self, tag: str, error: Exception) -> None:
        self.tries_lost += 1
        if isinstance(error, NotDurable):
            return  # the server is there: it replied
        if not self._lost:
            # Only info: a call waits for a second, so a short loss costs nothing. A longer one is
            # logged as `store_away`.
            log.info("redis_lost", extra={"error": type(error).__name__})
        self._lost.add(tag)

    def _note_return(self, tag: str) -> None:
        # Partitions are noted one by one: a part of a cluster may be away while the rest answers.
        if tag in self._lost:
            self._lost.remove(tag)
            if not self._lost:
                log.info("redis_back")

    @abstractmethod
    async def _send(self, tag: str, *command: Any) -> Any:
        """Sends a command once, and returns its reply."""

    async def home_of(self, tag: str) -> str:  # noqa: ARG002  one server holds all partitions
        """The name of the server that holds a partition."""
        return ""

    @abstractmethod
    def _connection_of(self, tag: str) -> AbstractAsyncContextManager[AbstractConnection]:
        """A connection to the server that holds a partition."""

    @abstractmethod
    async def ask(self, *command: Any) -> list[Any]:
        """Sends a command to every server that takes writes, once; returns all their replies."""

    async def info(self) -> list[dict[str, Any]]:
        """The reply to INFO of every server that takes writes."""
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
        """Sends a command to the server; returns a list with its reply."""
        return [await self._client.execute_command(*command)]

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()


class Fake(OneServer):
    """fakeredis, in this process. Its Lua doesn't know the `#!lua` line."""

    shebang = False

    async def _replies(
        self, connection: AbstractConnection, number: int, encoding: str | None
    ) -> list[Any]:
        # fakeredis has no stream of bytes to read replies from.
        return [await _fake_reply(connection, encoding) for _ in range(number)]

    async def ask(self, *command: Any) -> list[Any]:  # noqa: ARG002  there is no server
        """Asks nobody; returns an empty list."""
        return []
