"""Meta's own webhook: the reports in its payload, and what is ignored in it.

The shapes are those of Meta's reference of the `messages` webhook. Meta repeats a whole payload for
seven days unless it is answered with 200. So no part of a payload is a reason to refuse the rest:
an odd part is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from service.domain.report import LONGEST_AHEAD_MS, Extras, Report, Status
from service.errors import BadRequest
from service.models.decoding import CONTROLS, any_json
from service.models.fields import MAX_WAMID, NO_ERROR, STATUSES, any_time, error_of, time_of
from service.models.large_json import Items, is_large, json_in_pieces
from service.models.meta_fields import NO_CONTACT, Contacts, metas_id, recipient_and_extras
from service.models.requests import MAX_ID

_KNOWN_LISTS = frozenset(("statuses", "messages", "errors"))


class PayloadItem(StrEnum):
    """The kinds of items in a payload; all but statuses are ignored."""

    STATUS = "status"
    AHEAD = "ahead"
    """A status more than a day ahead of our clock, also counted as `STATUS`: a clock is wrong."""
    UNKNOWN_STATUS = "unknown_status"
    """A message's status that we don't know."""
    MALFORMED = "malformed"
    """An entry, a change or a status that can't be read."""
    INBOUND = "inbound"
    """A message that somebody sent to the business."""
    ACCOUNT_ERROR = "account_error"
    """An error of the account or the app, not of a message."""
    OTHER_CONTENT = "other_content"
    """A change about messages with other content: clicks on links, for example."""
    OTHER_FIELD = "other_field"
    """A change that isn't about messages: calls, templates, the account."""


_TAKEN = (PayloadItem.STATUS, PayloadItem.AHEAD)


class Payload:
    """The content of one POST of Meta's.

    Args:
        body: the body as it came.
        clock: stamps the reports.

    Attributes:
        reports: the report of every status that can be read, in the order of the payload.
        items: how many items of each kind there were.

    Raises:
        BadRequest: the body isn't a JSON object.
    """

    def __init__(self, body: bytes, clock: Callable[[], int]) -> None:
        self.reports: list[Report] = []
        self.items: Counter[str] = Counter()
        for value in self._values(_object_of(body)):
            self._take_all(value, clock)
            self.items[PayloadItem.INBOUND] += sum(1 for _ in self._list_of(value, "messages"))
            self.items[PayloadItem.ACCOUNT_ERROR] += sum(1 for _ in self._list_of(value, "errors"))
            if _KNOWN_LISTS.isdisjoint(value):
                self.items[PayloadItem.OTHER_CONTENT if value else PayloadItem.MALFORMED] += 1

    @property
    def passed_over(self) -> dict[str, int]:
        """How many items of each kind were ignored."""
        return {
            kind.value: self.items[kind]
            for kind in PayloadItem
            if kind not in _TAKEN and self.items[kind]
        }

    @property
    def is_known(self) -> bool:
        """Whether the payload has anything that Meta's webhook sends."""
        return any(number for kind, number in self.items.items() if kind != PayloadItem.MALFORMED)

    def _take_all(self, value: Mapping[str, Any], clock: Callable[[], int]) -> None:
        metadata = value.get("metadata")
        number_id = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
        phone_number_id = metas_id(number_id, MAX_ID)  # a filter can't ask for a longer one
        contacts = None
        if "contacts" in value:
            statuses = (each for each in _listed(value, "statuses") if isinstance(each, dict))
            contacts = Contacts(value["contacts"], statuses)
        for status in self._list_of(value, "statuses"):
            self._take(status, contacts, phone_number_id, clock)

    def _values(self, payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yields the value of every change that is about messages."""
        if "entry" not in payload:
            self.items[PayloadItem.MALFORMED] += 1
        for entry in self._list_of(payload, "entry"):
            if "changes" not in entry:
                self.items[PayloadItem.MALFORMED] += 1
            for change in self._list_of(entry, "changes"):
                field, value = change.get("field"), change.get("value")
                if isinstance(field, str) and field != "messages":
                    self.items[PayloadItem.OTHER_FIELD] += 1
                elif field == "messages" and isinstance(value, dict):
                    yield value
                else:
                    self.items[PayloadItem.MALFORMED] += 1

    def _list_of(self, holder: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
        """Yields the objects of a list. A value that is no list counts as a malformed item."""
        found = holder.get(name)
        for item in _listed(holder, name):
            if isinstance(item, dict) and item is not found:
                yield item
            else:
                self.items[PayloadItem.MALFORMED] += 1

    def _take(
        self,
        status: Mapping[str, Any],
        contacts: Contacts | None,
        phone_number_id: str,
        clock: Callable[[], int],
    ) -> None:
        try:
            reported = STATUSES.get(status["status"])
            if reported is None:
                self.items[PayloadItem.UNKNOWN_STATUS] += 1
                return
            contact = contacts.of(status) if contacts else NO_CONTACT
            recipient_id, extras = recipient_and_extras(status, contact, phone_number_id)
            report = _report_of(status, reported, recipient_id, extras, clock())
            self.reports.append(report)
            self.items[PayloadItem.STATUS] += 1
            if report.at_ms > report.received_us // 1000 + LONGEST_AHEAD_MS:
                self.items[PayloadItem.AHEAD] += 1
        except (BadRequest, KeyError, TypeError):
            self.items[PayloadItem.MALFORMED] += 1


def _listed(holder: Mapping[str, Any], name: str) -> Iterable[object]:
    """Returns the items of a list. A value that is no list counts as one item."""
    found = holder.get(name)
    return found if isinstance(found, list | Items) else [] if found is None else [found]


def _object_of(body: bytes) -> Mapping[str, Any]:
    payload = json_in_pieces(body) if is_large(body) else any_json(body)
    if not isinstance(payload, dict):
        raise BadRequest("The body must be a JSON object.")
    return payload


def _report_of(
    status: Mapping[str, Any], reported: Status, recipient_id: str, extras: Extras, received_us: int
) -> Report:
    """Returns the report of one status.

    Its time may be ahead of our clock: Meta's clock is right, and Meta doesn't send a status again
    that was answered with 200.

    Raises:
        BadRequest: its time is out of range.
        KeyError: an id or a time is missing.
        TypeError: one of them is ill-typed.
    """
    code, message, details, href = (
        error_of(status.get("errors")) if reported is Status.FAILED else NO_ERROR
    )
    return Report(
        wamid=_wamid_of(status["id"]),
        status=reported,
        at_ms=time_of(_time_of(status["timestamp"]), received_us // 1000, latest_ms=any_time),
        received_us=received_us,
        recipient_id=recipient_id,
        error_code=code,
        error_message=message,
        error_details=details,
        error_href=href,
        extras=extras,
    )


def _wamid_of(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_WAMID or CONTROLS.search(value):
        raise TypeError("no wamid")
    return value


def _time_of(value: object) -> str | int:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return value
    raise TypeError("no time")
