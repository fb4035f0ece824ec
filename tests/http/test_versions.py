"""The version of a message: where it is shown, and that a change makes it grow."""

from typing import Any

from yarl import URL

from tests.conftest import Client
from tests.factories import event_send, status_update
from tests.faults.fault_kit import LOGS
from tests.http.test_endpoints import get, logs, post

WAMID = event_send(1)["template_wamid"]


async def shown(client: Client, versions: str = "") -> list[dict[str, Any]]:
    """The message as the guide's endpoints show it."""
    asked = {"versions": versions} if versions else {}
    [row] = await logs(client, event_id="event-1", **asked)
    async with client.get(
        f"{LOGS}latest/", params={"registration_id": row["registration_id"], **asked}
    ) as response:
        latest = (await response.json())["log"]
    body = {"wamids": [WAMID], **({"versions": versions == "true"} if versions else {})}
    looked_up = await post(client, "message-status-lookup", body)
    return [row, latest, looked_up["statuses"][WAMID]]


async def versions(client: Client) -> set[int]:
    rows = await shown(client, versions="true")
    whole = await get(client, f"messages/{WAMID}")
    return {row["version"] for row in [*rows, whole["message"]]}


async def test_a_version_is_shown_where_it_is_asked_for(client: Client) -> None:
    await post(client, "track-send", event_send(1))
    assert await versions(client) == {1}
    delivered = status_update(1, "delivered")
    await post(client, "message-status", delivered)
    assert await versions(client) == {2}
    await post(client, "message-status", delivered)
    assert await versions(client) == {2}
    await post(client, "message-status", status_update(1, "read"))
    assert await versions(client) == {3}
    plain = await shown(client)
    assert not any("version" in row for row in plain)
    assert not any("version" in row for row in await shown(client, versions="false"))
    assert [row | {"version": 3} for row in plain] == await shown(client, versions="true")


async def test_the_next_page_has_versions_too(client: Client) -> None:
    for number in range(3):
        await post(client, "track-send", event_send(number))
    async with client.get(LOGS, params={"limit": 2, "versions": "true"}) as response:
        following = URL(str(response.links["next"]["url"]))
    async with client.get(following.relative()) as response:
        [row] = (await response.json())["logs"]
    assert row["version"] == 1
