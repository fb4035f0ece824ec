"""One connection: malformed HTTP answered in JSON, and callers that dawdle cut off."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from service.errors import Overloaded
from service.telemetry import Metrics
from service.web.admission import Admission
from service.web.http_responses import (
    SANE_ID,
    error_response,
    new_request_id,
    request_id_of,
    set_common_headers,
)
from service.web.middleware import Handle
from service.web.policies import Policies
from service.web.refusals import LogLimit

log = logging.getLogger(__name__)

_FIRST_S, _PAUSE_S = 0.02, 1.0
_MOST_WHOLE_BYTES = 16 * 1024
_LINES = (
    rb"(?:(?!content-length|transfer-encoding|expect|upgrade|connection:(?![ \t]*keep-alive\r))"
    rb"[!-9;-~]+:[^\r\n]*\r\n)*+"
)
_WHOLE = re.compile(
    rb"(?P<method>GET|POST) (?P<path>[!-\"$->@-~]+)(?:\?[!-~]*)? HTTP/1\.1\r\n%b"
    rb"(?:content-length:[ \t]*(?P<length>[0-9]{1,7})[ \t]*\r\n)?%b\r\n" % (_LINES, _LINES),
    re.IGNORECASE,
)
_ID = re.compile(rb"\r\nx-request-id:[ \t]*(%b)[ \t]*\r\n" % SANE_ID.encode(), re.IGNORECASE)


def _refusal() -> bytes:
    """The response to an overload, with a place for the request's id."""
    response = error_response(Overloaded.status, Overloaded().sentence)
    set_common_headers(response, "%b")
    body = cast("bytes", response.body)
    headers = [*response.headers.items(), ("Content-Length", str(len(body)))]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return b"HTTP/1.1 503 Service Unavailable\r\n%b\r\n%b" % (lines.encode(), body)


_REFUSAL = _refusal()
_Connections = OrderedDict[RequestHandler, asyncio.Transport]


