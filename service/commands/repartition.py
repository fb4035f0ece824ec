"""`repartition`: takes all messages to another number of partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple

import click

from service.commands.common import (
    EVERYTHING,
    Writer,
    conclude,
    of_messages,
    open_server,
    open_store,
    patiently,
    progress,
    run,
    size_of,
    store_on,
    walk,
    with_store,
)
from service.config import Settings
from service.connect import check
from service.errors import CommandError, Unavailable
from service.keys import SCHEMA_VERSION, count_key, index_key, schema_key, tag_of
from service.reports import reports_of
from service.scripts import Layout
from service.store import Store

_KEYS_AT_ONCE = 1_000


class Moved(NamedTuple):
    """What was done: messages and tombstones that are in their places, and how long it took."""

    messages: int
    tombstones: int
    took_s: float


@click.command()
@click.option(
    "--partitions", type=click.IntRange(1, 4096), required=True, help="How many there shall be."
)
@click.option("--to-url", required=True, help="An empty Redis or cluster to copy to.")
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stdout.")
def repartition(partitions: int, to_url: str, *, as_json: bool) -> None:
    """Copy the store to another Redis or cluster, into another number of partitions.

    No service may write meanwhile. Broken off, it is run again and goes on.
    """
    moved = run(lambda settings: _copy(settings, with_store(settings, to_url, partitions)))
    rate = moved.messages / max(moved.took_s, 0.001)
    sentence = (
        f"Copied {of_messages(moved.messages)} and {moved.tombstones:,} tombstones in "
        f"{moved.took_s:,.0f} s, {rate:,.0f} a second: both stores count the same. Now set "
        f"redis.url to the new one and redis.partitions to {partitions}."
    )
    conclude(sentence, moved._asdict() | {"partitions": partitions}, as_json=as_json, err=False)


async def _copy(settings: Settings, wanted: Settings) -> Moved:
    started_s = monotonic()
    async with open_store(settings) as source, _target(wanted) as target:
        tombstones = await _copy_tombstones(source, target)
        await _copy_messages(source, target)
        messages = await _compare(source, target)
        await patiently(lambda: target.execute(0, "HDEL", schema_key(), "moving"))
    return Moved(messages, tombstones, monotonic() - started_s)


@asynccontextmanager
async def _target(settings: Settings) -> AsyncIterator[Store]:
    """The store to copy to, marked so that no service starts on it before it is whole.

    Raises:
        CommandError: it is not empty, and not what an earlier run left off with.
        StartError: it can't be used.
    """
    partitions = settings.redis.partitions
    async with (
        open_server(settings) as (server, scripts),
        store_on(server, scripts, settings) as store,
    ):
        layout = await _layout_of(store)
        if layout is None:
            await check(server, scripts, settings)
            fields = {"version": SCHEMA_VERSION, "partitions": partitions, "moving": partitions}
            command = [part for field in fields.items() for part in field]
            await patiently(lambda: store.execute(0, "HSET", schema_key(), *command))
        elif layout != Layout(SCHEMA_VERSION, partitions, partitions):
            raise CommandError(
                f"The other Redis has a store with {layout.partitions} partitions. It must have "
                "none, or what was left of a copy into as many partitions that broke off."
            )
        yield store


async def _layout_of(store: Store) -> Layout | None:
    try:
        await store.probe()
        fields = "version", "partitions", "moving"
        version, partitions, moving = await store.execute(0, "HMGET", schema_key(), *fields)
    except Unavailable as error:
        raise CommandError(f"The other Redis can't be used ({error.reason}).") from None
    return Layout(int(version), int(partitions), int(moving or 0)) if version else None


async def _copy_messages(source: Store, target: Store) -> None:
    done, writer = 0, Writer(target)
    with progress("Copying", await size_of(source, EVERYTHING)) as move:
        for partition in range(source.partitions):
            async for records in walk(source, EVERYTHING, partition):
                reports = [report for record in records for report in reports_of(record)]
                await writer.put(reports, lambda _merged: None)
                done += len(records)
                move(done)
        await writer.finish()


async def _copy_tombstones(source: Store, target: Store) -> int:
    """Copies what keeps erased messages gone, with the time that is left to each."""
    number = 0
    for partition in range(source.partitions):
        async for key in _keys(source, partition, "gone:*"):
            value, left_ms = [
                await patiently(lambda: source.execute(partition, command, key))  # noqa: B023
                for command in ("GET", "PTTL")
            ]
            if value is not None:  # else its time has just come
                # The value is the CRC16 of the wamid, of which the partition is made.
                home = int(value) % target.partitions
                moved = key.replace(tag_of(partition), tag_of(home), 1)
                limit = ("PX", left_ms) if left_ms > 0 else ()
                await patiently(lambda: target.execute(home, "SET", moved, value, *limit))  # noqa: B023
                number += 1
    return number


async def _keys(store: Store, partition: int, pattern: str) -> AsyncIterator[str]:
    """A partition's keys that match behind the tag; one may come twice."""
    pattern = f"{tag_of(partition)}:{pattern}"
    cursor = 0
    while True:
        command = "SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_AT_ONCE
        following, keys = await patiently(lambda: store.execute(partition, *command))  # noqa: B023
        for key in keys:
            yield key.decode()
        cursor = int(following)
        if not cursor:
            return


async def _compare(source: Store, target: Store) -> int:
    """Holds the counts of both stores against each other.

    Returns:
        how many messages each has.

    Raises:
        CommandError: they differ.
    """
    here, there = await _census(source), await _census(target)
    if here != there:
        raise CommandError(
            f"The stores differ: {_in_words(here)} here, {_in_words(there)} there. Was something "
            "written meanwhile? Stop every service and run the same again; if they differ still, "
            "empty the other Redis first."
        )
    return here["messages"]


async def _census(store: Store) -> Counter[str]:
    """How many messages there are, at each status and with each error."""
    found: Counter[str] = Counter()
    for partition in range(store.partitions):
        tag = tag_of(partition)
        counts = await patiently(lambda: store.execute(partition, "HGETALL", count_key(tag)))  # noqa: B023
        found.update({name.decode(): int(number) for name, number in counts.items()})
        index = index_key(tag, "all")
        found["messages"] += await patiently(lambda: store.execute(partition, "ZCARD", index))  # noqa: B023
    return found


def _in_words(census: Counter[str]) -> str:
    parts = [f"{number:,} {name}" for name, number in census.items() if ":" not in name]
    return ", ".join(parts)
