"""What holds for every request: tokens, paths, errors, limits, ids, health, metrics."""

import asyncio
import gzip
import io
import json
import logging
from typing import cast

import pytest
from aiohttp.test_utils import TestServer
from yarl import URL

from service.telemetry import JsonFormatter
from service.web.middleware import RequestGate
from tests.conftest import TOKEN, Client
from tests.factories import event_send, status_update

API = "/api/webhooks"
STATUS = f"{API}/message-status/"
SEND = f"{API}/track-send/"

pytestmark = pytest.mark.parametrize("backend", ["fake"], indirect=True)


async def raw(client: Client, data: bytes) -> tuple[str, dict[str, object]]:
    """Sends bytes as they are; returns the status line and the body of the answer."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(), timeout=5)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.splitlines()[0].decode(), json.loads(body)


class TestToken:
    @pytest.mark.parametrize(("given", "status"), [(None, 401), ("", 401), ("wrong", 403)])
    @pytest.mark.parametrize("path", [STATUS, f"{API}/message-logs/", f"{API}/nothing-here/"])
    async def test_nobody_gets_in_without(
        self, anyone: Client, given: str | None, status: int, path: str
    ) -> None:
        headers = {} if given is None else {"X-Webhook-Token": given}
        async with anyone.post(path, data=b"not looked at", headers=headers) as response:
            answer = await response.json()
            assert response.status == status
            assert answer["ok"] is False
            assert "X-Webhook-Token" in answer["error"]

    @pytest.mark.parametrize("token", [TOKEN, "second-token"])
    async def test_each_of_several_lets_in(self, anyone: Client, token: str) -> None:
        headers = {"X-Webhook-Token": token}
        async with anyone.get(f"{API}/message-logs/", headers=headers) as response:
            assert response.status == 200

    async def test_a_token_of_odd_bytes_is_refused(self, anyone: Client) -> None:
        line, _ = await raw(
            anyone,
            b"GET /api/webhooks/message-logs/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"X-Webhook-Token: \xff\xfe\r\n\r\n",
        )
        assert " 403 " in line


class TestErrors:
    async def test_not_found_and_not_allowed(self, client: Client) -> None:
        async with client.get("/nothing") as response:
            assert response.status == 404
            assert (await response.json())["ok"] is False
        for path in (STATUS, STATUS.rstrip("/")):
            async with client.put(path) as response:
                assert response.status == 405
                assert response.headers["Allow"] == "POST"
                assert (await response.json())["ok"] is False

    @pytest.mark.parametrize("path", ["message-logs", "message-logs/", "message-logs/latest"])
    async def test_both_forms_of_a_path_answer_alike(self, client: Client, path: str) -> None:
        query = "?registration_id=r"
        async with client.get(f"{API}/{path}{query}", allow_redirects=False) as response:
            assert response.status == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"\xff",
            b'{"wamid": "\xff"}',
            b'{"wamid": NaN}',
            b'{"wamid": "a", "status": "read", "timestamp": 1705314600, "x": "\\ud83d", "y": NaN}',
            '{"wamid": "a", "status": "read", "timestamp": 1705314600}'.encode("utf-16"),
            b"[" * 100_000,
            b'{"a":' * 50_000,
        ],
    )
    async def test_a_body_that_is_no_json_object(self, client: Client, body: bytes) -> None:
        async with client.post(STATUS, data=body) as response:
            assert response.status == 400
            assert set(await response.json()) == {"ok", "error"}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("wamid", ""),
            ("wamid", None),
            ("wamid", True),
            ("wamid", 1.5),
            ("wamid", ["a"]),
            ("wamid", "x" * 257),
            ("wamid", 10**300),
            ("wamid", "a\nb"),
            ("wamid", "a\x7f"),
            ("wamid", "a\x85"),
            ("status", "seen"),
            ("status", "SENT"),
            ("status", None),
            ("status", 1),
            ("timestamp", "yesterday"),
            ("timestamp", ""),
            ("timestamp", "2024-01-15"),
            ("timestamp", "2024-01-15x10:30:00Z"),
            ("timestamp", "2008-12-31T23:59:59Z"),
            ("timestamp", "2124-01-15T10:30:00Z"),
            ("timestamp", "1705314600000"),
            ("timestamp", 1705314600.5),
            ("timestamp", -1),
            ("timestamp", 10**40),
        ],
    )
    async def test_a_wrong_field_is_named_and_nothing_written(
        self, client: Client, field: str, value: object
    ) -> None:
        async with client.post(STATUS, json=status_update(1, "read", **{field: value})) as response:
            answer = await response.json()
            assert (response.status, answer["field"]) == (400, field)
            assert field in answer["error"]
        async with client.get(f"{API}/message-logs/") as response:
            assert (await response.json()) == {"logs": []}

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            (event_send(1, wa_id=""), "wa_id"),
            (event_send(1, event_id=""), "event_registration_id"),
            (event_send(1, guest_name="x" * 513), "guest_name"),
            (event_send(1, flow_type="x" * 129), "flow_type"),
            (event_send(1) | {"template_name": 5}, "template_name"),
            ({"wa_id": "919876543210"}, "template_wamid"),
        ],
    )
    async def test_a_wrong_send_is_named(
        self, client: Client, body: dict[str, object], field: str
    ) -> None:
        async with client.post(SEND, json=body) as response:
            assert (response.status, (await response.json())["field"]) == (400, field)

    async def test_lengths_count_characters_and_unknown_fields_are_ignored(
        self, client: Client
    ) -> None:
        body = event_send(1, guest_name="👪" * 512, event_id="ü" * 128) | {"more": [1]}
        async with client.post(SEND + "?query=ignored", json=body) as response:
            assert response.status == 200
        async with client.get(f"{API}/message-logs/") as response:
            assert (await response.json())["logs"][0]["guest_name"] == "👪" * 512

    async def test_an_escaped_path_is_found_by_nobody(self, client: Client) -> None:
        """Also after its plain form was found, and remembered."""
        for path, status in [("/api/webhooks", 200), ("/api%2Fwebhooks", 404)]:
            address = URL(f"{path}/message-logs/", encoded=True)
            async with client.get(address) as response:
                assert response.status == status

    async def test_escaped_forms_of_a_path_are_not_remembered(self, client: Client) -> None:
        """There are thousands of each, and who calls needs no token to go through them."""
        for path in ("/healthz", "/%68ealthz", "/h%65althz", "/%68%65althz"):
            async with client.get(URL(path, encoded=True)) as response:
                assert response.status == 200
        assert isinstance(client.server, TestServer)
        runner = client.server.runner
        assert runner is not None
        assert runner.server is not None
        entrance = cast("RequestGate", runner.server.request_handler)
        assert list(entrance._matches) == [("GET", "/healthz")]

    async def test_a_body_over_a_mebibyte(self, client: Client) -> None:
        body = json.dumps({"wamids": ["x"], "more": "y" * 1024**2}).encode()
        path = f"{API}/message-status-lookup/"
        async with client.post(path, data=io.BytesIO(body)) as response:
            assert response.status == 413
            assert "1 MiB" in (await response.json())["error"]

    @pytest.mark.parametrize("token", [TOKEN, "wrong", ""])
    @pytest.mark.parametrize("path", [STATUS, f"{API}/whatsapp/", "/nowhere", "/healthz"])
    @pytest.mark.parametrize("encoding", ["gzip", "Deflate", "br", "zstd", "gzip, gzip", "x", ""])
    async def test_a_compressed_body_is_refused_and_stays_packed(
        self, client: Client, encoding: str, path: str, token: str
    ) -> None:
        """A little of it may unpack to very much; so nobody need know who sends it, nor whereto."""
        headers = {"Content-Encoding": encoding, "X-Webhook-Token": token}
        async with client.post(path, data=gzip.compress(b"{}"), headers=headers) as response:
            assert response.status == 415
            assert response.headers["Accept-Encoding"] == "identity"
            assert "Content-Encoding" in (await response.json())["error"]

    async def test_a_body_that_says_that_it_is_plain_is_taken(self, client: Client) -> None:
        headers = {"Content-Encoding": "Identity"}
        async with client.post(STATUS, json=status_update(1, "read"), headers=headers) as response:
            assert response.status == 200
        async with client.get("/healthz", headers={"Content-Encoding": "gzip"}) as response:
            assert response.status == 200  # there is no body

    @pytest.mark.parametrize(
        "data",
        [
            b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nbad header secret-value\r\n\r\n",
            b"POST /api/webhooks/message-status/ HTTP/1.1\r\nHost: a\r\nX-Webhook-Token: "
            + TOKEN.encode()
            + b"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n\r\n",
        ],
    )
    async def test_malformed_http_is_answered_in_json(
        self, client: Client, data: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        line, answer = await raw(client, data)
        assert " 400 " in line
        assert answer["ok"] is False
        lines = [JsonFormatter().format(record) for record in caplog.records]
        assert lines
        assert not any("secret-value" in line or TOKEN in line for line in lines)

    async def test_an_unmet_expectation(self, client: Client) -> None:
        async with client.get("/healthz", headers={"Expect": "the unexpected"}) as response:
            assert response.status == 417
            assert (await response.json())["ok"] is False


class TestOperations:
    async def test_no_cache_on_the_way_keeps_an_answer(self, client: Client) -> None:
        """Of a message that isn't known yet neither: it may be in a moment."""
        for path, status in (("message-logs/", 200), ("messages/wamid.1/", 404)):
            async with client.get(f"{API}/{path}") as response:
                assert response.status == status
                assert response.headers["Cache-Control"] == "no-store"

    async def test_the_request_id_is_taken_over_or_made(self, client: Client) -> None:
        async with client.get("/healthz", headers={"X-Request-ID": "mine-1"}) as response:
            assert response.headers["X-Request-ID"] == "mine-1"
        made = set()
        for odd in ("with space", "x" * 129, ""):
            async with client.get("/nothing", headers={"X-Request-ID": odd}) as response:
                made.add(response.headers["X-Request-ID"])
        assert len(made) == 3
        assert not made & {"with space", "x" * 129, ""}

    async def test_a_refusal_is_logged_with_its_id_and_no_content(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        body = status_update(1, "read", recipient_id="919876543210", timestamp="never-ever")
        async with client.post(STATUS, json=body, headers={"X-Request-ID": "mine-2"}) as response:
            assert response.status == 400
        events = [record for record in caplog.records if record.getMessage() == "request_refused"]
        (line,) = [JsonFormatter().format(event) for event in events]
        assert json.loads(line)["status"] == 400
        assert json.loads(line)["route"] == STATUS
        assert "919876543210" not in line
        assert "never-ever" not in line

    async def test_health_needs_no_token(self, anyone: Client) -> None:
        for path in ("/healthz", "/readyz", "/metrics"):
            async with anyone.get(path) as response:
                assert response.status == 200

    async def test_head_answers_like_get(self, client: Client) -> None:
        for path in ("/healthz", f"{API}/message-logs"):
            async with client.head(path) as response:
                assert response.status == 200
                assert await response.read() == b""

    async def test_metrics_count_requests_and_reports(self, client: Client) -> None:
        for status in ("delivered", "delivered", "read"):
            async with client.post(STATUS, json=status_update(1, status)) as response:
                assert response.status == 200
        async with client.get("/nothing/919876543210") as response:
            assert response.status == 404
        async with client.get("/metrics") as response:
            text = await response.text()
        assert f'tracker_request_seconds_count{{route="{STATUS}",status="200"}} 3.0' in text
        assert 'tracker_request_seconds_count{route="unknown",status="404"} 1.0' in text
        assert 'tracker_reports_total{outcome="created",status="delivered"} 1.0' in text
        assert 'tracker_reports_total{outcome="unchanged",status="delivered"} 1.0' in text
        assert 'tracker_reports_total{outcome="changed",status="read"} 1.0' in text
        assert "tracker_batch_reports_count 3.0" in text
        assert "tracker_queue_reports 0.0" in text
        assert "919876543210" not in text
