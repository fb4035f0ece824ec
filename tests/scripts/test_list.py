"""`list.lua`: order, positions, filters, bounds; on every backend."""

import pytest

from service.domain.identity import id_of
from service.domain.query import Position, Selection
from service.domain.report import Status
from service.store.keys import tag_of
from service.store.queries import Query, Scan
from tests.backends import Bench, soon_s
from tests.factories import BASE_US, send_report, status_report

EVERYTHING = Selection([("all", "")])


NAMES = {id_of(wamid): wamid for wamid in (f"wamid.{n}" for n in range(1_200))}


def wamids(scan: Scan) -> list[str]:
    return [NAMES[message_id] for message_id in scan.ids]


async def put(bench: Bench, number: int, received_us: int, **context: str) -> None:
    """A message straight into partition 0, so that all of a test's are in one."""
    report = send_report(wamid=f"wamid.{number}", received_us=received_us, **context)
    await bench.scripts.merge(0, [report], soon_s())


async def look(bench: Bench, selection: Selection, limit: int, after: Position | None) -> Scan:
    """One look at partition 0."""
    query = Query.of(selection, limit, after)
    [scan] = await bench.scripts.list(0, [query], soon_s())
    return scan


async def walk(bench: Bench, selection: Selection, limit: int) -> list[str]:
    """All pages of partition 0, in chunks of this limit."""
    seen: list[str] = []
    after = None
    while True:
        scan = await look(bench, selection, limit, after)
        seen += wamids(scan)
        if scan.stopped is None:
            return seen
        after = scan.stopped


async def test_the_newest_come_first(store: Bench) -> None:
    for number in range(5):
        await put(store, number, BASE_US + number)
    scan = await look(store, EVERYTHING, 3, None)
    assert wamids(scan) == ["wamid.4", "wamid.3", "wamid.2"]
    assert scan.stopped == Position(BASE_US + 2, id_of("wamid.2"))
    rest = await look(store, EVERYTHING, 3, scan.stopped)
    assert wamids(rest) == ["wamid.1", "wamid.0"]
    assert rest.stopped is None


