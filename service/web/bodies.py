"""Request bodies: read within their limits, and asked for only if they are wanted."""

from __future__ import annotations

import asyncio

from aiohttp import HttpVersion11, hdrs, web

from service.config import Settings
from service.errors import (
    TooLarge,
    TooSlow,
)
from service.web.admission import ticket

SETTINGS = web.AppKey("settings", Settings)

MIB = 1024**2

MOST_BODY_BYTES = 5 * MIB
"""The largest limit of an endpoint."""

SMALL_BYTES = 16 * 1024
"""Answers, and bodies that came at once, are counted by their bytes only if they are larger.
Answers up to this size fit into the kernel's buffer of a connection whose caller reads."""


async def body_of(request: web.Request, most_bytes: int) -> bytes:
    """Reads the body of a request.

    Args:
        request: the request.
        most_bytes: the limit, in whole MiB.

    Raises:
        TooLarge: the body is larger than that.
        TooSlow: the body takes longer than `http.receive_s` to come.
    """
    try:
        if request.content.is_eof():  # it came with the headers; `read()` would cost three times it
            body = request.content.read_nowait()
        elif (request.content_length or 0) > most_bytes:
            raise TooLarge(most_bytes // MIB)
        else:
            async with asyncio.timeout(request.app[SETTINGS].http.receive_s):
                return await _received(request, most_bytes)
    except TimeoutError:
        raise TooSlow from None
    if len(body) > most_bytes:
        raise TooLarge(most_bytes // MIB)
    if len(body) > SMALL_BYTES and (held := ticket.get()) is not None:
        held.hold(len(body))
    return body


async def _received(request: web.Request, most_bytes: int) -> bytes:
    """Reads a body as it comes, and counts the bytes that are there, not those announced."""
    await send_continue(request)
    held, body = ticket.get(), bytearray()
    try:
        while piece := await request.content.readany():
            if held is not None:
                held.hold(len(piece))
            body += piece
            if len(body) > most_bytes:
                raise TooLarge(most_bytes // MIB)
        return bytes(body)
    finally:
        # aiohttp keeps the error of a lost connection, and its traceback would keep the body alive.
        body.clear()


async def send_continue(request: web.Request) -> None:
    """Sends `100 Continue` to a caller that waits for it; call it once the body is wanted."""
    if hdrs.EXPECT in request.headers and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp does it: the answer has not begun


async def check_expectation(request: web.Request) -> None:
    """Refuses any `Expect` but 100-continue; `send_continue` answers that when the body is read."""
    expected = request.headers.get(hdrs.EXPECT, "").lower()
    if request.version == HttpVersion11 and expected != "100-continue":
        raise web.HTTPExpectationFailed
