"""JSON Schemas of models, in the form that readers and client generators of OpenAPI expect."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import Any, get_args

import msgspec

from service.models.meanings import MEANING
from service.models.schema import INSTEAD, REF

Json = dict[str, Any]

_NULL = {"type": "null"}
_ABOUT = ("description", "examples")
_RULES = ("if", "then")


class Schemas:
    """Makes JSON Schemas of models, and collects those with a name in `named`."""

    def __init__(self) -> None:
        self.named: dict[str, Json] = {}

    def of(self, model: object) -> Json:
        """Returns the schema of a model, or of a union of models."""
        models = get_args(model) if isinstance(model, UnionType) else (model,)
        schemas, named = msgspec.json.schema_components(models, ref_template=REF)
        self.named = {name: _tidy(schema) for name, schema in named.items()} | self.named
        tidied = [*map(_tidy, schemas)]
        for schema in (*tidied, *self.named.values()):
            self._move_rules(schema)
        return tidied[0] if len(tidied) == 1 else {"anyOf": tidied}

    def _move_rules(self, schema: Json) -> None:
        """Moves the rules beside a reference to the model itself, where generators expect them."""
        if "$ref" in schema:
            rules = {key: schema.pop(key) for key in _RULES if key in schema}
            self.named[schema["$ref"].rpartition("/")[2]].update(rules)
        for part in schema.get("properties", {}).values():
            self._move_rules(part.get("items", part))

    def item_of(self, model: object) -> Json:
        """Returns the schema of the items in the list that a model holds."""
        name = self.of(model)["$ref"].rpartition("/")[2]
        fields = self.named[name]["properties"].values()
        item: Json = next(field["items"] for field in fields if "items" in field)
        return item


def parameters_of(query: object) -> list[Json]:
    """Returns the parameters of a query, as OpenAPI describes them."""
    _, named = msgspec.json.schema_components((query,))
    [model] = named.values()
    return [
        _parameter(name, schema, required=name in model["required"])
        for name, schema in model["properties"].items()
    ]


def _parameter(name: str, schema: Json, *, required: bool) -> Json:
    if "anyOf" in schema:  # the type or null, but a query can't hold null
        [value] = [option for option in schema.pop("anyOf") if option != _NULL]
        schema = value | schema
    schema = _tidy(schema)
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": schema.pop("description"),
        "example": schema.pop("examples")[0],
        "schema": schema,
    }


def _tidy(schema: Json) -> Json:
    """Returns a schema of msgspec's, and all within it, as readers and generators expect them."""
    schema = dict(schema)
    if INSTEAD in schema:
        said = {key: schema[key] for key in (*_ABOUT, MEANING) if key in schema}
        schema = said | schema[INSTEAD]
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _tidy(schema[key])
    if "anyOf" in schema:
        schema = _flat(schema)
    if "properties" in schema:
        schema["properties"] = {name: _tidy(of) for name, of in schema["properties"].items()}
    if "enum" in schema:
        schema = {"type": "string"} | schema
    if schema.get("default", "") is None:
        del schema["default"]
    if schema.get("required") == []:
        del schema["required"]
    return _described(schema)


def _flat(schema: Json) -> Json:
    """Returns a choice without a choice in it, where a type or null is one schema of two types."""
    outer = [_tidy(option) for option in schema["anyOf"]]
    options = [option for each in outer for option in each.get("anyOf", [each])]
    about = {key: part for key, part in schema.items() if key != "anyOf"}
    if len(outer) == 2 and outer[1] == _NULL:  # what is said of the value is said here
        about = {key: outer[0].pop(key) for key in _ABOUT if key in outer[0]} | about
        if isinstance(options[0].get("type"), str) and len(options) == 2:
            return {**options[0], **about, "type": [options[0]["type"], "null"]}
    return about | {"anyOf": options}


def _described(schema: Json) -> Json:
    """Returns a schema with one description: what a value means, then what is allowed."""
    allowed = inspect.cleandoc(schema.get("description", ""))
    if meaning := schema.get(MEANING):
        allowed = f"{meaning} {allowed[0].upper()}{allowed[1:]}." if allowed else meaning
    rest = {key: value for key, value in schema.items() if key not in {MEANING, "description"}}
    return ({"description": allowed} if allowed else {}) | rest
