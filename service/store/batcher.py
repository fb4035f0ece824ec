"""Group commit: concurrent calls share the trips to Redis, reads as well as writes.

While one batch of a partition is on its way, the next one collects calls. So batches grow with the
load, and a single call goes out at once: nothing waits for a timer. A batch that is full goes out
beside the one that is on its way, so calls made at the same time may run in any order.
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
"""`send(partition, items, until_s)` returns the answers in the order of the items, or raises
Unavailable. `until_s` is its deadline, by the loop's clock."""

MAX_CONCURRENT = 16
"""How many batches of a partition may be on their way at the same time."""

_Waiting = tuple[Sequence[Item], int, asyncio.Future[list[Answer]], float]
"""Items, their weight, the future of their answers, and the time by the loop's clock at which they
were submitted, in seconds."""


class _Queue(Generic[Item, Answer]):
    """The items that wait for a partition, their weight, and how many batches are on their way."""

    __slots__ = ("entries", "sending", "weight")

    def __init__(self) -> None:
        self.entries: list[_Waiting[Item, Answer]] = []
        self.weight = 0
        self.sending = 0

    def take(self, most: int) -> list[_Waiting[Item, Answer]]:
        """Takes the next batch: the oldest items, up to a weight of `most`."""
        total, taken = 0, 0
        for _, weight, _, _ in self.entries:
            if total + weight > most:
                break
            total += weight
            taken += 1
        batch, self.entries = self.entries[:taken], self.entries[taken:]
        self.weight -= total
        return batch


class Batcher(Generic[Item, Answer]):
    """Collects items and sends them in batches.

    Args:
        send: sends a batch.
        most: the weight that a batch may have.
        timeout_s: how long items may wait from `submit` to their answer, in seconds. Then the
            answer is Unavailable, although they may have been sent: so sending them again must be
            harmless.
    """

    def __init__(self, send: Send[Item, Answer], *, most: int, timeout_s: float) -> None:
        self._send = send
        self._most = most
        self._timeout_s = timeout_s
        self._queues: dict[int, _Queue[Item, Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.depth = 0
        """How many items wait for a batch."""

    def submit(
        self, partition: int, items: Sequence[Item], weight: int
    ) -> asyncio.Future[list[Answer]]:
        """Queues items for one batch. Their weight must be no more than a batch may have.

        Returns:
            their answers in their order. A caller may cancel this future: the items are sent all
            the same, and the other callers of the batch get their answers.
        """
        answer: asyncio.Future[list[Answer]] = self._loop.create_future()
        self.depth += len(items)
        queue = self._queues.get(partition)
        if queue is None:
            queue = self._queues[partition] = _Queue()
        queue.entries.append((items, weight, answer, self._loop.time()))
        queue.weight += weight
        if not queue.sending or (queue.weight >= self._most and queue.sending < MAX_CONCURRENT):
            queue.sending += 1
            task = self._loop.create_task(self._drain(partition, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return answer

    async def _drain(self, partition: int, queue: _Queue[Item, Answer]) -> None:
        """Sends one batch after the other as long as the partition has items."""
        while batch := queue.take(self._most):
            await self._commit(partition, batch)
        queue.sending -= 1

    async def _commit(self, partition: int, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        """Sends a batch and answers all of its callers."""
        together = [item for items, _, _, _ in batch for item in items]
        self.depth -= len(together)
        until_s = batch[0][3] + self._timeout_s
        try:
            answers = await self._send(partition, together, until_s)
            if len(answers) != len(together):
                raise ValueError("not as many answers as items")  # noqa: TRY301  a bug of ours
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
        for _, _, answer, _ in batch:
            if not answer.done():
                # Each caller gets its own exception, since raising one changes it.
                answer.set_exception(Unavailable(reason))

    async def close(self) -> None:
        """Waits until all submitted items are answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)
