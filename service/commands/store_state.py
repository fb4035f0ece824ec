"""What a store holds besides its messages: its layout, its tombstones, its counts."""

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
"""How many messages there are (`messages`), at each status, and failed by error code."""


class Moved(NamedTuple):
    """What was done: what is in its place now, and how long it took."""

    messages: int
    tombstones: int
    took_s: float


class Tombstone(NamedTuple):
    """What keeps an erased message gone.

    Attributes:
        partition: where it is.
        key: of it.
        crc16: of the wamid.
        left_ms: until it goes; negative for never.
    """

    partition: int
    key: str
    crc16: int
    left_ms: int


async def layout_of(store: Store) -> Layout | None:
    """How the store is laid out, None for an empty one.

    Raises:
        CommandError: it can't be reached, or takes no writes.
    """
    try:
        await store.probe()
        return Layout.of(await store.execute(0, "HMGET", schema_key(), *Layout._fields))
    except Unavailable as error:
        raise CommandError(f"The store can't be used ({error.reason}).") from None


async def write_layout(store: Store, layout: Layout) -> None:
    """Says how the store is laid out, and whether a move is under way, in one step."""
    fields = [part for field in layout._asdict().items() if field[1] for part in field]
    await retry_while_unavailable(lambda: store.execute(0, "HSET", schema_key(), *fields))
    if not layout.moving:
        await retry_while_unavailable(lambda: store.execute(0, "HDEL", schema_key(), "moving"))


async def tombstones(store: Store) -> AsyncIterator[Tombstone]:
    """All there are; one may come twice."""
    for partition in range(store.partitions):
        async for keys in key_pages(store, partition, "gone:*"):
            for key in keys:
                value, left_ms = [
                    await retry_while_unavailable(lambda: store.execute(partition, command, key))  # noqa: B023
                    for command in ("GET", "PTTL")
                ]
                if value is not None:  # else its time has just come
                    yield Tombstone(partition, key, int(value), int(left_ms))


async def put_tombstone(store: Store, tombstone: Tombstone) -> str:
    """Writes a tombstone where its message would be in this store; returns the key."""
    home = tombstone.crc16 % store.partitions
    key = tombstone.key.replace(tag_of(tombstone.partition), tag_of(home), 1)
    limit = ("PX", tombstone.left_ms) if tombstone.left_ms > 0 else ()
    await retry_while_unavailable(lambda: store.execute(home, "SET", key, tombstone.crc16, *limit))
    return key


async def key_pages(store: Store, partition: int, pattern: str) -> AsyncIterator[list[str]]:
    """A partition's keys that match behind the tag, some at a time; one may come twice."""
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
    """What the store's own counters say, and its index of all messages."""
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
    """The counts as a part of a sentence, without the errors'."""
    return ", ".join(f"{number:,} {name}" for name, number in census.items() if ":" not in name)
