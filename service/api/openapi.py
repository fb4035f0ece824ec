"""The OpenAPI description of the service, generated from the code.

Paths and policies come from the route table; bodies, parameters and answers from the models;
refusals from the errors; sentences from the docstrings of handlers and errors; meanings of fields
from `models.meanings`; samples from `samples.json`. Only the rest is written here: names of
headers, and how security and refusals follow from a route.
"""

from __future__ import annotations

import inspect
import math
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from service.api.batches import NDJSON
from service.api.event_stream import EVENT_STREAM
from service.api.failures_csv import CSV
from service.api.openapi_schemas import Schemas, parameters_of
from service.api.query_handlers import LAST_EVENT_ID
from service.api.report_handlers import SIGNATURE
from service.api.routes import Route, Tag
from service.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    Overloaded,
    Packed,
    RequestError,
    TooLarge,
    TooManyParts,
    TooSlow,
    Unauthorized,
    Unavailable,
)
from service.models.fields import MAX_WAMID
from service.models.requests import PLAIN
from service.models.responses import Refusal
from service.web.http_responses import TOKEN
from service.web.policies import META

Json = dict[str, Any]

_SCHEMES: Json = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": str(TOKEN),
        "description": "One of the tokens that the operator has set.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": str(SIGNATURE),
        "description": "`sha256=` and the hexadecimal HMAC-SHA256 of the body, as Meta signs it.",
    },
    "handshake": {
        "type": "apiKey",
        "in": "query",
        "name": "hub.verify_token",
        "description": "The word that the operator gave Meta together with the address.",
    },
}
_REQUEST_ID = "X-Request-ID"
_HEADERS: Json = {
    _REQUEST_ID: {
        "description": "The caller's own, if the request has one; the log has it too.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=@-]{1,128}$"},
    },
    "Link": {
        "description": 'Where more follow: the address of the next page, as rel="next".',
        "schema": {"type": "string", "pattern": '^<.+>; rel="next"$'},
    },
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "required": True,
        "schema": {"type": "integer"},
    },
    "Accept-Encoding": {
        "description": "The one encoding of bodies that is taken.",
        "required": True,
        "schema": {"type": "string", "const": "identity"},
    },
    "WWW-Authenticate": {
        "description": "The header that a token goes into.",
        "required": True,
        "schema": {"type": "string"},
    },
}
_HEADERS_OF_STATUS = {
    Unauthorized.status: ["WWW-Authenticate"],
    Packed.status: ["Accept-Encoding"],
    Unavailable.status: ["Retry-After"],
}
_RESUMING: Json = {
    "name": str(LAST_EVENT_ID),
    "in": "header",
    "required": False,
    "description": "The last `id` that was received, to go on behind it.",
    "example": "AdXZ6vahNAEA",
    "schema": {"type": "string"},
}
_OF_SHEETS = (
    "All recipients, a line each, after a line of column names. A cell that a spreadsheet would "
    "calculate or rewrite has an apostrophe in front. The last line says how many rows there "
    "are: `# 1234 rows`."
)
_IN_PATHS: Json = {
    "wamid": {
        "name": "wamid",
        "in": "path",
        "required": True,
        "description": "Meta's id of the message, percent-encoded.",
        "example": "wamid.HBgLMTk4NzY1NDMyMTA",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_WAMID} | PLAIN,
    }
}
_OF_EVENTS = (
    "Of the data of each `message` event: the message as it is now. An `id` holds for all events "
    "before it. `ready` begins the stream; `lost` says that changes were missed, and everything is "
    "to be loaded anew. Their data is `{}`."
)
_ABOUT = (
    "The memory of what became of each WhatsApp message that was sent. A path that ends in a slash "
    "is there without it too, and what answers GET answers HEAD. Sending anything again is safe."
)


SAMPLES = Path(__file__).with_name("samples.json")
"""The bodies of requests and answers by operation. `make samples` writes them."""

_OF_TAGS = {
    Tag.REPORTS: "The sender and the receiver of Meta's webhook report what became of messages.",
    Tag.WEBHOOK: "Meta's own webhook, for an operator who lets Meta call the service.",
    Tag.MESSAGES: "What became of messages, and how to remove them.",
    Tag.STATISTICS: "The numbers of events, templates and so on, and why messages failed.",
    Tag.OPERATION: "For those who run the service: probes, metrics, and this description.",
}
_REFUSAL_SAMPLES: tuple[RequestError, ...] = (
    BadRequest("limit must be a whole number from 1 to 200.", "limit"),
    Unauthorized("The header X-Webhook-Token is missing."),
    Forbidden("The X-Webhook-Token is not one that is let in."),
    NotFound("No message has this wamid."),
    TooSlow(),
    TooLarge(1),
    Packed(),
    Overloaded(),
)
_REFUSALS: Json = {
    f"Refused{error.status}": {
        "value": {"ok": False, "error": error.sentence}
        | ({"field": error.field} if error.field else {})
    }
    for error in _REFUSAL_SAMPLES
}


