"""What the guide and its contract promise, through real HTTP."""

import asyncio
from typing import Any

import pytest
from yarl import URL

from tests.conftest import Client
from tests.factories import event_send, status_update

API = "/api/webhooks"


async def post(client: Client, path: str, body: object, expected: int = 200) -> Any:
    async with client.post(f"{API}/{path}/", json=body) as response:
        answer = await response.json()
        assert response.status == expected, answer
        assert response.content_type == "application/json"
        return answer


async def get(client: Client, path: str, expected: int = 200, **parameters: str) -> Any:
    async with client.get(f"{API}/{path}/", params=parameters) as response:
        answer = await response.json()
        assert response.status == expected, answer
        return answer


async def logs(client: Client, **parameters: str) -> list[dict[str, Any]]:
    async with client.get(f"{API}/message-logs/", params=parameters) as response:
        answer = await response.json()
        assert response.status == 200, answer
        found: list[dict[str, Any]] = answer["logs"]
        return found


async def look_up(client: Client, number: int) -> Any:
    answer = await post(client, "message-status-lookup", {"wamids": [f"wamid.{number}"]})
    return answer["statuses"][f"wamid.{number}"]


class TestTrackSend:
    async def test_an_event_message_answers_its_id(self, client: Client) -> None:
        first = await post(client, "track-send", event_send(1))
        again = await post(client, "track-send", event_send(1))
        assert first == again
        assert set(first) == {"ok", "map_id"}
        assert (await logs(client))[0]["id"] == first["map_id"]

    async def test_a_standalone_message_answers_its_wamid(self, client: Client) -> None:
        body = {"wa_id": "919876543210", "template_wamid": "wamid.1"}
        answer = await post(client, "track-send", body)
        assert answer == {"ok": True, "standalone": True, "wamid": "wamid.1"}

    async def test_the_answer_follows_the_request_and_the_event_stays(self, client: Client) -> None:
        await post(client, "track-send", event_send(1))
        answer = await post(
            client, "track-send", {"wa_id": "919876500001", "template_wamid": "wamid.1"}
        )
        assert answer["standalone"] is True
        assert (await logs(client, event_id="event-1"))[0]["guest_name"] == "John Doe"

    async def test_the_log_has_what_was_sent(self, client: Client) -> None:
        answer = await post(client, "track-send", event_send(1, wa_id="+91 (98765) 00-001"))
        (log,) = await logs(client)
        sent_at = log.pop("sent_at")
        assert sent_at.endswith("Z")
        assert log == {
            "id": answer["map_id"],
            "wamid": "wamid.1",
            "recipient_id": "919876500001",
            "status": "sent",
            "message_type": "rsvp",
            "template_name": "rsvp_invite_v2",
            "event_id": "event-1",
            "registration_id": "registration-1",
            "guest_id": "guest-1",
            "guest_name": "John Doe",
            "delivered_at": None,
            "read_at": None,
            "failed_at": None,
            "error_code": None,
            "error_message": None,
        }

    @pytest.mark.parametrize(
        ("fields", "message_type"),
        [
            ({"event_id": "e", "message_type": "travel"}, "travel"),
            ({"event_id": "e", "flow_type": "custom"}, "custom"),
            ({"event_id": "e"}, "rsvp"),
            ({"flow_type": "bulk"}, "template"),
            ({}, "template"),
        ],
    )
    async def test_message_type_has_a_default(
        self, client: Client, fields: dict[str, str], message_type: str
    ) -> None:
        body = {"wa_id": "919876543210", "template_wamid": "wamid.1"} | fields
        await post(client, "track-send", body)
        assert (await logs(client))[0]["message_type"] == message_type

    async def test_a_later_send_replaces_what_it_names(self, client: Client) -> None:
        await post(client, "track-send", event_send(1))
        changed = {"guest_name": "Jane", "event_id": "event-2", "template_name": ""}
        await post(client, "track-send", event_send(1, **changed))
        (log,) = await logs(client, event_id="event-2")
        assert (log["guest_name"], log["template_name"]) == ("Jane", "rsvp_invite_v2")
        assert await logs(client, event_id="event-1") == []

    async def test_integers_are_read_as_their_digits(self, client: Client) -> None:
        body = {"wa_id": 919876543210, "template_wamid": 7, "event_id": 12, "guest_id": 0}
        await post(client, "track-send", body)
        (log,) = await logs(client, guest_id="0")
        assert (log["wamid"], log["event_id"]) == ("7", "12")
        assert log["recipient_id"] == "919876543210"


