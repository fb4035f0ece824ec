"""Messages on the way to other partitions, on every backend: what a broken-off move leaves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.commands.repartition_in_place import move_messages, move_tombstones
from service.domain.identity import crc16_of, id_of
from service.domain.report import Status
from service.domain.reports_of_record import reports_of
from service.errors import CommandError
from service.store.keys import schema_key, tag_of
from service.store.store import Observer, Store
from tests.backends import Bench, soon_s
from tests.factories import send_report, status_report

PARTITIONS = 5


@asynccontextmanager
async def with_partitions(bench: Bench, partitions: int) -> AsyncIterator[Bench]:
    """The same server as a store with so many partitions."""
    observer = Observer(lambda _reports, _merged: None, bench.failures.append)
    store = Store(
        bench.server, bench.scripts, partitions=partitions, timeout_s=4.0, observer=observer
    )
    await bench.execute(tag_of(0), "HSET", schema_key(), "partitions", partitions)
    yield Bench(store, bench.scripts, bench.server, partitions, bench.failures)
    await store.close()


async def fill(bench: Bench, number: int) -> None:
    for n in range(number):
        await bench.merge(send_report(wamid=f"wamid.{n}", event_id=f"e-{n % 3}"))
        if n % 2:
            await bench.merge(status_report(Status.FAILED, wamid=f"wamid.{n}", error_code="1"))


async def test_what_is_in_both_places_is_there_once_in_the_end(store: Bench) -> None:
    """As a kill between writing and removing leaves it."""
    await fill(store, 60)
    before = {record.wamid: record for record in await store.check_invariants()}
    async with with_partitions(store, PARTITIONS) as new:
        for record in list(before.values())[:20]:
            await new.store.write(reports_of(record))
        assert await move_messages(store.store, new.store) == 60
        assert {record.wamid: record for record in await new.check_invariants()} == before
        assert await move_messages(store.store, new.store) == 60


async def test_a_message_that_came_in_meanwhile_is_noticed_and_the_next_run_takes_it(
    store: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a service that nobody stopped, which writes to the old place."""
    await fill(store, 10)
    async with with_partitions(store, PARTITIONS) as new:
        write, late = new.store.write, [send_report(wamid=f"late.{n}") for n in range(30)]

        async def write_and_be_written(reports: object) -> object:
            while late:
                await store.merge(late.pop())
            return await write(reports)  # type: ignore[arg-type]

        monkeypatch.setattr(new.store, "write", write_and_be_written)
        with pytest.raises(CommandError, match=r"10 messages.* before, .*40 messages"):
            await move_messages(store.store, new.store)
        monkeypatch.undo()
        assert await move_messages(store.store, new.store) == 40
        assert len(await new.check_invariants()) == 40


async def test_an_erased_message_stays_gone_in_its_new_place(store: Bench) -> None:
    async with with_partitions(store, PARTITIONS) as new:
        wamids = [f"wamid.{n}" for n in range(30)]
        for wamid in wamids:
            tag = tag_of(crc16_of(wamid) % store.partitions)
            key = f"{tag}:gone:{id_of(wamid)}"
            await store.execute(tag, "SET", key, str(crc16_of(wamid)), "EX", 1_000)
        await move_tombstones(store.store, new.store)
        for wamid in wamids:
            partition = crc16_of(wamid) % PARTITIONS
            report = status_report(Status.READ, wamid=wamid)
            [merged] = await new.scripts.merge(partition, [report], soon_s())
            assert merged.outcome == "erased"
        assert await move_tombstones(store.store, new.store) == 0
