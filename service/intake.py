"""Many reports in one request: an array of them, or a stream of lines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import orjson
from aiohttp import web

from service.errors import BadRequest, Unavailable
from service.middleware import label
from service.models.reader import Notes
from service.ndjson import Lines
from service.reports import Report
from service.scripts import Merged, Outcome
from service.store import Store
from service.telemetry import Metrics, request_id

log = logging.getLogger(__name__)

NDJSON = "application/x-ndjson"


class Intake(NamedTuple):
    """What an endpoint takes.

    Attributes:
        read: reads a body's report and calls the notes; raises BadRequest.
        answer: makes the JSON for the caller once the report is merged.
    """

    read: Callable[[bytes, Notes], Report]
    answer: Callable[[Report, Merged], bytes]


class Counted(NamedTuple):
    """Answers, how many of them are refusals, and whether reports went to the journal."""

    answers: list[bytes]
    refused: int
    queued: bool = False


async def write_each(
    store: Store, intake: Intake, bodies: Iterable[bytes | None], notes: Notes
) -> Counted:
    """Writes what the bodies report and answers each in its place.

    Args:
        store: takes the reports.
        intake: reads and answers them.
        bodies: None stands for a body that is too long.
        notes: called for each field that was ignored and each part that counts as absent.

    Raises:
        Unavailable: not every report that was readable is known to be written.
    """
    read = [_read(intake, body, notes) for body in bodies]
    reports = [report for report in read if isinstance(report, Report)]
    merged = await store.write(reports)
    taken = map(intake.answer, reports, merged)
    answers = [next(taken) if isinstance(each, Report) else _refusal(each) for each in read]
    return Counted(answers, len(read) - len(reports), is_queued(merged))


def is_queued(merged: Iterable[Merged]) -> bool:
    """Whether any of the reports is in the journal and not yet in the store."""
    return any(each.outcome is Outcome.QUEUED for each in merged)


def _read(intake: Intake, body: bytes | None, notes: Notes) -> Report | BadRequest:
    if body is None:
        return BadRequest("The line is too long; at most 1 MiB is allowed.")
    try:
        return intake.read(body, notes)
    except BadRequest as error:
        return error


def _refusal(error: BadRequest | Unavailable) -> bytes:
    answer: dict[str, object] = {"ok": False, "error": error.sentence}
    if error.field:
        answer["field"] = error.field
    return orjson.dumps(answer)


async def answer_stream(
    request: web.Request, intake: Intake, *, store: Store, metrics: Metrics, receive_s: float
) -> web.StreamResponse:
    """Answers a stream of lines with a stream of lines, as they come.

    What is held at a time is what aiohttp reads ahead, so the memory is bounded, and so is the
    caller's speed by what the store takes. A caller must read answers while it sends.
    """
    response = web.StreamResponse(headers={"Content-Type": NDJSON})
    label(response, request_id.get())
    await response.prepare(request)
    lines, refused = Lines(), 0
    try:
        while True:
            async with asyncio.timeout(receive_s):
                bodies, ended = await _next_lines(request, lines)
            counted = await _write_lines(store, intake, bodies, metrics)
            refused += counted.refused
            async with asyncio.timeout(receive_s):
                await response.write(b"".join(answer + b"\n" for answer in counted.answers))
            if ended:
                break
    except (ConnectionError, web.RequestPayloadError, TimeoutError) as error:
        log.warning("stream_broke_off", extra={"error": type(error).__name__})
        _cut(request)  # an end in good order would tell the caller that all was answered
    note_refused(metrics, refused)
    return response


async def _next_lines(request: web.Request, lines: Lines) -> tuple[list[bytes | None], bool]:
    """At least one line, or the rest of the stream; and whether it has ended."""
    while piece := await request.content.readany():
        if ready := lines.feed(piece):
            return ready, False
        await asyncio.sleep(0)  # a little that unpacks to very much would have the loop to itself
    return lines.end(), True


async def _write_lines(
    store: Store, intake: Intake, bodies: list[bytes | None], notes: Notes
) -> Counted:
    """As `write_each`; while the store is away the lines are refused, not the stream."""
    try:
        return await write_each(store, intake, bodies, notes)
    except Unavailable as error:
        return Counted([_refusal(error)] * len(bodies), len(bodies))


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def note_refused(metrics: Metrics, refused: int) -> None:
    """Counts items that were refused in a request that was not."""
    if refused:
        metrics.items_refused(refused)
        log.warning("items_refused", extra={"items": refused})
