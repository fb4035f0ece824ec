"""The request pipeline: id, token, admission, errors as JSON, the access log and metrics."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from time import perf_counter
from typing import cast

from aiohttp import hdrs, web
from aiohttp.web_request import BaseRequest
from aiohttp.web_urldispatcher import AbstractResource
from multidict import istr

from service.config import Http
from service.errors import (
    Forbidden,
    Overloaded,
    Packed,
    RequestError,
    Unavailable,
)
from service.telemetry import Metrics, request_id
from service.web.abuse_limits import Address, Brake, LogLimit, Proxies
from service.web.admission import Admission, Connection, ticket
from service.web.auth import Access
from service.web.bodies import SMALL_BYTES
from service.web.http_responses import (
    TOKEN,
    UNCOMPRESSED,
    error_response,
    refusal_response,
    request_id_of,
    set_common_headers,
)
from service.web.policies import OPEN, READ, STRANGER, WRITE_MANY, Policies, Policy

log = logging.getLogger(__name__)


LOG_LIMIT = web.AppKey("log_limit", LogLimit)
BEGAN = web.ResponseKey("began", float)
"""When the stream that answers a lasting request began, by `time.perf_counter`."""
ADMISSION = web.AppKey("admission", Admission)

Handle = Callable[[BaseRequest], Awaitable[web.StreamResponse]]

GUARDED = "/api/"
"""Paths that begin with this need a token, unless their policy says otherwise."""


_FORWARDED_FOR = istr("X-Forwarded-For")
_WAITED = (202, Unavailable.status)
"""The statuses of requests that met an unavailable store; the log has one line for all of them."""
_ABSENCE_S = 60.0
"""The longest pause between two refusals of one outage, in seconds."""
_OURS = "Something went wrong here; the request id leads to the log."


def connection_of(request: BaseRequest) -> Connection:
    """Returns the connection of a request."""
    return cast("Connection", request.protocol)


class RequestGate:
    """Wraps the whole application: every request passes it before and after its handler.

    It is no aiohttp middleware: those don't see the errors of the router and of the `Expect`
    header, and each adds a call to every request.

    It remembers which handler the router found for a path. Our paths are fixed, and routing is 8 %
    of the instructions of a status update. aiohttp has no public way to give a request its match.

    Args:
        application: aiohttp's own handler of requests.
        access: checks tokens.
        admission: limits the requests under way.
        policies: the policy of each route.
        metrics: count each request.
        settings: say which requests are logged, and which proxies are trusted.
        lines: limits the log lines that strangers can cause.
    """

    def __init__(
        self,
        application: Handle,
        *,
        access: Access,
        admission: Admission,
        policies: Policies,
        metrics: Metrics,
        settings: Http,
        lines: LogLimit,
    ) -> None:
        self._application = application
        self._access = access
        self._admission = admission
        self._policies = policies
        self._metrics = metrics
        self._settings = settings
        self._lines = lines
        self._proxies = Proxies(settings.trusted_proxies)
        self._brake = Brake()
        self._matches: dict[tuple[str, str], web.UrlMappingMatchInfo] = {}
        self._unavailable_s: dict[str, float] = {}

    async def __call__(self, request: BaseRequest) -> web.StreamResponse:
        """Answers a request, whatever happens."""
        started_s = perf_counter()
        if self._admission.coming:
            connection_of(request).arrive()
        request_id.set(request_id_of(request))
        key = request.method, request.rel_url.raw_path
        policy = self._policies.get(key) or self._policy_elsewhere(request)
        try:
            try:
                self._let_in(request, policy)
                response = await self._dispatch(request, key)
                is_counted = not policy.small and _count_if_large(request, response, policy)
            except Exception as error:  # noqa: BLE001  every error has its answer
                response, is_counted = self._answer(request, error), False
            self._finish(request, response, policy, started_s)
            if is_counted:  # its bytes count until it is written, so it is written here
                await _write(request, response)
        finally:
            if (held := ticket.get()) is not None:
                held.release()
        if response.status == Forbidden.status and await self._brake.hold(self._caller_of(request)):
            response.force_close()  # so that the next guess costs a connection too
        return response

    def _dispatch(
        self, request: BaseRequest, key: tuple[str, str]
    ) -> Awaitable[web.StreamResponse]:
        """Returns the call of the route's handler, to be awaited.

        It is no coroutine function itself: that would cost every request another one.
        """
        match = self._matches.get(key)
        if match is None or hdrs.EXPECT in request.headers:
            return self._route(request, key)
        request._match_info = match  # type: ignore[attr-defined]  # noqa: SLF001
        return match.handler(request)  # type: ignore[arg-type]

    def _finish(
        self, request: BaseRequest, response: web.StreamResponse, policy: Policy, started_s: float
    ) -> None:
        """Completes the response, counts the request, and logs it if it is to be logged."""
        if _may_break(request):
            # aiohttp would close the connection without saying so: the next request would be lost.
            response.force_close()
        set_common_headers(response, request_id.get())
        ended_s = perf_counter()
        if policy.lasting:  # what counts is how long its stream took to begin
            ended_s = response.get(BEGAN, ended_s)
        took_s, route = ended_s - started_s, route_of(request)
        self._metrics.request(route, response.status, took_s)
        if self._settings.access_log or took_s > self._settings.slow_s:
            self._log_request(route, response.status, took_s)

    def _let_in(self, request: BaseRequest, policy: Policy) -> None:
        """Counts a request: among those of callers if it has a token, else among the strangers'.

        Raises:
            Packed: its body is compressed.
            Unauthorized: it needs a token and has none.
            Forbidden: it has a wrong token.
            Overloaded: there is no room for it.
        """
        if hdrs.CONTENT_ENCODING in request.headers:
            _check_plain(request)
        if policy.by_token:
            self._access.check_token(request.headers.get(TOKEN))
            connection: Connection = request.protocol  # type: ignore[assignment]
            admitted = self._admission.admit(policy.refused_at)
            ticket.set(admitted)
            connection.admit()
            if policy.lasting:
                admitted.admit_stream()
        elif policy is not OPEN:
            self._admission.check(policy.refused_at)
            ticket.set(self._admission.strangers.add(connection_of(request).cut_off))

    def _answer(self, request: BaseRequest, error: Exception) -> web.Response:
        """Returns the response to an error, and logs the error. It is logged nowhere else."""
        if isinstance(error, Unavailable):
            return self._unavailable(request, error)
        if isinstance(error, ConnectionError):
            if number := self._lines.due("caller_left"):
                log.info("caller_left", extra=self._about(request) | {"number": number})
            return error_response(400, "The request broke off before its end.")
        response = refusal_response(error)
        if response is None:
            extra = self._about(request) | {"status": 500}
            log.error("request_failed", extra=extra, exc_info=error)
            return error_response(500, _OURS)
        self._log_refusal(request, error, response.status)
        if isinstance(error, Overloaded) and connection_of(request).comes_anew_for_less():
            response.force_close()
        return response

    def _log_refusal(self, request: BaseRequest, error: Exception, status: int) -> None:
        """Logs one refusal a second for each status; at the level debug it logs all of them."""
        overloaded = isinstance(error, Overloaded)
        number = self._lines.due("overloaded" if overloaded else status)
        level = logging.WARNING if number else logging.DEBUG
        if log.isEnabledFor(level):
            extra = self._about(request) | {"status": status, "number": number}
            if isinstance(error, RequestError):
                extra["error"] = error.sentence
            log.log(level, "overloaded" if overloaded else "request_refused", extra=extra)

    def _unavailable(self, request: BaseRequest, error: Unavailable) -> web.Response:
        # Only the first refusal of an outage is logged as an error. `store_away` has said what
        # happened, metrics count the refusals, and a line for each would fill the disk.
        now_s, before_s = perf_counter(), self._unavailable_s.get(error.reason, -math.inf)
        self._unavailable_s[error.reason] = now_s
        first = now_s > before_s + _ABSENCE_S
        extra: dict[str, object] = {"route": route_of(request), "method": request.method}
        extra |= {"status": error.status, "reason": error.reason}
        log.log(logging.ERROR if first else logging.DEBUG, "store_unavailable", extra=extra)
        return error_response(error.status, error.sentence)

    def _about(self, request: BaseRequest) -> dict[str, object]:
        """Returns what a log line says about a request and its caller."""
        address = str(self._caller_of(request) or "unknown")
        return {"route": route_of(request), "method": request.method, "address": address}

    def _caller_of(self, request: BaseRequest) -> Address | None:
        return self._proxies.caller_of(request.remote, request.headers.getall(_FORWARDED_FOR, ()))

    def _policy_elsewhere(self, request: BaseRequest) -> Policy:
        """Returns the policy of a path that is no route's, or is one in another spelling."""
        known = self._policies.get((request.method, request.path))
        return known or (READ if request.path.startswith(GUARDED) else STRANGER)

    async def _route(self, request: BaseRequest, key: tuple[str, str]) -> web.StreamResponse:
        """Lets aiohttp find and call the handler, and remembers the handler for the path."""
        response = await self._application(request)
        if key in self._policies:  # a path has thousands of other spellings, all of them rare
            self._matches[key] = request._match_info  # type: ignore[attr-defined]  # noqa: SLF001
        return response

    def _log_request(self, route: str, status: int, took_s: float) -> None:
        """Logs a slow request, one a second for each route; logs every request if so set."""
        slow = took_s > self._settings.slow_s and status not in _WAITED
        number = self._lines.due("request_slow", route) if slow else 0
        if number or self._settings.access_log:
            extra = {"route": route, "status": status, "ms": round(took_s * 1000, 3)}
            if slow:
                extra["number"] = number
            log.info("request_slow" if slow else "request", extra=extra)


