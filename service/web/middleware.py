"""What every request goes through: its id, its token, errors to JSON, the access event, metrics."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache
from itertools import count
from secrets import token_hex
from time import perf_counter
from typing import NamedTuple, cast

import orjson
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.web_request import BaseRequest
from aiohttp.web_urldispatcher import AbstractResource
from multidict import CIMultiDict, istr

from service.config import Http, Settings
from service.errors import (
    Forbidden,
    Overloaded,
    Packed,
    RequestError,
    TooLarge,
    TooSlow,
    Unauthorized,
    Unavailable,
)
from service.telemetry import Metrics, request_id
from service.web.admission import Admission, Connection, ticket
from service.web.auth import Access
from service.web.refusals import Address, Brake, LogLimit, Proxies

log = logging.getLogger(__name__)


SETTINGS = web.AppKey("settings", Settings)
LOG_LIMIT = web.AppKey("log_limit", LogLimit)
BEGAN = web.ResponseKey("began", float)
"""When the response to a lasting request began, by `time.perf_counter`."""
ADMISSION = web.AppKey("admission", Admission)

Handle = Callable[[BaseRequest], Awaitable[web.StreamResponse]]

GUARDED = "/api/"
"""What begins with this needs a token, unless its policy says otherwise."""

MIB = 1024**2
MOST_BODY_BYTES = 5 * MIB
"""Of any endpoint."""
_SMALL_BYTES = 16 * 1024
"""A body that came at once or an answer is counted by its bytes if it has more. Answers up to this
size fit into the kernel's buffer of a connection that is read."""

TOKEN = istr("X-Webhook-Token")
_FORWARDED_FOR = istr("X-Forwarded-For")
_REQUEST_ID = istr("X-Request-ID")
SANE_ID = r"[A-Za-z0-9._:/+=@-]{1,128}"
_SANE_ID = re.compile(SANE_ID)
_CACHE_CONTROL = istr(hdrs.CACHE_CONTROL)
_LABELS = CIMultiDict(
    {
        hdrs.SERVER: "message-tracker",  # aiohttp would name its own version and Python's
        "X-Content-Type-Options": "nosniff",
    }
)
_UNKEPT = CIMultiDict({**_LABELS, _CACHE_CONTROL: "no-store"})
_RETRY_AFTER_S = "1"
_PLAIN = "identity"
_WAITED = (202, Unavailable.status)
"""Statuses that mean "the store is unavailable": one log line stands for all such requests."""
_ABSENCE_S = 60.0
"""Refusals for the same reason count as one outage while no more than this lies between them."""
_OURS = "Something went wrong here; the request id leads to the log."
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This method is not allowed here; the Allow header lists those that are.",
    417: "The only expectation that is met is 100-continue.",
}


class Policy(NamedTuple):
    """How the requests of a route are let in.

    Attributes:
        by_token: whether they need a token; where not, the handler looks who it is, and until it
            knows they are strangers.
        refused_at: the part of the callers' limits in use at which they are refused.
        lasting: whether they go on for hours, and do little: they have a limit of their own.
        small: whether all of its answers are small.
    """

    by_token: bool
    refused_at: float
    lasting: bool = False
    small: bool = False


WRITE = Policy(by_token=True, refused_at=1.0, small=True)
"""For what the guide's callers send once and never again."""
WRITE_MANY = Policy(by_token=True, refused_at=1.0)
"""Likewise, for many in a request, with as many answers."""
READ = Policy(by_token=True, refused_at=0.8)
"""For what can be asked again."""
META = Policy(by_token=False, refused_at=0.8)
"""For Meta's webhook: it is signed instead, and Meta sends it again."""
STRANGER = Policy(by_token=False, refused_at=0.8)
"""For what anyone may ask."""
LIVE = Policy(by_token=True, refused_at=0.8, lasting=True)
"""For listeners, who can come again."""
OPEN = Policy(by_token=False, refused_at=math.inf)
"""For an operator's probes: never refused, and so not counted."""

Policies = Mapping[tuple[str, str], Policy]
"""By method and path; what isn't in it is looked at as `READ` or `STRANGER`."""

_made = count()


class _Process:
    """Whose requests these are: every process has a name of its own, workers included."""

    name = token_hex(6)


def _rename() -> None:
    _Process.name = token_hex(6)


