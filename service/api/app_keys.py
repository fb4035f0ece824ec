"""What handlers find in the application: the store, the clock, metrics."""

from __future__ import annotations

import time
from typing import NamedTuple

from aiohttp import web

from service.domain.report import Clock
from service.live.hub import LiveHub
from service.store.clocks import Clocks
from service.store.replay import Replay
from service.store.store import Store
from service.telemetry import CachedProbe, Health, Metrics
from service.web.auth import Access

ACCESS = web.AppKey("access", Access)

STORE = web.AppKey("store", Store)

REPLAY = web.AppKey("replay", Replay)

HEALTH = web.AppKey("health", Health)

LIVE = web.AppKey("live", LiveHub)

METRICS = web.AppKey("metrics", Metrics)

OPENAPI = web.AppKey("openapi", bytes)

CLOCKS = web.AppKey("clocks", Clocks)

clock = Clock(time.time_ns)
"""Stamps all reports of this process. The application connects it with the clock of Redis."""


class Readiness(NamedTuple):
    """The result of `/readyz`: the state, or a sentence that says why the service isn't ready."""

    state: dict[str, object]
    sentence: str = ""


READINESS = web.AppKey("readiness", CachedProbe[Readiness])