class TestMessageStatus:
    async def test_statuses_only_go_forward(self, client: Client) -> None:
        for status, after in [
            ("delivered", "delivered"),
            ("sent", "delivered"),
            ("read", "read"),
            ("delivered", "read"),
            ("failed", "failed"),
            ("read", "failed"),
        ]:
            answer = await post(client, "message-status", status_update(1, status))
            assert answer == {"ok": True, "status": after}

    async def test_played_counts_as_read(self, client: Client) -> None:
        answer = await post(client, "message-status", status_update(1, "played"))
        assert answer == {"ok": True, "status": "read"}

    async def test_an_early_status_is_kept_for_the_send(self, client: Client) -> None:
        await post(client, "message-status", status_update(1, "delivered"))
        assert len(await logs(client, standalone="true")) == 1
        await post(client, "track-send", event_send(1))
        assert await logs(client, standalone="true") == []
        (log,) = await logs(client, event_id="event-1")
        assert (log["status"], log["delivered_at"]) == ("delivered", "2024-01-15T10:30:00Z")

    async def test_the_earliest_time_stays(self, client: Client) -> None:
        for timestamp in ("2024-01-15T10:30:05Z", "1705314601", 1705314603):
            await post(client, "message-status", status_update(1, "read", timestamp=timestamp))
        assert (await look_up(client, 1))["read_at"] == "2024-01-15T10:30:01Z"

    async def test_milliseconds_are_written_where_there_are_some(self, client: Client) -> None:
        timestamp = "2024-01-15T12:00:00.1239+01:30"
        await post(client, "message-status", status_update(1, "read", timestamp=timestamp))
        assert (await look_up(client, 1))["read_at"] == "2024-01-15T10:30:00.123Z"

    async def test_no_recipient_is_no_fault(self, client: Client) -> None:
        await post(client, "message-status", status_update(1, "read", recipient_id=None))
        assert (await logs(client))[0]["recipient_id"] == ""

    async def test_the_error_is_kept(self, client: Client) -> None:
        errors = [{"code": 131026, "title": "Message undeliverable"}, {"code": 1, "title": "x"}]
        await post(client, "message-status", status_update(1, "failed", errors=errors))
        found = await look_up(client, 1)
        assert (found["error_code"], found["error"]) == ("131026", "Message undeliverable")
        assert (await logs(client, status="failed"))[0]["error_message"] == found["error"]

    @pytest.mark.parametrize(
        ("errors", "code", "message"),
        [
            (None, None, None),
            ("nonsense", None, None),
            ([], None, None),
            ([7, {"code": 1.5, "title": 3}, {"code": "131047"}], "131047", None),
            ([{"title": "", "message": "m"}], None, "m"),
            ([{"error_data": {"details": "d"}, "details": "e"}], None, "d"),
            ([{"error_data": "d", "details": "e"}], None, "e"),
            ([{"code": True, "title": "a\x00b\n"}], None, "a b "),
            ([{"title": "x" * 1200}], None, "x" * 1000),
            ([{"code": 10**4200, "title": "long"}], "1" + "0" * 999, "long"),
        ],
    )
    async def test_odd_errors_are_never_refused(
        self, client: Client, errors: object, code: str | None, message: str | None
    ) -> None:
        await post(client, "message-status", status_update(1, "failed", errors=errors))
        found = await look_up(client, 1)
        assert (found["status"], found["error_code"], found["error"]) == ("failed", code, message)

    async def test_half_an_emoji_in_an_error_costs_no_status(self, client: Client) -> None:
        """JavaScript writes the half of a cut emoji as a lone surrogate."""
        raw = (
            b'{"wamid": "wamid.1", "status": "failed", "timestamp": "1705314600",'
            b' "errors": [{"code": 1, "title": "so sad \\ud83d"}], "more": "\\ud83d"}'
        )
        async with client.post(f"{API}/message-status/", data=raw) as response:
            assert response.status == 200
        assert (await look_up(client, 1))["error"] == "so sad \ufffd"

    async def test_errors_are_looked_at_only_for_failed(self, client: Client) -> None:
        errors = [{"code": 1, "title": "x"}]
        await post(client, "message-status", status_update(1, "read", errors=errors))
        assert (await look_up(client, 1))["error_code"] is None


