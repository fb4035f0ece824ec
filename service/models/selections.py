"""What queries and erasures ask for."""

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
"""What a query has for the code of failures without one."""


def wamids_of(request: StatusLookupRequest) -> list[str]:
    """The message ids that a look-up asks for, each once.

    Raises:
        BadRequest: one is empty.
    """
    given = (wamid for wamid in request.wamids if wamid is not None)
    return list(dict.fromkeys(required_text(wamid, "wamids", 256) for wamid in given))


def selection_of(query: MessageLogsQuery) -> Selection:
    """Which messages a query asks for.

    Raises:
        BadRequest: the phone number is none.
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
    if query.status == Status.FAILED.value:  # of these there are few, and an index
        filters.append(("failed", ""))
    return Selection(
        filters=filters or [("all", "")],
        status=query.status or "",
        heads=heads_of(recipient_id) if recipient_id else "",
    )


def filter_of(query: LiveQuery | MessageStatsQuery | FailuresQuery) -> tuple[str, str]:
    """Whose messages a query is about: a dimension and a value, or `all` and "".

    Raises:
        BadRequest: it gives several.
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
    """The selection of failed messages that a query asks for; None if no message can match.

    Args:
        query: asks for a code or a class.
        groups: the codes that failures are grouped by, see `remedies.groups_of`.
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
    """The messages to erase: of a recipient (the whole number or id), a guest, an event, say.

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
