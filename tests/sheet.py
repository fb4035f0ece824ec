"""Reads a list of failures as a spreadsheet would, and makes sure that it is whole."""

import csv


def rows_in(text: str) -> list[dict[str, str]]:
    """The rows of a list that is whole, by its columns; a text without the byte-order mark."""
    *rows, last = csv.DictReader(text.splitlines())
    assert next(iter(last.values())) == f"# {len(rows)} rows"
    return rows
