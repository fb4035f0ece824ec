"""What stats, lists of values and failures must say, worked out from the records one by one.

Nothing here uses what the counters are made by: only the bounds and spans that they promise.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from service.domain.identity import id_of
from service.domain.query import Position, Selection, ValuePosition
from service.domain.record import Record
from service.domain.report import Status
from service.domain.statistics import (
    AGE_BUCKET_DIGITS,
    AGES_S,
    LATENCY_BUCKETS_S,
    LatencyHistogram,
    Stats,
    ValueTotals,
)
from service.store.store import Store
from tests.backends import unversioned

FIELDS = {
    "event": "event_id",
    "template": "template_name",
    "campaign": "campaign_id",
    "phone_number": "phone_number_id",
}
"""The fields of the dimensions whose values are counted and listed."""

WAY = (Status.SENT, Status.DELIVERED, Status.READ)


def only(records: Iterable[Record], dimension: str, value: str) -> list[Record]:
    """Those of a value of a listed dimension, or `all`."""
    field = FIELDS.get(dimension)
    return [each for each in records if field is None or getattr(each, field) == value]


def recount(records: Sequence[Record], now_ms: int) -> Stats:
    """What is to be said of these messages at this time."""
    sent = [int(each.sent_ms or 0) for each in records if each.status is Status.SENT]
    codes = Counter(code_of(each) for each in records if each.status is Status.FAILED)
    return Stats(
        statuses={status: _number_at(records, status) for status in Status},
        reached={status: _number_reached(records, status) for status in Status},
        errors=dict(sorted(codes.items(), key=lambda item: (-item[1], item[0]))),
        to_deliver=took(_durations_ms(records, Status.DELIVERED)),
        to_read=took(_durations_ms(records, Status.READ)),
        awaiting=_by_age(sent, now_ms),
    )


def code_of(record: Record) -> str:
    """The field that counts its error code, while codes are few."""
    return record.error_code if re.fullmatch(r"([0-9]{1,6})?", record.error_code) else "other"


def _number_at(records: Iterable[Record], status: Status) -> int:
    return sum(each.status is status for each in records)


def _number_reached(records: Iterable[Record], status: Status) -> int:
    """A message that didn't fail has been at all before its status; one that did, as reported."""
    if status is Status.FAILED:
        return _number_at(records, status)
    return sum(status in WAY[: _steps(each)] for each in records)


def _steps(record: Record) -> int:
    if record.status is not Status.FAILED:
        return WAY.index(record.status) + 1
    reported = [step for step, status in enumerate(WAY, 1) if _time_of(record, status)]
    return max(reported, default=0)


def _time_of(record: Record, status: Status) -> str:
    return str(getattr(record, f"{status}_ms"))


def _durations_ms(records: Iterable[Record], status: Status) -> list[int]:
    both = [(_time_of(each, status), each.sent_ms) for each in records]
    found = [int(at_ms) - int(sent_ms) for at_ms, sent_ms in both if at_ms and sent_ms]
    return [duration_ms for duration_ms in found if duration_ms >= -1_000]


def took(durations_ms: Sequence[int]) -> LatencyHistogram:
    """Every bound that takes in some which the one before it doesn't."""
    within: list[tuple[int | None, int]] = []
    before = 0
    for bound_s in (*LATENCY_BUCKETS_S, None):
        number = sum(bound_s is None or each <= 1000 * bound_s for each in durations_ms)
        if number > before:
            within.append((bound_s, number))
        before = number
    return LatencyHistogram(len(durations_ms), within)


def _by_age(sent_ms: Iterable[int], now_ms: int) -> list[int]:
    """A message is as old as the span that it was sent in: of a thousandth part up to a day."""
    counts = [0] * (len(AGES_S) + 1)
    for each in sent_ms:
        fits = [
            each // 10**cut >= (now_ms - 1000 * age_s) // 10**cut
            for age_s, cut in zip(
                AGES_S,
                (
                    AGE_BUCKET_DIGITS[0],
                    AGE_BUCKET_DIGITS[0],
                    AGE_BUCKET_DIGITS[1],
                    AGE_BUCKET_DIGITS[1],
                ),
                strict=True,
            )
        ]
        counts[fits.index(True) if True in fits else -1] += 1
    return counts


def standings(records: Iterable[Record], dimension: str) -> list[ValueTotals]:
    """The values of a listed dimension, the one with the latest message first."""
    field = FIELDS[dimension]
    by_value: dict[str, list[Record]] = {}
    for each in records:
        if value := getattr(each, field):
            by_value.setdefault(value, []).append(each)
    found = [
        ValueTotals(
            value,
            max(int(each.created_us) for each in some),
            {status: _number_at(some, status) for status in Status},
        )
        for value, some in by_value.items()
    ]
    return sorted(found, key=lambda each: (each.latest_us, each.value.encode()), reverse=True)


def failed(records: Iterable[Record], codes: Sequence[str] = ()) -> list[Record]:
    """Failed messages, newest first; only those with one of the codes where any are given."""
    found = [
        each
        for each in records
        if each.status is Status.FAILED and (not codes or each.error_code in codes)
    ]
    return sorted(
        found, key=lambda each: (int(each.created_us), id_of(each.wamid).encode()), reverse=True
    )


async def walk_values(store: Store, dimension: str, limit: int) -> list[ValueTotals]:
    """All values, page by page; no page but the last is short."""
    found: list[ValueTotals] = []
    after: ValuePosition | None = None
    while True:
        page = await store.values(dimension, limit, after)
        found += page.standings
        if page.following is None:
            return found
        assert len(page.standings) == limit
        after = page.following


async def walk(store: Store, selection: Selection, limit: int) -> list[Record]:
    """All selected messages, page by page; see `unversioned`."""
    found: list[Record] = []
    after: Position | None = None
    while True:
        page = await store.page(selection, limit, after)
        found += map(unversioned, page.records)
        if page.following is None:
            return found
        after = page.following


async def check_insight(store: Store, records: Sequence[Record], now_ms: int) -> None:
    """All that the store says of these messages, which are all that it has, is a recount."""
    chosen = [("all", ""), *((dimension, "nobody's") for dimension in FIELDS)]
    for dimension in FIELDS:
        expected = standings(records, dimension)
        assert (await store.values(dimension, 200)).standings == expected
        assert await walk_values(store, dimension, 2) == expected
        chosen += [(dimension, each.value) for each in expected]
    for dimension, value in chosen:
        some = only(records, dimension, value)
        stats = await store.stats(dimension, value, now_ms)
        assert stats == recount(some, now_ms)
        assert list(stats.errors) == list(recount(some, now_ms).errors)
        for codes in [(), *((code,) for code in list(stats.errors)[:1])]:
            selection = Selection([(dimension, value), ("failed", "")], codes=codes)
            assert await walk(store, selection, 3) == failed(some, codes)
