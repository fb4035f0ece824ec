"""What callers get to know of many messages, and everything of one, over HTTP."""

import csv
import io
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from multidict import CIMultiDictProxy
from yarl import URL

from tests.conftest import TOKEN, Client
from tests.factories import event_send, status_update

API = "/api/webhooks"
STATS, EVENTS, TEMPLATES = f"{API}/message-stats/", f"{API}/events/", f"{API}/templates/"
CAMPAIGNS, NUMBERS = f"{API}/campaigns/", f"{API}/phone-numbers/"
LISTS = [EVENTS, TEMPLATES, CAMPAIGNS, NUMBERS]
FAILURES, LOGS = f"{API}/failures/", f"{API}/message-logs/"
COLUMNS = [
    *("recipient_id", "guest_name", "guest_id", "registration_id", "event_id", "template_name"),
    *("wamid", "failed_at", "error_code", "error_message", "error_details", "class", "sent_since"),
]
UNDELIVERABLE = {
    "meaning": "Undeliverable: the number isn't on WhatsApp, its app is too old, or it hasn't "
    "accepted the terms.",
    "remedy": "Check the number with the person, or use another channel.",
    "class": "never",
}
UNKNOWN = {"meaning": None, "remedy": None, "class": "unknown"}
ODD = ["a/b", "a+b=c", "100%", "a%2Fb", "{1}", "é李🎉", "a?b#c&d", "<a>, b; c", "..a", "a b", '"']
"""Texts that paths and queries must be asked for with care."""


def at(second: int) -> str:
    """A time of a day long ago."""
    return f"2024-01-15T10:{second // 60:02}:{second % 60:02}Z"


def path_of(wamid: str, ending: str = "/") -> URL:
    """Where everything of a message is."""
    return URL(f"{API}/messages/{quote(wamid, safe='')}{ending}", encoded=True)


async def send(client: Client, number: int, **fields: str) -> None:
    async with client.post(f"{API}/track-send/", json=event_send(number, **fields)) as response:
        assert response.status == 200, await response.text()


async def report(client: Client, number: int, *statuses: str, **fields: object) -> None:
    """Each status a second after the one before; those of `fields` go with all."""
    for second, status in enumerate(statuses):
        body = status_update(number, status, **({"timestamp": at(second)} | fields))
        async with client.post(f"{API}/message-status/", json=body) as response:
            assert response.status == 200, await response.text()


async def fail(client: Client, number: int, code: int | None, **fields: object) -> None:
    errors = [{"code": code, "title": "Failed"}] if code is not None else []
    await report(client, number, "failed", errors=errors, **fields)


async def get(
    client: Client,
    path: str | URL,
    parameters: Mapping[str, str] | None = None,
    *,
    expected: int = 200,
) -> dict[str, Any]:
    async with client.get(path, params=parameters) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status == expected, answer
        assert response.content_type == "application/json"
        return answer


async def message(client: Client, wamid: str) -> dict[str, Any]:
    answer = await get(client, path_of(wamid))
    assert set(answer) == {"message"}
    found: dict[str, Any] = answer["message"]
    return found


def next_of(headers: "CIMultiDictProxy[str]") -> URL | None:
    """Where the Link header says that more is."""
    if "Link" not in headers:
        return None
    address, _, relation = headers["Link"].rpartition(">; ")
    assert relation == 'rel="next"'
    assert address.startswith("<")
    return URL(address[1:], encoded=True)


async def pages(client: Client, path: str, **parameters: str) -> AsyncIterator[dict[str, Any]]:
    """The pages of a list, by their links."""
    address: URL | None = URL(path).with_query(parameters)
    while address:
        async with client.get(address) as response:
            assert response.status == 200
            yield await response.json()
            address = next_of(response.headers)


def as_people_write(phone: str) -> str:
    return f"+{phone[:2]} {phone[2:7]} {phone[7:]}"


async def sheet(
    client: Client, accept: str = "", **parameters: str
) -> tuple[list[dict[str, str]], "CIMultiDictProxy[str]"]:
    """The rows of a CSV by column, and the headers that it came with."""
    headers = {"Accept": accept} if accept else {}
    async with client.get(FAILURES, params=parameters, headers=headers) as response:
        text = await response.text()
        assert response.status == 200, text
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        disposition = response.headers["Content-Disposition"]
        assert disposition == 'attachment; filename="failures.csv"'
        head, *rows, (end, *_) = csv.reader(io.StringIO(text, newline=""), strict=True)
        assert head == COLUMNS
        assert end == f"# {len(rows)} rows"
        return [dict(zip(head, row, strict=True)) for row in rows], response.headers


