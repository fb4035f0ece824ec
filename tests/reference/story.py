"""`make samples`: writes the sample bodies of `/openapi.json`, as the service answers them.

It tells a story to a service of its own: some sends, some statuses, then every question. A test
tells the story again and compares.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient

from service.api.app_keys import clock
from service.api.openapi import SAMPLES
from service.api.routes import WEBHOOKS
from service.app import create_app
from service.config import Auth, MetaApp, Redis, Settings
from service.web.http_responses import TOKEN
from tests.conftest import JsonTestServer

_TOKEN, _WORD = "a-token-for-samples", "word"  # which open nothing

_WAMID = "wamid.HBgLMTk4NzY1NDMyMTA"
_FAILED = "wamid.HBgLMTk4NzY1NDMyMTE"
_STANDALONE = "wamid.HBgLMTk4NzY1NDMyMTI"
_EVENT = {"event_id": "e-1", "template_name": "rsvp_invite_v2", "campaign_id": "c-1"}
_SEND = {
    "wa_id": "919876543210",
    "template_wamid": _WAMID,
    **_EVENT,
    "event_registration_id": "r-1",
    "flow_type": "rsvp",
    "message_type": "rsvp",
    "guest_id": "g-1",
    "guest_name": "John Doe",
    "phone_number_id": "106540352242922",
    "sent_at": "2026-01-15T10:30:00Z",
}
_SECOND_SEND = {
    "wa_id": "919876543211",
    "template_wamid": _FAILED,
    **_EVENT,
    "event_registration_id": "r-2",
    "guest_name": "Jane Roe",
    "sent_at": "2026-01-15T10:30:01Z",
}
_THIRD_SEND = {"wa_id": "919876543213", "template_wamid": "wamid.HBgLMTk4NzY1NDMyMTM"}
_STATUS = {
    "wamid": _WAMID,
    "recipient_id": "919876543210",
    "status": "delivered",
    "timestamp": "2026-01-15T10:30:05.000Z",
}
_READ = {"wamid": _WAMID, "status": "read", "timestamp": "1768473065"}
_LATE = {"wamid": _WAMID, "status": "sent", "timestamp": "1768473001"}
_METAS_STATUS = {
    "id": _FAILED,
    "status": "failed",
    "timestamp": "1768473003",
    "recipient_id": "919876543211",
    "errors": [
        {
            "code": 131026,
            "title": "Message undeliverable",
            "error_data": {"details": "Message Undeliverable."},
        }
    ],
}
_METAS_MESSAGE = {"from": "919876543210", "id": "wamid.HBgLMTk4", "type": "text"}
_PAYLOAD = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "102290129340398",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"phone_number_id": "106540352242922"},
                        "messages": [_METAS_MESSAGE],
                        "statuses": [_METAS_STATUS],
                    },
                }
            ],
        }
    ],
}

Told = dict[str, dict[str, dict[str, Any]]]
"""For each operation the bodies of its requests and of its answers, by the name of the sample."""


class _Teller:
    """Tells the story, and notes what was said."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self._client = client
        self.told: Told = {}

    async def post(self, operation: str, path: str, body: object, name: str = "sample") -> None:
        """Sends a body and notes it with its answer."""
        noted = self.told.setdefault(operation, {"request": {}, "answer": {}})
        noted["request"][name] = body
        async with self._client.post(f"{WEBHOOKS}/{path}", json=body) as response:
            assert response.status == 200, await response.text()
            noted["answer"][name] = await response.json()

    async def get(self, operation: str, path: str, **query: str) -> Any:
        """Asks and notes the answer; returns it."""
        async with self._client.get(path, params=query) as response:
            text = await response.text()
            assert response.status == 200, text
            is_json = response.content_type == "application/json"
            answer = json.loads(text) if is_json else text
        self.told.setdefault(operation, {"answer": {}})["answer"]["sample"] = answer
        return answer


