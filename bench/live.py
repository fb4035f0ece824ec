"""Measures a thousand subscribers under a thousand statuses a second: what they get, and when."""

import asyncio
import gc
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import product
from statistics import quantiles
from typing import cast

from bench import BenchError, Row, Say
from bench.bodies import (
    EVENT_SIZE,
    STATUSES,
    TRACK_SENDS,
    News,
    batches,
    event_of,
    get,
    message,
    post,
    send_body,
    status_body,
)
from bench.client import Client, client_of
from bench.processes import TIMEOUT_S, Server, serve
from service.domain.report import Status

LISTENERS, EVENTS = 1_000, 50
CHANGES_PER_S, BATCH = 1_000, 100
TARGET = "p99 < 1000 ms"

_STEPS = (Status.DELIVERED, Status.READ)
_SENDS = 500
_POLL_S = 0.05
_CHANGE = re.compile(rb'"wamid":"([^"]+)","recipient_id":"\d*","status":"([a-z]+)"')
_LOST = b"event: lost\n"

Change = tuple[bytes, bytes]
"""A wamid and a status."""


class Listener(asyncio.Protocol):
    """A subscriber: a connection on which changes arrive.

    Args:
        event: the event that it subscribes to.
    """

    def __init__(self, event: str) -> None:
        self.event = event
        self.heard = list[tuple[Change, float]]()
        self.begun = False
        self.lost = 0
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(get(f"/api/webhooks/live/?event_id={self.event}"))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        now_s = time.perf_counter()
        text = self._rest + data
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        self.begun = self.begun or b"event: ready\n" in text[:end]
        self.lost += text.count(_LOST, 0, end)
        self.heard += [((found[1], found[2]), now_s) for found in _CHANGE.finditer(text, 0, end)]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  none or any
        """See asyncio.Protocol. Counts as lost: the connection should not end by itself."""
        self.lost += 1

    def close(self) -> None:
        """Closes the connection, without counting it as lost."""
        self.connection_lost = lambda exc: None  # type: ignore[method-assign]  # noqa: ARG005
        self._transport.close()


async def measure(seconds: int, say: Say) -> list[Row]:
    """Reports statuses for this long; returns a row of what subscribers got, and when."""
    with serve("service") as server:
        say("live: making the messages")
        events = [event_of(EVENT_SIZE * number) for number in range(EVENTS)]
        each = seconds * CHANGES_PER_S // len(_STEPS) // EVENTS
        numbers = [EVENT_SIZE * event + n for n, event in product(range(each), range(EVENTS))]
        async with client_of(server) as client:
            for some in batches(map(message, numbers), _SENDS):
                await _take(client, TRACK_SENDS, {"messages": list(map(send_body, some))})
            with ExitStack() as stack:
                listeners = [
                    stack.enter_context(closing(await _listen(server, events[n % EVENTS])))
                    for n in range(LISTENERS)
                ]
                if not await _until(lambda: all(each.begun for each in listeners)):
                    raise BenchError("not every subscriber got its first event")
                say(f"live: {LISTENERS:,} listeners, {CHANGES_PER_S:,} statuses/s for {seconds} s")
                before, own_s = server.cpu(), time.process_time()
                posted = await _report(client, numbers)
                used, own_s = server.cpu().since(before), time.process_time() - own_s
                expected = LISTENERS // EVENTS * len(posted)
                await _until(lambda: sum(len(each.heard) for each in listeners) >= expected)
                shares = {"service": used.service_s, "redis": used.redis_s, "client": own_s}
                row = _row(listeners, posted, numbers)
                row["memory MiB"] = round(server.rss_mib())
    return [row | {f"{k} % of a core": round(100 * s / seconds, 1) for k, s in shares.items()}]


async def _listen(server: Server, event: str) -> Listener:
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(lambda: Listener(event), "127.0.0.1", server.port)
    return made


async def _take(client: Client, path: str, body: object) -> None:
    answer = await client.ask(post(path, body))
    if answer.status != 200:
        raise BenchError(f"{path} was answered {answer.status}")


async def _report(client: Client, numbers: list[int]) -> dict[Change, float]:
    """Posts each batch when it is due; returns when each change was posted."""
    gc.collect()
    gc.freeze()  # else the bench's own garbage collections would look like a slow service
    posted: dict[Change, float] = {}
    start_s = time.perf_counter() + 0.1
    async with asyncio.TaskGroup() as tasks:
        for number, some in enumerate(batches(_news(numbers), BATCH)):
            body = {"updates": list(map(status_body, some))}
            due_s = start_s + number * BATCH / CHANGES_PER_S
            await asyncio.sleep(max(due_s - time.perf_counter(), 0))
            now_s = time.perf_counter()
            posted |= {(item.wamid.encode(), item.status.encode()): now_s for item in some}
            tasks.create_task(_take(client, STATUSES, body))
    gc.unfreeze()
    return posted


def _news(numbers: list[int]) -> Iterator[News]:
    """All messages are delivered, then all are read, so that no two changes arrive as one."""
    at_s = int(time.time()) - 3_600
    for status, number in product(_STEPS, numbers):
        wamid, context = message(number)
        yield News(wamid, context.recipient_id, status, at_s)


async def _until(condition: Callable[[], bool]) -> bool:
    """Waits for a condition, for `TIMEOUT_S` at most; returns whether it came true."""
    for _ in range(int(TIMEOUT_S / _POLL_S)):
        if condition():
            return True
        await asyncio.sleep(_POLL_S)
    return False


def _row(listeners: list[Listener], posted: dict[Change, float], numbers: list[int]) -> Row:
    wanted = Counter[str]()
    event_by_wamid = {message(n).wamid.encode(): event_of(n) for n in numbers}
    for wamid, _ in posted:
        wanted[event_by_wamid[wamid]] += 1
    missed = others = 0
    for each in listeners:
        told = {change for change, _ in each.heard}
        others += sum(event_by_wamid[wamid] != each.event for wamid, _ in told)
        missed += wanted[each.event] - len(told)
    times_ms = sorted((at - posted[c]) * 1e3 for each in listeners for c, at in each.heard)
    cuts = quantiles(times_ms, n=100, method="inclusive")
    return {
        "listeners": len(listeners),
        "target": TARGET,
        "changes": len(posted),
        "told": len(times_ms),
        "p50 ms": round(cuts[49], 1),
        "p99 ms": round(cuts[98], 1),
        "most ms": round(times_ms[-1], 1),
        "places lost": sum(each.lost for each in listeners),
        "failed": missed + others + sum(each.lost for each in listeners),
    }
