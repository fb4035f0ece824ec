"""The dimensions by which messages are indexed, counted and queried."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from service.domain.identity import ending_of


class Value(StrEnum):
    """How a dimension takes its value from a record; `prelude.lua` has a function for each."""

    FIELD = "field"
    """The field's text. A message without one is not in the index."""
    ENDING = "ending"
    """The last eight digits of the phone number in the field, or the whole of another id.

    These digits are the same with and without a country's calling code, and with and without the
    digit that Meta adds or drops.
    """
    ABSENT = "absent"
    """The dimension has one index, of all messages that lack the field."""
    ALWAYS = "always"
    """The dimension has one index, of all messages."""
    FAILED = "failed"
    """The dimension has one index, of all messages whose field, the status, is `failed`."""


class Dimension(NamedTuple):
    """One way to find messages: an index for each value, and counters if `counted`.

    If a dimension is counted and has many values, they are listed too. A message may have several
    values in a dimension; then it is in the index of each of them once.

    Attributes:
        name: its name in keys.
        value: how it takes a value from a field.
        field: the field of the record that it takes the value from.
        counted: whether the messages of each value are counted.
        further: fields that it takes further values from.
    """

    name: str
    value: Value
    field: str
    counted: bool = False
    further: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it takes values from."""
        return (self.field, *self.further)

    @property
    def listed(self) -> bool:
        """Whether its values are kept in a list, the latest first."""
        return self.counted and self.value is Value.FIELD


RECIPIENT_FIELDS = ("recipient_id", "metas_recipient_id", "user_id", "parent_user_id")
"""The fields of a record that name its recipient: the track-send's first, then Meta's."""

DIMENSIONS = (
    Dimension("event", Value.FIELD, "event_id", counted=True),
    Dimension("registration", Value.FIELD, "registration_id"),
    Dimension("guest", Value.FIELD, "guest_id"),
    Dimension("recipient", Value.ENDING, RECIPIENT_FIELDS[0], further=RECIPIENT_FIELDS[1:]),
    Dimension("template", Value.FIELD, "template_name", counted=True),
    Dimension("campaign", Value.FIELD, "campaign_id", counted=True),
    Dimension("phone_number", Value.FIELD, "phone_number_id", counted=True),
    Dimension("standalone", Value.ABSENT, "event_id"),
    Dimension("all", Value.ALWAYS, "wamid", counted=True),
    Dimension("failed", Value.FAILED, "status"),
)

FILTERS = {each.field: each.name for each in DIMENSIONS if each.value is Value.FIELD}
"""The dimensions that can be filtered by a field's text, by the name of the field. Requests,
queries and options of commands use the same names."""

LISTED = tuple(each for each in DIMENSIONS if each.listed)
"""The dimensions whose values are listed and counted; each has an endpoint that lists them."""


def values_of(dimension: Dimension, texts: Iterable[str | None]) -> set[str]:
    """Returns the values under which the dimension's indexes have a message.

    Args:
        dimension: the dimension; `prelude.lua` has the same function.
        texts: the texts in the dimension's fields of the message's record.
    """
    values = (_value_of(dimension.value, text or "") for text in texts)
    return {value for value in values if value is not None}


def recipients_in(record: object) -> set[str]:
    """Returns the numbers and ids of a record's recipient."""
    return {text for field in RECIPIENT_FIELDS if (text := getattr(record, field))}


def _value_of(kind: Value, text: str) -> str | None:
    if kind is Value.ALWAYS:
        return ""
    if kind is Value.ABSENT:
        return None if text else ""
    if kind is Value.FAILED:
        return "" if text == "failed" else None
    return (ending_of(text) if kind is Value.ENDING else text) or None
