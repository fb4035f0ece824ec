"""What `/openapi.json` says is what the service does: its endpoints, requests and answers."""

import asyncio
import hashlib
import hmac
import io
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from aiohttp import ClientResponse, TCPConnector
from aiohttp.test_utils import TestClient
from hypothesis import example, given
from hypothesis import strategies as st

from service.api.app_keys import HEALTH
from service.api.event_stream import EVENT_STREAM
from service.api.openapi import SAMPLES, document
from service.api.routes import ROUTES
from service.api.static_files import redirects, static_files
from service.app import create_app
from service.config import Http, MetaApp, Settings
from service.errors import BadRequest, RequestError, TooManyParts
from service.models.decoding import Reader
from service.models.incoming import read_status, send_report
from service.models.requests import (
    ISO_TIME,
    EraseRequest,
    ForwardedStatusRequest,
    MessageLogsQuery,
    StatusLookupRequest,
    TrackSendRequest,
)
from service.models.selections import selection_of, selection_to_erase, wamids_of
from service.telemetry import Metrics
from tests.backends import Backend, open_store
from tests.conftest import TOKEN, Client, JsonTestServer, settings_of
from tests.factories import event_send, status_update
from tests.reference.story import tell

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "tests/guide/guide.md").read_text()
API = "/api/webhooks"
JSON, NDJSON, TEXT, CSV = "application/json", "application/x-ndjson", "text/plain", "text/csv"
SECRET, VERIFY_TOKEN = "app-secret", "verify-token"

Json = dict[str, Any]

DOCUMENT: Json = json.loads(json.dumps(document(ROUTES, "0")))
OPERATIONS = [
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
]
BODIES = [(method, path) for method, path in OPERATIONS if method == "POST"]
TOKENED = {"X-Webhook-Token": TOKEN}
LIVE = ("GET", f"{API}/live/")
RESUMING = TOKENED | {"Last-Event-ID": "of another store"}
FREE = {"/healthz", "/readyz", "/metrics", "/openapi.json"}


def operation(method: str, path: str) -> Json:
    found: Json = DOCUMENT["paths"][path][method.lower()]
    return found


SCHEMAS: Json = DOCUMENT["components"]["schemas"]
LISTS_ALIKE = {"operationId": 0, "summary": 0, "description": 3}
"""How many operations say the same as another: the lists of values do the same work."""


def is_sentence(described: Json) -> bool:
    return re.fullmatch(r"[A-Z`].+\.", described.get("description", ""), re.DOTALL) is not None


def lacks_example(schema: Json) -> bool:
    """Whether a field lacks an example: one of its own, or those of the schema it refers to."""
    refers = "$ref" in json.dumps(schema)
    is_skipped = "doesn't store" in schema["description"]
    return not refers and not is_skipped and "examples" not in schema


def resolved(part: Json) -> Json:
    """A part of the document, or what it refers to."""
    found: Json = DOCUMENT
    if "$ref" not in part:
        return part
    for name in part["$ref"].split("/")[1:]:
        found = found[name]
    return found


def validator_of(schema: Json, components: Json | None = None) -> jsonschema_rs.Validator:
    whole = {"components": {"schemas": components or DOCUMENT["components"]["schemas"]}}
    return jsonschema_rs.Draft202012Validator(schema | whole, validate_formats=True)


@cache
def body_validator(path: str, content_type: str = JSON) -> jsonschema_rs.Validator:
    content = operation("POST", path)["requestBody"]["content"]
    return validator_of(content[content_type]["schema"])


