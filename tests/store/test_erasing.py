"""Erasing a person's or an event's messages, on every backend."""

from itertools import islice

import pytest

from service.domain.identity import crc16_of, id_of, partition_of
from service.domain.query import Selection
from service.domain.record import Record
from service.domain.report import Merged, Outcome, Report, Status
from service.errors import Unavailable
from service.store.erasure import Erased, erase
from service.store.keys import index_key, tag_of
from service.store.paging import Page
from service.store.queries import Query
from service.store.script_types import Erasure
from service.store.scripts import MAX_ERASED
from tests.backends import Backend, Bench, soon_s
from tests.factories import BASE_US, send_report, status_report

EVENT = Selection([("event", "e")])


async def send(bench: Bench, number: int, **context: str) -> list[str]:
    """Tracks so many messages; returns their wamids."""
    reports = [
        send_report(wamid=f"wamid.{i}", received_us=BASE_US + i, **context) for i in range(number)
    ]
    await bench.store.write(reports)
    return [report.wamid for report in reports]


async def test_what_matches_goes_wholly_and_the_rest_stays(store: Bench) -> None:
    """More of them than one step takes, in each partition."""
    wamids = await send(store, 2 * store.partitions * MAX_ERASED, event_id="e", template_name="t")
    await store.merge(
        status_report(Status.FAILED, wamid="wamid.3", error_code="131026"),
        status_report(Status.READ, wamid="wamid.other"),
    )
    assert await erase(store.store, EVENT) == Erased(len(wamids), complete=True)
    assert [record.wamid for record in await store.check_invariants()] == ["wamid.other"]
    assert len(await store.tombs()) == len(wamids)
    assert await store.store.lookup(wamids) == {}
    assert await erase(store.store, EVENT) == Erased(0, complete=True)
    assert len(await store.tombs()) == len(wamids)


async def test_the_filter_is_one_of_a_person_or_an_event(store: Bench) -> None:
    await store.merge(
        send_report(wamid="wamid.1", guest_id="x"),
        send_report(wamid="wamid.2", event_id="x"),
        send_report(wamid="wamid.3", recipient_id="US.x"),
        send_report(wamid="wamid.4", registration_id="x"),
    )
    for dimension, value, gone in [
        ("guest", "x", "wamid.1"),
        ("event", "x", "wamid.2"),
        ("recipient", "US.x", "wamid.3"),
    ]:
        assert await erase(store.store, Selection([(dimension, value)])) == Erased(1, complete=True)
        assert await store.record(gone) is None
        assert await store.record("wamid.4")
    await store.check_invariants()


async def test_numbers_that_only_end_alike_stay_and_are_counted(store: Bench) -> None:
    alike = ["449876543210", "9876543210", "09876543210"]
    numbers = ["919876543210", *alike, "9198765432109876543210", "6543210"]
    for number in numbers:
        await store.merge(send_report(wamid=f"wamid.{number}", recipient_id=number))
    selection = Selection([("recipient", "76543210")], recipient_id="919876543210")
    assert await erase(store.store, selection) == Erased(1, complete=True, ends_alike=3)
    left = {record.recipient_id for record in await store.check_invariants()}
    assert left == set(numbers[1:])
    assert await erase(store.store, selection) == Erased(0, complete=True, ends_alike=3)


