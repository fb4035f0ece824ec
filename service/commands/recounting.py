"""Holds what a store says of its messages against the messages themselves.

It goes through one partition after the other, while the service writes to it. It reads all messages
first, then those that the feed says have changed since. Redis then says, in one step each, whether
an index entry fits its message, and what a value's counters hold. Counters that were read while the
feed had nothing new belong to the messages that were read.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from time import monotonic
from typing import NamedTuple, TypeVar

from service.commands.common import open_store, patiently, progress
from service.commands.store_state import keys_of
from service.config import Settings
from service.domain.dimensions import DIMENSIONS, values_of
from service.domain.error_codes import KNOWN_CODES
from service.domain.identity import id_of
from service.domain.record import Record
from service.domain.statistics import (
    MOST_CODES,
    OTHER_CODE,
    CounterDeltas,
    deltas_of,
    position_in_times,
    times_in,
)
from service.errors import CommandError
from service.live.feed import START, Feed
from service.store.keys import tag_of
from service.store.scripts import MAX_RECHECKED, Recount, Recounted
from service.store.store import MAX_READ, Store

Item = TypeVar("Item")
Place = tuple[str, str]
"""A dimension and a value."""

_TRIES = 20
_ENTRIES_AT_ONCE = 1_000
_COUNTED = {each.name for each in DIMENSIONS if each.counted}
_LISTED = {each.name for each in DIMENSIONS if each.listed}
_KNOWN_FIELDS = {f"error:{code}" for code in (*KNOWN_CODES, OTHER_CODE)}


class Found(NamedTuple):
    """What was read, and what was wrong.

    Attributes:
        messages: how many there are.
        entries: of indexes, that were missing, of no message, or with a wrong score.
        lists: values that were listed wrongly, or not at all.
        counters: numbers that differ from a recount; those of participants in records too.
        took_s: how long it took.
    """

    messages: int
    entries: int
    lists: int
    counters: int
    took_s: float

    @property
    def is_wrong(self) -> bool:
        """Whether anything was."""
        return bool(self.entries or self.lists or self.counters)


async def check_store(settings: Settings, *, mend: bool) -> Found:
    """Checks the store of the settings, and mends it if that is wanted.

    Raises:
        CommandError: it was away for too long, or too much is written to it to be followed.
        StartError: it can't be used.
    """
    async with open_store(settings) as store:
        return await check_on(store, mend=mend)


async def check_on(store: Store, *, mend: bool) -> Found:
    """Does the same on an open store."""
    started_s, found = monotonic(), Counter[str]()
    with progress("Checking the partitions", store.partitions) as show:
        for partition in range(store.partitions):
            found.update(await _check(store, partition, mend=mend))
            show(partition + 1)
    wrong = found["entries"], found["lists"], found["counters"]
    return Found(found["messages"], *wrong, monotonic() - started_s)


class _Overrun(Exception):
    """The feed doesn't reach back to where its reader was."""


async def _check(store: Store, partition: int, *, mend: bool) -> dict[str, int]:
    """How many messages the partition has, and how much of each kind was wrong."""
    for _ in range(_TRIES):
        try:
            messages = _Messages(store, partition)
            await messages.read()
            checker = _Checker(store, partition, messages, mend=mend)
            return {
                "entries": await checker.check_entries(),
                "lists": await checker.check_lists(),
                "counters": await checker.check_counters() + await checker.check_groups(),
                "messages": len(messages.records),
            }
        except _Overrun:
            continue
    raise CommandError("More is written than can be followed. Run the same again when it is less.")


