"""A Redis that a test may kill."""

from collections.abc import Iterator

import pytest

from tests.conftest import need_server
from tests.servers import RedisServer


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of the test's own, which loses nothing that it has answered."""
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server
