"""The modules import one way, and only a few know the driver or HTTP."""

import ast
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[2] / "service"

LAYERS = [
    {"errors", "reports", "counters", "config", "ndjson", "permits"},
    {"models", "keys", "refusals", "admission"},
    {"access", "scripts", "embedded", "durability", "sentinel"},
    {"availability", "batcher", "connect", "journalfile", "tenants", "journal", "paging"},
    {"checks", "clocks", "store"},
    {"watch", "feed"},
    {"replay"},
    {"telemetry", "erasing", "resending", "retention", "listeners", "live"},
    {"middleware", "protocol", "intake", "eventstream", "spreadsheet", "listener"},
    {"handlers", "pages"},
    {"routes"},
    {"openapi"},
    {"app"},
    {"workers"},
    {"commands"},
    {"__main__"},
]
"""A module imports from its own layer and those before it."""

KNOWN_BY = {
    "redis": {"scripts", "durability", "sentinel", "connect", "checks", "clocks", "store"},
    "aiohttp": {
        "middleware",
        "protocol",
        "listener",
        "intake",
        "eventstream",
        "spreadsheet",
        "handlers",
        "pages",
        "routes",
        "app",
        "workers",
    },
    "gunicorn": {"workers"},
}


def imports_of(module: str) -> set[str]:
    """Every module that this one imports, by its full name."""
    found: set[str] = set()
    files = [SERVICE / f"{module}.py", *(SERVICE / module).glob("*.py")]
    texts = "\n".join(file.read_text() for file in files if file.exists())
    for node in ast.walk(ast.parse(texts.replace("from __future__ import annotations", ""))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer_of(module: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if module in layer)


PACKAGES = [path.parent.name for path in SERVICE.glob("*/__init__.py")]
MODULES = sorted([path.stem for path in SERVICE.glob("*.py") if path.stem != "__init__"] + PACKAGES)


def test_every_module_has_its_layer() -> None:
    assert sorted(name for layer in LAYERS for name in layer) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    for name in imports_of(module):
        package, _, imported = name.partition(".")
        imported = imported.partition(".")[0]
        if package == "service" and imported in MODULES:
            assert layer_of(imported) <= layer_of(module), f"{module} imports {imported}"


@pytest.mark.parametrize("library", KNOWN_BY)
def test_only_some_know_a_library(library: str) -> None:
    knowing = {
        module
        for module in MODULES
        if any(name.split(".")[0] == library for name in imports_of(module))
    }
    assert knowing <= KNOWN_BY[library]
