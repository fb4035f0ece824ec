"""Group commit: concurrent calls share the trips to Redis, reads as well as writes.

While one batch of a partition is on its way the next collects, so batches grow with the load, and
a call that comes alone goes out at once. Nothing waits for a timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from service.errors import Unavailable

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")

Send = Callable[[int, Sequence[Item], float], Awaitable[Sequence[Answer]]]
"""`send(partition, items, until_s)`: answers the items in their order, or raises Unavailable; by
`until_s` of the loop's clock at the latest."""

_Waiting = tuple[Sequence[Item], int, asyncio.Future[list[Answer]], float]
"""Items, what they weigh, their answer, and since when they wait, in s of the loop's clock."""


class Batcher(Generic[Item, Answer]):
    """Collects items and sends them in batches, one batch of a partition at a time.

    Args:
        send: what a batch is for.
        most: that a batch may weigh.
        patience_s: how long items may wait from `submit` to their answer, in seconds; then that is
            Unavailable. They may have been sent all the same, which a repetition doesn't mind.
    """

    def __init__(self, send: Send[Item, Answer], *, most: int, patience_s: float) -> None:
        self._send = send
        self._most = most
        self._patience_s = patience_s
        self._waiting: dict[int, list[_Waiting[Item, Answer]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.depth = 0
        """Items that wait for a batch to take them."""

    def submit(
        self, partition: int, items: Sequence[Item], weight: int
    ) -> asyncio.Future[list[Answer]]:
        """Queues items that go in one batch; together they weigh no more than a batch may.

        Returns:
            their answers in their order. A caller may stop waiting: the items are sent all the
            same, and the others of the batch don't notice.
        """
        answer: asyncio.Future[list[Answer]] = self._loop.create_future()
        entry = (items, weight, answer, self._loop.time())
        self.depth += len(items)
        queue = self._waiting.get(partition)
        if queue is None:
            self._waiting[partition] = [entry]
            task = self._loop.create_task(self._drain(partition))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            queue.append(entry)
        return answer

    async def _drain(self, partition: int) -> None:
        """Runs as long as the partition has items."""
        while queue := self._waiting[partition]:
            total, taken = 0, 0
            for _, weight, _, _ in queue:
                total += weight
                if total > self._most:
                    break
                taken += 1
            batch, self._waiting[partition] = queue[:taken], queue[taken:]
            await self._commit(partition, batch)
        del self._waiting[partition]

    async def _commit(self, partition: int, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        """Every caller of the batch is answered when this returns."""
        together = [item for items, _, _, _ in batch for item in items]
        self.depth -= len(together)
        until_s = batch[0][3] + self._patience_s
        try:
            answers = await self._send(partition, together, until_s)
            if len(answers) != len(together):
                raise ValueError("not as many answers as items")  # noqa: TRY301  our fault
        except Unavailable as error:
            self._fail(batch, error.reason)
        except Exception:
            log.exception("batch_failed")
            self._fail(batch, "fault")
        else:
            rest = iter(answers)
            for items, _, answer, _ in batch:
                result = list(islice(rest, len(items)))
                if not answer.done():
                    answer.set_result(result)

    def _fail(self, batch: Sequence[_Waiting[Item, Answer]], reason: str) -> None:
        """Every caller gets an exception of its own, since raising one changes it."""
        for _, _, answer, _ in batch:
            if not answer.done():
                answer.set_exception(Unavailable(reason))

    async def close(self) -> None:
        """Waits until everything submitted is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)
