"""Removes the messages of a person or of an event on request."""

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
"""How long one call erases, in seconds: less than a caller waits for the answer, and less than a
stopping service waits for its requests."""


class Erased(NamedTuple):
    """The result of an erasure.

    Attributes:
        number: how many messages were removed.
        complete: whether no matching message is left, and no message that can't be read.
        ends_alike: how many messages stay because the recipient's number differs from the erased
            one by its calling code. If not complete, it counts those that were seen so far.
    """

    number: int
    complete: bool
    ends_alike: int = 0


async def erase(
    store: Store, selection: Selection, *, most_s: float = ERASE_S, gone_s: int = GONE_S
) -> Erased:
    """Removes the matching messages in small steps, so that other requests run between them.

    Args:
        store: has the messages.
        selection: one filter, any status, and the whole recipient if it filters by recipient.
        most_s: after how many seconds to stop; the step under way ends first.
        gone_s: how long late reports must not bring the messages back, in seconds.

    Raises:
        Unavailable: the store failed. Some messages may have been removed, and the others are
            still there.
    """
    loop = asyncio.get_running_loop()
    until_s, number, ends_alike, unreadable = loop.time() + most_s, 0, 0, 0
    for partition in range(store.partitions):
        walk = _Walk(store, partition, selection, gone_s)
        while not walk.done:
            number += await walk.step()
            if loop.time() > until_s and not walk.done:
                return Erased(number, complete=False, ends_alike=ends_alike + walk.ends_alike)
        ends_alike += walk.ends_alike
        unreadable += walk.unreadable
    return Erased(number, complete=not unreadable, ends_alike=ends_alike)


class _Walk:
    """Removes a partition's messages under the filter, in passes, until a pass removes none.

    Attributes:
        done: whether a full pass removed none. A pass may miss a message that is written behind it,
            so another pass follows one that removed some.
        ends_alike: how many messages the last pass has seen whose recipient's number only ends like
            the erased one.
        unreadable: how many messages the last pass has seen that can't be read, and so may match.
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
        self.done = False
        self.ends_alike = self.unreadable = 0

    async def step(self) -> int:
        """Removes a few messages; returns how many."""
        if self._after is None:
            self._removed = self.ends_alike = self.unreadable = 0
        query = Query.of(self._selection, MAX_ERASED, self._after)
        page = await self._store.look(self._partition, query)
        self.unreadable += page.unreadable
        wamids = [record.wamid for record in page.records if self._matches(record)]
        others = (record for record in page.records if not self._matches(record))
        self.ends_alike += sum(map(self._ends_alike, others))
        removed = await self._remove(wamids) if wamids else 0
        self._removed += removed
        self._after = page.following
        self.done = self._after is None and not self._removed
        return removed

    def _matches(self, record: Record) -> bool:
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