def closed(schema: Any) -> Any:
    """The schema with no other properties let through than those that it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: closed(part) for name, part in schema.items()}
    return parts | ({"additionalProperties": False} if "properties" in parts else {})


CLOSED = closed(DOCUMENT["components"]["schemas"])


@cache
def answer_validator(method: str, path: str, status: str, kind: str) -> jsonschema_rs.Validator:
    content = operation(method, path)["responses"][status]["content"]
    if kind == NDJSON:  # each line is what the other answer has of an item
        whole = resolved(content[JSON]["schema"])
        return validator_of(closed(whole["properties"]["results"]["items"]), CLOSED)
    schema = content[kind]["schema"]
    return validator_of(closed(schema), CLOSED)


async def check_documented(method: str, path: str, response: ClientResponse) -> None:
    """Holds a response against what the document says of it."""
    described = operation(method, path)["responses"][str(response.status)]
    for name, reference in described["headers"].items():
        header = DOCUMENT["components"]["headers"][reference["$ref"].rpartition("/")[2]]
        if header.get("required") or name in response.headers:
            value = response.headers[name]
            typed = int(value) if header["schema"]["type"] == "integer" else value
            validator_of(header["schema"]).validate(typed)
    for name in ("Link", "Retry-After", "WWW-Authenticate", "Accept-Encoding"):
        assert name in described["headers"] or name not in response.headers
    text = await response.text()
    for part in text.splitlines() if response.content_type == NDJSON else [text]:
        kind = response.content_type
        answered = part if kind in {TEXT, CSV} else json.loads(part)
        answer_validator(method, path, str(response.status), kind).validate(answered)


class TestDocument:
    def test_it_is_valid_openapi(self) -> None:
        schemathesis.openapi.from_dict(DOCUMENT).validate()

    def test_its_schemas_are_valid_and_all_that_they_refer_to_is_there(self) -> None:
        for schema in DOCUMENT["components"]["schemas"].values():
            jsonschema_rs.meta.validate(schema)
            validator_of(schema)
        for reference in re.findall(r'"#/([^"]+)"', json.dumps(DOCUMENT)):
            found = DOCUMENT
            for name in reference.split("/"):
                found = found[name]

    def test_every_operation_has_a_name_a_chapter_and_words_of_its_own(self) -> None:
        operations = [operation(*each) for each in OPERATIONS]
        for own in ("operationId", "summary", "description"):
            assert len({each[own] for each in operations}) >= len(OPERATIONS) - LISTS_ALIKE[own]
        chapters = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
        assert {tag for each in operations for tag in each["tags"]} == chapters
        for each in operations:
            assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", each["operationId"])
            assert re.fullmatch(r"[A-Z].+[^.]", each["summary"])
            assert is_sentence(each)

    def test_every_field_parameter_and_header_says_what_it_is(self) -> None:
        fields = {
            f"{name}.{field}": schema
            for name, model in SCHEMAS.items()
            for field, schema in model.get("properties", {}).items()
        }
        assert [name for name, model in SCHEMAS.items() if "description" not in model] == []
        assert [name for name, schema in fields.items() if not is_sentence(schema)] == []
        assert [name for name, schema in fields.items() if lacks_example(schema)] == []
        headers = DOCUMENT["components"]["headers"].values()
        parameters = [p for each in OPERATIONS for p in operation(*each).get("parameters", [])]
        assert all(map(is_sentence, [*headers, *parameters]))
        assert all("example" in parameter for parameter in parameters)

    def test_no_generator_has_to_rename_a_schema(self) -> None:
        """They make types of operations and fields, too, as `EraseResponse` of `erase`."""
        ids = [operation(*each)["operationId"] for each in OPERATIONS]
        made = {
            f"{name[0].upper()}{name[1:]}{end}".lower()
            for name in ids
            for end in ("Data", "Error", "Errors", "Response", "Responses", "Params", "Body")
        }
        of_fields = [
            f"{name}{field.replace('_', '')}".lower()
            for name, model in SCHEMAS.items()
            for field, schema in model.get("properties", {}).items()
            if "$ref" not in schema
        ]
        made |= set(of_fields)
        assert len(set(of_fields)) == len(of_fields)
        names = [name.lower() for name in SCHEMAS]
        assert all(re.fullmatch(r"([A-Z][a-z]+)+", name) for name in SCHEMAS)
        assert len(set(names)) == len(names)
        assert made.isdisjoint(names)

    def test_nothing_defaults_to_null(self) -> None:
        assert '"default": null' not in json.dumps(DOCUMENT)

    @pytest.mark.parametrize("backend", ["fake"], indirect=True)
    def test_it_has_the_endpoints_of_the_router_and_no_others(self, backend: Backend) -> None:
        routed = {
            (route.method, route.resource.canonical)
            for route in create_app(settings_of(backend)).router.routes()
            if route.resource and route.resource.canonical not in {*static_files(), *redirects()}
        }
        documented = {
            (method, form)
            for described, path in OPERATIONS
            for form in (path, path.rstrip("/"))
            for method in ([described, "HEAD"] if described == "GET" else [described])
        }
        assert documented == routed

    def test_every_refusal_is_documented_and_says_why(self) -> None:
        answers = {
            (status, sentence)
            for each in OPERATIONS
            for status, answer in operation(*each)["responses"].items()
            for sentence in answer["description"].split(" Or: ")
        }
        assert all(re.fullmatch(r"[A-Z].+\.", sentence) for _, sentence in answers)
        errors: list[type[RequestError]] = [*RequestError.__subclasses__(), TooManyParts]
        assert len(answers) == 2 + len(errors)  # 200 and 202
        for error in errors:
            assert str(error.status) in {status for status, _ in answers}

    def test_whoever_needs_no_token_is_told_so(self) -> None:
        for method, path in OPERATIONS:
            security = [name for way in operation(method, path)["security"] for name in way]
            expected = {
                ("GET", f"{API}/whatsapp/"): ["handshake"],
                ("POST", f"{API}/whatsapp/"): ["token", "signature"],
            }
            assert security == expected.get((method, path), [] if path in FREE else ["token"])
            statuses = set(operation(method, path)["responses"])
            assert ("401" in statuses) == ("token" in security)
            assert ("403" in statuses) == bool(security)


MADE_UP = {
    "new Date(parseInt(status.timestamp) * 1000).toISOString()": "'2024-01-15T10:30:00.000Z'",
    "status.status": "'failed'",
    "status.errors": '[{"code": 131026, "title": "Message undeliverable"}]',
}
"""What stands for expressions in the guide's examples; any other for itself, as a text."""


