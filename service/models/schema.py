"""How models refer to each other in JSON Schema where their types can't say it."""

from __future__ import annotations

from types import UnionType
from typing import get_args

from msgspec import Meta

REF = "#/components/schemas/{name}"
"""Where the description of the service keeps a model."""


def one_of(models: type | UnionType) -> Meta:
    """Says of a type that it stands for a model, or for any of several.

    msgspec can't: a union of TypedDicts is none that it would decode, and of `Raw` it knows
    nothing.
    """
    refs = [{"$ref": REF.format(name=model.__name__)} for model in get_args(models) or (models,)]
    return Meta(extra_json_schema=refs[0] if len(refs) == 1 else {"anyOf": refs})
