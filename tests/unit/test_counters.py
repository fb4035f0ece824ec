"""What the counters say: on given numbers, and against what is known of each message."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.domain.record import Record, record_of
from service.domain.report import Report, Status
from service.domain.statistics import (
    AGE_BUCKET_DIGITS,
    AGES_S,
    LATENCY_BUCKETS_S,
    MONTH_S,
    MOST_CODES,
    CounterDeltas,
    Stats,
    deltas_of,
    merge_counts,
    stats_of,
    waits_asked,
)
from tests.factories import BASE_MS, reports, status_report
from tests.stats_oracle import recount, took

MONTH_MS = 1000 * MONTH_S
SECONDS_EXACT = 20
PARTS = (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100))


def of(*records: Record, now_ms: int = BASE_MS) -> Stats:
    """What the counters say of these messages."""
    return stats_of(merge_counts(map(deltas_of, records)), now_ms)


def counts(**numbers: int) -> Stats:
    """What is said where these are counted; `_` in a name stands for a colon."""
    named = Counter({name.replace("_", ":"): number for name, number in numbers.items()})
    return stats_of(CounterDeltas(named, Counter(), Counter()), BASE_MS)


def took_ms(duration_ms: int, status: Status = Status.DELIVERED) -> Record:
    """A message that took so long."""
    sent = status_report(Status.SENT, at_ms=BASE_MS)
    return record_of([sent, status_report(status, at_ms=BASE_MS + duration_ms)])


def sent_at(at_ms: int) -> Record:
    """A message that is sent and silent since."""
    return record_of([status_report(Status.SENT, at_ms=at_ms)])


def way(*statuses: Status) -> Record:
    """A message of which these were reported."""
    return record_of([status_report(status) for status in statuses])


class TestReached:
    def test_who_is_at_a_step_has_been_at_those_before(self) -> None:
        stats = counts(sent=1, delivered=10, read=100)
        assert stats.total == 111
        assert list(stats.reached.values()) == [111, 110, 100, 0]
        assert list(stats.reached) == list(Status)

    def test_who_failed_has_been_where_it_was_reported_before(self) -> None:
        stats = counts(
            sent=1,
            delivered=1,
            failed=1_110,
            failed_sent=10,
            failed_delivered=100,
            failed_read=1_000,
        )
        assert list(stats.reached.values()) == [1_112, 1_101, 1_000, 1_110]
        assert list(stats.statuses.values()) == [1, 1, 0, 1_110]

    @pytest.mark.parametrize(
        ("reported", "reached"),
        [
            ([Status.FAILED], [0, 0, 0, 1]),
            ([Status.SENT, Status.FAILED], [1, 0, 0, 1]),
            ([Status.DELIVERED, Status.FAILED], [1, 1, 0, 1]),
            ([Status.FAILED, Status.READ], [1, 1, 1, 1]),
            ([Status.READ], [1, 1, 1, 0]),
            ([Status.DELIVERED], [1, 1, 0, 0]),
        ],
    )
    def test_a_step_nobody_reported_is_implied_by_a_later(
        self, reported: list[Status], reached: list[int]
    ) -> None:
        assert list(of(way(*reported)).reached.values()) == reached

    def test_of_nothing_all_is_nought(self) -> None:
        stats = of()
        assert stats.total == 0
        assert set(stats.reached.values()) == set(stats.statuses.values()) == {0}
        assert (stats.errors, stats.to_deliver, stats.to_read) == ({}, (0, []), (0, []))
        assert stats.to_deliver.quantile_s(0.5) is None
        assert stats.awaiting == [0] * 5


class TestErrors:
    def test_the_most_frequent_come_first_and_equals_by_their_code(self) -> None:
        named = Counter({"failed": 9, "error:2": 2, "error:10": 2, "error:131026": 4})
        stats = stats_of(CounterDeltas(named, Counter(), Counter()), BASE_MS)
        assert list(stats.errors.items()) == [("131026", 4), ("10", 2), ("2", 2), ("", 1)]

    def test_those_without_a_code_are_what_is_left_of_the_failed(self) -> None:
        failed = [status_report(Status.FAILED, error_code=code) for code in ("", "1", "", "")]
        stats = of(*(record_of([each]) for each in failed))
        assert list(stats.errors.items()) == [("", 3), ("1", 1)]
        assert sum(stats.errors.values()) == stats.statuses[Status.FAILED]

    def test_where_all_have_a_code_nothing_is_said_of_others(self) -> None:
        assert "" not in of(record_of([status_report(Status.FAILED, error_code="1")])).errors

    @pytest.mark.parametrize("code", ["error:sent:", "1234567", "-1", "other", "١٢", "12x", " 1"])
    def test_what_is_no_number_of_up_to_six_digits_is_counted_as_other(self, code: str) -> None:
        odd = record_of([status_report(Status.FAILED, error_code=code)])
        assert of(odd).errors == {"other": 1}
        assert of(odd).total == 1

    @pytest.mark.parametrize("code", ["0", "7", "131026", "999999"])
    def test_numbers_of_up_to_six_digits_are_counted_each_by_itself(self, code: str) -> None:
        assert of(record_of([status_report(Status.FAILED, error_code=code)])).errors == {code: 1}

    def test_nothing_is_below_nought_where_counters_were_lost(self) -> None:
        named = Counter({"failed": 1, "error:1": 4, "sent": 2})
        stats = stats_of(CounterDeltas(named, Counter(), Counter({"1700000": 5})), BASE_MS)
        assert stats.errors == {"1": 4}
        assert min(stats.awaiting) == 0


class TestBounds:
    def test_they_are_each_second_up_to_twenty_then_a_tenth_apart_up_to_a_month(self) -> None:
        assert LATENCY_BUCKETS_S[:SECONDS_EXACT] == tuple(range(1, SECONDS_EXACT + 1))
        assert LATENCY_BUCKETS_S[-1] == MONTH_S == 30 * 24 * 3600
        beyond = LATENCY_BUCKETS_S[SECONDS_EXACT - 1 :]
        assert all(a < b <= 1.1 * a + 1 for a, b in pairwise(beyond))

    @pytest.mark.parametrize(
        ("duration_ms", "within_s"),
        [
            (-1_000, 1),
            (0, 1),
            (1_000, 1),
            (1_001, 2),
            (20_000, 20),
            (20_001, 22),
            (22_000, 22),
            (22_001, 25),
            (MONTH_MS, MONTH_S),
            (MONTH_MS + 1, None),
        ],
    )
    def test_a_duration_is_counted_by_the_first_that_is_no_shorter(
        self, duration_ms: int, within_s: int | None
    ) -> None:
        for status in (Status.DELIVERED, Status.READ):
            stats = of(took_ms(duration_ms, status))
            told = stats.to_deliver if status is Status.DELIVERED else stats.to_read
            assert told.within == [(within_s, 1)]
            assert told.quantile_s(0.5) == within_s

    @pytest.mark.parametrize("duration_ms", [-1_001, -5_000, -MONTH_MS])
    def test_what_ended_more_than_a_second_before_it_began_is_no_duration(
        self, duration_ms: int
    ) -> None:
        for status in (Status.DELIVERED, Status.READ):
            stats = of(took_ms(duration_ms, status))
            assert stats.to_deliver == stats.to_read == (0, [])

    def test_only_steps_that_rise_are_told_and_each_holds_those_before(self) -> None:
        took = of(*map(took_ms, [2_500, 900, 800, MONTH_MS + 1, 2_600])).to_deliver
        assert took == (5, [(1, 2), (3, 4), (None, 5)])

    def test_what_is_known_of_one_time_alone_is_not_counted(self) -> None:
        stats = of(way(Status.DELIVERED), way(Status.SENT), way(Status.READ, Status.DELIVERED))
        assert stats.to_deliver == stats.to_read == (0, [])


def true_quantile_ms(durations_ms: Sequence[int], part: Fraction) -> int:
    """The shortest time within which that part of them was through."""
    return sorted(durations_ms)[ceil(part * len(durations_ms)) - 1]


durations = st.integers(0, 40_000) | st.integers(0, 2 * MONTH_MS) | st.integers(-1_000, 0)


@given(durations_ms=st.lists(durations, min_size=1, max_size=200))
@example(durations_ms=[1_000] * 99 + [MONTH_MS + 1])
@example(durations_ms=[1_000] * 98 + [MONTH_MS + 1] * 2)
def test_a_percentile_is_never_too_short_and_hardly_too_long(durations_ms: list[int]) -> None:
    """To the second up to 20 s, then by about a tenth at most; beyond a month there is none."""
    told = of(*map(took_ms, durations_ms)).to_deliver
    assert told.number == len(durations_ms)
    for part in PARTS:
        true_ms, told_s = true_quantile_ms(durations_ms, part), told.quantile_s(float(part))
        if true_ms > MONTH_MS:
            assert told_s is None
        elif true_ms <= 1000 * SECONDS_EXACT:
            assert told_s == max(1, ceil(Fraction(true_ms, 1000)))
        else:
            assert told_s is not None
            assert true_ms <= 1000 * told_s < 1.1 * true_ms + 1000


@given(durations_ms=st.lists(durations | st.integers(-5_000, 0), max_size=50))
def test_the_steps_are_those_of_a_recount(durations_ms: list[int]) -> None:
    counted_ms = [duration_ms for duration_ms in durations_ms if duration_ms >= -1_000]
    assert of(*map(took_ms, durations_ms)).to_deliver == took(counted_ms)


ages_s = st.one_of(
    st.integers(-86_400, 2 * MONTH_S),  # a time may be reported that is a day ahead
    st.builds(int.__add__, st.sampled_from(AGES_S), st.integers(-1_500, 1_500)),
    st.builds(int.__add__, st.sampled_from(AGES_S), st.integers(-150_000, 150_000)),
).filter(lambda age_s: age_s >= -86_400)
SPAN_MS = [
    10**cut
    for cut in (
        AGE_BUCKET_DIGITS[0],
        AGE_BUCKET_DIGITS[0],
        AGE_BUCKET_DIGITS[1],
        AGE_BUCKET_DIGITS[1],
    )
]


@given(old_s=st.lists(ages_s, max_size=30), now_ms=st.integers(BASE_MS, BASE_MS + 10**9))
def test_an_age_is_told_to_a_span_and_no_message_is_told_too_old(
    old_s: list[int], now_ms: int
) -> None:
    sent_ms = [now_ms - 1000 * each for each in old_s]
    awaiting = of(*map(sent_at, sent_ms), now_ms=now_ms).awaiting
    assert len(awaiting) == len(AGES_S) + 1
    assert sum(awaiting) == len(old_s)
    for place, (age_s, span_ms) in enumerate(zip(AGES_S, SPAN_MS, strict=True)):
        told = sum(awaiting[: place + 1])
        assert told >= sum(each <= age_s for each in old_s)
        assert told <= sum(1000 * each < 1000 * age_s + span_ms for each in old_s)


@given(
    old_s=st.lists(ages_s, max_size=30),
    now_ms=st.integers(BASE_MS - 10**11, BASE_MS + 10**11),
    others=st.lists(st.sampled_from([Status.DELIVERED, Status.FAILED]), max_size=3),
)
def test_ages_add_up_at_any_time(old_s: list[int], now_ms: int, others: list[Status]) -> None:
    """If the clock was put back or on by years; those that aren't silent have no age."""
    records = [sent_at(BASE_MS - 1000 * each) for each in old_s]
    records += [way(Status.SENT, other) for other in others]
    awaiting = of(*records, now_ms=now_ms).awaiting
    assert sum(awaiting) == len(old_s)
    assert min(awaiting) >= 0


