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
"""Stamps all reports of this process. The application has it know Redis' clock."""


class Readiness(NamedTuple):
    """What `/readyz` answers: a state, or the sentence that says why not."""

    state: dict[str, object]
    sentence: str = ""


READINESS = web.AppKey("readiness", CachedProbe[Readiness])
