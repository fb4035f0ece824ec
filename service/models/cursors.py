"""Cursors: positions in a list, in the form in which callers hand them back."""

from __future__ import annotations

from service.domain.query import Position


def decode_value_position(cursor: str | None) -> tuple[int, str] | None:
    """Returns the position in a cursor of `encode_value_position`; None for None."""
    if cursor is None:
        return None
    latest_us, _, value = cursor.partition(".")
    return int(latest_us), value


def decode_position(cursor: str | None) -> Position | None:
    """Returns the position in a cursor of `encode_position`; None for None."""
    if cursor is None:
        return None
    created_us, _, message_id = cursor.partition(".")
    return Position(int(created_us), message_id)


def encode_position(position: Position) -> str:
    """Returns the cursor of a position in a list of messages."""
    return f"{position.created_us}.{position.message_id}"


def encode_value_position(position: tuple[int, str]) -> str:
    """Returns the cursor of a position in a list of values."""
    latest_us, value = position
    return f"{latest_us}.{value}"
