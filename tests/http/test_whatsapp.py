"""Meta's own webhook: who is let in, and that nothing in a payload costs a status."""

import asyncio
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from hypothesis import given
from hypothesis import strategies as st

from service.api.app_keys import STORE
from service.app import create_app
from service.config import MetaApp
from service.domain.record import Record
from service.domain.report import Clock, Extras
from service.models.meta_webhook import Payload
from tests.backends import Backend, open_store
from tests.conftest import TOKEN, Client, JsonTestServer, settings_of

WHATSAPP = "/api/webhooks/whatsapp/"
SECRETS = ["app-secret-1", "app-secret-2"]
AT_S = 1_705_314_600
HANDSHAKE = {"hub.mode": "subscribe", "hub.verify_token": "word-2", "hub.challenge": "1158201444"}
AT = {"timestamp": str(AT_S)}


@pytest.fixture
async def anyone(backend: Backend) -> AsyncIterator[Client]:
    """A caller without a token, of a service that knows Meta's secrets."""
    async with open_store(backend):
        pass
    meta = MetaApp(app_secret=SECRETS, verify_token=["word-1", "word-2"])
    settings = msgspec.structs.replace(settings_of(backend), meta=meta)
    async with TestClient(JsonTestServer(create_app(settings))) as client:
        yield client


def status(number: int, reported: str, **fields: object) -> dict[str, object]:
    """A status in Meta's form."""
    plain = {"id": f"wamid.{number}", "status": reported, "recipient_id": "919876543210"}
    return plain | AT | fields


def change(*statuses: object, **value: object) -> dict[str, object]:
    """A change of messages with these statuses."""
    metadata = {"display_phone_number": "15550001111", "phone_number_id": "106540352242922"}
    plain = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": list(statuses)}
    return {"field": "messages", "value": plain | value}


def payload(*changes: object) -> dict[str, object]:
    """A POST of Meta's with these changes."""
    entry = [{"id": "102290129340398", "changes": list(changes)}]
    return {"object": "whatsapp_business_account", "entry": entry}


