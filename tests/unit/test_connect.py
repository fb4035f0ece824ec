"""A call of Redis is repeated while that can help, and a connection costs little."""

import asyncio
from typing import Any

import pytest
from redis import asyncio as driver
from redis import exceptions as faults

from service.backends.connect import connect
from service.backends.server import OneServer
from service.config import Auth, Redis, Settings


class Closing(OneServer):
    """A server that closes so many connections before it answers, as uvloop says it."""

    def __init__(self, closed: int) -> None:
        super().__init__(driver.Redis())
        self.closed = closed

    async def _send(self, tag: str, *command: Any) -> Any:  # noqa: ARG002  every call is alike
        self.closed -= 1
        if self.closed >= 0:
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")
        return "answer"


async def test_a_connection_that_was_just_closed_costs_no_report() -> None:
    """A report was answered 503, though Redis was restarting and the journal was there."""
    until_s = asyncio.get_running_loop().time() + 5
    assert await Closing(2).execute(until_s, "{wa:0}", "PING") == "answer"


async def test_one_that_is_closed_again_and_again_is_a_lost_connection() -> None:
    with pytest.raises(faults.ConnectionError):
        await Closing(10**9).execute(asyncio.get_running_loop().time() + 0.1, "{wa:0}", "PING")


async def test_a_new_connection_reads_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each looked up the driver's version in its metadata, 2 ms in which nobody else is served."""
    settings = Settings(auth=Auth(tokens=["t"]), redis=Redis(url="redis://127.0.0.1:1"))
    async with connect(settings) as server:
        monkeypatch.setattr("redis.utils.get_lib_version", lambda: pytest.fail("it is looked up"))
        assert isinstance(server, OneServer)
        assert server._client.connection_pool.make_connection().driver_info
