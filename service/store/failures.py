"""Lists failed messages, and finds out which of them were sent again.

A second try of a failed message is a later message of the same send to the same person.

- The person is the registration, else the guest, else the recipient. The members of a family may
  share a phone, and each of them gets their own invitation.
- The same send has the same template and the same event. A message that lacks one of them matches
  only messages that lack it too.
- A message that nobody tracked is no second try, since its template and event aren't known.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile
from typing import NamedTuple

from service.domain.error_codes import remedy_of
from service.domain.identity import ending_of
from service.domain.query import Position, Selection
from service.domain.record import Record
from service.errors import Unavailable
from service.models.recipients import person_of
from service.store.paging import Page, position_of
from service.store.queries import Query
from service.store.store import Store

_MOST_LOOKS = 1_000
"""How many queries are sent at once, over all partitions. The limit lets other requests run in
between."""

_ROWS_A_LOOK = 1
_ROWS_A_PAGE = 200
_PAGE_S = 2.0
"""How long a page may look for second tries, in seconds; then it is short."""

_ROW_S = 4.0
"""How long it may look for those of its first message, in seconds: without it the page would be
empty."""

_SENDS_A_LOOK = 32
"""For how many sends it looks for second tries before it checks the time again."""

_TOO_LONG = "Looking for messages that were sent again takes too long: these people have too many."

_COUNT_S = 5.0
"""How long counting may take, in seconds; then it gives up."""


class Failed(NamedTuple):
    """A failed message, and the latest of its second tries; None if it has none."""

    record: Record
    since: Record | None


class FailedPage(NamedTuple):
    """Failed messages, newest first, and the position to go on from; None: nothing follows."""

    rows: list[Failed]
    following: Position | None


ReadFailed = Callable[[int, Position | None], Awaitable[FailedPage]]


async def failed_page(
    store: Store,
    selection: Selection | None,
    limit: int,
    after: Position | None,
    *,
    sent_since: bool | None,
) -> FailedPage:
    """A page of the failed messages behind a position.

    Args:
        store: has the messages.
        selection: selects failed messages; None selects nothing.
        limit: how many failed messages to read.
        after: see `Store.page`.
        sent_since: True for messages that have a second try, False for messages that have none,
            None for all.

    Returns:
        up to `limit` messages. There are fewer, with a position to go on from, if `sent_since`
        leaves some out or if looking for second tries takes too long.

    Raises:
        Unavailable: it took too long to find the second tries of even the first message.
    """
    if selection is None:
        return FailedPage([], None)
    page = await store.page(selection, limit, after)
    following, rows = page.following, list[Failed]()
    until_s = _now_s() + _PAGE_S
    step = max(1, _MOST_LOOKS // store.partitions)
    for start in range(0, len(page.records), step):
        some = page.records[start : start + step]
        latest = await _latest_of_each(store, some, until_s)
        if not latest and not rows:
            latest = await _latest_of_each(store, some[:1], until_s - _PAGE_S + _ROW_S)
            if not latest:
                raise Unavailable("second_tries", _TOO_LONG)
        rows += map(Failed, some, latest)
        if len(rows) < len(page.records) and (len(latest) < len(some) or _now_s() > until_s):
            following = position_of(rows[-1].record)
            break
    wanted = [row for row in rows if sent_since in (None, row.since is not None)]
    return FailedPage(wanted, following)


async def count_failed(read: ReadFailed, group_of: Callable[[str], str]) -> Counter[str] | None:
    """Counts the messages of all pages by the group of their error code.

    Args:
        read: reads a page of a given length behind a position.
        group_of: the group of a code, one of a few.

    Returns:
        None if counting takes too long.
    """
    numbers, after = Counter[str](), None
    until_s = _now_s() + _COUNT_S
    while True:
        page = await read(_ROWS_A_PAGE, after)
        numbers.update(group_of(row.record.error_code) for row in page.rows)
        after = page.following
        if after is None:
            return numbers
        if _now_s() > until_s:
            return None


def _now_s() -> float:
    return asyncio.get_running_loop().time()


class _Send(NamedTuple):
    """The send and the person of a message, and the dimension that has the person's messages."""

    dimension: str
    person: str
    event_id: str
    template_name: str


