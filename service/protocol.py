"""One connection: malformed HTTP answered in JSON, and callers that dawdle cut off."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from service.middleware import Handle, error_response, label, request_id_of

log = logging.getLogger(__name__)

_Connections = OrderedDict[RequestHandler, asyncio.Transport]


class Protocol(RequestHandler):
    """aiohttp's, with time limits of ours and errors in the form of the contract."""

    __slots__ = ("_admitted", "_first_limit", "_seen", "_waited", "receive_s")

    receive_s: float
    _seen: int
    _waited: bool
    _admitted: bool
    _first_limit: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Gives the caller so long for its first request, and for taking what it is sent."""
        self._seen = 0
        self._waited = self._admitted = False
        super().connection_made(transport)
        opened = cast("socket.socket | None", transport.get_extra_info("socket"))
        if opened is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            # Also of a caller that is there, but reads nothing (tcp(7)).
            limit_ms = int(self.receive_s * 1000)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
        self._first_limit = self._loop.call_later(self.receive_s, self._cut_off_the_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Lets go: a timer would keep all this for as long as it runs."""
        self._first_limit.cancel()
        super().connection_lost(exc)

    def _cut_off_the_silent(self) -> None:
        """Later requests on the connection have aiohttp's keep-alive time to come."""
        if self._request_count == 0 and self.transport is not None:
            log.info("connection_silent")
            self.force_close()

    @property
    def has_more(self) -> bool:
        """Whether further requests have been read already."""
        return bool(self._messages)

    def is_idle(self) -> bool:
        """Whether nothing is asked on it, nor was since this was last called."""
        seen, self._seen = self._seen, self._request_count
        return seen == self._seen and not (self._request_in_progress or self._messages)

    def admit(self) -> None:
        """A caller on it has proved who it is: it gives way after those that haven't."""
        if not self._admitted and self._manager is not None:  # it may have left
            self._admitted = True
            cast("JsonServer", self._manager).forget_stranger(self)

    def take_turn(self) -> bool:
        """Whether it has waited, and asked nothing since."""
        waited, self._waited = self._waited, False
        return waited

    def pause(self) -> None:
        """Leaves what the caller sends in the kernel's buffer."""
        self._pause_transport_reading()

    def go_on(self) -> None:
        """Reads on, unless aiohttp has a reason not to."""
        self._waited = True
        if not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def cut_off(self) -> None:
        """Ends it at once, with what waits to be sent."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  holds what the caller sent
    ) -> web.StreamResponse:
        """As RequestHandler has it, save for the form; always closes the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the response has been sent already")
        known = request_id_of(request)
        extra = {"status": status, "request_id": known, "error": type(exc).__name__}
        log.warning("request_malformed", extra=extra)
        response = error_response(status, "The request is not well-formed HTTP.")
        label(response, known)
        response.force_close()
        return response

    def log_exception(self, *args: object, **kw: object) -> None:  # noqa: ARG002  what aiohttp says
        """Of a connection that failed outside of a handler, such as in the rest of a body."""
        log.warning("connection_failed", extra={"error": type(kw.get("exc_info")).__name__})


class JsonServer(web.Server):
    """aiohttp's server with `Protocol`, and a bound on connections.

    Past it one that is idle is closed for a new one: the oldest of the strangers', or else of all.
    One on which something was asked since it was last looked at counts as new.
    """

    receive_s: float
    most: Callable[[], int]
    closed: Callable[[], None]
    _strangers: _Connections

    @classmethod
    def like(
        cls,
        server: web.Server,
        handle: Handle,
        *,
        receive_s: float,
        most: Callable[[], int],
        closed: Callable[[], None],
    ) -> JsonServer:
        """The same server with our protocol and another handler.

        Args:
            server: as aiohttp made it.
            handle: answers its requests.
            receive_s: how long a caller may take, as `http.receive_s`.
            most: the connections that there may be.
            closed: is told of each idle one that is closed for a new one.
        """
        made = cls(
            handle,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001  there is no other way to its arguments
            **server._kwargs,  # noqa: SLF001
        )
        made.receive_s, made.most, made.closed = receive_s, most, closed
        made._connections, made._strangers = OrderedDict(), OrderedDict()
        return made

    def __call__(self) -> RequestHandler:
        """A connection's protocol."""
        protocol = Protocol(self, loop=self._loop, **self._kwargs)
        protocol.receive_s = self.receive_s
        return protocol

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Takes a connection, of a stranger as long as nothing else is known."""
        super().connection_made(handler, transport)
        self._strangers[handler] = transport

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forgets a connection."""
        self.forget_stranger(handler)
        super().connection_lost(handler, exc)

    def forget_stranger(self, handler: RequestHandler) -> None:
        """A connection is no stranger's, or no more."""
        self._strangers.pop(handler, None)

    def has_room(self, coming: int) -> bool:
        """Whether there is room for one more connection; if need be one that is idle is closed.

        Args:
            coming: those that have been accepted and aren't among ours yet.
        """
        return len(self._connections) + coming < self.most() or self.close_idle()

    def close_idle(self) -> bool:
        """Closes the connection that gives way first, if one is idle."""
        everybody = cast("_Connections", self._connections)
        found = _close_idle(self._strangers) or _close_idle(everybody)
        if found:
            self.closed()
        return found


def _close_idle(some: _Connections) -> bool:
    """Closes the oldest connection that is idle, if one is."""
    for _ in range(2 * len(some)):  # at the second time nothing was asked since
        connection, transport = next(iter(some.items()))
        some.move_to_end(connection)
        if not transport.is_closing() and cast("Protocol", connection).is_idle():
            transport.abort()
            return True
    return False
