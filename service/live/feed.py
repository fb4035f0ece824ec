"""The feed: a stream for each partition, with the ids of messages that were changed or removed.

It holds the latest changes only. A reader has an offset in the stream of each partition, and can
read on from it as long as the stream still has the entry at that offset.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from service.domain.record import Record
from service.store.keys import FEED_ENTRIES, FEED_IDS, feed_key, tag_of
from service.store.store import MAX_READ, Store

_MOST_ENTRIES, _LEAST_ENTRIES = 250, 8
_ID_LENGTH = 22
_MOST_NUMBER = 1 << 63
_LONGEST_NAME = 7_000
"""The longest cursor, in characters. A header may have 8,190 bytes."""


class StreamId(NamedTuple):
    """An offset in the feed of a partition: behind the entry that has this id in Redis' stream."""

    ms: int
    number: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"


START = StreamId(0, 0)
"""The offset before the first entry that there ever was."""


class Changes(NamedTuple):
    """The changes behind an offset.

    Attributes:
        ids: the ids of the messages that were changed or removed, each once.
        records: the records of those messages that still exist, as they are now.
        place: the offset to read on from.
        more: whether the feed already has further changes.
    """

    ids: list[str]
    records: list[Record]
    place: StreamId
    more: bool


class Feed:
    """The feeds of a store's partitions, read in bounded steps.

    Every method takes `until_s`, the deadline in seconds of the loop's clock, and raises
    Unavailable if the partition is unavailable.

    Args:
        store: the store that has the messages.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.partitions = store.partitions
        self._most_entries = max(_MOST_ENTRIES // store.partitions, _LEAST_ENTRIES)
        self._most_ids = max(MAX_READ // store.partitions, _LEAST_ENTRIES * FEED_IDS)

    async def end(self, partition: int, until_s: float) -> StreamId:
        """Returns the offset behind all entries."""
        last = await self._ask(until_s, "XREVRANGE", partition, "+", "-", "COUNT", 1)
        return _place_of(last[0]) if last else START

    async def holds(self, partition: int, place: StreamId, until_s: float) -> bool:
        """Returns whether the feed still has everything behind an offset.

        If the entry at the offset itself is gone, later entries may be gone too. Or this server
        never had the entry: a failover may lose the latest ones.
        """
        if place == START:
            return int(await self._ask(until_s, "XLEN", partition)) < FEED_ENTRIES
        return bool(await self._ask(until_s, "XRANGE", partition, str(place), str(place)))

    async def read(self, partition: int, place: StreamId, until_s: float) -> Changes | None:
        """Returns the next changes behind an offset; None if some of them are gone."""
        most = self._most_entries
        first = "-" if place == START else str(place)
        entries = await self._ask(until_s, "XRANGE", partition, first, "+", "COUNT", most + 1)
        if place != START:
            if not entries or _place_of(entries[0]) != place:
                return None
            del entries[0]
        elif entries and not await self.holds(partition, START, until_s):
            return None
        ids: dict[str, None] = {}
        for taken, entry in enumerate(entries):
            if len(ids) + FEED_IDS > self._most_ids:
                return await self._changes(partition, ids, _place_of(entries[taken - 1]), more=True)
            ids |= dict.fromkeys(_ids_of(entry))
        place = _place_of(entries[-1]) if entries else place
        return await self._changes(partition, ids, place, more=len(entries) >= most)

    async def _changes(
        self, partition: int, ids: dict[str, None], place: StreamId, *, more: bool
    ) -> Changes:
        records = await self._store.records(partition, list(ids)) if ids else []
        return Changes(list(ids), records, place, more)

    async def _ask(self, until_s: float, command: str, partition: int, *more: Any) -> Any:  # noqa: ANN401
        key = feed_key(tag_of(partition))
        return await self._store.execute(partition, command, key, *more, until_s=until_s)


def _place_of(entry: Any) -> StreamId:  # noqa: ANN401  as the driver has it
    ms, _, number = entry[0].partition(b"-")
    return StreamId(int(ms), int(number))


def _ids_of(entry: Any) -> Iterator[str]:  # noqa: ANN401  as the driver has it
    text = entry[1][b"ids"].decode()
    return (text[at : at + _ID_LENGTH] for at in range(0, len(text), _ID_LENGTH))


def encode_cursor(places: Sequence[StreamId]) -> str:
    """Returns the offsets of all partitions as a short text, for callers to hand back.

    The text holds integers in groups of seven bits: the number of partitions, the earliest time,
    then two for each partition: the time since the earliest one (plus 1; 0 stands for `START`) and
    the entry's number in its millisecond. 256 partitions take 1 to 2 KiB. With more than some
    thousand partitions a header couldn't hold it: then the text is `-`, which is no cursor.
    """
    base_ms = min((place.ms for place in places if place != START), default=0)
    numbers = [len(places), base_ms]
    for place in places:
        numbers += (0, 0) if place == START else (place.ms - base_ms + 1, place.number)
    packed = b"".join(map(_groups_of, numbers))
    name = urlsafe_b64encode(packed).decode().rstrip("=")
    return name if len(name) <= _LONGEST_NAME else "-"


def decode_cursor(name: str, partitions: int) -> list[StreamId] | None:
    """Returns the offsets in a cursor of `encode_cursor`.

    Returns:
        None if the text is no such cursor, or is one of a store with other partitions.
    """
    try:
        packed = urlsafe_b64decode(name + "=" * (-len(name) % 4))
        count, base_ms, *numbers = _numbers_in(packed)
    except ValueError:  # no base64, no ASCII, or too few numbers
        return None
    if count != partitions or len(numbers) != 2 * partitions:
        return None
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    places = [StreamId(base_ms + since - 1, number) if since else START for since, number in pairs]
    return places if encode_cursor(places) == name else None  # there is one way to write it


def _groups_of(number: int) -> bytes:
    """Returns a number as a varint: seven bits a byte, the lowest first.

    The highest bit of a byte says that another one follows.
    """
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _numbers_in(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if number >= _MOST_NUMBER:
            raise ValueError("more than an id of Redis can have")
        if byte < 0x80:
            yield number
            number = shift = 0
