"""Copies a store into another, empty Redis or cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from service.commands.common import (
    EVERYTHING,
    Writer,
    open_server,
    open_store,
    progress,
    reports_of_records,
    size_of,
    store_on,
    walk_all,
)
from service.commands.store_state import (
    Moved,
    census_of,
    format_census,
    layout_of,
    put_tombstone,
    tombstones,
    write_layout,
)
from service.config import Settings
from service.errors import CommandError
from service.store.keys import SCHEMA_VERSION
from service.store.script_types import Layout
from service.store.startup import check
from service.store.store import Store


async def copy(settings: Settings, wanted: Settings) -> Moved:
    """Copies a store to another one.

    Args:
        settings: of the store to copy from.
        wanted: of the store to copy to.

    Raises:
        CommandError: the other store is in use, or the counts of the two differ in the end.
        StartError: one of them can't be used.
    """
    started_s = monotonic()
    async with (
        open_store(settings) as source,
        _target(wanted, await layout_of(source)) as (target, layout),
    ):
        number = 0
        async for tombstone in tombstones(source):  # first, so that erased messages stay erased
            await put_tombstone(target, tombstone)
            number += 1
        await _copy_messages(source, target)
        messages = await _compare(source, target)
        await write_layout(target, layout._replace(moving=0))
    return Moved(messages, number, monotonic() - started_s)


@asynccontextmanager
async def _target(settings: Settings, source: Layout | None) -> AsyncIterator[tuple[Store, Layout]]:
    """The store to copy to, marked so that no service starts on it before the copy is complete."""
    partitions = settings.redis.partitions
    # The copy replaces its source and has the same id, so reports that wait in a journal for the
    # source are merged into the copy.
    marked = Layout(SCHEMA_VERSION, partitions, partitions, source.id if source else "")
    async with (
        open_server(settings) as (server, scripts),
        store_on(server, scripts, settings) as store,
    ):
        layout = await layout_of(store)
        if layout is None:
            await check(server, scripts, settings)
            await write_layout(store, marked)
        elif layout not in (marked, marked._replace(id="")):
            raise CommandError(
                f"The other Redis has a store with {layout.partitions} partitions. It must have "
                "none, or what was left of a copy of this store into as many partitions that "
                "broke off."
            )
        yield store, marked


async def _copy_messages(source: Store, target: Store) -> None:
    done, writer = 0, Writer(target)
    with progress("Copying", await size_of(source, EVERYTHING)) as show:
        for partition in range(source.partitions):
            async for records in walk_all(source, partition):
                reports = await reports_of_records(source, records)
                await writer.put(reports, lambda _merged: None)
                done += len(records)
                show(done)
        await writer.finish()


async def _compare(source: Store, target: Store) -> int:
    """Compares the counts of both stores; returns their number of messages."""
    here, there = await census_of(source), await census_of(target)
    if here != there:
        raise CommandError(
            f"The stores differ: {format_census(here)} here, {format_census(there)} there. Was "
            "something written meanwhile? Stop every service and run the same again; if they "
            "differ still, empty the other Redis first."
        )
    return here["messages"]
