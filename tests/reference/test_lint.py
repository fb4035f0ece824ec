"""The linters of the field find nothing in `/openapi.json`.

`redocly.yaml` and `.spectral.yaml` say which of their rules don't hold here, and why.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from service.api.openapi import document
from service.api.routes import ROUTES
from tests.npm_tools import install
from tests.process import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first may download the linters

QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.mark.parametrize(
    "command",
    [["redocly", "lint"], ["spectral", "lint", "--fail-severity=hint"]],
    ids=lambda c: c[0],
)
def test_a_linter_finds_nothing(command: list[str], tmp_path: Path) -> None:
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(document(ROUTES, "0"), indent=1))
    linter = install(ROOT) / ".bin" / command[0]
    done = subprocess.run(
        [linter, *command[1:], described],
        cwd=ROOT,
        env=os.environ | QUIET,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).replace("Deprecation warning", "")
