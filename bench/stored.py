"""Fills stores with many messages, and measures the memory that a message takes."""

import time
from collections.abc import Iterator

from bench import Row, Say, wire
from bench.bodies import message
from bench.processes import serve
from service.domain.record import Record, record_of
from service.domain.report import Report, Status
from service.models.responses import MessageLog, message_log

FIRST_US = time.time_ns() // 1000 - 86_400_000_000
"""When the first message of a store was received. Each further one came a µs later."""


def sent(n: int) -> Report:
    """The track-send of a store's n-th message."""
    wamid, context = message(n)
    received_us = FIRST_US + n
    return Report(wamid, Status.SENT, received_us // 1000, received_us, context=context)


def history(n: int) -> list[Report]:
    """The reports of a store's n-th message. A third each is sent, delivered and read."""
    send = sent(n)
    steps = (Status.DELIVERED, Status.READ)[: n % 3]
    return [
        send,
        *(
            Report(send.wamid, status, send.at_ms + 30_000 * (step + 1), send.received_us)
            for step, status in enumerate(steps)
        ),
    ]


def stock(path: str, count: int) -> None:
    """Fills the store at a Redis' socket, with the merge script: HTTP would take minutes."""
    wire.drive(path, wire.commands(report for n in range(count) for report in history(n)))


def records(count: int) -> Iterator[tuple[Record, MessageLog]]:
    """The record of each message after `stock`, and its form in the service's answers."""
    for n in range(count):
        record = record_of(history(n))
        yield record, message_log(record)


def memory(count: int, say: Say) -> list[Row]:
    """Tracks messages; returns a row with what each added to Redis' `used_memory`."""
    say(f"memory: tracking {count:,} messages")
    with serve("service") as server:
        before = wire.used_memory(server.socket)
        wire.drive(server.socket, wire.commands(map(sent, range(count))))
        each = round((wire.used_memory(server.socket) - before) / count)
    return [{"messages": count, "bytes a message": each, "target": "<= 1450"}]
