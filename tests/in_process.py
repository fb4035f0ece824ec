"""Commands within this process: quicker by ten times, for what needs no process of its own.

Nothing here knows pytest.
"""

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

    Raises:
        TimeoutExpired: it goes on longer than `START_TIMEOUT_S`, and maybe even then.
    """
    found: list[Result] = []
    # In a thread of its own, since a loop may run in this one.
    thread = threading.Thread(
        target=lambda: found.append(_invoke(arguments, cwd, variables)), daemon=True
    )
    thread.start()
    thread.join(START_TIMEOUT_S)
    if not found:
        raise subprocess.TimeoutExpired(list(arguments), START_TIMEOUT_S)
    [result] = found
    said = result.stderr
    if result.exception and not isinstance(result.exception, SystemExit):
        said += "".join(format_exception(result.exception))
    return subprocess.CompletedProcess(list(arguments), result.exit_code, result.stdout, said)


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
