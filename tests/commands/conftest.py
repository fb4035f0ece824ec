"""The stores that commands take messages from and to."""

from collections.abc import Iterator

import pytest

from tests.backends import Backend
from tests.conftest import need_server
from tests.servers import RedisCluster, RedisServer


@pytest.fixture(scope="session")
def other_server() -> Iterator[RedisServer]:
    need_server()
    with RedisServer() as server:
        yield server


@pytest.fixture
def one(redis_server: RedisServer) -> Backend:
    """One Redis with one partition, emptied."""
    redis_server.command("FLUSHALL")
    return Backend(redis_server.url, partitions=1)


@pytest.fixture
def other(other_server: RedisServer) -> Backend:
    """Another Redis with three partitions, emptied."""
    other_server.command("FLUSHALL")
    return Backend(other_server.url, partitions=3)


@pytest.fixture
def cluster(redis_cluster: RedisCluster) -> Backend:
    """A cluster with eight partitions, emptied."""
    redis_cluster.flush()
    return Backend(redis_cluster.url, partitions=8)
