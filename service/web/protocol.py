"""One connection: malformed HTTP is answered in JSON, and slow clients are cut off."""

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
from service.web.abuse_limits import LogLimit
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
    """Returns the response to an overload, with `%b` for the request's id."""
    response = error_response(Overloaded.status, Overloaded().sentence)
    set_common_headers(response, "%b")
    body = cast("bytes", response.body)
    headers = [*response.headers.items(), ("Content-Length", str(len(body)))]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return b"HTTP/1.1 503 Service Unavailable\r\n%b\r\n%b" % (lines.encode(), body)


_REFUSAL = _refusal()
_Connections = OrderedDict[RequestHandler, asyncio.Transport]


class Protocol(RequestHandler):
    """aiohttp's protocol, with our time limits and with errors as JSON."""

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
    """Whether all data so far were whole requests, so that the next data begin one."""
    _coming: bool
    """Whether its request counts as `Admission.coming`."""
    _owes: bool
    """Whether a refusal waits to be sent."""
    _early: bytes
    """The data that came before the refusal was sent."""
    _patient_s: float
    """When a caller that respects `Retry-After` asks again."""
    _first_limit: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sets the time limits for the caller's first request and for reading what it is sent."""
        self._seen = 0
        self._admitted, self._whole, self._patient_s = False, True, 0.0
        self._coming, self._owes, self._early = False, False, b""
        super().connection_made(transport)
        opened = cast("socket.socket | None", transport.get_extra_info("socket"))
        if opened is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            # This also limits a caller that is alive but reads nothing: see tcp(7).
            limit_ms = int(self.receive_s * 1000)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
        self._first_limit = self._loop.call_later(self.receive_s, self._cut_off_the_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stops the timer, which would keep the connection's memory until it runs out."""
        self._first_limit.cancel()
        self.arrive()
        super().connection_lost(exc)

    def _cut_off_the_silent(self) -> None:
        """Closes a connection on which no first request came in time."""
        # Later requests are limited by aiohttp's keep-alive time.
        if self._request_count == 0 and self.transport is not None:
            if number := self.lines.due("connection_silent"):
                extra = {"number": number, "address": _peer_of(self.transport)}
                log.info("connection_silent", extra=extra)
            self.force_close()

    def is_idle(self) -> bool:
        """Returns whether it has no request now, and had none since this was last called."""
        seen, self._seen = self._seen, self._request_count
        return seen == self._seen and not self.is_busy()

    def admit(self) -> None:
        """Notes that its caller is authenticated: it gives way after all strangers."""
        if not self._admitted and self._manager is not None:  # the caller may have left
            self._admitted = True
            self._server.forget_stranger(self)

    def data_received(self, data: bytes) -> None:
        """Refuses a request that would be refused anyway, at a tenth of aiohttp's cost.

        Without it, thousands of callers that retry at once would cost more than those that are
        served. It refuses only data that are one whole and simple request, and only while aiohttp
        has no other request to read or to answer. All other data go to aiohttp. aiohttp calls this
        without data to continue reading.
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
            # Parsing each request costs time, so this goes on only while requests are refused.
            self._whole = share is not None and not self.admission.is_calm()
            if self._whole and self._admitted:  # strangers must not use up the limits of callers
                self._coming = True
                self.admission.coming += 1
        super().data_received(data)

    @property
    def _server(self) -> JsonServer:
        return cast("JsonServer", self._manager)

    def arrive(self) -> None:
        """Notes that its request begins, and so no longer counts as coming."""
        if self._coming:
            self._coming = False
            self.admission.coming -= 1

    def is_closing(self) -> bool:
        """Returns whether nothing more is read from it."""
        return self.transport is None or self._force_close or self._close

    def is_busy(self) -> bool:
        """Returns whether a request on it waits for its answer."""
        return self._owes or self._request_in_progress or bool(self._messages)

    def comes_anew_for_less(self) -> bool:
        """Returns whether it is cheaper if a refused caller reconnects.

        On a new connection `data_received` can refuse its requests.
        """
        return not self._whole

    def _refuse(self, data: bytes) -> None:
        """Refuses a request in place of aiohttp, after a delay in which nothing else is read."""
        if number := self.lines.due("overloaded"):
            log.warning("overloaded", extra={"number": number, "address": _peer_of(self.transport)})
        self.metrics.request("unknown", Overloaded.status, 0.0)
        self._request_count += 1
        given = _ID.search(data)
        answer = _REFUSAL % (given[1] if given else new_request_id().encode())
        # The answer is delayed. A caller that gets it at once may send its next request within the
        # same turn of libuv, again and again, and would hold up all others.
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
        if self._early:  # a caller seldom sends its next request before the answer
            early, self._early = self._early, b""
            self._resume_transport_reading()
            self.data_received(early)

    def cut_off(self) -> None:
        """Closes it at once, without sending what waits to be sent."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  holds what the caller sent
    ) -> web.StreamResponse:
        """Answers malformed HTTP like `RequestHandler`, but as JSON; closes the connection."""
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
        """Logs a failure outside of a handler, such as in the rest of a body."""
        if number := self.lines.due("connection_failed"):
            extra = {"number": number, "address": _peer_of(self.transport)}
            extra["error"] = type(kw.get("exc_info")).__name__
            log.warning("connection_failed", extra=extra)