class _Messages:
    """The messages of a partition, as they were read last.

    Attributes:
        records: by id.
        members: the ids of each value of each dimension.
        place: in the feed, behind all that was read; as Redis has it, `""` before the first entry.
    """

    def __init__(self, store: Store, partition: int) -> None:
        self.records: dict[str, Record] = {}
        self.members: defaultdict[Place, set[str]] = defaultdict(set)
        self._store, self._partition = store, partition
        self._feed = Feed(store)
        self._place = START

    @property
    def place(self) -> str:
        return "" if self._place == START else str(self._place)

    async def read(self) -> None:
        """Reads all there are."""
        self._place = await patiently(lambda: self._feed.end(self._partition, math.inf))
        ids: dict[str, None] = {}
        async for key in keys_of(self._store, self._partition, "msg:*"):
            ids[key.rpartition(":")[2]] = None
        for some in _batches(ids, MAX_READ):
            self._put(some, await patiently(lambda: self._store.records(self._partition, some)))  # noqa: B023

    async def catch_up(self) -> None:
        """Reads all that has changed.

        Raises:
            _Overrun: the feed is too short for that.
        """
        more = True
        while more:
            changes = await patiently(
                lambda: self._feed.read(self._partition, self._place, math.inf)
            )
            if changes is None:
                raise _Overrun
            self._put(changes.ids, changes.records)
            self._place, more = changes.place, changes.more

    def _put(self, ids: Iterable[str], records: Iterable[Record]) -> None:
        """Takes what there is of some messages in place of what there was."""
        for message_id in ids:
            if known := self.records.pop(message_id, None):
                for place in _places_of(known):
                    self.members[place].discard(message_id)
        for record in records:
            message_id = id_of(record.wamid)
            self.records[message_id] = record
            for place in _places_of(record):
                self.members[place].add(message_id)

    def tallies(self, place: Place) -> CounterDeltas:
        """What the messages of a value add to its counters."""
        sums = CounterDeltas(Counter(), Counter(), Counter())
        for message_id in self.members[place]:
            each = deltas_of(self.records[message_id])
            sums.count.update(each.count)
            sums.times.update(each.times)
            sums.waits.update(each.waits)
        return sums


def _places_of(record: Record) -> list[Place]:
    """The dimensions and values of a message."""
    return [
        (each.name, value)
        for each in DIMENSIONS
        for value in values_of(each, (getattr(record, field) for field in each.fields))
    ]