class TestEach:
    @pytest.mark.parametrize("path", [STATS, *LISTS, FAILURES, f"{API}/messages/wamid.1/"])
    async def test_it_answers_with_and_without_its_slash_and_to_head(
        self, client: Client, path: str
    ) -> None:
        await report(client, 1, "sent", "failed")
        await send(client, 1)
        with_slash = await get(client, path)
        assert await get(client, path.rstrip("/")) == with_slash
        for form in (path, path.rstrip("/")):
            async with client.head(form) as response:
                assert response.status == 200
                assert response.content_type == "application/json"
                assert await response.read() == b""

    @pytest.mark.parametrize("backend", ["fake"], indirect=True)
    @pytest.mark.parametrize("path", [STATS, *LISTS, FAILURES, f"{API}/messages/wamid.1/"])
    async def test_nobody_gets_it_without_a_token(self, anyone: Client, path: str) -> None:
        assert "X-Webhook-Token" in (await get(anyone, path, expected=401))["error"]
        async with anyone.get(path, headers={"X-Webhook-Token": TOKEN[:-1]}) as response:
            assert response.status == 403

    @pytest.mark.parametrize("backend", ["fake"], indirect=True)
    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("message-stats/?event_id=a&template_name=b", "template_name"),
            ("message-stats/?campaign_id=a&event_id=b", "campaign_id"),
            (f"message-stats/?campaign_id={'x' * 129}", "campaign_id"),
            ("message-stats/?campaign_id=%0A", "campaign_id"),
            ("message-stats/?phone_number_id=", "phone_number_id"),
            ("message-stats/?phone_number_id=%00", "phone_number_id"),
            ("failures/?phone_number_id=a&campaign_id=b", "phone_number_id"),
            ("campaigns/?campaign_id=a", "campaign_id"),
            ("phone-numbers/?cursor=a", "cursor"),
            ("message-stats/?event_id=a&event_id=b", "event_id"),
            ("message-stats/?event_id=", "event_id"),
            ("message-stats/?template_name=", "template_name"),
            ("message-stats/?registration_id=a", "registration_id"),
            ("message-stats/?limit=1", "limit"),
            (f"message-stats/?event_id={'x' * 129}", "event_id"),
            ("message-stats/?event_id=%00", "event_id"),
            ("events/?event_id=a", "event_id"),
            ("events/?limit=0", "limit"),
            ("events/?limit=201", "limit"),
            ("events/?limit=", "limit"),
            ("events/?cursor=", "cursor"),
            ("events/?cursor=x.a", "cursor"),
            ("events/?cursor=1705314600000000.", "cursor"),
            ("events/?cursor=1705314600000000.a&cursor=1705314600000000.a", "cursor"),
            ("templates/?limit=x", "limit"),
            ("templates/?cursor=a", "cursor"),
            ("failures/?event_id=a&template_name=b", "template_name"),
            ("failures/?event_id=", "event_id"),
            ("failures/?code=", "code"),
            ("failures/?code=1234567", "code"),
            ("failures/?code=-1", "code"),
            ("failures/?code=Other", "code"),
            ("failures/?code=12%0A", "code"),
            ("failures/?count=1", "count"),
            ("failures/?count=", "count"),
            ("failures/?code=1&code=1", "code"),
            ("failures/?class=", "class"),
            ("failures/?class=sometimes", "class"),
            ("failures/?remedy_class=now", "remedy_class"),
            ("failures/?format=xml", "format"),
            ("failures/?format=", "format"),
            ("failures/?limit=0&format=csv", "limit"),
            ("failures/?cursor=1705314600000000.a", "cursor"),
            ("failures/?guest_id=a", "guest_id"),
            ("messages/wamid.1/?limit=1", "limit"),
            ("messages/wamid.1/?event_id=", "event_id"),
            ("messages/nobody's/?x", "x"),
            ("messages/%00/", "wamid"),
            ("messages/a%0Ab", "wamid"),
            (f"messages/{'x' * 257}/", "wamid"),
        ],
    )
    async def test_what_is_not_allowed_is_refused_in_a_sentence(
        self, client: Client, query: str, field: str
    ) -> None:
        await report(client, 1, "sent")
        answer = await get(client, URL(f"{API}/{query}", encoded=True), expected=400)
        assert (answer["ok"], answer["field"]) == (False, field)
        assert answer["error"].endswith(".")
        assert set(answer) == {"ok", "error", "field"}