async def test_many_that_end_alike_are_counted_in_steps(
    store: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, however often the walk begins anew since it has removed some."""
    monkeypatch.setattr("service.store.erasure.MAX_ERASED", 5)
    await store.store.write(
        [
            send_report(
                wamid=f"wamid.{i}",
                recipient_id="919876543210" if i % 4 == 0 else "449876543210",
                received_us=BASE_US + i,
            )
            for i in range(100)
        ]
    )
    selection = Selection([("recipient", "76543210")], recipient_id="919876543210")
    first = await erase(store.store, selection, most_s=0)
    assert (first.complete, first.number + first.ends_alike) == (False, 5)
    rest = Erased(25 - first.number, complete=True, ends_alike=75)
    assert await erase(store.store, selection) == rest


async def test_reports_that_come_late_are_answered_and_dropped(store: Bench) -> None:
    await store.merge(send_report(event_id="e"))
    await erase(store.store, EVENT)
    late = [status_report(Status.READ), send_report(event_id="e"), status_report(Status.FAILED)]
    [(tomb, _)] = (await store.tombs()).items()
    ttl_s = await store.execute(tomb.partition(":gone:")[0], "TTL", tomb)
    assert 30 * 86_400 - 60 < ttl_s <= 30 * 86_400
    assert await store.store.write(late) == [
        Merged(Status.READ, Outcome.ERASED),
        Merged(Status.SENT, Outcome.ERASED),
        Merged(Status.FAILED, Outcome.ERASED),
    ]
    assert await store.check_invariants() == []


async def test_an_erased_message_and_others_in_one_batch(store: Bench) -> None:
    """Before and behind a new one and a known one, all of one partition."""
    tag_number = partition_of("wamid.0", store.partitions)
    same = (f"wamid.{i}" for i in range(1_000))
    gone, new, known = [w for w in same if partition_of(w, store.partitions) == tag_number][:3]
    await store.merge(send_report(wamid=gone, event_id="e"))
    await store.merge(status_report(Status.SENT, wamid=known))
    await erase(store.store, EVENT)
    batch = [
        status_report(status, wamid=wamid)
        for status in (Status.DELIVERED, Status.SENT)
        for wamid in (gone, new, known, gone)
    ]
    answers = await store.scripts.merge(tag_number, batch, soon_s())
    assert [outcome.value for _, outcome in answers] == [
        *("erased", "created", "changed", "erased"),
        *("erased", "changed", "unchanged", "erased"),
    ]
    assert answers[4].status is Status.SENT
    assert answers[5].status is Status.DELIVERED
    assert {record.wamid for record in await store.check_invariants()} == {new, known}


async def test_after_a_while_a_message_of_that_id_is_new(store: Bench) -> None:
    await store.merge(send_report(event_id="e"))
    await erase(store.store, EVENT, gone_s=1)
    tag = tag_of(partition_of("wamid.A", store.partitions))
    tomb = f"{tag}:gone:{id_of('wamid.A')}"
    assert await store.tombs() == {tomb: b"%d" % crc16_of("wamid.A")}
    assert await store.execute(tag, "PTTL", tomb) <= 1_000
    await store.execute(tag, "PEXPIRE", tomb, 5)
    sent = status_report(Status.SENT)
    while (answer := (await store.store.write([sent]))[0]).outcome is Outcome.ERASED:
        pass  # until it has expired
    assert answer == Merged(Status.SENT, Outcome.CREATED)
    assert await store.tombs() == {}
    assert len(await store.check_invariants()) == 1


async def test_a_call_ends_in_time_and_the_next_goes_on(
    store: Bench, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no time for more than a step a partition."""
    monkeypatch.setattr("service.store.erasure.MAX_ERASED", 5)
    number = backend.partitions * 7
    await send(store, number, event_id="e")
    calls = [await erase(store.store, EVENT, most_s=0)]
    assert 0 < calls[0].number <= 5
    while not calls[-1].complete:
        assert len(await store.check_invariants()) == number - sum(call.number for call in calls)
        calls.append(await erase(store.store, EVENT, most_s=0))
    assert sum(call.number for call in calls) == number
    assert await store.check_invariants() == []


def after_the_first_look(bench: Bench, *reports: Report) -> None:
    """Has these reports come in when an erasure has found messages, and not yet removed any."""
    look, pending = bench.store.look, list(reports)

    async def look_and_write(partition: int, query: Query) -> Page[Record]:
        page = await look(partition, query)
        if page.records:
            await bench.merge(*pending)
            pending.clear()
        return page

    bench.store.look = look_and_write  # type: ignore[method-assign]


async def test_what_comes_in_behind_the_walk_is_found_too(store: Bench) -> None:
    """More than a step's, all of one partition, which is looked at from the newest on."""
    partition = partition_of("wamid.0", store.partitions)
    wamids = (f"wamid.{i}" for i in range(10_000))
    mine = (wamid for wamid in wamids if partition_of(wamid, store.partitions) == partition)
    *some, late = islice(mine, MAX_ERASED + 2)
    await store.store.write([send_report(wamid=wamid, event_id="e") for wamid in some])
    after_the_first_look(store, send_report(wamid=late, event_id="e"))
    assert await erase(store.store, EVENT) == Erased(MAX_ERASED + 2, complete=True)


async def test_what_becomes_another_s_meanwhile_stays(store: Bench) -> None:
    """Its number is put right, which leaves it in the same index."""
    await store.merge(send_report(recipient_id="919876543210"))
    after_the_first_look(store, send_report(recipient_id="449876543210"))
    selection = Selection([("recipient", "76543210")], recipient_id="919876543210")
    assert await erase(store.store, selection) == Erased(0, complete=True)
    assert [record.recipient_id for record in await store.check_invariants()] == ["449876543210"]


@pytest.mark.parametrize(
    ("erasure", "removed"),
    [
        (Erasure([], "event", "e"), 1),
        (Erasure([], "event", "other"), 0),
        (Erasure([], "standalone"), 0),
        (Erasure([], "recipient", "76543210", ["919876543210"]), 1),
        (Erasure([], "recipient", "76543210", ["449876543210"]), 0),
        (Erasure([], "all", before_us=str(BASE_US + 1)), 1),
        (Erasure([], "all", before_us=str(BASE_US)), 0),
    ],
)
async def test_a_message_that_changed_since_it_was_found_stays(
    store: Bench, erasure: Erasure, removed: int
) -> None:
    """The script looks once more: it may have moved, or been erased and have come again."""
    partition = partition_of("wamid.A", store.partitions)
    await store.merge(send_report(received_us=BASE_US, event_id="e"))
    messages = [(id_of("wamid.A"), "1"), (id_of("wamid.B"), "2")]
    asked = Erasure(
        messages, erasure.dimension, erasure.value, erasure.recipients, erasure.before_us
    )
    assert await store.store.remove(partition, asked, "erased") == removed
    assert len(await store.check_invariants()) == 1 - removed


async def test_the_oldest_are_found_and_removed_without_a_trace(store: Bench) -> None:
    wamids = await send(store, 3 * store.partitions * MAX_ERASED, event_id="e")
    old = len(wamids) // 2
    removed = 0
    for partition in range(store.partitions):
        while ids := await store.store.oldest(partition, BASE_US + old):
            erasure = Erasure([(i, "") for i in ids], "all", before_us=str(BASE_US + old))
            removed += await store.store.remove(partition, erasure, "retention")
    assert removed == old
    left = {record.wamid for record in await store.check_invariants()}
    assert left == set(wamids[old:])
    assert await store.tombs() == {}
    await store.merge(status_report(Status.READ, wamid=wamids[0]))
    assert await store.record(wamids[0])


@pytest.mark.parametrize(
    "behind",
    ["by:all", "by:template:t", "by:failed", "by:recipient:6543210", "values:event"],
)
async def test_an_erasure_that_breaks_off_is_not_said_to_be_complete_later(
    store: Bench, behind: str
) -> None:
    """A key of another kind stops it. The messages were in no list any more, and still there."""
    wamids = await send(store, 3, event_id="e", template_name="t", recipient_id="6543210")
    await store.merge(*(status_report(Status.FAILED, wamid=wamid) for wamid in wamids))
    tags = [tag_of(partition) for partition in range(store.partitions)]
    before = await store.contents()
    for tag in tags:
        await store.execute(tag, "DEL", f"{tag}:{behind}")
        await store.execute(tag, "SET", f"{tag}:{behind}", "of another kind")
    with pytest.raises(Unavailable):
        await erase(store.store, EVENT)
    for tag in tags:
        await store.execute(tag, "DEL", f"{tag}:{behind}")
        for member, score in before.get(f"{tag}:{behind}", {}).items():
            await store.execute(tag, "ZADD", f"{tag}:{behind}", score, member)
    assert await store.contents() == before
    assert await erase(store.store, EVENT) == Erased(3, complete=True)
    assert await store.check_invariants() == []


async def test_nothing_is_known_to_be_erased_when_the_server_refuses(store: Bench) -> None:
    tag = tag_of(0)
    await store.execute(tag, "SET", index_key(tag, "event:e"), "not an index")
    with pytest.raises(Unavailable):
        await erase(store.store, EVENT)
    await store.execute(tag, "DEL", index_key(tag, "all"))
    await store.execute(tag, "SET", index_key(tag, "all"), "not an index")
    with pytest.raises(Unavailable):
        await store.store.oldest(0, BASE_US)
    assert store.failures == ["error"] * 2
