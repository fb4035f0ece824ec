"""A Redis that a test may kill, and a service with two workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TOKEN, need_server
from tests.faults.workers_probe import WORKERS, until_two
from tests.process import Service
from tests.servers import RedisServer


@pytest.fixture(autouse=True)
def _all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of the test's own, which loses nothing that it has answered."""
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Where a service makes its temporary files, if it is told to by TMPDIR."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def crew(redis: RedisServer, tmp_path: Path, files: Path) -> Iterator[Service]:
    """A service with two workers, both of which serve."""
    with Service(
        tmp_path,
        *WORKERS,
        TRACKER_REDIS__URL=redis.url,
        TRACKER_AUTH__TOKENS=TOKEN,
        TRACKER_JOURNAL__ENABLED="false",
        TMPDIR=str(files),
    ) as service:
        until_two(service)
        yield service