def _check_plain(request: BaseRequest) -> None:
    """Refuses a compressed body on any path: no caller needs to send one.

    Raises:
        Packed: the request has a compressed body.
    """
    if request.headers[hdrs.CONTENT_ENCODING].lower() != UNCOMPRESSED and request.body_exists:
        raise Packed


def _may_break(request: BaseRequest) -> bool:
    """Returns whether aiohttp may misread the next request on the connection."""
    body, headers = request.content, request.headers
    if hdrs.UPGRADE in headers:
        return True  # aiohttp loses what follows an `Upgrade`
    # A sender that was not told to continue may never send the body.
    return body.exception() is not None or (not body.is_eof() and hdrs.EXPECT in headers)


def _count_if_large(request: BaseRequest, response: web.StreamResponse, policy: Policy) -> bool:
    """Counts the bytes of an answer that may have to wait until the caller reads it.

    Returns:
        whether it is such an answer.

    Raises:
        Overloaded: there is no room for it, and the caller can ask again.
    """
    held, body = ticket.get(), response.body if isinstance(response, web.Response) else None
    if held is None or not isinstance(body, bytes):
        return False  # a stream is written piece by piece
    if len(body) <= SMALL_BYTES and not request.protocol.writing_paused:
        return False
    # A batch is written already, so its answer must not be refused. Its body stays counted.
    if policy is not WRITE_MANY:
        held.hold(2 * len(body))  # once for the response, once for the transport
    return True


async def _write(request: BaseRequest, response: web.StreamResponse) -> None:
    with suppress(ConnectionError):  # aiohttp notices it, and finds the response written
        await response.prepare(request)
        await response.write_eof()


def route_of(request: BaseRequest) -> str:
    """Returns the route's canonical path, for logs and metrics; never the path that was sent."""
    # `request.match_info` fails an assertion if the request was refused before it was routed.
    match: web.UrlMappingMatchInfo | None = getattr(request, "_match_info", None)
    return _path_of(None if match is None else match.route.resource)


@cache
def _path_of(resource: AbstractResource | None) -> str:
    if resource is None:
        return "unknown"
    path = resource.canonical
    return path if path.endswith("/") or not path.startswith(GUARDED) else f"{path}/"
