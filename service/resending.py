"""Whom to send to again: pages of failed messages, and what the same people were sent since."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from service.keys import Position, Selection, ending_of
from service.models.recipients import same_person
from service.models.remedies import remedy_of
from service.paging import position_of
from service.reports import Record, unpack
from service.scripts import Query
from service.store import Store

_MOST_LOOKS = 200


class Failed(NamedTuple):
    """A message that failed, and the latest of the same send to its recipient; None: it is that."""

    record: Record
    since: Record | None


class FailedPage(NamedTuple):
    """Failed messages, newest first, and the position behind which more follow."""

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
    """Failed messages behind a position.

    Args:
        store: of the messages.
        selection: of failed messages; None: of none.
        limit: how many are looked at.
        after: see `Store.page`.
        sent_since: only those whose recipient was sent a later one, or only those whose was not;
            a page comes short then. None: all.
    """
    if selection is None:
        return FailedPage([], None)
    page = await store.page(selection, limit, after)
    since = await _latest_of_each(store, page.records)
    rows = [
        Failed(record, later)
        for record, later in zip(page.records, since, strict=True)
        if sent_since is None or sent_since == (later is not None)
    ]
    return FailedPage(rows, page.following)


async def page_of_class(
    read: ReadFailed, remedy_class: str | None, limit: int, after: Position | None
) -> FailedPage:
    """A page of failures that are all of a class; it comes short where codes have several.

    Args:
        read: reads pages of failures with codes of the class.
        remedy_class: None: of any.
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


async def _latest_of_each(store: Store, records: Sequence[Record]) -> list[Record | None]:
    """Of each record what was sent since; a few at once, so that others' requests go between."""
    found: list[Record | None] = []
    step = max(1, _MOST_LOOKS // store.partitions)
    for start in range(0, len(records), step):
        some = records[start : start + step]
        found += await asyncio.gather(*(_latest_since(store, record) for record in some))
    return found


async def _latest_since(store: Store, record: Record) -> Record | None:
    """The latest message of the same send to the same recipient, if it is a later one."""
    if not record.recipient_id:
        return None
    selection = _same_send(record)
    places = range(store.partitions)
    found = await asyncio.gather(*(_first(store, place, selection, record) for place in places))
    later = [each for each in found if each and position_of(each) > position_of(record)]
    return max(later, key=position_of, default=None)


def _same_send(record: Record) -> Selection:
    """Of the same event, or standalone as it is; and of the same template, if it has one."""
    send = [("event", record.event_id) if record.event_id else ("standalone", "")]
    if record.template_name:
        send.append(("template", record.template_name))
    return Selection([("recipient", ending_of(record.recipient_id)), *send])


async def _first(
    store: Store, partition: int, selection: Selection, record: Record
) -> Record | None:
    """The partition's latest to the same person that is selected, as far back as the record."""
    after: Position | None = None
    while True:
        scan = await store.look(partition, Query.of(selection, 1, after))
        for found in map(unpack, scan.packed):
            if same_person(found.recipient_id, record.recipient_id):
                return found
        after = scan.stopped
        if after is None or after <= position_of(record):
            return None
