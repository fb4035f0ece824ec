"""What was tried on the service and did nothing: it shall stay so."""

import hashlib
import hmac
import json
import logging
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from aiohttp.test_utils import TestClient
from click.testing import CliRunner
from yarl import URL

from service.__main__ import main
from service.app import create_app
from service.config import Auth, MetaApp, Redis, Settings
from service.domain.dimensions import LISTED
from service.models.insight_responses import list_name
from tests.conftest import NO_JOURNAL, TOKEN, Client, JsonTestServer, need_server
from tests.in_process import invoke
from tests.process import Service

API = "/api/webhooks"
SECRET = "5ecret-of-the-callers"
PHONE = "919876512345"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that logs all it can, and cuts off callers soon."""
    with Service(
        tmp_path_factory.mktemp("service"),
        TRACKER_AUTH__TOKENS=SECRET,
        TRACKER_REDIS__URL="fakeredis://",
        TRACKER_HTTP__RECEIVE_S="1",
        TRACKER_LOG__LEVEL="debug",
    ) as running:
        yield running


def exchange(service: Service, data: bytes) -> bytes:
    """What is answered to these bytes until the connection is closed."""
    address = urlsplit(service.url)
    answer = b""
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            pass  # it was closed with something unread, as may be where nothing makes sense
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


# The parser --------------------------------------------------------------------------------------

POST = b"POST /api/webhooks/message-status/ HTTP/1.1\r\nHost: x\r\nX-Webhook-Token: %b\r\n" % (
    SECRET.encode()
)
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
"""Whoever reads this as a request has lost the place."""

MALFORMED = {
    "no http": b"nonsense\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 0.9": b"GET /healthz\r\n\r\n",
    "version 9.9": b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
    "version of letters": b"GET /healthz HTTP/x.y\r\nHost: x\r\n\r\n",
    "no method": b" /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "odd method": b"G(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "no colon": GET + b"nothing here\r\n\r\n",
    "blank before the colon": GET + b"X-A : b\r\n\r\n",
    "nameless": GET + b": b\r\n\r\n",
    "folded": GET + b"X-A: b\r\n c\r\n\r\n",
    "nul in a value": GET + b"X-A: \0\r\n\r\n",
    "nul in a name": GET + b"X\0A: b\r\n\r\n",
    "nul in the path": b"GET /health\0z HTTP/1.1\r\nHost: x\r\n\r\n",
    "cr in a value": GET + b"X-A: b\rc\r\n\r\n",
    "long header": GET + b"X-A: " + b"b" * 100_000 + b"\r\n\r\n",
    "long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "many headers": GET + b"".join(b"X-%d: b\r\n" % number for number in range(20_000)) + b"\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 36\r\n\r\n" + SMUGGLED,
    "list of lengths": POST + b"Content-Length: 0, 36\r\n\r\n" + SMUGGLED,
    "negative length": POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "signed length": POST + b"Content-Length: +36\r\n\r\n" + SMUGGLED,
    "hex length": POST + b"Content-Length: 0x24\r\n\r\n" + SMUGGLED,
    "length of letters": POST + b"Content-Length: ten\r\n\r\n" + SMUGGLED,
    "broken length": POST + b"Content-Length: 1.5\r\n\r\n" + SMUGGLED,
    "underscored length": POST + b"Content-Length: 3_6\r\n\r\n" + SMUGGLED,
    "length beyond 64 bits": POST + b"Content-Length: 18446744073709551652\r\n\r\n" + SMUGGLED,
    "chunked and a length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED
    ),
    "a length and chunked": (
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED
    ),
    "unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked before another": (
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED
    ),
    "encoding with a tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunk size of letters": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" + SMUGGLED,
    "negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + SMUGGLED,
    "endless chunk": (
        POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n" + SMUGGLED
    ),
    "0x chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n" + SMUGGLED,
    "chunk without an end": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy0\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("head", MALFORMED)
def test_what_is_no_http_is_refused_and_ends_its_connection(service: Service, head: str) -> None:
    """And what follows is no request: a proxy may have taken it for a body."""
    answer = exchange(service, MALFORMED[head] + LAST)
    assert statuses(answer) in ([400], []), answer[:300]
    assert b"tracker_" not in answer
    if answer:
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["ok"] is False
    assert service.status_of("/healthz") == 200


TAKEN = {
    "absolute": (b"GET http://elsewhere/healthz HTTP/1.1\r\nHost: x\r\n\r\n", {200, 404}),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", {200, 400}),
    "two hosts": (GET + b"Host: y\r\n\r\n", {200, 400}),
    "odd host": (b"GET /healthz HTTP/1.1\r\nHost: <x>\r\n\r\n", {200, 400}),
    "http 1.0": (b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {200}),
    "empty lines before": (b"\r\n\r\n" + GET + b"\r\n", {200}),
    "chunk extension": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n",
        {400},
    ),
    "trailer": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Webhook-Token: x\r\n\r\n",
        {400},
    ),
    "length with zeros": (POST + b"Content-Length: 0000000000000002\r\n\r\n{}", {400}),
    "star": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 405}),
    "connect": (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 405}),
    "trace": (b"TRACE /healthz HTTP/1.1\r\nHost: x\r\n\r\n", {405}),
}


@pytest.mark.parametrize("head", TAKEN)
def test_what_is_odd_but_http_is_answered_once(service: Service, head: str) -> None:
    data, expected = TAKEN[head]
    answered = statuses(exchange(service, data + LAST))
    assert answered[0] in expected
    assert answered[1:] in ([200], []), "the next request is read as it came, or not at all"


# Paths, tokens, signatures ------------------------------------------------------------------------

GUARDED = [
    "/api/webhooks/message-logs/",
    "/api/webhooks/message-logs",
    "//api/webhooks/message-logs/",
    "/api//webhooks/message-logs/",
    "/api/webhooks//message-logs/",
    "/api/webhooks/message-logs//",
    "/./api/webhooks/message-logs/",
    "/api/./webhooks/message-logs/",
    "/api/webhooks/x/../message-logs/",
    "/dashboard/../api/webhooks/message-logs/",
    "/healthz/../api/webhooks/message-logs/",
    "/%2e/api/webhooks/message-logs/",
    "/dashboard/%2e%2e/api/webhooks/message-logs/",
    "/api%2fwebhooks%2fmessage-logs%2f",
    "/api/webhooks%2Fmessage-logs/",
    "/%61pi/webhooks/message-logs/",
    "/api/%77ebhooks/message-logs/",
    "/api/webhooks/message-log%73/",
    "/API/webhooks/message-logs/",
    "/api/Webhooks/message-logs/",
    "/api/webhooks/message-logs/;x",
    "/api;x/webhooks/message-logs/",
    "/api/webhooks/message-logs/%00",
    "/api/webhooks/message-logs/%20",
    "/api/webhooks/message-logs/?x=/healthz",
    "/api/webhooks/message-logs/#/healthz",
    "/healthz#/api/webhooks/message-logs/..",
    "\\api\\webhooks\\message-logs\\",
    "/api\\webhooks/message-logs/",
    "http://x/api/webhooks/message-logs/",
    "/ａpi/webhooks/message-logs/",  # noqa: RUF001  a full-width letter
    "/%ef%bd%81pi/webhooks/message-logs/",
]


@pytest.mark.parametrize("path", GUARDED)
def test_no_spelling_of_a_path_gets_past_the_token(service: Service, path: str) -> None:
    answer = exchange(service, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + LAST)
    expected = {200} if path.startswith("/healthz#") else {400, 401, 404}
    assert statuses(answer)[0] in expected
    assert b'"logs"' not in answer


FILES = [
    *("../config.py", "..%2fconfig.py", "%2e%2e/config.py", "..%5cconfig.py", "....//config.py"),
    *(
        "%2e%2e%2fconfig.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "vendor/../../config.py",
        "style.css/",
    ),
    *(
        "style.css%00.js",
        "STYLE.CSS",
        "./../config.py",
        "vendor",
        "vendor/",
        "parts/",
        "__init__.py",
    ),
]


@pytest.mark.parametrize("path", FILES)
def test_the_dashboard_has_no_file_but_its_own(service: Service, path: str) -> None:
    answer = exchange(service, f"GET /dashboard/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + LAST)
    assert statuses(answer)[0] in {400, 404}
    assert b"root:" not in answer
    assert b"import" not in answer


TOKENS = {
    "none": (b"", 401),
    "empty": (b"X-Webhook-Token:\r\n", 401),
    "blanks": (b"X-Webhook-Token:  \t \r\n", 401),
    "shorter": (b"X-Webhook-Token: %b\r\n" % SECRET[:-1].encode(), 403),
    "longer": (b"X-Webhook-Token: %bx\r\n" % SECRET.encode(), 403),
    "in capitals": (b"X-Webhook-Token: %b\r\n" % SECRET.upper().encode(), 403),
    "quoted": (b'X-Webhook-Token: "%b"\r\n' % SECRET.encode(), 403),
    "bearer": (b"X-Webhook-Token: Bearer %b\r\n" % SECRET.encode(), 403),
    "listed": (b"X-Webhook-Token: x, %b\r\n" % SECRET.encode(), 403),
    "after another": (b"X-Webhook-Token: x\r\nX-Webhook-Token: %b\r\n" % SECRET.encode(), 403),
    "with a hard blank": (b"X-Webhook-Token: %b\xc2\xa0\r\n" % SECRET.encode(), 403),
    "raw bytes": (b"X-Webhook-Token: \xff\xfe\x80\r\n", 403),
    "underscored": (b"X_Webhook_Token: %b\r\n" % SECRET.encode(), 401),
    "authorization": (b"Authorization: Bearer %b\r\n" % SECRET.encode(), 401),
    "cookie": (b"Cookie: X-Webhook-Token=%b\r\n" % SECRET.encode(), 401),
}


@pytest.mark.parametrize("near", TOKENS)
def test_nothing_near_a_token_is_one(service: Service, near: str) -> None:
    header, expected = TOKENS[near]
    head = b"GET /api/webhooks/message-logs/ HTTP/1.1\r\nHost: x\r\n"
    assert statuses(exchange(service, head + header + b"Connection: close\r\n\r\n")) == [expected]


BODY = b'{"entry": [{"changes": [{"field": "messages", "value": {"statuses": []}}]}]}'
APP_SECRET = "the-app-secret-of-meta"


def hexdigest(secret: str = APP_SECRET, body: bytes = BODY, kind: str = "sha256") -> str:
    return hmac.new(secret.encode(), body, kind).hexdigest()


SIGNATURES = {
    "of another secret": f"sha256={hexdigest('another')}",
    "of no secret": f"sha256={hexdigest('')}",
    "of another body": f"sha256={hexdigest(body=BODY + b' ')}",
    "of no body": f"sha256={hexdigest(body=b'')}",
    "without its hmac": f"sha256={hashlib.sha256(BODY).hexdigest()}",
    "by sha1": f"sha1={hexdigest(kind='sha1')}",
    "sha1 called sha256": f"sha256={hexdigest(kind='sha1')}",
    "sha256 called sha1": f"sha1={hexdigest()}",
    "without its kind": hexdigest(),
    "kind in capitals": f"SHA256={hexdigest()}",
    "in capitals": f"sha256={hexdigest().upper()}",
    "cut": f"sha256={hexdigest()[:-1]}",
    "longer": f"sha256={hexdigest()}0",
    "empty": "sha256=",
    "listed": f"sha256={hexdigest('another')}, sha256={hexdigest()}",
    "quoted": f'"sha256={hexdigest()}"',
}


@pytest.mark.parametrize("near", SIGNATURES)
async def test_nothing_near_a_signature_is_one(near: str) -> None:
    settings = Settings(
        auth=Auth(tokens=[TOKEN]),
        meta=MetaApp(app_secret=[APP_SECRET]),
        redis=Redis(url="fakeredis://"),
        journal=NO_JOURNAL,
    )
    path = f"{API}/whatsapp/"
    async with TestClient(JsonTestServer(create_app(settings))) as meta:
        for signature, expected in ((SIGNATURES[near], 403), (f"sha256={hexdigest()}", 200)):
            headers = {"X-Hub-Signature-256": signature}
            async with meta.post(path, data=BODY, headers=headers) as response:
                assert response.status == expected


# Names --------------------------------------------------------------------------------------------

NAMES = [
    *(":", "::", "{}", "{0}", "*", "?", "[a-z]", "a:b", "a:", ":a", "%", "%s", "\\", "'", '"', "`"),
    *("all", "event", "guest", "standalone", "none", "null", "other", "0", "-1", "1e5", "true"),
    *("é", "e\u0301", "ａ", "a", "A", "\u2028", "\u2029", "\ufeff", "\u200b", "\u202e", "\u00a0x"),  # noqa: RUF001
    *(
        "👪" * 128,
        "e" + "\u0301" * 127,
        "\u0445",
        "x",
        "ß",
        "ss",
        "İ",
        "i",
        "$HOME",
        "; DROP",
        "../..",
        "<b>",
    ),
]


@pytest.mark.parametrize("backend", ["redis"], indirect=True)
async def test_no_two_names_share_anything(client: Client) -> None:
    """Each event, guest and so on is by itself in lists, counts and erasures."""
    items = [
        {"wa_id": PHONE, "template_wamid": f"w{number}", "event_id": name, "guest_id": name}
        | {"template_name": name, "campaign_id": name, "phone_number_id": name}
        for number, name in enumerate(NAMES)
    ]
    sent = await asked(client, "POST", "track-send/batch/", {"messages": items})
    assert sent["ok"] is True
    for dimension in LISTED:
        listed, field = list_name(dimension), dimension.field
        found = await asked(client, "GET", f"{listed.replace('_', '-')}/?limit=200")
        assert sorted(each[field] for each in found[listed]) == sorted(NAMES)
        assert {each["total"] for each in found[listed]} == {1}
    for number, name in enumerate(NAMES):
        for field in ("guest_id", *(dimension.field for dimension in LISTED)):
            page = await asked(client, "GET", f"message-logs/?{field}={quote(name, safe='')}")
            assert [log["wamid"] for log in page["logs"]] == [f"w{number}"], field
        stats = await asked(client, "GET", f"message-stats/?event_id={quote(name, safe='')}")
        assert stats["total"] == 1
    for number, name in enumerate(NAMES):
        erased = await asked(client, "POST", "erase/", {"guest_id": name})
        assert (erased["erased"], erased["complete"]) == (1, True)
        left = await asked(client, "GET", "message-stats/")
        assert left["total"] == len(NAMES) - number - 1


async def asked(client: Client, method: str, path: str, body: object = None) -> Any:
    url = URL(f"{API}/{path}", encoded=True)
    async with client.request(method, url, json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()


# Secrets and files --------------------------------------------------------------------------------


def test_no_line_of_the_log_holds_what_a_caller_sent(service: Service) -> None:
    """At the level debug neither: no token, number, name, path, header or body."""
    status = json.dumps({"wamid": "w-hidden", "status": "x-hidden", "recipient_id": PHONE})
    calls = [
        (f"GET /hidden/{PHONE}", b""),
        (f"GET {API}/message-logs/?recipient_id={PHONE}&hidden=hidden", b""),
        (f"GET {API}/messages/hidden/", b""),
        (f"POST {API}/message-status/", status.encode()),
        (f"POST {API}/message-status/", status[:-1].encode()),
        (f"POST {API}/track-send/", json.dumps({"wa_id": PHONE, "guest_name": "hidden"}).encode()),
        (f"POST {API}/whatsapp/", b'{"hidden": "hidden"}'),
    ]
    for head, body in calls:
        for token in (SECRET, "hidden-guess"):
            headers = f"Host: hidden\r\nX-Hidden: hidden\r\nX-Webhook-Token: {token}\r\n"
            headers += f"X-Hub-Signature-256: hidden\r\nContent-Length: {len(body)}\r\n"
            exchange(service, f"{head} HTTP/1.1\r\n{headers}\r\n".encode() + body + LAST)
    exchange(service, b"hidden hidden hidden\r\n\r\n")
    exchange(service, POST + b"hidden\r\n\r\n")
    assert len(service.events("request_refused")) >= len(calls)
    for hidden in ("hidden", PHONE, SECRET):
        assert hidden not in service.errors


URLS = [
    *(
        "http://u:hush@h",
        "redis://u:hush@h:port",
        "redis://u:hush@h:99999",
        "hush",
        "redis://:hush@",
    ),
    *(
        "rediss+sentinel://u:hush@h:1",
        "redis+sentinel://u:hush@h/x?a=hush",
        "unix://hush",
        "hush://x",
    ),
    *(
        "redis+cluster://u:hush@h:x",
        "redis+cluster://u:hush@h,",
        "redis://u:hush@h/hush",
        "//u:hush@h",
    ),
    *("redis://u:hush@[::1/0", "redis://u:hu#sh-hush@h", "redis://u:hu sh-hush@h/0/1"),
]


@pytest.fixture
def _handlers() -> Iterator[None]:
    """The command line sends the log elsewhere: the next test has it back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("url", URLS)
