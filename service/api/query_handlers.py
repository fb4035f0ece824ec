"""Endpoints that query messages, and the one that erases them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import hdrs, web
from multidict import istr

from service.api.app_keys import LIVE, METRICS, REPLAY, STORE, clock
from service.api.event_stream import HEADERS, answer_with_events
from service.api.failures_csv import CSV, answer_sheet
from service.domain.dimensions import Dimension
from service.domain.error_codes import group_of, groups_of
from service.domain.query import Position
from service.domain.record import Participant
from service.domain.statistics import Stats
from service.errors import (
    BadRequest,
    NotFound,
)
from service.live.subscribers import Subscriber
from service.models.cursors import (
    decode_position,
    decode_value_position,
    encode_position,
    encode_value_position,
)
from service.models.decoding import Reader
from service.models.fields import read_wamid
from service.models.insight_responses import (
    counted_failures,
    failures_answer,
    list_name,
    message,
    values_answer,
)
from service.models.insight_responses import message_stats as stats_answer
from service.models.requests import (
    EraseRequest,
    FailuresQuery,
    LatestLogQuery,
    LiveQuery,
    MessageLogsQuery,
    MessageStatsQuery,
    StatusLookupRequest,
    ValuesQuery,
)
from service.models.responses import (
    STATUS_ROWS,
    VERSIONED_STATUS_ROWS,
    EraseResponse,
    latest_log,
    log_of,
    log_rows,
    message_status,
    versioned_log_of,
    versioned_status,
)
from service.models.selections import (
    failed_selection,
    filter_of,
    selection_of,
    selection_to_erase,
    wamids_of,
)
from service.store.erasure import erase
from service.store.failures import FailedPage, count_failed, failed_page, page_of_class
from service.web.bodies import MIB, body_of
from service.web.http_responses import json_response

log = logging.getLogger(__name__)

_status_lookup = Reader(StatusLookupRequest)

_message_logs = Reader(MessageLogsQuery)

_latest_log = Reader(LatestLogQuery)

_live = Reader(LiveQuery)

_erase = Reader(EraseRequest)

_message_stats = Reader(MessageStatsQuery)

_list_values = Reader(ValuesQuery)

_failures = Reader(FailuresQuery)

LAST_EVENT_ID = istr("Last-Event-ID")


async def look_up_statuses(request: web.Request) -> web.Response:
    """POST message-status-lookup: look up the statuses of given messages.

    The answer leaves out messages that the service has never seen.
    """
    body = _status_lookup.body(await body_of(request, MIB), request.app[METRICS])
    kind = VERSIONED_STATUS_ROWS if body.versions else STATUS_ROWS
    show = versioned_status if body.versions else message_status
    rows = await request.app[STORE].look_up(wamids_of(body), kind)
    return json_response({"statuses": {wamid: show(row) for wamid, row in rows.items()}})


async def list_message_logs(request: web.Request) -> web.Response:
    """GET message-logs: list the messages that match filters.

    The newest comes first. A message must match all filters that are given. If more messages
    follow, the answer has a `Link` header with the address of the next page. A page may be short
    and still have a next page.
    """
    query = _message_logs.query(list(request.query.items()))
    selection, after = selection_of(query), decode_position(query.cursor)
    limit = int(query.limit)
    versions = query.versions == "true"
    kind = log_rows(*(dimension for dimension, _ in selection.filters), versions=versions)
    page = await request.app[STORE].page_of(kind, selection, limit, after)
    show = versioned_log_of if versions else log_of
    response = json_response({"logs": list(map(show, page.records))})
    if page.following:
        _add_next(request, response, encode_position(page.following))
    return response


async def get_latest_message_log(request: web.Request) -> web.Response:
    """GET message-logs/latest: get the latest message of a registration.

    `log` is null if the registration has no message.
    """
    query = _latest_log.query(list(request.query.items()))
    record = await request.app[STORE].latest("registration", query.registration_id)
    versions = query.versions == "true"
    return json_response({"log": latest_log(record, versions=versions) if record else None})


async def stream_changes(request: web.Request) -> web.StreamResponse:
    """GET live: stream the changes of messages as they happen.

    The answer is a stream of server-sent events without an end: those of one event, template and
    so on, or of all messages. Load the page after the event `ready`. To resume, send the last `id`
    as `Last-Event-ID`, as browsers do by themselves.
    """
    wanted = filter_of(_live.query(list(request.query.items())))
    if request.method == hdrs.METH_HEAD:
        return web.Response(headers=HEADERS)
    if request.transport is None:
        raise ConnectionResetError
    subscriber = Subscriber(wanted, request.transport)
    try:
        await request.app[LIVE].join(subscriber, request.headers.get(LAST_EVENT_ID, ""))
        return await answer_with_events(request, subscriber)
    finally:
        request.app[LIVE].leave(subscriber)


def _add_next(request: web.Request, response: web.Response, cursor: str) -> None:
    following = request.rel_url.update_query(cursor=cursor)
    response.headers["Link"] = f'<{following}>; rel="next"'


async def get_message(request: web.Request) -> web.Response:
    """GET messages: get everything that is known of one message.

    The answer has its timeline, its error with the meaning and the remedy, its pricing, its ids and
    the reports that contradict each other.
    """
    wamid = read_wamid(request.match_info["wamid"])
    if request.query:
        raise BadRequest("No parameter is allowed.", next(iter(request.query)))
    store = request.app[STORE]
    record = (await store.lookup([wamid])).get(wamid)
    participants: list[Participant] = []
    if record:
        record, participants = await store.with_participants(record)
    if record is None:
        raise NotFound("No message has this wamid.")
    return json_response({"message": message(record, participants)})


async def get_message_stats(request: web.Request) -> web.Response:
    """GET message-stats: get the numbers of an event, a template and so on.

    At most one parameter may be given. Without one the numbers are those of all messages.
    """
    chosen = filter_of(_message_stats.query(list(request.query.items())))
    return json_response(stats_answer(await _stats(request, chosen)))


async def _stats(request: web.Request, chosen: tuple[str, str]) -> Stats:
    return await request.app[STORE].stats(*chosen, clock() // 1000)


def lister_of(dimension: Dimension) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Returns the handler that lists a dimension's values: `_values`, under the list's name."""

    async def values(request: web.Request) -> web.Response:
        return await _values(request, dimension)

    name = list_name(dimension)
    words = name.replace("_", " ")
    values.__name__ = f"list_{name}"
    values.__doc__ = (
        f"GET {name}: list the {words} that have messages.\n\n"
        "Each has the numbers of its messages. The one with the latest message comes first."
    )
    return values


