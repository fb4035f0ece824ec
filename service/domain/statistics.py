"""What messages are counted by, and what the counters say.

`lua/indexes.lua` keeps the counters: when a record changes, it subtracts what the record added
before, and adds what it adds now. `deltas_of` computes the same for one record in Python; the tests
compare the counters with a recount by it.

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
"""The funnel. A message at one stage has passed all earlier stages."""

MONTH_S = 30 * 86_400
"""How long Meta goes on trying to deliver a message, in seconds."""

AGE_BUCKET_DIGITS = (6, 8)
"""Undelivered messages are counted by send time, in buckets of 1,000 s and of 100,000 s. A bucket
is the time in ms without its last 6 or 8 digits, which needs no arithmetic."""

AGES_S = (3_600, 86_400, 7 * 86_400, MONTH_S)
"""The age groups of undelivered messages: their upper bounds, in seconds."""

OVER = "over"
"""The bucket for durations longer than the last of `LATENCY_BUCKETS_S`."""

EXACT_S = 20
"""Up to this duration, in seconds, a bucket is one second wide."""

GROWTH = 1.1
"""Beyond `EXACT_S`, each bound is about so many times the one before it."""


def _within_s() -> Iterator[int]:
    yield from range(1, EXACT_S + 1)
    bounds = (ceil(EXACT_S * GROWTH**step) for step in count(1))
    yield from takewhile(lambda bound_s: bound_s < MONTH_S, bounds)
    yield MONTH_S


LATENCY_BUCKETS_S = tuple(_within_s())
"""The upper bounds of the latency histogram, in seconds. A duration goes into the first bucket that
fits; a bucket is at most 10 % or 1 s too wide."""


TOLERANCE_MS = 1_000
"""A `delivered` or `read` that is at most this much earlier than `sent` counts in the histogram's
first bucket. Meta's times are whole seconds and ours aren't, so short negative durations are
normal."""

OTHER_CODE = "other"
"""The field that counts all error codes without a field of their own."""

MOST_CODES = 200
"""Once a hash of counters has so many fields, it counts new codes as `OTHER_CODE`, except those in
`meta_errors.toml`."""

LONGEST_CODE = 6
"""How many digits a code may have to get a field of its own. Meta's codes are such numbers."""

TIMED = (Status.DELIVERED, Status.READ)
_TIMES = [f"{status}:{within}" for within in (*LATENCY_BUCKETS_S, OVER) for status in TIMED]


class CounterDeltas(msgspec.Struct, frozen=True):
    """Numbers of messages, by the fields of the keys that hold the counters.

    Attributes:
        count: `<status>`: have this status now. `failed:<status>`: failed after they had reached
            this status. `error:<code>`: failed with this code. `error:other`: failed with a code
            without a field of its own.
        times: `delivered:<s>` and `read:<s>`: took that long from `sent`, by `LATENCY_BUCKETS_S`.
        waits: `<bucket>`: were sent in that bucket of `AGE_BUCKET_DIGITS`, and have no later
            status.
    """

    count: Counter[str]
    times: Counter[str]
    waits: Counter[str]


def deltas_of(record: Record) -> CounterDeltas:
    """Returns what a message adds to the counters of each of its dimensions.

    It assumes that there are few codes: see `MOST_CODES`.
    """
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
    """Returns whether an error code has the form of codes that get a field of their own."""
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
    """Returns the fields of `CounterDeltas.waits` that `stats_of` needs at this time."""
    return [span for cut, age_s in _SPANS_ASKED for span in _spans(now_ms, cut, age_s)]


_DAY_S = 86_400
_SPANS_ASKED = tuple(zip(AGE_BUCKET_DIGITS, (_DAY_S, MONTH_S), strict=True))


