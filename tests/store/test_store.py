"""`Store` on every backend: look-ups, pages over partitions, recovery, refusals."""

import asyncio
from collections.abc import Sequence
from operator import attrgetter

import pytest

from service.backends.connect import connect
from service.config import Auth, Redis, Settings
from service.domain.dimensions import DIMENSIONS, Dimension
from service.domain.identity import id_of, partition_of
from service.domain.query import Position, Selection
from service.domain.record import stored
from service.domain.report import Merged, Outcome, Report, Status
from service.domain.rows import texts_of
from service.errors import StartError, Unavailable
from service.models.responses import log_rows
from service.store.keys import message_key, tag_of
from service.store.paging import Page
from service.store.queries import Query, Scan
from service.store.scripts import MAX_BATCH, Scripts
from service.store.startup import check
from service.store.store import Observer, Store
from tests.backends import Backend, Bench, nodes_of
from tests.factories import BASE_MS, BASE_US, send_report, status_report

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
        timeout_s=4.0,
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
        auth=Auth(tokens=["t"]), redis=Redis(url="redis://127.0.0.1:1", timeout_s=1.0)
    )
    async with connect(settings) as server:
        scripts = Scripts(server)
        failures: list[str] = []
        store = Store(
            server,
            scripts,
            partitions=1,
            timeout_s=1.0,
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
    await store.execute(tag, "HDEL", key, "type")
    before = await store.record("wamid.A")
    assert before is not None
    assert (before.event_id, before.message_type) == ("e", "")
    await store.merge(send_report(message_type="rsvp"))
    after = await store.record("wamid.A")
    assert after is not None
    assert (after.event_id, after.message_type) == ("e", "rsvp")
    await store.check_invariants()


def changed_when_found(bench: Bench, *reports: Report) -> None:
    """Has these reports merged when messages have been found, and their records not yet read."""
    find, pending = bench.scripts.list, list(reports)

    async def find_and_change(
        partition: int, queries: Sequence[Query], until_s: float
    ) -> list[Scan]:
        scans = await find(partition, queries, until_s)
        if any(scan.ids for scan in scans):
            await bench.merge(*pending)
            pending.clear()
        return scans

    bench.scripts.list = find_and_change  # type: ignore[method-assign]


CHANGES = {
    "the status": (Selection([("event", "e")], status="sent"), status_report(Status.READ)),
    "the event": (Selection([("event", "e")]), send_report(event_id="f")),
    "that it has one": (Selection([("standalone", "")]), send_report(event_id="f")),
    "the recipient": (
        Selection([("recipient", "76543210")], heads=",9198,"),
        send_report(recipient_id="449876543210"),
    ),
    "the code": (
        Selection([("failed", "")], codes=["7"]),
        status_report(Status.FAILED, at_s=-9, error_code="8"),
    ),
    "that it has another": (
        Selection([("failed", "")], but_codes=["8"]),
        status_report(Status.FAILED, at_s=-9, error_code="8"),
    ),
    "what it lacks": (Selection([("all", "")], lacks=["guest_id"]), send_report(guest_id="g")),
}


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_row_is_of_one_instant(store: Bench, kind: str) -> None:
    """A message that matched when it was found, and doesn't when it is read, is no row."""
    selection, change = CHANGES[kind]
    asked = dict(selection.filters)
    if "failed" in asked:
        await store.merge(status_report(Status.FAILED, error_code="7"))
    else:
        await store.merge(send_report(event_id="" if "standalone" in asked else "e"))
    await store.merge(send_report(wamid="wamid.B", event_id="e"))
    before = await store.store.page(selection, 10)
    assert "wamid.A" in {record.wamid for record in before.records}
    changed_when_found(store, change)
    after = await store.store.page(selection, 10)
    assert "wamid.A" not in {record.wamid for record in after.records}
    assert len(after.records) == len(before.records) - 1
    await store.check_invariants()


async def test_a_page_is_filled_though_rows_are_lost(store: Bench) -> None:
    """An index may name messages that are gone, and records that can't be read."""
    wamids = await fill(store, 30)
    for wamid in wamids[3:12]:
        tag = tag_of(partition_of(wamid, store.partitions))
        await store.execute(tag, "DEL", message_key(tag, id_of(wamid)))
    tag = tag_of(partition_of(wamids[1], store.partitions))
    await store.execute(tag, "HSET", message_key(tag, id_of(wamids[1])), "status", "deleted")
    readable = [wamids[0], wamids[2], *wamids[12:]]
    first = await store.store.page(EVERYTHING, 10)
    assert [record.wamid for record in first.records] == readable[:10]
    rest = await store.store.page(EVERYTHING, 10, first.following)
    assert [record.wamid for record in rest.records] == readable[10:]
    assert rest.following is None
    [tag, key] = [tag_of(partition_of(wamids[0], store.partitions)), id_of(wamids[0])]
    await store.execute(tag, "DEL", message_key(tag, key))
    latest = await store.store.latest("all", "")
    assert latest is not None
    assert latest.wamid == wamids[2]


async def test_a_lookup_may_ask_for_some_fields(store: Bench) -> None:
    await store.merge(send_report(event_id="e"), status_report(Status.DELIVERED, at_s=1))
    kind = texts_of("status", "delivered_ms", "error_code")
    found = await store.store.look_up(["wamid.none", "wamid.A"], kind)
    assert found == {"wamid.A": ["delivered", str(BASE_MS + 1_000), None]}


async def test_of_a_page_some_fields_are_read_and_what_cannot_be_read_is_left_out(
    store: Bench,
) -> None:
    wamids = await fill(store, 20, event_id="e")
    for wamid, field, text in (
        (wamids[1], "status", "seen"),  # as of a later version
        (wamids[3], "sent_ms", "soon"),
    ):
        tag = tag_of(partition_of(wamid, store.partitions))
        await store.execute(tag, "HSET", message_key(tag, id_of(wamid)), field, text)
    tag = tag_of(partition_of(wamids[5], store.partitions))
    await store.execute(tag, "DEL", message_key(tag, id_of(wamids[5])))
    await store.execute(tag, "SET", message_key(tag, id_of(wamids[5])), "no hash")
    kind = texts_of("status", "wamid", "event_id", "sent_ms", "guest_id")
    of_event = Selection([("event", "e")])
    first, following, _ = await store.store.page_of(kind, of_event, 10, None)
    rest, last, _ = await store.store.page_of(kind, of_event, 20, following)
    assert last is None
    assert [texts[1] for texts in [*first, *rest]] == [
        wamid for place, wamid in enumerate(wamids) if place not in (1, 3, 5)
    ]
    assert len(first) == 10
    assert {(texts[0], texts[2]) for texts in first} == {("sent", "e")}


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=attrgetter("name"))
def test_pages_read_all_that_they_are_filtered_by(dimension: Dimension) -> None:
    others = {stored("campaign_id"), stored("phone_number_id"), stored("user_id")}
    fields = set(map(stored, dimension.fields))
    read = set(log_rows(dimension.name).fields)
    assert fields <= read
    assert not (others - fields) & read  # each would cost
