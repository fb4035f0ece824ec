"""The service that clients of others call."""

from collections.abc import Iterator

import pytest

from tests.conftest import TOKEN
from tests.process import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(
        tmp_path_factory.mktemp("service"),
        TRACKER_AUTH__TOKENS=TOKEN,
        TRACKER_REDIS__URL="fakeredis://",
    ) as running:
        yield running
