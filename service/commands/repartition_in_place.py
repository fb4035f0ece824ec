"""Changes a store's number of partitions, in place.

A message that must move is written to its new partition, and only then removed from its old one. If
the command is interrupted in between, the message is in both, and the next run removes the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from service.backends.durability import fence_key
from service.commands.common import (
    EVERYTHING,
    open_server,
    progress,
    reports_of_records,
    retry_while_unavailable,
    size_of,
    store_on,
    walk_all,
    with_store,
)
from service.commands.store_state import (
    Census,
    Moved,
    census_of,
    format_census,
    layout_of,
    put_tombstone,
    tombstones,
    write_layout,
)
from service.config import Settings
from service.domain.identity import crc16_of, id_of, partition_of
from service.domain.record import Record
from service.domain.report import Report
from service.domain.statistics import deltas_of
from service.errors import CommandError
from service.store.keys import SCHEMA_VERSION, feed_key, tag_of
from service.store.script_types import Erasure, Layout
from service.store.scripts import MAX_ERASED
from service.store.store import Store


async def move(settings: Settings, partitions: int) -> Moved:
    """Changes the number of partitions of the store of the settings.

    Raises:
        CommandError: there is no store, another copy or move of it is unfinished, or a message was
            lost or came in meanwhile.
        StartError: the store can't be used.
    """
    started_s = monotonic()
    async with open_server(settings) as (server, scripts):
        async with store_on(server, scripts, settings) as store:
            layout = _movable(await layout_of(store), partitions)
        old_settings = with_store(settings, settings.redis.url, layout.partitions)
        new_settings = with_store(settings, settings.redis.url, partitions)
        async with (
            store_on(server, scripts, old_settings) as old,
            store_on(server, scripts, new_settings) as new,
        ):
            await write_layout(old, layout._replace(moving=partitions))
            number = await move_tombstones(old, new)
            messages = await move_messages(old, new)
            await write_layout(new, layout._replace(partitions=partitions, moving=0))
    return Moved(messages, number, monotonic() - started_s)


def _movable(layout: Layout | None, partitions: int) -> Layout:
    """Checks that a store may be moved; returns its layout.

    Raises:
        CommandError: it may not.
    """
    if layout is None:
        raise CommandError("There is no store yet: just set redis.partitions.")
    if layout.version != SCHEMA_VERSION:
        raise CommandError(f"The store was written with schema version {layout.version}.")
    if layout.moving == layout.partitions:
        raise CommandError("The store is a copy that broke off: run that copy again, to its end.")
    if layout.moving not in {0, partitions}:
        raise CommandError(
            f"The store is on the way to {layout.moving} partitions: first take it there."
        )
    if layout.partitions == partitions:
        raise CommandError(f"The store has {partitions} partitions already.")
    return layout


async def move_tombstones(old: Store, new: Store) -> int:
    """Moves the tombstones that belong to another partition now; returns how many were moved."""
    number = 0
    async for tombstone in tombstones(old):
        if tombstone.crc16 % new.partitions != tombstone.partition:
            await put_tombstone(new, tombstone)
            home = tombstone.partition
            await retry_while_unavailable(lambda: old.execute(home, "DEL", tombstone.key))  # noqa: B023
            number += 1
    return number


async def move_messages(old: Store, new: Store) -> int:
    """Moves the messages that belong to another partition now, and removes the feeds left over.

    Args:
        old: the store with its old number of partitions.
        new: the same store with its new number of partitions.

    Returns:
        how many messages there are.

    Raises:
        CommandError: the counts before and after differ.
    """
    all_partitions = max(old, new, key=lambda store: store.partitions)
    # After an interrupted run a message may be in both partitions. The census before counts it
    # twice, the one after only once.
    before, twice, done = await census_of(all_partitions), Census(), 0
    with progress("Moving", await size_of(old, EVERYTHING)) as show:
        for partition in range(old.partitions):
            async for records in walk_all(old, partition):
                away = [r for r in records if partition_of(r.wamid, new.partitions) != partition]
                twice.update(await _write(new, away, await reports_of_records(old, away)))
                await _remove(old, partition, away)
                done += len(records)
                show(done)
    after = await census_of(all_partitions)
    if after != before - twice:
        raise CommandError(
            f"The counts differ: {format_census(before - twice)} before, {format_census(after)} "
            "now. Was something written meanwhile? Stop every service and run the same again."
        )
    await _drop_rest(old, new)
    return after["messages"]


async def _drop_rest(old: Store, new: Store) -> None:
    """Removes the feeds and fences of partitions that the new store doesn't have.

    Their indexes and counters went with their messages.
    """
    for partition in range(new.partitions, old.partitions):
        keys = [key_of(tag_of(partition)) for key_of in (feed_key, fence_key)]
        await retry_while_unavailable(lambda: old.execute(partition, "DEL", *keys))  # noqa: B023


async def _write(new: Store, records: Sequence[Record], reports: Sequence[Report]) -> Census:
    """Writes records to their new partitions; returns the counts of those that were there already.

    Args:
        new: the store with its new number of partitions.
        records: to be moved.
        reports: that rebuild the records and their participants.
    """
    # Read before: the reply to the write can't tell. If the first reply is lost, the write is
    # repeated and changes nothing.
    found = await retry_while_unavailable(lambda: new.lookup(record.wamid for record in records))
    await retry_while_unavailable(lambda: new.write(reports))
    there = Census()
    for record in records:
        if record.wamid in found:
            there.update(["messages", *deltas_of(record).count])
    return there


async def _remove(old: Store, partition: int, records: Sequence[Record]) -> None:
    names = [(id_of(record.wamid), str(crc16_of(record.wamid))) for record in records]
    for start in range(0, len(names), MAX_ERASED):
        erasure = Erasure(names[start : start + MAX_ERASED], "all")
        await retry_while_unavailable(lambda: old.remove(partition, erasure, "moved"))  # noqa: B023
