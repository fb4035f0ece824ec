"""Cursors: positions in a list, as callers hand them back."""

from __future__ import annotations

from service.domain.query import Position


def decode_value_position(cursor: str | None) -> tuple[int, str] | None:
    """The position that `encode_value_position` wrote."""
    if cursor is None:
        return None
    latest_us, _, value = cursor.partition(".")
    return int(latest_us), value


def decode_position(cursor: str | None) -> Position | None:
    """The position that `encode_position` wrote."""
    if cursor is None:
        return None
    created_us, _, message_id = cursor.partition(".")
    return Position(int(created_us), message_id)


def encode_position(position: Position) -> str:
    """A position as callers hand it back."""
    return f"{position.created_us}.{position.message_id}"


def encode_value_position(position: tuple[int, str]) -> str:
    """A position among values as callers hand it back."""
    latest_us, value = position
    return f"{latest_us}.{value}"
