"""Group commit: concurrent reports share the trips to Redis.

While one batch of a partition is on its way the next collects, so batches grow with the load, and
a report that comes alone goes out at once. No report waits for a timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from service.errors import Unavailable
from service.reports import Report
from service.scripts import MAX_BATCH, Merged

log = logging.getLogger(__name__)

Merge = Callable[[int, Sequence[Report], float], Awaitable[list[Merged]]]
"""`merge(partition, reports, until_s)`: writes them and answers in their order, or raises
Unavailable; by `until_s` of the loop's clock at the latest."""


_Waiting = tuple[Sequence[Report], asyncio.Future[list[Merged]], float]
"""Reports, their answer, and since when they wait, in seconds of the loop's clock."""


class Committer:
    """Collects reports and writes them in batches, one batch of a partition at a time.

    Args:
        merge: writes a batch.
        patience_s: how long a report may wait from `submit` to its answer, in seconds; then that
            is Unavailable. It may have been written all the same, which a repetition doesn't mind.
    """

    def __init__(self, merge: Merge, *, patience_s: float) -> None:
        self._merge = merge
        self._patience_s = patience_s
        self._waiting: dict[int, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.depth = 0
        """Reports that wait for a batch to take them."""

    def submit(self, partition: int, reports: Sequence[Report]) -> asyncio.Future[list[Merged]]:
        """Queues up to `MAX_BATCH` reports, which go in one batch.

        Returns:
            their answers in their order. A caller may stop waiting: the reports are written all
            the same, and the others of the batch don't notice.
        """
        answer: asyncio.Future[list[Merged]] = self._loop.create_future()
        entry = (reports, answer, self._loop.time())
        self.depth += len(reports)
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
            size, taken = 0, 0
            for reports, _, _ in queue:
                size += len(reports)
                if size > MAX_BATCH:
                    break
                taken += 1
            batch, self._waiting[partition] = queue[:taken], queue[taken:]
            await self._commit(partition, batch)
        del self._waiting[partition]

    async def _commit(self, partition: int, batch: Sequence[_Waiting]) -> None:
        """Every caller of the batch is answered when this returns."""
        try:
            _, _, oldest_s = batch[0]
            until_s = oldest_s + self._patience_s
            together = [report for reports, _, _ in batch for report in reports]
            self.depth -= len(together)
            merged = await self._merge(partition, together, until_s)
            if len(merged) != len(together):
                raise ValueError("not as many answers as reports")  # noqa: TRY301  our fault
        except Unavailable as error:
            self._fail(batch, error.reason)
        except Exception:
            log.exception("batch_failed")
            self._fail(batch, "fault")
        else:
            answers = iter(merged)
            for reports, answer, _ in batch:
                result = list(islice(answers, len(reports)))
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
