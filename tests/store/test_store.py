"""`Store` on every backend: look-ups, pages over partitions, recovery, refusals."""

import asyncio

import pytest

from service.checks import check
from service.config import Auth, Redis, Settings
from service.connect import connect
from service.errors import StartError, Unavailable
from service.keys import Position, Selection, id_of, message_key, partition_of, tag_of
from service.paging import Page
from service.reports import SEPARATOR, Record, Status
from service.scripts import MAX_BATCH, Merged, Outcome, Scripts
from service.store import Observer, Store
from tests.backends import Backend, Bench, nodes_of
from tests.factories import BASE_US, send_report, status_report

EVERYTHING = Selection([("all", "")])


async def fill(bench: Bench, number: int, **context: str) -> list[str]:
    """So many messages, each a microsecond after the one before; their wamids, newest first."""
    reports = [
        send_report(wamid=f"wamid.{i}", received_us=BASE_US + i, **context) for i in range(number)
    ]
    for start in range(0, number, 1_000):
        some = reports[start : start + 1_000]
        await asyncio.gather(*(bench.store.write([report]) for report in some))
    return [report.wamid for report in reversed(reports)]


async def test_a_report_is_answered_with_what_it_did(store: Bench) -> None:
    write = store.store.write
    delivered = status_report(Status.DELIVERED)
    assert await write([delivered]) == [Merged(Status.DELIVERED, Outcome.CREATED)]
    assert await write([delivered]) == [Merged(Status.DELIVERED, Outcome.UNCHANGED)]
    sent = status_report(Status.SENT)
    assert await write([sent]) == [Merged(Status.DELIVERED, Outcome.CHANGED)]


@pytest.mark.parametrize("together", [True, False])
async def test_many_reports_of_one_message_are_answered_in_their_order(
    store: Bench, together: bool
) -> None:
    statuses = [Status.SENT, Status.DELIVERED, Status.READ] * MAX_BATCH
    reports = [status_report(status) for status in statuses]
    calls = [reports] if together else [[report] for report in reports]
    answered = await asyncio.gather(*map(store.store.write, calls))
    answers = [answer for some in answered for answer in some]
    assert [answer.status for answer in answers[:4]] == [*statuses[:3], Status.READ]
    assert [answer.outcome for answer in answers] == [
        Outcome.CREATED,
        *[Outcome.CHANGED] * 2,
        *[Outcome.UNCHANGED] * (len(statuses) - 3),
    ]
    await store.check_invariants()


