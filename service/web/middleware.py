"""What every request goes through: its id, its token, errors to JSON, the access event, metrics."""

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
from service.web.refusals import Address, Brake, LogLimit, Proxies

log = logging.getLogger(__name__)


LOG_LIMIT = web.AppKey("log_limit", LogLimit)
BEGAN = web.ResponseKey("began", float)
"""When the response to a lasting request began, by `time.perf_counter`."""
ADMISSION = web.AppKey("admission", Admission)

Handle = Callable[[BaseRequest], Awaitable[web.StreamResponse]]

GUARDED = "/api/"
"""What begins with this needs a token, unless its policy says otherwise."""


_FORWARDED_FOR = istr("X-Forwarded-For")
_WAITED = (202, Unavailable.status)
"""Statuses that mean "the store is unavailable": one log line stands for all such requests."""
_ABSENCE_S = 60.0
"""Refusals for the same reason count as one outage while no more than this lies between them."""
_OURS = "Something went wrong here; the request id leads to the log."


def connection_of(request: BaseRequest) -> Connection:
    """The connection that a request came on."""
    return cast("Connection", request.protocol)


class RequestGate:
    """What every request goes through before and after the application.

    One function around the whole application, and no aiohttp middlewares: those don't see what
    the router and the `Expect` header raise, and each adds a call to every request. What the
    router once found for a path is remembered: our paths are fixed, and routing is 8 % of what a
    status update costs in instructions. There is no public way to hand a request its match.

    Args:
        application: aiohttp's own handler of requests.
        access: who is let in.
        admission: how many are.
        policies: of the routes.
        metrics: are told of each request.
        settings: which requests are logged, and what proxies are trusted.
        lines: bounds the log lines of requests that strangers can make.
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
        known = request_id_of(request)
        request_id.set(known)
        lasting = large = False
        try:
            try:
                if hdrs.CONTENT_ENCODING in request.headers:
                    _check_plain(request)
                key = request.method, request.rel_url.raw_path
                policy = self._policies.get(key) or self._policy_elsewhere(request)
                self._let_in(request, policy)
                lasting = policy.lasting
                match = self._matches.get(key)
                if match is None or hdrs.EXPECT in request.headers:
                    response = await self._route(key, request)
                else:
                    request._match_info = match  # type: ignore[attr-defined]  # noqa: SLF001
                    response = await match.handler(request)  # type: ignore[arg-type]
                large = not policy.small and _hold_large(request, response, policy)
            except Exception as error:  # noqa: BLE001  every error has its answer
                response = self._answer(request, error)
            if _may_break(request):
                response.force_close()  # aiohttp closes then, and the next request would be lost
            set_common_headers(response, known)
            ended_s = response.get(BEGAN, perf_counter()) if lasting else perf_counter()
            self._note(request, response.status, ended_s - started_s)
            if large:
                await _write(request, response)
        finally:
            if (held := ticket.get()) is not None:
                held.release()
        if response.status == Forbidden.status and await self._brake.hold(self._caller_of(request)):
            response.force_close()  # so that the next guess costs a connection too
        return response

    def _let_in(self, request: BaseRequest, policy: Policy) -> None:
        """Counts a request, on its caller's account or on that of all strangers."""
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
        """The response to an error, which is logged here and nowhere else."""
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
        """Logs a line a second for each status, and all others where the level is debug."""
        overloaded = isinstance(error, Overloaded)
        number = self._lines.due("overloaded" if overloaded else status)
        level = logging.WARNING if number else logging.DEBUG
        if log.isEnabledFor(level):
            extra = self._about(request) | {"status": status, "number": number}
            if isinstance(error, RequestError):
                extra["error"] = error.sentence
            log.log(level, "overloaded" if overloaded else "request_refused", extra=extra)

    def _unavailable(self, request: BaseRequest, error: Unavailable) -> web.Response:
        # Log only the first of an outage. `store_away` says what happened, metrics count the rest,
        # and a line for each would fill the disk.
        now_s, before_s = perf_counter(), self._unavailable_s.get(error.reason, -math.inf)
        self._unavailable_s[error.reason] = now_s
        first = now_s > before_s + _ABSENCE_S
        extra: dict[str, object] = {"route": route_of(request), "method": request.method}
        extra |= {"status": error.status, "reason": error.reason}
        log.log(logging.ERROR if first else logging.DEBUG, "store_unavailable", extra=extra)
        return error_response(error.status, error.sentence)

    def _about(self, request: BaseRequest) -> dict[str, object]:
        """What a log line says of a request and of who made it."""
        address = str(self._caller_of(request) or "unknown")
        return {"route": route_of(request), "method": request.method, "address": address}

    def _caller_of(self, request: BaseRequest) -> Address | None:
        return self._proxies.caller_of(request.remote, request.headers.getall(_FORWARDED_FOR, ()))

    def _policy_elsewhere(self, request: BaseRequest) -> Policy:
        """Of a path that is none of a route's, or one of them written in another way."""
        known = self._policies.get((request.method, request.path))
        return known or (READ if request.path.startswith(GUARDED) else STRANGER)

    async def _route(self, key: tuple[str, str], request: BaseRequest) -> web.StreamResponse:
        response = await self._application(request)
        if key in self._policies:  # other ways to write a path are thousands, and rare
            self._matches[key] = request._match_info  # type: ignore[attr-defined]  # noqa: SLF001
        return response

    def _note(self, request: BaseRequest, status: int, took_s: float) -> None:
        route = route_of(request)
        self._metrics.request(route, status, took_s)
        slow = took_s > self._settings.slow_s and status not in _WAITED
        number = self._lines.due("request_slow", route) if slow else 0
        if number or self._settings.access_log:
            extra = {"route": route, "status": status, "ms": round(took_s * 1000, 3)}
            if slow:
                extra["number"] = number
            log.info("request_slow" if slow else "request", extra=extra)


