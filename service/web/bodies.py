"""Request bodies: read within their limits, and asked for when they are wanted."""

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
"""Of any endpoint."""

SMALL_BYTES = 16 * 1024
"""A body that came at once or an answer is counted by its bytes if it has more. Answers up to this
size fit into the kernel's buffer of a connection that is read."""


async def body_of(request: web.Request, most_bytes: int) -> bytes:
    """The body of a request.

    Args:
        request: of the caller.
        most_bytes: that it may have, whole MiB.

    Raises:
        TooLarge: it has more.
        TooSlow: it takes longer than `http.receive_s` to come.
    """
    try:
        if request.content.is_eof():  # it came together with the headers: this is a third of read()
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
    """The body as it comes: what its head announces isn't counted, but what is there."""
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
        body.clear()  # aiohttp keeps the error of a lost connection, whose traceback leads here


async def send_continue(request: web.Request) -> None:
    """Tells a caller that waits for it to send its body: only now is it known that it is wanted."""
    if hdrs.EXPECT in request.headers and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp does: the answer hasn't begun


async def check_expectation(request: web.Request) -> None:
    """Refuses any `Expect` but 100-continue, which `send_continue` meets when the body is read."""
    expected = request.headers.get(hdrs.EXPECT, "").lower()
    if request.version == HttpVersion11 and expected != "100-continue":
        raise web.HTTPExpectationFailed
