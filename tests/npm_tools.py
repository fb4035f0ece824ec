"""What a folder's package-lock.json names, installed beside it."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """A program on PATH; without it a skip, in CI a failure."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"no {name} here, and CI needs it")
        pytest.skip(f"no {name} here")
    return found


def install(folder: Path) -> Path:
    """Installs what is locked, unless it is there already; returns the folder `node_modules`."""
    npm, lock = tool("npm"), folder / "package-lock.json"
    mark = folder / "node_modules/.package-lock.json"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests in other processes may want the same
        if not mark.exists() or mark.stat().st_mtime < lock.stat().st_mtime:
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return folder / "node_modules"