def _check_plain(request: BaseRequest) -> None:
    """Refuses a compressed body, whoever sends it and wherever to: no caller of the guide does.

    Raises:
        Packed: the request has such a body.
    """
    if request.headers[hdrs.CONTENT_ENCODING].lower() != UNCOMPRESSED and request.body_exists:
        raise Packed


def _may_break(request: BaseRequest) -> bool:
    """Whether aiohttp would read what follows wrongly, or perhaps would.

    A body may not come at all if its sender wasn't told to go on. What follows an `Upgrade` is
    lost.
    """
    body, headers = request.content, request.headers
    if hdrs.UPGRADE in headers:
        return True
    return body.exception() is not None or (not body.is_eof() and hdrs.EXPECT in headers)


def _hold_large(request: BaseRequest, response: web.StreamResponse, policy: Policy) -> bool:
    """Counts an answer that may wait for its reader until it is written; False for others.

    Raises:
        Overloaded: there is no room for it, and it can be asked for again.
    """
    held, body = ticket.get(), response.body if isinstance(response, web.Response) else None
    if held is None or not isinstance(body, bytes):
        return False  # a stream writes piece by piece
    if len(body) <= SMALL_BYTES and not request.protocol.writing_paused:
        return False
    if policy is not WRITE_MANY:  # what was written must be answered; the count of its body goes on
        held.hold(2 * len(body))  # the response has it, and the transport
    return True


async def _write(request: BaseRequest, response: web.StreamResponse) -> None:
    with suppress(ConnectionError):  # aiohttp, which finds it written, notices
        await response.prepare(request)
        await response.write_eof()


def route_of(request: BaseRequest) -> str:
    """The route's path for logs and metrics, in its canonical form; never what the caller sent."""
    # Not request.match_info, which asserts where a request was refused before it was routed.
    match: web.UrlMappingMatchInfo | None = getattr(request, "_match_info", None)
    return _path_of(None if match is None else match.route.resource)


@cache
def _path_of(resource: AbstractResource | None) -> str:
    if resource is None:
        return "unknown"
    path = resource.canonical
    return path if path.endswith("/") or not path.startswith(GUARDED) else f"{path}/"