@given(old_s=st.lists(ages_s, max_size=30), now_ms=st.integers(BASE_MS, BASE_MS + 10**9))
def test_the_fields_asked_for_are_all_that_ages_need(old_s: list[int], now_ms: int) -> None:
    """With the rest left out, as where there are many, the answer is the same."""
    whole = merge_counts(deltas_of(sent_at(now_ms - 1000 * each)) for each in old_s)
    asked = waits_asked(now_ms)
    part = Counter({field: whole.waits[field] for field in asked})
    partly = CounterDeltas(whole.count, whole.times, part)
    assert stats_of(partly, now_ms) == stats_of(whole, now_ms)
    assert len(asked) == len(set(asked)) < 300


@given(some=st.lists(reports, max_size=30), now_ms=st.integers(BASE_MS, BASE_MS + 10**10))
def test_stats_of_messages_are_a_recount_of_them(some: list[Report], now_ms: int) -> None:
    by_wamid: dict[str, list[Report]] = {}
    for report in some:
        by_wamid.setdefault(report.wamid, []).append(report)
    records = [record_of(each) for each in by_wamid.values()]
    stats = of(*records, now_ms=now_ms)
    assert stats == recount(records, now_ms)
    assert list(stats.errors.items()) == list(recount(records, now_ms).errors.items())


def test_a_code_that_a_part_may_have_among_others_is_no_group_of_its_own() -> None:
    """Its number was that of some parts alone, and its list had those of all."""
    known, told, missing = "131026", "400000", "400001"
    room = [f"error:{code}" for code in range(500_000, 500_000 + MOST_CODES)]
    full = Counter(dict.fromkeys([*room, f"error:{told}"], 1) | {"error:other": 3})
    other = Counter({f"error:{code}": 2 for code in (known, told, missing)})
    parts = [CounterDeltas(count, Counter(), Counter()) for count in (full, other)]
    count = merge_counts(parts, [known]).count
    assert (count[f"error:{known}"], count[f"error:{told}"]) == (2, 3)
    assert f"error:{missing}" not in count
    assert count["error:other"] == 3 + 2
    assert count.total() == full.total() + other.total()
