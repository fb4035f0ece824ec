"""Whatever was reported and removed: what the store says of the rest is what a plain model says."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.domain.report import Report
from tests.backends import Backend, open_store
from tests.factories import BASE_MS, examples, reports
from tests.properties.test_erasing import Model, Step, do, erasures, sweeps
from tests.stats_oracle import check_insight

pytestmark = pytest.mark.timeout(180)

_DAY_MS = 86_400_000
_AFTER_MS = [0, 1_000, 1_001, 20_000, 20_001, 22_001, 10**7, 33 * _DAY_MS, 39 * _DAY_MS]


def _at(report: Report, after_ms: int) -> Report:
    return replace(report, at_ms=BASE_MS + after_ms)


spread = st.builds(_at, reports, st.sampled_from(_AFTER_MS))
"""Any one report, of times that are far enough apart to count."""

changes = st.one_of(spread, spread, spread, spread, erasures, sweeps)


@examples
@given(
    steps=st.lists(changes, max_size=40),
    now_ms=st.integers(BASE_MS + 38 * _DAY_MS, BASE_MS + 80 * _DAY_MS),
)
def test_stats_values_and_failures_are_those_of_what_is_left(
    backend: Backend, steps: list[Step], now_ms: int
) -> None:
    model = Model()
    for step in steps:
        model.take(step)

    async def scenario() -> None:
        async with open_store(backend) as bench:
            for step in steps:
                await do(bench, step)
            await check_insight(bench.store, list(model.records().values()), now_ms)

    asyncio.run(scenario())
