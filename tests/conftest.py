"""The stores and services that tests run against."""

import os
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, AppRunner, Request
from hypothesis import HealthCheck, settings

from service.app import create_app
from service.config import Auth, Journal, Settings
from service.config import Redis as RedisSettings
from service.server import Runner
from tests.backends import Backend, Bench, open_store
from tests.factories import BASE_US
from tests.servers import RedisCluster, RedisServer, server_binary

pytest_plugins = ["tests.browser"]

TOKEN = "test-token"
NO_JOURNAL = Journal(enabled=False)
"""A folder for each service: in a shared one, a service would merge another's journal."""

# How often a property is tried: `many` times, unless `--hypothesis-profile=few` says otherwise.
# There is no deadline, since the machine may have others to serve. Chance may filter out many of a
# few examples.
for profile, most in (("few", 20), ("many", 100)):
    settings.register_profile(
        profile,
        max_examples=most,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
settings.load_profile("many")

Client = TestClient[Request, Application]


@pytest.fixture(scope="session", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the config.toml and the data folder of whoever runs them."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)


@pytest.fixture(autouse=True)
def _from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a test's reports are received doesn't hang on which tests ran before it."""
    monkeypatch.setattr("tests.factories._received_us", count(BASE_US))


def need_server() -> None:
    """Skips the test where there is no redis-server; in CI that is a failure."""
    if server_binary() is None:
        if os.environ.get("CI"):
            pytest.fail("no redis-server here, and CI needs one")
        pytest.skip("no redis-server here")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    need_server()
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    need_server()
    with RedisCluster() as cluster:
        yield cluster


def backend_of(kind: str, request: pytest.FixtureRequest) -> Backend:
    """A store of that kind, for as long as the session lasts."""
    if kind == "fake":
        return Backend("fakeredis://", partitions=1)
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return Backend(server.url, partitions=1)
    cluster: RedisCluster = request.getfixturevalue("redis_cluster")
    return Backend(cluster.url, partitions=8)


REDIS_FIRST = pytest.mark.parametrize(
    "backend",
    [
        "redis",
        pytest.param("fake", marks=pytest.mark.slow),
        pytest.param("cluster", marks=pytest.mark.slow),
    ],
    indirect=True,
)
"""On each kind of store, of which one Redis alone is not slow: for a test of many cases whose kinds
of store other tests tell apart."""


@pytest.fixture(scope="session", params=["fake", "redis", "cluster"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each kind of store in turn."""
    return backend_of(request.param, request)


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[Bench]:
    """An empty store on each backend, with what tests look into it by."""
    async with open_store(backend) as bench:
        yield bench


class JsonTestServer(TestServer):
    """aiohttp's test server with our runner, so that malformed requests are answered as in life."""

    async def _make_runner(self, **kwargs: Any) -> AppRunner:
        # aiohttp's has handlers cancelled when their callers leave; the service goes on with them.
        return Runner(self.app, **kwargs | {"handler_cancellation": False})


def settings_of(backend: Backend) -> Settings:
    """What the service needs to run on a backend."""
    return Settings(
        auth=Auth(tokens=[TOKEN, "second-token"]),
        redis=RedisSettings(url=backend.url, partitions=backend.partitions),
        journal=NO_JOURNAL,
    )


@pytest.fixture
async def anyone(backend: Backend) -> AsyncIterator[Client]:
    """A caller of the service over HTTP, without a token; the store is empty."""
    async with open_store(backend):
        pass
    server = JsonTestServer(create_app(settings_of(backend)))
    async with TestClient(server) as client:
        yield client


@pytest.fixture
async def client(anyone: Client) -> Client:
    """A caller with a token."""
    anyone.session.headers["X-Webhook-Token"] = TOKEN
    return anyone
