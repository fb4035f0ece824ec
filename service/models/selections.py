"""Turns queries and erasures into selections of messages."""

from __future__ import annotations

from collections.abc import Iterable

from service.domain.dimensions import FILTERS
from service.domain.error_codes import KNOWN_CODES, RemedyClass, classes_of, codes_of
from service.domain.identity import ending_of
from service.domain.query import Selection
from service.domain.report import Status
from service.domain.statistics import OTHER_CODE
from service.errors import BadRequest
from service.models.fields import optional_text, required_text
from service.models.recipients import heads_of, recipient_of
from service.models.requests import (
    MAX_METAS_ID,
    EraseRequest,
    FailuresQuery,
    LiveQuery,
    MessageLogsQuery,
    MessageStatsQuery,
    StatusLookupRequest,
)

NO_CODE = "none"
"""The code by which a query asks for failures without a code."""


def wamids_of(request: StatusLookupRequest) -> list[str]:
    """Returns the message ids that a look-up asks for, each of them once.

    Raises:
        BadRequest: a message id is empty.
    """
    given = (wamid for wamid in request.wamids if wamid is not None)
    return list(dict.fromkeys(required_text(wamid, "wamids", 256) for wamid in given))


def selection_of(query: MessageLogsQuery) -> Selection:
    """Returns the selection of messages that a query asks for.

    Raises:
        BadRequest: the recipient can't be one.
    """
    recipient_id = recipient_of(query.recipient_id, "recipient_id") if query.recipient_id else ""
    filters = [
        (dimension, value)
        for field, dimension in FILTERS.items()
        if (value := getattr(query, field))
    ]
    if recipient_id:
        filters.append(("recipient", ending_of(recipient_id)))
    if query.standalone == "true":
        filters.append(("standalone", ""))
    if query.status == Status.FAILED.value:  # failed messages are few and have an index
        filters.append(("failed", ""))
    return Selection(
        filters=filters or [("all", "")],
        status=query.status or "",
        heads=heads_of(recipient_id) if recipient_id else "",
    )


def filter_of(query: LiveQuery | MessageStatsQuery | FailuresQuery) -> tuple[str, str]:
    """Returns the dimension and the value that a query filters by, or `all` and "".

    Raises:
        BadRequest: the query gives several.
    """
    given = {
        name: value
        for name in FILTERS
        if (value := getattr(query, name, None))  # not every query has them all
    }
    if len(given) > 1:
        raise BadRequest(f"At most one of {', '.join(given)} may be given.", list(given)[-1])
    return next(((FILTERS[name], value) for name, value in given.items()), ("all", ""))


def failed_selection(query: FailuresQuery, groups: Iterable[str]) -> Selection | None:
    """Returns the selection of failed messages that a query asks for.

    Args:
        query: the query, which may ask for a code or a class.
        groups: the codes that failures are grouped by, see `error_codes.groups_of`.

    Returns:
        None if no message can match.
    """
    chosen = filter_of(query)
    filters = [("failed", "")] if chosen == ("all", "") else [chosen, ("failed", "")]
    wanted = RemedyClass(query.remedy_class) if query.remedy_class else None
    if query.code:
        code = "" if query.code == NO_CODE else query.code
        if wanted not in {None, *classes_of(code)}:
            return None
        if code == OTHER_CODE:
            named = {"", *KNOWN_CODES, *groups} - {OTHER_CODE}
            return Selection(filters, but_codes=sorted(named))
        return Selection(filters, codes=[code])
    if wanted is RemedyClass.UNKNOWN:
        return Selection(filters, but_codes=KNOWN_CODES)
    return Selection(filters, codes=codes_of(wanted) if wanted else ())


def selection_to_erase(request: EraseRequest) -> Selection:
    """Returns the selection of messages to erase: those of one recipient, guest, event and so on.

    Raises:
        BadRequest: none or several of these are given, or the recipient can't be one.
    """
    names = request.__struct_fields__
    limits = {"recipient_id": MAX_METAS_ID}
    texts = {
        name: optional_text(getattr(request, name), name, limits.get(name, 128)) for name in names
    }
    given = {name: text for name, text in texts.items() if text}
    if len(given) != 1:
        raise BadRequest(f"Exactly one of {', '.join(names)} must be given.")
    [(name, text)] = given.items()
    if name != "recipient_id":
        return Selection([(FILTERS[name], text)])
    recipient_id = recipient_of(text, name)
    return Selection([("recipient", ending_of(recipient_id))], recipient_id=recipient_id)
