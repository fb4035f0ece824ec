"""Readers of server-sent events get all kinds of events of the stream of changes."""

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import TOKEN
from tests.npm_tools import install, tool
from tests.process import ROOT, Service
from tests.reference.programs import CLIENTS, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first may download the readers


def check_seen(wamid: str, printed: str) -> None:
    """Looks at what a reader saw: a change, and that it begins and has missed some."""
    seen = json.loads(printed)
    assert json.loads(seen.pop("message"))["wamid"] == wamid
    assert seen == {"ready": "{}", "lost": "{}"}


def test_httpx_sse(service: Service, tmp_path: Path) -> None:
    variables = {"URL": service.url, "TOKEN": TOKEN, "EVENT": "wamid.httpx"}
    check_seen("wamid.httpx", run(tmp_path, sys.executable, CLIENTS / "reader.py", **variables))


@pytest.mark.parametrize("name", ["eventsource", "eventsource-parser"])
def test_in_javascript(service: Service, tmp_path: Path, name: str) -> None:
    node = tool("node")
    (tmp_path / "node_modules").symlink_to(install(ROOT))
    reader = tmp_path / f"{name}.mjs"
    reader.write_text((CLIENTS / reader.name).read_text())
    variables = {"URL": service.url, "TOKEN": TOKEN, "EVENT": f"wamid.{name}"}
    check_seen(f"wamid.{name}", run(tmp_path, node, reader.name, **variables))