async def _values(request: web.Request, dimension: Dimension) -> web.Response:
    """GET events, and the lists of the other dimensions."""
    query = _list_values.query(list(request.query.items()))
    page = await request.app[STORE].values(
        dimension.name, int(query.limit), decode_value_position(query.cursor)
    )
    response = json_response(values_answer(dimension, page.standings))
    if page.following:
        _add_next(request, response, encode_value_position(page.following))
    return response


async def list_failures(request: web.Request) -> web.StreamResponse:
    """GET failures: list failed messages, with reasons and remedies.

    The answer has every error code with its number of messages, and the recipients in pages, those
    with the latest message first. At most one of `event_id`, `template_name`, `campaign_id` and
    `phone_number_id` may be given. As CSV it has all pages in one file.
    """
    query = _failures.query(list(request.query.items()))
    groups = groups_of((await _stats(request, filter_of(query))).errors)
    selection, after = failed_selection(query, groups), decode_position(query.cursor)
    sent_since = None if query.sent_since is None else query.sent_since == "true"

    async def read_any_class(limit: int, after: Position | None) -> FailedPage:
        return await failed_page(request.app[STORE], selection, limit, after, sent_since=sent_since)

    async def read(limit: int, after: Position | None) -> FailedPage:
        return await page_of_class(read_any_class, query.remedy_class, limit, after)

    if query.format == "csv" or (query.format is None and _wants_csv(request)):
        return await answer_sheet(request, read, after)
    if query.count == "true":
        listed = await count_failed(read, partial(group_of, groups=groups))
        page = await read(int(query.limit), after)
        answer = counted_failures(groups, listed, page.rows)
    else:
        page = await read(int(query.limit), after)
        answer = failures_answer(groups, page.rows)
    response = json_response(answer)
    if page.following:
        _add_next(request, response, encode_position(page.following))
    return response


def _wants_csv(request: web.Request) -> bool:
    """Returns whether `Accept` names CSV and does not name JSON."""
    accepted = ",".join(request.headers.getall(hdrs.ACCEPT, [])).lower().split(",")
    kinds = {each.partition(";")[0].strip() for each in accepted}
    return CSV in kinds and "application/json" not in kinds


async def erase_messages(request: web.Request) -> web.Response:
    """POST erase: remove the messages of a person, an event and so on.

    An erasure works for up to 8 s. If `complete` is false, send the same request again to go on.
    For 30 days the service drops reports for erased messages.
    """
    body = _erase.body(await body_of(request, MIB), request.app[METRICS])
    selection = selection_to_erase(body)
    replay = request.app.get(REPLAY)
    wiped = replay is None or await replay.wipe()
    number, complete, ends_alike = await erase(request.app[STORE], selection)
    complete = complete and wiped  # the journal may still hold reports of these messages
    [(dimension, _)] = selection.filters
    log.info("messages_erased", extra={"by": dimension, "messages": number, "complete": complete})
    answer: EraseResponse = {"ok": True, "erased": number, "complete": complete}
    if dimension == "recipient":
        answer["ends_alike"] = ends_alike
    return json_response(answer)
