"""What operators see: JSON log events, metrics for Prometheus, the health of the service."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import sys
import time
import traceback
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service.domain.report import Merged, Report
from service.store.journal import Waiting
from service.store.scripts import MAX_BATCH

log = logging.getLogger(__name__)

Seen = TypeVar("Seen")

disable_created_metrics()  # type: ignore[no-untyped-call]  # they'd double the series

request_id: ContextVar[str] = ContextVar("request_id")
"""The id of the present request; every log event about it has the id."""

_STANDARD = set(vars(logging.makeLogRecord({})))
_LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells prometheus_client that several processes count together."""
_KINDS = ("counter", "histogram", "gauge_livesum")
"""The files of a worker: one for each type of metric that `Metrics` has."""
_FIELD_NAME = re.compile(r"(?!.*[0-9]{6})[A-Za-z_][A-Za-z0-9_]{0,63}")
"""The names of fields that may be counted. A phone number is never one."""
_MOST_NAMES = 50
_FRESH_S = _LOG_EVERY_S = 1.0
_TIMES_ITS_COST = 20
_BATCH_SIZES = tuple(2**power for power in range(MAX_BATCH.bit_length()))


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a line: time, level, logger, event, request id, and `extra`.

    Of an exception it writes the type and the places in the code, never the text: that may contain
    what a caller sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line of an event."""
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if known := request_id.get(""):
            event["request_id"] = known
        event |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0]:
            event["exception"] = record.exc_info[0].__name__
            event["places"] = [
                f"{place.filename}:{place.lineno} {place.name}"
                for place in traceback.extract_tb(record.exc_info[2])
            ]
        return orjson.dumps(event, default=str).decode()


def log_to_stderr(level: str) -> None:
    """Makes the whole process log JSON lines, from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class SharedMetrics:
    """The files in which workers count their metrics, so that each worker can report the sum.

    A worker counts in the files of its slot, and continues where the last worker of the slot ended.
    So no count is lost when a worker ends, and the number of files is bounded by the slots.

    Args:
        folder: the folder of the files; it is empty at first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, slot: int) -> None:
        """Makes a slot's files, each atomically, since other workers may be reading the folder."""
        for kind in _KINDS:
            file = self._folder / f"{kind}_{slot}.db"
            if not file.exists():
                fresh = file.with_suffix(".new")
                MmapedDict(str(fresh)).close()  # type: ignore[no-untyped-call]
                fresh.rename(file)

    def join(self, slot: int) -> None:
        """Makes all later `Metrics` of this process count in a slot's files."""
        os.environ[_FOLDER] = str(self._folder)
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]

    def leave(self, slot: int) -> None:
        """Removes a worker's gauges, which only hold while it lives."""
        mark_process_dead(slot, str(self._folder))  # type: ignore[no-untyped-call]


def _exposed(own: CollectorRegistry) -> CollectorRegistry:
    """Returns what `/metrics` shows: a lone process's own metrics, or the sum of all workers."""
    if _FOLDER not in os.environ:
        return own
    summed = CollectorRegistry()
    MultiProcessCollector(summed)  # type: ignore[no-untyped-call]
    return summed


def _observer_of(child: Histogram) -> Callable[[float], None]:
    """Returns a `child.observe` that costs half as much, since every request calls it."""
    add = child._sum.inc  # noqa: SLF001
    count = [bucket.inc for bucket in child._buckets]  # noqa: SLF001

    def observe(seconds: float) -> None:
        add(seconds)
        count[bisect_left(_LATENCIES_S, seconds)](1)

    return observe


