"""The OpenAPI description of the service, generated from the code.

Paths and policies come from the route table; bodies, parameters and answers from the models;
refusals from the errors; sentences from the docstrings of handlers and errors. Only the rest is
written here: names of headers, and how security and refusals follow from a route.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from types import UnionType
from typing import Any, get_args

import msgspec

from service.api.batches import NDJSON
from service.api.event_stream import EVENT_STREAM
from service.api.failures_csv import CSV
from service.api.query_handlers import LAST_EVENT_ID
from service.api.report_handlers import SIGNATURE
from service.api.routes import Route
from service.errors import (
    BadRequest,
    Forbidden,
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
from service.models.schema import REF
from service.web.http_responses import TOKEN
from service.web.policies import META

Json = dict[str, Any]

_SCHEMES: Json = {
    "token": {"type": "apiKey", "in": "header", "name": str(TOKEN)},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": str(SIGNATURE),
        "description": "`sha256=` and the hexadecimal HMAC-SHA256 of the body, as Meta signs it.",
    },
    "handshake": {"type": "apiKey", "in": "query", "name": "hub.verify_token"},
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
        "description": "the message's id, percent-encoded",
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


class _Schemas:
    """Makes JSON Schemas of models, and collects those with a name in `named`."""

    def __init__(self) -> None:
        self.named: dict[str, Json] = {}

    def of(self, model: object) -> Json:
        """Returns the schema of a model, or of a union of models."""
        models = get_args(model) if isinstance(model, UnionType) else (model,)
        schemas, named = msgspec.json.schema_components(models, ref_template=REF)
        self.named |= named
        return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}

    def item_of(self, model: object) -> Json:
        """Returns the schema of the items in the list that a model holds."""
        name = self.of(model)["$ref"].rpartition("/")[2]
        fields = self.named[name]["properties"].values()
        return next(field["items"] for field in fields if "items" in field)

    def content(self, model: object, *, lines: bool) -> Json:
        """Returns the schemas of a body by content type; that of a stream describes one line."""
        if model is str:
            return {"text/plain": {"schema": {"type": "string"}}}
        content = {"application/json": {"schema": self.of(model)}}
        if lines:
            content[NDJSON] = {"schema": {"description": "Of each line."} | self.item_of(model)}
        return content

    def answer(self, route: Route) -> Json:
        """Returns the schemas of a route's answers by content type."""
        if route.events:
            return {EVENT_STREAM: {"schema": {"description": _OF_EVENTS} | self.of(route.answers)}}
        content = self.content(route.answers, lines=route.lines)
        if route.sheet:
            content[CSV] = {"schema": {"type": "string", "description": _OF_SHEETS}}
        return content


def document(routes: Iterable[Route], version: str) -> Json:
    """Returns the OpenAPI document.

    Args:
        routes: all endpoints.
        version: of the service.
    """
    schemas = _Schemas()
    paths: dict[str, Json] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Message tracker", "version": version, "description": _ABOUT},
        "paths": dict(paths),
        "components": {
            "schemas": schemas.named,
            "headers": _HEADERS,
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": route.handler.__name__,
        "summary": _sentence(route.handler),
        "security": _security(route),
    }
    if _has_body(route):
        content = schemas.content(route.takes, lines=route.lines)
        operation["requestBody"] = {"required": True, "content": content}
    elif parameters := _parameters(route):
        operation["parameters"] = parameters
    return operation | {"responses": _responses(route, schemas)}


def _has_body(route: Route) -> bool:
    return route.takes is not None and route.method != "GET"


def _sentence(documented: object) -> str:
    """Returns the part of a docstring's first line that follows its colon, as a sentence."""
    first, _, _ = (documented.__doc__ or "").partition("\n")
    text = first.partition(": ")[2]
    return text[:1].upper() + text[1:]


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
        found += _in_query(route.takes)
    return [*found, _RESUMING] if route.events else found


def _in_query(query: object) -> list[Json]:
    _, named = msgspec.json.schema_components((query,))
    [model] = named.values()
    return [
        _parameter(name, schema, required=name in model["required"])
        for name, schema in model["properties"].items()
    ]


def _parameter(name: str, schema: Json, *, required: bool) -> Json:
    if "anyOf" in schema:  # the type or null, but a query can't hold null
        [schema] = [option for option in schema["anyOf"] if option != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key != "description"}
    described = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": "query", "required": required, "schema": plain} | described


def _responses(route: Route, schemas: _Schemas) -> Json:
    pages = "cursor" in getattr(route.takes, "__struct_fields__", ())
    content = schemas.answer(route)
    refusals: dict[int, list[str]] = defaultdict(list)
    for refusal in _refusals(route):
        refusals[refusal.status].append(_sentence(refusal))
    answers = {"200": _response("As asked.", content, *(["Link"] if pages else []))}
    if route.queued:
        answers["202"] = _response(
            "It is on disk and will be merged when Redis is back.",
            schemas.content(route.answers, lines=False),
        )
    return answers | {
        str(status): _response(
            " Or: ".join(sentences),
            schemas.content(Refusal, lines=False),
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
