"""A record's version grows with each change of it, and with nothing else."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.record import Participant, Record
from service.domain.report import Report
from service.models.responses import version_of
from tests.backends import Backend, open_store, unversioned
from tests.factories import examples
from tests.properties.test_participants import NAMING

pytestmark = pytest.mark.timeout(180)

State = tuple[Record, list[Participant]] | None


@examples
@given(some=st.lists(NAMING, min_size=1, max_size=25), data=st.data())
def test_a_change_has_a_greater_version_and_a_repetition_the_same(
    backend: Backend, some: list[Report], data: st.DataObject
) -> None:
    merged = some + data.draw(st.lists(st.sampled_from(some), max_size=10))

    async def scenario() -> None:
        async with open_store(backend) as bench:

            async def state(wamid: str) -> State:
                record = await bench.record(wamid)
                return record and (record, await bench.participants(wamid))

            for report in merged:
                before = await state(report.wamid)
                await bench.merge(report)
                after = await state(report.wamid)
                assert after
                assert _version(after) - _version(before) == (_content(after) != _content(before))

    asyncio.run(scenario())


def _version(state: State) -> int:
    return version_of(state[0].version) if state else 0


def _content(state: State) -> State:
    return state and (unversioned(state[0]), state[1])
