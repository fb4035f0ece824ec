"""A person by any number and id: found, listed once, erased wholly, and nobody else with them."""

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.report import Context, Extras, Report, Status
from service.models.recipients import ids_in, numbers_of, same_person
from service.models.requests import EraseRequest, MessageLogsQuery
from service.models.selections import selection_of, selection_to_erase
from service.store.erasure import erase
from tests.backends import Backend, Bench, open_store
from tests.factories import BASE_MS, BASE_US, examples

pytestmark = pytest.mark.timeout(180)

PERSONS = [
    ("5511987654321", "551187654321", "BR.1", "BR.ENT.1"),
    ("5411987654321", "BR.2", "BR.ENT.2"),  # ends like the first, in another country
    ("5512987654321", "551287654321", "BR.11"),  # has the same last eight digits, too
    ("1187654321", "US.3"),  # the first one's number without its country, for all we know
    ("919876543210", "IN.4", "IN.ENT.4"),
    ("9876543210", "IN.ENT.5"),
]
NAMES = [name for person in PERSONS for name in person]
NUMBERS = [name for name in NAMES if name.isdecimal()]


def reports_on(wamid: str, person: tuple[str, ...]) -> st.SearchStrategy[list[Report]]:
    """Reports on a message to this person, by any of the names, of any of the statuses."""
    names = st.sampled_from(["", *person])
    ids = {"user_id": [""], "parent_user_id": [""]}
    for name in person:
        for field, found in ids_in(name).items():
            ids[field].append(found)
    extras = st.builds(
        lambda recipient_id, user_id, parent_user_id: Extras(
            **{"user_id": user_id, "parent_user_id": parent_user_id} | ids_in(recipient_id)
        ),
        names,
        st.sampled_from(ids["user_id"]),
        st.sampled_from(ids["parent_user_id"]),
    )
    numbers = [name for name in person if name.isdecimal()]
    updates = st.builds(
        Report,
        st.just(wamid),
        st.sampled_from(Status),
        st.just(BASE_MS),
        st.integers(0, 9).map(lambda stamp: BASE_US + stamp),
        st.sampled_from(["", *numbers]),
        extras=extras,
    )
    sends = st.builds(
        Report,
        st.just(wamid),
        st.just(Status.SENT),
        st.just(BASE_MS),
        st.integers(0, 9).map(lambda stamp: BASE_US + stamp),
        context=st.builds(Context, st.sampled_from(person), st.sampled_from(["", "e"])),
    )
    tracked = sends.flatmap(lambda send: st.lists(st.just(send), max_size=2))
    return st.tuples(tracked, st.lists(updates, max_size=4)).map(lambda both: both[0] + both[1])


@st.composite
def histories(draw: st.DrawFn) -> list[Report]:
    """Reports on a few messages to a few persons, in any order."""
    found: list[Report] = []
    for number in range(draw(st.integers(1, 6))):
        person = draw(st.sampled_from(PERSONS))
        found += draw(reports_on(f"wamid.{number}", person))
    return list(draw(st.permutations(found)))


def names_in(report: Report) -> set[str]:
    """All by which a report names its recipient."""
    named = {report.recipient_id}
    if report.context:
        named.add(report.context.recipient_id)
    if report.extras:
        named |= {report.extras.user_id, report.extras.parent_user_id}
    return named - {""}


def carried(history: list[Report]) -> dict[str, set[str]]:
    """The names that the reports on each message gave."""
    named = defaultdict[str, set[str]](set)
    for report in history:
        named[report.wamid] |= names_in(report)
    return named


def messages_of(name: str, named: dict[str, set[str]]) -> set[str]:
    return {
        wamid for wamid, names in named.items() if any(same_person(name, each) for each in names)
    }


async def listed(bench: Bench, name: str) -> list[str]:
    selection = selection_of(MessageLogsQuery(recipient_id=name))
    return [record.wamid for record in (await bench.store.page(selection, 50)).records]


@examples
@given(history=histories(), data=st.data())
def test_a_person_is_found_and_erased_by_each_of_their_names(
    backend: Backend, history: list[Report], data: st.DataObject
) -> None:
    named = carried(history)
    erased_by = data.draw(st.permutations(NAMES))

    async def scenario() -> None:
        async with open_store(backend) as bench:
            await bench.merge(*history)
            await bench.check_invariants()
            for name in NAMES:
                found = await listed(bench, name)
                assert len(found) == len(set(found))
                assert messages_of(name, named) <= set(found)
                if not name.isdecimal():
                    assert messages_of(name, named) == set(found)
            for name in erased_by:
                gone = messages_of(name, named)
                done = await erase(bench.store, selection_to_erase(EraseRequest(recipient_id=name)))
                assert (done.number, done.complete) == (len(gone), True)
                for wamid in gone:
                    del named[wamid]
                left = {record.wamid for record in await bench.check_invariants()}
                assert left == named.keys()

    asyncio.run(scenario())


@examples
@given(history=histories())
def test_a_number_finds_those_that_differ_by_a_calling_code_and_no_others(
    backend: Backend, history: list[Report]
) -> None:
    named = carried(history)
    alike = {
        "5511987654321": {"1187654321", "11987654321"},
        "551187654321": {"1187654321", "11987654321"},
        "1187654321": {"5511987654321", "551187654321"},
        "919876543210": {"9876543210"},
        "9876543210": {"919876543210"},
        "5411987654321": set(),
    }

    async def scenario() -> None:
        async with open_store(backend) as bench:
            await bench.merge(*history)
            for name, others in alike.items():
                expected = set().union(*(messages_of(each, named) for each in {name} | others))
                assert set(await listed(bench, name)) == expected
                national = {"5511987654321": "011987654321", "919876543210": "09876543210"}
                if name in national:
                    assert expected - messages_of("1187654321", named) <= set(
                        await listed(bench, national[name])
                    )

    asyncio.run(scenario())


async def test_a_message_leaves_the_index_of_a_replaced_number(store: Bench) -> None:
    """And stays where another field has the same: in the index of a value it is but once."""
    first, second = "5511987654321", "919876543210"
    await store.merge(
        Report("w", Status.SENT, BASE_MS, BASE_US, context=Context(first)),
        Report("w", Status.SENT, BASE_MS, BASE_US + 1, "551187654321"),
        Report("w", Status.SENT, BASE_MS, BASE_US + 2, context=Context(second)),
    )
    await store.check_invariants()
    assert await listed(store, first) == await listed(store, second) == ["w"]
    await store.merge(
        Report("w", Status.SENT, BASE_MS, BASE_US + 3, context=Context("551187654321"))
    )
    await store.check_invariants()
    assert (await listed(store, first), await listed(store, second)) == (["w"], [])
    assert numbers_of(first) == {first, "551187654321"}