def _spans(now_ms: int, cut: int, age_s: int) -> list[str]:
    """Returns the buckets from a given age up to a day ahead: reported times may lie ahead."""
    first, last = ((now_ms + 1000 * s) // 10**cut for s in (-age_s, _DAY_S))
    return [str(span) for span in range(first, last + 1)]


class ValueTotals(NamedTuple):
    """The counts of a dimension's value, in one partition or in all.

    Attributes:
        value: the value.
        latest_us: `created_us` of its latest message.
        statuses: how many of its messages have each status.
    """

    value: str
    latest_us: int
    statuses: dict[Status, int]

    @property
    def position(self) -> ValuePosition:
        """Its position among the values."""
        return self.latest_us, self.value

    @property
    def total(self) -> int:
        """The number of its messages."""
        return sum(self.statuses.values())

    def plus(self, other: ValueTotals) -> ValueTotals:
        """Returns the sum of the counts of the same value in two places."""
        statuses = {each: self.statuses[each] + other.statuses[each] for each in Status}
        return ValueTotals(self.value, max(self.latest_us, other.latest_us), statuses)


class LatencyHistogram(NamedTuple):
    """How long messages took to reach a status.

    Attributes:
        number: how many messages have a known duration.
        within: pairs of an upper bound in seconds and the number of messages that took no longer;
            None stands for any duration.
    """

    number: int
    within: list[tuple[int | None, int]]

    def quantile_s(self, part: float) -> int | None:
        """Returns the bound in seconds within which this part of the messages was done.

        Returns:
            None if it took longer than a month, or if there are no messages.
        """
        through = (bound_s for bound_s, number in self.within if number >= part * self.number)
        return next(through, None)


class Stats(NamedTuple):
    """What the counters say about a group of messages.

    Attributes:
        statuses: how many have each status now.
        reached: how many have reached each status, or a later one of sent, delivered and read.
        errors: how many failed with each code; `""` stands for a failure without one.
        to_deliver: the durations from sent to delivered.
        to_read: the durations from sent to read.
        awaiting: how many are undelivered, by the age groups of `AGES_S` and one of older ones.
    """

    statuses: dict[Status, int]
    reached: dict[Status, int]
    errors: dict[str, int]
    to_deliver: LatencyHistogram
    to_read: LatencyHistogram
    awaiting: list[int]

    @property
    def total(self) -> int:
        """The number of messages."""
        return sum(self.statuses.values())


def times_in(packed: bytes) -> Counter[str]:
    """Decodes the fields of `CounterDeltas.times` from their text of 32-bit numbers."""
    whole = len(packed) // 4
    numbers = unpack(f">{whole}I", packed[: 4 * whole])
    return Counter(
        {field: number for field, number in zip(_TIMES, numbers, strict=False) if number}
    )


def numbers_of(times: Counter[str]) -> list[int]:
    """Returns the numbers of the text that `times_in` reads, in their order."""
    return [times[field] for field in _TIMES]


def merge_counts(parts: Iterable[CounterDeltas], known_codes: Iterable[str] = ()) -> CounterDeltas:
    """Returns the sum of all parts.

    Args:
        parts: the counters of each partition.
        known_codes: the error codes that always have a field.
    """
    parts = list(parts)
    counts, times, waits = Counter[str](), Counter[str](), Counter[str]()
    for part in parts:
        counts.update(part.count)
        times.update(part.times)
        waits.update(part.waits)
    # A part that is full may have counted an error code without a field there as another code. So
    # the code's sum isn't known, and it joins the other codes. Known codes always have a field.
    safe = {f"error:{code}" for code in (*known_codes, OTHER_CODE)}
    for full in (part.count for part in parts if len(part.count) >= MOST_CODES):
        for field in counts.keys() - full.keys() - safe:
            if field.startswith("error:"):
                counts[f"error:{OTHER_CODE}"] += counts.pop(field)
    return CounterDeltas(counts, times, waits)


def stats_of(tallies: CounterDeltas, now_ms: int) -> Stats:
    """Returns what counters say.

    Args:
        tallies: the counters of all partitions together, with the fields of `waits_asked`.
        now_ms: the present time, in ms since the epoch.
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
    """Returns the number of failures by error code, the most frequent first."""
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
    """Returns how many messages each age group has; the last group is of all older ones.

    A group may reach up to a bucket further than its bound.
    """
    fine, coarse = AGE_BUCKET_DIGITS
    younger = [
        sum(waits[span] for span in _spans(now_ms, cut, age_s))
        for cut, age_s in zip((fine, fine, coarse, coarse), AGES_S, strict=True)
    ]
    younger.append(sent)
    pairs = zip([0, *younger], younger, strict=False)
    return [max(0, older - before) for before, older in pairs]
