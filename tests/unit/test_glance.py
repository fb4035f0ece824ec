"""One look for all who ask."""

import asyncio

import pytest

from service import telemetry
from service.telemetry import CachedProbe


async def test_all_who_ask_meanwhile_share_a_look() -> None:
    begun, go_on = 0, asyncio.Event()

    async def look() -> int:
        nonlocal begun
        begun += 1
        await go_on.wait()
        return begun

    glance = CachedProbe(look)
    asked = [asyncio.ensure_future(glance.seen()) for _ in range(100)]
    await asyncio.sleep(0)
    asked.pop().cancel()  # one that leaves doesn't end it
    go_on.set()
    assert set(await asyncio.gather(*asked)) == {1}
    assert await glance.seen() == 1


async def test_what_is_old_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(10))

    async def look() -> int:
        return next(looks)

    glance = CachedProbe(look)
    assert [await glance.seen(), await glance.seen()] == [0, 0]
    monkeypatch.setattr(telemetry, "_FRESH_S", 0.0)
    assert [await glance.seen(), await glance.seen()] == [1, 2]


async def test_what_is_known_to_have_changed_is_looked_at_again() -> None:
    looks = iter(range(10))

    async def look() -> int:
        return next(looks)

    glance = CachedProbe(look)
    assert [await glance.seen({known}) for known in (1, 1, 2, 2, 1)] == [0, 0, 1, 1, 2]


async def test_a_look_that_fails_is_shared_too() -> None:
    async def look() -> int:
        raise ZeroDivisionError

    glance = CachedProbe(look)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await glance.seen()
