"""What messages are counted by, and what the counters say.

`lua/indexes.lua` keeps the counters: a record that changes takes what it added before out of them
and puts what it adds now into them. `counted` says the same of one record in Python; the tests hold
the counters against a recount by it.

Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, count, takewhile
from math import ceil
from struct import unpack
from typing import NamedTuple

import msgspec

from service.domain.query import ValuePosition
from service.domain.record import Record
from service.domain.report import Status

REACHED = (Status.SENT, Status.DELIVERED, Status.READ)
"""The way of a message that doesn't fail: who is at a step has been at those before it."""

MONTH_S = 30 * 86_400
"""How long Meta goes on trying to deliver a message, in seconds."""

AGE_BUCKET_DIGITS = (6, 8)
"""Messages that are only sent are counted by when they were, by the time in ms without so many of
its digits: by spans of 1,000 s and of 100,000 s. Cutting them off needs no arithmetic."""

AGES_S = (3_600, 86_400, 7 * 86_400, MONTH_S)
"""By how old they are, in seconds, messages are told apart that are sent and silent."""

OVER = "over"
"""Stands for how long something took that took more than the last of `LATENCY_BUCKETS_S`."""

EXACT_S = 20
"""How long things take is counted to the second up to this, in seconds."""

GROWTH = 1.1
"""Beyond it, each bound is about so many times the one before it."""


def _within_s() -> Iterator[int]:
    yield from range(1, EXACT_S + 1)
    bounds = (ceil(EXACT_S * GROWTH**step) for step in count(1))
    yield from takewhile(lambda bound_s: bound_s < MONTH_S, bounds)
    yield MONTH_S


LATENCY_BUCKETS_S = tuple(_within_s())
"""How long things take is counted by these, in seconds: each by the first that is no shorter, which
is a tenth too long at most, or a second."""


TOLERANCE_MS = 1_000
"""A `delivered` or `read` up to so long before `sent` counts in the histogram's first bucket.
Meta's times are whole seconds and ours aren't, so short negative durations are normal."""

OTHER_CODE = "other"
"""The field that counts all error codes without a field of their own."""

MOST_CODES = 200
"""When a hash of counters has so many fields, it counts new codes as `OTHER_CODE`, except those in
`meta_errors.toml`."""

LONGEST_CODE = 6
"""A code has a field of its own only if it is a number of up to so many digits, as Meta's are."""

TIMED = (Status.DELIVERED, Status.READ)
_TIMES = [f"{status}:{within}" for within in (*LATENCY_BUCKETS_S, OVER) for status in TIMED]


class CounterDeltas(msgspec.Struct, frozen=True):
    """Numbers of messages, by the fields of the keys that hold the counters.

    Attributes:
        count: now at a status; `failed:<status>`: failed after they had reached that one;
            `error:<code>`: failed with it, `error:other`: with a code without a field of its own.
        times: `delivered:<s>` and `read:<s>`: how long that took from `sent`, by
            `LATENCY_BUCKETS_S`.
        waits: sent in that span of `AGE_BUCKET_DIGITS` and silent since.
    """

    count: Counter[str]
    times: Counter[str]
    waits: Counter[str]


def deltas_of(record: Record) -> CounterDeltas:
    """What a message adds to the counters of each of its dimensions, while codes are few."""
    return CounterDeltas(
        Counter(_standing(record)), Counter(_durations(record)), Counter(_waiting(record))
    )


def _standing(record: Record) -> Iterator[str]:
    yield record.status.value
    if record.status is Status.FAILED:
        reached = [status for status in REACHED if getattr(record, f"{status}_ms")]
        if reached:
            yield f"failed:{reached[-1]}"
        if record.error_code:
            yield f"error:{record.error_code if is_number(record.error_code) else OTHER_CODE}"


def is_number(code: str) -> bool:
    """Whether an error code is of the form that is counted by itself."""
    return len(code) <= LONGEST_CODE and code.isascii() and code.isdigit()


def _durations(record: Record) -> Iterator[str]:
    for status in TIMED:
        at_ms = getattr(record, f"{status}_ms")
        if at_ms and record.sent_ms:
            took_ms = int(at_ms) - int(record.sent_ms)
            if took_ms < -TOLERANCE_MS:
                continue
            bounds = (str(bound_s) for bound_s in LATENCY_BUCKETS_S if took_ms <= 1000 * bound_s)
            yield f"{status}:{next(bounds, OVER)}"


def _waiting(record: Record) -> Iterator[str]:
    if record.status is Status.SENT and record.sent_ms:
        yield from (record.sent_ms[:-cut] for cut in AGE_BUCKET_DIGITS)


def waits_asked(now_ms: int) -> list[str]:
    """The fields of `CounterDeltas.waits` by which `stats_of` tells ages at this time."""
    return [span for cut, age_s in _SPANS_ASKED for span in _spans(now_ms, cut, age_s)]


_DAY_S = 86_400
_SPANS_ASKED = tuple(zip(AGE_BUCKET_DIGITS, (_DAY_S, MONTH_S), strict=True))


