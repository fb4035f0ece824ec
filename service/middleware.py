"""What every request goes through: its id, its token, errors to JSON, the access event, metrics."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from itertools import count
from secrets import token_hex
from time import perf_counter

import orjson
from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_urldispatcher import AbstractResource
from multidict import istr

from service.config import Http
from service.errors import Forbidden, RequestError, Unauthorized, Unavailable
from service.telemetry import Metrics, request_id

log = logging.getLogger(__name__)


Handle = Callable[[BaseRequest], Awaitable[web.StreamResponse]]

GUARDED = "/api/"
"""What begins with this needs a token."""

_TOKEN = istr("X-Webhook-Token")
_REQUEST_ID = istr("X-Request-ID")
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_RETRY_AFTER_S = "1"
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This method is not allowed here; the Allow header lists those that are.",
    413: "The body is too large; at most 1 MiB is allowed.",
    417: "The only expectation that is met is 100-continue.",
}

_made = count()
_process = token_hex(6)


def request_id_of(request: BaseRequest) -> str:
    """The id that the caller gave the request, if it is a sane one, or a new one."""
    given = request.headers.get(_REQUEST_ID)
    if given and _SANE_ID.fullmatch(given):
        return given
    return f"{_process}-{next(_made):x}"


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
    return response


def http_error_response(error: web.HTTPException) -> web.Response:
    """An error that aiohttp raised, as the contract has it."""
    sentence = _SENTENCES.get(error.status, f"{error.reason}.")
    response = error_response(error.status, sentence)
    if allow := error.headers.get("Allow"):
        response.headers["Allow"] = allow
    return response


def entrance(handle: Handle, *, metrics: Metrics, settings: Http, tokens: Sequence[str]) -> Handle:
    """What every request goes through before and after the application.

    One function around the whole application, and no aiohttp middlewares: those don't see what
    the router and the `Expect` header raise, and each adds a call to every request.

    Args:
        handle: the application.
        metrics: are told of each request.
        settings: which requests are logged.
        tokens: who has one of these is let in; at least one.
    """
    expected = [token.encode() for token in tokens]
    application = _Application(handle)

    async def entered(request: BaseRequest) -> web.StreamResponse:
        started_s = perf_counter()
        known = request_id_of(request)
        request_id.set(known)
        try:
            if request.path.startswith(GUARDED):
                _let_in(request.headers.get(_TOKEN), expected)
            response = await application(request)
        except Exception as error:  # noqa: BLE001  every error has its answer
            response = _answer(request, error)
        response.headers[_REQUEST_ID] = known
        took_s = perf_counter() - started_s
        metrics.request(route_of(request), response.status, took_s)
        if took_s > settings.slow_s or settings.access_log:
            _log_access(request, response.status, took_s, slow=took_s > settings.slow_s)
        return response

    return entered


class _Application:
    """Calls the application's handlers, with what its router once found for a path remembered.

    Our paths are fixed, and routing is 8 % of what a status update costs in instructions. There is
    no public way to hand a request its match.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._matches: dict[tuple[str, str], web.UrlMappingMatchInfo] = {}

    async def __call__(self, request: BaseRequest) -> web.StreamResponse:
        key = (request.method, request.rel_url.raw_path)
        match = self._matches.get(key)
        if match is None or hdrs.EXPECT in request.headers:
            return await self._route(key, request)
        request._match_info = match  # type: ignore[attr-defined]  # noqa: SLF001
        return await match.handler(request)  # type: ignore[arg-type]

    async def _route(self, key: tuple[str, str], request: BaseRequest) -> web.StreamResponse:
        response = await self._handle(request)
        match: web.UrlMappingMatchInfo = request._match_info  # type: ignore[attr-defined]  # noqa: SLF001
        if match.http_exception is None and not match:  # no part of the path is a parameter
            self._matches[key] = match
        return response


def _log_access(request: BaseRequest, status: int, took_s: float, *, slow: bool) -> None:
    extra = {"route": route_of(request), "status": status, "ms": round(took_s * 1000, 3)}
    log.info("request_slow" if slow else "request", extra=extra)


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


def _answer(request: BaseRequest, error: Exception) -> web.Response:
    """The response to an error, which is logged here and nowhere else."""
    extra: dict[str, object] = {"route": route_of(request), "method": request.method}
    if isinstance(error, Unavailable):
        log.error("store_unavailable", extra=extra | {"status": 503, "reason": error.reason})
        return error_response(error.status, error.sentence)
    if isinstance(error, RequestError):
        extra |= {"status": error.status, "error": error.sentence}
        log.warning("request_refused", extra=extra)
        return error_response(error.status, error.sentence, error.field)
    if isinstance(error, web.HTTPException):
        log.warning("request_refused", extra=extra | {"status": error.status})
        return http_error_response(error)
    if isinstance(error, ConnectionError):
        log.info("caller_left", extra=extra)
        return error_response(400, "The request broke off before its end.")
    if isinstance(error, web.RequestPayloadError):
        log.warning("request_refused", extra=extra | {"status": 400})
        return error_response(400, "The body can't be read: its encoding is broken.")
    log.error("request_failed", extra=extra | {"status": 500}, exc_info=error)
    return error_response(500, "Something went wrong here; the request id leads to the log.")


def _let_in(given: str | None, tokens: Sequence[bytes]) -> None:
    if not given:
        raise Unauthorized("The header X-Webhook-Token is missing.")
    encoded = given.encode(errors="surrogateescape")
    for token in tokens:
        if hmac.compare_digest(encoded, token):
            return
    raise Forbidden("The X-Webhook-Token is not one that is let in.")


class Protocol(RequestHandler):
    """Answers in JSON what never reaches the entrance: a malformed request line, a bad chunk."""

    __slots__ = ()

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
        response.headers[_REQUEST_ID] = known
        response.force_close()
        return response

    def log_exception(self, *args: object, **kw: object) -> None:  # noqa: ARG002  what aiohttp says
        """Of a connection that failed outside of a handler, such as in the rest of a body."""
        log.warning("connection_failed", extra={"error": type(kw.get("exc_info")).__name__})


class JsonServer(web.Server):
    """aiohttp's server with `Protocol`."""

    @classmethod
    def like(cls, server: web.Server, handle: Handle) -> JsonServer:
        """The same server with our protocol and another handler."""
        return cls(
            handle,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001  there is no other way to its arguments
            **server._kwargs,  # noqa: SLF001
        )

    def __call__(self) -> RequestHandler:
        """A connection's protocol."""
        return Protocol(self, loop=self._loop, **self._kwargs)