def example_of(typescript: str) -> Json:
    """The object that an example gives to `JSON.stringify`."""
    text = re.sub(r" *//.*", "", typescript)
    for expression, literal in MADE_UP.items():
        text = text.replace(expression, literal)
    text = re.sub(r"\b(\w+): ", r'"\1": ', text)
    text = re.sub(r'": ([a-z][\w.]*)', r'": "\1"', text)
    found: Json = json.loads(text.replace("'", '"'))
    return found


def guide_examples() -> list[tuple[str, str]]:
    """Each request of the guide: its address, and what it sends."""
    calls = re.findall(r"fetch\(\s*`\$\{[\w.]+\}(/api[^`]*)`(.*?)\n *\}?\);", GUIDE, re.DOTALL)
    found = []
    for address, options in calls:
        body = re.search(r"JSON\.stringify\((\{.*\})\)", options, re.DOTALL)
        found.append((re.sub(r"\$\{(\w+)\}", r"\1", address), body[1] if body else ""))
    return found


def typed(text: str, parameter: Json) -> object:
    """The value of a parameter that comes as this text."""
    kind = parameter.get("schema", {}).get("type")
    is_typed = {"integer": r"0|[1-9][0-9]*", "boolean": "true|false"}.get(kind)
    return json.loads(text) if is_typed and re.fullmatch(is_typed, text) else text


def query_is_valid(address: str) -> bool:
    """Whether the parameters of a GET are those that are documented, in their form."""
    parts = urlsplit(address)
    described = {p["name"]: p for p in operation("GET", parts.path)["parameters"]}
    texts = dict(parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True))
    given = {name: typed(text, described.get(name, {})) for name, text in texts.items()}
    return {name for name, p in described.items() if p["required"]} <= set(given) and all(
        name in described and validator_of(described[name]["schema"]).is_valid(value)
        for name, value in given.items()
    )


