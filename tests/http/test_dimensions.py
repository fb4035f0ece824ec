"""Each of what messages are counted by is given, asked for, listed and erased alike."""

import json
from typing import Any

import pytest

from service.commands.export import export
from service.commands.foreign_rows import FIELDS
from service.commands.record_lines import RecordLine
from service.domain.dimensions import DIMENSIONS, FILTERS, LISTED, Dimension
from service.domain.record import Record
from service.domain.report import Context
from service.models.insight_responses import list_name
from service.models.requests import (
    CountedQuery,
    EraseRequest,
    LiveQuery,
    MessageLogsQuery,
    TrackSendRequest,
)
from tests.conftest import Client
from tests.factories import event_send, status_update
from tests.sse_client import SseClient

API = "/api/webhooks"
GUIDES_KEYS = 16

each = pytest.mark.parametrize("dimension", LISTED, ids=lambda dimension: dimension.name)


async def asked(
    client: Client, path: str, body: object = None, *, expected: int = 200, **parameters: Any
) -> Any:
    """The answer to a GET, or of a POST where there is a body."""
    method = "GET" if body is None else "POST"
    url = f"{API}/{path}/"
    async with client.request(method, url, json=body, params=parameters) as response:
        assert response.status == expected, await response.text()
        return await response.json()


def plain(number: int, **fields: str) -> dict[str, str]:
    """A send that names none of them but those that are given."""
    return {"wa_id": f"91987650000{number}", "template_wamid": f"wamid.{number}"} | fields


async def wamids(client: Client, **parameters: Any) -> list[str]:
    return [log["wamid"] for log in (await asked(client, "message-logs", **parameters))["logs"]]


def test_these_are_counted_and_listed() -> None:
    fields = ["event_id", "template_name", "campaign_id", "phone_number_id"]
    assert [dimension.field for dimension in LISTED] == fields
    assert {d.name for d in DIMENSIONS if d.counted} == {d.name for d in LISTED} | {"all"}


def test_each_has_its_field_in_all_that_tells_of_messages() -> None:
    """Where one is missing, its line in the table isn't enough."""
    fields = {dimension.field for dimension in LISTED}
    for model in (Context, TrackSendRequest, CountedQuery, LiveQuery, EraseRequest, RecordLine):
        assert fields <= set(model.__struct_fields__), model
    assert FILTERS.keys() <= set(MessageLogsQuery.__struct_fields__)
    assert {f"{field}{ending}" for field in fields for ending in ("", "_us")} <= set(Record._fields)
    assert fields <= set(FIELDS)
    assert FILTERS.keys() <= {option.name for option in export.params}


@each
async def test_each_is_asked_for_everywhere(client: Client, dimension: Dimension) -> None:
    field, value = dimension.field, "run 7/ü"
    mine: dict[str, Any] = {field: value}
    sends = [plain(1, **mine), plain(2, **{field: "another"}), plain(3)]
    async with SseClient(client, **mine) as ear:
        await asked(client, "track-send", plain(0, **mine))
        await asked(client, "track-send/batch", {"messages": sends})
        await asked(client, "message-status", status_update(1, "failed"))
        await ear.hears(("wamid.0", "sent"), ("wamid.1", "failed"))
        assert {wamid for wamid, _ in ear.told} == {"wamid.0", "wamid.1"}

    assert await wamids(client, **mine) == ["wamid.1", "wamid.0"]
    assert await wamids(client, **mine, status="failed") == ["wamid.1"]
    counted = {"sent": 1, "delivered": 0, "read": 0, "failed": 1}
    assert (await asked(client, "message-stats", **mine))["statuses"] == counted
    failures = await asked(client, "failures", **mine)
    assert [row["wamid"] for row in failures["recipients"]] == ["wamid.1"]
    assert (await asked(client, "failures", **mine | {field: "another"}))["recipients"] == []

    listed = await asked(client, list_name(dimension).replace("_", "-"))
    assert [(each[field], each["total"]) for each in listed[list_name(dimension)]] == [
        ("another", 1),
        (value, 2),
    ]
    assert (await asked(client, "messages/wamid.1"))["message"][field] == value
    assert (await asked(client, "messages/wamid.3"))["message"][field] is None
    for log in (await asked(client, "message-logs"))["logs"]:
        assert len(log) == GUIDES_KEYS

    erased = await asked(client, "erase", mine)
    assert erased == {"ok": True, "erased": 2, "complete": True}
    assert await wamids(client) == ["wamid.3", "wamid.2"]
    assert (await asked(client, "message-stats", **mine))["total"] == 0


