"""The dashboard's files: all are served, and its libraries are what npm gave for the lock."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.api.dashboard_files import FOLDER, pages

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "service/dashboard/vendor"
ENTRIES: list[dict[str, str]] = json.loads((VENDOR / "vendor.json").read_text())
LOCK: dict[str, Any] = json.loads((ROOT / "package-lock.json").read_text())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["file"]))
def test_a_file_is_as_it_was_copied(entry: dict[str, str]) -> None:
    assert hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["file"]))
def test_its_version_and_licence_are_the_locked_ones(entry: dict[str, str]) -> None:
    locked = LOCK["packages"][f"node_modules/{entry['name']}"]
    assert (entry["version"], entry["license"]) == (locked["version"], locked["license"])


def test_there_are_no_other_files_and_each_library_has_its_licence() -> None:
    files = {entry["file"] for entry in ENTRIES}
    assert {file.name for file in VENDOR.iterdir()} == files | {"vendor.json"}
    libraries = {entry["name"] for entry in ENTRIES}
    assert libraries == set(LOCK["packages"][""]["dependencies"])
    assert {f"{library}.LICENSE.txt" for library in libraries} <= files


def test_what_npm_brings_is_pinned_and_the_lock_names_no_host() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    wanted = package["dependencies"] | package["devDependencies"]
    assert all(version[0].isdigit() for version in wanted.values())
    assert "://" not in json.dumps([part.get("resolved", "") for part in LOCK["packages"].values()])


def test_every_file_in_the_folder_is_served() -> None:
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert there | {""} == set(pages())


def test_the_page_names_each_of_its_modules_for_loading_at_once() -> None:
    """So that they don't wait for each other; the chart's library is left for later."""
    page = (FOLDER / "index.html").read_text()
    named = set(re.findall(r'rel="modulepreload" href="([^"]+)"', page))
    modules = {file for file in pages() if file.endswith(".js")}
    assert named == modules - {"app.js", "vendor/uplot.js"}