class TestLookup:
    async def test_it_answers_what_is_known_by_the_wamids_as_asked(self, client: Client) -> None:
        await post(client, "message-status", status_update(1, "delivered"))
        wamids = ["wamid.1", "wamid.unknown", "wamid.1"]
        answer = await post(client, "message-status-lookup", {"wamids": wamids})
        assert answer == {
            "statuses": {
                "wamid.1": {
                    "status": "delivered",
                    "sent_at": None,
                    "delivered_at": "2024-01-15T10:30:00Z",
                    "read_at": None,
                    "error_code": None,
                    "error": None,
                }
            }
        }

    async def test_up_to_a_thousand(self, client: Client) -> None:
        some = [status_update(number, "read") for number in range(1000)]
        await asyncio.gather(*(post(client, "message-status", update) for update in some))
        wamids = [str(update["wamid"]) for update in some]
        answer = await post(client, "message-status-lookup", {"wamids": wamids})
        assert set(answer["statuses"]) == set(wamids)
        assert await post(client, "message-status-lookup", {"wamids": []}) == {"statuses": {}}
        several = {"wamids": [None, "wamid.1", None]}  # of rows that were never sent, say
        answer = await post(client, "message-status-lookup", several)
        assert list(answer["statuses"]) == ["wamid.1"]
        refused = await post(
            client, "message-status-lookup", {"wamids": [*wamids, "one-more"]}, expected=400
        )
        assert refused["field"] == "wamids"


