"""What many messages cost: Redis memory a message, and the time of a page."""

import asyncio
import base64
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from statistics import median

import aiohttp
import orjson
import uvloop
from redis.asyncio import Redis

from bench import BenchError, Row
from bench.processes import TOKEN, Server, serve
from service.reports import Context, Report, Status
from service.scripts import MAX_BATCH, Scripts

EVENT_SIZE = 1_000
TEMPLATE = "rsvp_invite_v2"
CONNECTIONS = 64
PAGE_SIZE = 50
PAGE_ROUNDS = 200
SETTLE_TIMEOUT_S = 120.0
SELECTIONS = {
    "event": ("event_id",),
    "template": ("template_name",),
    "event + template": ("event_id", "template_name"),
}

Say = Callable[[str], None]


def memory(count: int, say: Say) -> list[Row]:
    """Tracks messages over HTTP and returns what each added to Redis' `used_memory`."""
    with serve("service") as server:
        return uvloop.run(_memory(server, count, say))


def pages(small: int, large: int, say: Say) -> list[Row]:
    """Compares the time of pages between a small and a large store; a row for each selection."""
    with serve("service") as few, serve("service") as many:
        return uvloop.run(_pages([(few, small), (many, large)], say))


async def _memory(server: Server, count: int, say: Say) -> list[Row]:
    before = await _used_memory(server)
    say(f"memory: tracking {count:,} messages")
    await _track(server, count)
    each = round((await _used_memory(server) - before) / count)
    return [{"messages": count, "bytes a message": each, "target": "<= 1450"}]


async def _pages(stores: list[tuple[Server, int]], say: Say) -> list[Row]:
    for server, count in stores:
        say(f"pages: filling a store with {count:,} messages")
        await _fill(server, count)
        await _used_memory(server)
    (_, small), (_, large) = stores
    rows: list[Row] = []
    for name in SELECTIONS:
        say(f"pages: by {name}")
        small_ms, large_ms = await _time(stores, name)
        row: Row = {"page by": name, "small": small, "ms": round(small_ms, 3)}
        row |= {"large": large, "large ms": round(large_ms, 3)}
        rows.append(row | {"ratio": round(large_ms / small_ms, 2), "target": "about 1"})
    return rows


async def _track(server: Server, count: int) -> None:
    """Posts a track-send of each message over many connections; the first refusal ends it."""
    bodies = (orjson.dumps(_body(wamid, context)) for wamid, context in _messages(count))

    async def work() -> None:
        for body in bodies:
            async with session.post("/api/webhooks/track-send/", data=body) as response:
                answer = await response.text()
            if not response.ok:
                raise BenchError(f"track-send answered {response.status}: {answer}")

    async with _session(server) as session:
        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


async def _fill(server: Server, count: int) -> None:
    """Tracks messages with the service's own script: a million over HTTP would take minutes."""
    now_us = time.time_ns() // 1000
    reports = (
        Report(wamid, Status.SENT, now_us // 1000, now_us + n, context=context)
        for n, (wamid, context) in enumerate(_messages(count))
    )
    async with Redis(unix_socket_path=server.socket, protocol=2) as client:
        scripts = Scripts(
            lambda _until_s, _tag, *command: client.execute_command(*command), shebang=True
        )
        while batch := list(islice(reports, MAX_BATCH)):
            await scripts.merge(0, batch, asyncio.get_running_loop().time() + 10)


async def _used_memory(server: Server) -> int:
    """`used_memory` once it rests: tables grown, no rewrite of the append-only file under way."""
    last, deadline = 0, time.monotonic() + SETTLE_TIMEOUT_S
    async with Redis(unix_socket_path=server.socket, protocol=2) as client:
        while time.monotonic() < deadline:
            info = await client.info()
            used = int(info["used_memory"])
            if abs(used - last) < used // 10_000 and not info["aof_rewrite_in_progress"]:
                return used
            last = used
            await asyncio.sleep(0.5)
    raise BenchError(f"Redis did not come to rest within {SETTLE_TIMEOUT_S} s")


async def _time(stores: list[tuple[Server, int]], name: str) -> list[float]:
    """The median time of a page in each store, in ms, asking one after the other in turns."""
    times: list[list[float]] = [[] for _ in stores]
    async with _session(stores[0][0]) as few, _session(stores[1][0]) as many:
        for _ in range(PAGE_ROUNDS):
            for session, (_, count), taken in zip((few, many), stores, times, strict=True):
                given = {"event_id": _event(count // 2), "template_name": TEMPLATE}
                query = {name: given[name] for name in SELECTIONS[name]}
                start = time.perf_counter()
                async with session.get("/api/webhooks/message-logs/", params=query) as response:
                    body = await response.read()
                taken.append((time.perf_counter() - start) * 1e3)
                if not response.ok or len(orjson.loads(body)["logs"]) != PAGE_SIZE:
                    raise BenchError(f"no full page by {name}: {response.status} {body[:200]!r}")
    return [median(taken) for taken in times]


def _session(server: Server) -> aiohttp.ClientSession:
    headers = {"X-Webhook-Token": TOKEN, "Content-Type": "application/json"}
    return aiohttp.ClientSession(server.url, headers=headers)


def _messages(count: int) -> Iterator[tuple[str, Context]]:
    """The same messages in every run; a thousand to an event, one template, all else unique."""
    random = Random(2)
    for n in range(count):
        phone = f"9198{n:08}"
        # As Meta makes them: base64 of some bytes around the recipient and a random id.
        inside = f"\x1c\x18\x0c{phone}\x15\x02\0\x11\x18\x12{random.getrandbits(72):018X}"
        wamid = "wamid." + base64.b64encode(inside.encode()).decode()
        registration, guest = (str(uuid.UUID(int=random.getrandbits(128))) for _ in range(2))
        event, name = _event(n), f"Guest {n:06}"
        yield wamid, Context(phone, event, registration, guest, TEMPLATE, "rsvp", "rsvp", name)


def _event(n: int) -> str:
    return str(uuid.UUID(int=Random(n // EVENT_SIZE).getrandbits(128)))


def _body(wamid: str, context: Context) -> dict[str, str]:
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
