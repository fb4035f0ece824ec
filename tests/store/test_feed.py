"""The feed is read in bounded steps; what tells its listeners looks after their connections."""

import asyncio

import pytest

from service.domain.report import Status
from service.live.feed import START, Feed, StreamId
from service.live.hub import LiveHub
from service.live.subscribers import ALL, Filter, Subscriber
from service.store.keys import feed_key, tag_of
from tests.backends import Bench, soon_s
from tests.factories import send_report, status_report
from tests.faults.fault_kit import eventually


async def walk(feed: Feed, partition: int, place: StreamId) -> tuple[list[list[str]], StreamId]:
    """What each step behind a place finds, to the end of a partition."""
    steps, more = [], True
    while more:
        found = await feed.read(partition, place, soon_s())
        assert found is not None
        steps.append([record.wamid for record in found.records])
        place, more = found.place, found.more
    return steps, place


async def test_all_changes_are_read_in_their_order(store: Bench) -> None:
    """However many steps that takes."""
    feed = Feed(store.store)
    feed._most_entries = 3
    wamids = [f"wamid.{number}" for number in range(40)]
    for wamid in wamids:
        await store.merge(send_report(wamid=wamid))
    read = []
    for partition in range(store.partitions):
        steps, place = await walk(feed, partition, START)
        assert max(map(len, steps)) <= 3 + 1  # where the entry of the place would be
        assert place == await feed.end(partition, soon_s())
        assert await walk(feed, partition, place) == ([[]], place)
        read.append([wamid for step in steps for wamid in step])
    assert sorted(wamid for some in read for wamid in some) == sorted(wamids)
    for some in read:
        assert some == [wamid for wamid in wamids if wamid in some]


async def test_a_step_reads_so_many_records_at_the_most(store: Bench) -> None:
    feed = Feed(store.store)
    feed._most_ids = 20
    await store.store.write([send_report(wamid=f"wamid.{number}") for number in range(600)])
    number = 0
    for partition in range(store.partitions):
        steps, _ = await walk(feed, partition, START)
        assert max(map(len, steps)) <= 20
        number += sum(map(len, steps))
    assert number == 600


async def test_a_message_is_read_once_a_step_and_as_it_is(store: Bench) -> None:
    for status in Status:
        await store.merge(status_report(status))
    found = [await Feed(store.store).read(p, START, soon_s()) for p in range(store.partitions)]
    [record] = [record for each in found if each for record in each.records]
    assert record.status is Status.FAILED


async def test_a_feed_that_may_have_been_trimmed_cant_be_read_from_its_start(
    store: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.merge(send_report())
    feed = Feed(store.store)
    monkeypatch.setattr("service.live.feed.FEED_ENTRIES", 1)
    full = [p for p in range(store.partitions) if await feed.read(p, START, soon_s()) is None]
    assert len(full) == 1
    assert not await feed.holds(full[0], START, soon_s())


async def test_whether_a_place_is_held(store: Bench) -> None:
    feed = Feed(store.store)
    await store.merge(send_report(), status_report(Status.READ))
    ends = [await feed.end(p, soon_s()) for p in range(store.partitions)]
    [partition] = [p for p, end in enumerate(ends) if end != START]
    end = ends[partition]
    assert await feed.holds(partition, START, soon_s())
    assert await feed.holds(partition, end, soon_s())
    assert not await feed.holds(partition, StreamId(end.ms, end.number + 1), soon_s())
    tag = tag_of(partition)
    await store.execute(tag, "XDEL", feed_key(tag), str(end))
    assert not await feed.holds(partition, end, soon_s())
    assert await feed.read(partition, end, soon_s()) is None


class Connection:
    """A listener's."""

    aborted = False

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.aborted = True


async def joined(live: LiveHub, wanted: Filter = ALL) -> tuple[Subscriber, Connection]:
    connection = Connection()
    listener = Subscriber(wanted, connection)
    await live.join(listener)
    return listener, connection


async def test_who_doesnt_take_what_it_is_sent_is_cut_off(store: Bench) -> None:
    live = LiveHub(Feed(store.store), receive_s=0.3, lost=print, pings_s=0.1)
    (stuck, cut), (_, idle) = await joined(live), await joined(live, ("event", "none"))
    ready = await stuck.take()  # and is never through with it
    assert b"event: ready" in ready[0]
    await eventually(lambda: cut.aborted, "it to be cut off")
    assert not idle.aborted
    live.end()
    await live.close()


async def test_all_who_come_first_together_are_told(store: Bench) -> None:
    """By one reader."""
    live = LiveHub(Feed(store.store), receive_s=10, lost=print)
    listeners = [listener for listener, _ in await asyncio.gather(*(joined(live) for _ in "12345"))]
    await store.merge(send_report())
    for listener in listeners:
        async with asyncio.timeout(5):
            text = b"".join(await listener.take())
            while b"wamid.A" not in text:
                text = b"".join(await listener.take())
    assert len(live._tasks) == 2  # who reads, and who looks after connections
    live.end()
    await live.close()