class TestMessageLogs:
    async def test_each_filter_and_all_together(self, client: Client) -> None:
        for number in range(3):
            await post(client, "track-send", event_send(number))
        await post(client, "track-send", {"wa_id": "14155550100", "template_wamid": "wamid.9"})
        for filters, expected in [
            ({}, [9, 2, 1, 0]),
            ({"event_id": "event-1"}, [2, 1, 0]),
            ({"registration_id": "registration-1"}, [1]),
            ({"guest_id": "guest-2"}, [2]),
            ({"recipient_id": "+91 98765-00002"}, [2]),
            ({"template_name": "rsvp_invite_v2"}, [2, 1, 0]),
            ({"standalone": "true"}, [9]),
            ({"standalone": "false"}, [9, 2, 1, 0]),
            ({"status": "read"}, []),
            ({"event_id": "event-1", "guest_id": "guest-0", "status": "sent"}, [0]),
            ({"event_id": "event-1", "standalone": "true"}, []),
            ({"limit": "2"}, [9, 2]),
        ]:
            found = [log["wamid"] for log in await logs(client, **filters)]
            assert found == [f"wamid.{number}" for number in expected], filters

    @pytest.mark.parametrize(
        ("stored", "asked", "found"),
        [
            ("919876543210", "9876543210", True),
            ("9876543210", "919876543210", True),
            ("919876543210", "449876543210", False),
            ("919876543210", "19876543210", False),
            ("19172345678", "919172345678", False),  # a 9 is left over, which is no code
            ("919172345678", "+1 917 234 5678", False),
            ("919172345678", "9172345678", True),
            ("919876543210", "09876543210", True),
            ("09876543210", "+91 98765 43210", True),
            ("09876543210", "9876543210", True),
            ("9876543210", "09876543210", True),
            ("390612345678", "0612345678", True),  # in Italy the 0 stays
            ("85298765432100", "98765432100", True),
            ("999876543210", "9876543210", False),
            ("00919876543210", "919876543210", True),
            ("+91 \u200e98765\u201143210", "٩٨٧٦٥٤٣٢١٠", True),
            ("123456", "123456", True),
            ("123456789", "9123456789", False),
            ("US.13491208655302741918", "US.13491208655302741918", True),
            ("US.13491208655302741918", "8655302741918", False),
            ("120363012345678901", "120363012345678901", True),
        ],
    )
    async def test_a_number_is_found_with_and_without_its_country_code(
        self, client: Client, stored: str, asked: str, *, found: bool
    ) -> None:
        await post(client, "track-send", {"wa_id": stored, "template_wamid": "wamid.1"})
        assert bool(await logs(client, recipient_id=asked)) is found

    async def test_walking_the_pages_gives_every_message_once(self, client: Client) -> None:
        await asyncio.gather(
            *(post(client, "track-send", event_send(number)) for number in range(25))
        )
        seen: list[str] = []
        address: str | None = f"{API}/message-logs/?event_id=event-1&limit=10"
        pages = 0
        while address:
            async with client.get(address) as response:
                seen += [log["wamid"] for log in (await response.json())["logs"]]
                following = response.links.get("next")
                address = URL(following["url"]).path_qs if following else None
            await post(client, "track-send", event_send(100 + pages))  # newer: not on later pages
            pages += 1
        assert pages == 3
        assert sorted(seen) == sorted(f"wamid.{number}" for number in range(25))

    async def test_fifty_are_the_default_and_a_full_last_page_has_no_next(
        self, client: Client
    ) -> None:
        await asyncio.gather(
            *(post(client, "track-send", event_send(number)) for number in range(51))
        )
        assert len(await logs(client)) == 50
        for limit, more in [("50", True), ("51", False), ("200", False)]:
            async with client.get(f"{API}/message-logs/", params={"limit": limit}) as response:
                assert ("Link" in response.headers) is more

    @pytest.mark.parametrize(
        "query",
        [
            "event=1",
            "event_id=",
            "event_id=a&event_id=b",
            "event_id=" + "x" * 129,
            "event_id=a%00b",
            "template_name=" + "x" * 513,
            "recipient_id=12345",
            "recipient_id=%2B",
            "standalone=yes",
            "status=played",
            "limit=0",
            "limit=201",
            "limit=5.0",
            "limit=%2B5",
            "cursor=x",
        ],
    )
    async def test_a_mistyped_filter_is_refused(self, client: Client, query: str) -> None:
        async with client.get(f"{API}/message-logs/?{query}") as response:
            answer = await response.json()
            assert response.status == 400
            assert answer["ok"] is False
            assert answer["field"] == query.partition("=")[0]


class TestLatest:
    async def test_it_is_the_most_recent_of_the_registration(self, client: Client) -> None:
        await post(client, "track-send", event_send(1))
        await post(client, "track-send", event_send(2, event_registration_id="registration-1"))
        answer = await get(client, "message-logs/latest", registration_id="registration-1")
        log = answer["log"]
        assert log["wamid"] == "wamid.2"
        assert len(log) == 11
        assert (await get(client, "message-logs/latest", registration_id="other")) == {"log": None}

    async def test_the_registration_is_required(self, client: Client) -> None:
        answer = await get(client, "message-logs/latest", expected=400)
        assert answer["field"] == "registration_id"
        await get(client, "message-logs/latest", expected=400, registration_id="")
        await get(client, "message-logs/latest", expected=400, registration_id="a", event_id="b")