class _Checker:
    """Checks a partition against its messages."""

    def __init__(self, store: Store, partition: int, messages: _Messages, *, mend: bool) -> None:
        self._store, self._partition = store, partition
        self._messages, self._mend = messages, mend

    async def check_entries(self) -> int:
        """How many index entries were wrong."""
        wrong = 0
        held = {name: await self._places(f"by:{name}") for name in _names()}
        for place in {*self._messages.members, *(each for some in held.values() for each in some)}:
            suspects = [(each, *place) for each in await self._suspects(place)]
            for some in _batches(suspects, MAX_RECHECKED):
                wrong += (await self._recount(Recount(self._mend, entries=some))).entries
        return wrong

    async def _suspects(self, place: Place) -> set[str]:
        """The ids whose entries in the index of a value may not fit their messages."""
        records = self._messages.records
        expected = {each: int(records[each].created_us) for each in self._messages.members[place]}
        held = {each: score async for each, score in self._members_of("by", place)}
        return {
            each for each in expected.keys() | held.keys() if expected.get(each) != held.get(each)
        }

    async def check_lists(self) -> int:
        """How many values were listed wrongly."""
        suspects = [place for name in _LISTED for place in await self._suspect_values(name)]
        return sum(
            [
                (await self._recount(Recount(self._mend, lists=some))).lists
                for some in _batches(suspects, MAX_RECHECKED)
            ]
        )

    async def _suspect_values(self, name: str) -> set[Place]:
        """The values that may not be listed as their messages have it.

        Redis alone can't tell: it holds a list against an index, which may be the one to mend.
        """
        records = self._messages.records
        expected = {
            place: max(int(records[each].created_us) for each in ids)
            for place, ids in self._messages.members.items()
            if place[0] == name and ids
        }
        held = {(name, v): score async for v, score in self._members_of("values", (name, ""))}
        return {
            each for each in expected.keys() | held.keys() if expected.get(each) != held.get(each)
        }

    async def check_groups(self) -> int:
        """How many numbers of participants were wrong; those of no message count too."""
        suspects = {each for each, record in self._messages.records.items() if record.participants}
        async for key in keys_of(self._store, self._partition, "participants:*"):
            suspects.add(key.rpartition(":")[2])
        return sum(
            [(await self._recount(Recount(self._mend, group=each))).groups for each in suspects]
        )

    async def check_counters(self) -> int:
        """How many numbers in counters were wrong."""
        places = {place for place in self._messages.members if place[0] in _COUNTED}
        for name in _COUNTED:
            for kind in CounterDeltas.__struct_fields__:
                places |= await self._places(f"{kind}:{name}")
        return sum([await self._check_counters_of(place) for place in places])

    async def _check_counters_of(self, place: Place) -> int:
        wrong = 0
        for _ in range(_TRIES):
            held = await self._held(place)
            lacking = _lacking(self._messages.tallies(place), held)
            wrong = wrong or sum(map(len, lacking))
            if not self._mend or not any(lacking):
                return wrong
            await self._add(place, lacking, held.state)
        raise CommandError(
            f"The counters of {place[0]} {place[1]!r} can't be mended.".replace(" ''", "")
        )

    async def _add(self, place: Place, lacking: Sequence[dict[str, int]], state: str) -> None:
        """Adds to counters what they lack, if they are still as they were."""
        count, times, waits = lacking
        add: list[list[tuple[str | int, int]]] = [
            [*count.items()],
            [(position_in_times(field), number) for field, number in times.items()],
            [*waits.items()],
        ]
        dimension, value = place
        await self._recount(Recount(add=add, state=state, dimension=dimension, value=value))

    async def _held(self, place: Place) -> Recounted:
        """The counters of a value at an instant at which the messages were as they were read."""
        dimension, value = place
        while True:
            await self._messages.catch_up()
            held = await self._recount(Recount(dimension=dimension, value=value))
            if held.place == self._messages.place:
                return held

    async def _recount(self, recount: Recount) -> Recounted:
        return await patiently(lambda: self._store.recount(self._partition, recount))

    async def _places(self, prefix: str) -> set[Place]:
        """The values of the keys of a kind and dimension."""
        start = f"{tag_of(self._partition)}:{prefix}"
        name = prefix.partition(":")[2]
        keys = {key async for key in keys_of(self._store, self._partition, f"{prefix}*")}
        return {
            (name, key.removeprefix(start)[1:])
            for key in keys
            if key == start or key.startswith(f"{start}:")
        }

    async def _members_of(self, kind: str, place: Place) -> AsyncIterator[tuple[str, int]]:
        """The members of a sorted set and their scores; one may come twice."""
        key = f"{tag_of(self._partition)}:{kind}:" + ":".join(filter(None, place))
        cursor = 0
        while True:
            command = "ZSCAN", key, cursor, "COUNT", _ENTRIES_AT_ONCE
            following, flat = await patiently(
                lambda: self._store.execute(self._partition, *command)  # noqa: B023
            )
            for member, score in flat:
                yield member.decode(), int(score)
            cursor = int(following)
            if not cursor:
                return


def _names() -> list[str]:
    return [each.name for each in DIMENSIONS]


def _lacking(expected: CounterDeltas, held: Recounted) -> list[dict[str, int]]:
    """What has to be added to count, times and waits, by their fields."""
    count, waits = _numbers(held.numbers), _numbers(held.waits)
    pairs = (
        (_as_coded(expected.count, count), count),
        (expected.times, times_in(held.times)),
        (expected.waits, waits),
    )
    return [
        {
            field: number
            for field in wanted.keys() | found.keys()
            if (number := wanted[field] - found[field])
        }
        for wanted, found in pairs
    ]


def _as_coded(expected: Counter[str], found: Counter[str]) -> Counter[str]:
    """The sums, with codes among the others as far as they may be.

    A code that isn't known may have come when there was no room for a field of its own.
    """
    sums = Counter(expected)
    codes = [field for field, _ in expected.most_common() if field.startswith("error:")]
    for place, field in enumerate(field for field in codes if field not in _KNOWN_FIELDS):
        own = expected[field] if place < MOST_CODES else 0
        if found[f"error:{OTHER_CODE}"] > 0:
            own = min(own, found[field])
        sums[field] = own
        sums[f"error:{OTHER_CODE}"] += expected[field] - own
    return sums


def _numbers(fields: dict[bytes, bytes]) -> Counter[str]:
    """A field that holds no number has none."""
    return Counter({field.decode(): _number(text) for field, text in fields.items()})


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def _batches(items: Iterable[Item], most: int) -> list[Sequence[Item]]:
    every = list(items)
    return [every[start : start + most] for start in range(0, len(every), most)]
