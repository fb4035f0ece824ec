"""Many reports in one request: an array of items, or a stream of lines."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import NamedTuple, TypeVar

import orjson
from aiohttp import web
from msgspec.structs import replace

from service.domain.report import Clock, Merged, Outcome, Report
from service.errors import BadRequest, Unavailable
from service.models.decoding import Notes
from service.models.large_json import is_large
from service.models.meta_webhook import Payload
from service.models.ndjson import Lines
from service.store.store import Store
from service.telemetry import Metrics, request_id
from service.web.http_responses import set_common_headers

log = logging.getLogger(__name__)

NDJSON = "application/x-ndjson"

MOST_A_TURN = 256
"""How many items are read without a pause; a batch of the store holds as many."""

MOST_BYTES_A_TURN = 64 * 1024
"""How many bytes of items are read without a pause."""

_MOST_PIECE_BYTES = 64 * 1024
"""How many bytes of a stream are cut into lines without a pause."""

_AT_ONCE = 10 * MOST_A_TURN
"""How many reports of one webhook are written together."""

_aside = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")
"""Reads large bodies, one at a time: threads share the processor."""


Read = TypeVar("Read")


class Intake(NamedTuple):
    """How an endpoint reads and answers one item of a batch.

    Attributes:
        read: reads the report in a body, and notes what it ignored; raises BadRequest.
        answer: returns the JSON for the caller once the report is merged.
    """

    read: Callable[[bytes, Notes], Report]
    answer: Callable[[Report, Merged], bytes]


class Counted(NamedTuple):
    """The answers, how many of them are refusals, and whether reports went to the journal."""

    answers: list[bytes]
    refused: int
    queued: bool = False


async def write_each(
    store: Store, intake: Intake, bodies: Iterable[bytes | None], notes: Notes
) -> Counted:
    """Writes the reports in the bodies, and answers each body in its order.

    Args:
        store: takes the reports.
        intake: reads and answers the bodies.
        bodies: the bodies; None stands for one that is too long.
        notes: called for each field that was ignored and each part that counts as absent.

    Raises:
        Unavailable: some readable reports may not be written.
    """
    read: list[Report | BadRequest] = []
    async for turn in in_turns(bodies):
        read += [_read(intake, body, notes) for body in turn]
    reports = [report for report in read if isinstance(report, Report)]
    merged = await store.write(reports)
    taken = map(intake.answer, reports, merged)
    answers = [next(taken) if isinstance(each, Report) else _refusal(each) for each in read]
    return Counted(answers, len(read) - len(reports), is_queued(merged))


async def in_turns(bodies: Iterable[bytes | None]) -> AsyncIterator[list[bytes | None]]:
    """Yields the bodies in groups that take little time; other requests run between them."""
    waiting = list(bodies)
    ends = list(accumulate(len(body or b"") for body in waiting))  # where each ends, in bytes
    start = before = 0
    while start < len(waiting):
        fitting = bisect_right(ends, before + MOST_BYTES_A_TURN, start)
        stop = min(max(fitting, start + 1), start + MOST_A_TURN)
        if start:
            await asyncio.sleep(0)
        yield waiting[start:stop]
        start, before = stop, ends[stop - 1]


def is_queued(merged: Iterable[Merged]) -> bool:
    """Returns whether any of the reports is in the journal and not yet in the store."""
    return any(each.outcome is Outcome.QUEUED for each in merged)


def _read(intake: Intake, body: bytes | None, notes: Notes) -> Report | BadRequest:
    if body is None:
        return BadRequest("The line is too long; at most 1 MiB is allowed.")
    try:
        return intake.read(body, notes)
    except BadRequest as error:
        error.__context__ = None  # like the traceback, it would keep alive all that its frames hold
        return error.with_traceback(None)


def _refusal(error: BadRequest | Unavailable) -> bytes:
    answer: dict[str, object] = {"ok": False, "error": error.sentence}
    if error.field:
        answer["field"] = error.field
    return orjson.dumps(answer)


async def answer_stream(
    request: web.Request, intake: Intake, *, store: Store, metrics: Metrics, receive_s: float
) -> web.StreamResponse:
    """Answers a stream of lines with a stream of lines, as they come.

    Memory is bounded: it holds what aiohttp reads ahead and the answers to `MOST_A_TURN` lines. So
    there is back-pressure: a caller can send no faster than the store writes, and no faster than it
    reads the answers itself.
    """
    response = web.StreamResponse(headers={"Content-Type": NDJSON})
    set_common_headers(response, request_id.get())
    await response.prepare(request)
    lines, refused = Lines(), 0
    try:
        while True:
            async with asyncio.timeout(receive_s):
                bodies, ended = await _next_lines(request, lines)
            async for turn in in_turns(bodies):
                counted = await _write_lines(store, intake, turn, metrics)
                refused += counted.refused
                async with asyncio.timeout(receive_s):
                    await response.write(b"".join(answer + b"\n" for answer in counted.answers))
            if ended:
                break
    except (ConnectionError, web.RequestPayloadError, TimeoutError) as error:
        log.warning("stream_broke_off", extra={"error": type(error).__name__})
        _cut(request)  # a clean end would tell the caller that all lines were answered
    note_refused(metrics, refused)
    return response


async def _next_lines(request: web.Request, lines: Lines) -> tuple[list[bytes | None], bool]:
    """Returns the next lines, at least one or the rest, and whether the stream has ended."""
    while piece := await request.content.read(_MOST_PIECE_BYTES):
        if ready := lines.feed(piece):
            return ready, False
        await asyncio.sleep(0)  # blank lines that are here already are read without a pause
    return lines.end(), True


async def _write_lines(
    store: Store, intake: Intake, bodies: list[bytes | None], notes: Notes
) -> Counted:
    """Like `write_each`, but while the store is unavailable it refuses each line by itself."""
    try:
        return await write_each(store, intake, bodies, notes)
    except Unavailable as error:
        return Counted([_refusal(error)] * len(bodies), len(bodies))


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


async def aside(read: Callable[[], Read]) -> Read:
    """Reads a large body in a thread, so that other requests run meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_aside, read)


async def payload_of(body: bytes, clock: Clock) -> Payload:
    """Reads Meta's webhook, `aside` if it is large.

    Raises:
        BadRequest: the body is no JSON object.
    """
    if not is_large(body):
        return Payload(body, clock)
    now_us = clock()  # the clock isn't for other threads, so `write_all` stamps the reports later
    return await aside(lambda: Payload(body, lambda: now_us))


async def write_all(store: Store, payload: Payload, clock: Clock) -> bool:
    """Writes the reports of a payload.

    Returns:
        whether any of them is in the journal and not yet in the store.

    Raises:
        Unavailable: some of them may not be written.
    """
    queued, reports = False, payload.reports
    alike = len(reports) > 1 and reports[0].received_us == reports[-1].received_us
    for start in range(0, len(reports), _AT_ONCE):
        batch = reports[start : start + _AT_ONCE]
        if alike:
            batch = [replace(report, received_us=clock()) for report in batch]
        queued = is_queued(await store.write(batch)) or queued
    return queued


def note_refused(metrics: Metrics, refused: int) -> None:
    """Counts and logs the refused items of a request that was not refused itself."""
    if refused:
        metrics.items_refused(refused)
        log.warning("items_refused", extra={"items": refused})
