"""`python -m tests.killed_midway …`: a command that takes a few messages at a time and is killed.

That is once it has written for the third time, before it knows of it: a kill from outside can't be
aimed, and would need many messages to hit somewhere between the first and the last.
"""

import os
import signal
from collections.abc import Sequence
from itertools import count

from service.__main__ import main
from service.commands import common, imports
from service.domain.report import Merged, Report
from service.store.store import Store

common._ROWS = imports._LINES_AT_ONCE = 20

_write, _calls = Store.write, count(1)


async def _write_and_die(store: Store, reports: Sequence[Report]) -> list[Merged]:
    merged = await _write(store, reports)
    if next(_calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return merged


Store.write = _write_and_die  # type: ignore[method-assign, assignment]

if __name__ == "__main__":
    main()
