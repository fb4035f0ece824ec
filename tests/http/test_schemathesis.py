"""Schemathesis makes requests up from `/openapi.json`, good and bad, and judges the answers."""

import json
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from requests import Session
from schemathesis.checks import CheckContext
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
)

from service.api.batches import NDJSON
from service.api.openapi import document
from service.api.routes import ROUTES, WEBHOOKS
from service.domain.dimensions import FILTERS
from tests.http.test_openapi import is_beyond_patterns
from tests.process import Service

TOKEN, VERIFY_TOKEN = "test-token", "verify-token"
WEBHOOK = f"{WEBHOOKS}/whatsapp/"
HANDSHAKE = f"GET {WEBHOOK}"
EXCLUSIVE = f"{WEBHOOKS}/message-stats/", f"{WEBHOOKS}/failures/"
"""Of whose filters one may be given, which OpenAPI can't express."""

# Of a stream without an end it would wait for the end. `test_openapi` looks at that one's events.
description = schemathesis.openapi.from_dict(document(ROUTES, "0")).exclude(
    path=f"{WEBHOOKS}/live/"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Service(
        tmp_path_factory.mktemp("service"),
        TRACKER_AUTH__TOKENS=TOKEN,
        TRACKER_META__VERIFY_TOKEN=VERIFY_TOKEN,
        TRACKER_REDIS__URL="fakeredis://",
        TRACKER_HTTP__TRUSTED_PROXIES="127.0.0.1",
    ) as service:
        yield service.url


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as kept:
        yield kept


callers = count(int(IPv4Address("10.0.0.1")))


@schemathesis.serializer(NDJSON)
def one_line(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """What is made up for a stream is one line of it."""
    return json.dumps(value).encode()


@schemathesis.deserializer(NDJSON)
def only_line(_: schemathesis.DeserializationContext, response: Response) -> Any:
    return json.loads(response.content)


def sayable(value: Any, name: str = "") -> Any:
    """A good value without what is refused for reasons that JSON Schema can't express."""
    if isinstance(value, dict):
        return {key: sayable(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [sayable(part) for part in value]
    if name in {"timestamp", "sent_at"}:
        return "2026-01-15T10:30:05.000Z"  # a pattern knows no calendar, and not what time it is
    if (isinstance(value, float) and value.is_integer()) or type(value) is int:
        return min(int(value), 10**15)  # 1.0 is an integer in JSON Schema; digits can't be counted
    if name in {"wa_id", "recipient_id"} and is_beyond_patterns(value):
        value = "us.1" if value else ""
    if isinstance(value, str) and value.endswith("\n"):
        value = value[:-1] + "a"  # Python's $ stands before a line end, too; no other's does
    return value


def items_are_judged(_: CheckContext, response: Response, case: schemathesis.Case[Any]) -> None:
    """A batch is taken though items of it are bad: each is answered by itself."""
    made = case.meta and case.meta.components.get(ParameterLocation.BODY)
    if made and response.status_code == 200:
        assert json.loads(response.content)["ok"] == made.mode.is_positive


@pytest.mark.slow
@pytest.mark.timeout(300)
@description.parametrize()
@settings(max_examples=15, deadline=None)
def test_the_service_does_as_it_says(
    case: schemathesis.Case[Any], address: str, session: Session
) -> None:
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.body, case.query = sayable(case.body), sayable(case.query)
        if case.path in EXCLUSIVE:
            for name in [name for name in FILTERS if name in case.query][1:]:
                case.query.pop(name)
    if case.operation.label == HANDSHAKE:
        case.query["hub.verify_token"] = VERIFY_TOKEN
    batch = case.path.endswith("/batch/")
    # A caller with a token is told where nothing in a body is known; for no schema is that ill.
    # A parameter without a value is not sent, so a query that is ill by it alone is a good one.
    unsent = any(value is None or value == [] for value in (case.query or {}).values())
    excluded: list[Any] = [negative_data_rejection] if batch or unsent else []
    excluded += [positive_data_acceptance] if case.path == WEBHOOK else []
    # Lines are answered by lines, which the document says in words: see `openapi`.
    excluded += [content_type_conformance] if case.media_type == NDJSON else []
    case.call_and_validate(
        base_url=address,
        session=session,
        # Callers that send many wrong tokens must wait. So each request is another caller's.
        headers={"X-Webhook-Token": TOKEN, "X-Forwarded-For": str(IPv4Address(next(callers)))},
        additional_checks=[items_are_judged] if batch else [],
        excluded_checks=excluded,
    )
