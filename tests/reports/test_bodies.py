"""Bodies of callers and of Meta in which something small was odd, and what people lost by it."""

import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from service.app import create_app
from service.config import MetaApp
from tests.backends import Backend, open_store
from tests.conftest import TOKEN, Client, JsonTestServer, settings_of

API = "/api/webhooks"
SECRET, WORD = "app-secret", "word"
TOKENED = {"X-Webhook-Token": TOKEN}
LINES = TOKENED | {"Content-Type": "application/x-ndjson"}
BOM = b"\xef\xbb\xbf"
NOW_S = str(int(time.time()))
SEND = {"template_wamid": "wamid.1", "wa_id": "919876543210"}
UPDATE = {"wamid": "wamid.1", "status": "delivered", "timestamp": NOW_S}
METAS = {"id": "wamid.1", "status": "delivered", "timestamp": NOW_S}


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[Client]:
    """A service that knows Meta's secrets, and a caller that sends no header by itself."""
    async with open_store(backend):
        pass
    meta = MetaApp(app_secret=[SECRET], verify_token=[WORD])
    settings = msgspec.structs.replace(settings_of(backend), meta=meta)
    async with TestClient(JsonTestServer(create_app(settings))) as client:
        yield client


async def post(
    client: Client, path: str, body: object, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """The status and the answer; of a stream a list of the answers to its lines."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = TOKENED if headers is None else headers
    async with client.post(f"{API}/{path}/", data=io.BytesIO(raw), headers=headers) as response:
        text = await response.text()
        if response.content_type == "application/x-ndjson":
            return response.status, [json.loads(line) for line in text.splitlines()]
        return response.status, json.loads(text)


async def details(client: Client, wamid: str = "wamid.1") -> Any:
    """All that is known of a message; None if it isn't known."""
    async with client.get(f"{API}/messages/{wamid}/", headers=TOKENED) as response:
        return (await response.json()).get("message")


async def metric(client: Client, name: str) -> float:
    """The value of a metric with these labels; 0 if there is none yet."""
    async with client.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def signed(raw: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.digest(secret.encode(), raw, hashlib.sha256).hex()
    return {"X-Hub-Signature-256": f"sha256={digest}"}


def payload(*statuses: object, field: str = "messages", **value: object) -> dict[str, object]:
    """What Meta sends, with one change in it."""
    change = {"field": field, "value": {"messaging_product": "whatsapp"} | value}
    if statuses:
        change["value"] = {"statuses": list(statuses)} | value
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}


class TestStrayCharacters:
    """A tab in a name, or half of a cut emoji, lost a send: the guide's callers read no answer."""

    @pytest.mark.parametrize(
        ("field", "given", "kept"),
        [
            ("guest_name", "Asha\tRao\n", "Asha Rao "),
            ("guest_name", "\x1f\x7f\x85", "   "),
            ("guest_name", "Jo \ud83d", "Jo \ufffd"),
            ("guest_name", "\ud83d\ude00\u200d\u2028é", "\U0001f600\u200d\u2028é"),
            ("template_name", "a\x00b", "a b"),
            ("flow_type", "a\rb", "a b"),
            ("message_type", "a\x0bb", "a b"),
            ("guest_id", "g\udc00", "g\ufffd"),
        ],
    )
    @pytest.mark.parametrize("form", ["alone", "batch", "lines"])
    async def test_they_cost_no_send(
        self, service: Client, form: str, field: str, given: str, kept: str
    ) -> None:
        body = SEND | {field: given}
        if form == "alone":
            assert (await post(service, "track-send", body))[0] == 200
        elif form == "batch":
            _, answer = await post(service, "track-send/batch", {"messages": [body], "x": "\ud83d"})
            assert answer["ok"] is True
        else:
            _, [answer] = await post(service, "track-send/batch", body, LINES)
            assert answer["ok"] is True
        assert (await details(service))[field] == kept

    @pytest.mark.parametrize(
        "field", ["template_wamid", "event_id", "event_registration_id", "guest_id"]
    )
    async def test_an_id_with_a_control_character_is_named(
        self, service: Client, field: str
    ) -> None:
        status, answer = await post(service, "track-send", SEND | {"event_id": "e", field: "a\nb"})
        assert (status, answer["field"]) == (400, field)
        assert await details(service) is None

    async def test_a_phone_number_drops_them(self, service: Client) -> None:
        await post(service, "track-send", SEND | {"wa_id": "91 98765\t43210\n"})
        assert (await details(service))["recipient_id"] == "919876543210"
        status, answer = await post(service, "track-send", SEND | {"wa_id": "US.1\n"})
        assert (status, answer["field"]) == (400, "wa_id")

    async def test_half_of_an_emoji_in_a_wamid_is_the_same_wherever_it_stands(
        self, service: Client
    ) -> None:
        wamid = "wamid.\ud83d"
        assert (await post(service, "message-status", UPDATE | {"wamid": wamid}))[0] == 200
        await post(service, "whatsapp", payload(METAS | {"id": wamid, "status": "read"}))
        _, answer = await post(service, "message-status-lookup", {"wamids": [wamid]})
        assert answer["statuses"]["wamid.\ufffd"]["status"] == "read"
        assert answer["statuses"]["wamid.\ufffd"]["delivered_at"]

    async def test_of_an_error_the_halves_are_told_from_control_characters(
        self, service: Client
    ) -> None:
        errors = [{"code": 1, "title": "so\tsad \ud83d", "error_data": {"details": "\udc00!"}}]
        await post(service, "message-status", UPDATE | {"status": "failed", "errors": errors})
        error = (await details(service))["error"]
        assert (error["message"], error["details"]) == ("so sad \ufffd", "\ufffd!")

    async def test_a_template_is_found_by_the_name_that_was_sent(self, service: Client) -> None:
        await post(service, "track-send", SEND | {"template_name": "rsvp\ninvite"})
        for asked in ("rsvp\ninvite", "rsvp invite"):
            for name in ("message-logs", "failures", "message-stats"):
                path = URL(f"{API}/{name}/").with_query(template_name=asked)
                async with service.get(path, headers=TOKENED) as response:
                    answer = await response.json()
                    assert response.status == 200
                assert name != "message-logs" or len(answer["logs"]) == 1
                assert name != "message-stats" or answer["total"] == 1


class TestEncoding:
    """Broken text in unknown fields was taken; an invisible byte-order mark got a body refused."""

    @pytest.mark.parametrize(
        ("path", "raw"),
        [
            ("track-send", b'{"template_wamid":"wamid.1","wa_id":"919876543210","x":"\xff"}'),
            ("track-send", b'{"template_wamid":"wamid.1","wa_id":"919876543210","x\xff":1}'),
            ("track-send", b'{"template_wamid":"wamid.1","wa_id":"919876543210"}\xff'),
            (
                "message-status",
                b'{"wamid":"wamid.1","status":"read","timestamp":"%b","errors":["\xe9"]}',
            ),
            (
                "message-status/batch",
                b'{"updates":[{"wamid":"wamid.1","status":"read","timestamp":"%b"},{"x":"\xff"}]}',
            ),
            (
                "whatsapp",
                b'{"x":"\xed\xa0\xbd","entry":[{"changes":[{"field":"messages","value":{}}]}]}',
            ),
        ],
    )
    async def test_what_is_no_utf8_is_refused(self, service: Client, path: str, raw: bytes) -> None:
        status, answer = await post(service, path, raw.replace(b"%b", NOW_S.encode()))
        assert status == 400
        assert "UTF-8" in answer["error"]
        assert await details(service) is None

    @pytest.mark.parametrize("path", ["track-send", "message-status", "whatsapp"])
    async def test_nor_is_what_windows_calls_unicode_taken(
        self, service: Client, path: str
    ) -> None:
        """UTF-16 of English letters alone is UTF-8 too, with a character 0 behind each letter."""
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            body = SEND | METAS | UPDATE | payload(METAS)
            status, answer = await post(service, path, json.dumps(body).encode(encoding))
            assert (status, answer["ok"]) == (400, False)
        assert await details(service) is None

    async def test_of_a_stream_that_line_alone(self, service: Client) -> None:
        good = json.dumps(SEND).encode()
        _, answers = await post(
            service, "track-send/batch", good + b'\n{"x":"\xff"}\n' + good, LINES
        )
        assert [answer["ok"] for answer in answers] == [True, False, True]

    async def test_a_byte_order_mark_is_passed_over(self, service: Client) -> None:
        good = json.dumps(SEND).encode()
        assert (await post(service, "track-send", BOM + good))[0] == 200
        assert (await post(service, "whatsapp", BOM + json.dumps(payload(METAS)).encode()))[
            0
        ] == 200
        for first in (BOM, BOM + b"\n"):
            _, answers = await post(service, "track-send/batch", first + good + b"\n" + good, LINES)
            assert [answer["ok"] for answer in answers] == [True, True]
        many = {"messages": [SEND]}
        assert (await post(service, "track-send/batch", BOM + json.dumps(many).encode()))[0] == 200

    @pytest.mark.parametrize(
        "content_type",
        ["application/jsonl", "application/jsonlines", "application/x-jsonlines", "text/plain",
         "application/ndjson", "application/json", "application/x-www-form-urlencoded"],
    )  # fmt: skip
    @pytest.mark.parametrize("lines", [1, 2, 60_000])
    async def test_lines_that_are_called_something_else_are_told_what_they_need(
        self, service: Client, content_type: str, lines: int
    ) -> None:
        """The answer was "messages is required", of a file in which every line is right."""
        raw = b"\n".join([json.dumps(SEND).encode()] * lines).ljust(6 * 1024**2 if lines > 9 else 0)
        headers = TOKENED | {"Content-Type": content_type}
        status, answer = await post(service, "track-send/batch", raw, headers)
        assert status in {400, 413}
        assert "Content-Type application/x-ndjson" in answer["error"]


class TestWhenItWasSent:
    """Sends that were tracked later, after an outage say, counted as sent at that later time."""

    @pytest.mark.parametrize("given", ["2026-01-15T10:30:05.250Z", 1768473005, "1768473005"])
    @pytest.mark.parametrize("form", ["alone", "batch", "lines"])
    async def test_a_send_says_when(self, service: Client, form: str, given: object) -> None:
        body: object = SEND | {"sent_at": given}
        if form == "batch":
            body = {"messages": [body]}
        path = "track-send" if form == "alone" else "track-send/batch"
        status, _ = await post(service, path, body, LINES if form == "lines" else TOKENED)
        assert status == 200
        assert (await details(service))["sent_at"][:19] == "2026-01-15T10:30:05"

    @pytest.mark.parametrize("given", [None, ""])
    async def test_without_a_time_it_is_the_arrival(self, service: Client, given: object) -> None:
        await post(service, "track-send", SEND | {"sent_at": given})
        found = await details(service)
        assert found["sent_at"] == found["created_at"]

    @pytest.mark.parametrize("given", ["yesterday", 0, "1768473005000", 1.5, [], "2026-01-15\n"])
    async def test_a_time_that_is_none_is_refused(self, service: Client, given: object) -> None:
        status, answer = await post(service, "track-send", SEND | {"sent_at": given})
        assert (status, answer["field"]) == (400, "sent_at")


class TestStatusUpdates:
    """A status was refused, and so lost, for a bad recipient, which it doesn't need."""

    @pytest.mark.parametrize(
        "given", ["12", "+", "x" * 141, "9" * 141, 5, 10**200, 1.5, True, [], {"a": 1}, "US.1\n",
                  "undefined\x00"],
    )  # fmt: skip
    @pytest.mark.parametrize("form", ["alone", "batch", "lines"])
    async def test_an_odd_recipient_costs_no_status(
        self, service: Client, form: str, given: object
    ) -> None:
        body: object = UPDATE | {"recipient_id": given}
        if form == "batch":
            body = {"updates": [body]}
        path = "message-status" if form == "alone" else "message-status/batch"
        status, _ = await post(service, path, body, LINES if form == "lines" else TOKENED)
        found = await details(service)
        assert (status, found["status"], found["recipient_id"]) == (200, "delivered", "")
        assert await metric(service, 'tracker_odd_parts_total{part="recipient_id"}') == 1

    @pytest.mark.parametrize(
        "raw", [b"1e999", b"9" * 5000, b'"\\ud83d"', b'"' + b"x" * 9999 + b'"']
    )
    async def test_nor_does_one_that_no_program_can_read(self, service: Client, raw: bytes) -> None:
        body = json.dumps(UPDATE).encode()[:-1] + b',"recipient_id":' + raw + b"}"
        assert await post(service, "message-status", body) == (
            200,
            {"ok": True, "status": "delivered"},
        )

    @pytest.mark.parametrize("given", [{}, {"recipient_id": None}, {"recipient_id": ""}])
    async def test_one_that_is_left_out_is_nothing_odd(
        self, service: Client, given: dict[str, object]
    ) -> None:
        assert (await post(service, "message-status", UPDATE | given))[0] == 200
        assert await metric(service, 'tracker_odd_parts_total{part="recipient_id"}') == 0

    async def test_a_forwarder_that_passes_everything_on_loses_nothing(
        self, service: Client
    ) -> None:
        """The ids of people without a phone number were dropped; Meta can't be asked for them."""
        metas = {
            "id": "wamid.1",
            "recipient_type": "individual",
            "recipient_user_id": "IN." + "1" * 128,
            "recipient_parent_user_id": "IN.ENT." + "2" * 128,
            "biz_opaque_callback_data": "run 7",
            "pricing": {"type": "regular", "category": "utility"},
            "conversation": {"id": "c", "origin": {"type": "utility"}},
        }
        assert (await post(service, "message-status", UPDATE | metas))[0] == 200
        found = await details(service)
        assert found["user_id"] == found["recipient_id"] == metas["recipient_user_id"]
        assert found["parent_user_id"] == metas["recipient_parent_user_id"]
        assert (found["callback_data"], found["pricing"]) == ("run 7", metas["pricing"])

    async def test_odd_ids_cost_no_status_either(self, service: Client) -> None:
        odd = {"recipient_user_id": [], "user_id": "IN.7", "pricing": 1, "parent_user_id": "\x00"}
        assert (await post(service, "message-status", UPDATE | odd))[0] == 200
        found = await details(service)
        assert (found["user_id"], found["parent_user_id"]) == ("IN.7", None)


class TestMetasIds:
    """Ids were not read at all the places of Meta's pages, and Meta can't be asked for them."""

    @pytest.mark.parametrize("name", ["recipient_user_id", "user_id"])
    @pytest.mark.parametrize(
        "parent", ["recipient_parent_user_id", "parent_recipient_user_id", "parent_user_id"]
    )
    @pytest.mark.parametrize("path", ["whatsapp", "message-status"])
    async def test_in_a_status(self, service: Client, path: str, name: str, parent: str) -> None:
        ids = {name: "IN.1", parent: "IN.2"}
        body = payload(METAS | ids) if path == "whatsapp" else UPDATE | ids
        assert (await post(service, path, body))[0] == 200
        found = await details(service)
        assert (found["user_id"], found["parent_user_id"]) == ("IN.1", "IN.2")
        assert found["recipient_id"] == "IN.1"

    @pytest.mark.parametrize(
        "name",
        [
            "recipient_participant_id",
            "participant_recipient_id",
            "recipient_participant_user_id",
            "recipient_participant_parent_user_id",
        ],
    )
    @pytest.mark.parametrize("path", ["whatsapp", "message-status"])
    async def test_of_a_participant(self, service: Client, path: str, name: str) -> None:
        ids = {"recipient_type": "group", "recipient_id": "group-1", name: "919876543211"}
        body = payload(METAS | ids) if path == "whatsapp" else UPDATE | ids
        assert (await post(service, path, body))[0] == 200
        found = await details(service)
        named = [each["participant_id"] for each in found["participants"]]
        assert (found["recipient_id"], named) == ("group-1", ["919876543211"])

    async def test_beside_the_statuses(self, service: Client) -> None:
        contacts = [
            {"wa_id": "919876543211", "user_id": "IN.B", "profile": {"username": "ravi"}},
            {"wa_id": "919876543210", "user_id": "IN.A", "parent_user_id": "IN.ENT.A"},
            {"user_id": "IN.C", "parent_user_id": "IN.ENT.C"},
            None,
        ]
        statuses = [
            METAS | {"recipient_id": "919876543210"},
            METAS | {"id": "wamid.2", "recipient_id": "919876543211"},
            METAS | {"id": "wamid.3", "recipient_user_id": "IN.C"},
            METAS | {"id": "wamid.4", "recipient_id": "919876543219"},
        ]
        await post(service, "whatsapp", payload(*statuses, contacts=contacts))
        found = [await details(service, f"wamid.{number}") for number in (1, 2, 3, 4)]
        assert [each["user_id"] for each in found] == ["IN.A", "IN.B", "IN.C", None]
        assert [each["parent_user_id"] for each in found] == ["IN.ENT.A", None, "IN.ENT.C", None]

    async def test_beside_the_statuses_of_people_known_by_a_parent_id(
        self, service: Client
    ) -> None:
        """A status lacks the number of a person who was sent to by that id."""
        contacts = [
            {"wa_id": "919876543210", "user_id": "IN.A", "parent_user_id": "IN.ENT.A"},
            {"wa_id": "919876543211", "user_id": "IN.B"},
        ]
        statuses = [
            METAS | {"recipient_parent_user_id": "IN.ENT.A"},
            METAS | {"id": "wamid.2", "recipient_user_id": "IN.ENT.A"},
        ]
        await post(service, "whatsapp", payload(*statuses, contacts=contacts))
        found = [await details(service, wamid) for wamid in ("wamid.1", "wamid.2")]
        assert [each["recipient_id"] for each in found] == ["919876543210"] * 2
        assert [each["user_id"] for each in found] == ["IN.A", "IN.ENT.A"]

    async def test_a_person_known_by_a_parent_id_alone_is_the_recipient(
        self, service: Client
    ) -> None:
        ids = {"recipient_parent_user_id": "IN.ENT.A"}
        await post(service, "whatsapp", payload(METAS | ids))
        assert (await details(service))["recipient_id"] == "IN.ENT.A"

    async def test_of_the_one_contact_there_is(self, service: Client) -> None:
        """Meta leaves a digit of Brazil's numbers out, and a recipient known by username."""
        contact = {"wa_id": "553187654321", "user_id": "BR.1"}
        statuses = [METAS | {"recipient_id": "5531987654321"}] * 2
        await post(service, "whatsapp", payload(*statuses, contacts=[contact]))
        await post(service, "whatsapp", payload(METAS | {"id": "wamid.2"}, contacts=[contact]))
        first, second = await details(service), await details(service, "wamid.2")
        assert (first["recipient_id"], first["user_id"]) == ("5531987654321", "BR.1")
        assert (second["recipient_id"], second["user_id"]) == ("553187654321", "BR.1")

    async def test_one_contact_is_not_everybodys(self, service: Client) -> None:
        two = [METAS | {"id": f"wamid.{n}", "recipient_id": f"91987654321{n}"} for n in (1, 2)]
        await post(service, "whatsapp", payload(*two, contacts=[{"user_id": "IN.1"}]))
        assert [(await details(service, f"wamid.{n}"))["user_id"] for n in (1, 2)] == [None, None]

    async def test_of_a_group_the_one_contact_is_the_participant(self, service: Client) -> None:
        group = METAS | {"recipient_type": "group", "recipient_id": "group-1"}
        await post(service, "whatsapp", payload(group, contacts=[{"user_id": "IN.1"}]))
        found = await details(service)
        assert (found["recipient_id"], found["user_id"]) == ("group-1", None)
        assert [each["participant_id"] for each in found["participants"]] == ["IN.1"]


class TestMetasWebhook:
    """Anybody could forge statuses, and a programmer heard nothing of what was passed over."""

    async def test_a_wrong_signature_is_refused_whatever_else_opens(self, service: Client) -> None:
        raw = json.dumps(payload(METAS)).encode()
        for given in (signed(raw, "another"), {"X-Hub-Signature-256": "sha256=00"}):
            assert (await post(service, "whatsapp", raw, TOKENED | given))[0] == 403
        assert await details(service) is None
        assert (await post(service, "whatsapp", raw, TOKENED | signed(raw)))[0] == 200

    @pytest.mark.parametrize("body", [{}, {"entry": []}, {"hello": [1]}, payload({}), payload(1)])
    async def test_meta_is_answered_200_for_whatever_it_signs(
        self, service: Client, body: object
    ) -> None:
        raw = json.dumps(body).encode()
        assert await post(service, "whatsapp", raw, signed(raw)) == (200, {"ok": True})
        status, answer = await post(service, "whatsapp", raw)
        assert status == 400
        assert "entry[].changes[].value.statuses[]" in answer["error"]

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"x":"\xff"}', b"7"])
    async def test_what_is_no_json_object_is_400_even_if_signed(
        self, service: Client, raw: bytes
    ) -> None:
        assert (await post(service, "whatsapp", raw, signed(raw)))[0] == 400

    @pytest.mark.parametrize(
        ("body", "taken", "passed_over"),
        [
            (payload(METAS, METAS), 2, {}),
            (payload(METAS, METAS | {"status": "warning"}), 1, {"unknown_status": 1}),
            (payload(METAS | {"status": "warning"}), 0, {"unknown_status": 1}),
            (payload(messages=[{}, {}]), 0, {"inbound": 2}),
            (payload(errors=[{"code": 131031}]), 0, {"account_error": 1}),
            (payload(METAS, field="standby"), 0, {"other_field": 1}),
            (payload(METAS, field="account_update"), 0, {"other_field": 1}),
            (payload(user_actions=[{}]), 0, {"other_content": 1}),
            (payload(METAS, 7), 1, {"malformed": 1}),
        ],
    )
    async def test_a_caller_with_the_token_is_told_what_became_of_it(
        self, service: Client, body: object, taken: int, passed_over: dict[str, int]
    ) -> None:
        expected = {"ok": True, "taken": taken, "passed_over": passed_over}
        assert await post(service, "whatsapp", body) == (200, expected)
        for kind, number in passed_over.items():
            name = f'tracker_webhook_items_total{{kind="{kind}"}}'
            assert await metric(service, name) == number

    async def test_where_a_setting_is_missing_it_is_named(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The error spoke of a wrong word although no word was set up; people tried for hours."""
        raw = json.dumps(payload(METAS)).encode()
        query = {"hub.mode": "subscribe", "hub.verify_token": "w", "hub.challenge": "1"}
        async with client.get(f"{API}/whatsapp/", params=query) as response:
            assert response.status == 403
            assert "meta.verify_token" in (await response.json())["error"]
        del client.session.headers["X-Webhook-Token"]
        async with client.get(f"{API}/whatsapp/", params=query) as response:
            assert response.status == 403
            assert "meta." not in (await response.json())["error"]
        status, answer = await post(client, "whatsapp", raw, signed(raw))
        assert status == 403
        assert "meta." not in answer["error"]
        missing = [r.__dict__["setting"] for r in caplog.records if r.msg == "setting_missing"]
        assert set(missing) == {"meta.verify_token", "meta.app_secret"}  # a line a second of each
        assert (await post(client, "whatsapp", raw, TOKENED | signed(raw)))[0] == 200


class TestTypingErrors:
    """`evnt_registration_id` was dropped in silence, and nobody found the message by its guest."""

    async def test_what_was_ignored_is_told_once_and_counted(
        self, service: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        body = SEND | {"evnt_registration_id": "r", "gest_name": "secret"}
        for _ in range(2):
            assert (await post(service, "track-send", body))[0] == 200
        await post(service, "message-status", UPDATE | {"evnt_registration_id": 1})
        await post(service, "track-send/batch", {"messages": [body], "note": 1})
        await post(service, "track-send/batch", body, LINES)
        name = 'tracker_fields_ignored_total{field="%s"}'
        assert await metric(service, name % "evnt_registration_id") == 5
        assert await metric(service, name % "gest_name") == 4
        told = [r for r in caplog.records if r.msg == "field_ignored"]
        names = sorted(record.__dict__["field"] for record in told)
        assert names == ["evnt_registration_id", "gest_name", "note"]
        assert "secret" not in caplog.text

    @pytest.mark.parametrize(
        "name", ["a b", "x" * 65, "919876543210", "a_919876543210", "é", "", "\ud83d", "x\n"]
    )
    async def test_what_is_no_name_of_a_field_is_counted_as_other(
        self, service: Client, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        await post(service, "track-send", SEND | {name: 1})
        assert await metric(service, 'tracker_fields_ignored_total{field="other"}') == 1
        assert [r.__dict__["field"] for r in caplog.records if r.msg == "field_ignored"] == [
            "other"
        ]

    async def test_nobody_can_fill_the_metrics_with_names(self, service: Client) -> None:
        for n in range(3):
            names = {f"name_{n}_{number}": 1 for number in range(100)}
            await post(service, "track-send", SEND | names)
        async with service.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        found = [line for line in lines if line.startswith("tracker_fields_ignored_total{")]
        assert len(found) == 51
        assert sum(float(line.split()[-1]) for line in found) == 300

    async def test_metas_own_names_are_no_typing_errors(
        self, service: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        more = {"id": "wamid.1", "conversation": {}, "pricing": {}, "recipient_type": "individual"}
        more |= {"group_id": "g", "recipient_identity_key_hash": "h"}
        await post(service, "message-status", UPDATE | more)
        await post(service, "whatsapp", payload(METAS | {"evnt_id": 1}))
        assert "field_ignored" not in caplog.text


class TestErrors:
    """What people read of a failure had half a link, the wrong remedy, or no meaning at all."""

    @pytest.mark.parametrize("way", ["message-status", "whatsapp"])
    @pytest.mark.parametrize(
        ("href", "kept"),
        [
            (
                "/docs/whatsapp/cloud-api/support/error-codes/",
                "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
            ),
            ("https://developers.facebook.com/x", "https://developers.facebook.com/x"),
            ("//elsewhere/x", "//elsewhere/x"),
        ],
    )
    async def test_a_link_is_whole(self, service: Client, way: str, href: str, kept: str) -> None:
        failed = {"status": "failed", "errors": [{"code": 131026, "href": href}]}
        body = payload(METAS | failed) if way == "whatsapp" else UPDATE | failed
        await post(service, way, body)
        assert (await details(service))["error"]["href"] == kept

    async def test_media_that_a_server_could_not_give_just_then_are_sent_again_now(
        self, service: Client
    ) -> None:
        for number, code in ((1, 503), (2, 404)):
            error = {
                "code": 131053,
                "title": "Media upload error",
                "error_data": {"details": f"Downloading media failed with http code {code}"},
            }
            failed = UPDATE | {"wamid": f"wamid.{number}", "status": "failed", "errors": [error]}
            await post(service, "message-status", failed)
        found = {}
        for remedy_class in ("now", "fix", "later"):
            path = f"{API}/failures/?class={remedy_class}"
            async with service.get(path, headers=TOKENED) as response:
                rows = (await response.json())["recipients"]
            found[remedy_class] = [(row["wamid"], row["class"]) for row in rows]
        assert found == {"now": [("wamid.1", "now")], "fix": [("wamid.2", "fix")], "later": []}
        assert (await details(service))["error"]["class"] == "now"

    async def test_of_a_code_that_is_not_known_metas_title_is_the_meaning(
        self, service: Client
    ) -> None:
        for number, code in ((1, 139999), (2, 131026)):
            errors = [{"code": code, "title": "Meta says so"}]
            failed = UPDATE | {"wamid": f"wamid.{number}", "status": "failed", "errors": errors}
            await post(service, "message-status", failed)
        assert (await details(service))["error"]["meaning"] == "Meta says so"
        assert (await details(service, "wamid.2"))["error"]["meaning"].startswith("Undeliverable")
        async with service.get(f"{API}/failures/", headers=TOKENED) as response:
            groups = (await response.json())["failures"]
        meanings = {group["code"]: group["meaning"] for group in groups}
        assert meanings["139999"] == "Meta says so"
        assert meanings["131026"].startswith("Undeliverable")