def _send_of(record: Record) -> _Send | None:
    """The send of a message; None if the message names no person."""
    sent = record.event_id, record.template_name
    if record.registration_id:
        return _Send("registration", record.registration_id, *sent)
    if record.guest_id:
        return _Send("guest", record.guest_id, *sent)
    if record.recipient_id:
        return _Send("recipient", person_of(record.recipient_id), *sent)
    return None


def _is_try_of(send: _Send, record: Record) -> bool:
    """Whether a message is of this send and to the same person."""
    return _send_of(record) == send


_NAMED_BEFORE = {
    "registration": (),
    "guest": ("registration_id",),
    "recipient": ("registration_id", "guest_id"),
}


def _tries(send: _Send, since_us: int) -> Selection:
    """Selects the tracked messages of a send that were created at `since_us` or later.

    By recipient it also selects numbers that only end alike; `_is_try_of` leaves them out.
    """
    is_number = send.dimension == "recipient"
    filters = [
        (send.dimension, ending_of(send.person) if is_number else send.person),
        ("event", send.event_id) if send.event_id else ("standalone", ""),
    ]
    lacks = _NAMED_BEFORE[send.dimension]
    if send.template_name:
        filters.append(("template", send.template_name))
    else:
        lacks = (*lacks, "template_name")
    return Selection(filters, has=["tracked_us"], lacks=lacks, since_us=since_us)


async def page_of_class(
    read: ReadFailed, remedy_class: str | None, limit: int, after: Position | None
) -> FailedPage:
    """A page of the failures of one class. It may be short if codes have several classes.

    Args:
        read: reads pages of failures with codes of the class.
        remedy_class: the class; None for any.
        limit: see `failed_page`.
        after: see `failed_page`.
    """
    page = await read(limit, after)
    if remedy_class is None:
        return page
    rows = [row for row in page.rows if _class_of(row.record) == remedy_class]
    return FailedPage(rows, page.following)


def _class_of(record: Record) -> str:
    return remedy_of(record.error_code, record.error_details).remedy_class


async def _latest_of_each(
    store: Store, records: Sequence[Record], until_s: float
) -> list[Record | None]:
    """The latest second try of each record.

    Args:
        store: has the messages.
        records: failed messages, newest first.
        until_s: the deadline, by the loop's clock.

    Returns:
        the second tries, None for a record that has none. After the deadline it returns those of
        the first records alone.
    """
    sends = [_send_of(record) for record in records]
    earliest_us = {
        send: int(record.created_us) for send, record in zip(sends, records, strict=True) if send
    }
    asked = [(send, _tries(send, since_us)) for send, since_us in earliest_us.items()]
    queries = [Query.of(tries, _ROWS_A_LOOK, None) for _, tries in asked]
    partitions = range(store.partitions)
    found = await asyncio.gather(
        *(_latest_in(store, p, asked, queries, until_s) for p in partitions)
    )
    latest: dict[_Send | None, Record] = {}
    for (send, _), tries in zip(asked, zip(*found, strict=False), strict=False):
        if known := [record for record in tries if record]:
            latest[send] = max(known, key=position_of) if len(known) > 1 else known[0]
    late = {send for send, _ in asked[min(map(len, found)) :]}
    return [
        later if (later := latest.get(send)) and _is_later(later, record) else None
        for send, record in takewhile(
            lambda each: each[0] not in late, zip(sends, records, strict=True)
        )
    ]


def _is_later(one: Record, other: Record) -> bool:
    if one.wamid == other.wamid:  # as nearly always
        return False
    return position_of(one) > position_of(other)


async def _latest_in(
    store: Store,
    partition: int,
    asked: Sequence[tuple[_Send, Selection]],
    queries: Sequence[Query],
    until_s: float,
) -> list[Record | None]:
    """The latest try of each send in a partition; after the deadline those of the first sends."""
    found: list[Record | None] = []
    for start in range(0, len(asked), _SENDS_A_LOOK):
        if _now_s() > until_s:
            break
        some = slice(start, start + _SENDS_A_LOOK)
        pages = await store.look_each(partition, queries[some])
        for (send, tries), page in zip(asked[some], pages, strict=True):
            record = _first(send, page)
            while record is None and page.following:
                if _now_s() > until_s:
                    return found
                page = await store.look(partition, Query.of(tries, _ROWS_A_LOOK, page.following))  # noqa: PLW2901
                record = _first(send, page)
            found.append(record)
    return found


def _first(send: _Send, page: Page[Record]) -> Record | None:
    return next((record for record in page.records if _is_try_of(send, record)), None)