class TestMessageStats:
    async def test_without_messages_all_is_nought_or_null(self, client: Client) -> None:
        nothing = {"sent": 0, "delivered": 0, "read": 0, "failed": 0}
        never: dict[str, object] = {
            "count": 0,
            "p50_s": None,
            "p90_s": None,
            "p99_s": None,
            "within": [],
        }
        ages = [3_600, 86_400, 604_800, 2_592_000, None]
        assert await get(client, STATS) == {
            "total": 0,
            "statuses": nothing,
            "reached": nothing,
            "rates": {"delivered": None, "read": None, "failed": None},
            "failures": [],
            "time_to_deliver": never,
            "time_to_read": never,
            "awaiting": {"total": 0, "by_age": [{"under_s": s, "count": 0} for s in ages]},
        }

    async def test_they_say_how_messages_stand_came_so_far_and_failed(self, client: Client) -> None:
        await send(client, 1)
        await report(client, 2, "sent")
        await report(client, 3, "sent", "delivered")
        await report(client, 4, "sent", "delivered", "read")
        await report(client, 4, "read", timestamp=at(90))
        await report(client, 5, "played", timestamp="2024-03-01T00:00:00Z")
        await report(client, 5, "sent")
        await report(client, 6, "sent", "delivered")
        for number, code in [(6, 131026), (7, 131026), (8, 999_999), (9, None)]:
            await fail(client, number, code, timestamp=at(600))
        assert await get(client, STATS) == {
            "total": 9,
            "statuses": {"sent": 2, "delivered": 1, "read": 2, "failed": 4},
            "reached": {"sent": 6, "delivered": 4, "read": 2, "failed": 4},
            "rates": {"delivered": 4 / 9, "read": 2 / 9, "failed": 4 / 9},
            "failures": [
                {"code": "131026", "count": 2, **UNDELIVERABLE},
                {"code": None, "count": 1, **UNKNOWN},
                {"code": "999999", "count": 1, **UNKNOWN},
            ],
            "time_to_deliver": {
                "count": 3,
                "p50_s": 1,
                "p90_s": 1,
                "p99_s": 1,
                "within": [{"s": 1, "count": 3}],
            },
            "time_to_read": {
                "count": 2,
                "p50_s": 2,
                "p90_s": None,
                "p99_s": None,
                "within": [{"s": 2, "count": 1}, {"s": None, "count": 2}],
            },
            "awaiting": {
                "total": 2,
                "by_age": [
                    {"under_s": 3_600, "count": 1},
                    {"under_s": 86_400, "count": 0},
                    {"under_s": 604_800, "count": 0},
                    {"under_s": 2_592_000, "count": 0},
                    {"under_s": None, "count": 1},
                ],
            },
        }

    async def test_each_percentile_is_of_its_own_part(self, client: Client) -> None:
        """Of twenty messages that took a second to twenty, and twice as long to be read."""
        updates = [
            status_update(number, status, timestamp=at(times * number))
            for number in range(1, 21)
            for status, times in [("sent", 0), ("delivered", 1), ("read", 2)]
        ]
        path = f"{API}/message-status/batch/"
        async with client.post(path, json={"updates": updates}) as response:
            assert response.status == 200
        stats = await get(client, STATS)
        named = ("count", "p50_s", "p90_s", "p99_s")
        assert [stats["time_to_deliver"][name] for name in named] == [20, 10, 18, 20]
        assert [stats["time_to_read"][name] for name in named] == [20, 20, 36, 43]

    async def test_an_event_and_a_template_count_their_own(self, client: Client) -> None:
        await send(client, 1, event_id="e", template_name="t")
        await send(client, 2, event_id="e", template_name="u")
        await send(client, 3, event_id="f", template_name="t")
        await report(client, 1, "delivered")
        await fail(client, 3, 131026)
        by_event = await get(client, STATS, {"event_id": "e"})
        assert by_event["statuses"] == {"sent": 1, "delivered": 1, "read": 0, "failed": 0}
        by_template = await get(client, STATS, {"template_name": "t"})
        assert by_template["statuses"] == {"sent": 0, "delivered": 1, "read": 0, "failed": 1}
        assert [each["code"] for each in by_template["failures"]] == ["131026"]
        assert (await get(client, STATS, {"event_id": "t"}))["total"] == 0
        assert (await get(client, STATS))["total"] == 3

    async def test_odd_names_are_found(self, client: Client) -> None:
        for number, text in enumerate(ODD):
            await send(client, number, event_id=text, template_name=f"t {text}")
        for text in ODD:
            assert (await get(client, STATS, {"event_id": text}))["total"] == 1
            assert (await get(client, STATS, {"template_name": f"t {text}"}))["total"] == 1


