"""The meanings of Meta's error codes, and what to do about them, from `meta_errors.toml`."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from service.domain.statistics import MOST_CODES, OTHER_CODE, is_number


class RemedyClass(StrEnum):
    """When to send a failed message again."""

    NOW = "now"
    LATER = "later"
    FIX = "fix"
    NEVER = "never"
    UNKNOWN = "unknown"
    """For a code that we don't know, or a failure without one."""


class Remedy(msgspec.Struct, frozen=True):
    """What is known of an error code; None stands for an unknown text."""

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


KNOWN_CODES = tuple(_REMEDIES)
"""The codes whose meaning we know."""


def groups_of(numbers: Mapping[str, int]) -> dict[str, int]:
    """Groups failures by code, the largest group first.

    Args:
        numbers: the numbers of failures by code, `""` for none. There may be more than
            `MOST_CODES`: that limit holds for each partition. Earlier versions stored any text as
            a code.

    Returns:
        the known codes, up to `MOST_CODES` others, and all the rest as `OTHER_CODE`.
    """
    others = [code for code in numbers if is_number(code) and code not in _REMEDIES]
    others.sort(key=lambda code: (-numbers[code], code))
    told = set(others[:MOST_CODES])
    groups = Counter[str]()
    for code, number in numbers.items():
        groups[group_of(code, told)] += number
    return dict(sorted(groups.items(), key=lambda item: (-item[1], item[0])))


def group_of(code: str, groups: Container[str]) -> str:
    """Returns the code of the group that a failure with this code belongs to."""
    return code if code in groups or code in _REMEDIES or not code else OTHER_CODE


def codes_of(remedy_class: RemedyClass) -> list[str]:
    """Returns the known codes that may be of a class; none for `UNKNOWN`."""
    return [code for code in KNOWN_CODES if remedy_class in classes_of(code)]


def remedy_of(code: str, details: str = "") -> Remedy:
    """Returns the meaning, remedy and class of a failure.

    Args:
        code: the record's code, `""` for none.
        details: Meta's details, on which the remedy of some codes depends.
    """
    if details:
        for pattern, remedies in _BY_DETAILS:
            if code in remedies and pattern.search(details):
                return remedies[code]
    return _REMEDIES.get(code, _NOTHING)


def classes_of(code: str) -> set[RemedyClass]:
    """Returns the classes that failures with a code may have, depending on their details."""
    special = {remedies[code].remedy_class for _, remedies in _BY_DETAILS if code in remedies}
    return special | {remedy_of(code).remedy_class}