class _Bodies:
    """Describes bodies by content type: their schemas, and the samples of an operation."""

    def __init__(self) -> None:
        self.schemas = Schemas()
        self._samples: Json = orjson.loads(SAMPLES.read_bytes())

    def request(self, route: Route) -> Json:
        """Returns what a route takes."""
        samples = self._samples_of(route, "request")
        content = self._content(route.takes, samples)
        if route.lines:
            schema = {"description": "Of each line."} | self.schemas.item_of(route.takes)
            lists = [items for sample in samples.values() for items in sample.values()]
            line = {"line": lists[0][0]} if lists else {}
            content[NDJSON] = {"schema": schema, "examples": _named(line)}
        return content

    def answer(self, route: Route) -> Json:
        """Returns what a route answers.

        Lines of NDJSON are left out: for most generators an operation has answers of one type.
        """
        samples = self._samples_of(route, "answer")
        if route.events:
            schema = {**self.schemas.of(route.answers), "description": _OF_EVENTS}
            return {EVENT_STREAM: {"schema": schema, "examples": _named(samples)}}
        file = samples.pop("file", "")
        content = self._content(route.answers, samples)
        if route.sheet:
            schema = {"type": "string", "description": _OF_SHEETS}
            content[CSV] = {"schema": schema, "examples": _named({"file": file})}
        return content

    def queued(self, route: Route) -> Json:
        """Returns what a route answers when its reports have to wait for the store."""
        samples = self._samples_of(route, "answer")
        waiting = {name: sample | {"queued": True} for name, sample in samples.items()}
        return self._content(route.answers, waiting)

    def refusal(self, status: int) -> Json:
        """Returns the answer to a request that is refused."""
        sample = {"$ref": f"#/components/examples/Refused{status}"}
        schema = self.schemas.of(Refusal)
        return {"application/json": {"schema": schema, "examples": {"sample": sample}}}

    def _samples_of(self, route: Route, kind: str) -> Json:
        return dict(self._samples.get(_operation_id(route), {}).get(kind, {}))

    def _content(self, model: object, samples: Json) -> Json:
        if model is str:
            schema: Json = {"type": "string"}
            return {"text/plain": {"schema": schema, "examples": _named(samples)}}
        schema = self.schemas.of(model)
        return {"application/json": {"schema": schema, "examples": _named(samples)}}


def _named(samples: Json) -> Json:
    return {name: {"value": sample} for name, sample in samples.items()}


def document(routes: Iterable[Route], version: str) -> Json:
    """Returns the OpenAPI document.

    Args:
        routes: all endpoints.
        version: of the service.
    """
    bodies = _Bodies()
    paths: dict[str, Json] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, bodies)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Message tracker",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The service that gives this document."}],
        "tags": [{"name": tag, "description": _OF_TAGS[tag]} for tag in Tag],
        "paths": dict(paths),
        "components": {
            "schemas": bodies.schemas.named,
            "headers": _HEADERS,
            "examples": _REFUSALS,
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(route: Route, bodies: _Bodies) -> Json:
    summary, description = _words_of(route.handler)
    operation: Json = {
        "operationId": _operation_id(route),
        "tags": [route.tag],
        "summary": summary,
        "description": description,
        "security": _security(route),
    }
    if _has_body(route):
        operation["requestBody"] = {"required": True, "content": bodies.request(route)}
    elif parameters := _parameters(route):
        operation["parameters"] = parameters
    return operation | {"responses": _responses(route, bodies)}


def _operation_id(route: Route) -> str:
    """Returns the name of a route's operation: its handler's, in camelCase."""
    first, *rest = route.handler.__name__.split("_")
    return first + "".join(map(str.title, rest))


def _has_body(route: Route) -> bool:
    return route.takes is not None and route.method != "GET"


def _words_of(documented: object) -> tuple[str, str]:
    """Returns what a docstring says: its first line, behind the colon, and what follows.

    A summary has no full stop, as is usual in OpenAPI.
    """
    first, _, rest = inspect.cleandoc(documented.__doc__ or "").partition("\n")
    text = first.partition(": ")[2]
    return text[:1].upper() + text[1:].removesuffix("."), " ".join(rest.split())


def _security(route: Route) -> list[Json]:
    """Returns the ways to authenticate; a request needs one of them."""
    if route.policy.by_token:
        return [{"token": []}]
    if route.policy is not META:
        return []
    return [{"token": []}, {"signature": []}] if _has_body(route) else [{"handshake": []}]


def _parameters(route: Route) -> list[Json]:
    found = [_IN_PATHS[name] for name in re.findall(r"{(\w+)}", route.path)]
    if route.takes is not None:
        found += parameters_of(route.takes)
    return [*found, _RESUMING] if route.events else found


def _responses(route: Route, bodies: _Bodies) -> Json:
    pages = "cursor" in getattr(route.takes, "__struct_fields__", ())
    content = bodies.answer(route)
    refusals: dict[int, list[str]] = defaultdict(list)
    for refusal in _refusals(route):
        refusals[refusal.status].append(f"{_words_of(refusal)[0]}.")
    answers = {"200": _response("As asked.", content, *(["Link"] if pages else []))}
    if route.queued:
        answers["202"] = _response(
            "It is on disk and will be merged when Redis is back.",
            bodies.queued(route),
        )
    return answers | {
        str(status): _response(
            " Or: ".join(sentences),
            bodies.refusal(status),
            *_HEADERS_OF_STATUS.get(status, ()),
        )
        for status, sentences in sorted(refusals.items())
    }


def _refusals(route: Route) -> list[type[RequestError]]:
    """Returns the errors that a route's requests may get."""
    keys = {key for way in _security(route) for key in way}
    limited = route.policy.refused_at < math.inf
    holds = {
        BadRequest: route.takes is not None,
        Unauthorized: "token" in keys,
        Forbidden: bool(keys),
        TooSlow: _has_body(route),
        TooLarge: _has_body(route),
        TooManyParts: _has_body(route) and route.policy is not META,
        Packed: _has_body(route),
        Overloaded: limited,
        Unavailable: limited,
    }
    found = [error for error, may_be in holds.items() if may_be]
    return found + [error for error in route.refusals if error not in found]


def _response(description: str, content: Json, *headers: str) -> Json:
    named = {name: {"$ref": f"#/components/headers/{name}"} for name in (_REQUEST_ID, *headers)}
    return {"description": description, "headers": named, "content": content}
