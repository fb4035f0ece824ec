"""Every endpoint: its method, its path, its policy, and its handler."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from aiohttp import web

from service.api import operator_handlers, query_handlers, report_handlers
from service.api.static_files import redirects, static_file, static_files, to_folder
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


class Tag(StrEnum):
    """What endpoints are about: a chapter of the reference each, in this order."""

    REPORTS = "Reports"
    WEBHOOK = "Webhook"
    MESSAGES = "Messages"
    STATISTICS = "Statistics"
    OPERATION = "Operation"


class Route(NamedTuple):
    """An endpoint. A path that ends in a slash also works without it.

    Attributes:
        method: the HTTP method; a GET also answers HEAD.
        path: the path in its canonical form.
        handler: the handler; its docstring says what the endpoint is for, its name is that of the
            operation.
        policy: how requests are admitted.
        tag: what the endpoint is about.
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
    tag: Tag
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
    Route("POST", f"{WEBHOOKS}/track-send/", report_handlers.track_send, WRITE, Tag.REPORTS,
          takes=TrackSend, answers=TrackSendResponse, queued=True),
    Route("POST", f"{WEBHOOKS}/track-send/batch/", report_handlers.track_sends, WRITE_MANY,
          Tag.REPORTS, takes=TrackSendBatch, answers=TrackSendBatchResponse, lines=True,
          queued=True),
    Route("POST", f"{WEBHOOKS}/message-status/", report_handlers.update_status, WRITE, Tag.REPORTS,
          takes=ForwardedStatusRequest, answers=MessageStatusResponse, queued=True),
    Route("POST", f"{WEBHOOKS}/message-status/batch/", report_handlers.update_statuses, WRITE_MANY,
          Tag.REPORTS, takes=MessageStatusBatch, answers=MessageStatusBatchResponse, lines=True,
          queued=True),
    Route("GET", f"{WEBHOOKS}/whatsapp/", report_handlers.verify_webhook, META, Tag.WEBHOOK,
          takes=HandshakeQuery, answers=str),
    Route("POST", f"{WEBHOOKS}/whatsapp/", report_handlers.receive_webhook, META, Tag.WEBHOOK,
          takes=WebhookPayload, answers=PayloadTaken, queued=True),
    Route("POST", f"{WEBHOOKS}/message-status-lookup/", query_handlers.look_up_statuses, READ,
          Tag.MESSAGES, takes=StatusLookupRequest, answers=StatusLookupResponse),
    Route("GET", f"{WEBHOOKS}/message-logs/", query_handlers.list_message_logs, READ, Tag.MESSAGES,
          takes=MessageLogsQuery, answers=MessageLogsResponse),
    Route("GET", f"{WEBHOOKS}/message-logs/latest/", query_handlers.get_latest_message_log, READ,
          Tag.MESSAGES, takes=LatestLogQuery, answers=LatestLogResponse),
    Route("GET", f"{WEBHOOKS}/messages/{{wamid}}/", query_handlers.get_message, READ, Tag.MESSAGES,
          answers=MessageResponse, refusals=(NotFound, BadRequest)),
    Route("GET", f"{WEBHOOKS}/live/", query_handlers.stream_changes, LIVE, Tag.MESSAGES,
          takes=LiveQuery, answers=MessageLog, events=True),
    Route("POST", f"{WEBHOOKS}/erase/", query_handlers.erase_messages, WRITE, Tag.MESSAGES,
          takes=Erase, answers=EraseResponse),
    Route("GET", f"{WEBHOOKS}/message-stats/", query_handlers.get_message_stats, READ,
          Tag.STATISTICS, takes=MessageStatsQuery, answers=MessageStatsResponse),
    *(Route("GET", f"{WEBHOOKS}/{list_name(each).replace('_', '-')}/",
            query_handlers.lister_of(each), READ, Tag.STATISTICS,
            takes=ValuesQuery, answers=values_response(each)) for each in LISTED),
    Route("GET", f"{WEBHOOKS}/failures/", query_handlers.list_failures, READ, Tag.STATISTICS,
          takes=FailuresQuery, answers=FailuresResponse, sheet=True),
    Route("GET", "/healthz", operator_handlers.get_health, OPEN, Tag.OPERATION, answers=Done),
    Route("GET", "/readyz", operator_handlers.get_readiness, OPEN, Tag.OPERATION,
          answers=Ready, refusals=(Unavailable,)),
    Route("GET", "/metrics", operator_handlers.get_metrics, OPEN, Tag.OPERATION, answers=str),
    Route("GET", "/openapi.json", operator_handlers.get_openapi, STRANGER, Tag.OPERATION,
          answers=Description),
)
# fmt: on


def policies(routes: Iterable[Route] = ROUTES) -> Policies:
    """Returns the admission policy of each route and each static file.

    Raises:
        ValueError: a route has a parameter in its path and another policy than `READ`. Admission
            comes before routing and looks up the literal path, so it would not find the policy.
    """
    routes = list(routes)
    if lost := [route.path for route in routes if "{" in route.path and route.policy is not READ]:
        raise ValueError(f"{', '.join(lost)}: a path with a parameter is let in as READ alone.")
    paths = [*static_files(), *redirects()]
    shown = {(method, path): STRANGER for method in ("GET", "HEAD") for path in paths}
    return shown | {
        (method, form): route.policy
        for route in routes
        for form in route.forms
        for method in ([route.method, "HEAD"] if route.method == "GET" else [route.method])
    }


def add_routes(app: web.Application) -> None:
    """Gives an application all endpoints and static files; a GET answers HEAD as well."""
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
    for path in static_files():
        app.router.add_get(path, static_file)
    for path in redirects():
        app.router.add_get(path, to_folder)
