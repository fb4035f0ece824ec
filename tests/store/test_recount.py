"""What `recount` finds and mends, on every backend; nothing else is changed."""

import pytest

from service.commands.recount import check_on
from service.domain.identity import id_of, partition_of
from service.domain.record import Record
from service.store.keys import tag_of
from tests.backends import Bench
from tests.commands.stores import histories
from tests.conftest import REDIS_FIRST

SPOILT = {
    "an entry is missing": ("ZREM", ":by:all", "<id>"),
    "an entry has another time": ("ZADD", ":by:all", 5, "<id>"),
    "an entry of no message": ("ZADD", ":by:event:e-1", 5, "x" * 22),
    "an entry of no message in a long index": ("ZADD", ":by:all", 5, "x" * 22),
    "an index of no message": ("ZADD", ":by:guest:nobody", 5, "x" * 22),
    "an index is gone": ("DEL", ":by:template:t{1}"),
    "an index of further values is gone": ("DEL", ":by:recipient:US.1"),
    "an entry of a value that its message hasn't": ("ZADD", ":by:recipient:US.9", 5, "<id>"),
    "a value isn't listed": ("ZREM", ":values:event", "e-1"),
    "a value has another time": ("ZADD", ":values:event", 5, "e-1"),
    "a value of no message is listed": ("ZADD", ":values:event", 5, "e-9"),
    "a counter is too high": ("HINCRBY", ":count:all", "read", 3),
    "a counter is below nought": ("HSET", ":count:event:e-1", "sent", -7),
    "a counter is no number": ("HSET", ":count:event:e-1", "sent", "x"),
    "a counter of a code": ("HSET", ":count:all", "error:7", 3),
    "counters are gone": ("DEL", ":count:all"),
    "counters of no message": ("HSET", ":count:event:e-9", "sent", 3),
    "spans are gone": ("DEL", ":waits:all"),
    "spans of no message": ("HSET", ":waits:event:e-9", "1768473", 3),
    "times are gone": ("DEL", ":times:all"),
    "times are cut off": ("SETRANGE", ":times:event:e-1", 3, "\x01\x02\x03"),
    "times of no message": ("SET", ":times:event:e-9", "\x00\x00\x00\x01"),
    "a number of participants is wrong": ("HSET", ":msg:<group>", "participants", 9),
    "a number of participants is missing": ("HDEL", ":msg:<group>", "participants"),
    "participants are gone": ("DEL", ":participants:<group>"),
    "participants of no message": ("HSET", f":participants:{'x' * 22}", "IN.1 received_us", 5),
}


@REDIS_FIRST
@pytest.mark.parametrize("spoilt", SPOILT)
async def test_what_is_wrong_is_found_and_mended_and_nothing_else_is_changed(
    store: Bench, spoilt: str
) -> None:
    usual = 60 if store.partitions == 1 else 150  # each partition has messages of every kind
    await store.store.write(histories(400 if "long" in spoilt else usual))
    records = by_wamid(await store.check_invariants())
    group = next(wamid for wamid, record in records.items() if record.participants == "2")
    tag = tag_of(partition_of(group, store.partitions))
    other = next(
        wamid
        for wamid, record in records.items()
        if tag == tag_of(partition_of(wamid, store.partitions)) and not record.participants
    )
    name, key, *rest = [
        str(part).replace("<id>", id_of(other)).replace("<group>", id_of(group))
        for part in SPOILT[spoilt]
    ]
    assert await store.execute(tag, name, f"{tag}{key}", *rest) is not None
    found = await check_on(store.store, mend=False)
    assert found.is_wrong
    mended = await check_on(store.store, mend=True)
    assert mended._replace(took_s=0.0) == found._replace(took_s=0.0)
    assert not (await check_on(store.store, mend=False)).is_wrong
    left = by_wamid(await store.check_invariants())
    if spoilt == "participants are gone":
        records[group] = records[group]._replace(participants="")
    assert left == records


@REDIS_FIRST
async def test_values_behind_one_with_many_fields_are_looked_at_too(store: Bench) -> None:
    """One step reads no more than that one."""
    await store.store.write(histories(400))
    records = await store.check_invariants()
    tag = tag_of(partition_of(records[0].wamid, store.partitions))
    many = [text for span in range(1_100) for text in (span, 1)]
    await store.execute(tag, "HSET", f"{tag}:waits:all", *many)
    await store.execute(tag, "HSET", f"{tag}:count:event:e-9", "sent", 3)
    assert (await check_on(store.store, mend=True)).counters == 1_101
    assert by_wamid(await store.check_invariants()) == by_wamid(records)


async def test_a_sound_store_is_found_sound(store: Bench) -> None:
    await store.store.write(histories(400))
    found = await check_on(store.store, mend=True)
    assert found._replace(took_s=0.0) == (400, 0, 0, 0, 0.0)


def by_wamid(records: list[Record]) -> dict[str, Record]:
    """The records by their messages."""
    return {record.wamid: record for record in records}
