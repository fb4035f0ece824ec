"""Records as whoever opens Redis finds them, beside what the API says of the same messages."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis as Driver

from service.domain.identity import id_of
from service.domain.record import stored
from service.store.keys import message_key, tag_of
from tests.backends import NAMES
from tests.conftest import Client
from tests.documents import page
from tests.factories import event_send, status_update
from tests.http.test_insight import from_meta
from tests.servers import RedisServer

API = "/api/webhooks"
CALL = r"curl .*?/api/webhooks/(track-send|message-status)/ -d '(\{.*?\})'"
BODIES = re.findall(CALL, page("docs/api.md"), re.DOTALL)

WAMID = "wamid.HBgLMTk4NzY1NDMyMTA"


@pytest.fixture
def driver(redis_server: RedisServer) -> Iterator[Driver]:
    """redis-py, as it comes."""
    with Driver.from_url(redis_server.url, decode_responses=True) as driver:
        yield driver


async def post(client: Client, path: str, body: object) -> None:
    async with client.post(f"{API}/{path}/", json=body) as response:
        assert response.status == 200, await response.text()


async def answered(client: Client, path: str) -> Any:
    async with client.get(f"{API}/{path}") as response:
        assert response.status == 200, await response.text()
        return await response.json()


def record(driver: Driver, wamid: str) -> dict[str, str]:
    held: dict[str, str] = driver.hgetall(message_key(tag_of(0), id_of(wamid)))  # type: ignore[assignment]
    return held


def iso(time_ms: str | None) -> str | None:
    if time_ms is None:
        return None
    text = datetime.fromtimestamp(int(time_ms) / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000Z", "Z")


async def test_the_api_says_what_the_hash_has(client: Client, driver: Driver) -> None:
    """Of messages at all stages, from the guide's calls and from Meta's own webhook."""
    pricing = {"billable": True, "pricing_model": "PMP", "category": "marketing", "new": [1.5]}
    error = {"code": 131026, "title": "Undeliverable", "error_data": {"details": "d" * 300}}
    for number in range(5):
        await post(client, "track-send", event_send(number))
    await post(client, "message-status", status_update(2, "delivered"))
    await post(client, "message-status", status_update(3, "read"))
    await post(client, "message-status", status_update(9, "delivered", recipient_id="US.9"))
    await post(client, "track-send", {"wa_id": "919876500004", "template_wamid": "wamid.4"})
    await from_meta(
        client,
        {"status": "sent", "timestamp": "1705314600", "pricing": pricing},
        {"status": "failed", "timestamp": "1705314605", "errors": [error]},
    )
    logs = (await answered(client, "message-logs/"))["logs"]
    assert len(logs) == 6
    for log in logs:
        held = record(driver, log["wamid"])
        assert held
        assert all(held.values())
        assert held.keys() <= set(NAMES)
        for name in ("status", "wamid", "recipient_id", "event_id", "guest_name", "error_code"):
            assert (log[name] or None) == held.get(stored(name)), name
        for status in ("sent", "delivered", "read", "failed"):
            assert log[f"{status}_at"] == iso(held.get(f"{status}_ms")), status
        found = (await answered(client, f"messages/{log['wamid']}/"))["message"]
        times = {entry["status"]: entry["received_at"] for entry in found["timeline"]}
        created_ms = held["created_us"][:-3]
        received = {s: iso(held.get(f"{s}_received_ms", created_ms)) for s in times}
        assert times == received
        assert found["created_at"] == iso(held["created_us"][:-3])
        assert found["callback_data"] == held.get("callback")
    found = (await answered(client, "messages/wamid.1/"))["message"]
    held = record(driver, "wamid.1")
    assert found["pricing"] == pricing
    assert {name: text for name, text in held.items() if name.startswith("pricing")} == {
        "pricing_category": "marketing",
        "pricing_model": "PMP",
        "pricing_billable": "true",
        "pricing_other": '{"new":[1.5]}',
    }
    assert found["error"]["details"] == held["error_details"] == "d" * 300


async def test_the_record_that_the_readme_shows_is_what_is_there(
    client: Client, driver: Driver
) -> None:
    """After the calls that it shows before, in the order that it shows; `…` is any time."""
    shown_key, shown = re.findall(
        r"--json HGETALL '(.*)'\n(\{.*?\})\n```", page("docs/architecture.md"), re.DOTALL
    )[0]
    for path, body in BODIES[:2]:
        await post(client, path, json.loads(body))
    held = record(driver, WAMID)
    assert shown_key == message_key(tag_of(0), id_of(WAMID))
    expected = json.loads(shown)
    assert list(held) == list(expected)
    for name, text in expected.items():
        assert held[name] == text if text != "…" else held[name].isdecimal(), name


async def test_fields_of_a_later_version_stay_and_are_no_answer(
    client: Client, driver: Driver
) -> None:
    """As after an upgrade that was taken back."""
    await post(client, "track-send", event_send(1))
    driver.hset(message_key(tag_of(0), id_of("wamid.1")), "opened_ms", "1700000000000")
    await post(client, "message-status", status_update(1, "read"))
    assert record(driver, "wamid.1")["opened_ms"] == "1700000000000"
    found = (await answered(client, "messages/wamid.1/"))["message"]
    assert found["status"] == "read"
    assert "opened_ms" not in json.dumps(found)
