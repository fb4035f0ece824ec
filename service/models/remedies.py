"""What Meta's error codes mean and what to do about them, as `meta_errors.toml` has it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec


class RemedyClass(StrEnum):
    """When to send again what failed."""

    NOW = "now"
    LATER = "later"
    FIX = "fix"
    NEVER = "never"
    UNKNOWN = "unknown"
    """Of a code that we know nothing of, or a failure without one."""


class Remedy(msgspec.Struct, frozen=True):
    """What is known of an error code; None: nothing."""

    remedy_class: RemedyClass
    meaning: str | None = None
    remedy: str | None = None


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"kind": "class"}):
    codes: list[int | str]
    kind: Literal["now", "later", "fix", "never"]
    meaning: str
    remedy: str
    details: str | None = None


_NOTHING = Remedy(RemedyClass.UNKNOWN)


def _numbers(codes: Iterable[int | str]) -> Iterable[int]:
    for code in codes:
        first, _, last = str(code).partition("-")
        yield from range(int(first), int(last or first) + 1)


_ENTRIES = msgspec.convert(
    tomllib.loads((Path(__file__).parent / "meta_errors.toml").read_text())["errors"], list[_Entry]
)


def _read(entries: Iterable[_Entry]) -> dict[str, Remedy]:
    return {
        str(number): Remedy(RemedyClass(entry.kind), entry.meaning, entry.remedy)
        for entry in entries
        for number in _numbers(entry.codes)
    }


_REMEDIES = _read(entry for entry in _ENTRIES if entry.details is None)
_BY_DETAILS = [
    (re.compile(entry.details, re.IGNORECASE), _read([entry]))
    for entry in _ENTRIES
    if entry.details is not None
]


def remedy_of(code: str, details: str = "") -> Remedy:
    """What is known of a failure.

    Args:
        code: as a record has it, `""` for a failure without one.
        details: Meta's, which tell some failures of one code from others.
    """
    if details:
        for pattern, remedies in _BY_DETAILS:
            if code in remedies and pattern.search(details):
                return remedies[code]
    return _REMEDIES.get(code, _NOTHING)


def classes_of(code: str) -> set[RemedyClass]:
    """The classes that failures with a code may have, by their details."""
    special = {remedies[code].remedy_class for _, remedies in _BY_DETAILS if code in remedies}
    return special | {remedy_of(code).remedy_class}
