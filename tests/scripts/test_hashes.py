"""Records as Redis holds them: hashes, of which a merge writes what changed; on every backend."""

from typing import Any

import pytest

from service.domain.identity import id_of, partition_of
from service.domain.report import Context, Extras, Report, Status
from service.errors import Unavailable
from service.store.keys import message_key, tag_of
from service.store.scripts import Scripts
from tests.backends import NAMES, Bench, hash_of, soon_s
from tests.factories import BASE_MS, BASE_US, send_report, status_report


def tag(bench: Bench) -> str:
    return tag_of(partition_of("wamid.A", bench.partitions))


def key(bench: Bench) -> str:
    return message_key(tag(bench), id_of("wamid.A"))


async def held(bench: Bench) -> dict[str, str]:
    """The hash of the message, as a reader of Redis sees it."""
    found = await bench.execute(tag(bench), "HGETALL", key(bench))
    return {name.decode(): value.decode() for name, value in found.items()}


WHOLE = Context("919876543210", "event-5", "r-1", "g-1", "t", "rsvp", "rsvp", "Jane")


async def test_a_hash_reads_well_and_in_order(store: Bench) -> None:
    sent = Report("wamid.A", Status.SENT, BASE_MS, BASE_US + 1_234, context=WHOLE)
    extras = Extras("106", "US.1", pricing_category="utility", pricing_billable="true")
    await store.merge(sent)
    assert await held(store) == {
        "status": "sent",
        "wamid": "wamid.A",
        "to": "919876543210",
        "event": "event-5",
        "registration": "r-1",
        "guest": "g-1",
        "name": "Jane",
        "template": "t",
        "flow": "rsvp",
        "type": "rsvp",
        "created_us": str(BASE_US + 1_234),
        "tracked_us": str(BASE_US + 1_234),
        "sent_ms": str(BASE_MS),
    }
    names = list(await held(store))
    assert names == [name for name in NAMES if name in names]
    failed = status_report(Status.FAILED, at_s=2, received_us=BASE_US + 9_000, error_code="131026")
    later = status_report(Status.DELIVERED, at_s=3, received_us=BASE_US + 9_999)
    for report in (failed, Report(*list_of(later, extras=extras))):
        await store.merge(report)
    found = await held(store)
    assert {
        name: text for name, text in found.items() if name not in names or name == "status"
    } == {
        "status": "failed",
        "version": "3",
        "delivered_ms": str(BASE_MS + 3_000),
        "failed_ms": str(BASE_MS + 2_000),
        "delivered_received_ms": str(BASE_MS + 9),
        "failed_received_ms": str(BASE_MS + 9),
        "error_ms": str(BASE_MS + 2_000),
        "error_code": "131026",
        "from": "106",
        "user": "US.1",
        "pricing_category": "utility",
        "pricing_billable": "true",
    }


def list_of(report: Report, **fields: Any) -> list[Any]:
    return [fields.get(name, getattr(report, name)) for name in Report.__struct_fields__]


async def test_a_receipt_is_there_only_where_it_is_not_of_the_creation(store: Bench) -> None:
    """A status without one was received when the message was created, to the millisecond."""

    async def receipts() -> dict[str, int]:
        await store.check_invariants()
        found = await held(store)
        ends = "_received_ms"
        return {
            name.removesuffix(ends): int(text) - BASE_MS
            for name, text in found.items()
            if name.endswith(ends)
        }

    await store.merge(status_report(Status.READ, received_us=BASE_US + 7_900))
    assert await receipts() == {}
    await store.merge(status_report(Status.READ, received_us=BASE_US + 7_100))
    assert await receipts() == {}
    await store.merge(status_report(Status.READ, received_us=BASE_US + 8_000))
    assert await receipts() == {}
    await store.merge(status_report(Status.READ, received_us=BASE_US + 6_999))
    assert await receipts() == {"read": 6}
    await store.merge(status_report(Status.READ, received_us=BASE_US + 7_000))
    assert await receipts() == {"read": 6}
    await store.merge(status_report(Status.DELIVERED, received_us=BASE_US + 9_000))
    assert await receipts() == {"read": 6, "delivered": 9}
    await store.merge(status_report(Status.DELIVERED, received_us=BASE_US + 7_999))
    assert await receipts() == {"read": 6}
    await store.merge(status_report(Status.DELIVERED, received_us=BASE_US + 5_000))
    assert await receipts() == {"read": 6, "delivered": 5}
    record = await store.record("wamid.A")
    assert record is not None
    assert record.created_us == str(BASE_US + 7_900)


