"""Converts records of schema version 2 to the fields of version 3.

In version 2 a record was one text: its fields in a fixed order, with unit separators between them.
The names and the order of both versions are repeated here, because the service's own may change
later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

_SEPARATOR = b"\x1f"
_STATUSES = ("sent", "delivered", "read", "failed")
_CONTEXT = (
    "recipient_id",
    "event_id",
    "registration_id",
    "guest_id",
    "template_name",
    "flow_type",
    "message_type",
    "guest_name",
)
_EXTRAS = ("phone_number_id", "user_id", "parent_user_id", "participant_id", "callback_data")
_PACKED = (
    "status",
    "created_us",
    "sent_ms",
    "delivered_ms",
    "read_ms",
    "failed_ms",
    "error_ms",
    "error_code",
    "error_message",
    "wamid",
    "context_us",
    "stamps",
    *_CONTEXT,
    "error_details",
    "error_href",
    *_EXTRAS,
    "pricing",
    "received_ms",
)
"""The fields of version 2, in their order in the text."""

_NUMBERS = (
    "created_us",
    "sent_ms",
    "delivered_ms",
    "read_ms",
    "failed_ms",
    "error_ms",
    "context_us",
)

_STORED = {
    "recipient_id": "to",
    "event_id": "event",
    "registration_id": "registration",
    "guest_id": "guest",
    "guest_name": "name",
    "template_name": "template",
    "flow_type": "flow",
    "message_type": "type",
    "phone_number_id": "from",
    "user_id": "user",
    "parent_user_id": "parent_user",
    "callback_data": "callback",
    "context_us": "tracked_us",
}
"""The names in version 3 of the fields that have another name there."""

_SHOWN = (
    "status",
    "wamid",
    "to",
    "event",
    "registration",
    "guest",
    "name",
    "template",
    "flow",
    "type",
    "created_us",
    "tracked_us",
    *(f"{status}_ms" for status in _STATUSES),
    *(f"{status}_received_ms" for status in _STATUSES),
    "error_ms",
    "error_code",
    "error_message",
    "error_details",
    "error_href",
    "from",
    "user",
    "parent_user",
    "participants",
    "callback",
    "pricing_category",
    "pricing_type",
    "pricing_model",
    "pricing_billable",
    "pricing_other",
    "to_named_us",
    "event_named_us",
    "registration_named_us",
    "guest_named_us",
    "name_named_us",
    "template_named_us",
    "flow_named_us",
    "type_named_us",
)
"""The fields of version 3, in the order in which people read them."""

_PRICING = {
    "category": "pricing_category",
    "type": "pricing_type",
    "pricing_model": "pricing_model",
}


def fields_of(packed: bytes) -> dict[str, str]:
    """The hash of version 3 for a record of version 2.

    Raises:
        ValueError: it is no record of version 2, or has more fields than version 2.
    """
    record = _unpacked(packed)
    fields = {_STORED.get(name, name): text for name, text in record.items()}
    fields["participants"] = "1" if record["participant_id"] else ""
    receipts = _listed(record["received_ms"], [f"{status}_received_ms" for status in _STATUSES])
    created_ms = record["created_us"][:-3]
    # Version 3 stores no time of receipt if the message was created in the same millisecond.
    fields |= {name: time_ms for name, time_ms in receipts.items() if time_ms != created_ms}
    stamps = _listed(record["stamps"], _CONTEXT)
    fields |= {f"{_STORED[name]}_named_us": us for name, us in stamps.items() if record[name]}
    fields |= pricing_parts(record["pricing"])
    return {name: text for name in _SHOWN if (text := fields.get(name, ""))}


def participant_fields_of(packed: bytes) -> dict[str, str]:
    """The hash of version 3 for the participants of a record of version 2; empty for none.

    Version 2 stored only the smallest id of a message's participants, and no statuses of them.

    Raises:
        ValueError: as `fields_of` does.
    """
    record = _unpacked(packed)
    participant_id = record["participant_id"]
    return {f"{participant_id} received_us": record["created_us"]} if participant_id else {}


def _unpacked(packed: bytes) -> dict[str, str]:
    texts = packed.decode().split(_SEPARATOR.decode())
    if len(texts) > len(_PACKED):
        raise ValueError("a record with more fields than version 2 has")
    texts += [""] * (len(_PACKED) - len(texts))  # early services of version 2 had fewer fields
    record = dict(zip(_PACKED, texts, strict=True))
    if record["status"] not in _STATUSES or not record["created_us"] or not record["wamid"]:
        raise ValueError("no record of version 2")
    if not all(map(_is_number, (record[name] for name in _NUMBERS))):
        raise ValueError("a record with a time that is no number")
    return record


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())


def _listed(text: str, names: list[str] | tuple[str, ...]) -> dict[str, str]:
    """The times of a comma-separated field, by the names of their positions."""
    items = text.split(",")
    if len(items) > len(names) or not all(map(_is_number, items)):
        raise ValueError("a list of other times than version 2 has")
    return dict(zip(names, items, strict=False))


def pricing_parts(text: str) -> dict[str, str]:
    """The fields for Meta's pricing object. Unknown keys and odd values are kept together, as JSON.

    Raises:
        ValueError: the text is no JSON object.
    """
    pricing: Any = orjson.loads(text) if text else {}
    if not isinstance(pricing, dict):
        raise ValueError("pricing that is no object")  # noqa: TRY004  as for any unreadable record
    parts, other = {}, {}
    for key, value in pricing.items():
        if key in _PRICING and value and isinstance(value, str):
            parts[_PRICING[key]] = value
        elif key == "billable" and isinstance(value, bool):
            parts["pricing_billable"] = "true" if value else "false"
        else:
            other[key] = value
    if other:
        parts["pricing_other"] = orjson.dumps(other, option=orjson.OPT_SORT_KEYS).decode()
    return parts


def indexed_by(fields: Mapping[str, str]) -> str:
    """The value under which version 2 indexed the record by its recipient; `""` for none.

    It was the last ten digits of a number.
    """
    recipient_id = fields.get("to", "")
    is_number = recipient_id.isascii() and recipient_id.isdigit()
    return recipient_id[-10:] if is_number and 10 <= len(recipient_id) <= 15 else recipient_id
