"""Participants of a group's message, on every backend: kept beside the record, and gone with it."""

import pytest

from service.commands.record_lines import line_of, reports_of_line
from service.commands.repartition_in_place import move_messages
from service.domain.identity import id_of, partition_of
from service.domain.query import Selection
from service.domain.record import Participant, record_of
from service.domain.report import Extras, Outcome, Report, Status
from service.errors import Unavailable
from service.live.feed import START, Feed
from service.store.erasure import erase
from service.store.keys import participants_key, tag_of
from service.store.script_types import Erasure
from tests.backends import Bench, soon_s, unversioned
from tests.factories import BASE_MS, BASE_US, send_report, status_report
from tests.store.test_moving import with_partitions

GROUP = "wamid.group"


def of(participant_id: str, status: Status, at_s: int = 0, **fields: str | int) -> Report:
    """A status of a participant of the group's message."""
    extras = Extras(participant_id=participant_id)
    return status_report(status, at_s=at_s, wamid=GROUP, **fields, extras=extras)  # type: ignore[arg-type]


async def held(bench: Bench) -> dict[str, str]:
    """The hash of the participants, as a reader of Redis sees it."""
    tag = tag_of(partition_of(GROUP, bench.partitions))
    found = await bench.execute(tag, "HGETALL", participants_key(tag, id_of(GROUP)))
    return {name.decode(): value.decode() for name, value in found.items()}


async def outcomes(bench: Bench, *reports: Report) -> list[tuple[Status, Outcome]]:
    return [(each.status, each.outcome) for each in await bench.store.write(reports)]


async def test_a_participants_failure_is_theirs_alone(store: Bench) -> None:
    failure = of("IN.1", Status.FAILED, received_us=BASE_US + 7, error_code="131026")
    assert await outcomes(store, failure) == [(Status.SENT, Outcome.CREATED)]
    assert await outcomes(store, failure) == [(Status.SENT, Outcome.UNCHANGED)]
    [record] = await store.check_invariants()
    assert (record.status, record.sent_ms, record.failed_ms) == (Status.SENT, "", "")
    assert (record.error_ms, record.error_code, record.participants) == ("", "", "1")
    assert await held(store) == {
        "IN.1 received_us": str(BASE_US + 7),
        "IN.1 failed_ms": str(BASE_MS),
        "IN.1 error_ms": str(BASE_MS),
        "IN.1 error_code": "131026",
    }
    stats = await store.store.stats("all", "", BASE_MS)
    assert (stats.statuses[Status.SENT], stats.statuses[Status.FAILED]) == (1, 0)
    assert stats.awaiting == [0, 0, 0, 0, 1]  # since nobody knows when


async def test_it_neither_ends_nor_brings_back_what_others_got(store: Bench) -> None:
    some = [
        send_report(wamid=GROUP, event_id="e"),
        of("a", Status.READ, 5),
        of("b", Status.FAILED, 1, error_code="1"),
        of("b", Status.DELIVERED, 2),
        of("a", Status.DELIVERED, 3),
    ]
    answers = await outcomes(store, *some)
    assert [status for status, _ in answers] == ["sent", *["read"] * 4]
    assert {outcome for _, outcome in answers} == {Outcome.CREATED, Outcome.CHANGED}
    assert {outcome for _, outcome in await outcomes(store, *some)} == {Outcome.UNCHANGED}
    [record] = await store.check_invariants()
    assert record == record_of(some)
    assert (record.status, record.delivered_ms) == (Status.READ, str(BASE_MS + 2_000))
    ada, ben = await store.participants(GROUP)
    assert (ada.participant_id, ada.status, ben.status) == ("a", Status.READ, Status.FAILED)


async def test_an_earlier_failure_replaces_the_whole_error(store: Bench) -> None:
    await store.merge(
        of("a", Status.FAILED, 9, error_code="2", error_message="m", error_details="d"),
        of("a", Status.FAILED, 3, error_code="9"),
    )
    [found] = await store.participants(GROUP)
    assert (found.error_code, found.error_message, found.error_details) == ("9", "", "")


async def test_a_change_of_a_participant_alone_is_told(store: Bench) -> None:
    await store.merge(of("a", Status.DELIVERED))
    feed, partition = Feed(store.store), partition_of(GROUP, store.partitions)
    place = await feed.end(partition, soon_s())
    assert await outcomes(store, of("b", Status.FAILED)) == [(Status.DELIVERED, Outcome.CHANGED)]
    changes = await feed.read(partition, place, soon_s())
    assert changes is not None
    assert [record.wamid for record in changes.records] == [GROUP]
    assert place != START


