"""Stats, lists of values and failures on every backend, against a recount of the records."""

from collections.abc import Sequence
from itertools import count, islice
from random import Random

import pytest
from msgspec import convert

from service.domain.error_codes import groups_of
from service.domain.identity import partition_of
from service.domain.query import Selection
from service.domain.record import Record
from service.domain.report import Extras, Report, Status
from service.domain.statistics import LATENCY_BUCKETS_S, ValueTotals
from service.models.requests import MessageLogsQuery
from service.models.selections import selection_of
from service.store.erasure import erase
from service.store.keys import tag_of
from service.store.script_types import Erasure
from tests.backends import Bench
from tests.factories import BASE_MS, BASE_US, send_report, status_report
from tests.stats_oracle import (
    check_insight,
    failed,
    only,
    recount,
    standings,
    took,
    walk,
    walk_values,
)

DAY_MS = 86_400_000
NOW_MS = BASE_MS + 62 * DAY_MS
SPAN_MS = 1_000_000
LATER_MS = [
    0,
    999,
    1_000,
    1_001,
    20_000,
    20_001,
    22_000,
    22_001,
    24_500,
    3_600_000,
    10**9,
    31 * DAY_MS,
]
CODES = ["", "131026", "131047", "130472"]


def event_values(standings: Sequence[ValueTotals]) -> list[tuple[str, int]]:
    """Each value with the number of its messages."""
    return [(each.value, each.total) for each in standings]


def any_report(random: Random) -> Report:
    """A track-send or a status of one of eighty messages, of any time."""
    wamid = f"wamid.{random.randrange(80)}"
    at_ms = BASE_MS + random.randrange(32) * DAY_MS + random.choice(LATER_MS)
    if random.random() < 0.4:
        event_id, template_name = random.choices(["", "a", "b", "c:ü", "d"], k=2)
        return send_report(wamid=wamid, event_id=event_id, template_name=template_name)
    status = random.choice(list(Status))
    code = random.choice(CODES) if status is Status.FAILED else ""
    extras: Extras | tuple[()] = Extras(user_id="US.1") if random.random() < 0.1 else ()
    return Report(
        wamid, status, at_ms, BASE_US + random.randrange(10**9), error_code=code, extras=extras
    )


async def write(bench: Bench, *reports: Report) -> list[Record]:
    """Writes reports together; returns all records there are, once the invariants hold."""
    await bench.store.write(reports)
    return await bench.check_invariants()


async def remove_older(bench: Bench, before_us: int) -> None:
    for partition in range(bench.partitions):
        while ids := await bench.store.oldest(partition, before_us):
            erasure = Erasure([(each, "") for each in ids], "all", before_us=str(before_us))
            await bench.store.remove(partition, erasure, "retention")