@pytest.mark.parametrize(
    ("path", "name", "field"),
    [
        (EVENTS, "events", "event_id"),
        (TEMPLATES, "templates", "template_name"),
        (CAMPAIGNS, "campaigns", "campaign_id"),
        (NUMBERS, "phone_numbers", "phone_number_id"),
    ],
)
class TestValues:
    async def test_each_has_its_counts_and_its_latest_time_the_latest_first(
        self, client: Client, path: str, name: str, field: str
    ) -> None:
        await send(client, 1, **{field: "early"})
        await send(client, 2, **{field: "late"})
        await send(client, 3, **{field: "late"})
        await report(client, 2, "delivered")
        await fail(client, 1, None)
        late, early = [await message(client, f"wamid.{number}") for number in (3, 1)]
        assert await get(client, path) == {
            name: [
                {
                    field: "late",
                    "latest_at": late["created_at"],
                    "total": 2,
                    "statuses": {"sent": 1, "delivered": 1, "read": 0, "failed": 0},
                },
                {
                    field: "early",
                    "latest_at": early["created_at"],
                    "total": 1,
                    "statuses": {"sent": 0, "delivered": 0, "read": 0, "failed": 1},
                },
            ]
        }

    @pytest.mark.parametrize("limit", ["1", "2", "4", "200"])
    async def test_links_lead_to_each_once(
        self, client: Client, path: str, name: str, field: str, limit: str
    ) -> None:
        for number, text in enumerate(ODD * 2):
            await send(client, number, **{field: text})
        found = [page[name] async for page in pages(client, path, limit=limit)]
        assert all(len(page) == int(limit) for page in found[:-1])
        assert 0 < len(found[-1]) <= int(limit)
        names = [value[field] for page in found for value in page]
        assert names == ODD[::-1]
        assert {value["total"] for page in found for value in page} == {2}

    async def test_who_says_no_limit_gets_fifty(
        self, client: Client, path: str, name: str, field: str
    ) -> None:
        sends = [event_send(number, **{field: f"v{number}"}) for number in range(51)]
        async with client.post(f"{API}/track-send/batch/", json={"messages": sends}) as response:
            assert response.status == 200
        assert [len(page[name]) async for page in pages(client, path)] == [50, 1]

    async def test_the_longest_name_has_a_link_too(
        self, client: Client, path: str, name: str, field: str
    ) -> None:
        longest = "🎉" * (512 if field == "template_name" else 128)
        for number, text in enumerate(["a", longest]):
            await send(client, number, **{field: text})
        found = [page[name] async for page in pages(client, path, limit="1")]
        assert [value[field] for page in found for value in page] == [longest, "a"]


WEBHOOK_STATUS = {
    "id": "wamid.1",
    "recipient_id": "919876500001",
    "recipient_user_id": "US.1349",
    "recipient_parent_user_id": "US.ENT.7",
    "biz_opaque_callback_data": "run-7",
}


