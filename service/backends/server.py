"""A server that holds the store, seen as one: its commands, tried again while it is away."""

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
"""Commands in one write of `read_hashes`: Redis does nothing else while it answers them, which for
as many records takes about a millisecond."""

_READ_BYTES = 2**16

HashRead = tuple[tuple[str, ...], str]
"""Fields, `()` for all, and the key of a hash, which has ASCII characters only."""

HOPELESS = (faults.AuthenticationError, faults.AuthorizationError)
"""Errors after which the same command will fail again."""

PASSING = (
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
        return await self._retry_until(until_s, tag, lambda: self._send(tag, *command))

    async def read_hashes(self, until_s: float, tag: str, reads: Sequence[HashRead]) -> list[Any]:
        """Reads many hashes of a partition, or some fields of each.

        `MAX_PIPELINED` commands go out in one write on one connection. When that is lost, all of
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
        for start in range(0, len(reads), MAX_PIPELINED):
            some = reads[start : start + MAX_PIPELINED]
            replies += await self._retry_until(until_s, tag, partial(self._read_hashes, tag, some))
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
                if isinstance(reply, faults.ReadOnlyError):
                    # It was the master when this connection was made. The next one asks who is.
                    await connection.disconnect(nowait=True)
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
        [reply] = await self._retry_until(until_s, tag, partial(self._run_all, tag, [command]))
        return reply

    async def write(self, until_s: float, tag: str, commands: Sequence[RedisCommand]) -> list[Any]:
        """As `run`, of scripts that write, one after the other: returns when all of it is durable.

        They go out in one write on one connection. When one fails or is lost, the others may have
        been run all the same; when it is worth another try, all of them are sent again.

        Raises:
            NotDurable: it is written, but not where it should be.
        """
        wait = self.wait
        if wait is None:
            run = partial(self._run_all, tag, commands)
        else:
            run = partial(self._run_all_and_wait, wait, until_s, tag, commands)
        return cast("list[Any]", await self._retry_until(until_s, tag, run))

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
        """The wait is for the connection's last write, and so for all of them."""
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
        self, until_s: float, tag: str, send: Callable[[], Awaitable[Any]]
    ) -> Any:
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
            except PASSING as error:
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
