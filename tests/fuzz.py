"""Requests made up by changing good ones, from their bytes on the wire to the texts in their JSON.

Nothing here knows the service's rules: what is made may be as good as what it was made from.
"""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from service.api.batches import NDJSON
from service.api.routes import ROUTES, WEBHOOKS
from tests.factories import event_send, status_update

MESSAGES = 300
"""Messages that all requests are about, so that the store stays small."""

_METHODS = ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"]
_VERSIONS = ["HTTP/1.0", "HTTP/1.1", "HTTP/1.9", "HTTP/2.0", "HTTP/3", "HTTP/1.1 ", "http/1.1", ""]
_ODD_TEXTS = [
    "",
    " ",
    "0",
    "null",
    "\x00",
    "\x7f\x85",
    "\ud83d",
    "a\ud83d\ude00b",
    "\u202egnp.exe",
    "e\u0301" * 60,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ufeff",
    "{wa:0}",
    "\x1f",
    "%00",
    "' OR 1=1 --",
    "../../etc/passwd",
    "x" * 129,
    "x" * 5_000,
    "2024-13-45T99:99:99Z",
    "2024-01-15T10:30:00+99:99",
    "0001-01-01T00:00:00Z",
    "9" * 40,
    "9" * 5_000,
    "+91 (98765) 432-10",
    "\u0661\u0662\u0663\u0664\u0665\u0666",
]
_ODD_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    1e308,
    -0.0,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    10**30,
    10**4_000,
    {},
    [],
    [[]],
    {"": ""},
    {"a": {"a": {"a": []}}},
]
_RAW_JSON = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"nan",
    b'{"wamid": NaN}',
    b'{"wamids": [1e999]}',
    b'{"wamid": "\\ud800"}',
    b'{"wamid": "\xff\xfe"}',
    b'\xef\xbb\xbf{"wamids": []}',
    b"[" * 100_000,
    b'{"wamids":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
    b'{"entry":' + b'{"a":' * 3_000 + b"1" + b"}" * 3_000 + b"}",
    b'{"wamids": ["a"], "wamids": 1}',
    b'{"wamids": [' + b'"a",' * 2_000 + b'"a"]}',
    b'{"wamids": ["' + b"a" * 1_100_000 + b'"]}',
    b"9" * 10_000,
    b'"' + b"\\" * 1_001,
    b"\n\n\n",
    b"{}\n{}\n\n{",
]
_GARBAGE = [
    b"\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET  /healthz  HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /healthz HTTP/1.1\nHost: x\n\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n: no name\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nX: \x00\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://x:99999999/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
    b"POST /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"A" * 20_000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"y" * 9_000 + b"\r\n\r\n",
]