async def from_meta(client: Client, *statuses: dict[str, object]) -> None:
    """Meta's webhook brings statuses of the message of number 1."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": "106540352242922"},
        "statuses": [WEBHOOK_STATUS | status for status in statuses],
    }
    change = {"field": "messages", "value": value}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
    async with client.post(f"{API}/whatsapp/", json=body) as response:
        assert response.status == 200, await response.text()


class TestMessage:
    async def test_it_has_everything_that_was_told_of_it(self, client: Client) -> None:
        await send(client, 1)
        pricing = {"billable": True, "pricing_model": "PMP", "category": "marketing"}
        error = {
            "code": 131026,
            "title": "Message undeliverable",
            "error_data": {"details": "Not on WhatsApp."},
            "href": "https://example.test/errors",
        }
        await from_meta(
            client,
            {"status": "sent", "timestamp": "1705314600", "pricing": pricing},
            {"status": "failed", "timestamp": "1705314605", "errors": [error]},
        )
        found = await message(client, "wamid.1")
        (log,) = (await get(client, LOGS))["logs"]
        assert len(log) == 16
        rest = {name: found[name] for name in set(found) - set(log)}
        assert {name: found[name] for name in log} == log
        assert rest.pop("version") == 2
        sent, failed = rest["timeline"]
        assert sent.pop("received_at") == rest["created_at"]
        assert failed.pop("received_at") > rest["created_at"]
        created_at, tracked_at = rest.pop("created_at"), rest.pop("tracked_at")
        assert created_at == tracked_at
        assert rest == {
            "flow_type": "rsvp",
            "error": {
                "code": "131026",
                "message": "Message undeliverable",
                "details": "Not on WhatsApp.",
                "href": "https://example.test/errors",
                "at": "2024-01-15T10:30:05Z",
                **UNDELIVERABLE,
            },
            "timeline": [
                {"status": "sent", "at": "2024-01-15T10:30:00Z"},
                {"status": "failed", "at": "2024-01-15T10:30:05Z"},
            ],
            "conflicts": [],
            "pricing": pricing,
            "campaign_id": None,
            "metas_recipient_id": None,
            "phone_number_id": "106540352242922",
            "user_id": "US.1349",
            "parent_user_id": "US.ENT.7",
            "callback_data": "run-7",
            "participants": [],
        }

    async def test_what_nobody_told_is_null(self, client: Client) -> None:
        await report(client, 1, "delivered", timestamp="2024-01-15T10:30:00.120Z")
        found = await message(client, "wamid.1")
        created_at = found.pop("created_at")
        assert found.pop("timeline") == [
            {
                "status": "delivered",
                "at": "2024-01-15T10:30:00.120Z",
                "received_at": created_at,
            }
        ]
        known = {"id", "wamid", "recipient_id", "status", "message_type", "delivered_at", "version"}
        lists = {"conflicts", "participants"}
        assert {name for name, value in found.items() if value is not None} == known | lists
        assert found["conflicts"] == found["participants"] == []

    async def test_a_failure_without_an_error_has_none(self, client: Client) -> None:
        await fail(client, 1, None)
        found = await message(client, "wamid.1")
        assert (found["status"], found["error"]) == ("failed", None)

    async def test_an_error_that_nobody_knows_is_given_as_it_came(self, client: Client) -> None:
        await report(client, 1, "failed", errors=[{"title": "Odd"}])
        assert (await message(client, "wamid.1"))["error"] == {
            "code": None,
            "message": "Odd",
            "details": None,
            "href": None,
            "at": at(0),
            **UNKNOWN | {"meaning": "Odd"},
        }

    async def test_of_a_group_each_participant_is_told(self, client: Client) -> None:
        """Whoever got it brings the message on; who didn't leaves it as it is."""
        group: dict[str, object] = {"recipient_type": "group", "recipient_id": "group-1"}
        error = {"code": 131026, "title": "Message undeliverable"}
        ada, ben, cem = ({"recipient_participant_id": f"91987650000{n}"} for n in (3, 1, 2))
        failed = {"status": "failed", "timestamp": "1705312800", "errors": [error]}
        await from_meta(client, group | ben | failed)
        found = await message(client, "wamid.1")
        assert (found["status"], found["sent_at"], found["failed_at"]) == ("sent", None, None)
        assert (found["error"], found["timeline"], found["conflicts"]) == (None, [], [])
        async with client.get("/api/webhooks/message-logs/?recipient_id=group-1") as response:
            [row] = (await response.json())["logs"]
        assert (row["wamid"], row["status"], row["sent_at"]) == ("wamid.1", "sent", None)
        path = "/api/webhooks/message-status-lookup/"
        async with client.post(path, json={"wamids": ["wamid.1"]}) as response:
            statuses = (await response.json())["statuses"]
        assert (statuses["wamid.1"]["status"], statuses["wamid.1"]["sent_at"]) == ("sent", None)
        await from_meta(
            client,
            group | ada | {"status": "read", "timestamp": "1705312805"},
            group | ada | {"status": "delivered", "timestamp": "1705312803"},
            group | cem | {"status": "delivered", "timestamp": "1705312802"},
        )
        found = await message(client, "wamid.1")
        assert (found["status"], found["recipient_id"]) == ("read", "group-1")
        assert found["delivered_at"] == at(2)
        assert found["read_at"] == at(5)
        assert (found["failed_at"], found["error"]) == (None, None)
        first, second, third = found["participants"]
        assert first.pop("error").items() > {"code": "131026", "at": at(0), **UNDELIVERABLE}.items()
        nothing = dict.fromkeys(("sent_at", "delivered_at", "read_at", "failed_at"))
        assert first == nothing | {
            "participant_id": "919876500001",
            "status": "failed",
            "failed_at": at(0),
        }
        assert second == nothing | {
            "participant_id": "919876500002",
            "status": "delivered",
            "delivered_at": at(2),
            "error": None,
        }
        assert third == nothing | {
            "participant_id": "919876500003",
            "status": "read",
            "delivered_at": at(3),
            "read_at": at(5),
            "error": None,
        }

    async def test_the_timeline_is_in_the_order_of_metas_times(self, client: Client) -> None:
        """Whatever came first; at one time in the order of statuses."""
        await report(client, 1, "read", timestamp=at(9))
        await report(client, 1, "delivered", timestamp=at(9))
        await report(client, 1, "sent", timestamp=at(3))
        await report(client, 1, "failed", timestamp=at(5))
        timeline = (await message(client, "wamid.1"))["timeline"]
        assert [(each["status"], each["at"]) for each in timeline] == [
            ("sent", at(3)),
            ("failed", at(5)),
            ("delivered", at(9)),
            ("read", at(9)),
        ]
        received = {each["status"]: each["received_at"] for each in timeline}
        assert received["read"] <= received["delivered"] <= received["sent"] <= received["failed"]

    @pytest.mark.parametrize(
        ("reported", "sentences"),
        [
            ([("sent", 0), ("delivered", 1), ("read", 2)], []),
            ([("sent", 2), ("delivered", 1)], []),
            (
                [("sent", 5), ("delivered", 1)],
                [f"It was reported delivered at {at(1)}, then sent at {at(5)}."],
            ),
            (
                [("delivered", 3), ("read", 4), ("sent", 7)],
                [
                    f"It was reported delivered at {at(3)}, then sent at {at(7)}.",
                    f"It was reported read at {at(4)}, then sent at {at(7)}.",
                ],
            ),
            (
                [("failed", 1), ("sent", 3)],
                [f"It was reported failed at {at(1)}, then sent at {at(3)}."],
            ),
            ([("sent", 0), ("failed", 1)], []),
            (
                [("delivered", 1), ("failed", 2)],
                [f"It was delivered at {at(1)}, then reported failed at {at(2)}."],
            ),
            (
                [("delivered", 2), ("failed", 2)],
                [f"It was delivered at {at(2)}, then reported failed at {at(2)}."],
            ),
            (
                [("failed", 1), ("delivered", 2)],
                [f"It was reported failed at {at(1)}, then delivered at {at(2)}."],
            ),
            (
                [("failed", 1), ("read", 2)],
                [f"It was reported failed at {at(1)}, then read at {at(2)}."],
            ),
            (
                [("read", 1), ("delivered", 2)],
                [f"It was reported read at {at(1)}, then delivered at {at(2)}."],
            ),
            ([("read", 1), ("delivered", 1)], []),
            (
                [("read", 1), ("delivered", 3), ("failed", 2)],
                [
                    f"It was reported failed at {at(2)}, then delivered at {at(3)}.",
                    f"It was read at {at(1)}, then reported failed at {at(2)}.",
                    f"It was reported read at {at(1)}, then delivered at {at(3)}.",
                ],
            ),
        ],
    )
    async def test_what_does_not_go_together_is_said_in_sentences(
        self, client: Client, reported: list[tuple[str, int]], sentences: list[str]
    ) -> None:
        for status, second in reported:
            await report(client, 1, status, timestamp=at(second))
        assert (await message(client, "wamid.1"))["conflicts"] == sentences

    async def test_less_than_a_second_between_read_and_delivered_is_none(
        self, client: Client
    ) -> None:
        """Meta's times are of whole seconds, others' to the millisecond."""
        await report(client, 1, "read", timestamp="2024-01-15T10:30:00Z")
        await report(client, 1, "delivered", timestamp="2024-01-15T10:30:00.999Z")
        assert (await message(client, "wamid.1"))["conflicts"] == []

    async def test_played_counts_as_read(self, client: Client) -> None:
        await from_meta(client, {"status": "played", "timestamp": "1705314600"})
        found = await message(client, "wamid.1")
        assert (found["status"], found["read_at"]) == ("read", "2024-01-15T10:30:00Z")
        assert [each["status"] for each in found["timeline"]] == ["read"]
        assert (await get(client, STATS))["statuses"]["read"] == 1

    async def test_any_wamid_is_found_percent_encoded(self, client: Client) -> None:
        for wamid in [*ODD, "wamid.HBgL/+8=", "%", "%2F", "%25", "x" * 256]:
            await send(client, 1, template_wamid=wamid)
            for ending in ("/", ""):
                found = await get(client, path_of(wamid, ending))
                assert found["message"]["wamid"] == wamid

    async def test_an_encoding_in_small_letters_or_of_plain_ones_is_the_same(
        self, client: Client
    ) -> None:
        await send(client, 1, template_wamid="a/é=")
        for path in ("a%2f%c3%a9%3d", "%61%2F%C3%A9="):
            address = URL(f"{API}/messages/{path}/", encoded=True)
            assert (await get(client, address))["message"]["wamid"] == "a/é="

    @pytest.mark.parametrize("path", ["wamid.2", "wamid.1%2F", "WAMID.1", "%FF", "wamid.1/x"])
    async def test_of_one_that_nobody_knows_nothing_is_found(
        self, client: Client, path: str
    ) -> None:
        await send(client, 1)
        answer = await get(client, URL(f"{API}/messages/{path}/", encoded=True), expected=404)
        assert set(answer) == {"ok", "error"}
        async with client.head(URL(f"{API}/messages/{path}", encoded=True)) as response:
            assert response.status == 404

    async def test_an_erased_one_is_not_found(self, client: Client) -> None:
        await send(client, 1)
        async with client.post(f"{API}/erase/", json={"guest_id": "guest-1"}) as response:
            assert response.status == 200
        await get(client, path_of("wamid.1"), expected=404)