class TestExamples:
    @pytest.mark.parametrize(("address", "typescript"), guide_examples())
    def test_of_the_guide(self, address: str, typescript: str) -> None:
        if typescript:
            body_validator(address).validate(example_of(typescript))
        else:
            assert query_is_valid(address)

    def test_there_are_as_many_as_expected(self) -> None:
        assert len(guide_examples()) == GUIDE.count("await fetch(") == 13

    async def test_the_bodies_are_what_the_service_takes_and_answers(self) -> None:
        assert json.loads(SAMPLES.read_text()) == await tell()

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_of_every_body(self, method: str, path: str) -> None:
        described = operation(method, path)
        bodies = [described["requestBody"]] if "requestBody" in described else []
        for body in [*bodies, *described["responses"].values()]:
            for content in body["content"].values():
                assert content["examples"]
                for sample in map(resolved, content["examples"].values()):
                    validator_of(content["schema"]).validate(sample["value"])

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_of_every_parameter(self, method: str, path: str) -> None:
        for parameter in operation(method, path).get("parameters", []):
            validator_of(parameter["schema"]).validate(parameter["example"])

    def test_of_the_document_itself(self) -> None:
        named = DOCUMENT["components"]["schemas"].values()
        fields = [field for schema in named for field in schema.get("properties", {}).values()]
        shown = 0
        for field in fields:
            for part in (field, field.get("items", {}), *field.get("anyOf", [])):
                for value in part.get("examples", []):
                    validator_of(part).validate(value)
                    shown += 1
        assert shown > 100


TEXTS = (
    st.text(max_size=8)
    | st.text("0123456789+ -.aé€\x7f\x85\n", max_size=16)
    | st.sampled_from(
        ["", "123456", "a" * 128, "é" * 129, "a" * 140, "9" * 141, "9" * 256, "x" * 257, "n" * 513]
    )
)
VALUES = (
    TEXTS
    | st.integers(-1, 10**15)
    | st.sampled_from([99_999, 100_000, 2**64, 1_230_768_000, 1_230_767_999, 1_700_000_000_000])
    | st.none()
    | st.booleans()
    | st.floats(0.1, 0.9)
    | st.lists(st.text(max_size=1), max_size=1)
)
TIMES = st.sampled_from(["2024-01-15T10:30:00Z", 1705314600, "1705314600", "01705314600"])
NEARLY_TIMES = st.from_regex(ISO_TIME, fullmatch=True) | st.datetimes().map(str)
NOW_US = 1_705_400_000_000_000


def body_of(good: Json, model: type[msgspec.Struct]) -> st.SearchStrategy[Json]:
    """A good body with a few of its fields made anything."""
    changes = st.dictionaries(st.sampled_from(model.__struct_fields__), VALUES, max_size=3)
    return changes.map(lambda changed: good | changed)


BEYOND_PATTERNS = re.compile(
    r"""[\s\S]*[^\x00-\x7f][\s\S]*     # whether one of them is a letter or a digit
    | [^0-9]*0[^0-9]*0[\s\S]*          # how many digits there are behind 00
    | [\s\S]*[.,]0+[^0-9a-z]*          # a number as a spreadsheet shows it
    | [\s\S]*[0-9]\W*(e|x\W*10)[\s\S]*
    | \W*[a-z]{1,9}(\W*[a-z]{2,6})?\W*  # a word that stands for no value
    """,
    re.VERBOSE | re.IGNORECASE,
)


def is_beyond_patterns(recipient: object) -> bool:
    """Whether a recipient may be refused for a reason that no pattern can say in every language."""
    return isinstance(recipient, str) and bool(BEYOND_PATTERNS.fullmatch(recipient))


SEND = Reader(TrackSendRequest)
NOTES = Metrics()
LOOK_UP = Reader(StatusLookupRequest)
ERASE = Reader(EraseRequest)
QUERY = Reader(MessageLogsQuery)


def takes(read: Any, body: Json) -> bool:
    try:
        read(json.dumps(body).encode())
    except BadRequest:
        return False
    return True


