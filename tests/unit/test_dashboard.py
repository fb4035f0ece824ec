"""The pages' files: all are served, and their libraries are what npm gave for the lock."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.api.static_files import FOLDERS, static_files

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "service/dashboard"
VENDORS = [DASHBOARD / "vendor", ROOT / "service/site/docs/vendor"]
Entry = dict[str, str]
ENTRIES: list[tuple[Path, Entry]] = [
    (vendor, entry)
    for vendor in VENDORS
    for entry in json.loads((vendor / "vendor.json").read_text())
]
each_file = pytest.mark.parametrize(
    ("vendor", "entry"),
    ENTRIES,
    ids=lambda part: part["file"] if isinstance(part, dict) else part.parent.name,
)
LOCK: dict[str, Any] = json.loads((ROOT / "package-lock.json").read_text())


@each_file
def test_a_file_is_as_it_was_copied(vendor: Path, entry: Entry) -> None:
    assert hashlib.sha256((vendor / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


@each_file
def test_its_version_and_licence_are_the_locked_ones(vendor: Path, entry: Entry) -> None:
    locked = LOCK["packages"][f"node_modules/{entry['name']}"]
    assert (entry["version"], entry["license"]) == (locked["version"], locked["license"])


def test_there_are_no_other_files_and_each_library_has_its_licence() -> None:
    for vendor in VENDORS:
        files = {entry["file"] for folder, entry in ENTRIES if folder == vendor}
        assert {file.name for file in vendor.iterdir()} == files | {"vendor.json"}
        libraries = {entry["name"] for folder, entry in ENTRIES if folder == vendor}
        assert {f"{library}.LICENSE.txt" for library in libraries} <= files
    named = {entry["name"] for _, entry in ENTRIES}
    assert named == set(LOCK["packages"][""]["dependencies"])


def test_what_npm_brings_is_pinned_and_the_lock_names_no_host() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    wanted = package["dependencies"] | package["devDependencies"]
    assert all(version[0].isdigit() for version in wanted.values())
    assert "://" not in json.dumps([part.get("resolved", "") for part in LOCK["packages"].values()])


@pytest.mark.parametrize("above", ["/", "/dashboard/"])
def test_every_file_in_the_folder_is_served(above: str) -> None:
    folder = FOLDERS[above]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {f"{above}{path}" for path in there} <= set(static_files())


def test_the_page_names_each_of_its_modules_for_loading_at_once() -> None:
    """So that they don't wait for each other; the chart's library is left for later."""
    page = (DASHBOARD / "index.html").read_text()
    named = set(re.findall(r'rel="modulepreload" href="([^"]+)"', page))
    modules = {file.relative_to(DASHBOARD).as_posix() for file in DASHBOARD.rglob("*.js")}
    assert named == modules - {"app.js", "vendor/uplot.js"}
