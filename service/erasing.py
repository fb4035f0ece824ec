"""Removes the messages of a person or of an event when somebody asks for it."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from service.keys import GONE_S, Position, Selection, crc16_of, id_of
from service.reports import unpack
from service.scripts import MAX_ERASED, Erasure, Query
from service.store import Store

ERASE_S = 8.0
"""How long one call erases, in seconds: less than callers wait, and than a stop waits for them."""


class Erased(NamedTuple):
    """How many messages went, and whether those were all."""

    number: int
    complete: bool


async def erase(
    store: Store, selection: Selection, *, most_s: float = ERASE_S, gone_s: int = GONE_S
) -> Erased:
    """Removes the matching messages in small steps, so that others' requests go between.

    Args:
        store: to remove them from.
        selection: one filter, any status.
        most_s: when to stop, after the step under way, in seconds.
        gone_s: how long reports that come late must not bring them back, in seconds.

    Raises:
        Unavailable: some may have been removed; the rest is there.
    """
    loop = asyncio.get_running_loop()
    until_s, number = loop.time() + most_s, 0
    for partition in range(store.partitions):
        walk = _Walk(store, partition, selection, gone_s)
        while not walk.through:
            number += await walk.step()
            if loop.time() > until_s and not walk.through:
                return Erased(number, complete=False)
    return Erased(number, complete=True)


class _Walk:
    """Goes through the matching messages of a partition until none of them is left.

    Attributes:
        through: whether there was none on the whole of its last way: one may come in behind it.
    """

    def __init__(self, store: Store, partition: int, selection: Selection, gone_s: int) -> None:
        self._store = store
        self._partition = partition
        self._selection = selection
        self._gone_s = gone_s
        self._after: Position | None = None
        self._removed = 0
        self.through = False

    async def step(self) -> int:
        """Removes a few; returns how many."""
        query = Query.of(self._selection, MAX_ERASED, self._after)
        scan = await self._store.look(self._partition, query)
        removed = await self._remove(scan.packed) if scan.packed else 0
        self._removed += removed
        self._after = scan.stopped
        if self._after is None:
            self.through, self._removed = not self._removed, 0
        return removed

    async def _remove(self, packed: list[bytes]) -> int:
        wamids = [unpack(record).wamid for record in packed]
        [(dimension, value)] = self._selection.filters
        erasure = Erasure(
            [(id_of(wamid), str(crc16_of(wamid))) for wamid in wamids],
            dimension,
            value,
            self._selection.recipient_id,
            gone_s=self._gone_s,
        )
        return await self._store.remove(self._partition, erasure, "erased")
