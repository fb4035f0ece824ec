"""Messages, the bodies by which callers and Meta report them, and raw requests."""

import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha512
from itertools import islice
from typing import NamedTuple, TypeVar
from uuid import UUID

import orjson

from bench.processes import TOKEN
from service.domain.report import Context, Status

EVENT_SIZE = 1_000
BLOCK = 1_000
TEMPLATE = "rsvp_invite_v2"

TRACK_SEND = "/api/webhooks/track-send/"
TRACK_SENDS = "/api/webhooks/track-send/batch/"
STATUS = "/api/webhooks/message-status/"
STATUSES = "/api/webhooks/message-status/batch/"
META = "/api/webhooks/whatsapp/"
LOOKUP = "/api/webhooks/message-status-lookup/"
LOGS = "/api/webhooks/message-logs/"
LATEST = "/api/webhooks/message-logs/latest/"
MESSAGES = "/api/webhooks/messages/"
STATS = "/api/webhooks/message-stats/"
EVENTS = "/api/webhooks/events/"
FAILURES = "/api/webhooks/failures/"
ERASE = "/api/webhooks/erase/"

JSON, LINES = "application/json", "application/x-ndjson"

_START_S = int(time.time())
STEPS = (Status.SENT, Status.DELIVERED, Status.READ)
"""The statuses that each message reaches."""

Item = TypeVar("Item")


class Message(NamedTuple):
    """A message, and the context that its track-send gives."""

    wamid: str
    context: Context


class News(NamedTuple):
    """A status that a message reached, and the time."""

    wamid: str
    recipient_id: str
    status: Status
    at_s: int


def message(n: int) -> Message:
    """The n-th message, the same in every run. A thousand messages share an event."""
    phone = f"9198{n:08}"
    digest = sha512(b"%d" % n).digest()
    # Like Meta's: base64 of a few bytes around the recipient and a random id.
    inside = f"\x1c\x18\x0c{phone}\x15\x02\0\x11\x18\x12{digest[:9].hex().upper()}"
    wamid = "wamid." + b64encode(inside.encode()).decode()
    registration, guest = str(UUID(bytes=digest[16:32])), str(UUID(bytes=digest[32:48]))
    name = f"Guest {n:06}"
    return Message(
        wamid, Context(phone, event_of(n), registration, guest, TEMPLATE, "rsvp", "rsvp", name)
    )


def event_of(n: int) -> str:
    """The event of the n-th message."""
    return _event(n // EVENT_SIZE)


@lru_cache(maxsize=2)
def _event(n: int) -> str:
    return str(UUID(bytes=sha512(b"event %d" % n).digest()[:16]))


def news(count: int, first: int = 0) -> Iterator[News]:
    """Sent, delivered and read of each message, in this order, mixed with a thousand others.

    No status comes twice, so each of the `3 * count` changes a record.
    """
    return news_of(range(first, first + count))


def news_of(numbers: Iterable[int]) -> Iterator[News]:
    """Like `news`, for these messages and in their order.

    All of it happened before the bench began. So `sent`, too, changes the record of a message that
    the bench has tracked. That is so in reality if Meta sends a message just before it is tracked.
    """
    for some in batches(numbers, BLOCK):
        block = [(n, message(n)) for n in some]
        for step, status in enumerate(STEPS):
            for n, (wamid, context) in block:
                at_s = _START_S - 86_400 + n * 37 % 80_000 + 30 * step
                yield News(wamid, context.recipient_id, status, at_s)


def send_body(message: Message) -> dict[str, str]:
    """A track-send with every field."""
    wamid, context = message
    return {
        "wa_id": context.recipient_id,
        "event_id": context.event_id,
        "event_registration_id": context.registration_id,
        "template_wamid": wamid,
        "template_name": context.template_name,
        "flow_type": context.flow_type,
        "message_type": context.message_type,
        "guest_id": context.guest_id,
        "guest_name": context.guest_name,
    }


def status_body(news: News) -> dict[str, str]:
    """A message-status as the forwarder of the guide writes it."""
    # This is how toISOString writes whole seconds.
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(news.at_s))
    wamid, recipient_id, status, _ = news
    return {"wamid": wamid, "recipient_id": recipient_id, "status": status, "timestamp": at}


def meta_body(some: Iterable[News]) -> dict[str, object]:
    """Meta's webhook body, as in its reference of the messages webhook."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": metadata,
        "statuses": list(map(_meta_status, some)),
    }
    entry = {"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _meta_status(news: News) -> dict[str, object]:
    wamid, recipient_id, status, at_s = news
    body: dict[str, object] = {"id": wamid, "status": status, "timestamp": str(at_s)}
    body["recipient_id"] = recipient_id
    if status is Status.SENT:
        body["conversation"] = {
            "id": wamid[-32:],
            "expiration_timestamp": str(at_s + 86_400),
            "origin": {"type": "utility"},
        }
    if status is not Status.READ:
        body["pricing"] = {
            "billable": True,
            "pricing_model": "PMP",
            "category": "utility",
            "type": "regular",
        }
    if recipient_id.endswith("0"):
        body["biz_opaque_callback_data"] = f"campaign=spring;guest={recipient_id}"
    return body


def get(path: str) -> bytes:
    """A raw GET."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nX-Webhook-Token: {TOKEN}\r\n\r\n".encode()


def post(path: str, body: object) -> bytes:
    """A raw POST of JSON."""
    return _post(path, JSON, orjson.dumps(body))


def post_lines(path: str, bodies: Iterable[object]) -> bytes:
    """A raw POST of NDJSON: each body is a line."""
    return _post(path, LINES, b"".join(orjson.dumps(body) + b"\n" for body in bodies))


def _post(path: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-Webhook-Token: {TOKEN}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`; the last list may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