@dataclass
class Request:
    """A request, until it is put together.

    Attributes:
        wild: whether its framing may be broken, so that nobody knows how many answers it has.
    """

    method: str
    target: str
    headers: list[tuple[str, str | bytes]]
    body: bytes = b""
    version: str = "HTTP/1.1"
    chunks: list[bytes] = field(default_factory=list)
    wild: bool = False

    def wire(self) -> bytes:
        """Its bytes."""
        lines = [f"{self.method} {self.target} {self.version}".encode("utf-8", "surrogatepass")]
        for name, value in self.headers:
            text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
            lines.append(name.encode() + b": " + text)
        body = self.body
        if self.chunks:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in self.chunks) + b"0\r\n\r\n"
        elif body or self.method == "POST":
            lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Fuzzer:
    """Makes requests up.

    Args:
        random: is all that they depend on.
        token: that lets them in.
    """

    def __init__(self, random: Random, token: str) -> None:
        self._random = random
        self._token = token
        self._changes: list[Callable[[Request], None]] = [
            self._another_method,
            self._another_path,
            self._another_query,
            self._other_headers,
            self._another_encoding,
            self._another_version,
            self._other_bytes,
            self._in_chunks,
        ]

    def next(self) -> tuple[bytes, bool]:
        """A request's bytes, and whether its framing may be broken."""
        if self._random.random() < 0.03:
            return self._random.choice(_GARBAGE), True
        request = self._good()
        for change in self._random.choices(self._changes, k=self._random.choice([0, 0, 1, 1, 2])):
            change(request)
        wire = request.wire()
        if self._random.random() < 0.03:
            return self._scrambled(wire), True
        return wire, request.wild

    def _good(self) -> Request:
        """A good request to one of the endpoints; mostly with JSON that isn't."""
        route = self._random.choice(ROUTES)
        headers: list[tuple[str, str | bytes]] = [("Host", "x"), ("X-Webhook-Token", self._token)]
        target = self._random.choice(sorted(route.forms)).replace("{wamid}", self._wamid())
        request = Request(route.method, target, headers)
        if route.method == "GET":
            request.target += self._random.choice(["", "", "?" + urlencode(self._query())])
            return request
        value = self._body(route.path)
        for _ in range(self._random.choice([0, 0, 1, 1, 2, 5])):
            value = self._changed(value)
        request.body = json.dumps(value).encode()
        if route.lines and self._random.random() < 0.3:
            headers.append(("Content-Type", NDJSON))
            items = next(iter(value.values()), []) if isinstance(value, dict) else value
            lines = items if isinstance(items, list) else [items]
            request.body = b"\n".join(json.dumps(line).encode() for line in lines)
        if self._random.random() < 0.1:
            request.body = self._random.choice(_RAW_JSON)
        return request

    def _wamid(self) -> str:
        odd = self._random.choice(["", "", "", *_ODD_TEXTS]).encode("utf-8", "replace")[:2_000]
        return quote(f"wamid.{self._random.randrange(MESSAGES)}", safe="") + quote(odd, safe="")

    def _body(self, path: str) -> Any:
        numbers = [self._random.randrange(MESSAGES) for _ in range(3)]
        sends = [event_send(number) for number in numbers]
        states = ["sent", "delivered", "read", "failed", "played"]
        updates = [
            status_update(n, self._random.choice(states), errors=[{"code": 131026, "title": "No"}])
            for n in numbers
        ]
        made: dict[str, Any] = {
            "track-send/": sends[0],
            "track-send/batch/": {"messages": sends},
            "message-status/": updates[0],
            "message-status/batch/": {"updates": updates},
            "message-status-lookup/": {"wamids": [f"wamid.{number}" for number in numbers]},
            "erase/": {"guest_id": f"guest-{numbers[0]}"},
            "whatsapp/": {"entry": [{"changes": [_change(n) for n in numbers]}]},
        }
        return made[path.removeprefix(f"{WEBHOOKS}/")]

    def _query(self) -> list[tuple[str, str]]:
        names = ["event_id", "registration_id", "guest_id", "recipient_id", "template_name"]
        names += ["campaign_id", "phone_number_id"]
        names += ["standalone", "status", "limit", "cursor", "hub.mode", "hub.challenge", "x"]
        names += ["code", "class", "format"]
        values = ["event-1", "registration-1", "guest-1", "919876500001", "true", "read", "50"]
        values += ["1700000000000000.aaaaaaaaaaaaaaaaaaaaaa", "subscribe", "never", "none", "csv"]
        values += [text.encode("utf-8", "replace").decode()[:2_000] for text in _ODD_TEXTS]
        return [
            (self._random.choice(names), self._random.choice(values))
            for _ in range(self._random.randrange(4))
        ]

    def _changed(self, value: Any) -> Any:
        """The same JSON with another value somewhere."""
        if isinstance(value, dict) and value and self._random.random() < 0.85:
            name = self._random.choice(list(value))
            if self._random.random() < 0.1:
                return {key: held for key, held in value.items() if key != name}
            return value | {name: self._changed(value[name])}
        if isinstance(value, list) and value and self._random.random() < 0.85:
            place = self._random.randrange(len(value))
            return [*value[:place], self._changed(value[place]), *value[place + 1 :]]
        if isinstance(value, str) and self._random.random() < 0.3:
            at = self._random.randrange(len(value) + 1)
            return value[:at] + self._random.choice(_ODD_TEXTS) + value[at:]
        return self._random.choice([*_ODD_VALUES, *_ODD_TEXTS])

    def _another_method(self, request: Request) -> None:
        request.method = self._random.choice(_METHODS)

    def _another_path(self, request: Request) -> None:
        path = request.target
        at = self._random.randrange(1, len(path) + 1)
        escaped = f"{path[: at - 1]}%{ord(path[at - 1]):02x}{path[at:]}"
        request.target = self._random.choice(
            [
                escaped,
                "/" + path,
                f"{path}/",
                f"{path[:at]}/../{path[at:]}",
                path[:at],
                path.upper(),
            ]
            + [f"{path[:at]}%{odd}{path[at:]}" for odd in ("00", "ff", "zz", "2f", "0d%0a", "")]
            + [f"http://x{path}", f"{path}#part", "*", f"{path}{'x' * 9_000}", f"{path};a=b"]
        )

    def _another_query(self, request: Request) -> None:
        odd = self._random.choice(
            ["a=%ff", "%", "&&&", "=", "limit=1&limit=2", "a=b;c=d", "x" * 900]
        )
        request.target += self._random.choice(["?", "&"])
        request.target += self._random.choice([odd, urlencode(self._query())])

    def _other_headers(self, request: Request) -> None:
        odd: list[tuple[str, str | bytes]] = [
            ("X-Webhook-Token", ""),
            ("X-Webhook-Token", "another"),
            ("X-Webhook-Token", b"\xff\xfe"),
            ("X-Hub-Signature-256", "sha256=" + "0" * 64),
            ("X-Hub-Signature-256", b"\xe9"),
            ("X-Request-ID", "x" * 500),
            ("X-Request-ID", b"\xf0\x9f\x98\x80"),
            ("Content-Type", "application/json; charset=nothing"),
            ("Content-Type", "multipart/form-data; boundary="),
            ("Content-Type", b"\xff/\xff;;;="),
            ("Content-Type", NDJSON),
            ("Accept-Encoding", "gzip, br;q=x"),
            ("Accept", "text/csv;q=x, */*"),
            ("Expect", "100-continue"),
            ("Expect", "a miracle"),
            ("Connection", "close"),
            ("Cookie", "a=b; =;" * 50),
            ("If-None-Match", '"x'),
            ("Range", "bytes=-1-5"),
            ("Host", ""),
            ("Last-Event-ID", "AQAAAA"),
            ("Last-Event-ID", "_" * 4_000),
            ("Last-Event-ID", b"\xff\x00"),
        ]
        name, value = self._random.choice(odd)
        if self._random.random() < 0.7:
            request.headers = [each for each in request.headers if each[0] != name]
        request.headers.append((name, value))

    def _another_encoding(self, request: Request) -> None:
        name = self._random.choice(["gzip", "deflate", "br", "zstd", "identity", "x"])
        request.headers.append(("Content-Encoding", name))
        encodings: list[Callable[[bytes], bytes]] = [gzip.compress, zlib.compress, bytes]
        request.body = self._random.choice(encodings)(request.body)
        if self._random.random() < 0.3:
            request.body = request.body[: len(request.body) // 2]

    def _another_version(self, request: Request) -> None:
        request.version = self._random.choice(_VERSIONS)
        request.wild = True

    def _other_bytes(self, request: Request) -> None:
        request.body = self._scrambled(request.body)

    def _in_chunks(self, request: Request) -> None:
        body = request.body or b"{}"
        size = self._random.choice([1 + len(body) // 3, 1 + len(body) // 40, len(body)])
        request.chunks = [body[at : at + size] for at in range(0, len(body), size)]

    def _scrambled(self, text: bytes) -> bytes:
        """With some bytes changed, left out, or put in."""
        scrambled = bytearray(text)
        for _ in range(self._random.choice([1, 1, 2, 5])):
            at = self._random.randrange(len(scrambled) + 1)
            new = self._random.choice(
                [b"", b"\x00", b"\r\n", b'"', b"\xff", self._random.randbytes(4)]
            )
            scrambled[at : at + self._random.choice([0, 1, 3])] = new
        if self._random.random() < 0.1:
            del scrambled[self._random.randrange(len(scrambled) + 1) :]
        return bytes(scrambled)


def _change(number: int) -> dict[str, Any]:
    """A change as Meta's webhook brings it."""
    status = {"id": f"wamid.{number}", "status": "read", "timestamp": "1705314600"}
    status["recipient_id"] = f"9198765{number:05}"
    metadata = {"display_phone_number": "15550001111", "phone_number_id": "1234"}
    return {"field": "messages", "value": {"metadata": metadata, "statuses": [status]}}
