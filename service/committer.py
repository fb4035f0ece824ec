"""Group commit: concurrent reports share the trips to Redis.

While one batch of a partition is on its way the next collects, so batches grow with the load, and
a report that comes alone goes out at once. No report waits for a timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from service.errors import Unavailable
from service.reports import Report
from service.scripts import MAX_BATCH, Merged

log = logging.getLogger(__name__)

Merge = Callable[[int, Sequence[Report], float], Awaitable[list[Merged]]]
"""`merge(partition, reports, until_s)`: writes them and answers in their order, or raises
Unavailable; by `until_s` of the loop's clock at the latest."""


_Waiting = tuple[Report, asyncio.Future[Merged], float]
"""A report, its answer, and since when it waits, in seconds of the loop's clock."""


class Committer:
    """Collects reports and writes them in batches, one batch of a partition at a time.

    Args:
        merge: writes a batch.
        patience_s: how long a report may wait from `submit` to its answer, in seconds; then it
            fails with Unavailable. It may have been written all the same, which a repetition
            doesn't mind.
    """

    def __init__(self, merge: Merge, *, patience_s: float) -> None:
        self._merge = merge
        self._patience_s = patience_s
        self._waiting: dict[int, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def depth(self) -> int:
        """Reports that wait for a batch to take them."""
        return sum(map(len, self._waiting.values()))

    def submit(self, partition: int, report: Report) -> asyncio.Future[Merged]:
        """Queues a report.

        Returns:
            its answer. A caller may stop waiting: the report is written all the same, and the
            others of its batch don't notice.
        """
        answer: asyncio.Future[Merged] = self._loop.create_future()
        entry = (report, answer, self._loop.time())
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
        """Runs as long as the partition has reports."""
        while queue := self._waiting[partition]:
            batch, self._waiting[partition] = queue[:MAX_BATCH], queue[MAX_BATCH:]
            await self._commit(partition, batch)
        del self._waiting[partition]

    async def _commit(self, partition: int, batch: Sequence[_Waiting]) -> None:
        """Every report of the batch is answered when this returns."""
        try:
            _, _, oldest_s = batch[0]
            until_s = oldest_s + self._patience_s
            merged = await self._merge(partition, [report for report, _, _ in batch], until_s)
            answered = list(zip(batch, merged, strict=True))
        except Unavailable as error:
            self._fail(batch, error.reason)
        except Exception:
            log.exception("batch_failed")
            self._fail(batch, "fault")
        else:
            for (_, answer, _), result in answered:
                if not answer.done():
                    answer.set_result(result)

    def _fail(self, batch: Sequence[_Waiting], reason: str) -> None:
        """Every caller gets an exception of its own, since raising one changes it."""
        for _, answer, _ in batch:
            if not answer.done():
                answer.set_exception(Unavailable(reason))

    async def close(self) -> None:
        """Waits until everything submitted is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)
