"""Every endpoint: its method, its path, who may call it, and what answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from service import handlers
from service.middleware import META, OPEN, READ, WRITE, Policies, Policy

WEBHOOKS = "/api/webhooks"


class Route(NamedTuple):
    """An endpoint. A path with a trailing slash is there without it too."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    policy: Policy

    @property
    def forms(self) -> set[str]:
        """The path with and without its trailing slash."""
        return {self.path, self.path.rstrip("/")}


ROUTES = (
    Route("POST", f"{WEBHOOKS}/track-send/", handlers.track_send, WRITE),
    Route("POST", f"{WEBHOOKS}/track-send/batch/", handlers.track_send_batch, WRITE),
    Route("POST", f"{WEBHOOKS}/message-status/", handlers.status_update, WRITE),
    Route("POST", f"{WEBHOOKS}/message-status/batch/", handlers.status_update_batch, WRITE),
    Route("POST", f"{WEBHOOKS}/message-status-lookup/", handlers.status_lookup, READ),
    Route("GET", f"{WEBHOOKS}/message-logs/", handlers.message_logs, READ),
    Route("GET", f"{WEBHOOKS}/message-logs/latest/", handlers.message_logs_latest, READ),
    Route("GET", f"{WEBHOOKS}/whatsapp/", handlers.whatsapp_verify, META),
    Route("POST", f"{WEBHOOKS}/whatsapp/", handlers.whatsapp, META),
    Route("GET", "/healthz", handlers.healthz, OPEN),
    Route("GET", "/readyz", handlers.readyz, OPEN),
    Route("GET", "/metrics", handlers.metrics, OPEN),
)


def policies() -> Policies:
    """How each route's requests are let in."""
    return {
        (method, form): route.policy
        for route in ROUTES
        for form in route.forms
        for method in ([route.method, "HEAD"] if route.method == "GET" else [route.method])
    }


def add_routes(app: web.Application) -> None:
    """Gives an application all endpoints; a GET answers HEAD as well."""
    for route in ROUTES:
        for form in route.forms:
            if route.method == "GET":
                app.router.add_get(form, route.handler)
            else:
                app.router.add_route(route.method, form, route.handler)
