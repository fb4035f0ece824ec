"""`erase` over HTTP."""

import logging
from functools import partial
from typing import Any

import pytest

from service.store.erasure import erase
from service.store.scripts import MAX_ERASED
from tests.conftest import Client
from tests.factories import event_send, status_update

API = "/api/webhooks"
ERASE = f"{API}/erase/"


async def post(client: Client, path: str, body: object) -> Any:
    """A good answer."""
    async with client.post(path, json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def wamids(client: Client) -> list[str]:
    """All messages, newest first."""
    async with client.get(f"{API}/message-logs/") as response:
        return [log["wamid"] for log in (await response.json())["logs"]]


async def send(client: Client, *numbers: int, **fields: str) -> None:
    for number in numbers:
        await post(client, f"{API}/track-send/", event_send(number, **fields))


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"event_id": "event-2"}, ["wamid.1"]),
        ({"guest_id": "guest-2"}, ["wamid.3", "wamid.1"]),
        ({"guest_id": "guest-2", "event_id": "", "recipient_id": None}, ["wamid.3", "wamid.1"]),
        ({"event_id": "nobody's"}, ["wamid.3", "wamid.2", "wamid.1"]),
    ],
)
async def test_those_that_are_asked_for_go(
    client: Client, asked: dict[str, object], left: list[str]
) -> None:
    await send(client, 1)
    await send(client, 2, 3, event_id="event-2")
    number = 3 - len(left)
    assert await post(client, ERASE, asked) == {"ok": True, "erased": number, "complete": True}
    assert await wamids(client) == left
    assert await post(client, ERASE, asked) == {"ok": True, "erased": 0, "complete": True}


@pytest.mark.parametrize(
    ("asked", "erased", "ends_alike"),
    [
        ("919876500002", 1, 1),
        ("+91 98765-00002", 1, 1),
        ("\u202a+91\u00a098765\u201100002\u202c", 1, 1),
        (919876500002, 1, 1),
        (9876500002, 0, 2),
        ("09876500002", 0, 2),
        ("449876500002", 1, 1),
        ("76500002", 0, 0),
        ("US.1349", 0, 0),
    ],
)
async def test_a_recipient_is_the_whole_number(
    client: Client, asked: object, erased: int, ends_alike: int
) -> None:
    await send(client, 1, 2)
    await send(client, 3, wa_id="449876500002")
    answer = {"ok": True, "complete": True, "ends_alike": ends_alike}
    assert await post(client, ERASE, {"recipient_id": asked}) == answer | {"erased": erased}
    assert len(await wamids(client)) == 3 - erased
    assert await post(client, ERASE, {"recipient_id": asked}) == answer | {"erased": 0}


async def test_what_comes_late_is_answered_as_ever_and_stays_away(client: Client) -> None:
    await send(client, 1)
    await post(client, ERASE, {"event_id": "event-1"})
    late = status_update(1, "delivered")
    assert await post(client, f"{API}/message-status/", late) == {"ok": True, "status": "delivered"}
    assert set(await post(client, f"{API}/track-send/", event_send(1))) == {"ok", "map_id"}
    standalone = {"wa_id": "919876500001", "template_wamid": "wamid.1"}
    both = await post(client, f"{API}/track-send/batch/", {"messages": [standalone, event_send(2)]})
    assert [answer["ok"] for answer in both["results"]] == [True, True]
    found = await post(client, f"{API}/message-status-lookup/", {"wamids": ["wamid.1"]})
    assert found == {"statuses": {}}
    assert await wamids(client) == ["wamid.2"]
    query = {"registration_id": "registration-1"}
    async with client.get(f"{API}/message-logs/latest/", params=query) as response:
        assert await response.json() == {"log": None}
    async with client.get("/metrics") as response:
        text = await response.text()
    assert 'tracker_reports_total{outcome="erased",status="delivered"} 1.0' in text
    assert 'tracker_reports_total{outcome="erased",status="sent"} 2.0' in text
    assert 'tracker_messages_forgotten_total{reason="erased"} 1.0' in text


@pytest.mark.parametrize("backend", ["fake"], indirect=True)
class TestRequests:
    @pytest.mark.parametrize(
        "asked",
        [
            {},
            {"event_id": ""},
            {"event_id": None, "guest_id": None},
            {"event_id": "e", "guest_id": "g"},
            {"event_id": "e", "guest_id": "g", "recipient_id": "919876543210"},
            {"registration_id": "r"},
        ],
    )
    async def test_exactly_one_selector_is_needed(
        self, client: Client, asked: dict[str, object]
    ) -> None:
        await send(client, 1)
        async with client.post(ERASE, json=asked) as response:
            assert response.status == 400
            assert await response.json() == {
                "ok": False,
                "error": "Exactly one of recipient_id, guest_id, event_id, template_name, "
                "campaign_id, phone_number_id must be given.",
            }
        assert await wamids(client) == ["wamid.1"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("recipient_id", "12345"),
            ("recipient_id", "9" * 141),
            ("event_id", "e\n"),
            ("event_id", "e" * 129),
            ("event_id", 10**128),
            ("event_id", ["e"]),
            ("guest_id", True),
        ],
    )
    async def test_a_bad_selector_is_named(self, client: Client, field: str, value: object) -> None:
        async with client.post(ERASE, json={field: value}) as response:
            assert response.status == 400
            assert (await response.json())["field"] == field

    async def test_both_forms_of_the_path_and_the_token(
        self, client: Client, anyone: Client
    ) -> None:
        answer = await post(client, ERASE.rstrip("/"), {"event_id": "e"})
        assert answer == {"ok": True, "erased": 0, "complete": True}
        async with client.get(ERASE) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
        del anyone.session.headers["X-Webhook-Token"]
        async with anyone.post(ERASE, json={"event_id": "e"}) as response:
            assert response.status == 401

    async def test_the_caller_is_told_to_ask_again(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await send(client, *range(2 * MAX_ERASED + 1), event_id="e")
        monkeypatch.setattr("service.api.query_handlers.erase", partial(erase, most_s=0.0))
        answers = [await post(client, ERASE, {"event_id": "e"})]
        while not answers[-1]["complete"]:
            answers.append(await post(client, ERASE, {"event_id": "e"}))
        assert [answer["erased"] for answer in answers[:3]] == [MAX_ERASED, MAX_ERASED, 1]
        assert await wamids(client) == []

    async def test_the_log_tells_how_many_and_never_whose(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await send(client, 1)
        await post(client, ERASE, {"recipient_id": "919876500001"})
        [event] = [record for record in caplog.records if record.getMessage() == "messages_erased"]
        known = vars(event)
        assert (known["by"], known["messages"], known["complete"]) == ("recipient", 1, True)
        assert not any("9876500001" in str(value) for value in known.values())
