"""`python -m tests.unwatched upgrade`: the command, where it is known that nobody uses the store.

It waits for nothing, so that what a test asks of many runs doesn't take minutes.
"""

from service.__main__ import main
from service.commands import common, schema_upgrade
from service.store.store import Store


async def _is_unused(store: Store) -> None:
    """It is taken as so."""


schema_upgrade._check_unused = _is_unused
schema_upgrade._NOTICED_S = common._TIMEOUT_S = 0.0

if __name__ == "__main__":
    main()
