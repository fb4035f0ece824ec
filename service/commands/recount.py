"""`recount`: checks a store's indexes, lists and counters against its messages.

It goes through one partition after the other, a page of keys at a time, while the service writes to
it. A script checks in one step whether index entries fit their messages.

Counters are checked against sums over the messages. The ledger keeps these sums, and what each
message adds to them. When the feed says that a message has changed, its old part is taken out of
the sums again. Counters are read at an instant when the feed has nothing new, so that they and the
sums belong to the same state.
"""

from __future__ import annotations

import math
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from time import monotonic
from typing import NamedTuple, TypeVar

import click

from service.commands.common import (
    EVERYTHING,
    conclude,
    open_store,
    plural,
    progress,
    retry_while_unavailable,
    run,
    size_of,
)
from service.commands.ledger import COUNTED, CountedValue, Ledger
from service.commands.store_state import key_pages
from service.config import Settings
from service.domain.dimensions import DIMENSIONS
from service.domain.error_codes import KNOWN_CODES
from service.domain.identity import id_of
from service.domain.record import Record
from service.domain.statistics import (
    MOST_CODES,
    OTHER_CODE,
    CounterDeltas,
    numbers_of,
    times_in,
)
from service.errors import CommandError
from service.live.feed import START, Feed
from service.store.keys import tag_of
from service.store.script_types import Held, Recount, Recounted
from service.store.scripts import MAX_RECHECKED
from service.store.store import MAX_READ, Store

Item = TypeVar("Item")
_TRIES = 20
_ENTRIES_AT_ONCE = 1_000
_NAMES = {each.name for each in DIMENSIONS}
_KNOWN_FIELDS = {f"error:{code}" for code in (*KNOWN_CODES, OTHER_CODE)}


class Found(NamedTuple):
    """How much was read, and how much was wrong.

    Attributes:
        messages: the number of messages.
        entries: index entries that were missing, had no message, or had a wrong score.
        lists: values that were listed wrongly, or not at all.
        counters: numbers that differ from a recount, numbers of participants in records included.
        took_s: how long it took.
    """

    messages: int
    entries: int
    lists: int
    counters: int
    took_s: float

    @property
    def is_wrong(self) -> bool:
        """Whether anything was wrong."""
        return bool(self.entries or self.lists or self.counters)


async def check_store(settings: Settings, *, mend: bool) -> Found:
    """Checks the store of the settings, and mends it if `mend` is set.

    Raises:
        CommandError: the store was unavailable for too long, or is written to faster than the feed
            can be followed.
        StartError: the store can't be used.
    """
    async with open_store(settings) as store:
        return await check_on(store, mend=mend)


async def check_on(store: Store, *, mend: bool) -> Found:
    """Checks an open store, and mends it if `mend` is set; see `check_store`."""
    started_s, found = monotonic(), Counter[str]()
    with progress("Checking", await size_of(store, EVERYTHING)) as show:
        for partition in range(store.partitions):
            done = found["messages"]
            found += await _check(
                store,
                partition,
                mend=mend,
                show=lambda number: show(done + number),  # noqa: B023
            )
    wrong = found["entries"], found["lists"], found["counters"]
    return Found(found["messages"], *wrong, monotonic() - started_s)


class _Overrun(Exception):
    """The feed no longer has the changes that follow its reader's position."""


async def _check(
    store: Store, partition: int, *, mend: bool, show: Callable[[int], None]
) -> Counter[str]:
    """Checks a partition; returns its number of messages, and how much of each kind was wrong."""
    for _ in range(_TRIES):
        try:
            with closing(Ledger()) as ledger:
                return await _Checker(store, partition, ledger, mend=mend).check(show)
        except _Overrun:
            continue
        except sqlite3.OperationalError as error:
            raise CommandError(
                f"The temporary file can't be written ({error}). The variable TMPDIR says in which "
                "folder it is: give that more room, or name another."
            ) from None
    raise CommandError("More is written than can be followed. Run the same again when it is less.")