async def test_messages_of_one_microsecond_are_neither_skipped_nor_repeated(store: Bench) -> None:
    for number in range(30):
        await put(store, number, BASE_US + number // 20)
    for limit in (1, 7, 20):
        seen = await walk(store, EVERYTHING, limit)
        assert len(seen) == 30
        assert seen == await walk(store, EVERYTHING, 100)


async def test_a_position_outlives_its_message(store: Bench) -> None:
    """The message that ended a page has moved to another event before the next is asked for."""
    for number in range(6):
        await put(store, number, BASE_US + number // 3, event_id="e")
    selection = Selection([("event", "e")])
    scan = await look(store, selection, 2, None)
    before = wamids(scan)
    moved = before[-1]
    await store.scripts.merge(0, [send_report(wamid=moved, event_id="other")], soon_s())
    rest = await look(store, selection, 10, scan.stopped)
    assert sorted(before + wamids(rest)) == [f"wamid.{number}" for number in range(6)]


@pytest.mark.parametrize("dated", [False, True])
async def test_a_query_that_peeks_says_whether_another_message_matches(
    store: Bench, dated: bool
) -> None:
    """Messages 9, 6, 3 and 0 match. Without peeking a scan may stop before nothing that matches."""
    for number in range(10):
        await put(store, number, BASE_US + number, guest_id="g" * (number % 3 == 0))
    selection = Selection([("all", "")], has=["guest_id"])

    async def scan(limit: int, after: Position | None = None, *, peek: bool = True) -> Scan:
        query = Query.of(selection, limit, after, peek=peek, dated=dated)
        [found] = await store.scripts.list(0, [query], soon_s())
        assert found.created_us == ([BASE_US + int(each[6:]) for each in wamids(found)] * dated)
        return found

    first = await scan(2)
    assert wamids(first) == ["wamid.9", "wamid.6"]
    assert first.stopped == Position(BASE_US + 4, id_of("wamid.4"))  # the next one matches
    rest = await scan(2, first.stopped)
    assert (wamids(rest), rest.stopped) == (["wamid.3", "wamid.0"], None)
    assert (await scan(4)).stopped is None
    assert (await scan(3)).stopped == Position(BASE_US + 1, id_of("wamid.1"))
    stopped = (await scan(3, peek=False)).stopped
    assert stopped == Position(BASE_US + 3, id_of("wamid.3"))
    alone = Selection([("all", "")])
    [every] = await store.scripts.list(0, [Query.of(alone, 10, None, peek=True)], soon_s())
    assert every.stopped is None


async def test_all_filters_must_hold(store: Bench) -> None:
    for number in range(40):
        await put(
            store, number, BASE_US + number, event_id=f"e{number % 2}", guest_id=f"g{number % 5}"
        )
    await store.scripts.merge(0, [status_report(Status.READ, wamid="wamid.7")], soon_s())
    by_both = Selection([("event", "e1"), ("guest", "g2")])
    assert await walk(store, by_both, 2) == ["wamid.37", "wamid.27", "wamid.17", "wamid.7"]
    read = Selection([("event", "e1"), ("guest", "g2")], status="read")
    assert await walk(store, read, 2) == ["wamid.7"]
    assert await walk(store, Selection([("event", "e1"), ("event", "e0")]), 2) == []
    assert await walk(store, Selection([("event", "unknown")]), 2) == []


async def test_what_stands_before_the_last_eight_digits_is_compared(store: Bench) -> None:
    numbers = ["919876543210", "449876543210", "9876543210", "0919876543210"]
    for number, recipient_id in enumerate(numbers):
        await put(store, number, BASE_US + number, recipient_id=recipient_id)
    ending = [("recipient", "76543210")]
    for selection, found in [
        (Selection(ending), [3, 2, 1, 0]),
        (Selection(ending, heads=",9198,"), [0]),
        (Selection(ending, heads=",98,4498,"), [2, 1]),
        (Selection(ending, heads=",4,198,"), []),
    ]:
        assert await walk(store, selection, 10) == [f"wamid.{number}" for number in found]


async def test_one_call_looks_at_a_bounded_number_of_entries(store: Bench) -> None:
    """A filter that nothing passes: the call returns where it stopped, for the next to go on.

    The more it looks at of each entry, the fewer they are.
    """
    await fill(store, ENTRIES)
    dimensions = [("event", "e"), ("template", "t"), ("guest", "g"), ("campaign", "c")]
    looks = []
    for selection in [
        Selection([("all", "")], status="failed"),
        Selection([("all", "")], status="failed", has=["wamid", "created_us"]),
        Selection(dimensions, status="failed"),
    ]:
        stopped, number = None, 0
        while True:
            scan = await look(store, selection, 50, stopped)
            number += 1
            assert scan.ids == []
            if scan.stopped is None:
                break
            assert stopped is None or scan.stopped < stopped
            stopped = scan.stopped
        looks.append(number)
    assert looks == [3, 4, 7]


ENTRIES = 900


async def fill(store: Bench, number: int) -> None:
    """Tracks so many messages, all of one event and all else."""
    reports = [
        send_report(
            wamid=f"wamid.{each}", received_us=BASE_US + each, event_id="e", template_name="t",
            guest_id="g", campaign_id="c",
        )
        for each in range(number)
    ]  # fmt: skip
    for start in range(0, len(reports), 200):
        await store.scripts.merge(0, reports[start : start + 200], soon_s())


async def test_the_smallest_index_is_walked(store: Bench) -> None:
    """With one message of the event among very many, one call is enough to be through."""
    reports = [
        send_report(wamid=f"wamid.{number}", received_us=BASE_US + number, template_name="t")
        for number in range(1_100)
    ]
    for start in range(0, len(reports), 200):
        await store.scripts.merge(0, reports[start : start + 200], soon_s())
    await store.scripts.merge(0, [send_report(wamid="wamid.3", event_id="rare")], soon_s())
    scan = await look(store, Selection([("template", "t"), ("event", "rare")]), 50, None)
    assert (wamids(scan), scan.stopped) == (["wamid.3"], None)
    assert (await store.execute(tag_of(0), "ZCARD", f"{tag_of(0)}:by:event:rare")) == 1


async def test_queries_that_share_a_call_are_answered_each_by_itself(store: Bench) -> None:
    for number in range(250):
        await put(store, number, BASE_US + number, event_id=f"event-{number % 2}")
    queries = [
        Query.of(EVERYTHING, 3, None),
        Query.of(Selection([("event", "nobody's")]), 5, None),
        Query.of(Selection([("event", "event-1")]), 2, Position(BASE_US + 5, id_of("wamid.5"))),
        *[Query.of(Selection([("all", "")], status="failed"), 5, None)] * 20,
    ]
    scans = await store.scripts.list(0, queries, soon_s())
    assert wamids(scans[0]) == ["wamid.249", "wamid.248", "wamid.247"]
    assert scans[1] == Scan([], [], None)
    assert wamids(scans[2]) == ["wamid.3", "wamid.1"]
    assert all(scan.ids == [] and scan.stopped for scan in scans[3:])


async def test_what_a_query_leaves_of_the_call_the_later_ones_have(store: Bench) -> None:
    """Each looks at one entry at least, and all together at no more than one query may alone."""
    await fill(store, ENTRIES)
    failed = Query.of(Selection([("all", "")], status="failed"), 5, None)
    nothing = Query.of(Selection([("event", "nobody's")], status="failed"), 5, None)
    [alone] = await looked_at(store, [failed])
    assert alone < ENTRIES
    assert await looked_at(store, [failed, failed]) == pytest.approx([alone / 2] * 2, abs=20)
    assert (await looked_at(store, [*[nothing] * 9, failed]))[-1] == pytest.approx(alone, abs=60)
    many = await looked_at(store, [failed] * 200)
    assert min(many) == max(many) == 1


async def looked_at(store: Bench, queries: list[Query]) -> list[int]:
    """How many entries each looked at that found nothing among those of `fill`."""
    scans = await store.scripts.list(0, queries, soon_s())
    ends = [scan.stopped.created_us if scan.stopped else BASE_US for scan in scans]
    return [BASE_US + ENTRIES - end for end in ends]


async def test_fields_are_given_or_lacking_and_codes_left_out(store: Bench) -> None:
    for number in range(12):
        names = {"template_name": "t" * (number % 2), "guest_id": "g" * (number % 3 == 0)}
        await put(store, number, BASE_US + number, event_id="e", **names)
    untracked = status_report(Status.SENT, wamid="wamid.untracked", received_us=BASE_US + 99)
    await store.scripts.merge(0, [untracked], soon_s())
    all_of_it = [("all", "")]
    has = Selection(all_of_it, has=["template_name", "guest_id"])
    assert await walk(store, has, 1) == ["wamid.9", "wamid.3"]
    lacks = Selection(all_of_it, has=["tracked_us"], lacks=["template_name", "guest_id"])
    assert await walk(store, lacks, 1) == [f"wamid.{number}" for number in (10, 8, 4, 2)]
    for number, code in [(1, "131026"), (2, ""), (3, "7")]:
        failed = status_report(Status.FAILED, wamid=f"wamid.{number}", error_code=code)
        await store.scripts.merge(0, [failed], soon_s())
    but = Selection([("failed", "")], but_codes=["7", "8"])
    assert await walk(store, but, 1) == ["wamid.2", "wamid.1"]


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_those_since_a_time_are_all_from_then_on(store: Bench, limit: int) -> None:
    """And no look goes farther back, however many are there."""
    for number in range(30):
        await put(store, number, BASE_US + number // 3, event_id=f"e{number % 2}")
    since = Selection([("event", "e1")], since_us=BASE_US + 7)
    found = await walk(store, since, limit)
    assert sorted(found) == [f"wamid.{number}" for number in range(21, 30, 2)]
    later = Selection([("event", "e1")], since_us=BASE_US + 11)
    assert await look(store, later, limit, None) == Scan([], [], None)