async def test_a_key_of_another_kind_stops_the_batch_before_its_first_write(store: Bench) -> None:
    tag = tag_of(partition_of(GROUP, store.partitions))
    await store.execute(tag, "SET", participants_key(tag, id_of(GROUP)), "x")
    before = await store.contents()
    with pytest.raises(Unavailable):
        await store.store.write([send_report(wamid=GROUP), of("a", Status.READ)])
    assert await store.contents() == before


async def test_other_messages_cost_nothing_more(store: Bench) -> None:
    """No field, no key."""
    await store.merge(send_report(), status_report(Status.FAILED, error_code="1"))
    assert not [key for key in await store.contents() if "participants" in key]
    [record] = await store.check_invariants()
    assert record.participants == ""


async def test_a_large_group_is_read_in_short_steps(
    store: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"9198765{number:05}" for number in range(1_024)]
    await store.store.write([of(name, status) for name in names for status in Status])
    execute, asked = store.store.execute, []

    async def noted(partition: int, *command: object) -> object:
        step = await execute(partition, *command)
        asked.append((command[0], len(step[1] if command[0] == "HSCAN" else step)))
        return step

    monkeypatch.setattr(store.store, "execute", noted)
    found = await store.participants(GROUP)
    assert [each.participant_id for each in found] == names
    assert {each.status for each in found} == {Status.FAILED}
    assert {command for command, _ in asked} == {"HSCAN", "HMGET"}
    assert max(number for _, number in asked) <= 2 * 1_000
    await store.check_invariants()


async def test_a_record_knows_of_all_that_its_participants_say(store: Bench) -> None:
    """So the line of an export fits together, whatever comes while it is written."""
    await store.merge(of("a", Status.DELIVERED))
    before = await store.record(GROUP)
    assert before is not None
    await store.merge(of("b", Status.READ, 5))
    found, participants = await store.store.with_participants(before)
    assert found is not None
    assert [each.status for each in participants] == [Status.DELIVERED, Status.READ]
    assert record_of(reports_of_line(line_of(found, participants))) == unversioned(found)


async def test_they_go_with_their_message(store: Bench) -> None:
    await store.merge(of("a", Status.READ, recipient_id="group-1"), of("b", Status.FAILED))
    assert (await erase(store.store, Selection([("recipient", "group-1")]))).number == 1
    assert await store.check_invariants() == []
    await store.merge(of("c", Status.READ))
    assert await held(store) == {}
    await store.check_invariants()


async def test_they_go_without_a_number_in_the_record_too(store: Bench) -> None:
    """As a loss of the field may leave them."""
    await store.merge(of("a", Status.READ))
    partition = partition_of(GROUP, store.partitions)
    key = f"{tag_of(partition)}:msg:{id_of(GROUP)}"
    await store.execute(tag_of(partition), "HDEL", key, "participants")
    await store.store.remove(partition, Erasure([(id_of(GROUP), "1")], "all"), "erased")
    assert await held(store) == {}


async def test_they_move_with_their_message(store: Bench) -> None:
    await store.merge(
        of("a", Status.FAILED, 3, error_code="1"),
        send_report(wamid=GROUP),
        of("a", Status.SENT),
        of("b c", Status.DELIVERED, 5),
    )
    records, before = await store.check_invariants(), await store.participants(GROUP)
    for partitions in (5, 7):
        async with with_partitions(store, partitions) as new:
            await move_messages(store.store, new.store)
            if partition_of(GROUP, store.partitions) != partition_of(GROUP, partitions):
                assert await held(store) == {}
            assert await new.check_invariants() == records
            assert await new.participants(GROUP) == before
            async with with_partitions(new, store.partitions) as old:
                await move_messages(new.store, old.store)


async def test_one_of_whom_only_the_id_is_known_comes_back(store: Bench) -> None:
    """As an earlier version's export names them."""
    record = record_of([status_report(Status.READ, wamid=GROUP, received_us=BASE_US)])
    line = line_of(record).replace(b"{", b'{"participant_id":"IN.1",', 1)
    await store.store.write(reports_of_line(line))
    [found] = await store.check_invariants()
    assert found == record._replace(participants="1")
    assert await store.participants(GROUP) == [Participant("IN.1", str(BASE_US))]
    again = reports_of_line(line_of(found, await store.participants(GROUP)))
    assert {outcome for _, outcome in await outcomes(store, *again)} == {Outcome.UNCHANGED}