class _Checker:
    """Checks the indexes, lists and counters of a partition against its messages."""

    def __init__(self, store: Store, partition: int, ledger: Ledger, *, mend: bool) -> None:
        self._store, self._partition, self._mend = store, partition, mend
        self._ledger = ledger
        self._feed, self._place = Feed(store), START

    async def check(self, show: Callable[[int], None]) -> Counter[str]:
        """Checks the partition.

        Returns:
            the number of messages, and how much of each kind was wrong.

        Raises:
            _Overrun: so much was written meanwhile that the feed lost changes.
        """
        self._place = await retry_while_unavailable(
            lambda: self._feed.end(self._partition, math.inf)
        )
        async for keys in key_pages(self._store, self._partition, "*"):
            await self._check_keys(keys)
            await self._catch_up()
            show(self._ledger.messages)
        found, last = Counter[str](), ("", "")
        while values := self._ledger.values_after(last):
            found["lists"] += await self._check_lists(values)
            found["counters"] += await self._check_counters(values)
            last = values[-1]
        found["counters"] += await self._check_groups()
        return found + Counter(messages=self._ledger.messages, entries=self._ledger.wrong)

    async def _check_keys(self, keys: Sequence[str]) -> None:
        by_kind = defaultdict[str, list[str]](list)
        for key in keys:
            kind, _, rest = key.removeprefix(f"{tag_of(self._partition)}:").partition(":")
            by_kind[kind].append(rest)
        for some in _batches(by_kind["msg"], MAX_READ):
            await self._check_messages(some)
        await self._check_indexes(
            [each for each in map(_value_of, by_kind["by"]) if each[0] in _NAMES]
        )
        for kind in CounterDeltas.__struct_fields__:
            self._note(map(_value_of, by_kind[kind]))
        for name in by_kind["values"]:
            await self._note_listed(name)
        self._ledger.note_participants(by_kind["participants"])

    def _note(self, values: Iterable[CountedValue]) -> None:
        self._ledger.note_values(value for value in values if value[0] in COUNTED)

    async def _check_messages(self, ids: Sequence[str]) -> None:
        """Checks that these messages have their index entries."""
        records = await retry_while_unavailable(lambda: self._store.records(self._partition, ids))
        self._take(ids, records)
        for some in _batches([id_of(each.wamid) for each in records], MAX_RECHECKED):
            await self._recount(Recount(mend=self._mend, messages=some))

    def _take(self, ids: Iterable[str], records: Sequence[Record]) -> None:
        self._ledger.put(ids, records)
        self._ledger.note_participants(id_of(each.wamid) for each in records if each.participants)

    async def _check_indexes(self, indexes: Iterable[tuple[str, str]]) -> None:
        """Checks that the entries of these indexes have messages with the index's value."""
        rest = [(*index, "0") for index in indexes]
        while some := rest[: 2 * MAX_RECHECKED]:  # most indexes have one entry
            cursors = (await self._recount(Recount(mend=self._mend, indexes=some))).cursors
            on = [(*each[:2], at) for each, at in zip(some, cursors, strict=False) if at != "0"]
            rest = on + rest[len(cursors) :]

    async def _note_listed(self, name: str) -> None:
        """Adds the values in the list of a dimension to the ledger."""
        cursor, key = 0, f"{tag_of(self._partition)}:values:{name}"
        while True:
            command = "ZSCAN", key, cursor, "COUNT", _ENTRIES_AT_ONCE
            following, flat = await retry_while_unavailable(
                lambda: self._store.execute(self._partition, *command)  # noqa: B023
            )
            self._note((name, value.decode()) for value, _ in flat)
            cursor = int(following)
            if not cursor:
                return

    async def _catch_up(self) -> None:
        """Reads all changes in the feed since the last call.

        Raises:
            _Overrun: the feed has lost the first of them.
        """
        more = True
        while more:
            changes = await retry_while_unavailable(
                lambda: self._feed.read(self._partition, self._place, math.inf)
            )
            if changes is None:
                raise _Overrun
            self._take(changes.ids, changes.records)
            self._place, more = changes.place, changes.more

    async def _check_lists(self, values: Sequence[CountedValue]) -> int:
        """Checks these values in the lists of their dimensions; returns how many were wrong."""
        # The script alone can't tell: it compares a list with an index, and the index may be wrong.
        lists = [(*each, self._ledger.latest(each)) for each in values if COUNTED[each[0]].listed]
        return (await self._recount(Recount(mend=self._mend, lists=lists))).lists if lists else 0

    async def _check_groups(self) -> int:
        """Checks the numbers of participants; returns how many were wrong, or had no message."""
        return sum(
            [
                (await self._recount(Recount(mend=self._mend, group=each))).groups
                for each in self._ledger.groups()
            ]
        )

    async def _check_counters(self, values: Sequence[CountedValue]) -> int:
        """Checks the counters of these values; returns how many numbers in them were wrong."""
        number = 0
        while values:
            held = (await self._held(values)).counters  # of the first values, as many as fit
            wrong = {
                value: sum(map(len, differing))
                for value, each in zip(values, held, strict=False)
                if any(differing := _differing(self._ledger.tallies(value), each))
            }
            number += sum(wrong.values())
            for value in wrong if self._mend else ():
                await self._mend_counters(value)
            values = values[len(held) :]
        return number

    async def _mend_counters(self, value: CountedValue) -> None:
        for _ in range(_TRIES):
            found = await self._held([value])
            expected = self._ledger.tallies(value)
            count, times, waits = _differing(expected, found.counters[0])
            if not (count or times or waits):
                return
            put = [*count.items()], numbers_of(expected.times) if times else [], [*waits.items()]
            await self._recount(Recount(mend=True, counters=[value], put=put, place=found.place))
        raise CommandError(
            f"The counters of {value[0]} {value[1]!r} can't be mended.".replace(" ''", "")
        )

    async def _held(self, values: Sequence[CountedValue]) -> Recounted:
        """The counters of values, read when the messages were just as the ledger has them."""
        while True:
            await self._catch_up()
            held = await self._recount(Recount(counters=values))
            if held.place == ("" if self._place == START else str(self._place)):
                return held

    async def _recount(self, recount: Recount) -> Recounted:
        found = await retry_while_unavailable(lambda: self._store.recount(self._partition, recount))
        self._ledger.note_wrong(found.entries)
        return found


