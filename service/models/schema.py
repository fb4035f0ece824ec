"""References between models in JSON Schema, for those that types can't express."""

from __future__ import annotations

from types import UnionType
from typing import get_args

from msgspec import Meta

REF = "#/components/schemas/{name}"
"""The address of a model's schema in the OpenAPI document."""


def one_of(models: type | UnionType) -> Meta:
    """Returns an annotation that says: a value of this type is one of these models.

    msgspec can't express it: it decodes no union of TypedDicts, and doesn't know what is in `Raw`.
    """
    refs = [{"$ref": REF.format(name=model.__name__)} for model in get_args(models) or (models,)]
    return Meta(extra_json_schema=refs[0] if len(refs) == 1 else {"anyOf": refs})


INSTEAD = "instead"
"""The key under which a schema has another one, which the document shows instead of it."""


def instead(schema: dict[str, object]) -> Meta:
    """Returns an annotation that says: the document describes this text by another schema.

    All parameters of a query come as texts. Its integers and booleans are described as such.
    """
    return Meta(extra_json_schema={INSTEAD: schema})
