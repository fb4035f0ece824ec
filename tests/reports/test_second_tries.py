"""Guests got nothing: who was to be sent to again was left out, and the numbers didn't say so.

A send failed for some guests, and the manager of the event sent again to those whom the list of
failures named. The list left out whoever shared a phone with a guest whose invitation had arrived.
The number beside the list counted them all the same, so nobody could see who was missing.
"""

from typing import Any

import pytest
from yarl import URL

from tests.conftest import Client
from tests.factories import event_send, status_update
from tests.sheet import rows_in

API = "/api/webhooks"
FAILURES = f"{API}/failures/"
TOO_MANY = [{"code": 131056, "title": "Too many messages to one number"}]
LEFT = {"event_id": "fam", "sent_since": "false"}


async def post(client: Client, path: str, body: object) -> None:
    async with client.post(f"{API}/{path}/", json=body) as response:
        assert response.status == 200, await response.text()


async def send(client: Client, name: str, status: str, **fields: str) -> None:
    """An invitation of the event `fam`, and what became of it."""
    context = {
        "wa_id": "919876570001",
        "template_wamid": f"wamid.{name}",
        "event_id": "fam",
        "template_name": "invite",
        "guest_name": name,
    }
    await post(client, "track-send", context | fields)
    update = {"wamid": f"wamid.{name}", "status": status, "timestamp": "2026-01-15T10:30:00Z"}
    await post(client, "message-status", update | {"errors": TOO_MANY})


