"""Requests that keep a service busy by what they hold, each a whole request in bytes."""

import gzip
import json
import zlib
from functools import cache

from service.api.batches import NDJSON
from tests.conftest import TOKEN
from tests.factories import status_update

MIB = 1024**2
API = "/api/webhooks"


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A POST with a token that ends its connection."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"X-Webhook-Token: {TOKEN}", "Connection: close"]
    lines += [*headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def stream(path: str, body: bytes, *headers: str) -> bytes:
    """Lines of JSON to a batch."""
    return post(f"{API}/{path}/batch/", body, f"Content-Type: {NDJSON}", *headers)


def packed_zeros(mib: int) -> bytes:
    """A gibibyte of zeros for each MiB, by deflate, but for its end."""
    packer = zlib.compressobj(9)
    first = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (mib * 1024 - 1)


def statuses(item: bytes, size: int = 4_800_000) -> bytes:
    """Meta's webhook with one list of statuses, all of them this."""
    items = b",".join([item] * (size // (len(item) + 1)))
    return b'{"entry":[{"changes":[{"field":"messages","value":{"statuses":[' + items + b"]}}]}]}"


def webhook(body: bytes) -> bytes:
    """A body of Meta's, passed on by a caller."""
    return post(f"{API}/whatsapp/", body)


def _status(**fields: object) -> bytes:
    return json.dumps({"id": "w", "status": "read", "timestamp": "1750263773"} | fields).encode()


@cache
def hostile() -> dict[str, list[bytes]]:
    """Requests that are sent at the same time, by what they are, in words."""
    bomb = packed_zeros(1)
    line = json.dumps(status_update(1, "read")).encode() + b"\n"
    halves = b'"' + b"\\ud83d" * (900_000 // 6) + b'"'
    return {
        "1 GiB of zeros packed into 1 MiB, where nothing is": [
            post("/nowhere", bomb, "Content-Encoding: deflate")
        ],
        "the same, four at once": [post("/nowhere", bomb, "Content-Encoding: deflate")] * 4,
        "the same to a stream of lines": [stream("track-send", bomb, "Content-Encoding: deflate")],
        "64 MiB of packed `{}` lines": [
            stream("track-send", gzip.compress(b"{}\n" * (64 * MIB // 3)), "Content-Encoding: gzip")
        ],
        "4 MiB of `{}` lines": [stream("track-send", b"{}\n" * (4 * MIB // 3))],
        "4 MiB of empty lines": [stream("message-status", b"\n" * 4 * MIB)],
        "4 MiB of good lines": [stream("message-status", line * (4 * MIB // len(line)))],
        "a line of 1 MiB of `[]`": [
            stream("message-status", b'{"x":[' + b"[]," * 340_000 + b"[]]}")
        ],
        "1.6 million `[]` for statuses": [webhook(statuses(b"[]"))],
        "1.6 million `{}` for statuses": [webhook(statuses(b"{}"))],
        "the same with half of a surrogate pair": [
            webhook(statuses(b"{}")[:-1] + b',"x":"\\ud83d"}')
        ],
        "800,000 halves of surrogate pairs": [
            webhook(b'{"entry":"' + b"\\ud83d" * 800_000 + b'"}')
        ],
        "530,000 texts of such a half": [webhook(b'{"entry":[' + b'"\\ud83d",' * 530_000 + b"1]}")],
        "4.8 MB of escapes with one half": [
            webhook(b'{"entry":"' + b"\\u0041" * 800_000 + b'\\ud83d"}')
        ],
        "40,000 statuses": [
            webhook(statuses(_status(pricing={"billable": True}, recipient_id="919876543210")))
        ],
        "100,000 of the smallest statuses": [webhook(statuses(_status()))],
        "lists in lists, 2.4 million deep": [webhook(b"[" * 2_400_000 + b"]" * 2_400_000)],
        "a time of 4.8 MB": [webhook(statuses(_status(timestamp="x" * 4_700_000), 4_800_000))],
        "a batch of 1.6 million `[]`": [
            post(f"{API}/message-status/batch/", b'{"updates":[' + b"[]," * 1_600_000 + b"[]]}")
        ],
        "a batch of 1,000 items with halves": [
            post(
                f"{API}/message-status/batch/",
                b'{"updates":[' + b",".join([b'{"x":"' + b"\\ud83d" * 800 + b'"}'] * 1_000) + b"]}",
            )
        ],
        "150,000 unknown fields": [
            post(
                f"{API}/track-send/", b"{" + b",".join(b'"%d":0' % n for n in range(90_000)) + b"}"
            )
        ],
        "1 MiB of `[]` in a status": [
            post(f"{API}/message-status/", b'{"x":[' + b"[]," * 340_000 + b"[]]}")
        ],
        "1 MiB of halves in a status": [post(f"{API}/message-status/", b'{"x":' + halves + b"}")],
        "a look-up of 340,000 `[]`": [
            post(f"{API}/message-status-lookup/", b'{"wamids":[' + b"[]," * 340_000 + b"[]]}")
        ],
        "a look-up of 1 MiB of halves": [
            post(f"{API}/message-status-lookup/", b'{"wamids":[' + halves + b"]}")
        ],
    }
