"""Responses: the headers that all of them have, the request's id, and errors as JSON."""

from __future__ import annotations

import os
import re
from itertools import count
from secrets import token_hex

import orjson
from aiohttp import hdrs, web
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict, istr

from service.errors import (
    Packed,
    RequestError,
    Unauthorized,
    Unavailable,
)

TOKEN = istr("X-Webhook-Token")

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

UNCOMPRESSED = "identity"

_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This method is not allowed here; the Allow header lists those that are.",
    417: "The only expectation that is met is 100-continue.",
}

_made = count()


class _Process:
    """The name with which the ids of this process begin; each worker has its own."""

    name = token_hex(6)


def _rename() -> None:
    _Process.name = token_hex(6)


os.register_at_fork(after_in_child=_rename)


def request_id_of(request: BaseRequest) -> str:
    """Returns the id that the caller gave the request if it is well-formed, else a new one."""
    given = request.headers.get(_REQUEST_ID)
    if given and _SANE_ID.fullmatch(given):
        return given
    return new_request_id()


def new_request_id() -> str:
    """Returns an id that is unique over all processes."""
    return f"{_Process.name}-{next(_made):x}"


def error_response(status: int, sentence: str, field: str | None = None) -> web.Response:
    """Returns the JSON response to an error."""
    body: dict[str, object] = {"ok": False, "error": sentence}
    if field:
        body["field"] = field
    response = web.json_bytes_response(body, dumps=orjson.dumps, status=status)
    if status == Unauthorized.status:
        response.headers["WWW-Authenticate"] = "X-Webhook-Token"
    if status == Unavailable.status:
        response.headers["Retry-After"] = _RETRY_AFTER_S
    if status == Packed.status:
        response.headers["Accept-Encoding"] = UNCOMPRESSED
    return response


def set_common_headers(response: web.StreamResponse, known: str) -> None:
    """Adds the headers that all responses have, and the request's id."""
    headers = response.headers
    if _REQUEST_ID in headers:
        return
    headers.add(_REQUEST_ID, known)  # setting a header takes three times as long as adding it
    # Responses hold personal data or change at once: no cache may keep them, unless they say so.
    headers.extend(_LABELS if _CACHE_CONTROL in headers else _UNKEPT)


def http_error_response(error: web.HTTPException) -> web.Response:
    """Returns the JSON response to an error that aiohttp raised."""
    sentence = _SENTENCES.get(error.status, f"{error.reason}.")
    response = error_response(error.status, sentence)
    if allow := error.headers.get("Allow"):
        response.headers["Allow"] = allow
    return response


def refusal_response(error: Exception) -> web.Response | None:
    """Returns the answer to a faulty request; None if the fault is the service's own."""
    if isinstance(error, RequestError):
        return error_response(error.status, error.sentence, error.field)
    if isinstance(error, web.HTTPException):
        return http_error_response(error)
    if isinstance(error, web.RequestPayloadError):
        return error_response(400, "The body can't be read: its chunks are broken.")
    return None


JSON = {"Content-Type": "application/json"}


def json_response(body: object, status: int = 200) -> web.Response:
    """Returns a response with this body as JSON."""
    return web.json_bytes_response(body, dumps=orjson.dumps, status=status)
