"""Group commit: what shares a batch, and how a batch fails."""

import asyncio
from collections.abc import Sequence

import pytest

from service.domain.report import Merged, Outcome, Report, Status
from service.errors import Unavailable
from service.store.batcher import MAX_CONCURRENT, Batcher
from service.store.scripts import MAX_BATCH
from tests.factories import status_report

DONE = Merged(Status.SENT, Outcome.CREATED)


class Merger:
    """Stands for the store: notes the batches, and lets each through when it is told to."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(
        self, _partition: int, reports: Sequence[Report], _until_s: float
    ) -> list[Merged]:
        self.batches.append(len(reports))
        await self.gate.wait()
        if self.error:
            raise self.error
        return [DONE] * len(reports)


async def test_what_comes_while_a_batch_is_under_way_shares_the_next() -> None:
    merger = Merger()
    batcher = Batcher(merger, most=MAX_BATCH, timeout_s=1)
    report = [status_report(Status.SENT)]
    first = batcher.submit(0, report, 1)
    while not merger.batches:  # noqa: ASYNC110  one pass of the loop, in fact
        await asyncio.sleep(0)
    others = [batcher.submit(0, report, 1) for _ in range(MAX_BATCH + 1)]
    elsewhere = batcher.submit(1, report, 1)
    assert batcher.depth == MAX_BATCH + 2
    merger.gate.set()
    assert await asyncio.gather(first, *others, elsewhere) == [[DONE]] * (MAX_BATCH + 3)
    assert merger.batches == [1, MAX_BATCH, 1, 1]
    assert batcher.depth == 0


async def test_a_whole_batch_that_waits_goes_out_beside_the_one_under_way() -> None:
    """But only so many: the rest collects."""
    merger = Merger()
    batcher = Batcher(merger, most=MAX_BATCH, timeout_s=1)
    answers = [batcher.submit(0, [status_report(Status.SENT)] * 100, 100) for _ in range(100)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert merger.batches == [200] * MAX_CONCURRENT
    assert batcher.depth == 10_000 - 200 * MAX_CONCURRENT
    merger.gate.set()
    await asyncio.gather(*answers)
    assert merger.batches == [200] * 50


async def test_what_is_submitted_together_goes_in_one_batch() -> None:
    merger = Merger()
    merger.gate.set()
    batcher = Batcher(merger, most=MAX_BATCH, timeout_s=1)
    sizes = [MAX_BATCH - 1, 1, 2, MAX_BATCH, 3]
    answers = [batcher.submit(0, [status_report(Status.SENT)] * size, size) for size in sizes]
    assert list(map(len, await asyncio.gather(*answers))) == sizes
    assert merger.batches == [MAX_BATCH, 2, MAX_BATCH, 3]


async def test_every_caller_of_a_failed_batch_gets_an_error_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One exception raised in many tasks would gather the traces of them all."""
    merger = Merger()
    merger.gate.set()
    batcher = Batcher(merger, most=MAX_BATCH, timeout_s=1)
    for error, reason in [(Unavailable("full"), "full"), (KeyError("a fault of ours"), "fault")]:
        merger.error = error
        answers = [batcher.submit(0, [status_report(Status.SENT)], 1) for _ in range(3)]
        raised = await asyncio.gather(*answers, return_exceptions=True)
        assert [failure.reason for failure in raised if isinstance(failure, Unavailable)] == [
            reason
        ] * 3
        assert len(set(map(id, raised))) == 3
    assert [record.getMessage() for record in caplog.records] == ["batch_failed"]


async def test_closing_waits_for_what_was_submitted() -> None:
    merger = Merger()
    batcher = Batcher(merger, most=MAX_BATCH, timeout_s=1)
    answer = batcher.submit(0, [status_report(Status.SENT)], 1)
    closing = asyncio.ensure_future(batcher.close())
    await asyncio.sleep(0)
    assert not closing.done()
    merger.gate.set()
    await closing
    assert answer.done()
