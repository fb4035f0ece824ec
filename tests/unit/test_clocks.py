"""Stamps by a clock that jumps, and clocks held against each other."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import NoPermissionError

from service.backends.connect import connect
from service.backends.server import Fake
from service.config import Auth, Redis, Settings
from service.domain.report import EARLIEST_S, LONGEST_AHEAD_MS, Clock
from service.errors import Unavailable
from service.store.clocks import UNKNOWN, Clocks, weaknesses_of_clocks
from tests.conftest import need_server
from tests.factories import BASE_US
from tests.faults.fault_kit import logged
from tests.servers import RedisServer

SECOND_US = 1_000_000
walls_us = st.lists(
    st.integers(BASE_US - 3 * SECOND_US, BASE_US + 3 * SECOND_US) | st.integers(0, 4 * BASE_US),
    min_size=1,
    max_size=50,
)


def stamps_by(some_us: list[int]) -> list[int]:
    walls_ns = iter(1000 * each for each in some_us)
    clock = Clock(lambda: next(walls_ns))
    return [clock() for _ in some_us]


@given(walls_us)
def test_a_stamp_is_at_most_a_second_ahead_of_the_clock_and_never_behind_it(
    some_us: list[int],
) -> None:
    for wall_us, stamp_us in zip(some_us, stamps_by(some_us), strict=True):
        known_us = max(wall_us, EARLIEST_S * SECOND_US)
        assert known_us <= stamp_us <= known_us + SECOND_US


@given(walls_us)
def test_no_two_stamps_in_a_row_are_the_same(some_us: list[int]) -> None:
    stamps = stamps_by(some_us)
    assert all(one != another for one, another in pairwise(stamps))


@given(st.lists(st.integers(0, SECOND_US - 100), max_size=50))
def test_a_clock_that_is_set_back_by_less_than_a_second_keeps_the_order(by_us: list[int]) -> None:
    stamps = stamps_by([BASE_US + each for each in by_us])
    assert stamps == sorted(set(stamps))


class Told(Fake):
    """Servers whose clocks say this, or that fail so."""

    def __init__(self, *said: int | Exception) -> None:
        self.said = said

    async def ask(self, *command: Any) -> list[Any]:
        assert command == ("TIME",)
        for each in self.said:
            if isinstance(each, Exception):
                raise each
        return [divmod(each, SECOND_US) for each in self.said if isinstance(each, int)]


def clocks_by(server: Told, *, steady_s: float = 0.0) -> Clocks:
    """Ours says `BASE_US`."""
    return Clocks(
        server, wall_ns=lambda: 1000 * BASE_US, steady_ns=lambda: int(steady_s * 1_000_000_000)
    )


async def test_of_several_servers_the_one_that_differs_most_is_told_of() -> None:
    clocks = clocks_by(Told(BASE_US - 5 * SECOND_US, BASE_US + 90 * SECOND_US))
    assert await clocks.compare() == (BASE_US - 5 * SECOND_US, -90.0)
    assert clocks.apart_s == -90.0


async def test_a_difference_of_less_than_a_minute_is_not_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Told(BASE_US - 59 * SECOND_US)
    clocks = clocks_by(server)
    await clocks.look()
    assert clocks.apart_s == 0
    assert logged(caplog, "clocks_apart") == 0
    server.said = (BASE_US - 61 * SECOND_US,)
    await clocks.look()
    await clocks.look()
    assert clocks.apart_s == 61.0
    assert logged(caplog, "clocks_apart") == 1


async def test_where_there_is_no_other_clock_ours_is_right() -> None:
    clocks = clocks_by(Told())
    assert await clocks.compare() == (BASE_US, 0.0)
    assert clocks.latest_ms() == BASE_US // 1000 + LONGEST_AHEAD_MS


async def test_the_latest_time_goes_on_by_the_steady_clock() -> None:
    now_s = 100.0
    server = Told(BASE_US + 7 * SECOND_US)
    clocks = Clocks(
        server, wall_ns=lambda: 1000 * BASE_US, steady_ns=lambda: int(now_s * 1_000_000_000)
    )
    assert clocks.latest_ms() == math.inf
    await clocks.look()
    now_s = 103.0
    server.said = (NoConnectionError(),)
    await clocks.look()
    assert clocks.latest_ms() == BASE_US // 1000 + 10_000 + LONGEST_AHEAD_MS


@pytest.mark.parametrize("error", [NoConnectionError(), TimeoutError(), RuntimeError()])
async def test_a_redis_that_is_away_is_told_of_by_others(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    clocks = clocks_by(Told(error))
    with pytest.raises(Unavailable):
        await clocks.compare()
    assert not caplog.records


async def test_a_redis_that_does_not_tell_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clocks = clocks_by(Told(NoPermissionError()))
    await clocks.look()
    await clocks.look()
    assert logged(caplog, "clock_unknown") == 1
    assert clocks.latest_ms() == math.inf


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    need_server()
    with RedisServer() as server:
        yield server


async def test_what_an_operator_is_told_of_a_real_server(redis: RedisServer) -> None:
    redis.command("ACL", "SETUSER", "somebody", "on", ">p", "~*", "+@all", "-time")
    for url, told in [(redis.url, []), (redis.url.replace("//", "//somebody:p@"), [UNKNOWN])]:
        settings = Settings(auth=Auth(tokens=["unused"]), redis=Redis(url=url))
        async with connect(settings) as server:
            assert await weaknesses_of_clocks(server) == told
