"""Clients that generators of the field make of `/openapi.json` work against the service."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.conftest import TOKEN
from tests.documents import page
from tests.npm_tools import install, tool
from tests.process import ROOT, Service
from tests.reference.programs import CLIENTS, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first may download the generators

ORVAL = {"target": "generated/client.ts", "client": "fetch", "mode": "single"}
GENERATORS = {
    "openapi-typescript": ["openapi-typescript", "openapi.json", "-o", "generated/schema.ts"],
    "hey-api": ["openapi-ts", "-i", "openapi.json", "-o", "generated"],
    "orval": ["orval", "--config", "orval.config.cjs"],
}


@pytest.fixture
def folder(service: Service, tmp_path: Path) -> Path:
    """A folder with the document that the service gives."""
    with urlopen(f"{service.url}/openapi.json") as response:  # noqa: S310  our own
        (tmp_path / "openapi.json").write_bytes(response.read())
    return tmp_path


def check_told(event: str, printed: str) -> None:
    """Looks at what the calls of a client were answered."""
    told: dict[str, Any] = json.loads(printed)
    assert told == {
        "id": 36,
        "results": 2,
        "status": "delivered",
        "found": "delivered",
        "page": [f"wamid.{event}.3", f"wamid.{event}.2"],
        "total": 3,
        "refused": "wa_id",
        "erased": 3,
    }


def test_openapi_python_client(service: Service, folder: Path) -> None:
    shutil.copy(CLIENTS / "openapi_python_client.py", folder / "caller.py")
    made_of = ("--path", "openapi.json", "--meta", "none", "--output-path", "tracker_client")
    printed = run(folder, sys.executable, "-m", "openapi_python_client", "generate", *made_of)
    warnings = [line for line in printed.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == printed.count("Unsupported content type application/x-ndjson")
    run(folder, sys.executable, "-m", "mypy", "--strict", "caller.py")
    variables = {"URL": service.url, "TOKEN": TOKEN, "EVENT": "python"}
    check_told("python", run(folder, sys.executable, "caller.py", **variables))


def test_the_documented_lines(service: Service, folder: Path) -> None:
    [command] = re.findall(r"```sh\nuvx (openapi-python-client) (.+)\n", page("docs/api.md"))
    [lines] = re.findall(r"```python\n(.+?)```", page("docs/api.md"), re.DOTALL)
    documented = "http://127.0.0.1:8080"
    options = command[1].replace(documented, service.url).split()
    run(folder, sys.executable, "-m", "openapi_python_client", *options)
    (folder / "caller.py").write_text(lines.replace(documented, service.url))
    printed = run(folder, sys.executable, "caller.py", TOKEN=TOKEN)
    assert printed.startswith("TrackSendStandaloneResponse(ok=True, standalone=True, ")


@pytest.mark.parametrize("name", GENERATORS)
def test_in_typescript(service: Service, folder: Path, name: str) -> None:
    node, modules = tool("node"), install(ROOT)
    (folder / "node_modules").symlink_to(modules)
    shutil.copy(CLIENTS / "tsconfig.json", folder)
    shutil.copy(CLIENTS / f"{name}.ts", folder)
    config = {"tracker": {"input": "openapi.json", "output": ORVAL | {"baseUrl": service.url}}}
    (folder / "orval.config.cjs").write_text(f"module.exports = {json.dumps(config)}")
    command, *options = GENERATORS[name]
    run(folder, modules / ".bin" / command, *options)
    run(folder, modules / ".bin/tsc", "--project", "tsconfig.json")
    variables = {"URL": service.url, "TOKEN": TOKEN, "EVENT": name}
    check_told(name, run(folder, node, f"out/{name}.js", **variables))