class Metrics:
    """The metrics of one service.

    All of them must add up over the workers, so a gauge has the mode `livesum` and no function.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "tracker_request_seconds",
            "Requests by route and status, and how long they took.",
            ["route", "status"],
            buckets=_LATENCIES_S,
            registry=self.registry,
        )
        self._reports = self._counter(
            "tracker_reports",
            "Reports merged, by the status reported and what that did to the record.",
            "status",
            "outcome",
        )
        self._batches = Histogram(
            "tracker_batch_reports",
            "Reports in a batch that was merged.",
            buckets=_BATCH_SIZES,
            registry=self.registry,
        )
        self._redis_errors = self._counter(
            "tracker_redis_errors",
            "Calls to Redis that were given up, by reason.",
            "reason",
        )
        self._queue = self._gauge(
            "tracker_queue_reports", "Reports that wait for a batch to take them."
        )
        self._kept = self._gauge(
            "tracker_journal_reports", "Reports that wait on disk for the store to be back."
        )
        self._kept_s = self._gauge(
            "tracker_journal_age_seconds", "How long the first of them has waited."
        )
        self._stuck = self._gauge(
            "tracker_journal_stuck_reports",
            "Reports that are merged, and that the disk doesn't let the journal remove.",
        )
        self._depth: Callable[[], int] = int
        self._waiting: Callable[[], Waiting] = lambda: Waiting(0, 0.0)
        self._exposed = _exposed(self.registry)
        self._webhook_items = self._counter(
            "tracker_webhook_items",
            "What Meta's webhook brought, by kind; all but statuses are passed over.",
            "kind",
        )
        self._fields_ignored = self._counter(
            "tracker_fields_ignored",
            "Unknown fields of bodies, which were ignored, by name.",
            "field",
        )
        self._names_ignored: set[str] = set()
        self._odd_parts = self._counter(
            "tracker_odd_parts",
            "Parts of bodies that could not be used and so counted as absent, by name.",
            "part",
        )
        self._items_refused = self._counter(
            "tracker_items_refused",
            "Items of batches and streams that were refused, each by itself.",
        )
        self._forgotten = self._counter(
            "tracker_messages_forgotten",
            "Messages removed, by reason: somebody asked for it, or they had grown old.",
            "reason",
        )
        self._listeners = self._gauge("tracker_listeners", "Listeners of changes, on live.")
        self._listening: Callable[[], int] = int
        self._clocks = self._gauge(
            "tracker_clocks_apart",
            "Processes whose clock and that of Redis are more than a minute apart.",
        )
        self._apart: Callable[[], object] = bool
        self._retention = self._gauge(
            "tracker_retention_stopped",
            "Processes in which retention stands still; the log says why.",
        )
        self._stopped: Callable[[], object] = bool
        self._places_lost = self._counter(
            "tracker_places_lost",
            "Listeners that lost their place, by reason: they were too slow, or the feed no longer "
            "reached back to it.",
            "reason",
        )
        self._connections_closed = self._counter(
            "tracker_connections_closed",
            "Connections that were closed to make room, by reason: one was idle, or a stranger's.",
            "reason",
        )
        self._closed_logged_s = -math.inf
        self._made, self._made_until_s = b"", -math.inf
        self._observers: dict[tuple[str, int], Callable[[float], None]] = {}

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry, multiprocess_mode="livesum")

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        observe = self._observers.get((route, status))
        if observe is None:
            child = self._requests.labels(route, str(status))
            observe = self._observers[route, status] = _observer_of(child)
        observe(seconds)

    def merged(self, reports: Sequence[Report], merged: Sequence[Merged]) -> None:
        """Counts a batch that was written."""
        self._batches.observe(len(reports))
        tally = Tally((r.status, m.outcome) for r, m in zip(reports, merged, strict=True))
        for (status, outcome), number in tally.items():
            self._reports.labels(status, outcome).inc(number)

    def redis_failed(self, reason: str) -> None:
        """Counts a call to Redis that was given up."""
        self._redis_errors.labels(reason).inc()

    def forgotten(self, reason: str, number: int) -> None:
        """Counts removed messages."""
        self._forgotten.labels(reason).inc(number)

    def webhook(self, items: Mapping[str, int]) -> None:
        """Counts the items of each kind in a payload of Meta's."""
        for kind, number in items.items():
            self._webhook_items.labels(kind).inc(number)

    def ignored(self, field: str) -> None:
        """Counts an ignored field. Callers choose the names, so only a few names are counted."""
        known = self._names_ignored
        if field not in known and not (len(known) < _MOST_NAMES and _FIELD_NAME.fullmatch(field)):
            field = "other"
        if field not in known:
            known.add(field)
            log.warning("field_ignored", extra={"field": field})
        self._fields_ignored.labels(field).inc()

    def odd(self, part: str) -> None:
        """Counts a part of a body that counted as absent."""
        self._odd_parts.labels(part).inc()

    def items_refused(self, number: int) -> None:
        """Counts refused items of a batch."""
        self._items_refused.inc(number)

    def place_lost(self, reason: str) -> None:
        """Counts a subscriber that lost changes: it was `slow`, or the changes are `gone`."""
        self._places_lost.labels(reason).inc()

    def connection_closed(self, reason: str) -> None:
        """Counts a connection that gave way: it was `idle`, or the oldest `stranger`.

        It is logged once a second at most.
        """
        self._connections_closed.labels(reason).inc()
        now_s = time.monotonic()
        if now_s - self._closed_logged_s >= _LOG_EVERY_S:
            log.warning("connections_closed", extra={"reason": reason})
            self._closed_logged_s = now_s

    def watch_listeners(self, listening: Callable[[], int]) -> None:
        """Sets what returns the number of live streams. `refresh` calls it."""
        self._listening = listening

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Sets what returns the depth of the queue. `refresh` calls it."""
        self._depth = depth

    def watch_journal(self, waiting: Callable[[], Waiting]) -> None:
        """Sets what returns the backlog of the journal. `refresh` calls it."""
        self._waiting = waiting

    def watch_clocks(self, apart: Callable[[], object]) -> None:
        """Sets what tells whether the clocks are apart. `refresh` calls it."""
        self._apart = apart

    def watch_retention(self, stopped: Callable[[], object]) -> None:
        """Sets what tells whether retention has stopped. `refresh` calls it."""
        self._stopped = stopped

    def refresh(self) -> None:
        """Updates the gauges that are polled.

        Each worker does this once a second, so that any worker can report the sum.
        """
        self._queue.set(self._depth())
        self._listeners.set(self._listening())
        self._clocks.set(bool(self._apart()))
        self._retention.set(bool(self._stopped()))
        waiting = self._waiting()
        self._kept.set(waiting.reports)
        self._kept_s.set(waiting.age_s)
        self._stuck.set(waiting.stuck)

    def exposition(self) -> bytes:
        """Returns all metrics in Prometheus' text format.

        The text is cached for a moment, so that making it takes at most a twentieth of the
        processor's time, however often it is asked for.
        """
        now_s = time.monotonic()
        if now_s >= self._made_until_s:
            began_s = time.thread_time()
            self.refresh()
            self._made = generate_latest(self._exposed)
            self._made_until_s = now_s + _TIMES_ITS_COST * (time.thread_time() - began_s)
        return self._made


class CachedProbe(Generic[Seen]):
    """Shares one probe among all callers within a second.

    Args:
        look: the probe, which runs once a second at most.
    """

    def __init__(self, look: Callable[[], Coroutine[Any, Any, Seen]]) -> None:
        self._look = look
        self._began_s = -math.inf
        self._known: object = None
        self._task: asyncio.Task[Seen] | None = None

    async def seen(self, known: object = None) -> Seen:
        """Returns the result of the probe, which may be a second old.

        Args:
            known: what is known without a probe. If it has changed, the probe runs again.
        """
        now_s = asyncio.get_running_loop().time()
        fresh = now_s - self._began_s < _FRESH_S and known == self._known
        if self._task is None or (self._task.done() and not fresh):
            self._began_s, self._known = now_s, known
            self._task = asyncio.create_task(self._look())
        return await asyncio.shield(self._task)


class Health:
    """Says whether the service goes on taking requests."""

    draining = False
