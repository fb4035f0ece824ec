"""The packages import one way, and only a few know the driver or HTTP."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[2] / "service"

ORDER = [
    {"errors", "domain"},
    {"config", "models"},
    {"backends"},
    {"store"},
    {"telemetry", "live"},
    {"web"},
    {"api"},
    {"app"},
    {"server"},
    {"workers"},
    {"commands"},
    {"__main__"},
]
"""A package or module imports from its own set and from those before it."""

KNOWN_BY = {
    "redis": {"backends", "store"},
    "aiohttp": {"web", "api", "app", "server", "workers"},
    "gunicorn": {"workers"},
}

PLACES = {name: place for place, names in enumerate(ORDER) for name in names}
FILES = sorted(SERVICE.rglob("*.py"))


def room_of(file: Path) -> str:
    """The package below `service` that a file is in, or its own name at the top."""
    return file.relative_to(SERVICE).parts[0].removesuffix(".py")


def imports_of(file: Path) -> Iterator[str]:
    """The full name of each module that a file imports, also inside of functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_package_has_its_place() -> None:
    assert set(PLACES) == {room_of(file) for file in FILES} - {"__init__"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SERVICE)))
def test_imports_run_one_way(file: Path) -> None:
    if file.parent == SERVICE and file.stem == "__init__":
        return
    mine = PLACES[room_of(file)]
    rooms = [name.split(".")[1] for name in imports_of(file) if name.startswith("service.")]
    assert not [room for room in rooms if PLACES.get(room, -1) > mine]


@pytest.mark.parametrize("library", KNOWN_BY)
def test_only_some_know_a_library(library: str) -> None:
    knowing = {
        room_of(file)
        for file in FILES
        if any(name.split(".")[0] == library for name in imports_of(file))
    }
    assert knowing <= KNOWN_BY[library]
