"""`python -m tests.attacks.sender URL NAME`: sends hostile requests from a process of its own."""

import asyncio
import sys

from tests.attacks.hostile import hostile
from tests.attacks.watching import exchange


async def send(url: str, name: str) -> None:
    """Sends the requests of that name at the same time, and reads what comes back."""
    await asyncio.gather(*(exchange(url, wire) for wire in hostile()[name]))


if __name__ == "__main__":
    asyncio.run(send(*sys.argv[1:]))