def test_a_wrong_setting_with_a_password_in_it_is_not_printed(url: str) -> None:
    variables = {"TRACKER_REDIS__URL": url, "TRACKER_AUTH__TOKENS": SECRET}
    ended = CliRunner().invoke(main, ["--check"], env=variables)
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit), "a sentence, and no traceback"
    assert ended.stderr.startswith("message-tracker: ")
    assert "hush" not in ended.output + ended.stderr
    assert SECRET not in ended.output + ended.stderr


def test_all_that_the_service_writes_is_its_owners_alone(tmp_path: Path) -> None:
    """The journal, the token, the private server's files, an export: 0600 in 0700."""
    need_server()
    with Service(tmp_path) as service:
        body = json.dumps({"wa_id": PHONE, "template_wamid": "w"}).encode()
        head = f"POST {API}/track-send/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        token = (tmp_path / "data" / "token").read_text()
        head += f"X-Webhook-Token: {token}\r\nConnection: close\r\n\r\n"
        assert statuses(exchange(service, head.encode() + body)) == [200]
        assert invoke("export", "file.ndjson", cwd=tmp_path).returncode == 0
        found = [*(tmp_path / "data").rglob("*"), tmp_path / "data", tmp_path / "file.ndjson"]
        assert {"token", "journal.db", "redis.sock"} <= {each.name for each in found}
        assert {stat.S_IMODE(each.stat().st_mode) & 0o077 for each in found} == {0}
