"""Converts a store of an earlier schema version to the present one, in place.

During the upgrade the store has the version `UPGRADING`, which every service refuses. A service
checks the version at its start, and once a second while it runs.

A program that doesn't check it, such as a command, can't write either. During the upgrade a text
stands in place of the counters of all messages (the door is shut). Every script that writes
messages reads these counters before its first write, and so fails at once. There is one exception:
a `recount --mend` of version 2 that began before the upgrade. It takes messages that are hashes
already for lost ones, and removes their index entries.

A record is replaced in one step, if it is still as it was read. The same step adds its message to
all its indexes, and to the counters that the earlier version didn't have. So an interrupted upgrade
can be run again, and goes on with the records that are left.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from time import monotonic
from typing import NamedTuple

from service.backends.permissions import MERGES, UPGRADES
from service.backends.server import Fake, Server
from service.commands.common import (
    EVERYTHING,
    open_server,
    plural,
    private_runs,
    progress,
    retry_while_unavailable,
    size_of,
    store_on,
    with_store,
)
from service.commands.recount import check_on
from service.commands.schema_2_records import fields_of, indexed_by, participant_fields_of
from service.commands.store_state import layout_of
from service.config import Settings
from service.errors import CommandError, Unavailable
from service.store.keys import (
    SCHEMA_VERSION,
    UPGRADING,
    index_key,
    message_key,
    schema_key,
    tag_of,
)
from service.store.script_types import Change, Layout, Replaced
from service.store.scripts import MAX_REPLACED, Scripts
from service.store.startup import check_permission
from service.store.store import Store

Fields = dict[str, str]


class Step(NamedTuple):
    """How records of one version are converted to the next version.

    Attributes:
        fields_of: the fields of the next version for a record; raises ValueError if the record
            can't be read.
        participant_fields_of: the fields of the record's participants in the next version.
        indexed_by: the value under which a record with these fields was indexed by its recipient,
            `""` for none.
        counts: the dimensions whose counters the earlier version didn't have.
    """

    fields_of: Callable[[bytes], Fields]
    participant_fields_of: Callable[[bytes], Fields]
    indexed_by: Callable[[Fields], str]
    counts: Sequence[str]


STEPS = {2: Step(fields_of, participant_fields_of, indexed_by, ("campaign", "phone_number"))}
"""The steps, by the version that they convert from."""

_UNREAD_S = 4.0
"""If nobody reads the layout for so long, no service runs: a service reads it once a second. Redis
tells the time since the last read in whole seconds."""
_NOTICED_S = 2.0
"""How long we wait for services that were started meanwhile to notice the upgrade and stop."""
_TRIES = 15
_CHANGE_BYTES = 32_768
"""The most bytes of text in one change. Like `MAX_REPLACED`, it keeps a change short."""
_PAGE = 500
"""The number of messages that one command reads or looks for."""
_MOST_NAMED = 10


class Upgraded(NamedTuple):
    """The result of an upgrade.

    Attributes:
        origin: the version that the store had. If it is the present one, nothing was done.
        version: the version that the store has now.
        messages: the number of messages in the store.
        converted: how many messages this run converted.
        mended: how many wrong index entries, listed values and counters were mended.
        took_s: how long it took.
    """

    origin: int
    version: int
    messages: int = 0
    converted: int = 0
    mended: int = 0
    took_s: float = 0.0


async def upgrade(settings: Settings, *, mend: bool) -> Upgraded:
    """Converts the store of the settings to the present schema version.

    Args:
        settings: of the store.
        mend: whether to go on if the index of all messages doesn't fit them, and mend it at the
            end.

    Raises:
        CommandError: a service uses the store, or a record in it can't be converted.
        StartError: the store can't be used.
    """
    started_s = monotonic()
    if settings.embedded and private_runs(settings):
        raise CommandError("A service uses the private server. Stop it, and run the same again.")
    async with open_server(settings) as (server, scripts):
        done = await upgrade_on(server, scripts, settings, mend=mend)
    return done._replace(took_s=monotonic() - started_s)


async def upgrade_on(
    server: Server, scripts: Scripts, settings: Settings, *, mend: bool
) -> Upgraded:
    """Converts the store on an open server; see `upgrade`."""
    async with store_on(server, scripts, settings) as store:
        layout = await layout_of(store)
        origin = await _origin_of(store, layout)
    if layout is None or origin is None:
        raise CommandError("There is no store yet: just start the service.")
    if origin == SCHEMA_VERSION:
        return Upgraded(origin, SCHEMA_VERSION)
    _check_convertible(layout, origin)
    settings = with_store(settings, settings.redis.url, layout.partitions)
    async with store_on(server, scripts, settings) as store:
        # Without a permission the script could remove a record and then fail to write it anew.
        await check_permission(scripts, (*MERGES, *UPGRADES))
        work = _Upgrade(store, server.home_of, STEPS[origin], mend=mend)
        if layout.version != UPGRADING:  # else an earlier run has checked this
            if not isinstance(server, Fake):  # nobody else can use fakeredis: it is in this process
                await _check_unused(store)
            await work.check("Nothing was changed. ", _BEFORE)
            await _set(store, UPGRADING, origin)
        await work.each(Change(door="shut"))
        if layout.version != UPGRADING and not isinstance(server, Fake):
            await asyncio.sleep(_NOTICED_S)
        converted = await work.convert()
        messages = await work.check("The version isn't set. ", _AFTER, at_end=True)
        await work.each(Change(door="open"))
        mended = await _mend(store) if mend else 0
        await _set(store, origin + 1)
    return Upgraded(origin, SCHEMA_VERSION, messages, converted, mended)


async def _mend(store: Store) -> int:
    """Mends indexes, lists and counters; returns how many entries, values and numbers were wrong.

    No service writes to the store yet.
    """
    found = await check_on(store, mend=True)
    return found.entries + found.lists + found.counters


async def _origin_of(store: Store, layout: Layout | None) -> int | None:
    """The version of the store, or its version before an upgrade that was interrupted."""
    if layout is None or layout.version != UPGRADING:
        return layout.version if layout else None
    return int(
        await retry_while_unavailable(lambda: store.execute(0, "HGET", schema_key(), "upgrading"))
    )


def _check_convertible(layout: Layout, origin: int) -> None:
    if layout.moving:
        raise CommandError(
            f"The messages are on the way to {layout.moving} partitions: first take them there, by "
            "`repartition` of the version that wrote them."
        )
    if origin not in STEPS:
        raise CommandError(
            f"The store was written with schema version {origin}; this service has "
            f"{SCHEMA_VERSION}, and no step from there."
        )


async def _check_unused(store: Store) -> None:
    """Checks that no service uses the store.

    Raises:
        CommandError: a service uses it, or Redis can't tell.
    """
    for _ in range(_TRIES):
        await asyncio.sleep(_UNREAD_S)
        if await _unread_s(store) < _UNREAD_S - 1:
            raise CommandError(
                "A service uses the store: it looked at the key "
                f"{schema_key()} a moment ago. Stop every service, of any version, and run the "
                "same again. Nothing was changed."
            )
        await store.execute(0, "HGET", schema_key(), "version")
        if await _unread_s(store) <= 1:
            return
        # Our own read wasn't noted: Redis notes none while it saves its data. Wait until it ends.
    raise CommandError(
        "Redis has been writing a copy of its data for a minute, and can't tell meanwhile whether "
        "a service uses the store. Run the same again when that is done. Nothing was changed."
    )


async def _unread_s(store: Store) -> int:
    """How long ago the layout was last read, in seconds."""
    try:
        return int(await store.execute(0, "OBJECT", "IDLETIME", schema_key()))
    except Unavailable as error:
        raise CommandError(
            f"Redis doesn't tell whether a service uses the store ({error.reason}). The user needs "
            "the right +object|idletime, and maxmemory-policy may be none of LFU. Nothing was "
            "changed."
        ) from None


async def _set(store: Store, version: int, origin: int | None = None) -> None:
    fields = ("version", str(version))
    change = Change(schema=fields, origin=str(origin or ""))
    await retry_while_unavailable(lambda: store.upgrade(0, change))


_BEFORE = (
    ("Run the version of the service that wrote them, or remove them and run this with --mend."),
    "Run `recount --mend` of the version that wrote the store, or this with --mend.",
)
_AFTER = (
    "Remove them, or put back what was there, and run this again with --mend.",
    "Was something written meanwhile? Run this again; if it says the same, with --mend.",
)


class _Found(NamedTuple):
    """The result of a survey of the store.

    Attributes:
        numbers: the number of records `new` (converted) and `old` (to be converted), of `entries`
            of the index without a record, and of `unlisted` records, which the index lacks.
        unreadable: the keys of records that can't be converted.
    """

    numbers: Counter[str]
    unreadable: list[str]


class _Upgrade:
    """The conversion of one store to the next version.

    Args:
        store: the store, which nobody else uses.
        home_of: the name of the server that holds a tag.
        step: how its records are converted.
        mend: whether to go on if the index of all messages doesn't fit them.
    """

    def __init__(
        self,
        store: Store,
        home_of: Callable[[str], Awaitable[str]],
        step: Step,
        *,
        mend: bool,
    ) -> None:
        self._store = store
        self._home_of = home_of
        self._step = step
        self._mend = mend

    async def each(self, change: Change) -> None:
        """Makes the same change in each partition."""
        for partition in range(self._store.partitions):
            await retry_while_unavailable(lambda: self._store.upgrade(partition, change))  # noqa: B023

    async def convert(self) -> int:
        """Converts all records that can be read; returns how many it converted."""
        done = seen = 0
        with progress("Converting", await size_of(self._store, EVERYTHING)) as show:
            async for partition, ids in self._pages():
                held = await self._read(partition, ids)
                for change in self._changes(held):
                    done += await retry_while_unavailable(
                        lambda: self._store.upgrade(partition, change)  # noqa: B023
                    )
                seen += len(ids)
                show(seen)
        return done

    def _changes(self, held: dict[str, bytes | None]) -> Iterator[Change]:
        """The changes that replace the old records among these; `held` has None for the others."""
        messages: list[Replaced] = []
        size = 0
        for message_id, packed in held.items():
            fields = packed and self._new(packed)
            if packed is None or not fields:
                continue
            if messages and (len(messages) == MAX_REPLACED or size + len(packed) > _CHANGE_BYTES):
                yield self._change(messages)
                messages, size = [], 0
            left = self._step.indexed_by(fields)
            named = _flat(self._step.participant_fields_of(packed))
            messages.append((message_id, packed.decode(), _flat(fields), left, named))
            size += len(packed)
        if messages:
            yield self._change(messages)

    def _change(self, messages: Sequence[Replaced]) -> Change:
        return Change(messages=messages, counts=self._step.counts)

    def _new(self, packed: bytes) -> Fields | None:
        try:
            return self._step.fields_of(packed)
        except ValueError:
            return None

    async def check(self, state: str, remedies: tuple[str, str], *, at_end: bool = False) -> int:
        """Compares the records with the index of all messages.

        Args:
            state: a sentence for the error that says how far the upgrade is.
            remedies: sentences that say what to do about unreadable records, and about an index
                that doesn't fit.
            at_end: whether old records, too, are an error.

        Returns:
            how many records there are.

        Raises:
            CommandError: something is wrong.
        """
        found = await self._survey()
        numbers, bad = found.numbers, found.unreadable
        if bad:
            named = ", ".join(bad[:_MOST_NAMED]) + (" …" if len(bad) > _MOST_NAMED else "")
            raise CommandError(
                f"{plural(len(bad), 'record')} can't be read: {named}. {state}{remedies[0]}"
            )
        if at_end and numbers["old"]:
            raise CommandError(
                f"{plural(numbers['old'], 'record')} came meanwhile. {state}Stop every service, "
                "and run the same again."
            )
        if (numbers["entries"] or numbers["unlisted"]) and not self._mend:
            raise CommandError(
                f"The index of all messages doesn't fit them: {numbers['entries']:,} of its "
                f"entries have no message, and {numbers['unlisted']:,} messages no entry. "
                f"{state}{remedies[1]}"
            )
        return numbers["new"] + numbers["old"]

    async def _survey(self) -> _Found:
        found = _Found(Counter(), [])
        with progress("Checking", await size_of(self._store, EVERYTHING)) as show:
            seen = 0
            async for partition, ids in self._pages(found.numbers):
                await self._look(found, partition, ids)
                seen += len(ids)
                show(seen)
        return found

    async def _look(self, found: _Found, partition: int, ids: Sequence[str]) -> None:
        """Counts the records of these ids."""
        tag = tag_of(partition)
        held = await self._read(partition, ids)
        others = [message_key(tag, each) for each, packed in held.items() if packed is None]
        new = 0
        if others:
            new = await retry_while_unavailable(
                lambda: self._store.execute(partition, "EXISTS", *others)
            )
        found.numbers["new"] += new
        found.numbers["entries"] += len(others) - new
        for message_id, packed in held.items():
            if packed is not None:
                found.numbers["old"] += 1
                if self._new(packed) is None:
                    found.unreadable.append(message_key(tag, message_id))

    async def _read(self, partition: int, ids: Sequence[str]) -> dict[str, bytes | None]:
        """The old records of these ids; None for a new record, or none."""
        keys = [message_key(tag_of(partition), message_id) for message_id in ids]
        packed = await retry_while_unavailable(
            lambda: self._store.execute(partition, "MGET", *keys)
        )
        return dict(zip(ids, packed, strict=True))

    async def _pages(
        self, numbers: Counter[str] | None = None
    ) -> AsyncIterator[tuple[int, list[str]]]:
        """The ids of all messages, a page at a time, with their partition.

        First come the messages in the index of all, by rank (ranks don't change while nobody
        writes). Then come the messages that the index lacks.

        Args:
            numbers: if given, the latter are counted in it as `unlisted`.
        """
        for partition in range(self._store.partitions):
            async for ids in self._listed(partition):
                yield partition, ids
        unlisted: defaultdict[int, set[str]] = defaultdict(set)
        async for partition, ids in self._scanned():
            unlisted[partition].update(await self._not_listed(partition, ids))
        for partition, some in unlisted.items():
            if numbers is not None:
                numbers["unlisted"] += len(some)
            ids = sorted(some)
            for start in range(0, len(ids), _PAGE):
                yield partition, ids[start : start + _PAGE]

    async def _listed(self, partition: int) -> AsyncIterator[list[str]]:
        start = 0
        while True:
            ranks = index_key(tag_of(partition), "all"), start, start + _PAGE - 1
            found = await retry_while_unavailable(
                lambda: self._store.execute(partition, "ZRANGE", *ranks)  # noqa: B023
            )
            if not found:
                return
            yield [each.decode() for each in found]
            start += _PAGE

    async def _not_listed(self, partition: int, ids: Sequence[str]) -> list[str]:
        key = index_key(tag_of(partition), "all")
        scores = await retry_while_unavailable(
            lambda: self._store.execute(partition, "ZMSCORE", key, *ids)
        )
        return [each for each, score in zip(ids, scores, strict=True) if score is None]

    async def _scanned(self) -> AsyncIterator[tuple[int, list[str]]]:
        """The ids of all records, a page at a time, with their partition; one may come twice."""
        homes = {await self._home_of(tag_of(p)): p for p in range(self._store.partitions)}
        for home in homes.values():  # one partition of each server: SCAN reads all its keys
            cursor = 0
            while True:
                command = "SCAN", cursor, "MATCH", "{wa:*}:msg:*", "COUNT", _PAGE
                cursor, keys = await retry_while_unavailable(
                    lambda: self._store.execute(home, *command)  # noqa: B023
                )
                by_partition: defaultdict[int, list[str]] = defaultdict(list)
                for key in keys:
                    tag, _, message_id = key.decode().partition(":msg:")
                    by_partition[int(tag[4:-1])].append(message_id)
                for partition, ids in by_partition.items():
                    if partition < self._store.partitions:
                        yield partition, ids
                if not int(cursor):
                    break


def _flat(fields: Fields) -> list[str]:
    """Fields and their texts in turns."""
    return [text for pair in fields.items() for text in pair]
