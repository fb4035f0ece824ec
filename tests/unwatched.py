"""`python -m tests.unwatched upgrade`: the command, where it is known that nobody uses the store.

It waits for nothing, so that what a test asks of many runs doesn't take minutes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from service.__main__ import main
from service.commands import common, schema_upgrade
from service.store.store import Store


async def _is_unused(store: Store) -> None:
    """It is taken as so."""


@contextmanager
def unwatched() -> Iterator[None]:
    """The command of this process waits for nothing as long as this goes on."""
    with (
        patch.object(schema_upgrade, "_check_unused", _is_unused),
        patch.object(schema_upgrade, "_NOTICED_S", 0.0),
        patch.object(common, "_TIMEOUT_S", 0.0),
    ):
        yield


if __name__ == "__main__":
    with unwatched():
        main()
