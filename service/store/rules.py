"""The rules of records, rendered into the Lua scripts as tables and functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from service.domain.dimensions import DIMENSIONS, Dimension, Value
from service.domain.error_codes import KNOWN_CODES
from service.domain.identity import ENDING_DIGITS
from service.domain.record import ERROR_FIELDS, Participant, Record, stored
from service.domain.report import RANK, SHARED, Context, Extras, Status
from service.domain.statistics import (
    AGE_BUCKET_DIGITS,
    EXACT_S,
    GROWTH,
    LATENCY_BUCKETS_S,
    LONGEST_CODE,
    MOST_CODES,
    OTHER_CODE,
    REACHED,
    TIMED,
    TOLERANCE_MS,
)
from service.store.keys import FEED_ENTRIES, FEED_IDS

_PACKAGED = Path(__file__).parents[1] / "lua"
_FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "lua"

_WRITERS = ("merge", "erase", "recount", "upgrade")
"""The scripts that write messages: `render` puts `indexes.lua` before them."""


def _constants() -> dict[str, str]:
    """The literal that `render` puts in the scripts for each of these names."""
    return {
        "EXACT_S": str(EXACT_S),
        "GROWTH": str(GROWTH),
        "LONGEST_S": str(LATENCY_BUCKETS_S[-1]),
        "BOUNDS": str(len(LATENCY_BUCKETS_S)),
        "TOLERANCE_MS": str(TOLERANCE_MS),
        "MOST_CODES": str(MOST_CODES),
        "LONGEST_CODE": str(LONGEST_CODE),
        "OTHER_CODE": f"'{OTHER_CODE}'",
        "KNOWN_CODES": f"' {' '.join(KNOWN_CODES)} '",
        "FEED_ENTRIES": f"'{FEED_ENTRIES}'",
        "FEED_IDS": str(FEED_IDS),
        "ENDING_DIGITS": str(ENDING_DIGITS),
        "PARTICIPANT_ID": str(Extras.__struct_fields__.index("participant_id") + 1),
    }


def _rules() -> str:
    """The order of the statuses, the fields of a record's hash and the dimensions, as Lua."""
    named = {stored(field): stored(f"{field}_us") for field in Context.__struct_fields__}
    shared = {stored(field): stored(f"{field}_us") for field in SHARED}
    return "\n".join(
        [
            f"local RANK = {{{_list(f'{status} = {RANK[status]}' for status in Status)}}}",
            _pairs("TIME_OF", {status: stored(f"{status}_ms") for status in Status}),
            _pairs("RECEIPT_OF", {status: stored(f"{status}_received_ms") for status in Status}),
            _texts("FIELDS", map(stored, Record._fields)),
            _texts("CONTEXT", map(stored, Context.__struct_fields__)),
            _texts("EXTRAS", map(stored, Extras.__struct_fields__)),
            _texts("PARTICIPANT_FIELDS", Participant._fields[1:]),
            _pairs("NAMED_OF", named),
            _pairs("SHARED", shared),
            _texts("ERROR", map(stored, ERROR_FIELDS)),
            _texts("REACHED", REACHED),
            _texts("TIMED", [stored(f"{status}_ms") for status in TIMED]),
            f"local AGE_BUCKET_DIGITS = {{{_list(AGE_BUCKET_DIGITS)}}}",
            _dimensions("DIMENSIONS", DIMENSIONS),
            _dimensions("COUNTED", [each for each in DIMENSIONS if each.counted]),
            f"local function group_key(record) return {_group_key()} end",
            f"local function same_indexes(old, new) return {_same_indexes()} end",
        ]
    )


def _texts(name: str, texts: Iterable[str]) -> str:
    return f"local {name} = {{{_list(repr(str(text)) for text in texts)}}}"


def _pairs(name: str, pairs: Mapping[str, str]) -> str:
    return f"local {name} = {{{_list(f'{key} = {text!r}' for key, text in pairs.items())}}}"


def _group_key() -> str:
    """A Lua expression for the values of all counted dimensions of a record, as one text.

    Records with the same text change the same counters.
    """
    # A line end separates the values, since none of them contains one.
    counted = (each for each in DIMENSIONS if each.counted and each.value is not Value.ALWAYS)
    fields = (field for each in counted for field in each.fields)
    return " .. '\\n' .. ".join(f"(record.{stored(field)} or '')" for field in fields)


def _same_indexes() -> str:
    """A Lua expression for whether two records of a message are in the same indexes."""
    failed = "(old.{0} == 'failed') == (new.{0} == 'failed')"
    return " and ".join(
        (failed if each.value is Value.FAILED else "old.{0} == new.{0}").format(stored(field))
        for each in DIMENSIONS
        for field in each.fields
    )


def _dimensions(name: str, dimensions: Iterable[Dimension]) -> str:
    """A Lua table with a row for each field of each dimension.

    `further` says whether the dimension has several fields.
    """
    rows = (
        f"  {{name = '{each.name}', value = '{each.value}', field = '{stored(field)}',"
        f" listed = {_bool(each.listed)}, further = {_bool(each.further)}}},"
        for each in dimensions
        for field in each.fields
    )
    return "\n".join([f"local {name} = {{", *rows, "}"])


def _bool(truth: object) -> str:
    return str(bool(truth)).lower()


def _list(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


@cache
def render(name: str, call: str = "redis.call") -> str:
    """The text of `lua/<name>.lua` as a server gets it, without its `#!lua` line.

    Args:
        name: of the script.
        call: the Lua expression by which scripts call Redis; tests give a stricter one.
    """
    prelude = (_FOLDER / "prelude.lua").read_text()
    prelude = prelude.replace("--@rules", _rules())
    prelude = prelude.replace("local call = redis.call", f"local call = {call}")
    shared = (_FOLDER / "indexes.lua").read_text() if name in _WRITERS else ""
    text = prelude + shared + (_FOLDER / f"{name}.lua").read_text()
    # Constants become literals. Locals would be bound anew to each function that names them, at
    # every call of the script: that took 5 % of what a single report costs Redis.
    constants = _constants()
    return _NAME.sub(lambda name: constants.get(name[0], name[0]), text)


_NAME = re.compile(r"\b[A-Z][A-Z_]*\b")
