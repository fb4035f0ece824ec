"""Requests to every endpoint, for stores that `stored.stock` has filled."""

from collections.abc import Iterator
from itertools import count, repeat
from random import Random

from bench.bodies import (
    EVENTS,
    FAILURES,
    LATEST,
    LOGS,
    LOOKUP,
    MESSAGES,
    META,
    STATS,
    STATUS,
    STATUSES,
    TEMPLATE,
    TRACK_SEND,
    TRACK_SENDS,
    News,
    batches,
    get,
    message,
    meta_body,
    post,
    post_lines,
    send_body,
    status_body,
)
from bench.stored import FIRST_US
from service.domain.identity import id_of
from service.domain.query import Position
from service.domain.report import Status
from service.models.cursors import encode_position

NEW = 50_000_000
"""The number of the first message that is in none of the stores."""

LOOKED_UP = 100
PAGE = 50
SENDS = 25
UPDATES = 500

_FILTERS = (
    *("event", "registration", "guest", "recipient", "template"),
    *("event template", "event status", "template deep"),
)


def updates(size: int) -> Iterator[News]:
    """Delivered statuses of messages of the store, in random order, each earlier than the last.

    So each one changes a record, but the store keeps its size and its number of messages at each
    status, because these messages have been delivered already.
    """
    random = Random(size)
    for times in count(1):
        n = random.randrange(1, size)
        wamid, context = message(n - (n % 3 == 0))
        at_s = FIRST_US // 1_000_000 - times
        yield News(wamid, context.recipient_id, Status.DELIVERED, at_s)


def sends(first: int) -> Iterator[dict[str, str]]:
    """Track-sends of messages that are in none of the stores."""
    return (send_body(message(n)) for n in count(NEW + first))


def lookups(size: int) -> Iterator[bytes]:
    """Look-ups of random messages of the store."""
    random = Random(size)
    while True:
        some = [message(random.randrange(size)).wamid for _ in range(LOOKED_UP)]
        yield post(LOOKUP, {"wamids": some})


def latest(size: int) -> Iterator[bytes]:
    """Requests for the latest message of a random registration."""
    random = Random(size)
    while True:
        context = message(random.randrange(size)).context
        yield get(f"{LATEST}?registration_id={context.registration_id}")


def pages(size: int, *filters: str) -> Iterator[bytes]:
    """Requests for pages with these filters, whose values are those of a random message."""
    random = Random(size)
    while True:
        n = random.randrange(size)
        wamid, context = message(n)
        values = {
            "event": f"event_id={context.event_id}",
            "registration": f"registration_id={context.registration_id}",
            "guest": f"guest_id={context.guest_id}",
            "recipient": f"recipient_id={context.recipient_id}",
            "template": f"template_name={TEMPLATE}",
            "status": "status=read",
            "deep": f"cursor={encode_position(Position(FIRST_US + n, id_of(wamid)))}",
        }
        query = "&".join([f"limit={PAGE}", *(values[name] for name in filters)])
        yield get(f"{LOGS}?{query}")


def every(size: int) -> dict[str, tuple[int, Iterator[bytes]]]:
    """For each endpoint, by name: the requests in a turn, and requests to a store of this size."""
    reads = {
        f"look-up of {LOOKED_UP}": (10, lookups(size)),
        **{f"logs by {names}": (10, pages(size, *names.split())) for names in _FILTERS},
        "logs by nothing": (10, pages(size)),
        "latest": (25, latest(size)),
    }
    reads |= _insights(size)
    probes = {path: (10, repeat(get(path))) for path in ("/readyz", "/metrics")}
    return _sends() | _updates(size) | reads | probes


def _insights(size: int) -> dict[str, tuple[int, Iterator[bytes]]]:
    some = Random(size)
    event = f"event_id={message(some.randrange(size)).context.event_id}"
    template = f"template_name={TEMPLATE}"
    stats = {
        f"stats by {name}": get(f"{STATS}?{query}")
        for name, query in (("event", event), ("template", template), ("nothing", ""))
    }
    found = stats | {"events": get(EVENTS), "failures by event": get(f"{FAILURES}?{event}")}
    messages = (get(f"{MESSAGES}{message(some.randrange(size)).wamid}/") for _ in count())
    return {
        **{name: (10, repeat(request)) for name, request in found.items()},
        "one message": (25, messages),
    }


def _sends() -> dict[str, tuple[int, Iterator[bytes]]]:
    return {
        "track-send": (25, (post(TRACK_SEND, body) for body in sends(0))),
        f"track-send/batch of {SENDS}": (
            1,
            (post(TRACK_SENDS, {"messages": some}) for some in batches(sends(10**6), SENDS)),
        ),
        f"track-send/batch, {SENDS} lines": (
            1,
            (post_lines(TRACK_SENDS, some) for some in batches(sends(2 * 10**6), SENDS)),
        ),
    }


def _updates(size: int) -> dict[str, tuple[int, Iterator[bytes]]]:
    source = updates(size)  # of all four, so that each is ever earlier
    bodies, many = map(status_body, source), batches(source, UPDATES)
    return {
        "message-status": (25, (post(STATUS, body) for body in bodies)),
        f"message-status/batch of {UPDATES}": (
            1,
            (post(STATUSES, {"updates": some}) for some in batches(bodies, UPDATES)),
        ),
        f"message-status/batch, {UPDATES} lines": (
            1,
            (post_lines(STATUSES, some) for some in batches(bodies, UPDATES)),
        ),
        f"whatsapp of {UPDATES}": (1, (post(META, meta_body(some)) for some in many)),
    }
