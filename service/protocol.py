"""One connection: malformed HTTP answered in JSON, and callers that dawdle cut off."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from service.admission import Admission
from service.errors import Overloaded
from service.middleware import Handle, error_response, label, request_id_of
from service.refusals import LogLimit
from service.refuser import Refuser
from service.telemetry import Metrics

log = logging.getLogger(__name__)


class Protocol(RequestHandler):
    """aiohttp's, with time limits of ours and errors in the form of the contract."""

    __slots__ = ("_first_limit", "lines", "metrics", "receive_s")

    lines: LogLimit
    metrics: Metrics
    receive_s: float
    _first_limit: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Gives the caller so long for its first request, and for taking what it is sent."""
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
            if number := self.lines.due("connection_silent"):
                extra = {"number": number, "address": _peer_of(self.transport)}
                log.info("connection_silent", extra=extra)
            self.force_close()

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
        self.metrics.request("unknown", status, 0.0)
        if number := self.lines.due("request_malformed", status):
            extra = {"status": status, "request_id": known, "error": type(exc).__name__}
            extra |= {"number": number, "address": _peer_of(self.transport)}
            log.warning("request_malformed", extra=extra)
        response = error_response(status, "The request is not well-formed HTTP.")
        label(response, known)
        response.force_close()
        return response

    def log_exception(self, *args: object, **kw: object) -> None:  # noqa: ARG002  what aiohttp says
        """Of a connection that failed outside of a handler, such as in the rest of a body."""
        if number := self.lines.due("connection_failed"):
            extra = {"number": number, "address": _peer_of(self.transport)}
            extra["error"] = type(kw.get("exc_info")).__name__
            log.warning("connection_failed", extra=extra)


def _peer_of(transport: asyncio.BaseTransport | None) -> str:
    """The address at the other end. A proxy's is that of the proxy: nothing was read yet."""
    peer = transport.get_extra_info("peername") if transport else None
    return str(peer[0]) if peer else "unknown"


class JsonServer(web.Server):
    """aiohttp's server with `Protocol`, or without it for those for whom there is no room."""

    admission: Admission
    lines: LogLimit
    metrics: Metrics
    probes: tuple[bytes, ...]
    receive_s: float

    @classmethod
    def like(
        cls,
        server: web.Server,
        handle: Handle,
        *,
        admission: Admission,
        lines: LogLimit,
        metrics: Metrics,
        probes: tuple[bytes, ...],
        receive_s: float,
    ) -> JsonServer:
        """The same server with our protocol and another handler.

        Args:
            server: as aiohttp made it.
            handle: answers its requests.
            admission: knows whether there is room for a connection.
            lines: bounds the log lines of requests that strangers can make.
            metrics: are told of those that were sent away, and of what is no HTTP.
            probes: beginnings of requests that are served even where there is no room.
            receive_s: how long a caller may take, as `http.receive_s`.
        """
        made = cls(
            handle,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001  there is no other way to its arguments
            # No body is unpacked, not even one that is passed over after its refusal (`Packed`).
            **server._kwargs | {"auto_decompress": False},  # noqa: SLF001
        )
        made.admission, made.lines, made.metrics = admission, lines, metrics
        made.probes, made.receive_s = probes, receive_s
        return made

    @property
    def size(self) -> int:
        """How many connections are served."""
        return len(self._connections)

    def __call__(self) -> RequestHandler:
        """A connection's protocol."""
        if self.admission.crowded:
            made = Refuser(self._served, self._refused, receive_s=self.receive_s)
            return cast("RequestHandler", made)  # all that is asked of it
        return self._protocol()

    def _protocol(self) -> Protocol:
        protocol = Protocol(self, loop=self._loop, **self._kwargs)
        protocol.lines, protocol.metrics = self.lines, self.metrics
        protocol.receive_s = self.receive_s
        return protocol

    def _served(self, head: bytes) -> Protocol | None:
        welcome = head.startswith(self.probes) or not self.admission.crowded
        return self._protocol() if welcome else None

    def _refused(self, transport: asyncio.Transport) -> None:
        if number := self.lines.due("overloaded"):
            extra = {"number": number, "address": _peer_of(transport)}
            log.warning("overloaded", extra=extra)
        self.metrics.request("unknown", Overloaded.status, 0.0)
