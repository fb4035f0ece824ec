"""What Meta's error codes mean and what to do about them, as `meta_errors.toml` has it."""

from __future__ import annotations

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


_NOTHING = Remedy(RemedyClass.UNKNOWN)


def _numbers(codes: Iterable[int | str]) -> Iterable[int]:
    for code in codes:
        first, _, last = str(code).partition("-")
        yield from range(int(first), int(last or first) + 1)


def _read() -> dict[str, Remedy]:
    text = (Path(__file__).parent / "meta_errors.toml").read_text()
    entries = msgspec.convert(tomllib.loads(text)["errors"], list[_Entry])
    return {
        str(number): Remedy(RemedyClass(entry.kind), entry.meaning, entry.remedy)
        for entry in entries
        for number in _numbers(entry.codes)
    }


_REMEDIES = _read()


def remedy_of(code: str) -> Remedy:
    """What is known of a code as a record has it, `""` for a failure without one."""
    return _REMEDIES.get(code, _NOTHING)
