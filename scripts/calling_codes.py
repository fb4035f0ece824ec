"""`make codes`: writes the calling codes of countries, taken from libphonenumber, to a file.

Only the list is copied, so that the service doesn't need the library. A test compares the file with
the pinned release of the library.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

FILE = Path(__file__).parent.parent / "service/models/calling_codes.toml"

_ABOUT = "# The calling codes of countries, and of services that have one; see `make codes`."


def main() -> None:
    """Writes the file."""
    FILE.write_text(text())


def text() -> str:
    """The text of the file. Codes that begin with the same digit share a line."""
    codes = sorted(map(str, COUNTRY_CODE_TO_REGION_CODE))
    lines = [", ".join(some) for _, some in groupby(codes, key=lambda code: code[0])]
    return "\n".join([_ABOUT, "codes = [", *(f"    {line}," for line in lines), "]", ""])


if __name__ == "__main__":
    main()
