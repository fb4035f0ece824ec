"""Takes a store to another number of partitions where it is.

A message that has to move is written to its new partition, and only then removed from its old one.
Broken off in between it is in both, and the next run finds it there already.
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
    """Takes the store of the settings to so many partitions, from as many as it has.

    Raises:
        CommandError: there is no store, something else is done with it, or a message was lost or
            came in meanwhile.
        StartError: it can't be used.
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
    """The layout of a store that may be moved."""
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
    """Moves the tombstones that aren't in their places; returns how many those were."""
    number = 0
    async for tombstone in tombstones(old):
        if tombstone.crc16 % new.partitions != tombstone.partition:
            await put_tombstone(new, tombstone)
            place = tombstone.partition
            await retry_while_unavailable(lambda: old.execute(place, "DEL", tombstone.key))  # noqa: B023
            number += 1
    return number


async def move_messages(old: Store, new: Store) -> int:
    """Moves the messages that aren't in their places, and removes the feeds of partitions that go.

    Args:
        old: the store with the partitions that it had.
        new: the same with those that it is to have.

    Returns:
        how many messages there are.

    Raises:
        CommandError: the counts don't agree. A message that is in both places, since an earlier run
            broke off, is counted twice before, and once after.
    """
    all_places = max(old, new, key=lambda store: store.partitions)
    before, twice, done = await census_of(all_places), Census(), 0
    with progress("Moving", await size_of(old, EVERYTHING)) as show:
        for partition in range(old.partitions):
            async for records in walk_all(old, partition):
                away = [r for r in records if partition_of(r.wamid, new.partitions) != partition]
                twice.update(await _write(new, away, await reports_of_records(old, away)))
                await _remove(old, partition, away)
                done += len(records)
                show(done)
    after = await census_of(all_places)
    if after != before - twice:
        raise CommandError(
            f"The counts differ: {format_census(before - twice)} before, {format_census(after)} "
            "now. Was something written meanwhile? Stop every service and run the same again."
        )
    await _drop_rest(old, new)
    return after["messages"]


async def _drop_rest(old: Store, new: Store) -> None:
    """Removes what partitions that are no more still have, when all messages have left them.

    Their indexes and counters went with the messages; a feed has no end of its own.
    """
    for partition in range(new.partitions, old.partitions):
        keys = [key_of(tag_of(partition)) for key_of in (feed_key, fence_key)]
        await retry_while_unavailable(lambda: old.execute(partition, "DEL", *keys))  # noqa: B023


async def _write(new: Store, records: Sequence[Record], reports: Sequence[Report]) -> Census:
    """Writes records to their new places; returns the counts of those that were there already.

    It reads before it writes. The write's own answer can't tell: if the first answer was lost, the
    write was repeated and changed nothing.

    Args:
        new: where they go.
        records: that are moved.
        reports: that make them and their participants.
    """
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
