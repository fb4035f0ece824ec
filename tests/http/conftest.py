"""The store behind the service: what is said over HTTP is the same of each kind."""

from pathlib import Path

import pytest

from tests import conftest
from tests.backends import Backend
from tests.servers import server_binary


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """One Redis, or fakeredis where there is none; tests that need others are parametrized by it.

    That all kinds behave alike is shown by the tests of the store.
    """
    kind = getattr(request, "param", "redis" if server_binary() else "fake")
    return conftest.backend_of(kind, request)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keeps Schemathesis from its work where slow tests are left out.

    It makes its requests up when they are collected, which takes each process ten seconds.
    """
    left_out = config.option.markexpr == "not slow"
    return True if left_out and collection_path.name == "test_schemathesis.py" else None
