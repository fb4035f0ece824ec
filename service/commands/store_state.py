"""A store's layout, tombstones, keys and counts: what the commands read and write of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

from service.commands.common import retry_while_unavailable
from service.errors import CommandError, Unavailable
from service.store.keys import count_key, index_key, schema_key, tag_of
from service.store.script_types import Layout
from service.store.store import Store

_KEYS_AT_ONCE = 1_000

Census = Counter[str]
"""The number of messages (`messages`), of messages at each status, and of each error code."""


class Moved(NamedTuple):
    """How many messages and tombstones the new store has, and how long the move took."""

    messages: int
    tombstones: int
    took_s: float


class Tombstone(NamedTuple):
    """The mark of an erased message, which late reports don't bring back.

    Attributes:
        partition: that it is in.
        key: its key.
        crc16: the CRC16 of the wamid.
        left_ms: how long until it expires; negative if it never does.
    """

    partition: int
    key: str
    crc16: int
    left_ms: int


async def layout_of(store: Store) -> Layout | None:
    """The layout of the store; None if there is no store yet.

    Raises:
        CommandError: it can't be reached, or takes no writes.
    """
    try:
        await store.probe()
        return Layout.of(await store.execute(0, "HMGET", schema_key(), *Layout._fields))
    except Unavailable as error:
        raise CommandError(f"The store can't be used ({error.reason}).") from None


async def write_layout(store: Store, layout: Layout) -> None:
    """Writes the store's layout, and whether a move is under way."""
    # A move is marked in the same step as the layout; the mark is removed in a second step.
    fields = [part for field in layout._asdict().items() if field[1] for part in field]
    await retry_while_unavailable(lambda: store.execute(0, "HSET", schema_key(), *fields))
    if not layout.moving:
        await retry_while_unavailable(lambda: store.execute(0, "HDEL", schema_key(), "moving"))


async def tombstones(store: Store) -> AsyncIterator[Tombstone]:
    """All tombstones of the store; one may be yielded twice."""
    for partition in range(store.partitions):
        async for keys in key_pages(store, partition, "gone:*"):
            for key in keys:
                value, left_ms = [
                    await retry_while_unavailable(lambda: store.execute(partition, command, key))  # noqa: B023
                    for command in ("GET", "PTTL")
                ]
                if value is not None:  # else it has just expired
                    yield Tombstone(partition, key, int(value), int(left_ms))


async def put_tombstone(store: Store, tombstone: Tombstone) -> str:
    """Writes a tombstone to the partition of its message in this store; returns its key."""
    home = tombstone.crc16 % store.partitions
    key = tombstone.key.replace(tag_of(tombstone.partition), tag_of(home), 1)
    limit = ("PX", tombstone.left_ms) if tombstone.left_ms > 0 else ()
    await retry_while_unavailable(lambda: store.execute(home, "SET", key, tombstone.crc16, *limit))
    return key


async def key_pages(store: Store, partition: int, pattern: str) -> AsyncIterator[list[str]]:
    """Pages of a partition's keys that match a pattern after the tag; a key may come twice."""
    pattern = f"{tag_of(partition)}:{pattern}"
    cursor = 0
    while True:
        command = "SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_AT_ONCE
        following, keys = await retry_while_unavailable(lambda: store.execute(partition, *command))  # noqa: B023
        yield [key.decode() for key in keys]
        cursor = int(following)
        if not cursor:
            return


async def census_of(store: Store) -> Census:
    """The counts of a store, by its own counters and its index of all messages."""
    found = Census()
    for partition in range(store.partitions):
        tag = tag_of(partition)
        counts = await retry_while_unavailable(
            lambda: store.execute(partition, "HGETALL", count_key(tag))  # noqa: B023
        )
        found.update({name.decode(): int(number) for name, number in counts.items()})
        index = index_key(tag, "all")
        found["messages"] += await retry_while_unavailable(
            lambda: store.execute(partition, "ZCARD", index)  # noqa: B023
        )
    return found


def format_census(census: Census) -> str:
    """The counts as a part of a sentence, without the counts by error code."""
    return ", ".join(f"{number:,} {name}" for name, number in census.items() if ":" not in name)
