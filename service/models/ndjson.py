"""Newline-delimited JSON: cuts a stream of bytes into lines, with bounded memory."""

from __future__ import annotations

MOST_LINE_BYTES = 1024**2
_BOM = b"\xef\xbb\xbf"
"""The byte-order mark; the code that reads a line skips it."""


class Lines:
    """Takes a stream in pieces and returns its lines; None stands for a line that is too long."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._too_long = False

    def feed(self, piece: bytes) -> list[bytes | None]:
        """Returns the lines that end in this piece, without blank ones."""
        first, *others = piece.split(b"\n")
        if not others:
            self._keep(first)
            return []
        *whole, rest = others
        lines = [self._join(first), *map(_limited, whole)]
        self._keep(rest)
        return [line for line in lines if line is None or not _is_blank(line)]

    def end(self) -> list[bytes | None]:
        """Returns the last line, if no newline ended it."""
        return self.feed(b"\n")

    def _keep(self, part: bytes) -> None:
        self._rest += part
        if len(self._rest) > MOST_LINE_BYTES:
            self._too_long = True
            self._rest.clear()

    def _join(self, last: bytes) -> bytes | None:
        self._keep(last)
        line = None if self._too_long else bytes(self._rest)
        self._rest.clear()
        self._too_long = False
        return line


def _is_blank(line: bytes) -> bool:
    return not (line and line.removeprefix(_BOM).strip())


def _limited(line: bytes) -> bytes | None:
    return line if len(line) <= MOST_LINE_BYTES else None
