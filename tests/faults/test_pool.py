"""The pool of connections: closed by the server, all in use, none free in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from service.backends.pool import Pool
from tests.faults.fault_kit import eventually
from tests.servers import RedisServer


@asynccontextmanager
async def _pool(
    redis: RedisServer, connections: int, timeout_s: float = 5.0
) -> AsyncIterator[Pool]:
    pool: Pool = Pool.from_url(
        redis.url, max_connections=connections, timeout=timeout_s, protocol=2
    )
    try:
        yield pool
    finally:
        await pool.disconnect()


async def test_a_connection_that_the_server_closed_meanwhile_is_connected_again(
    redis: RedisServer,
) -> None:
    async with _pool(redis, 1) as pool:
        connection = await pool.get_connection()
        stream = connection._reader
        await pool.release(connection)
        redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert stream is not None
        await eventually(stream.at_eof, "the connection is closed")
        again = await pool.get_connection()
        assert again is connection
        await again.send_command("ECHO", "here")
        assert await again.read_response() == b"here"
        await pool.release(again)


async def test_a_reply_that_nobody_read_is_not_taken_for_that_of_another(
    redis: RedisServer,
) -> None:
    async with _pool(redis, 1) as pool:
        connection = await pool.get_connection()
        await connection.send_command("ECHO", "of the one before")
        stream: Any = connection._reader
        await eventually(lambda: bool(stream._buffer), "the reply is there")
        await pool.release(connection)
        again = await pool.get_connection()
        await again.send_command("ECHO", "of this one")
        assert await again.read_response() == b"of this one"
        await pool.release(again)


async def test_callers_wait_while_all_connections_are_in_use(redis: RedisServer) -> None:
    async with _pool(redis, 2) as pool:
        in_use = [await pool.get_connection() for _ in range(2)]
        waiting = [asyncio.ensure_future(pool.get_connection()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        for got in waiting:
            await pool.release(in_use.pop(0))
            in_use.append(await got)
        assert len(set(map(id, in_use))) == 2
        for connection in in_use:
            await pool.release(connection)


async def test_a_caller_is_told_when_no_connection_became_free_in_time(redis: RedisServer) -> None:
    async with _pool(redis, 1, timeout_s=0.05) as pool:
        connection = await pool.get_connection()
        with pytest.raises(RedisConnectionError, match="no connection became free"):
            await pool.get_connection()
        await pool.release(connection)
        await pool.release(await pool.get_connection())


async def test_a_server_that_cannot_be_reached_uses_up_no_connection() -> None:
    pool = Pool.from_url("unix:///nowhere/at/all", max_connections=1, timeout=0.05)
    for _ in range(3):
        with pytest.raises(RedisConnectionError, match="nowhere"):
            await pool.get_connection()
