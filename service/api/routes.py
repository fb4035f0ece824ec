"""Every endpoint: its method, its path, its policy, and its handler."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from aiohttp import web

from service.api import dashboard_files, operator_handlers, query_handlers, report_handlers
from service.domain.dimensions import LISTED
from service.errors import BadRequest, NotFound, RequestError, Unavailable
from service.models.insight_responses import (
    FailuresResponse,
    MessageResponse,
    MessageStatsResponse,
    list_name,
    values_response,
)
from service.models.requests import (
    Erase,
    FailuresQuery,
    ForwardedStatusRequest,
    HandshakeQuery,
    LatestLogQuery,
    LiveQuery,
    MessageLogsQuery,
    MessageStatsQuery,
    MessageStatusBatch,
    StatusLookupRequest,
    TrackSend,
    TrackSendBatch,
    ValuesQuery,
    WebhookPayload,
)
from service.models.responses import (
    Description,
    Done,
    EraseResponse,
    LatestLogResponse,
    MessageLog,
    MessageLogsResponse,
    MessageStatusBatchResponse,
    MessageStatusResponse,
    PayloadTaken,
    Ready,
    StatusLookupResponse,
    TrackSendBatchResponse,
    TrackSendResponse,
)
from service.web.bodies import check_expectation
from service.web.policies import (
    LIVE,
    META,
    OPEN,
    READ,
    STRANGER,
    WRITE,
    WRITE_MANY,
    Policies,
    Policy,
)

WEBHOOKS = "/api/webhooks"
DASHBOARD = "/dashboard"
"""The page and its files: for people, so not among the endpoints."""


class Route(NamedTuple):
    """An endpoint. A path that ends in a slash also works without it.

    Attributes:
        method: the HTTP method; a GET also answers HEAD.
        path: the path in its canonical form.
        handler: the handler; its docstring says in a sentence what the endpoint is for.
        policy: how requests are admitted.
        answers: the model of the answer; `str` is plain text.
        takes: the model of a GET's query, or of another method's body.
        sheet: whether it can also answer with CSV.
        events: whether it answers with a stream of events, each with one `answers`.
        lines: whether it also takes its items, and answers them, as a stream of lines.
        queued: whether it answers 202 when its reports have to wait for the store.
        refusals: errors that don't follow from the other attributes.
    """

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    policy: Policy
    answers: object
    takes: object = None
    sheet: bool = False
    events: bool = False
    lines: bool = False
    queued: bool = False
    refusals: tuple[type[RequestError], ...] = ()

    @property
    def forms(self) -> set[str]:
        """The path with and without its trailing slash."""
        return {self.path, self.path.rstrip("/")}


# Two lines a route: where it is, and what goes in and out.
# fmt: off
ROUTES = (
    Route("POST", f"{WEBHOOKS}/track-send/", report_handlers.track_send, WRITE,
          takes=TrackSend, answers=TrackSendResponse, queued=True),
    Route("POST", f"{WEBHOOKS}/track-send/batch/", report_handlers.track_send_batch, WRITE_MANY,
          takes=TrackSendBatch, answers=TrackSendBatchResponse, lines=True, queued=True),
    Route("POST", f"{WEBHOOKS}/message-status/", report_handlers.status_update, WRITE,
          takes=ForwardedStatusRequest, answers=MessageStatusResponse, queued=True),
    Route("POST", f"{WEBHOOKS}/message-status/batch/", report_handlers.status_update_batch,
          WRITE_MANY, takes=MessageStatusBatch, answers=MessageStatusBatchResponse, lines=True,
          queued=True),
    Route("POST", f"{WEBHOOKS}/message-status-lookup/", query_handlers.status_lookup, READ,
          takes=StatusLookupRequest, answers=StatusLookupResponse),
    Route("GET", f"{WEBHOOKS}/message-logs/", query_handlers.message_logs, READ,
          takes=MessageLogsQuery, answers=MessageLogsResponse),
    Route("GET", f"{WEBHOOKS}/message-logs/latest/", query_handlers.message_logs_latest, READ,
          takes=LatestLogQuery, answers=LatestLogResponse),
    Route("GET", f"{WEBHOOKS}/live/", query_handlers.live, LIVE,
          takes=LiveQuery, answers=MessageLog, events=True),
    Route("GET", f"{WEBHOOKS}/messages/{{wamid}}/", query_handlers.message_details, READ,
          answers=MessageResponse, refusals=(NotFound, BadRequest)),
    Route("GET", f"{WEBHOOKS}/message-stats/", query_handlers.message_stats, READ,
          takes=MessageStatsQuery, answers=MessageStatsResponse),
    *(Route("GET", f"{WEBHOOKS}/{list_name(each).replace('_', '-')}/",
            query_handlers.lister_of(each), READ,
            takes=ValuesQuery, answers=values_response(each)) for each in LISTED),
    Route("GET", f"{WEBHOOKS}/failures/", query_handlers.failures, READ,
          takes=FailuresQuery, answers=FailuresResponse, sheet=True),
    Route("POST", f"{WEBHOOKS}/erase/", query_handlers.erase, WRITE,
          takes=Erase, answers=EraseResponse),
    Route("GET", f"{WEBHOOKS}/whatsapp/", report_handlers.whatsapp_verify, META,
          takes=HandshakeQuery, answers=str),
    Route("POST", f"{WEBHOOKS}/whatsapp/", report_handlers.whatsapp, META,
          takes=WebhookPayload, answers=PayloadTaken, queued=True),
    Route("GET", "/healthz", operator_handlers.healthz, OPEN, answers=Done),
    Route("GET", "/readyz", operator_handlers.readyz, OPEN, answers=Ready, refusals=(Unavailable,)),
    Route("GET", "/metrics", operator_handlers.metrics, OPEN, answers=str),
    Route("GET", "/openapi.json", operator_handlers.openapi, STRANGER, answers=Description),
)
# fmt: on


def policies(routes: Iterable[Route] = ROUTES) -> Policies:
    """Returns the admission policy of each route and each page of the dashboard.

    Raises:
        ValueError: a route has a parameter in its path and another policy than `READ`. Admission
            comes before routing and looks up the literal path, so it would not find the policy.
    """
    routes = list(routes)
    if lost := [route.path for route in routes if "{" in route.path and route.policy is not READ]:
        raise ValueError(f"{', '.join(lost)}: a path with a parameter is let in as READ alone.")
    paths = [DASHBOARD, *(f"{DASHBOARD}/{file}" for file in dashboard_files.pages())]
    shown = {(method, path): STRANGER for method in ("GET", "HEAD") for path in paths}
    return shown | {
        (method, form): route.policy
        for route in routes
        for form in route.forms
        for method in ([route.method, "HEAD"] if route.method == "GET" else [route.method])
    }


def add_routes(app: web.Application) -> None:
    """Gives an application all endpoints and the dashboard; a GET answers HEAD as well."""
    for route in ROUTES:
        for form in route.forms:
            # A parameter may hold any character; a slash in it comes as %2F.
            form = re.sub(r"{(\w+)}", r"{\1:[^/]+}", form)  # noqa: PLW2901
            if route.method == "GET":
                app.router.add_get(form, route.handler)
            else:
                app.router.add_route(
                    route.method, form, route.handler, expect_handler=check_expectation
                )
    app.router.add_get(DASHBOARD, dashboard_files.to_dashboard)
    app.router.add_get(f"{DASHBOARD}/", dashboard_files.dashboard)
    app.router.add_get(f"{DASHBOARD}/{{file:.+}}", dashboard_files.dashboard)