async def test_an_earlier_receipt_of_the_status_that_created_is_news(store: Bench) -> None:
    """A replayed report was received before the one that overtook it."""
    [created] = await store.store.write([status_report(Status.SENT, received_us=BASE_US + 5_000)])
    [earlier] = await store.store.write([status_report(Status.SENT, received_us=BASE_US + 4_000)])
    [again] = await store.store.write([status_report(Status.SENT, received_us=BASE_US + 4_000)])
    outcomes = (created.outcome, earlier.outcome, again.outcome)
    assert outcomes == ("created", "changed", "unchanged")
    record = await store.record("wamid.A")
    assert record is not None
    assert record.sent_received_ms == str(BASE_MS + 4)
    assert (await held(store))["sent_received_ms"] == str(BASE_MS + 4)


async def test_a_field_that_is_older_says_how_old(store: Bench) -> None:
    """And no longer, once the latest track-send has named it too."""
    await store.merge(send_report(received_us=BASE_US + 1, guest_name="Jane", event_id="e"))
    await store.merge(send_report(received_us=BASE_US + 3, event_id="f"))
    found = await held(store)
    assert (found["tracked_us"], found["name_named_us"]) == (str(BASE_US + 3), str(BASE_US + 1))
    assert [name for name in found if name.endswith("_us")] == [
        "created_us",
        "tracked_us",
        "name_named_us",
    ]
    await store.merge(send_report(received_us=BASE_US + 2, guest_name="Joan", flow_type="rsvp"))
    found = await held(store)
    assert (found["name"], found["name_named_us"]) == ("Joan", str(BASE_US + 2))
    assert found["flow_named_us"] == str(BASE_US + 2)
    await store.merge(send_report(received_us=BASE_US + 3, guest_name="Ann", flow_type="rsvp"))
    found = await held(store)
    assert (found["name"], "name_named_us" in found, "flow_named_us" in found) == (
        "Ann",
        False,
        False,
    )
    await store.check_invariants()


async def test_a_sending_number_says_when_a_send_named_it(store: Bench) -> None:
    """Without that time it is Meta's, and a track-send's takes its place, however early it was."""

    async def number() -> tuple[str, str]:
        found = await held(store)
        return found["from"], found.get("from_named_us", "")

    await store.merge(of_metas("107"), of_metas("108"))
    assert await number() == ("107", "")
    await store.merge(send_report(received_us=BASE_US + 5))
    assert await number() == ("107", "")
    await store.merge(of_metas("106"))
    assert await number() == ("106", "")
    await store.merge(send_report(received_us=BASE_US + 2, phone_number_id="900"))
    assert await number() == ("900", str(BASE_US + 2))
    await store.merge(of_metas("100"), send_report(received_us=BASE_US + 9))
    assert await number() == ("900", str(BASE_US + 2))
    await store.merge(send_report(received_us=BASE_US + 9, phone_number_id="800"))
    assert await number() == ("800", str(BASE_US + 9))
    await store.merge(send_report(received_us=BASE_US + 8, phone_number_id="700"))
    assert await number() == ("800", str(BASE_US + 9))
    await store.check_invariants()


def of_metas(number_id: str) -> Report:
    return Report(*list_of(status_report(Status.DELIVERED), extras=Extras(number_id)))


async def test_what_an_error_lacks_leaves_no_field_behind(store: Bench) -> None:
    """An earlier failure's error takes the place of another that said more."""
    later = status_report(Status.FAILED, at_s=5, error_code="1", error_details="d", error_href="h")
    await store.merge(later, status_report(Status.FAILED, at_s=4, error_message="m"))
    found = await held(store)
    assert {name: text for name, text in found.items() if name.startswith("error")} == {
        "error_ms": str(BASE_MS + 4_000),
        "error_message": "m",
    }
    await store.check_invariants()


