"""What an image or a lock file lets in that nobody asked for, and what a container may do."""

import json
import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.process import ROOT

BY_DIGEST = re.compile(r"\S+:\S+@sha256:[0-9a-f]{64}")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = sorted(COMPOSE["services"])


def test_every_image_is_named_by_its_digest() -> None:
    """Whoever can move a tag could put another image in its place."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    built_from = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    images = [service["image"] for service in COMPOSE["services"].values() if "image" in service]
    assert len(built_from) == 2
    assert len(images) == 1
    assert [image for image in built_from + images if not BY_DIGEST.fullmatch(image)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_write_its_volume_alone_and_has_no_capabilities(name: str) -> None:
    """So that whoever gets into one can't stay, nor get any further."""
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108  the container's own
    assert [volume.partition(":")[2] for volume in service["volumes"]] == ["/data"]


def test_no_container_runs_as_root() -> None:
    assert re.findall(r"^USER (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE) == ["10001"]
    assert COMPOSE["services"]["redis"]["user"] == "redis"


@pytest.mark.parametrize("folder", ["", "tests/guide", "clients/typescript"])
def test_a_lock_file_has_nothing_that_nobody_asks_for(folder: str) -> None:
    """A package was left there that no other needed, and `npm ci` went on installing it."""
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    asked_for = {
        name
        for package in packages.values()
        for kind in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
        for name in package.get(kind, {})
    }
    assert {path.rpartition("node_modules/")[2] for path in packages if path} <= asked_for
