"""Two people whose numbers have the same last ten digits: neither answers for the other.

Every number of India, Japan or Colombia has such a twin in North America or Russia. One of them
asked to be forgotten, and the other's messages went too.
"""

import time
from typing import Any

import pytest

from tests.conftest import Client

API = "/api/webhooks"
TWINS = [
    pytest.param("+1 917 234 5678", "+91 91723 45678", id="New York and India"),
    pytest.param("+1 901 234 5678", "+81 90 1234 5678", id="Memphis and Japan"),
    pytest.param("+7 312 345 6789", "+57 312 345 6789", id="Russia and Colombia"),
]
pytestmark = pytest.mark.parametrize("backend", ["redis"], indirect=True)
each_way = pytest.mark.parametrize(
    ("one", "other"),
    [
        *TWINS,
        *(pytest.param(*reversed(twin.values), id=f"{twin.id}, the other way") for twin in TWINS),
    ],
)


async def post(client: Client, path: str, body: object) -> Any:
    async with client.post(f"{API}/{path}/", json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def get(client: Client, path: str, **query: str) -> Any:
    async with client.get(f"{API}/{path}/", params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def invite(client: Client, wamid: str, number: str, status: str) -> None:
    """Sends the same template of the same event, and Meta reports a status."""
    send = {"wa_id": number, "template_wamid": wamid, "event_id": "e", "template_name": "invite"}
    await post(client, "track-send", send)
    update = {"wamid": wamid, "status": status, "timestamp": str(int(time.time()))}
    await post(client, "message-status", update | {"recipient_id": number})


async def listed(client: Client, number: str) -> list[str]:
    """The wamids that the list, and so the dashboard's search, has for a number."""
    logs = await get(client, "message-logs", recipient_id=number)
    return [log["wamid"] for log in logs["logs"]]


@each_way
async def test_who_is_forgotten_takes_nobody_along(client: Client, one: str, other: str) -> None:
    await invite(client, "wamid.one", one, "delivered")
    await invite(client, "wamid.other", other, "delivered")
    answer = await post(client, "erase", {"recipient_id": one})
    assert (answer["erased"], answer["complete"]) == (1, True)
    assert await listed(client, other) == ["wamid.other"]
    update = {"wamid": "wamid.other", "status": "read", "timestamp": str(int(time.time()))}
    assert (await post(client, "message-status", update))["status"] == "read"
    assert (await get(client, "message-logs"))["logs"][0]["status"] == "read"


@each_way
async def test_neither_sees_the_other_s_messages(client: Client, one: str, other: str) -> None:
    await invite(client, "wamid.one", one, "delivered")
    await invite(client, "wamid.other", other, "delivered")
    assert await listed(client, one) == ["wamid.one"]
    assert await listed(client, other) == ["wamid.other"]


@each_way
async def test_who_failed_stays_on_the_list_of_whom_to_send_to_again(
    client: Client, one: str, other: str
) -> None:
    await invite(client, "wamid.one", one, "failed")
    await invite(client, "wamid.other", other, "delivered")
    query = {"event_id": "e", "sent_since": "false"}
    found = await get(client, "failures", **query)
    assert [row["wamid"] for row in found["recipients"]] == ["wamid.one"]
