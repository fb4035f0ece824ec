"""Measures reports in batches: the service against Redis alone with the same script.

Both do the same work: they write the same reports into an empty store of the same Redis.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

import orjson

from bench import BenchError, Row, Say, wire
from bench.bodies import (
    META,
    STATUSES,
    TRACK_SENDS,
    batches,
    message,
    meta_body,
    news,
    post,
    post_lines,
    send_body,
    status_body,
)
from bench.client import client_of
from bench.duels import spread
from bench.processes import Server, serve
from service.domain.report import Clock, Report
from service.models.decoding import Reader
from service.models.incoming import send_report, status_report
from service.models.meta_webhook import Payload
from service.models.requests import MessageStatusRequest, TrackSendRequest

CONNECTIONS = 8
BATCH = 500
META_BATCH = 1_000
STATUSES_PER_S = 36_000
SENDS_PER_S = 12_000
"""How many reports are sent for each second of `--seconds`, however long they take."""

_CEILING = "ceiling"
_read_send = Reader(TrackSendRequest).body
_read_status = Reader(MessageStatusRequest).body


class Kind(NamedTuple):
    """A kind of report.

    Attributes:
        reports: the reports that the service would make from the bodies.
        loads: the ways to send them over HTTP, by name, each as raw requests.
        leaves: how many messages have each status in the end.
    """

    name: str
    reports: Callable[[], Iterator[Report]]
    loads: dict[str, Callable[[], Iterator[bytes]]]
    leaves: dict[str, int]


class Figures(NamedTuple):
    """The figures of one round: reports a second, and processor time in µs a report."""

    per_s: float
    service_us: float
    redis_us: float
    client_us: float


async def compare(rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures each load against the ceiling of its reports; returns a row for each."""
    rows: list[Row] = []
    with serve("service") as server:
        for kind in _kinds(seconds):
            say(f"ceiling: making {kind.name}")
            commands = list(wire.commands(kind.reports()))
            loads = {name: list(requests()) for name, requests in kind.loads.items()}
            names = [_CEILING, *loads]
            measured: dict[str, list[Figures]] = {name: [] for name in names}
            for number in range(rounds):
                say(f"ceiling: {kind.name}, round {number + 1} of {rounds}")
                for name in reversed(names) if number % 2 else names:
                    if name == _CEILING:
                        figures = _drive(server, kind, commands)
                    else:
                        figures = await _flood(server, kind, loads[name])
                    measured[name].append(figures)
            rows += [_row(name, measured[name], measured[_CEILING]) for name in loads]
    return rows


def _drive(server: Server, kind: Kind, commands: Sequence[bytes]) -> Figures:
    wire.empty(server.socket)
    before, own_s = server.cpu(), time.process_time()
    took_s = wire.drive(server.socket, commands)
    used, own_s = server.cpu().since(before), time.process_time() - own_s
    return _figures(server, kind, took_s, (used.service_s, used.redis_s, own_s))


async def _flood(server: Server, kind: Kind, requests: Sequence[bytes]) -> Figures:
    wire.empty(server.socket)
    async with client_of(server) as client:
        before, own_s, start_s = server.cpu(), time.process_time(), time.perf_counter()
        answers = await client.ask_all(requests, CONNECTIONS)
        took_s = time.perf_counter() - start_s
        used, own_s = server.cpu().since(before), time.process_time() - own_s
    if odd := [answer for answer in answers if answer.status != 200]:
        raise BenchError(f"{kind.name}: {len(odd)} requests failed, as with {odd[0]}")
    return _figures(server, kind, took_s, (used.service_s, used.redis_s, own_s))


def _figures(server: Server, kind: Kind, took_s: float, used_s: Sequence[float]) -> Figures:
    found = wire.statuses(server.socket)
    if found != kind.leaves:
        raise BenchError(f"{kind.name} should leave {kind.leaves}, but left {found}")
    count = _count(kind)
    return Figures(count / took_s, *(part_s / count * 1e6 for part_s in used_s))


def _count(kind: Kind) -> int:
    return sum(number * (3 if status == "read" else 1) for status, number in kind.leaves.items())


def _row(name: str, some: Sequence[Figures], ceilings: Sequence[Figures]) -> Row:
    ratios = [one.per_s / ceiling.per_s for one, ceiling in zip(some, ceilings, strict=True)]
    own, ceiling = (
        Figures(*map(median, zip(*figures, strict=True))) for figures in (some, ceilings)
    )
    return {
        "reports": name,
        "target": "ratio >= 0.60",
        **spread("ratio", ratios),
        "reports/s": round(own.per_s),
        "ceiling reports/s": round(ceiling.per_s),
        "service us": round(own.service_us, 2),
        "redis us": round(own.redis_us, 2),
        "client us": round(own.client_us, 2),
        "ceiling redis us": round(ceiling.redis_us, 2),
        "ceiling client us": round(ceiling.client_us, 2),
    }


def _kinds(seconds: int) -> Iterator[Kind]:
    """Yields one kind at a time, so that its requests are freed before the next kind's are made."""
    messages, sends = STATUSES_PER_S * seconds // 3, SENDS_PER_S * seconds
    yield Kind(
        name="statuses",
        reports=lambda: _status_reports(messages),
        loads={f"statuses, batches of {BATCH}": lambda: _status_batches(messages)},
        leaves={"read": messages},
    )
    yield Kind(
        name="Meta's statuses",
        reports=lambda: _meta_reports(messages),
        loads={f"Meta's bodies of {META_BATCH:,}": lambda: _meta_bodies(messages)},
        leaves={"read": messages},
    )
    yield Kind(
        name="sends",
        reports=lambda: _send_reports(sends),
        loads={
            f"sends, batches of {BATCH}": lambda: _send_batches(sends),
            f"sends, streams of {META_BATCH:,} lines": lambda: _send_streams(sends),
        },
        leaves={"sent": sends},
    )


def _status_reports(messages: int) -> Iterator[Report]:
    clock = Clock(time.time_ns)
    for item in news(messages):
        yield status_report(_read_status(orjson.dumps(status_body(item))), clock())


def _status_batches(messages: int) -> Iterator[bytes]:
    for some in batches(map(status_body, news(messages)), BATCH):
        yield post(STATUSES, {"updates": some})


def _meta_reports(messages: int) -> Iterator[Report]:
    clock = Clock(time.time_ns)
    for some in batches(news(messages), META_BATCH):
        yield from Payload(orjson.dumps(meta_body(some)), clock).reports


def _meta_bodies(messages: int) -> Iterator[bytes]:
    return (post(META, meta_body(some)) for some in batches(news(messages), META_BATCH))


def _send_reports(count: int) -> Iterator[Report]:
    clock = Clock(time.time_ns)
    for body in _sends(count):
        yield send_report(_read_send(orjson.dumps(body)), clock())


def _send_batches(count: int) -> Iterator[bytes]:
    return (post(TRACK_SENDS, {"messages": some}) for some in batches(_sends(count), BATCH))


def _send_streams(count: int) -> Iterator[bytes]:
    return (post_lines(TRACK_SENDS, some) for some in batches(_sends(count), META_BATCH))


def _sends(count: int) -> Iterator[dict[str, str]]:
    return (send_body(message(n)) for n in range(count))
