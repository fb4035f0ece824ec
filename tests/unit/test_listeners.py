"""What waits for a listener is bounded, and it is told what it lost by that."""

import asyncio

import pytest

from service.live.subscribers import ALL, MAX_BACKLOG_BYTES, MOST_BLOCKS, Subscriber


class Open:
    """A connection."""

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        raise AssertionError


@pytest.fixture
async def listener() -> Subscriber:
    return Subscriber(ALL, Open())


async def test_it_takes_all_that_waits_in_order(listener: Subscriber) -> None:
    for block in (b"1", b"2", b"3"):
        assert listener.offer(block)
    assert not listener.idle
    assert await listener.take() == [b"1", b"2", b"3"]


async def test_it_waits_until_there_is_something(listener: Subscriber) -> None:
    taking = asyncio.ensure_future(listener.take())
    await asyncio.sleep(0)
    assert not taking.done()
    assert listener.idle
    listener.offer(b"1")
    assert await taking == [b"1"]


@pytest.mark.parametrize(("size", "number"), [(1, MOST_BLOCKS), (MAX_BACKLOG_BYTES // 4, 4)])
async def test_what_waits_is_bounded(listener: Subscriber, size: int, number: int) -> None:
    for place in range(number):
        assert listener.laden == (place > number // 2)
        assert listener.offer(bytes(size))
    assert not listener.offer(b"1")
    assert len(await listener.take()) == number
    assert listener.offer(b"1")


async def test_one_block_finds_room_however_large_it_is(listener: Subscriber) -> None:
    assert listener.offer(bytes(2 * MAX_BACKLOG_BYTES))
    assert not listener.offer(b"1")


async def test_what_it_has_lost_takes_the_place_of_what_waits(listener: Subscriber) -> None:
    listener.offer(b"0")
    listener.offer(b"1")
    listener.replace(b"lost")
    assert await listener.take() == [b"0", b"lost"]  # the first of all begins the stream
    listener.offer(b"1")
    listener.replace(b"lost")
    assert await listener.take() == [b"lost"]


async def test_after_its_end_it_takes_what_waits_and_then_nothing(listener: Subscriber) -> None:
    listener.offer(b"1")
    listener.end()
    assert await listener.take() == [b"1"]
    assert await listener.take() == []