class TestStats:
    async def test_they_are_a_recount_whatever_was_reported_moved_or_removed(
        self, store: Bench
    ) -> None:
        """Late ones too, and each round repeats a part of the one before it."""
        random = Random(1)
        some: list[Report] = []
        for _ in range(3):
            again = random.sample(some, len(some) // 3)
            some = [any_report(random) for _ in range(150)]
            await check_insight(store.store, await write(store, *some, *again), NOW_MS)
        await erase(store.store, Selection([("event", "a")]))
        records = await store.check_invariants()
        await check_insight(store.store, records, NOW_MS)
        created_us = sorted(int(record.created_us) for record in records)
        await remove_older(store, created_us[len(created_us) // 2])
        left = await store.check_invariants()
        assert 0 < len(left) < len(records)
        await check_insight(store.store, left, NOW_MS)
        records = await write(store, *(any_report(random) for _ in range(150)))
        await check_insight(store.store, records, NOW_MS)

    async def test_a_message_takes_all_it_is_counted_by_to_another_event(
        self, store: Bench
    ) -> None:
        await store.merge(
            send_report(event_id="old"),
            status_report(Status.SENT, at_s=-5),
            status_report(Status.DELIVERED, at_s=3),
            status_report(Status.READ, at_s=60),
            status_report(Status.FAILED, at_s=90, error_code="131026"),
        )
        before = await store.store.stats("event", "old", NOW_MS)
        assert before.errors == {"131026": 1}
        assert before.to_deliver.within == [(8, 1)]
        assert before.to_read.within == [(70, 1)]
        await store.merge(send_report(event_id="new"))
        assert await store.store.stats("event", "new", NOW_MS) == before
        assert await store.store.stats("event", "old", NOW_MS) == recount([], NOW_MS)
        assert await store.store.stats("all", "", NOW_MS) == before

    async def test_an_earlier_sent_time_that_comes_late_is_counted_anew(self, store: Bench) -> None:
        await store.merge(status_report(Status.SENT), status_report(Status.DELIVERED, at_s=1))
        assert (await store.store.stats("all", "", NOW_MS)).to_deliver.within == [(1, 1)]
        await store.merge(status_report(Status.SENT, at_s=-9))
        assert (await store.store.stats("all", "", NOW_MS)).to_deliver.within == [(10, 1)]
        await store.merge(status_report(Status.SENT, at_s=5), status_report(Status.DELIVERED))
        assert (await store.store.stats("all", "", NOW_MS)).to_deliver.within == [(9, 1)]

    async def test_durations_at_every_bound_are_counted_as_promised(self, store: Bench) -> None:
        """And right before and behind it, and half a second before it."""
        durations_ms = [
            1_000 * bound_s + off_ms for bound_s in LATENCY_BUCKETS_S for off_ms in (-500, -1, 0, 1)
        ]
        reports = [
            status_report(status, wamid=f"wamid.{number}", at_ms=BASE_MS + after_ms)
            for number, duration_ms in enumerate(durations_ms)
            for status, after_ms in [(Status.SENT, 0), (Status.READ, duration_ms)]
        ]
        await store.store.write(reports)
        assert (await store.store.stats("all", "", NOW_MS)).to_read == took(durations_ms)

    async def test_more_of_a_duration_than_a_byte_holds_come_and_go(self, store: Bench) -> None:
        """In one partition: 300 messages in all, of which one stays in their event."""
        wamids = (f"wamid.{number}" for number in count())
        mine = (wamid for wamid in wamids if partition_of(wamid, store.partitions) == 0)
        some = list(islice(mine, 300))
        await store.store.write([send_report(wamid=wamid, event_id="old") for wamid in some])
        await store.store.write(
            [status_report(Status.DELIVERED, wamid=wamid, at_s=30) for wamid in some]
        )
        assert (await store.store.stats("event", "old", NOW_MS)).to_deliver.within == [(30, 300)]
        later_us = BASE_US + 60_000_000
        await store.store.write(
            [send_report(wamid=wamid, event_id="new", received_us=later_us) for wamid in some[1:]]
        )
        assert (await store.store.stats("event", "old", NOW_MS)).to_deliver.within == [(30, 1)]
        assert (await store.store.stats("event", "new", NOW_MS)).to_deliver.within == [(30, 299)]
        await store.check_invariants()

    async def test_ages_are_told_however_many_spans_messages_were_sent_in(
        self, store: Bench
    ) -> None:
        """So many that a script doesn't answer with all of them, in one partition even."""
        wamids = (f"wamid.{number}" for number in count())
        mine = (wamid for wamid in wamids if partition_of(wamid, store.partitions) == 0)
        reports = [
            status_report(Status.SENT, wamid=wamid, at_ms=NOW_MS - number * 7 * SPAN_MS)
            for number, wamid in enumerate(islice(mine, 600))
        ]
        records = await write(store, *reports)
        stats = await store.store.stats("all", "", NOW_MS)
        assert stats == recount(records, NOW_MS)
        assert min(stats.awaiting) > 0
        assert sum(stats.awaiting) == 600

    async def test_of_what_nobody_sent_all_is_nought(self, store: Bench) -> None:
        assert await store.store.stats("all", "", NOW_MS) == recount([], NOW_MS)
        await store.merge(send_report(event_id="e"))
        assert await store.store.stats("event", "other", NOW_MS) == recount([], NOW_MS)
        assert await store.store.stats("template", "e", NOW_MS) == recount([], NOW_MS)


class TestValues:
    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
    async def test_pages_give_each_value_once_the_latest_first(
        self, store: Bench, limit: int
    ) -> None:
        """Many share a microsecond; most have messages in several partitions, or in all."""
        random = Random(limit)
        reports = [
            send_report(
                wamid=f"wamid.{number}",
                received_us=BASE_US + random.randrange(12),
                event_id=f"event-{random.randrange(40)}",
                template_name=random.choice("abc"),
            )
            for number in range(160)
        ]
        records = await write(store, *reports)
        for dimension in ("event", "template"):
            expected = standings(records, dimension)
            assert await walk_values(store.store, dimension, limit) == expected

    async def test_all_of_one_microsecond_come_in_falling_order_of_their_bytes(
        self, store: Bench
    ) -> None:
        values = ["a", "B", "a:b", "ab", "é", "\uffee", "\U0001f389", "a" * 128, "0", "{1}"]
        await store.merge(
            *(
                send_report(wamid=f"wamid.{number}.{place}", received_us=BASE_US, event_id=value)
                for number, value in enumerate(values)
                for place in range(3)
            )
        )
        for limit in (1, 3, 10):
            found = await walk_values(store.store, "event", limit)
            in_order = sorted(values, key=str.encode, reverse=True)
            assert event_values(found) == [(value, 3) for value in in_order]

    async def test_a_value_is_where_its_latest_message_is_in_any_partition(
        self, store: Bench
    ) -> None:
        """However many others lie between that and its messages in other partitions."""
        number = 8 * 3
        await store.merge(
            *(
                send_report(wamid=f"wamid.{place}", received_us=BASE_US + place, event_id=value)
                for place, value in enumerate(["wide", "x"] * number)
            ),
            *(
                send_report(wamid=f"wamid.e{n}", received_us=BASE_US + 2 * n, event_id=f"e{n}")
                for n in range(number)
            ),
            send_report(wamid="wamid.last", received_us=BASE_US + 999, event_id="wide"),
        )
        found = await walk_values(store.store, "event", 2)
        assert found[0] == ValueTotals(
            "wide", BASE_US + 999, dict(zip(Status, [number + 1, 0, 0, 0], strict=True))
        )
        assert [each.value for each in found].count("wide") == 1
        assert len(found) == number + 2

    async def test_a_value_without_messages_vanishes(self, store: Bench) -> None:
        await store.merge(
            send_report(wamid="wamid.1", event_id="moved", template_name="t"),
            send_report(wamid="wamid.2", event_id="erased", template_name="t"),
            send_report(wamid="wamid.3", event_id="stays", template_name="t"),
        )
        await store.merge(send_report(wamid="wamid.1", event_id="stays"))
        await erase(store.store, Selection([("event", "erased")]))
        assert event_values(await walk_values(store.store, "event", 1)) == [("stays", 2)]
        assert event_values(await walk_values(store.store, "template", 1)) == [("t", 2)]

    async def test_a_value_that_loses_its_latest_message_goes_back(self, store: Bench) -> None:
        for number, value in enumerate(["a", "b", "a"]):
            await store.merge(
                send_report(
                    wamid=f"wamid.{number}",
                    received_us=BASE_US + number,
                    event_id=value,
                    guest_id=f"{number}",
                )
            )
        assert event_values(await walk_values(store.store, "event", 1)) == [("a", 2), ("b", 1)]
        await erase(store.store, Selection([("guest", "2")]))
        found = await walk_values(store.store, "event", 1)
        assert event_values(found) == [("b", 1), ("a", 1)]
        assert found[1].latest_us == BASE_US

    async def test_a_message_brings_the_event_it_moves_to_no_further_than_itself(
        self, store: Bench
    ) -> None:
        """It keeps the time at which it was created, whenever it moves."""
        for number, value in enumerate(["early", "b", "late"]):
            await store.merge(
                send_report(wamid=f"wamid.{number}", received_us=BASE_US + number, event_id=value)
            )
        await store.merge(send_report(wamid="wamid.1", received_us=BASE_US + 10, event_id="late"))
        assert event_values(await walk_values(store.store, "event", 1)) == [
            ("late", 2),
            ("early", 1),
        ]
        await store.merge(send_report(wamid="wamid.2", received_us=BASE_US + 11, event_id="early"))
        found = await walk_values(store.store, "event", 1)
        assert event_values(found) == [("early", 2), ("late", 1)]
        assert [each.latest_us for each in found] == [BASE_US + 2, BASE_US + 1]

    async def test_statuses_change_counts_and_no_places(self, store: Bench) -> None:
        for number, value in enumerate(["a", "b"]):
            await store.merge(send_report(wamid=f"wamid.{number}", event_id=value))
        await store.merge(status_report(Status.READ, wamid="wamid.0"))
        found = await walk_values(store.store, "event", 1)
        assert [each.value for each in found] == ["b", "a"]
        assert list(found[1].statuses.values()) == [0, 0, 1, 0]

    async def test_others_are_still_given_once_while_messages_come_and_go(
        self, store: Bench
    ) -> None:
        """A page may follow a value that is gone, or that has moved to the front."""
        values = [f"e{number}" for number in range(12)]
        for number, value in enumerate(values):
            for place in range(3):
                await store.merge(
                    send_report(
                        wamid=f"wamid.{number}.{place}",
                        received_us=BASE_US + 10 * number + place,
                        event_id=value,
                    )
                )
        first = await store.store.values("event", 3)
        assert [each.value for each in first.standings] == ["e11", "e10", "e9"]
        await erase(store.store, Selection([("event", "e9")]))
        await store.merge(
            send_report(wamid="wamid.new", received_us=BASE_US + 1_000, event_id="e5")
        )
        rest, after = [], first.following
        while after:
            page = await store.store.values("event", 3, after)
            rest += [each.value for each in page.standings]
            after = page.following
        assert rest == [value for value in reversed(values[:9]) if value != "e5"]


class TestFailures:
    async def test_codes_events_and_templates_choose_among_them_page_by_page(
        self, store: Bench
    ) -> None:
        random = Random(5)
        reports: list[Report] = []
        for number in range(60):
            wamid = f"wamid.{number}"
            received_us = BASE_US + random.randrange(15)
            names = {"event_id": random.choice("ab"), "template_name": random.choice("tu")}
            reports.append(send_report(wamid=wamid, received_us=received_us, **names))
            code = random.choice(CODES)
            reports.append(status_report(random.choice(list(Status)), wamid=wamid))
            if number % 2:
                reports.append(status_report(Status.FAILED, wamid=wamid, error_code=code))
        records = await write(store, *reports)
        filters = [[("failed", "")], [("event", "a"), ("failed", "")]]
        filters += [[("template", "t"), ("failed", "")]]
        for chosen in filters:
            some = only(records, *chosen[0])
            for codes in [(), ("131026",), ("",), ("130472", ""), ("nobody's",)]:
                expected = failed(some, codes)
                assert bool(expected) is (codes != ("nobody's",))
                for limit in (1, 7, 200):
                    assert (
                        await walk(store.store, Selection(chosen, codes=codes), limit) == expected
                    )

    async def test_a_text_that_an_earlier_version_counted_by_itself_goes_with_its_message(
        self, store: Bench
    ) -> None:
        for wamid in ("wamid.A", "wamid.B"):
            failed_with = status_report(Status.FAILED, wamid=wamid, at_s=9, error_code="word")
            await store.merge(failed_with)
        tag = tag_of(partition_of("wamid.A", store.partitions))
        if not await store.execute(tag, "HINCRBY", f"{tag}:count:all", "error:other", -1):
            await store.execute(tag, "HDEL", f"{tag}:count:all", "error:other")
        await store.execute(tag, "HINCRBY", f"{tag}:count:all", "error:word", 1)
        stats = await store.store.stats("all", "", NOW_MS)
        assert groups_of(stats.errors) == {"other": 2}
        for wamid, left in [("wamid.A", {"7": 1, "other": 1}), ("wamid.B", {"7": 2})]:
            await store.merge(status_report(Status.FAILED, wamid=wamid, at_s=1, error_code="7"))
            found = (await store.store.stats("all", "", NOW_MS)).errors
            assert groups_of(found) == left
        await check_insight(store.store, await store.check_invariants(), NOW_MS)

    async def test_the_code_of_what_did_not_fail_counts_for_nothing(self, store: Bench) -> None:
        """Nothing that didn't fail is found by having no code."""
        await store.merge(status_report(Status.SENT), send_report(wamid="wamid.B"))
        assert await walk(store.store, Selection([("failed", "")], codes=[""]), 5) == []

    async def test_a_rare_code_is_found_behind_many_others(self, store: Bench) -> None:
        """Farther back than one look at a partition goes."""
        wamids = (f"wamid.{number}" for number in count())
        mine = islice((w for w in wamids if partition_of(w, store.partitions) == 0), 1_202)
        reports = [
            status_report(Status.FAILED, wamid=wamid, error_code="1" if 0 < place < 1_201 else "2")
            for place, wamid in enumerate(mine)
        ]
        await store.store.write(reports)
        found = await walk(store.store, Selection([("failed", "")], codes=["2"]), 5)
        assert [each.wamid for each in found] == [reports[-1].wamid, reports[0].wamid]

    @pytest.mark.parametrize(
        "filters",
        [
            {},
            {"event_id": "a"},
            {"template_name": "d"},
            {"guest_id": "g"},
            {"recipient_id": "919876543210"},
            {"standalone": "true"},
            {"event_id": "a", "template_name": "d"},
        ],
    )
    async def test_message_logs_of_the_failed_are_those_that_a_look_at_each_finds(
        self, store: Bench, filters: dict[str, str]
    ) -> None:
        random = Random(11)
        await store.store.write([any_report(random) for _ in range(300)])
        await store.store.write(
            [
                send_report(wamid=f"wamid.{number}", guest_id="g", recipient_id="449876543210")
                for number in range(0, 80, 3)
            ]
        )
        await store.merge(
            send_report(wamid="wamid.both", event_id="b", template_name="a"),
            status_report(Status.FAILED, wamid="wamid.both"),
        )
        everything = selection_of(convert(filters, MessageLogsQuery))
        expected = failed(await walk(store.store, everything, 200))
        assert expected
        by_status = selection_of(convert(filters | {"status": "failed"}, MessageLogsQuery))
        assert ("failed", "") in by_status.filters
        for limit in (1, 3, 200):
            assert await walk(store.store, by_status, limit) == expected

    async def test_who_failed_stays_among_the_failed_until_it_is_gone(self, store: Bench) -> None:
        await store.merge(
            status_report(Status.FAILED, error_code="1"),
            status_report(Status.READ),
            send_report(event_id="e"),
        )
        chosen = Selection([("event", "e"), ("failed", "")])
        assert len(await walk(store.store, chosen, 5)) == 1
        await erase(store.store, Selection([("event", "e")]))
        assert await walk(store.store, Selection([("failed", "")]), 5) == []