class TestRequestsAreTakenAsDocumented:
    """What the schema lets through is taken, and what is taken the schema lets through."""

    @given(body_of({"wa_id": "919876543210", "template_wamid": "wamid.1"}, TrackSendRequest))
    @example({"wa_id": "12345", "template_wamid": "wamid.1"})
    @example({"wa_id": "+1 23-45.6", "template_wamid": "wamid.1"})
    @example({"wa_id": 100_000, "template_wamid": "wamid.1"})
    @example({"wa_id": "91\x009876543210\n", "template_wamid": "wamid.1"})
    @example({"wa_id": "US.1\x00", "template_wamid": "wamid.1"})
    @example({"wa_id": "9" * 17 + "\x00", "template_wamid": "wamid.1"})
    @example({"wa_id": "919876543210.0", "template_wamid": "wamid.1"})
    @example({"wa_id": "undefined", "template_wamid": "wamid.1"})
    def test_sends(self, body: Json) -> None:
        valid = body_validator(f"{API}/track-send/").is_valid(body)
        taken = takes(lambda raw: send_report(SEND.body(raw), NOW_US), body)
        beyond = is_beyond_patterns(body["wa_id"]) or bool(body.get("sent_at"))
        assert valid == taken or (valid and beyond)
        one = {"messages": [body]}
        assert body_validator(f"{API}/track-send/batch/").is_valid(one) == valid
        assert body_validator(f"{API}/track-send/batch/", NDJSON).is_valid(body) == valid

    @given(
        body_of({"wamid": "wamid.1", "status": "failed"}, ForwardedStatusRequest),
        TIMES | TIMES | NEARLY_TIMES | VALUES,
    )
    def test_updates(self, body: Json, time: object) -> None:
        body["timestamp"] = time
        valid = body_validator(f"{API}/message-status/").is_valid(body)
        taken = takes(lambda raw: read_status(raw, NOW_US, NOTES), body)
        ahead = isinstance(time, int) and time > NOW_US // 1_000_000
        is_text = isinstance(time, str) and not time.isdigit()  # a pattern knows no calendar
        assert valid == taken or (valid and (ahead or is_text))
        one = {"updates": [body]}
        assert body_validator(f"{API}/message-status/batch/").is_valid(one) == valid
        assert body_validator(f"{API}/message-status/batch/", NDJSON).is_valid(body) == valid

    @given(st.fixed_dictionaries({"wamids": VALUES | st.lists(VALUES)}))
    def test_look_ups(self, body: Json) -> None:
        valid = body_validator(f"{API}/message-status-lookup/").is_valid(body)
        assert valid == takes(lambda raw: wamids_of(LOOK_UP.body(raw)), body)

    @given(st.dictionaries(st.sampled_from(EraseRequest.__struct_fields__), VALUES, max_size=3))
    @example({"recipient_id": "919876543210"})
    @example({"guest_id": 0, "event_id": None, "recipient_id": ""})
    @example({"guest_id": "g", "event_id": "e"})
    def test_erasures(self, body: Json) -> None:
        valid = body_validator(f"{API}/erase/").is_valid(body)
        taken = takes(lambda raw: selection_to_erase(ERASE.body(raw)), body)
        assert valid == taken or (valid and is_beyond_patterns(body.get("recipient_id")))

    @given(
        st.dictionaries(
            st.sampled_from(MessageLogsQuery.__struct_fields__),
            TEXTS | st.sampled_from(["true", "sent", "200", "0", "1" * 16 + "." + "a" * 22]),
            max_size=2,
        )
    )
    def test_parameters(self, query: dict[str, str]) -> None:
        address = f"{API}/message-logs/?{urlencode(query)}" if query else f"{API}/message-logs/"
        try:
            taken = bool(selection_of(QUERY.query(list(query.items()))))
        except BadRequest:
            taken = False
        valid = query_is_valid(address)
        assert valid == taken or (valid and is_beyond_patterns(query["recipient_id"]))