async def test_reports_of_all_partitions_are_answered_in_their_places(store: Bench) -> None:
    """More than one batch holds, every third a duplicate of the one before it."""
    numbers = [number - number % 3 // 2 for number in range(3 * MAX_BATCH)]
    reports = [status_report(Status.SENT, wamid=f"wamid.{number}", at_s=1) for number in numbers]
    answers = await store.store.write(reports)
    assert [answer.outcome is Outcome.UNCHANGED for answer in answers] == [
        place % 3 == 2 for place in range(len(reports))
    ]
    assert len(await store.check_invariants()) == len(set(numbers))
    assert await store.store.write([]) == []


async def test_a_lookup_finds_what_is_known(store: Bench) -> None:
    wamids = await fill(store, 20)
    found = await store.store.lookup([*wamids, "wamid.unknown"])
    assert {wamid: record.wamid for wamid, record in found.items()} == {w: w for w in wamids}


async def test_pages_are_newest_first_over_all_partitions(store: Bench) -> None:
    wamids = await fill(store, 57)
    assert len({partition_of(wamid, store.partitions) for wamid in wamids}) == store.partitions
    seen: list[str] = []
    after: Position | None = None
    while True:
        page = await store.store.page(EVERYTHING, 10, after)
        seen += [record.wamid for record in page.records]
        after = page.following
        if after is None:
            break
        assert after == Position(int(page.records[-1].created_us), id_of(page.records[-1].wamid))
    assert seen == wamids


async def test_a_page_that_would_take_too_long_comes_short_and_can_be_gone_on_from(
    backend: Backend, store: Bench
) -> None:
    """With no time to look further than one call a partition."""
    await fill(store, 1_100 * backend.partitions, template_name="t")
    await store.merge(status_report(Status.READ, wamid="wamid.0"))
    hasty = Store(
        store.server,
        store.scripts,
        partitions=backend.partitions,
        patience_s=4.0,
        observer=store.store._observer,
        scan_s=0.0,
    )
    read = Selection([("template", "t")], status="read")
    page = await hasty.page(read, 10)
    assert page.records == []
    hops = 1
    while page.following:
        page = await hasty.page(read, 10, page.following)
        hops += 1
    assert [record.wamid for record in page.records] == ["wamid.0"]
    assert hops > 1
    assert (await store.store.page(read, 10)) == Page(page.records, None)


@pytest.mark.parametrize("lost", ["SCRIPT FLUSH", "FLUSHALL"])
async def test_scripts_that_the_server_forgot_are_given_again(store: Bench, lost: str) -> None:
    await store.merge(status_report(Status.SENT))
    for node in await nodes_of(store.server):
        await node.execute_command(*lost.split())
    [merged] = await store.store.write([status_report(Status.READ)])
    assert merged.status is Status.READ
    assert len((await store.store.page(EVERYTHING, 5)).records) == 1


async def test_a_caller_who_goes_away_loses_no_report(store: Bench) -> None:
    reports = [status_report(Status.SENT, wamid=f"wamid.{i}") for i in range(9)]
    kept = [asyncio.ensure_future(store.store.write([report])) for report in reports]
    await asyncio.sleep(0)  # they are submitted
    for answer in kept[::2]:
        answer.cancel()
    assert [(await answer)[0].status for answer in kept[1::2]] == [Status.SENT] * 4
    await store.store.close()
    assert len(await store.check_invariants()) == 9


async def test_a_store_of_another_layout_is_refused(backend: Backend, store: Bench) -> None:
    settings = Settings(
        auth=Auth(tokens=["t"]), redis=Redis(url=backend.url, partitions=backend.partitions + 1)
    )
    with pytest.raises(StartError, match=f"Set it to {backend.partitions}"):
        await check(store.server, store.scripts, settings)
    await store.execute("{wa:0}", "HSET", "{wa:0}:schema", "version", "99")
    with pytest.raises(StartError, match="schema version 99"):
        await check(store.server, store.scripts, settings)


async def test_a_refusal_of_the_server_is_unavailable(store: Bench) -> None:
    """A key of another type, as nobody but us should write there."""
    tag = f"{{wa:{partition_of('wamid.A', store.partitions)}}}"
    await store.execute(tag, "SET", f"{tag}:by:all", "not an index")
    with pytest.raises(Unavailable):
        await store.store.page(EVERYTHING, 5)
    assert store.failures == ["error"]


async def test_nobody_answers_at_that_address() -> None:
    settings = Settings(
        auth=Auth(tokens=["t"]), redis=Redis(url="redis://127.0.0.1:1", patience_s=1.0)
    )
    async with connect(settings) as server:
        scripts = Scripts(server.execute, shebang=True)
        failures: list[str] = []
        store = Store(
            server,
            scripts,
            partitions=1,
            patience_s=1.0,
            observer=Observer(lambda _reports, _merged: None, failures.append),
        )
        with pytest.raises(Unavailable):
            await store.write([status_report(Status.SENT)])
        with pytest.raises(Unavailable):
            await store.lookup(["wamid.A"])
        with pytest.raises(Unavailable):
            await store.probe()
        assert failures == ["connection"] * 3


async def test_a_record_from_before_a_field_was_added_is_read_and_merged(store: Bench) -> None:
    await store.merge(send_report(event_id="e"))
    tag = tag_of(partition_of("wamid.A", store.partitions))
    key = message_key(tag, id_of("wamid.A"))
    packed: bytes = await store.execute(tag, "GET", key)
    first = packed.split(SEPARATOR.encode())[:20]  # all that the first records had
    assert Record._fields[19] == "guest_name"
    await store.execute(tag, "SET", key, SEPARATOR.encode().join(first))
    before = await store.record("wamid.A")
    assert before is not None
    assert (before.recipient_id, before.event_id, before.guest_name) == ("919876543210", "e", "")
    await store.merge(send_report(guest_name="Jane"))
    after = await store.record("wamid.A")
    assert after is not None
    assert (after.event_id, after.guest_name) == ("e", "Jane")
    await store.check_invariants()
