"""Pages of values out of many partitions: in order, each once, with bounded work."""

from collections.abc import Sequence
from itertools import starmap

from hypothesis import given
from hypothesis import strategies as st

from service.domain.query import ValuePosition
from service.domain.report import Status
from service.domain.statistics import ValueTotals
from service.store.paging import ValuePager

Part = dict[str, int]
"""What a partition has: the latest message of each value, in µs."""


class Parts:
    """Partitions, and how often they were asked."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._late = False
        self.asked = 0

    def pages(self, *, late: bool = False) -> ValuePager:
        self._late = late
        return ValuePager(self)

    def is_late(self) -> bool:
        return self._late

    async def heads(self, limit: int, after: ValuePosition | None) -> list[list[ValueTotals]]:
        self.asked += 1
        found = [
            sorted(starmap(_standing, part.items()), key=_position, reverse=True)
            for part in self._parts
        ]
        return [[s for s in part if after is None or s.position < after][:limit] for part in found]

    async def standings(self, values: Sequence[str]) -> list[list[ValueTotals]]:
        self.asked += 1
        return [[_standing(v, part[v]) for v in values if v in part] for part in self._parts]

    @property
    def expected(self) -> list[ValuePosition]:
        values = {value for part in self._parts for value in part}
        latest = ((max(part.get(v, 0) for part in self._parts), v) for v in values)
        return sorted(latest, reverse=True)


def _standing(value: str, latest_us: int) -> ValueTotals:
    return ValueTotals(value, latest_us, dict.fromkeys(Status, 1))


def _position(standing: ValueTotals) -> ValuePosition:
    return standing.position


async def walk(pages: ValuePager, limit: int) -> list[list[ValueTotals]]:
    found: list[list[ValueTotals]] = []
    after = None
    while True:
        page = await pages.page(limit, after)
        found.append(page.standings)
        if page.following is None:
            return found
        after = page.following


_parts = st.lists(st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 9)), min_size=1)


@given(parts=_parts, limit=st.integers(1, 12), late=st.booleans())
async def test_each_comes_once_in_order(parts: list[Part], limit: int, late: bool) -> None:
    split = Parts(parts)
    found = await walk(split.pages(late=late), limit)
    rows = [row for page in found for row in page]
    assert [row.position for row in rows] == split.expected
    for row in rows:
        assert row.total == len(Status) * sum(row.value in part for part in parts)
    if not late:
        assert all(len(page) == limit for page in found[:-1])


def _passed_over() -> Parts:
    """Of 1,000 values each has messages everywhere, and its latest in one partition alone."""
    return Parts(
        [{f"v{n}": 10_000 + n if n % 4 == p else n for n in range(1_000)} for p in range(4)]
    )


async def test_many_that_are_passed_over_take_few_steps() -> None:
    parts = _passed_over()
    page = await parts.pages().page(1, (5_000, ""))
    assert page == ([], None)
    assert parts.asked < 40


async def test_a_page_that_would_take_too_long_comes_short_and_can_be_gone_on_from() -> None:
    page = await _passed_over().pages(late=True).page(50, (5_000, ""))
    assert page.standings == []
    assert page.following is not None