META_ANSWERS = MetaApp(app_secret=[SECRET], verify_token=[VERIFY_TOKEN])
HANDSHAKE = {
    "hub.mode": "subscribe",
    "hub.challenge": "1158201444",
    "hub.verify_token": VERIFY_TOKEN,
}
STANDALONE = {"wa_id": "919876543210", "template_wamid": "wamid.9"}
OTHER = event_send(
    3, event_id="event-2", template_name="another", campaign_id="run-1", phone_number_id="106"
)
FAILED = status_update(2, "failed", errors=[{"code": 131026, "title": "Message undeliverable"}])
METAS = {"id": "wamid.9", "status": "read", "timestamp": "1768473005"}
CHANGE = {"field": "messages", "value": {"messages": [{}], "statuses": [METAS]}}
PAYLOAD = json.dumps({"entry": [{"changes": [CHANGE]}]}).encode()
LINES = {"X-Webhook-Token": TOKEN, "Content-Type": NDJSON}
SIGNED = {
    "X-Hub-Signature-256": "sha256=" + hmac.digest(SECRET.encode(), PAYLOAD, hashlib.sha256).hex()
}
GOOD: list[tuple[str, str, object, dict[str, str]]] = [
    ("POST", f"{API}/track-send/", event_send(1), {}),
    ("POST", f"{API}/track-send/", STANDALONE, {}),
    ("POST", f"{API}/track-send/batch/", {"messages": [event_send(1), STANDALONE, {}]}, {}),
    ("POST", f"{API}/track-send/batch/", [OTHER, STANDALONE, {}], LINES),
    ("POST", f"{API}/message-status/", FAILED, {}),
    ("POST", f"{API}/message-status/batch/", {"updates": [status_update(1, "read"), {}]}, {}),
    ("POST", f"{API}/message-status/batch/", [status_update(1, "read"), {}], LINES),
    ("POST", f"{API}/message-status-lookup/", {"wamids": ["wamid.1", "wamid.2", "no"]}, {}),
    ("GET", f"{API}/message-logs/", {}, {}),
    ("GET", f"{API}/message-logs/", {"limit": "1"}, {}),
    ("GET", f"{API}/message-logs/latest/", {"registration_id": "registration-1"}, {}),
    ("GET", f"{API}/message-logs/latest/", {"registration_id": "no"}, {}),
    ("GET", f"{API}/messages/{{wamid}}/", {}, {}),
    ("GET", f"{API}/message-stats/", {}, {}),
    ("GET", f"{API}/message-stats/", {"event_id": "event-1"}, {}),
    ("GET", f"{API}/events/", {"limit": "1"}, {}),
    ("GET", f"{API}/templates/", {"limit": "1"}, {}),
    ("GET", f"{API}/campaigns/", {"limit": "1"}, {}),
    ("GET", f"{API}/phone-numbers/", {"limit": "1"}, {}),
    ("GET", f"{API}/failures/", {}, {}),
    ("GET", f"{API}/failures/", {"template_name": "none"}, {}),
    ("GET", f"{API}/failures/", {"class": "never", "code": "131026", "format": "csv"}, {}),
    ("POST", f"{API}/erase/", {"event_id": "event-1"}, {}),
    ("GET", f"{API}/whatsapp/", HANDSHAKE, {}),
    ("POST", f"{API}/whatsapp/", PAYLOAD, {}),
    ("POST", f"{API}/whatsapp/", PAYLOAD, SIGNED),
    ("POST", f"{API}/whatsapp/", PAYLOAD, SIGNED | TOKENED),
    ("GET", "/healthz", {}, {}),
    ("GET", "/readyz", {}, {}),
    ("GET", "/metrics", {}, {}),
    ("GET", "/openapi.json", {}, {}),
]
"""Method, path, parameters or body, and headers beside the token, in an order that makes sense."""


@asynccontextmanager
async def service(http: Http | None = None) -> AsyncIterator[Client]:
    """A caller without a token of a service on an empty store."""
    backend = Backend("fakeredis://", partitions=1)
    async with open_store(backend):
        pass
    settings: Settings = msgspec.structs.replace(
        settings_of(backend), meta=META_ANSWERS, http=http or Http()
    )
    # A new connection each time: who asks again on that of a refusal has to wait.
    connector = TCPConnector(force_close=True)
    server = JsonTestServer(create_app(settings))
    async with TestClient(server, connector=connector) as client:
        yield client


@asynccontextmanager
async def call(
    client: Client,
    method: str,
    path: str,
    given: Any = b"",
    headers: Mapping[str, str] = TOKENED,
) -> AsyncIterator[ClientResponse]:
    """A response to parameters or a body; an iterable of objects is sent as lines."""
    path = path.replace("{wamid}", "wamid.1")
    if method == "GET":
        async with client.get(path, params=given or {}, headers=headers) as response:
            yield response
        return
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    if isinstance(given, list):
        body = b"\n".join(json.dumps(item).encode() for item in given)
    async with client.post(path, data=io.BytesIO(body), headers=headers) as response:
        yield response


async def track_two(client: Client) -> None:
    """Two messages are tracked, of an event and of none."""
    for body in (event_send(1), STANDALONE):
        async with call(client, "POST", f"{API}/track-send/", json.dumps(body).encode()) as answer:
            assert answer.status == 200


async def status_of(client: Client, method: str, path: str) -> int:
    async with call(client, method, path) as response:
        return response.status


