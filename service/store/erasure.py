"""Removes the messages of a person or of an event when somebody asks for it."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from service.domain.dimensions import recipients_in
from service.domain.identity import crc16_of, id_of
from service.domain.query import Position, Selection
from service.domain.record import Record
from service.models.recipients import nationals_of, numbers_of
from service.store.keys import GONE_S
from service.store.queries import Query
from service.store.script_types import Erasure
from service.store.scripts import MAX_ERASED
from service.store.store import Store

ERASE_S = 8.0
"""How long one call erases, in seconds: less than callers wait, and than a stop waits for them."""


class Erased(NamedTuple):
    """What an erasure did.

    Attributes:
        number: how many messages were removed.
        complete: whether no matching message is left, nor one that can't be read.
        ends_alike: how many messages stay because the recipient's number differs from the erased
            one by its calling code. If not complete, it counts those met so far.
    """

    number: int
    complete: bool
    ends_alike: int = 0


async def erase(
    store: Store, selection: Selection, *, most_s: float = ERASE_S, gone_s: int = GONE_S
) -> Erased:
    """Removes the matching messages in small steps, so that others' requests go between.

    Args:
        store: to remove them from.
        selection: one filter, any status, and the whole recipient if it filters by recipient.
        most_s: when to stop, after the step under way, in seconds.
        gone_s: how long reports that come late must not bring them back, in seconds.

    Raises:
        Unavailable: some may have been removed; the rest is there.
    """
    loop = asyncio.get_running_loop()
    until_s, number, ends_alike, unreadable = loop.time() + most_s, 0, 0, 0
    for partition in range(store.partitions):
        walk = _Walk(store, partition, selection, gone_s)
        while not walk.through:
            number += await walk.step()
            if loop.time() > until_s and not walk.through:
                return Erased(number, complete=False, ends_alike=ends_alike + walk.ends_alike)
        ends_alike += walk.ends_alike
        unreadable += walk.unreadable
    return Erased(number, complete=not unreadable, ends_alike=ends_alike)


class _Walk:
    """Removes a partition's messages under the filter, in passes, until a pass removes none.

    Attributes:
        through: whether the last full pass removed none. A pass may miss a message that comes in
            behind it, so a pass that removed some is followed by another.
        ends_alike: how many messages to numbers that only end alike the current or last pass has
            met.
        unreadable: likewise, how many that can't be read, and so may be meant.
    """

    def __init__(self, store: Store, partition: int, selection: Selection, gone_s: int) -> None:
        self._store = store
        self._partition = partition
        self._selection = selection
        self._recipients = numbers_of(selection.recipient_id)
        self._nationals = nationals_of(selection.recipient_id)
        self._gone_s = gone_s
        self._after: Position | None = None
        self._removed = 0
        self.through = False
        self.ends_alike = self.unreadable = 0

    async def step(self) -> int:
        """Removes a few; returns how many."""
        if self._after is None:
            self._removed = self.ends_alike = self.unreadable = 0
        query = Query.of(self._selection, MAX_ERASED, self._after)
        page = await self._store.look(self._partition, query)
        self.unreadable += page.unreadable
        wamids = [record.wamid for record in page.records if self._is_meant(record)]
        others = (record for record in page.records if not self._is_meant(record))
        self.ends_alike += sum(map(self._ends_alike, others))
        removed = await self._remove(wamids) if wamids else 0
        self._removed += removed
        self._after = page.following
        self.through = self._after is None and not self._removed
        return removed

    def _is_meant(self, record: Record) -> bool:
        return not self._recipients or not self._recipients.isdisjoint(recipients_in(record))

    def _ends_alike(self, record: Record) -> bool:
        return any(self._nationals & nationals_of(each) for each in recipients_in(record))

    async def _remove(self, wamids: list[str]) -> int:
        [(dimension, value)] = self._selection.filters
        erasure = Erasure(
            [(id_of(wamid), str(crc16_of(wamid))) for wamid in wamids],
            dimension,
            value,
            sorted(self._recipients),
            gone_s=self._gone_s,
        )
        return await self._store.remove(self._partition, erasure, "erased")