def _peer_of(transport: asyncio.BaseTransport | None) -> str:
    """Returns the address at the other end: a proxy's own, since no header was read yet."""
    peer = transport.get_extra_info("peername") if transport else None
    return str(peer[0]) if peer else "unknown"


class JsonServer(web.Server):
    """aiohttp's server with `Protocol`, and a limit on connections.

    At the limit an idle connection is closed for a new one: the oldest stranger's, else the oldest
    of all. A connection counts as new again if it had a request since it was last looked at.
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
        """Returns a copy of a server with our protocol and another handler.

        Args:
            server: the server that aiohttp made.
            handle: answers its requests.
            admission: knows whether a request would be refused.
            lines: limits the log lines that strangers can cause.
            policies: the policy of each route.
            metrics: count malformed requests, requests that `Protocol` refused, and idle
                connections that were closed.
            receive_s: how long a caller may take, as `http.receive_s`.
            most: returns the limit on connections.
        """
        made = cls(
            handle,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001  there is no other way to its arguments
            # No body is decompressed, not even the rest of one that is refused (`Packed`).
            **server._kwargs | {"auto_decompress": False},  # noqa: SLF001
        )
        made.admission, made.policies = admission, policies
        made.lines, made.metrics = lines, metrics
        made.receive_s, made.most = receive_s, most
        made._connections, made._strangers = OrderedDict(), OrderedDict()
        return made

    def __call__(self) -> RequestHandler:
        """Returns the protocol of a new connection."""
        protocol = Protocol(self, loop=self._loop, **self._kwargs)
        protocol.admission = self.admission
        protocol.lines, protocol.metrics = self.lines, self.metrics
        protocol.receive_s = self.receive_s
        return protocol

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Counts a connection, as a stranger's until its caller is authenticated."""
        super().connection_made(handler, transport)
        self._strangers[handler] = transport

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forgets a connection."""
        self.forget_stranger(handler)
        super().connection_lost(handler, exc)

    def forget_stranger(self, handler: RequestHandler) -> None:
        """Removes a connection from those of strangers, if it is one of them."""
        self._strangers.pop(handler, None)

    def share_of(self, data: bytes) -> float | None:
        """Returns the part of the limits at which a request is refused: its `refused_at`.

        Args:
            data: one whole request, or any other data.

        Returns:
            None if the data aren't one whole and simple request of a known route.
        """
        whole = _WHOLE.match(data) if len(data) <= _MOST_WHOLE_BYTES else None
        if whole is None or whole.end() + int(whole["length"] or 0) != len(data):
            return None
        policy = self.policies.get((whole["method"].decode(), whole["path"].decode()))
        return policy.refused_at if policy else None

    def would_refuse(self, share: float, *, newcomer: bool) -> bool:
        """Returns whether there is no room for a request.

        Args:
            share: the result of `share_of`.
            newcomer: whether no request was admitted on its connection yet.
        """
        callers = len(self._connections) - len(self._strangers)
        return self.admission.is_full(share, callers if newcomer else 0)

    def has_room(self, coming: int) -> bool:
        """Makes room for one more connection by closing an idle one, if that is needed.

        Args:
            coming: how many connections are accepted and not yet counted here.

        Returns:
            whether there is room.
        """
        return self.fits(coming) or self.close_idle()

    def fits(self, coming: int) -> bool:
        """Returns whether one more connection is within the limit; see `has_room`."""
        return len(self._connections) + coming < self.most()

    def close_idle(self) -> bool:
        """Closes the idle connection that gives way first; returns whether there was one."""
        everybody = cast("_Connections", self._connections)
        found = _close_idle(self._strangers) or _close_idle(everybody)
        if found:
            self.metrics.connection_closed("idle")
        return found


def _close_idle(some: _Connections) -> bool:
    """Closes the oldest idle connection; returns whether there was one."""
    for _ in range(2 * len(some)):  # in the second round, a connection without requests is idle
        connection, transport = next(iter(some.items()))
        some.move_to_end(connection)
        if not transport.is_closing() and cast("Protocol", connection).is_idle():
            transport.abort()
            return True
    return False
