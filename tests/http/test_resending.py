"""Of failed messages: what their recipients were sent since, so that nobody is sent to twice."""

from typing import Any

import pytest
from yarl import URL

from tests.conftest import Client
from tests.factories import event_send, status_update
from tests.sheet import rows_in

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


NOBODY = {"event_registration_id": "", "guest_id": ""}
"""A report of a send that names only its recipient."""


async def fail_then_send(
    client: Client, first: dict[str, str], second: dict[str, str]
) -> str | None:
    """The `sent_since` of a failed message with these fields, after another is sent."""
    phone = first.get("wa_id", "919876543210")
    await send(client, 1, **{"phone": phone, "status": "failed"} | first)
    await send(client, 2, **{"phone": phone, "status": "read"} | second)
    return (await since(client))["wamid.1"]


@pytest.fixture
async def sent(client: Client) -> None:
    await send(client, 1, "919876543210", "failed", **NOBODY)
    await send(client, 2, "919876543210", "read", **NOBODY)
    await send(client, 3, "919876543211", "failed", **NOBODY)
    await send(client, 4, "919876543211", "read", event_id="event-2", **NOBODY)  # another event
    await send(client, 5, "919876543212", "failed", **NOBODY)
    await send(client, 6, "+91 98765 43212", "failed", **NOBODY)
    await send(client, 7, "919876543212", "delivered", **NOBODY)


@pytest.mark.usefixtures("sent")
async def test_it_is_the_latest_to_the_same_person_of_the_same_event(client: Client) -> None:
    expected = {"wamid.1": "read", "wamid.3": None, "wamid.5": "delivered", "wamid.6": "delivered"}
    assert await since(client, event_id="event-1") == expected
    assert await since(client) == expected


@pytest.mark.usefixtures("sent")
async def test_those_to_be_sent_to_are_asked_for(client: Client) -> None:
    assert await since(client, sent_since="false") == {"wamid.3": None}
    assert set(await since(client, sent_since="true")) == {"wamid.1", "wamid.5", "wamid.6"}
    async with client.get(FAILURES, params={"sent_since": "perhaps"}) as response:
        assert (response.status, (await response.json())["field"]) == (400, "sent_since")


@pytest.mark.usefixtures("sent")
async def test_the_sheet_says_it_too(client: Client) -> None:
    async with client.get(FAILURES, params={"format": "csv", "class": "never"}) as response:
        rows = rows_in(await response.text())
    assert {row["wamid"]: row["sent_since"] for row in rows} == {
        "wamid.1": "read",
        "wamid.3": "",
        "wamid.5": "delivered",
        "wamid.6": "delivered",
    }


class TestThePerson:
    """The registration, else the guest, else the recipient; never an ending of a number."""

    @pytest.mark.parametrize(
        ("first", "second", "is_second_try"),
        [
            # A family shares a phone: each has a registration, or is a guest, of their own.
            ({"event_registration_id": "r-a"}, {"event_registration_id": "r-b"}, False),
            (
                {"event_registration_id": "", "guest_id": "g-a"},
                {"event_registration_id": "", "guest_id": "g-b"},
                False,
            ),
            (NOBODY, {"event_registration_id": "r-b", "guest_id": ""}, False),
            (NOBODY, {"event_registration_id": "", "guest_id": "g-b"}, False),
            (
                {"event_registration_id": "", "guest_id": "g-a"},
                {"event_registration_id": "r-b", "guest_id": "g-a"},
                False,
            ),
            ({"event_registration_id": "x", "guest_id": ""}, NOBODY | {"guest_id": "x"}, False),
            # One person may have a new phone.
            (
                {"event_registration_id": "r-a"},
                {"event_registration_id": "r-a", "phone": "919876500000", "guest_id": ""},
                True,
            ),
            (
                NOBODY | {"guest_id": "g-a"},
                NOBODY | {"guest_id": "g-a", "phone": "919876500000"},
                True,
            ),
            (NOBODY, NOBODY, True),
            # New York and India; and a number without its country code.
            (NOBODY | {"phone": "919172345678"}, NOBODY | {"phone": "19172345678"}, False),
            (NOBODY | {"phone": "919876543210"}, NOBODY | {"phone": "9876543210"}, False),
            (NOBODY | {"phone": "9876543210"}, NOBODY | {"phone": "919876543210"}, False),
            (NOBODY | {"phone": "US.1"}, NOBODY | {"phone": "US.1"}, True),
        ],
    )
    async def test_is_who_was_sent_to(
        self, client: Client, first: dict[str, str], second: dict[str, str], is_second_try: bool
    ) -> None:
        found = await fail_then_send(client, first, second)
        assert found == ("read" if is_second_try else None)


class TestTheSend:
    """The same template and the same event; a missing one matches only a missing one."""

    @pytest.mark.parametrize("person", [NOBODY, {"event_registration_id": ""}])
    @pytest.mark.parametrize("event", [("e", "e"), ("e", "f"), ("e", ""), ("", "e"), ("", "")])
    @pytest.mark.parametrize("name", [("t", "t"), ("t", "u"), ("t", ""), ("", "t"), ("", "")])
    async def test_is_the_same_where_both_are(
        self,
        client: Client,
        person: dict[str, str],
        event: tuple[str, str],
        name: tuple[str, str],
    ) -> None:
        first, second = (
            {"guest_id": "g"} | person | {"event_id": event_id, "template_name": template_name}
            for event_id, template_name in zip(event, name, strict=True)
        )
        same = len(set(event)) == len(set(name)) == 1
        assert await fail_then_send(client, first, second) == ("read" if same else None)


async def test_what_nobody_tracked_is_no_second_try(client: Client) -> None:
    """It has no event and no template, like the failed one; but nobody knows what it was."""
    await send(client, 1, "919876543210", "failed", event_id="", template_name="", **NOBODY)
    update = status_update(2, "read", recipient_id="919876543210")
    async with client.post("/api/webhooks/message-status/", json=update) as response:
        assert response.status == 200
    assert await since(client) == {"wamid.1": None}
    await send(client, 3, "919876543210", "read", event_id="", template_name="", **NOBODY)
    assert await since(client) == {"wamid.1": "read"}
