"""Of failed messages: what their recipients were sent since, so that nobody is sent to twice."""

import csv
from typing import Any

import pytest
from yarl import URL

from tests.conftest import Client
from tests.factories import event_send, status_update

FAILURES = "/api/webhooks/failures/"


async def send(client: Client, number: int, phone: str, status: str, **fields: str) -> None:
    """A message to a phone, and what became of it."""
    body = event_send(number, wa_id=phone, **fields)
    async with client.post("/api/webhooks/track-send/", json=body) as response:
        assert response.status == 200
    error = [{"code": 131026, "title": "Message undeliverable"}]
    update = status_update(number, status, recipient_id=phone, errors=error)
    async with client.post("/api/webhooks/message-status/", json=update) as response:
        assert (await response.json())["status"] == status


async def since(client: Client, **query: str) -> dict[str, str | None]:
    """What was sent since, by wamid; all pages."""
    found: dict[str, str | None] = {}
    address = client.make_url(FAILURES).with_query({"limit": "1"} | query)
    while True:
        async with client.session.get(address) as response:
            body: Any = await response.json()
            assert response.status == 200, body
            found |= {row["wamid"]: row["sent_since"] for row in body["recipients"]}
            if "next" not in response.links:
                return found
            address = URL(response.links["next"]["url"])


@pytest.fixture
async def sent(client: Client) -> None:
    await send(client, 1, "919876543210", "failed")
    await send(client, 2, "9876543210", "failed")  # the same person, without country code
    await send(client, 3, "919876543211", "failed")
    await send(client, 4, "449876543210", "read")  # may be that of the second, not of the first
    await send(client, 5, "919876543211", "read", event_id="event-2")  # of another event
    await send(client, 6, "919876543212", "failed")
    await send(client, 7, "+91 98765 43212", "read")


@pytest.mark.usefixtures("sent")
async def test_it_is_the_latest_to_the_same_person_of_the_same_event(client: Client) -> None:
    expected = {"wamid.1": "failed", "wamid.2": "read", "wamid.3": None, "wamid.6": "read"}
    assert await since(client, event_id="event-1") == expected
    assert await since(client) == expected


@pytest.mark.usefixtures("sent")
async def test_those_to_be_sent_to_are_asked_for(client: Client) -> None:
    assert await since(client, sent_since="false") == {"wamid.3": None}
    assert set(await since(client, sent_since="true")) == {"wamid.1", "wamid.2", "wamid.6"}
    async with client.get(FAILURES, params={"sent_since": "perhaps"}) as response:
        assert (response.status, (await response.json())["field"]) == (400, "sent_since")


@pytest.mark.usefixtures("sent")
async def test_the_sheet_says_it_too(client: Client) -> None:
    async with client.get(FAILURES, params={"format": "csv", "class": "never"}) as response:
        *rows, end = csv.DictReader((await response.text()).splitlines())
    assert end["recipient_id"] == "# 4 rows"
    assert {row["wamid"]: row["sent_since"] for row in rows} == {
        "wamid.1": "failed",
        "wamid.2": "read",
        "wamid.3": "",
        "wamid.6": "read",
    }


async def test_what_was_of_another_template_is_another_message(client: Client) -> None:
    await send(client, 1, "919876543210", "failed", template_name="invitation")
    await send(client, 2, "919876543210", "read", template_name="directions")
    assert await since(client, event_id="event-1") == {"wamid.1": None}
    assert await since(client, template_name="invitation") == {"wamid.1": None}
    await send(client, 3, "919876543210", "delivered", template_name="invitation")
    assert await since(client, event_id="event-1") == {"wamid.1": "delivered"}


async def test_without_an_event_the_template_counts(client: Client) -> None:
    plain = {"event_id": "", "event_registration_id": ""}
    await send(client, 1, "919876543210", "failed", **plain)
    await send(client, 2, "919876543210", "read", **plain, template_name="another")
    assert await since(client) == {"wamid.1": None}
    await send(client, 3, "919876543210", "delivered", **plain)
    assert await since(client) == {"wamid.1": "delivered"}