async def failed_ones(client: Client) -> None:
    """Eight messages of two events and two templates; all but the first failed."""
    codes = [None, 131026, 131026, 131049, 130429, 999_999, None, 131026]
    for number, code in enumerate(codes):
        event_id, template_name = "ef"[number % 2], "tu"[number // 4]
        await send(client, number, event_id=event_id, template_name=template_name)
        if number:
            await fail(client, number, code)


async def wamids_of(client: Client, **parameters: str) -> list[str]:
    """Of the recipients that are chosen so, the newest first: their numbers."""
    found = [page["recipients"] async for page in pages(client, FAILURES, **parameters)]
    return [each["wamid"].removeprefix("wamid.") for page in found for each in page]


CHOSEN: list[tuple[dict[str, str], str]] = [
    ({}, "7654321"),
    ({"event_id": "e"}, "642"),
    ({"template_name": "u"}, "7654"),
    ({"code": "131026"}, "721"),
    ({"code": "131026", "event_id": "f"}, "71"),
    ({"code": "none"}, "6"),
    ({"code": "none", "template_name": "t"}, ""),
    ({"code": "131047"}, ""),
    ({"code": "13102"}, ""),
    ({"class": "never"}, "721"),
    ({"class": "later"}, "3"),
    ({"class": "now"}, "4"),
    ({"class": "fix"}, ""),
    ({"class": "unknown"}, "65"),
    ({"class": "unknown", "event_id": "e"}, "6"),
    ({"class": "never", "code": "131026", "template_name": "t"}, "21"),
    ({"class": "never", "code": "131049"}, ""),
    ({"class": "unknown", "code": "none"}, "6"),
]
"""Parameters, and the numbers of the messages of `failed_ones` that they choose."""


def counted(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups without Meta's title of unknown codes: a page may have it or not."""
    return [group | {"meaning": None} if group["class"] == "unknown" else group for group in groups]


class TestFailures:
    async def test_they_are_grouped_by_code_and_recipients_are_told_all_that_helps(
        self, client: Client
    ) -> None:
        await send(client, 1)
        errors = [{"code": 131026, "title": "T", "error_data": {"details": "D"}}]
        await report(client, 1, "failed", errors=errors)
        await report(client, 2, "failed", recipient_id="us.x")
        await report(client, 3, "sent")
        answer = await get(client, FAILURES)
        assert answer == {
            "failures": [
                {"code": None, "count": 1, **UNKNOWN},
                {"code": "131026", "count": 1, **UNDELIVERABLE},
            ],
            "recipients": [
                {
                    "recipient_id": "us.x",
                    "wamid": "wamid.2",
                    "failed_at": at(0),
                    "class": "unknown",
                }
                | dict.fromkeys(
                    ["guest_name", "guest_id", "registration_id", "event_id", "template_name"]
                )
                | dict.fromkeys(["error_code", "error_message", "error_details", "sent_since"]),
                {
                    "recipient_id": "919876500001",
                    "guest_name": "John Doe",
                    "guest_id": "guest-1",
                    "registration_id": "registration-1",
                    "event_id": "event-1",
                    "template_name": "rsvp_invite_v2",
                    "wamid": "wamid.1",
                    "failed_at": at(0),
                    "error_code": "131026",
                    "error_message": "T",
                    "error_details": "D",
                    "class": "never",
                    "sent_since": None,
                },
            ],
        }
        assert answer["failures"] == (await get(client, STATS))["failures"]

    async def test_where_none_failed_there_are_none(self, client: Client) -> None:
        await report(client, 1, "read")
        no_filter: dict[str, str] = {}
        for chosen in (no_filter, {"code": "none"}, {"class": "never"}, {"event_id": "e"}):
            assert await get(client, FAILURES, chosen) == {"failures": [], "recipients": []}

    async def test_recipients_are_chosen_by_event_template_code_and_class(
        self, client: Client
    ) -> None:
        """Page by page and in a file; the groups are those of the event or the template."""
        await failed_ones(client)
        for chosen, numbers in CHOSEN:
            assert await wamids_of(client, **chosen) == list(numbers)
            assert await wamids_of(client, limit="1", **chosen) == list(numbers)
            rows, _ = await sheet(client, format="csv", **chosen)
            assert [row["wamid"].removeprefix("wamid.") for row in rows] == list(numbers)
            whose: dict[str, str] = {
                name: chosen[name] for name in ("event_id", "template_name") if name in chosen
            }
            groups = counted((await get(client, FAILURES, chosen))["failures"])
            assert groups == counted((await get(client, STATS, whose))["failures"])

    async def test_a_page_is_followed_by_a_link_where_there_are_more(self, client: Client) -> None:
        await failed_ones(client)
        found = [page async for page in pages(client, FAILURES, limit="3")]
        assert [len(page["recipients"]) for page in found] == [3, 3, 1]
        groups = [counted(page["failures"]) for page in found]
        assert groups == groups[:1] * 3

    async def test_logs_of_the_failed_are_those_that_failed(self, client: Client) -> None:
        await failed_ones(client)
        no_filter: dict[str, str] = {}
        for chosen in (no_filter, {"event_id": "e"}, {"template_name": "u"}):
            everything = (await get(client, LOGS, chosen))["logs"]
            failed = [log for log in everything if log["status"] == "failed"]
            assert (await get(client, LOGS, {"status": "failed", **chosen}))["logs"] == failed
            assert [log["wamid"].removeprefix("wamid.") for log in failed] == await wamids_of(
                client, **chosen
            )


class TestSheet:
    @pytest.mark.parametrize("backend", ["fake"], indirect=True)
    @pytest.mark.parametrize(
        ("accept", "chosen"),
        [
            ("", {"format": "csv"}),
            ("application/json", {"format": "csv"}),
            ("text/csv", {}),
            ("TEXT/CSV; charset=utf-8", {}),
            ("text/html, text/csv;q=0.9", {}),
        ],
    )
    async def test_it_comes_by_the_parameter_or_the_header(
        self, client: Client, accept: str, chosen: dict[str, str]
    ) -> None:
        await failed_ones(client)
        rows, headers = await sheet(client, accept, **chosen)
        assert [row["wamid"] for row in rows] == [f"wamid.{number}" for number in range(7, 0, -1)]
        assert "Link" not in headers
        assert headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("backend", ["fake"], indirect=True)
    @pytest.mark.parametrize(
        ("accept", "chosen"),
        [
            ("text/csv", {"format": "json"}),
            ("*/*", {}),
            ("text/*", {}),
            ("text/csvx", {}),
            ("application/json", {}),
        ],
    )
    async def test_json_comes_where_it_is_asked_for_or_csv_is_not(
        self, client: Client, accept: str, chosen: dict[str, str]
    ) -> None:
        await fail(client, 1, 1)
        async with client.get(FAILURES, params=chosen, headers={"Accept": accept}) as response:
            assert response.content_type == "application/json"
            assert len((await response.json())["recipients"]) == 1

    async def test_it_is_whole_however_long_it_is(self, client: Client) -> None:
        """And has on each line what the pages have, safe against being calculated."""
        messages = [
            event_send(number, guest_name=f'=1+"{number}",\u00e9 李') for number in range(450)
        ]
        errors = [{"code": 131049, "title": "-later", "error_data": {"details": "a, b"}}]
        updates = [status_update(number, "failed", errors=errors) for number in range(450)]
        for path, body in [
            ("track-send/batch/", {"messages": messages}),
            ("message-status/batch/", {"updates": updates}),
        ]:
            async with client.post(f"{API}/{path}", json=body) as response:
                assert response.status == 200
        rows, _ = await sheet(client, format="csv", limit="10")
        recipients = [
            each
            async for page in pages(client, FAILURES, limit="200")
            for each in page["recipients"]
        ]
        assert len(rows) == 450
        expected = [
            each
            | {"guest_name": f"'{each['guest_name']}", "error_message": "'-later"}
            | {"recipient_id": as_people_write(each["recipient_id"]), "sent_since": ""}
            for each in recipients
        ]
        assert rows == expected

    async def test_it_may_begin_behind_a_page(self, client: Client) -> None:
        await failed_ones(client)
        async with client.get(FAILURES, params={"limit": "3"}) as response:
            following = next_of(response.headers)
        assert following is not None
        rows, _ = await sheet(client, format="csv", cursor=following.query["cursor"])
        assert [row["wamid"] for row in rows] == ["wamid.4", "wamid.3", "wamid.2", "wamid.1"]

    async def test_of_nobody_it_has_its_head_alone(self, client: Client) -> None:
        for chosen in ({}, {"code": "131026"}, {"class": "now"}):
            assert (await sheet(client, format="csv", **chosen))[0] == []

    async def test_head_has_its_headers_and_the_connection_goes_on(self, client: Client) -> None:
        await failed_ones(client)
        for _ in range(2):
            async with client.head(FAILURES, params={"format": "csv"}) as response:
                assert response.status == 200
                assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
                assert response.headers["Content-Disposition"].startswith("attachment")
                assert await response.read() == b""
        assert len((await sheet(client, format="csv"))[0]) == 7