os.register_at_fork(after_in_child=_rename)


def connection_of(request: BaseRequest) -> Connection:
    """The connection that a request came on."""
    return cast("Connection", request.protocol)


def request_id_of(request: BaseRequest) -> str:
    """The id that the caller gave the request, if it is a sane one, or a new one."""
    given = request.headers.get(_REQUEST_ID)
    if given and _SANE_ID.fullmatch(given):
        return given
    return new_request_id()


def new_request_id() -> str:
    """An id that no other request has, of any process."""
    return f"{_Process.name}-{next(_made):x}"


def error_response(status: int, sentence: str, field: str | None = None) -> web.Response:
    """An error as the contract has it."""
    body: dict[str, object] = {"ok": False, "error": sentence}
    if field:
        body["field"] = field
    response = web.json_bytes_response(body, dumps=orjson.dumps, status=status)
    if status == Unauthorized.status:
        response.headers["WWW-Authenticate"] = "X-Webhook-Token"
    if status == Unavailable.status:
        response.headers["Retry-After"] = _RETRY_AFTER_S
    if status == Packed.status:
        response.headers["Accept-Encoding"] = _PLAIN
    return response


def label(response: web.StreamResponse, known: str) -> None:
    """Puts the headers on a response that all have, and the request's id.

    Responses hold personal data or change at once, so no cache keeps one that doesn't say it may.
    """
    headers = response.headers
    if _REQUEST_ID in headers:
        return
    headers.add(_REQUEST_ID, known)  # to set one takes three times as long
    headers.extend(_LABELS if _CACHE_CONTROL in headers else _UNKEPT)


def http_error_response(error: web.HTTPException) -> web.Response:
    """An error that aiohttp raised, as the contract has it."""
    sentence = _SENTENCES.get(error.status, f"{error.reason}.")
    response = error_response(error.status, sentence)
    if allow := error.headers.get("Allow"):
        response.headers["Allow"] = allow
    return response


class Entrance:
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
            label(response, known)
            ended_s = response.get(BEGAN, perf_counter()) if lasting else perf_counter()
            self._note(request, response.status, ended_s - started_s)
            if large:
                await _write(request, response)
        finally:
            if (held := ticket.get()) is not None:
                held.leave()
        if response.status == Forbidden.status and await self._brake.hold(self._caller_of(request)):
            response.force_close()  # so that the next guess costs a connection too
        return response

    def _let_in(self, request: BaseRequest, policy: Policy) -> None:
        """Counts a request, on its caller's account or on that of all strangers."""
        if policy.by_token:
            self._access.check_token(request.headers.get(TOKEN))
            connection: Connection = request.protocol  # type: ignore[assignment]
            admitted = self._admission.enter(policy.refused_at)
            ticket.set(admitted)
            connection.admit()
            if policy.lasting:
                admitted.stay()
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
        response = _refusal_of(error)
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
    if request.headers[hdrs.CONTENT_ENCODING].lower() != _PLAIN and request.body_exists:
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
    if len(body) <= _SMALL_BYTES and not request.protocol.writing_paused:
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


def _refusal_of(error: Exception) -> web.Response | None:
    """The answer to a request that is at fault; None if the error is ours."""
    if isinstance(error, RequestError):
        return error_response(error.status, error.sentence, error.field)
    if isinstance(error, web.HTTPException):
        return http_error_response(error)
    if isinstance(error, web.RequestPayloadError):
        return error_response(400, "The body can't be read: its chunks are broken.")
    return None


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
    if len(body) > _SMALL_BYTES and (held := ticket.get()) is not None:
        held.hold(len(body))
    return body


async def _received(request: web.Request, most_bytes: int) -> bytes:
    """The body as it comes: what its head announces isn't counted, but what is there."""
    await invite(request)
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


async def invite(request: web.Request) -> None:
    """Tells a caller that waits for it to send its body: only now is it known that it is wanted."""
    if hdrs.EXPECT in request.headers and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp does: the answer hasn't begun


async def check_expectation(request: web.Request) -> None:
    """Refuses any `Expect` but 100-continue, which is met once the body is read: see `invite`."""
    expected = request.headers.get(hdrs.EXPECT, "").lower()
    if request.version == HttpVersion11 and expected != "100-continue":
        raise web.HTTPExpectationFailed
