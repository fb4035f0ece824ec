"""Python programs as child processes, forked from one process that has the service imported.

A new interpreter spends most of a second of processor time on imports, a fork a hundredth of that.
For the rest a fork is a process like any other: it has its own folder, environment, output, signals
and exit code. What an interpreter reads at its own start comes too late for it.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers import _die_with_parent

ROOT = Path(__file__).parent.parent

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["service.__main__", __name__])
os.environ["PYTHONPATH"] = str(ROOT)  # where the process that is forked finds these two


class Forked:
    """A running program; its methods are those of `subprocess.Popen`.

    Args:
        command: the module that is run as `python -m` would, and its arguments.
        folder: where it runs.
        environment: all of its variables.
        stdout: the file that its output is appended to.
        stderr: likewise.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        stdout: Path,
        stderr: Path,
    ) -> None:
        assert environment["PYTHONPATH"] == str(ROOT), "a fork has imported everything already"
        assert "LD_PRELOAD" not in environment, "a fork has loaded everything already"
        self._command = command
        arguments = (command, folder, dict(environment), stdout, stderr)
        self._process = _forks.Process(target=_become, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end and returns its exit code.

        Raises:
            TimeoutExpired: it still runs after `timeout` seconds.
        """
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(list(self._command), timeout or 0.0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it without a chance to say goodbye (SIGKILL)."""
        self.send_signal(signal.SIGKILL)


def _become(
    command: Sequence[str], folder: Path, environment: dict[str, str], stdout: Path, stderr: Path
) -> None:
    """Runs in the child, which becomes what `python -m` with this command would be."""
    _die_with_parent()
    os.setpgid(0, 0)  # so that it can be sent what Ctrl-C sends, to all its processes
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    writing = os.O_WRONLY | os.O_APPEND
    for number, file, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, stdout, writing),
        (2, stderr, writing),
    ):
        descriptor = os.open(file, flags)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(command)
    sys.orig_argv = [sys.executable, "-m", *command]
    sys.modules.pop("service.__main__", None)  # run as `__main__`, it would be there twice
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
