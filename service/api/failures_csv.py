"""The failed messages as a CSV file over HTTP: all of them, however many there are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import hdrs, web

from service.domain.query import Position
from service.errors import Unavailable
from service.models import sheets
from service.store.failures import FailedPage
from service.telemetry import request_id
from service.web.bodies import SETTINGS
from service.web.http_responses import set_common_headers

log = logging.getLogger(__name__)

Read = Callable[[int, Position | None], Awaitable[FailedPage]]

CSV = "text/csv"
_HEADERS = {
    "Content-Type": f"{CSV}; charset=utf-8",
    "Content-Disposition": 'attachment; filename="failures.csv"',
}
_ROWS = 200


async def answer_sheet(
    request: web.Request, read: Read, after: Position | None
) -> web.StreamResponse:
    """Answers with failed messages as CSV, written page by page so that memory is bounded.

    Args:
        request: the request that asks for them.
        read: reads a page of a given length behind a position.
        after: the position to begin behind.

    Raises:
        Unavailable: the store failed before anything was sent. If it fails later, the connection is
            aborted and the list lacks its last line: in HTTP/1.0 a caller can't tell a good end
            from a bad one.
    """
    pages = _pages(read, after)
    first = await anext(pages)
    response = web.StreamResponse(headers=_HEADERS)
    set_common_headers(response, request_id.get())
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    timeout_s = request.app[SETTINGS].http.receive_s
    try:
        await _write(response, sheets.head() + first, timeout_s)
        async for rows in pages:
            await _write(response, rows, timeout_s)
        await response.write_eof()
    except (ConnectionError, TimeoutError, Unavailable) as error:
        _warn(error)
        if request.transport is not None:
            request.transport.abort()
    except asyncio.CancelledError as error:  # the service stops
        _warn(error)
        raise
    return response


def _warn(error: BaseException) -> None:
    log.warning("sheet_broke_off", extra={"error": type(error).__name__})


async def _write(response: web.StreamResponse, text: bytes, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        await response.write(text)


async def _pages(read: Read, after: Position | None) -> AsyncIterator[bytes]:
    """Yields the rows page by page, then the last line."""
    number = 0
    while True:
        page = await read(_ROWS, after)
        number += len(page.rows)
        yield sheets.rows(page.rows)
        after = page.following
        if after is None:
            break
    yield sheets.end(number)
