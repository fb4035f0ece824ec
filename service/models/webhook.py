"""Meta's own webhook: what its payload reports, and what in it is passed over.

The shapes are those of Meta's reference of the `messages` webhook. Meta repeats for seven days what
isn't answered with 200, the same and all of it, so nothing in a payload is a reason to refuse the
rest: an odd part is left out, and counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import orjson

from service.errors import BadRequest
from service.models.meaning import MAX_WAMID, STATUSES, error_of, text_of, time_of
from service.models.reader import CONTROLS, without_lone_surrogates
from service.models.recipients import recipient_of
from service.models.requests import MAX_METAS_ID
from service.reports import Clock, Extras, Report, Status

_MAX_CALLBACK_DATA = 512
_MAX_PRICING = 1_000
_NO_ERROR = ("", "", "", "")


class Item(StrEnum):
    """What a payload may hold; all but statuses are passed over."""

    STATUS = "status"
    UNKNOWN_STATUS = "unknown_status"
    """Of a message, but none that we know."""
    MALFORMED = "malformed"
    """An entry, a change or a status that can't be read."""
    INBOUND = "inbound"
    """A message that somebody sent to the business."""
    OTHER_FIELD = "other_field"
    """A change that isn't about messages: calls, templates, the account."""


class Payload:
    """What one POST of Meta's holds.

    Args:
        body: as it came.
        clock: stamps the reports.

    Attributes:
        reports: of every status that can be read, in the order of the payload.
        items: how many of each kind there were.

    Raises:
        BadRequest: the body isn't a JSON object.
    """

    def __init__(self, body: bytes, clock: Clock) -> None:
        self.reports: list[Report] = []
        self.items: Counter[str] = Counter()
        for value in self._values(_object_of(body)):
            metadata = value.get("metadata")
            number_id = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
            phone_number_id = _id_of(number_id)
            for status in self._list_of(value, "statuses"):
                self._take(status, phone_number_id, clock)
            self.items[Item.INBOUND] += sum(1 for _ in self._list_of(value, "messages"))

    def _values(self, payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The value of every change that is about messages."""
        if "entry" not in payload:
            self.items[Item.MALFORMED] += 1
        for entry in self._list_of(payload, "entry"):
            if "changes" not in entry:
                self.items[Item.MALFORMED] += 1
            for change in self._list_of(entry, "changes"):
                value = change.get("value")
                if change.get("field") != "messages":
                    self.items[Item.OTHER_FIELD] += 1
                elif isinstance(value, dict):
                    yield value
                else:
                    self.items[Item.MALFORMED] += 1

    def _list_of(self, holder: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
        """The objects of a list; what is no list is as good as one malformed item."""
        found = holder.get(name)
        for item in found if isinstance(found, list) else [] if found is None else [found]:
            if isinstance(item, dict) and item is not found:
                yield item
            else:
                self.items[Item.MALFORMED] += 1

    def _take(self, status: Mapping[str, Any], phone_number_id: str, clock: Clock) -> None:
        try:
            reported = STATUSES.get(status["status"])
            if reported is None:
                self.items[Item.UNKNOWN_STATUS] += 1
                return
            self.reports.append(_report_of(status, reported, phone_number_id, clock()))
            self.items[Item.STATUS] += 1
        except (BadRequest, KeyError, TypeError):
            self.items[Item.MALFORMED] += 1


def _object_of(body: bytes) -> Mapping[str, Any]:
    try:
        payload = orjson.loads(body)
    except ValueError:
        payload = _with_lone_surrogates(body)
    if not isinstance(payload, dict):
        raise BadRequest("The body must be a JSON object.")
    return payload


def _with_lone_surrogates(body: bytes) -> object:
    """What `json` makes of a body that `orjson` refuses: half of an emoji costs no status."""
    try:
        return json.loads(without_lone_surrogates(body))
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON; it must be a JSON object.") from None


def _report_of(
    status: Mapping[str, Any], reported: Status, phone_number_id: str, received_us: int
) -> Report:
    """What one status says.

    Raises:
        BadRequest: its time is out of range.
        KeyError: an id or a time is missing.
        TypeError: one of them is ill-typed.
    """
    user_id = status.get("recipient_user_id")
    code, message, details, href = (
        error_of(status.get("errors")) if reported is Status.FAILED else _NO_ERROR
    )
    return Report(
        wamid=_wamid_of(status["id"]),
        status=reported,
        at_ms=time_of(_time_of(status["timestamp"]), received_us // 1000),
        received_us=received_us,
        recipient_id=_recipient_of(status.get("recipient_id")) or _recipient_of(user_id),
        error_code=code,
        error_message=message,
        error_details=details,
        error_href=href,
        extras=Extras(
            phone_number_id=phone_number_id,
            user_id=_id_of(user_id),
            parent_user_id=_id_of(
                status.get("recipient_parent_user_id") or status.get("parent_recipient_user_id")
            ),
            participant_id=_id_of(
                status.get("recipient_participant_id") or status.get("participant_recipient_id")
            ),
            callback_data=text_of(status.get("biz_opaque_callback_data"), _MAX_CALLBACK_DATA),
            pricing=_pricing_of(status.get("pricing")),
        ),
    )


def _wamid_of(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_WAMID or CONTROLS.search(value):
        raise TypeError("no wamid")
    return value


def _time_of(value: object) -> str | int:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return value
    raise TypeError("no time")


def _id_of(value: object) -> str:
    """An id, or `""` for what is none: an id that is cut would be another one."""
    text = _short_text(value)
    return "" if CONTROLS.search(text) else text


def _recipient_of(value: object) -> str:
    text = _short_text(value)
    try:
        return recipient_of(text, "recipient_id") if text else ""
    except BadRequest:
        return ""


def _short_text(value: object) -> str:
    """A text that is no longer than ids are, or the digits of an integer; `""` for others."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and len(value) <= MAX_METAS_ID else ""


def _pricing_of(value: object) -> str:
    """Meta's object as JSON, or `""` for none, or for one that is longer than Meta's ever are."""
    if not isinstance(value, dict):
        return ""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # an integer of more than 64 bits
        return ""
    return text if len(text) <= _MAX_PRICING else ""