async def tell() -> Told:
    """Returns what the service was told in the story, and how it answered."""
    with tempfile.TemporaryDirectory() as folder, _own_clock():
        settings = Settings(
            auth=Auth(tokens=[_TOKEN]),
            redis=Redis(url="fakeredis://", partitions=1),
            meta=MetaApp(verify_token=[_WORD]),
            data_dir=folder,
        )
        async with TestClient(
            JsonTestServer(create_app(settings)), headers={TOKEN: _TOKEN}
        ) as client:
            teller = _Teller(client)
            await _report(teller)
            await _ask(teller)
            return teller.told


async def _report(teller: _Teller) -> None:
    _set_clock("2026-01-15T10:30:00.250Z")
    await teller.post("trackSend", "track-send/", _SEND, "event")
    standalone = {"wa_id": "919876543212", "template_wamid": _STANDALONE}
    await teller.post("trackSend", "track-send/", standalone, "standalone")
    _set_clock("2026-01-15T10:30:01.250Z")
    await teller.post("trackSends", "track-send/batch/", {"messages": [_SECOND_SEND, _THIRD_SEND]})
    _set_clock("2026-01-15T10:30:06.120Z")
    await teller.post("updateStatus", "message-status/", _STATUS)
    await teller.post("receiveWebhook", "whatsapp/", _PAYLOAD)
    _set_clock("2026-01-15T10:31:06.120Z")
    await teller.post("updateStatuses", "message-status/batch/", {"updates": [_READ, _LATE]})


async def _ask(teller: _Teller) -> None:
    wamids = {"wamids": [_WAMID, _STANDALONE]}
    await teller.post("lookUpStatuses", "message-status-lookup/", wamids)
    logs = await teller.get("listMessageLogs", f"{WEBHOOKS}/message-logs/", event_id="e-1")
    teller.told["streamChanges"] = {"answer": {"sample": logs["logs"][-1]}}
    latest = f"{WEBHOOKS}/message-logs/latest/"
    await teller.get("getLatestMessageLog", latest, registration_id="r-1")
    await teller.get("getMessage", f"{WEBHOOKS}/messages/{_WAMID}/")
    await teller.get("getMessageStats", f"{WEBHOOKS}/message-stats/", event_id="e-1")
    for name in ("events", "templates", "campaigns", "phone-numbers"):
        operation = f"list{name.title().replace('-', '')}"
        await teller.get(operation, f"{WEBHOOKS}/{name}/")
    failures = f"{WEBHOOKS}/failures/"
    file = await teller.get("listFailures", failures, event_id="e-1", format="csv")
    await teller.get("listFailures", failures, event_id="e-1", count="true")
    teller.told["listFailures"]["answer"]["file"] = file
    await teller.post("eraseMessages", "erase/", {"event_id": "e-1"})
    handshake = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    handshake |= {"hub.verify_token": _WORD}
    await teller.get("verifyWebhook", f"{WEBHOOKS}/whatsapp/", **handshake)
    await teller.get("getHealth", "/healthz")
    await teller.get("getReadiness", "/readyz")
    whole = await teller.get("getMetrics", "/metrics")
    lines = [line for line in whole.splitlines() if "tracker_journal_reports" in line]
    teller.told["getMetrics"]["answer"]["sample"] = "\n".join(lines) + "\n"
    whole = await teller.get("getOpenapi", "/openapi.json")
    cut = {"openapi": whole["openapi"], "info": {"title": whole["info"]["title"]}, "paths": {}}
    teller.told["getOpenapi"]["answer"]["sample"] = cut


@contextmanager
def _own_clock() -> Iterator[None]:
    """Lets the story set the clock, and sets it right again."""
    before = clock._wall_ns
    try:
        yield
    finally:
        clock._wall_ns, clock._last_us = before, 0


def _set_clock(text: str) -> None:
    """Makes it that time in this process."""
    now_ns = round(datetime.fromisoformat(text).timestamp() * 1000) * 1_000_000
    clock._wall_ns = lambda: now_ns
    clock._last_us = 0


def main() -> None:
    """Writes the file."""
    told = asyncio.run(tell())
    Path(SAMPLES).write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