def _value_of(suffix: str) -> CountedValue:
    name, _, value = suffix.partition(":")
    return name, value


def _differing(expected: CounterDeltas, held: Held) -> list[dict[str, int]]:
    """The wrong fields of count, times and waits, each with the number that it should have."""
    count = _numbers(held.numbers)
    pairs = (
        (_as_coded(expected.count, count), count),
        (expected.times, times_in(held.times)),
        (expected.waits, _numbers(held.waits)),
    )
    return [
        {
            field: wanted[field]
            for field in wanted.keys() | found.keys()
            if wanted[field] != found[field]
        }
        for wanted, found in pairs
    ]


def _as_coded(expected: Counter[str], found: Counter[str]) -> Counter[str]:
    """The sums, with unknown error codes counted under `OTHER_CODE` as far as that is right.

    A counter has room for `MOST_CODES` unknown codes. A code that came when there was no room left
    is counted under `OTHER_CODE`.
    """
    sums = Counter(expected)
    codes = [field for field, _ in expected.most_common() if field.startswith("error:")]
    for rank, field in enumerate(field for field in codes if field not in _KNOWN_FIELDS):
        own = expected[field] if rank < MOST_CODES else 0
        if found[f"error:{OTHER_CODE}"] > 0:
            own = min(own, found[field])
        sums[field] = own
        sums[f"error:{OTHER_CODE}"] += expected[field] - own
    return sums


def _numbers(fields: dict[bytes, bytes]) -> Counter[str]:
    """The numbers in the fields; 0 for a text that is no number."""
    return Counter({field.decode(): _number(text) for field, text in fields.items()})


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def _batches(items: Iterable[Item], most: int) -> list[Sequence[Item]]:
    every = list(items)
    return [every[start : start + most] for start in range(0, len(every), most)]


@click.command()
@click.option("--mend", is_flag=True, help="Make right what is wrong; default: only say it.")
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stdout.")
def recount(*, mend: bool, as_json: bool) -> None:
    """Hold indexes, lists and counters against the messages, and mend them.

    The service may go on meanwhile. Ends with exit code 1 if something is wrong and not mended.
    """
    found = run(lambda settings: check_store(settings, mend=mend))
    figures = found._asdict() | {"mended": mend and found.is_wrong}
    conclude(_sentence(found, mend=mend), figures, as_json=as_json, err=False)
    if found.is_wrong and not mend:
        sys.exit(1)


def _sentence(found: Found, *, mend: bool) -> str:
    read = f"Read {plural(found.messages, 'message')} in {found.took_s:,.0f} s: "
    if not found.is_wrong:
        return read + "all indexes, lists and counters agree with them."
    parts = (
        plural(found.entries, "index entry").replace("entrys", "entries"),
        plural(found.lists, "listed value"),
        plural(found.counters, "counter"),
    )
    wrong = f"{parts[0]}, {parts[1]} and {parts[2]} were wrong"
    return read + wrong + (" and are mended." if mend else ". Run it with --mend to mend them.")