async def post(client: Client, body: object, expected: int = 200, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(WHATSAPP, data=io.BytesIO(data), headers=headers) as response:
        answer = await response.json()
        assert response.status == expected, answer
        return answer


async def record(client: Client, number: int) -> Record | None:
    wamid = f"wamid.{number}"
    return (await client.app[STORE].lookup([wamid])).get(wamid)


async def statuses(client: Client, *numbers: int) -> list[str | None]:
    found = [await record(client, number) for number in numbers]
    return [each.status.value if each else None for each in found]


async def counted(client: Client) -> dict[str, int]:
    """How many items of each kind the metrics know."""
    async with client.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    head = 'tracker_webhook_items_total{kind="'
    found = [line.removeprefix(head).split('"} ') for line in lines if line.startswith(head)]
    return {kind: int(float(number)) for kind, number in found if float(number)}


def signature(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("backend", ["fake"], indirect=True)
class TestHandshake:
    @pytest.mark.parametrize("path", [WHATSAPP, WHATSAPP.rstrip("/")])
    async def test_the_challenge_comes_back(self, anyone: Client, path: str) -> None:
        async with anyone.get(path, params=HANDSHAKE) as response:
            assert (response.status, await response.read()) == (200, b"1158201444")
            assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert response.headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("word", [None, "", "wrong", "word-1word-2", "\ud83d"])
    async def test_another_word_is_refused(self, anyone: Client, word: str | None) -> None:
        query = {name: value for name, value in HANDSHAKE.items() if name != "hub.verify_token"}
        if word is not None:
            query["hub.verify_token"] = word.encode(errors="replace").decode()
        async with anyone.get(WHATSAPP, params=query) as response:
            assert response.status == 403
            assert (await response.json())["ok"] is False

    @pytest.mark.parametrize("missing", ["hub.mode", "hub.challenge"])
    async def test_what_is_no_handshake(self, anyone: Client, missing: str) -> None:
        query = {name: value for name, value in HANDSHAKE.items() if name != missing}
        async with anyone.get(WHATSAPP, params=query) as response:
            assert response.status == 400

    async def test_without_a_word_set_everyone_is_refused(self, backend: Backend) -> None:
        async with TestClient(JsonTestServer(create_app(settings_of(backend)))) as client:
            for word in ("word-1", "", "None"):
                query = HANDSHAKE | {"hub.verify_token": word}
                async with client.get(WHATSAPP, params=query) as response:
                    assert response.status == 403


@pytest.mark.parametrize("backend", ["fake"], indirect=True)
class TestAccess:
    BODY = json.dumps(payload(change(status(1, "sent"))), indent=2).encode()

    @pytest.mark.parametrize("secret", SECRETS)
    async def test_a_signature_over_the_raw_bytes_opens(self, anyone: Client, secret: str) -> None:
        signed = signature(self.BODY, secret)
        assert await post(anyone, self.BODY, X_Hub_Signature_256=signed) == {"ok": True}
        assert await statuses(anyone, 1) == ["sent"]

    @pytest.mark.parametrize(
        "given",
        [
            "sha256=",
            "sha256=00",
            "sha1=" + hashlib.sha1(BODY).hexdigest(),  # noqa: S324
            signature(BODY, "another secret"),
            signature(BODY + b" ", SECRETS[0]),
            signature(BODY, SECRETS[0]).removeprefix("sha256="),
            "é",
        ],
    )
    async def test_another_signature_is_refused(self, anyone: Client, given: str) -> None:
        await post(anyone, self.BODY, expected=403, X_Hub_Signature_256=given)
        assert await statuses(anyone, 1) == [None]

    async def test_the_token_opens_and_decides(self, anyone: Client) -> None:
        signed = signature(self.BODY, SECRETS[0])
        await post(anyone, self.BODY, 403, X_Webhook_Token="wrong", X_Hub_Signature_256=signed)
        assert await statuses(anyone, 1) == [None]
        await post(anyone, self.BODY, X_Webhook_Token=TOKEN, X_Hub_Signature_256=signed)
        assert await statuses(anyone, 1) == ["sent"]

    @pytest.mark.parametrize("path", [WHATSAPP, WHATSAPP.rstrip("/"), WHATSAPP.replace("a", "%61")])
    async def test_neither_is_no_way_in(self, anyone: Client, path: str) -> None:
        async with anyone.post(path, data=self.BODY) as response:
            assert response.status == 401
            assert (await response.json())["ok"] is False

    async def test_without_a_secret_set_only_the_token_opens(self, backend: Backend) -> None:
        async with TestClient(JsonTestServer(create_app(settings_of(backend)))) as client:
            for secret in ("", "None", *SECRETS):
                signed = signature(self.BODY, secret)
                await post(client, self.BODY, expected=403, X_Hub_Signature_256=signed)
            await post(client, self.BODY, X_Webhook_Token=TOKEN)

    async def test_it_may_have_five_mebibytes(self, client: Client) -> None:
        most = 5 * 1024**2
        await post(client, self.BODY.ljust(most))
        answer = await post(client, self.BODY.ljust(most + 1), expected=413)
        assert "5 MiB" in answer["error"]


class TestPayloads:
    async def test_every_entry_change_and_status_is_read(self, client: Client) -> None:
        body = payload(change(status(1, "sent"), status(2, "read")), change(status(3, "delivered")))
        body["entry"] *= 2  # type: ignore[operator]
        last = payload(change(status(4, "played"), status(1, "delivered")))
        body["entry"] += last["entry"]  # type: ignore[operator]
        assert await post(client, body) == {"ok": True, "taken": 8, "passed_over": {}}
        assert await statuses(client, 1, 2, 3, 4) == ["delivered", "read", "delivered", "read"]
        assert await counted(client) == {"status": 8}

    async def test_a_thousand_statuses_in_one_post(self, client: Client) -> None:
        some = [status(number % 300, "sent", timestamp=AT_S + number) for number in range(1000)]
        await post(client, payload(*(change(*some[at : at + 100]) for at in range(0, 1000, 100))))
        assert set(await statuses(client, *range(300))) == {"sent"}

    async def test_what_it_tells_is_kept_and_never_blanked(self, client: Client) -> None:
        """Pricing comes with only one of sent and delivered."""
        pricing = {"pricing_model": "PMP", "billable": True, "category": "utility"}
        sent = status(1, "sent", pricing=pricing, biz_opaque_callback_data="run 7")
        ids = {
            "recipient_user_id": "US.13491208655302741918",
            "parent_recipient_user_id": "US.ENT.1",
            "recipient_participant_id": "919876500001",
        }
        await post(client, payload(change(sent)))
        await post(client, payload(change(status(1, "delivered", **ids), metadata=None)))
        await post(client, payload(change(status(1, "read"))))
        found = await record(client, 1)
        assert found is not None
        names = [name for name in Record._fields if name in Extras.__struct_fields__]
        assert {name: getattr(found, name) for name in [*names, "participants"]} == {
            "phone_number_id": "106540352242922",
            "user_id": "US.13491208655302741918",
            "parent_user_id": "US.ENT.1",
            "participants": "1",
            "callback_data": "run 7",
            "pricing_category": "utility",
            "pricing_type": "",
            "pricing_model": "PMP",
            "pricing_billable": "true",
            "pricing_other": "",
        }

    async def test_the_error_keeps_its_details_and_its_link(self, client: Client) -> None:
        error = {
            "code": 131049,
            "title": "Not delivered",
            "message": "Not delivered",
            "error_data": {"details": "To maintain a healthy ecosystem"},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }
        await post(client, payload(change(status(1, "failed", errors=[error]))))
        found = await record(client, 1)
        assert found is not None
        assert (found.error_code, found.error_message) == ("131049", "Not delivered")
        assert found.error_details == "To maintain a healthy ecosystem"
        assert found.error_href == error["href"]

    @pytest.mark.parametrize(
        ("fields", "kept"),
        [
            ({"recipient_id": None, "recipient_user_id": "US.1349"}, "US.1349"),
            ({"recipient_id": "12", "recipient_user_id": "US.1349"}, "US.1349"),
            ({"recipient_user_id": "US.1349"}, "919876543210"),
            ({"recipient_id": {}}, ""),
            ({"recipient_id": "x" * 141}, ""),
            ({"recipient_id": "x" * 140}, "x" * 140),
            ({"recipient_id": "\u200e+91 98765\x0743210"}, "919876543210"),
            ({"recipient_id": "undefined"}, ""),
            ({"recipient_id": "9.19877E+11", "recipient_user_id": "US.1349"}, "US.1349"),
            ({"recipient_id": None, "recipient_user_id": "null"}, ""),
            ({"recipient_id": 919876543210}, "919876543210"),
            ({"recipient_id": "HBgLM", "recipient_type": "group"}, "HBgLM"),
        ],
    )
    async def test_who_the_recipient_is(
        self, client: Client, fields: dict[str, object], kept: str
    ) -> None:
        await post(client, payload(change(status(1, "sent", **fields))))
        found = await record(client, 1)
        assert found is not None
        assert found.recipient_id == kept

    async def test_one_malformed_status_never_fails_the_rest(self, client: Client) -> None:
        odd: list[object] = [
            {},
            None,
            "text",
            [],
            status(9, "sent", id=None),
            status(9, "sent", id=""),
            status(9, "sent", id="x" * 257),
            status(9, "sent", id="wamid.9\n"),
            status(9, "sent", timestamp=None),
            status(9, "sent", timestamp="soon"),
            status(9, "sent", timestamp="17053146000000"),
            status(9, "sent", timestamp=True),
            status(9, "sent", status=None),
            status(9, "sent", status=["sent"]),
        ]
        unknown = [status(9, "warning"), status(9, "deleted"), status(9, "SENT")]
        await post(client, payload(change(status(1, "sent"), *odd, *unknown, status(2, "read"))))
        assert await statuses(client, 1, 2, 9) == ["sent", "read", None]
        passed_over = await counted(client)
        assert passed_over.pop("status") == 2
        assert passed_over == {"malformed": len(odd) - 1, "unknown_status": len(unknown) + 1}

    @pytest.mark.parametrize(
        "fields",
        [
            {"errors": {}},
            {"errors": ["text", None, {"code": None}, {"code": [1], "title": {}}]},
            {"errors": [{"code": 2**70}]},
            {"pricing": []},
            {"pricing": {"price": 10**30}},
            {"pricing": {"x": "y" * 2000}},
            {"biz_opaque_callback_data": 7},
            {"biz_opaque_callback_data": "\ud83d\x1f" + "z" * 600},
            {"recipient_user_id": False, "recipient_participant_id": "\x1f"},
            {"conversation": "\ud83d"},
        ],
    )
    async def test_an_odd_part_is_left_out(self, client: Client, fields: dict[str, Any]) -> None:
        await post(client, payload(change(status(1, "failed", **fields), status(2, "read"))))
        assert await statuses(client, 1, 2) == ["failed", "read"]

    async def test_what_is_no_status_is_counted_and_passed_over(self, client: Client) -> None:
        inbound = {"field": "messages", "value": {"contacts": [{}], "messages": [{}, {"id": "x"}]}}
        calls = change(status(1, "sent", id="wacid.1")) | {"field": "calls"}
        await post(client, payload(inbound, calls, {"field": "account_update", "value": {}}))
        assert await counted(client) == {"inbound": 2, "other_field": 2}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"entry": None},
            {"entry": {}},
            {"entry": [None, 1, {"id": "1"}, {"changes": "x"}, {"changes": [None, 7]}]},
            payload({"field": "messages"}, {"field": "messages", "value": []}),
            payload(change(statuses={}), change(statuses="x"), change(metadata="x")),
        ],
    )
    async def test_what_holds_nothing_known_is_refused_unless_meta_signed_it(
        self, anyone: Client, body: object
    ) -> None:
        """A programmer must see it; but Meta would repeat a body answered 400 for seven days."""
        answer = await post(anyone, body, expected=400, X_Webhook_Token=TOKEN)
        assert "entry[].changes[].value.statuses[]" in answer["error"]
        raw = json.dumps(body).encode()
        signed = signature(raw, SECRETS[0])
        assert await post(anyone, raw, X_Hub_Signature_256=signed) == {"ok": True}

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"{}"', b"\xff", b"[" * 100_000])
    async def test_what_is_no_json_object_is_refused(self, client: Client, body: bytes) -> None:
        assert (await post(client, body, expected=400))["ok"] is False

    async def test_many_at_once_count_right(self, client: Client) -> None:
        bodies = [
            payload(change(*(status(n % 50, reported) for n in range(200))))
            for reported in ("sent", "read", "delivered", "failed", "played")
        ]
        await asyncio.gather(*(post(client, body) for body in bodies * 3))
        assert set(await statuses(client, *range(50))) == {"failed"}


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_status = st.fixed_dictionaries(
    {"id": st.just("wamid.1") | _json, "status": st.just("failed") | _json, "timestamp": _json},
    optional=dict.fromkeys(
        ("recipient_id", "errors", "pricing", "recipient_user_id", "biz_opaque_callback_data"),
        _json,
    ),
)


@given(st.lists(_status | _json, max_size=4), _json)
def test_nothing_in_a_payload_is_a_fault(some: list[Any], anything: Any) -> None:
    """And the one good status in it is always found."""
    clock = Clock(lambda: 1_800_000_000_000_000_000)
    good = status(7, "read")
    body = payload(anything, change(*some, good), change(metadata=anything, messages=anything))
    found = Payload(json.dumps(body).encode(), clock)
    assert "wamid.7" in {report.wamid for report in found.reports}
    assert found.items["status"] == len(found.reports)
    assert Payload(json.dumps({"entry": anything}).encode(), clock).items["status"] == 0
    for report in found.reports:
        msgspec.json.encode(report)
