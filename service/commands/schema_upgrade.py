"""Brings a store of an earlier schema version to the present one, where it is.

While it is on the way the store has the version `UPGRADING`, which every service refuses: at its
start, and within a second or so where it runs already, since it looks at the layout once a second.
What doesn't look, a command say, can't write either: as long as the upgrade runs there is a text
where the counters of all messages are. Every script that writes messages reads these counters
before its first write, and so fails at once. Only to a `recount --mend` of version 2 that began
before, messages that are hashes already are lost ones: it removes their entries of indexes.

A record is replaced in one step, if it is still what was read, and in the same step its message
enters all its indexes, and the counters that the earlier version didn't have. So a run that broke
off is run again, and goes on with those that are left.
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
    """What brings a store to the next version.

    Attributes:
        fields_of: makes of a record the fields of the next version; raises ValueError for what it
            can't read.
        participant_fields_of: makes of it the fields of its participants.
        indexed_by: the value of the recipient's index that a record with these fields was under,
            `""` for none.
        counts: the dimensions whose counters the store lacks.
    """

    fields_of: Callable[[bytes], Fields]
    participant_fields_of: Callable[[bytes], Fields]
    indexed_by: Callable[[Fields], str]
    counts: Sequence[str]


STEPS = {2: Step(fields_of, participant_fields_of, indexed_by, ("campaign", "phone_number"))}
"""The steps, by the version that they begin with."""

_UNREAD_S = 4.0
"""How long nobody must look at the layout before it counts as unused; running services look at it
each second, and Redis tells the time since in whole seconds."""
_NOTICED_S = 2.0
"""How long services that started meanwhile are given to notice that the store can't be used."""
_TRIES = 15
_CHANGE_BYTES = 32_768
"""Texts in one change at the most: keeps it as short as `MAX_REPLACED` does."""
_PAGE = 500
"""Messages that are read or looked for in one step."""
_MOST_NAMED = 10


class Upgraded(NamedTuple):
    """What was done.

    Attributes:
        origin: the version that the store had; the present one: there was nothing to do.
        version: that it has now.
        messages: how many there are.
        converted: how many of them were converted in this run.
        mended: how many index entries, listed values and counters were wrong, and are mended.
        took_s: how long it took.
    """

    origin: int
    version: int
    messages: int = 0
    converted: int = 0
    mended: int = 0
    took_s: float = 0.0


async def upgrade(settings: Settings, *, mend: bool) -> Upgraded:
    """Brings the store of the settings to the present schema version.

    Args:
        settings: of the store.
        mend: go on where the index of all messages doesn't fit them, and mend it at the end.

    Raises:
        CommandError: a service uses the store, or something in it can't be brought along.
        StartError: it can't be used.
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
    """Does the same on an open server; see `upgrade`."""
    async with store_on(server, scripts, settings) as store:
        layout = await layout_of(store)
        origin = await _origin_of(store, layout)
    if layout is None or origin is None:
        raise CommandError("There is no store yet: just start the service.")
    if origin == SCHEMA_VERSION:
        return Upgraded(origin, SCHEMA_VERSION)
    _check_way(layout, origin)
    settings = with_store(settings, settings.redis.url, layout.partitions)
    async with store_on(server, scripts, settings) as store:
        await check_permission(
            scripts, (*MERGES, *UPGRADES)
        )  # so that no record is removed and not written
        work = _Upgrade(store, server.home_of, STEPS[origin], mend=mend)
        if layout.version != UPGRADING:  # else every service has noticed it since
            if not isinstance(server, Fake):  # nobody else can be on that one
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
    """How many entries, values and counters were wrong; services don't write to it yet."""
    found = await check_on(store, mend=True)
    return found.entries + found.lists + found.counters


async def _origin_of(store: Store, layout: Layout | None) -> int | None:
    """The version that the store has, or had before an upgrade that broke off."""
    if layout is None or layout.version != UPGRADING:
        return layout.version if layout else None
    return int(
        await retry_while_unavailable(lambda: store.execute(0, "HGET", schema_key(), "upgrading"))
    )


def _check_way(layout: Layout, origin: int) -> None:
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
    """Makes sure that no service runs.

    Raises:
        CommandError: one does, or nobody can tell.
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
        # Redis notes no reads while it writes a copy of its data: wait for the end of that.
    raise CommandError(
        "Redis has been writing a copy of its data for a minute, and can't tell meanwhile whether "
        "a service uses the store. Run the same again when that is done. Nothing was changed."
    )


async def _unread_s(store: Store) -> int:
    """How long ago the layout was read last, in s."""
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
    """What is in a partition.

    Attributes:
        numbers: of records `new` and `old` (to be converted), `entries` of the index that have no
            record, and `unlisted` records that aren't in it.
        unreadable: the keys of records that can't be converted.
    """

    numbers: Counter[str]
    unreadable: list[str]


class _Upgrade:
    """The work on one store.

    Args:
        store: that nobody else uses.
        home_of: names the server of a tag.
        step: that it takes.
        mend: whether an index that doesn't fit is no reason to stop.
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
        """Does the same to each partition."""
        for partition in range(self._store.partitions):
            await retry_while_unavailable(lambda: self._store.upgrade(partition, change))  # noqa: B023

    async def convert(self) -> int:
        """Converts all records that can be read; returns how many it has."""
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
        """The changes that replace these records, as far as they are old ones."""
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
        """Holds the records and the index of all messages against each other.

        Args:
            state: says what was done, for a sentence.
            remedies: what to do about unreadable records, and about an index that differs.
            at_end: whether no old records may be left.

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
        """Adds what these are."""
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
        """The old records of these; None where it is a new one, or none."""
        keys = [message_key(tag_of(partition), message_id) for message_id in ids]
        packed = await retry_while_unavailable(
            lambda: self._store.execute(partition, "MGET", *keys)
        )
        return dict(zip(ids, packed, strict=True))

    async def _pages(
        self, numbers: Counter[str] | None = None
    ) -> AsyncIterator[tuple[int, list[str]]]:
        """The ids of all messages, some of a partition at a time.

        First those in the index of all, by their places, which stay while nobody writes; then those
        that it lacks.

        Args:
            numbers: counts `unlisted`.
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
            place = index_key(tag_of(partition), "all"), start, start + _PAGE - 1
            found = await retry_while_unavailable(
                lambda: self._store.execute(partition, "ZRANGE", *place)  # noqa: B023
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
        """The ids of all records, some of a partition at a time; one may come twice."""
        homes = {await self._home_of(tag_of(p)): p for p in range(self._store.partitions)}
        for place in homes.values():  # a partition of each server, which is asked for all its keys
            cursor = 0
            while True:
                command = "SCAN", cursor, "MATCH", "{wa:*}:msg:*", "COUNT", _PAGE
                cursor, keys = await retry_while_unavailable(
                    lambda: self._store.execute(place, *command)  # noqa: B023
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