async def answer(client: Client, **query: str) -> Any:
    async with client.get(FAILURES, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def names(client: Client, **query: str) -> list[str]:
    """The guests of all pages of a list."""
    found: list[str] = []
    address = client.make_url(FAILURES).with_query(query)
    while True:
        async with client.session.get(address) as response:
            assert response.status == 200, await response.text()
            found += [row["guest_name"] for row in (await response.json())["recipients"]]
            if "next" not in response.links:
                return found
            address = URL(response.links["next"]["url"])


async def names_in_file(client: Client, **query: str) -> list[str]:
    async with client.get(FAILURES, params={"format": "csv"} | query) as response:
        return [row["guest_name"] for row in rows_in(await response.text())]


async def number_left(client: Client, **query: str) -> int:
    groups = (await answer(client, count="true", limit="1", **query))["failures"]
    return sum(group["listed"] for group in groups)


async def test_a_guest_is_on_the_list_though_another_of_the_family_got_theirs(
    client: Client,
) -> None:
    """Families share a phone; each of them has an invitation of their own."""
    for name, status in [("Asha", "failed"), ("Ravi", "delivered")]:
        own = {"guest_id": f"g-{name}", "event_registration_id": f"r-{name}"}
        await send(client, name, status, **own)
    assert await names(client, **LEFT) == ["Asha"]
    assert await names_in_file(client, **LEFT) == ["Asha"]
    assert await number_left(client, **LEFT) == 1


async def test_a_guest_is_on_the_list_though_a_number_that_ends_alike_got_theirs(
    client: Client,
) -> None:
    """+1 917 234 5678 is a person in New York, +91 91723 45678 one in India."""
    await send(client, "India", "failed", wa_id="919172345678")
    await send(client, "New York", "delivered", wa_id="19172345678")
    assert await names(client, **LEFT) == ["India"]


@pytest.mark.parametrize(
    ("failed", "again"),
    [
        ("5511987654321", "551187654321"),
        ("551187654321", "5511987654321"),
        ("5215512345678", "525512345678"),
        ("541187654321", "5491187654321"),
    ],
)
async def test_a_second_try_by_the_form_in_which_meta_names_the_number_is_one(
    client: Client, failed: str, again: str
) -> None:
    """Meta adds or drops a digit of numbers in Brazil, Mexico and Argentina."""
    await send(client, "Ana", "failed", wa_id=failed)
    await post(client, "message-status", {
        "wamid": "wamid.Ana", "status": "sent", "timestamp": "2026-01-15T10:29:00Z",
        "recipient_id": again,
    })  # fmt: skip
    assert await names(client, **LEFT) == ["Ana"]
    await send(client, "Ana again", "delivered", wa_id=again)
    assert await names(client, **LEFT) == []
    assert await names(client, event_id="fam", sent_since="true") == ["Ana"]
    assert await number_left(client, **LEFT) == 0


async def test_who_was_sent_another_template_or_event_still_needs_the_first(
    client: Client,
) -> None:
    await send(client, "A", "failed", wa_id="919876570002")
    await send(client, "A2", "read", wa_id="919876570002", template_name="directions")
    await send(client, "A3", "read", wa_id="919876570002", event_id="another")
    await send(client, "A4", "read", wa_id="919876570002", template_name="")
    await send(client, "B", "failed", wa_id="919876570003", template_name="")
    await send(client, "B2", "read", wa_id="919876570003", template_name="directions")
    assert await names(client, **LEFT) == ["B", "A"]


async def test_a_message_that_nobody_tracked_keeps_nobody_off_the_list(client: Client) -> None:
    """It may have been a word in the chat."""
    nameless = {"event_id": "", "template_name": ""}
    await send(client, "Asha", "failed", **nameless)
    chat = status_update(7, "read", recipient_id="919876570001")
    await post(client, "message-status", chat)
    assert await names(client, sent_since="false") == ["Asha"]


async def test_number_list_and_file_are_of_the_same_messages(client: Client) -> None:
    """After each step: some fail, some of them are sent to again, some of these fail too."""
    people = [{"event_registration_id": f"r-{n}", "guest_id": f"g-{n}"} for n in range(6)]
    steps = [(0, "failed"), (1, "failed"), (1, "read"), (2, "failed"), (2, "failed"), (0, "sent")]
    steps += [(3, "delivered"), (4, "failed"), (2, "read"), (5, "failed")]
    expected = [[0], [0, 1], [0], [0, 2], [0, 2], [2], [2], [2, 4], [4], [4, 5]]
    for step, ((person, status), left) in enumerate(zip(steps, expected, strict=True)):
        own = people[person] | {"template_wamid": f"wamid.{step}", "guest_name": f"{person}"}
        await send(client, f"{step}", status, **own)
        found = await names(client, limit="2", **LEFT)
        assert sorted(map(int, found)) == left
        assert await names_in_file(client, **LEFT) == found
        assert await number_left(client, **LEFT) == len(found)
        assert await number_left(client, code="131056", **LEFT) == len(found)
    everybody = await answer(client, event_id="fam", count="true")
    assert [(each["count"], each["listed"]) for each in everybody["failures"]] == [(6, 6)]
    again = await answer(client, event_id="fam", count="true", sent_since="true")
    assert [(each["count"], each["listed"]) for each in again["failures"]] == [(6, 4)]


async def test_a_test_number_with_very_many_messages_is_looked_up_all_the_same(
    client: Client,
) -> None:
    """Whatever else was sent there; and an earlier message is no second try."""
    test_number = {"wa_id": "919876570009", "guest_id": "", "event_registration_id": ""}

    async def send_many(start: int, **fields: str) -> None:
        for first in range(start, start + 3_000, 1_000):
            numbers = range(first, first + 1_000)
            sends = [event_send(number, **(test_number | fields)) for number in numbers]
            await post(client, "track-send/batch", {"messages": sends})

    await send_many(0, event_id="fam", template_name="invite")
    await send(client, "Test", "failed", wa_id="919876570009")
    await send_many(10_000, event_id="fam", template_name="")
    await send_many(20_000, event_id="fam", template_name="invite", guest_id="g")
    assert await names(client, **LEFT) == ["Test"]
    assert await number_left(client, **LEFT) == 1
    await send(client, "Test again", "sent", wa_id="919876570009")
    assert await names(client, **LEFT) == []


@pytest.mark.parametrize("wanted", ["true", "false"])
async def test_groups_are_those_of_message_stats_unless_they_are_counted(
    client: Client, wanted: str
) -> None:
    await send(client, "Asha", "failed")
    async with client.get(f"{API}/message-stats/", params={"event_id": "fam"}) as response:
        groups = (await response.json())["failures"]
    found = (await answer(client, event_id="fam", count=wanted))["failures"]
    assert found == [group | ({"listed": 1} if wanted == "true" else {}) for group in groups]
