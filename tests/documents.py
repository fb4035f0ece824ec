"""The pages that people read, for tests that hold them against the code and run their examples."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

PAGES = sorted(page for glob in ("*.md", "docs/*.md", "clients/*/*.md") for page in ROOT.glob(glob))
"""README.md and its like, all of docs/, and those of the clients."""


def page(name: str) -> str:
    """The text of a page, by its path from the root of the repository."""
    return (ROOT / name).read_text()


def calls_in(text: str) -> list[str]:
    """The `curl` examples of a page, each with the answer that stands below it as a comment."""
    return re.findall(r"```sh\n(curl .*?)```", text, re.DOTALL)


def table_in(text: str, head: str) -> str:
    """The rows of the table with this first line."""
    assert text.count(head) == 1, head
    return text.partition(head)[2].partition("\n\n")[0]
