"""Meta's pricing object, and the fields of a record that store it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from service.domain.record import Record

_TEXTS = {
    "category": "pricing_category",
    "pricing_model": "pricing_model",
    "type": "pricing_type",
}
_FLAGS = {"true": True, "false": False}


def pricing_fields_of(pricing: Mapping[str, Any]) -> dict[str, str]:
    """Returns the fields of `Extras` that hold Meta's object, without losing any part of it.

    Raises:
        TypeError: a value in it is no JSON, or is an integer of more than 64 bits.
    """
    parts, other = {}, {}
    for key, value in pricing.items():
        if key in _TEXTS and value and isinstance(value, str):
            parts[_TEXTS[key]] = value
        elif key == "billable" and isinstance(value, bool):
            parts["pricing_billable"] = str(value).lower()
        else:
            other[key] = value
    if other:
        parts["pricing_other"] = orjson.dumps(other, option=orjson.OPT_SORT_KEYS).decode()
    return parts


def pricing_of(record: Record) -> dict[str, Any] | None:
    """Returns Meta's object, put together again with sorted keys; None if there is none."""
    found = orjson.loads(record.pricing_other) if record.pricing_other else {}
    found |= {key: text for key, field in _TEXTS.items() if (text := getattr(record, field))}
    if record.pricing_billable:
        found["billable"] = _FLAGS[record.pricing_billable]
    return dict(sorted(found.items())) or None
