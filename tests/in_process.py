"""Commands within this process: quicker by ten times, for what needs no process of its own.

Nothing here knows pytest.
"""

import asyncio
import logging
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from traceback import format_exception

from click.testing import CliRunner, Result

from service.__main__ import main
from tests.process import START_TIMEOUT_S, environment


def invoke(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs what `python -m service` runs to its end, as `tests.process.run` does.

    A start is fine as well, if it is refused: not from a test that has a loop.

    Raises:
        TimeoutExpired: beside a loop it goes on longer than `START_TIMEOUT_S`.
    """
    found: list[Result] = []

    def work() -> None:
        found.append(_invoke(arguments, cwd, variables))

    if _loop_runs():
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(START_TIMEOUT_S)
        if not found:
            raise subprocess.TimeoutExpired(list(arguments), START_TIMEOUT_S)
    else:
        work()
    [result] = found
    said = result.stderr
    if result.exception and not isinstance(result.exception, SystemExit):
        said += "".join(format_exception(result.exception))
    return subprocess.CompletedProcess(list(arguments), result.exit_code, result.stdout, said)


def _loop_runs() -> bool:
    """Whether a loop runs in this thread, which can't have another then."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _invoke(arguments: tuple[str, ...], cwd: Path, variables: dict[str, str]) -> Result:
    theirs = environment(**variables)
    gone = dict.fromkeys(os.environ.keys() - theirs.keys())
    with chdir(cwd), _log_as_before():
        return CliRunner().invoke(main, arguments, env=gone | theirs, prog_name="message-tracker")


@contextmanager
def _log_as_before() -> Iterator[None]:
    """The command sets up the log of a whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