def _spans(now_ms: int, cut: int, age_s: int) -> list[str]:
    """The spans of the next day, as a reported time may be, and of the past up to an age."""
    first, last = ((now_ms + 1000 * s) // 10**cut for s in (-age_s, _DAY_S))
    return [str(span) for span in range(first, last + 1)]


class ValueTotals(NamedTuple):
    """A value of a dimension and its messages, in one partition or in all.

    Attributes:
        value: of the dimension.
        latest_us: `created_us` of the latest.
        statuses: how many are at each.
    """

    value: str
    latest_us: int
    statuses: dict[Status, int]

    @property
    def position(self) -> ValuePosition:
        """Where it is among the values."""
        return self.latest_us, self.value

    @property
    def total(self) -> int:
        """How many messages it has."""
        return sum(self.statuses.values())

    def plus(self, other: ValueTotals) -> ValueTotals:
        """The same value's messages here and elsewhere."""
        statuses = {each: self.statuses[each] + other.statuses[each] for each in Status}
        return ValueTotals(self.value, max(self.latest_us, other.latest_us), statuses)


class LatencyHistogram(NamedTuple):
    """How long something took.

    Attributes:
        number: of messages that it is known of.
        within: of how many it took no longer than so many seconds, by these; None: any time.
    """

    number: int
    within: list[tuple[int | None, int]]

    def quantile_s(self, part: float) -> int | None:
        """Within how many seconds that part of them was through.

        None where it took longer than a month, or there are none.
        """
        through = (bound_s for bound_s, number in self.within if number >= part * self.number)
        return next(through, None)


class Stats(NamedTuple):
    """What the counters say of some messages.

    Attributes:
        statuses: how many are at each now.
        reached: how many have been at each, or at a later one of sent, delivered and read.
        errors: how many failed with each code; `""`: without one.
        to_deliver: from sent to delivered.
        to_read: from sent to read.
        awaiting: how many are sent and silent, by `AGES_S`, and older.
    """

    statuses: dict[Status, int]
    reached: dict[Status, int]
    errors: dict[str, int]
    to_deliver: LatencyHistogram
    to_read: LatencyHistogram
    awaiting: list[int]

    @property
    def total(self) -> int:
        """How many messages there are."""
        return sum(self.statuses.values())


def times_in(packed: bytes) -> Counter[str]:
    """The fields of `CounterDeltas.times` in their text: numbers of 32 bits each."""
    whole = len(packed) // 4
    numbers = unpack(f">{whole}I", packed[: 4 * whole])
    return Counter(
        {field: number for field, number in zip(_TIMES, numbers, strict=False) if number}
    )


def numbers_of(times: Counter[str]) -> list[int]:
    """All numbers of the text that `times_in` reads, in their order."""
    return [times[field] for field in _TIMES]


def merge_counts(parts: Iterable[CounterDeltas], known_codes: Iterable[str] = ()) -> CounterDeltas:
    """The sum of all parts.

    An error code without a field in a part that has no room may be among its other codes. So it
    is one of the other codes altogether, save the known ones, which always have a field.
    """
    parts = list(parts)
    counts, times, waits = Counter[str](), Counter[str](), Counter[str]()
    for part in parts:
        counts.update(part.count)
        times.update(part.times)
        waits.update(part.waits)
    safe = {f"error:{code}" for code in (*known_codes, OTHER_CODE)}
    for full in (part.count for part in parts if len(part.count) >= MOST_CODES):
        for field in counts.keys() - full.keys() - safe:
            if field.startswith("error:"):
                counts[f"error:{OTHER_CODE}"] += counts.pop(field)
    return CounterDeltas(counts, times, waits)


def stats_of(tallies: CounterDeltas, now_ms: int) -> Stats:
    """What counters say.

    Args:
        tallies: of all partitions together; of `waits` the fields of `waits_asked`.
        now_ms: the time, in ms since the epoch.
    """
    statuses = {status: tallies.count[status] for status in Status}
    return Stats(
        statuses=statuses,
        reached=_reached(tallies.count),
        errors=_errors(tallies.count),
        to_deliver=_took(tallies.times, Status.DELIVERED),
        to_read=_took(tallies.times, Status.READ),
        awaiting=_awaiting(tallies.waits, statuses[Status.SENT], now_ms),
    )


def _reached(count: Mapping[str, int]) -> dict[Status, int]:
    at_most = {s: count[s] + count[f"failed:{s}"] for s in REACHED}
    from_the_end = accumulate(at_most[status] for status in reversed(REACHED))
    found = dict(zip(reversed(REACHED), from_the_end, strict=True)) | {
        Status.FAILED: count[Status.FAILED]
    }
    return {status: found[status] for status in Status}


def _errors(count: Mapping[str, int]) -> dict[str, int]:
    """Most first."""
    found = {
        name.removeprefix("error:"): number
        for name, number in count.items()
        if name.startswith("error:") and number > 0
    }
    nameless = count[Status.FAILED] - sum(found.values())
    if nameless > 0:
        found[""] = nameless
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _took(times: Mapping[str, int], status: Status) -> LatencyHistogram:
    bounds = {str(bound_s): bound_s for bound_s in LATENCY_BUCKETS_S} | {OVER: None}
    numbers = {text: times[f"{status}:{text}"] for text in bounds}
    sums = zip(bounds, accumulate(numbers.values()), strict=True)
    within = [(bounds[text], number) for text, number in sums if numbers[text]]
    return LatencyHistogram(sum(numbers.values()), within)


def _awaiting(waits: Mapping[str, int], sent: int, now_ms: int) -> list[int]:
    """Of each age: up to a span more than it says; older is what the spans asked for don't have."""
    fine, coarse = AGE_BUCKET_DIGITS
    younger = [
        sum(waits[span] for span in _spans(now_ms, cut, age_s))
        for cut, age_s in zip((fine, fine, coarse, coarse), AGES_S, strict=True)
    ]
    younger.append(sent)
    pairs = zip([0, *younger], younger, strict=False)
    return [max(0, older - before) for before, older in pairs]
