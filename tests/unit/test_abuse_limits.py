"""How often refused requests are logged, whose they are, and how long wrong tokens wait."""

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web import abuse_limits
from service.web.abuse_limits import Brake, LogLimit, Proxies


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


# Lines ------------------------------------------------------------------------------------------


def test_a_line_a_second_stands_for_all_since_the_last() -> None:
    clock = Hand()
    lines = LogLimit(clock)
    assert [lines.due("refused", 403) for _ in range(5)] == [1, 0, 0, 0, 0]
    clock.now_s += 0.999
    assert lines.due("refused", 403) == 0
    clock.now_s += 0.002
    assert [lines.due("refused", 403) for _ in range(2)] == [6, 0]


def test_kinds_dont_wait_for_each_other() -> None:
    lines = LogLimit(Hand())
    assert [lines.due("refused", status) for status in (403, 404, 403)] == [1, 1, 0]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 0.7)), max_size=60))
def test_no_event_is_counted_twice_and_lines_are_a_second_apart(
    events: list[tuple[str, float]],
) -> None:
    clock = Hand()
    lines = LogLimit(clock)
    told: dict[str, list[tuple[float, int]]] = {"a": [], "b": []}
    for kind, pause_s in events:
        clock.now_s += pause_s
        if number := lines.due(kind):
            told[kind].append((clock.now_s, number))
    clock.now_s += 2
    for kind, lines_of_kind in told.items():
        times = [at_s for at_s, _ in lines_of_kind]
        assert all(later - earlier >= 1 for earlier, later in pairwise(times))
        untold = lines.due(kind) - 1
        counted = sum(number for _, number in lines_of_kind)
        assert counted + untold == sum(each == kind for each, _ in events)


# Addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9,10.0.0.2", "10.0.0.3"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8::1"], "2001:db8::1"),
        ("10.0.0.1", ["fe80::1%anything at all"], "fe80::1"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["203.0.113.9"], "203.0.113.9"),
        ("203.0.113.7", ["10.0.0.1"], "203.0.113.7"),
        ("fe80::1%eth0", ["10.0.0.1"], "fe80::1"),
        (None, ["203.0.113.9"], "None"),
        ("", ["203.0.113.9"], "None"),
    ],
)
def test_the_last_that_is_no_trusted_proxy_is_the_caller(
    peer: str | None, forwarded: list[str], caller: str
) -> None:
    assert str(Proxies(["10.0.0.0/8", "fd00::1"]).caller_of(peer, forwarded)) == caller


def test_without_trust_nobody_is_believed() -> None:
    assert str(Proxies().caller_of("10.0.0.1", ["203.0.113.9"])) == "10.0.0.1"


@given(st.lists(st.text(max_size=40) | st.sampled_from(["10.0.0.2", "1.2.3.4"]), max_size=5))
def test_what_a_caller_writes_is_an_address_or_nothing(forwarded: list[str]) -> None:
    """It stands in the log, so it must not be a text of theirs."""
    said = str(Proxies(["0.0.0.0/0", "::/0"]).caller_of("10.0.0.1", forwarded))
    assert re.fullmatch(r"[0-9a-f.:]+", said)


# The brake --------------------------------------------------------------------------------------


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that nobody waits for the end of."""
    monkeypatch.setattr(abuse_limits, "_PAUSE_S", 3600.0)


async def waits(brake: Brake, address: str) -> bool:
    """Whether a wrong token of the address waits for its answer. It is given up then."""
    caller = Proxies().caller_of(address, [])
    task = asyncio.ensure_future(brake.hold(caller))
    await asyncio.sleep(0)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return True


@pytest.mark.usefixtures("held")
async def test_ten_a_minute_are_answered_at_once() -> None:
    clock = Hand()
    brake = Brake(clock)
    assert [await waits(brake, "192.0.2.1") for _ in range(12)] == [False] * 10 + [True] * 2
    assert not await waits(brake, "192.0.2.2")
    clock.now_s += 60
    assert not await waits(brake, "192.0.2.1")


@pytest.mark.usefixtures("held")
async def test_whoever_has_a_block_of_ipv6_has_one_address() -> None:
    brake = Brake(Hand())
    for number in range(10):
        assert not await waits(brake, f"2001:db8:0:1::{number}")
    assert await waits(brake, "2001:db8:0:1:ffff::")
    assert not await waits(brake, "2001:db8:0:2::")


@pytest.mark.usefixtures("held")
async def test_only_so_many_wait_and_they_are_told_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abuse_limits, "_MOST_WAITING", 3)
    brake = Brake(Hand())
    for _ in range(10):
        assert not await waits(brake, "192.0.2.1")
    caller = Proxies().caller_of("192.0.2.1", [])
    tasks = [asyncio.ensure_future(brake.hold(caller)) for _ in range(5)]
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [False] * 3 + [True] * 2
    assert [task.result() for task in tasks[3:]] == [True, True]
    for task in tasks[:3]:
        task.cancel()
    await asyncio.wait(tasks)
    again = asyncio.ensure_future(brake.hold(caller))
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()
    await asyncio.wait({again})


async def test_the_oldest_address_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the table has an end, however many addresses somebody has."""
    monkeypatch.setattr(abuse_limits, "_MOST_ADDRESSES", 3)
    monkeypatch.setattr(abuse_limits, "_FREE_TRIES", 1)
    monkeypatch.setattr(abuse_limits, "_PAUSE_S", 3600.0)
    brake = Brake(Hand())
    for last in (1, 2, 3):
        assert not await waits(brake, f"192.0.2.{last}")
    assert await waits(brake, "192.0.2.1")  # now 2 is the oldest
    assert not await waits(brake, "192.0.2.4")
    assert await waits(brake, "192.0.2.1")
    assert not await waits(brake, "192.0.2.2")
    assert len(brake._tries) == 3
