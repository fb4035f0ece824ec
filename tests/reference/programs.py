"""Runs the programs of `clients/`."""

import os
import subprocess
from pathlib import Path

CLIENTS = Path(__file__).parent / "clients"


def run(folder: Path, *command: str | Path, **variables: str) -> str:
    """What a command prints; it must succeed.

    Raises:
        TimeoutExpired: it waits for what doesn't come.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