async def test_a_stream_takes_them(client: Client) -> None:
    lines = [json.dumps(plain(n, campaign_id=f"c{n}", phone_number_id="106")) for n in range(3)]
    headers = {"Content-Type": "application/x-ndjson"}
    url = f"{API}/track-send/batch/"
    async with client.post(url, data="\n".join(lines), headers=headers) as response:
        assert (await response.text()).count('"ok":true') == 3
    assert await wamids(client, campaign_id="c1", phone_number_id="106") == ["wamid.1"]
    assert await wamids(client, campaign_id="c1", phone_number_id="107") == []


async def test_a_campaign_makes_no_event(client: Client) -> None:
    answer = await asked(client, "track-send", plain(1, campaign_id="c", phone_number_id="106"))
    assert answer == {"ok": True, "standalone": True, "wamid": "wamid.1"}
    assert await wamids(client, standalone="true", campaign_id="c") == ["wamid.1"]
    answer = await asked(client, "track-send", event_send(2, campaign_id="c"))
    assert list(answer) == ["ok", "map_id"]


@pytest.mark.parametrize("backend", ["fake"], indirect=True)
@pytest.mark.parametrize("field", ["campaign_id", "phone_number_id"])
class TestIds:
    """As `event_id`."""

    @pytest.mark.parametrize("odd", ["a\nb", "x" * 129, 10**128, True, 1.5, ["a"], {"a": 1}])
    @pytest.mark.parametrize("path", ["track-send", "erase"])
    async def test_what_is_no_id_is_refused(
        self, client: Client, field: str, path: str, odd: object
    ) -> None:
        body = (plain(1) if path == "track-send" else {}) | {field: odd}
        answer = await asked(client, path, body, expected=400)
        assert answer["field"] == field
        assert await wamids(client) == []

    @pytest.mark.parametrize("none", ["", None])
    async def test_none_is_as_good_as_nothing(
        self, client: Client, field: str, none: str | None
    ) -> None:
        await asked(client, "track-send", plain(1) | {field: none})
        assert (await asked(client, "messages/wamid.1"))["message"][field] is None

    async def test_an_integer_is_its_digits(self, client: Client, field: str) -> None:
        await asked(client, "track-send", plain(1) | {field: 106540352242922})
        assert await wamids(client, **{field: "106540352242922"}) == ["wamid.1"]

    async def test_another_send_moves_the_message(self, client: Client, field: str) -> None:
        for value in ("first", "", "second", ""):
            await asked(client, "track-send", plain(1) | {field: value})
        dimension = next(each for each in LISTED if each.field == field)
        listed = await asked(client, list_name(dimension).replace("_", "-"))
        assert [value[field] for value in listed[list_name(dimension)]] == ["second"]
        assert await wamids(client, **{field: "first"}) == []

    @pytest.mark.parametrize("path", ["message-stats", "failures", "live"])
    async def test_only_one_is_given(self, client: Client, field: str, path: str) -> None:
        answer = await asked(client, path, expected=400, event_id="e", **{field: "a"})
        assert answer["field"] == field
        twice = {"event_id": "e", field: "a"}
        assert "Exactly one" in (await asked(client, "erase", twice, expected=400))["error"]


async def metas(client: Client, status: str, number_id: object, wamid: str = "wamid.1") -> None:
    """Meta's webhook brings a status of a message that this number sent."""
    value = {
        "metadata": {"phone_number_id": number_id},
        "statuses": [{"id": wamid, "status": status, "timestamp": "1705314600"}],
    }
    change = {"field": "messages", "value": value}
    await asked(client, "whatsapp", {"entry": [{"changes": [change]}]})


class TestSendingNumbers:
    async def test_metas_counts_while_no_send_names_one(self, client: Client) -> None:
        await metas(client, "sent", "107")
        assert await wamids(client, phone_number_id="107") == ["wamid.1"]
        await asked(client, "track-send", plain(1))
        await metas(client, "delivered", "106")  # of two the smaller text
        assert await wamids(client, phone_number_id="106") == ["wamid.1"]
        await asked(client, "track-send", plain(1, phone_number_id="900"))
        await metas(client, "read", "100")
        assert (await asked(client, "messages/wamid.1"))["message"]["phone_number_id"] == "900"
        await asked(client, "track-send", plain(1))
        await asked(client, "track-send", plain(1, phone_number_id="800"))
        listed = (await asked(client, "phone-numbers"))["phone_numbers"]
        assert [(each["phone_number_id"], each["total"]) for each in listed] == [("800", 1)]
        assert listed[0]["statuses"]["read"] == 1

    @pytest.mark.parametrize("odd", ["x" * 129, "a\nb", 1.5, None, ["106"]])
    async def test_one_that_nobody_could_ask_for_counts_as_absent(
        self, client: Client, odd: object
    ) -> None:
        await metas(client, "sent", odd)
        assert (await asked(client, "messages/wamid.1"))["message"]["phone_number_id"] is None
        await metas(client, "read", "x" * 128)
        assert await wamids(client, phone_number_id="x" * 128) == ["wamid.1"]