class Protocol(RequestHandler):
    """aiohttp's, with time limits of ours and errors in the form of the contract."""

    __slots__ = (
        "_admitted",
        "_coming",
        "_early",
        "_first_limit",
        "_owes",
        "_patient_s",
        "_seen",
        "_whole",
        "admission",
        "lines",
        "metrics",
        "receive_s",
    )

    admission: Admission
    lines: LogLimit
    metrics: Metrics
    receive_s: float
    _seen: int
    _admitted: bool
    _whole: bool
    """Whether all that came is known to be whole requests, so that what comes next begins one."""
    _coming: bool
    """Whether its request counts as `Admission.coming`."""
    _owes: bool
    """Whether a refusal waits to be sent."""
    _early: bytes
    """What came before it was sent."""
    _patient_s: float
    """When a caller that heeds `Retry-After` asks again."""
    _first_limit: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Gives the caller so long for its first request, and for taking what it is sent."""
        self._seen = 0
        self._admitted, self._whole, self._patient_s = False, True, 0.0
        self._coming, self._owes, self._early = False, False, b""
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
        self.arrive()
        super().connection_lost(exc)

    def _cut_off_the_silent(self) -> None:
        """Later requests on the connection have aiohttp's keep-alive time to come."""
        if self._request_count == 0 and self.transport is not None:
            if number := self.lines.due("connection_silent"):
                extra = {"number": number, "address": _peer_of(self.transport)}
                log.info("connection_silent", extra=extra)
            self.force_close()

    def is_idle(self) -> bool:
        """Whether nothing is asked on it, nor was since this was last called."""
        seen, self._seen = self._seen, self._request_count
        return seen == self._seen and not self.is_busy()

    def admit(self) -> None:
        """A caller on it has proved who it is: it gives way after those that haven't."""
        if not self._admitted and self._manager is not None:  # it may have left
            self._admitted = True
            self._server.forget_stranger(self)

    def data_received(self, data: bytes) -> None:
        """Refuses a request that would be refused anyway, at a tenth of what aiohttp takes for it.

        Thousands of callers that ask again at once would otherwise cost more than those that are
        served. Only one whole request is refused so that is easily read, where aiohttp has answered
        all before and has begun to read no other. All else is aiohttp's, which calls this without
        data to read on.
        """
        if self._owes:
            self._early += data
            self._pause_transport_reading()
            return
        if data and self._whole and not self.is_closing():
            share = None if self.is_busy() else self._server.share_of(data)
            if share is not None and self._server.would_refuse(share, newcomer=not self._admitted):
                self._refuse(data)
                return
            # To look at each request costs something, so it is done only after refusals.
            self._whole = share is not None and not self.admission.is_calm()
            if self._whole and self._admitted:  # strangers must not fill the room of callers
                self._coming = True
                self.admission.coming += 1
        super().data_received(data)

    @property
    def _server(self) -> JsonServer:
        return cast("JsonServer", self._manager)

    def arrive(self) -> None:
        """Its request begins: it is no longer coming."""
        if self._coming:
            self._coming = False
            self.admission.coming -= 1

    def is_closing(self) -> bool:
        """Whether nothing more is read from it."""
        return self.transport is None or self._force_close or self._close

    def is_busy(self) -> bool:
        """Whether a request on it waits for its answer."""
        return self._owes or self._request_in_progress or bool(self._messages)

    def comes_anew_for_less(self) -> bool:
        """Whether a caller who is refused should come on a new connection.

        There its requests are refused unread, as in `data_received`.
        """
        return not self._whole

    def _refuse(self, data: bytes) -> None:
        """Answers what would have been aiohttp's, and nothing else until then."""
        if number := self.lines.due("overloaded"):
            log.warning("overloaded", extra={"number": number, "address": _peer_of(self.transport)})
        self.metrics.request("unknown", Overloaded.status, 0.0)
        self._request_count += 1
        given = _ID.search(data)
        answer = _REFUSAL % (given[1] if given else new_request_id().encode())
        # At once could be answered by the next request within the same turn of libuv's, and so on.
        now_s = self._loop.time()
        at_s = min(max(self._patient_s, now_s + _FIRST_S), now_s + _PAUSE_S)
        self._patient_s = at_s + _PAUSE_S
        self._next_keepalive_close_time = at_s + self._keepalive_timeout
        self._owes = True
        self._loop.call_at(at_s, self._send, answer)

    def _send(self, answer: bytes) -> None:
        self._owes = False
        if self.transport is None or self.transport.is_closing():
            return
        self.transport.write(answer)
        if self._early:  # few callers don't wait for their answer
            early, self._early = self._early, b""
            self._resume_transport_reading()
            self.data_received(early)

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
        self.arrive()
        known = request_id_of(request)
        self.metrics.request("unknown", status, 0.0)
        if number := self.lines.due("request_malformed", status):
            extra = {"status": status, "request_id": known, "error": type(exc).__name__}
            extra |= {"number": number, "address": _peer_of(self.transport)}
            log.warning("request_malformed", extra=extra)
        response = error_response(status, "The request is not well-formed HTTP.")
        set_common_headers(response, known)
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
    """aiohttp's server with `Protocol`, and a bound on connections.

    Past it one that is idle is closed for a new one: the oldest of the strangers', or else of all.
    One on which something was asked since it was last looked at counts as new.
    """

    admission: Admission
    lines: LogLimit
    policies: Policies
    metrics: Metrics
    receive_s: float
    most: Callable[[], int]
    _strangers: _Connections

    @classmethod
    def like(
        cls,
        server: web.Server,
        handle: Handle,
        *,
        admission: Admission,
        lines: LogLimit,
        policies: Policies,
        metrics: Metrics,
        receive_s: float,
        most: Callable[[], int],
    ) -> JsonServer:
        """The same server with our protocol and another handler.

        Args:
            server: as aiohttp made it.
            handle: answers its requests.
            admission: knows whether a request would be refused.
            lines: bounds the log lines of requests that strangers can make.
            policies: of the routes.
            metrics: are told of what is no HTTP, of what was refused unread, and of idle
                connections that were closed.
            receive_s: how long a caller may take, as `http.receive_s`.
            most: the connections that there may be.
        """
        made = cls(
            handle,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001  there is no other way to its arguments
            # No body is unpacked, not even one that is passed over after its refusal (`Packed`).
            **server._kwargs | {"auto_decompress": False},  # noqa: SLF001
        )
        made.admission, made.policies = admission, policies
        made.lines, made.metrics = lines, metrics
        made.receive_s, made.most = receive_s, most
        made._connections, made._strangers = OrderedDict(), OrderedDict()
        return made

    def __call__(self) -> RequestHandler:
        """A connection's protocol."""
        protocol = Protocol(self, loop=self._loop, **self._kwargs)
        protocol.admission = self.admission
        protocol.lines, protocol.metrics = self.lines, self.metrics
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

    def share_of(self, data: bytes) -> float | None:
        """At which part of the limits in use a request is refused; None if it isn't easily read.

        Args:
            data: one whole request, or something else.
        """
        whole = _WHOLE.match(data) if len(data) <= _MOST_WHOLE_BYTES else None
        if whole is None or whole.end() + int(whole["length"] or 0) != len(data):
            return None
        policy = self.policies.get((whole["method"].decode(), whole["path"].decode()))
        return policy.refused_at if policy else None

    def would_refuse(self, share: float, *, newcomer: bool) -> bool:
        """Whether there is no room for a request.

        Args:
            share: as `share_of` has it.
            newcomer: nothing was let in on its connection yet.
        """
        callers = len(self._connections) - len(self._strangers)
        return self.admission.is_full(share, callers if newcomer else 0)

    def has_room(self, coming: int) -> bool:
        """Whether there is room for one more connection; if need be one that is idle is closed.

        Args:
            coming: those that have been accepted and aren't among ours yet.
        """
        return self.fits(coming) or self.close_idle()

    def fits(self, coming: int) -> bool:
        """Whether one more connection is within the bound; see `has_room`."""
        return len(self._connections) + coming < self.most()

    def close_idle(self) -> bool:
        """Closes the connection that gives way first, if one is idle."""
        everybody = cast("_Connections", self._connections)
        found = _close_idle(self._strangers) or _close_idle(everybody)
        if found:
            self.metrics.connection_closed("idle")
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
