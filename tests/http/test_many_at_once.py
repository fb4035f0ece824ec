"""A thousand requests at once: no error, and afterwards everything is as the oracle says."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import aiohttp
import pytest
from yarl import URL

from service.domain.record import Record
from service.domain.report import Context, Report, Status
from service.models.responses import STATUS_ROWS, MessageStatus, message_log, message_status
from tests.backends import Backend, expected_records, open_store
from tests.conftest import TOKEN
from tests.factories import BASE_MS
from tests.process import Service

REQUESTS = 1_000
MESSAGES = 125
PREFIX = "/api/webhooks"

ERRORS = [("131026", "Message undeliverable"), ("131047", "Re-engagement message"), ("", "")]


class Call(NamedTuple):
    """A request, and what it reports."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    report: Report | None = None


def _send(number: int) -> Call:
    """The one track-send of a message; every fifth is standalone."""
    context = Context(
        recipient_id=f"9198765{number % 40:05}",
        event_id=f"event-{number % 7}" if number % 5 else "",
        registration_id=f"registration-{number % 30}" if number % 5 else "",
        guest_id=f"guest-{number % 50}",
        template_name=f"template-{number % 3}",
        flow_type="rsvp" if number % 2 else "",
        guest_name=f"Gäst {number} 🎉",
    )
    body = {
        "wa_id": f"+91 98765-{number % 40:05}",
        "template_wamid": _wamid(number),
        "event_id": context.event_id or None,
        "event_registration_id": context.registration_id,
        "guest_id": context.guest_id,
        "template_name": context.template_name,
        "flow_type": context.flow_type,
        "guest_name": context.guest_name,
    }
    # The stamps are the service's own: they are compared with the time of the test.
    now_us = int(time() * 1_000_000)
    report = Report(_wamid(number), Status.SENT, now_us // 1000, now_us, context=context)
    return Call("POST", "/track-send/", body, report)


def _update(number: int, status: Status, chance: random.Random) -> Call:
    at_ms = BASE_MS + chance.randrange(50) * 500
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    recipient_id = f"9198765{number % 40:05}"
    code, message = chance.choice(ERRORS) if status is Status.FAILED else ("", "")
    body: dict[str, Any] = {
        "wamid": _wamid(number),
        "recipient_id": recipient_id,
        "status": status.value,
        "timestamp": moment.isoformat(timespec="milliseconds"),
        "errors": [{"code": int(code), "title": message}] if code else None,
    }
    report = Report(_wamid(number), status, at_ms, 0, recipient_id, code, message)
    return Call("POST", "/message-status/", body, report)


def _question(number: int, chance: random.Random) -> Call:
    return chance.choice(
        [
            Call("POST", "/message-status-lookup/", {"wamids": [*map(_wamid, range(number))]}),
            Call("GET", f"/message-logs/?event_id=event-{number % 7}&status=read"),
            Call("GET", f"/message-logs/?recipient_id=98765{number % 40:05}&limit=20"),
            Call("GET", "/message-logs/?standalone=true"),
            Call("GET", f"/message-logs/latest/?registration_id=registration-{number % 30}"),
        ]
    )


def _wamid(number: int) -> str:
    return f"wamid.HBgLMTk4NzY1NDMyMTAVAgAS{number:04}"


def _calls(chance: random.Random) -> list[Call]:
    """Every message is tracked once; then updates, half of them twice, and questions."""

    def more() -> Iterator[Call]:
        while True:
            number = chance.randrange(MESSAGES)
            update = _update(number, chance.choice(list(Status)), chance)
            yield update
            yield _update(number, Status.DELIVERED, chance)
            yield chance.choice([update, _question(number, chance)])
            yield _question(number, chance)

    sends = [_send(number) for number in range(MESSAGES)]
    calls = [*sends, *islice(more(), REQUESTS - MESSAGES)]
    chance.shuffle(calls)
    return calls


async def _made(client: aiohttp.ClientSession, calls: Sequence[Call]) -> Counter[int]:
    """Makes all calls at once, each on a connection of its own; counts the statuses."""

    async def make(call: Call) -> int:
        async with client.request(call.method, PREFIX + call.path, json=call.body) as answer:
            await answer.read()
            return answer.status

    return Counter(await asyncio.gather(*map(make, calls)))


async def _all_logs(client: aiohttp.ClientSession) -> dict[str, dict[str, Any]]:
    logs: list[dict[str, Any]] = []
    path = f"{PREFIX}/message-logs/?limit=200"
    while path:
        async with client.get(path) as response:
            logs += (await response.json())["logs"]
            path = URL(response.links["next"]["url"]).path_qs if response.links else ""
    assert len({log["wamid"] for log in logs}) == len(logs)
    return {log["wamid"]: log for log in logs}


async def _all_statuses(client: aiohttp.ClientSession) -> dict[str, dict[str, Any]]:
    wamids = [_wamid(number) for number in range(MESSAGES)]
    async with client.post(f"{PREFIX}/message-status-lookup/", json={"wamids": wamids}) as response:
        found: dict[str, dict[str, Any]] = (await response.json())["statuses"]
        return found


def _check_time(found: dict[str, Any], record: Record) -> None:
    """Without a reported `sent` its time is when the service took the track-send."""
    sent_at = found.pop("sent_at")
    if record.sent_ms and int(record.sent_ms) < BASE_MS + 60_000:
        assert sent_at == _status_of(record)["sent_at"]
    else:
        age_s = time() - datetime.fromisoformat(sent_at).timestamp()
        assert 0 <= age_s < 60


@pytest.fixture
async def client(backend: Backend, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A caller of a service in a process of its own, so that they don't take turns."""
    async with open_store(backend):
        pass
    settings = {
        "TRACKER_AUTH__TOKENS": TOKEN,
        "TRACKER_REDIS__URL": backend.url,
        "TRACKER_REDIS__PARTITIONS": str(backend.partitions),
    }
    with Service(tmp_path, **settings) as service:
        async with aiohttp.ClientSession(
            service.url,
            headers={"X-Webhook-Token": TOKEN},
            connector=aiohttp.TCPConnector(limit=0),
        ) as session:
            yield session


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["redis", "cluster"], indirect=True)
async def test_a_thousand_mixed_requests_at_once(client: aiohttp.ClientSession) -> None:
    calls = _calls(random.Random(1_000))
    assert len(calls) == REQUESTS
    assert await _made(client, calls) == {200: REQUESTS}

    expected = expected_records([call.report for call in calls if call.report])
    statuses, logs = await _all_statuses(client), await _all_logs(client)
    assert statuses.keys() == logs.keys() == expected.keys()
    for wamid, record in expected.items():
        _check_time(statuses[wamid], record)
        _check_time(logs[wamid], record)
        assert statuses[wamid] == _without_sent(_status_of(record))
        assert logs[wamid] == _without_sent(_log_of(record))


def _status_of(record: Record) -> MessageStatus:
    return message_status([getattr(record, field) or None for field in STATUS_ROWS.fields])


def _log_of(record: Record) -> dict[str, Any]:
    return {name: value for name, value in message_log(record).items() if name != "version"}


def _without_sent(shown: Any) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != "sent_at"}