async def test_more_fields_than_a_pattern_of_lua_has_captures(store: Bench) -> None:
    """All there are at once: more than the 32 that records of one text were limited to."""
    full = Context(*["x"] * len(Context.__struct_fields__))
    extras = Extras(*["y"] * len(Extras.__struct_fields__))
    reports = [
        Report("wamid.A", Status.SENT, BASE_MS, BASE_US, context=full, extras=extras),
        Report("wamid.A", Status.SENT, BASE_MS, BASE_US + 1, context=Context("x")),
        Report("wamid.A", Status.SENT, BASE_MS, BASE_US + 1, "z"),
        *(status_report(status, received_us=BASE_US + 9_000) for status in Status),
    ]
    error: dict[str, Any] = {
        "error_code": "1",
        "error_message": "m",
        "error_details": "d",
        "error_href": "h",
    }
    reports += [status_report(Status.FAILED, received_us=BASE_US + 9_000, **error)]
    partition = partition_of("wamid.A", store.partitions)
    await store.scripts.merge(partition, reports, soon_s())
    found = await held(store)
    # They are of the latest track-send, of the creation, and of the first write.
    left_out = {"to_named_us", "sent_received_ms", "version"}
    assert found.keys() == set(NAMES) - left_out
    [record] = await store.check_invariants()
    assert hash_of(record) == found


async def test_a_field_of_a_later_version_survives(store: Bench) -> None:
    await store.merge(send_report(event_id="e"))
    await store.execute(tag(store), "HSET", key(store), "campaign", "run 7", "later_us", "soon")
    await store.merge(status_report(Status.READ), send_report(event_id="f"))
    found = await held(store)
    assert (found["campaign"], found["later_us"]) == ("run 7", "soon")
    record = await store.record("wamid.A")
    assert record is not None
    assert (record.status, record.event_id) == ("read", "f")


class Spy:
    """Stands between the scripts and the server, which stays the one it is."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def writes(self, *reports: Report) -> list[str]:
        """What a merge of the reports does to the record: its calls of HSET, HDEL and SET."""
        note = """(function()
          local log = KEYS[1] .. ':spied'
          return function(command, key, ...)
            if string.find(key, ':msg:', 1, true) and command ~= 'HGETALL' then
              redis.call('RPUSH', log, cjson.encode({command, ...}))
            end
            return redis.call(command, key, ...)
          end
        end)()"""
        bench = self._bench
        scripts = Scripts(bench.server, note)
        partition = partition_of("wamid.A", bench.partitions)
        await scripts.merge(partition, reports, soon_s())
        log = f"{tag(bench)}:spied"
        found = await bench.execute(tag(bench), "LRANGE", log, 0, -1)
        await bench.execute(tag(bench), "DEL", log)
        return [text.decode() for text in found]


async def test_only_what_changed_is_written(store: Bench) -> None:
    await store.merge(send_report(event_id="e", guest_name="Jane"))
    spy = Spy(store)
    delivered = status_report(Status.DELIVERED, at_s=1, received_us=BASE_US + 2_000)
    [call] = await spy.writes(delivered)
    assert call.startswith('["HSET",')
    assert all(name in call for name in ("status", "version", "delivered_ms"))
    assert call.count(",") == 8
    assert await spy.writes(delivered, delivered) == []
    steps = ((Status.DELIVERED, 0), (Status.READ, 9))
    several = [
        status_report(status, at_s=at_s, received_us=BASE_US + 3_000) for status, at_s in steps
    ]
    assert len(await spy.writes(*several)) == 1


async def test_a_record_of_another_kind_stops_the_batch_before_its_first_write(
    store: Bench,
) -> None:
    """As where somebody set the schema's version and left the records as they were."""
    await store.merge(send_report(event_id="e"))
    await store.execute(tag(store), "SET", key(store), "sent\x1f1700000000000000")
    other = next(
        report
        for number in range(1_000)
        if partition_of(
            (report := status_report(Status.SENT, wamid=f"wamid.{number}")).wamid, store.partitions
        )
        == partition_of("wamid.A", store.partitions)
    )
    before = await contents_of(store)
    with pytest.raises(Unavailable):
        await store.store.write([other, status_report(Status.READ)])
    assert await contents_of(store) == before
    await store.execute(tag(store), "DEL", key(store))
    await store.execute(tag(store), "HSET", key(store), "note", "no record")
    before = await contents_of(store)
    with pytest.raises(Unavailable):
        await store.store.write([other, status_report(Status.READ)])
    assert await contents_of(store) == before


async def contents_of(bench: Bench) -> dict[str, Any]:
    return await bench.contents()