class TestAnswersAreAsDocumented:
    async def test_what_was_asked_for(self) -> None:
        linked = 0
        async with service() as client:
            for method, path, given, headers in GOOD:
                async with call(client, method, path, given, headers or TOKENED) as response:
                    assert response.status == 200
                    await check_documented(method, path, response)
                    linked += "Link" in response.headers
        assert {(method, path) for method, path, *_ in GOOD} == set(OPERATIONS) - {LIVE}
        assert linked == 3

    async def test_changes_as_they_happen(self) -> None:
        """The stream has no end, so its events are looked at as they come."""
        async with service() as client, call(client, *LIVE, {}, RESUMING) as response:
            assert (response.status, response.content_type) == (200, EVENT_STREAM)
            await track_two(client)
            seen, event = set[str](), "message"
            while seen != {"ready", "lost", "message"}:
                name, _, value = (await response.content.readline()).decode().partition(": ")
                if name == "event":
                    event = value.strip()
                elif name == "data":
                    validator = answer_validator(*LIVE, "200", EVENT_STREAM)
                    assert validator.is_valid(json.loads(value)) == (event == "message")
                    assert event == "message" or value == "{}\n"
                    seen.add(event)
                    event = "message"
        described = operation(*LIVE)["responses"]["200"]["content"][EVENT_STREAM]["schema"]
        assert all(f"`{name}`" in described["description"] for name in seen)
        names = {parameter["name"] for parameter in operation(*LIVE)["parameters"]}
        assert "Last-Event-ID" in names

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    async def test_refusals_of_the_request(self, method: str, path: str) -> None:
        documented = set(operation(method, path)["responses"]) & {
            "400",
            "401",
            "403",
            "413",
            "415",
        }
        async with service() as client:
            async with call(client, method, path, headers={}) as response:
                seen = {str(response.status)}
                await check_documented(method, path, response)
            wrong = {"hub.verify_token": "wrong"} if method == "GET" else b""
            async with call(client, method, path, wrong, {"X-Webhook-Token": "no"}) as response:
                seen.add(str(response.status))
                await check_documented(method, path, response)
            ill = {"hub.verify_token": VERIFY_TOKEN} if method == "GET" else b"{"
            async with call(client, method, path, ill) as response:
                seen.add(str(response.status))
                await check_documented(method, path, response)
            if method == "POST":
                async with call(client, method, path, bytes(5 * 1024**2 + 1)) as response:
                    seen.add(str(response.status))
                    await check_documented(method, path, response)
                packed = TOKENED | {"Content-Encoding": "gzip"}
                async with call(client, method, path, b"{}", packed) as response:
                    seen.add(str(response.status))
                    await check_documented(method, path, response)
        assert seen - {"200"} == documented

    async def test_refusals_for_want_of_time_and_room(self) -> None:
        path, ended = f"{API}/track-send/", asyncio.Event()

        async def dawdle() -> AsyncIterator[bytes]:
            yield b"{"
            await ended.wait()

        async def refused_as_slow(client: Client) -> None:
            async with client.post(path, data=dawdle(), headers=TOKENED) as response:
                assert response.status == 408
                await check_documented("POST", path, response)

        async with service(Http(requests=2, receive_s=3.0)) as client, asyncio.TaskGroup() as tasks:
            slow = [tasks.create_task(refused_as_slow(client)) for _ in range(2)]
            while await status_of(client, "POST", path) != 503:
                pass  # until both are under way
            for method, path_too in OPERATIONS:
                async with call(client, method, path_too) as response:
                    assert response.status == (200 if path_too in FREE - {"/openapi.json"} else 503)
                    await check_documented(method, path_too, response)
            await asyncio.wait(slow)
            ended.set()

    async def test_readiness_while_the_service_stops(self) -> None:
        async with service() as client:
            client.app[HEALTH].draining = True
            async with call(client, "GET", "/readyz") as response:
                assert response.status == 503
                await check_documented("GET", "/readyz", response)

    async def test_the_service_gives_the_document(self) -> None:
        async with service() as client, call(client, "GET", "/openapi.json") as response:
            given = await response.json()
        assert given == json.loads(json.dumps(document(ROUTES, version("message-tracker"))))
