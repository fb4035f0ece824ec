"""What a newcomer and an operator meet first, as they do it: at the command line and by HTTP."""

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.process import Service

TOKEN = "s3cret-Tok3n"
FAKE = {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_REDIS__URL": "fakeredis://"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), **FAKE) as running:
        yield running


# Changes as they happen -------------------------------------------------------------------------


def test_the_first_block_of_the_live_stream_is_an_event(service: Service) -> None:
    """It was `retry:` alone, and readers broke at the first thing that came.

    httpx-sse made an empty message of it, and hey-api's reader an undefined one.
    """
    connection = HTTPConnection(service.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/api/webhooks/live/", headers={"X-Webhook-Token": TOKEN})
        response = connection.getresponse()
        block = list(iter(response.readline, b"\n"))
    finally:
        connection.close()
    assert block[:3] == [b"retry: 2000\n", b"event: ready\n", b"data: {}\n"]
