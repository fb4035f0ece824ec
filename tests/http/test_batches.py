"""Many reports in one request: arrays, and streams of lines."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from service.api.app_keys import STORE
from service.domain.identity import uuid_of
from service.models.ndjson import MOST_LINE_BYTES
from tests.backends import Backend, Bench
from tests.conftest import Client
from tests.factories import event_send, status_update
from tests.faults.fault_kit import eventually

API = "/api/webhooks"
SENDS = f"{API}/track-send/batch/"
UPDATES = f"{API}/message-status/batch/"
MIB = 1024**2
REFUSAL = "status must be one of sent, delivered, read, failed (or played, taken as read)."


async def post(client: Client, path: str, body: object, expected: int = 200) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client.post(path, data=io.BytesIO(data)) as response:
        answer = await response.json()
        assert response.status == expected, answer
        return answer


async def statuses(client: Client, *numbers: int) -> list[str | None]:
    """The status of each message; None for an unknown one."""
    wamids = [f"wamid.{number}" for number in numbers]
    found = (await post(client, f"{API}/message-status-lookup/", {"wamids": wamids}))["statuses"]
    return [found[wamid]["status"] if wamid in found else None for wamid in wamids]


def map_id(number: int) -> dict[str, object]:
    return {"ok": True, "map_id": uuid_of(f"wamid.{number}")}


class TestArrays:
    async def test_each_is_answered_as_by_itself(self, client: Client) -> None:
        standalone = {"wa_id": "919876543210", "template_wamid": "wamid.0"}
        answer = await post(client, SENDS, {"messages": [event_send(1), standalone]})
        results = [map_id(1), {"ok": True, "standalone": True, "wamid": "wamid.0"}]
        assert answer == {"ok": True, "results": results}
        updates = [
            status_update(1, "read"),
            status_update(1, "delivered"),
            status_update(2, "sent"),
        ]
        answer = await post(client, UPDATES, {"updates": updates})
        found = [{"ok": True, "status": status} for status in ("read", "read", "sent")]
        assert answer == {"ok": True, "results": found}

    async def test_a_thousand_are_taken_in_their_order(self, client: Client) -> None:
        """The same message again and again: later ones are the more recent."""
        messages = [event_send(n % 3, guest_name=f"name {n}") for n in range(1000)]
        answer = await post(client, SENDS, {"messages": messages})
        assert answer["results"] == [map_id(n % 3) for n in range(1000)]
        async with client.get(f"{API}/message-logs/") as response:
            logs = (await response.json())["logs"]
        names = {log["wamid"]: log["guest_name"] for log in logs}
        assert names == {f"wamid.{n % 3}": f"name {n}" for n in (997, 998, 999)}

    async def test_a_bad_item_never_touches_the_good_ones(self, client: Client) -> None:
        bad: list[object] = [
            status_update(2, "seen"),
            {},
            None,
            [],
            "text",
            {"wamid": "wamid.2", "status": "read"},
            status_update(2, "read", wamid="a\nb"),
            status_update(2, "read", wamid=""),
        ]
        body = {"updates": [status_update(1, "read"), *bad, status_update(3, "read")]}
        answer = await post(client, UPDATES, body)
        assert answer["ok"] is False
        assert answer["results"][0] == answer["results"][-1] == {"ok": True, "status": "read"}
        refusals = answer["results"][1:-1]
        assert [refusal["ok"] for refusal in refusals] == [False] * len(bad)
        fields = [refusal.get("field") for refusal in refusals]
        assert fields == [*("status", "wamid", None, None, None, "timestamp", "wamid", "wamid")]
        assert refusals[0] == {"ok": False, "error": REFUSAL, "field": "status"}
        assert await statuses(client, 1, 2, 3) == ["read", None, "read"]

    async def test_half_of_an_emoji_in_an_error_costs_no_status(self, client: Client) -> None:
        errors = [{"code": 131026, "title": "\ud83d"}]
        updates = [status_update(1, "failed", errors=errors), status_update(2, "read")]
        answer = await post(client, UPDATES, {"updates": updates, "note": "\ud83d"})
        assert answer["ok"] is True

    async def test_nothing_in_it_is_nothing_written(self, client: Client) -> None:
        assert await post(client, SENDS, {"messages": []}) == {"ok": True, "results": []}

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "messages"),
            ({"messages": None}, "messages"),
            ({"messages": {}}, "messages"),
            ({"messages": [{}] * 1001}, "messages"),
            ({"updates": []}, "messages"),
            ([], None),
            (b'{"messages": [{]}', None),
            (b"", None),
        ],
    )
    async def test_what_is_no_batch(self, client: Client, body: object, field: str | None) -> None:
        answer = await post(client, SENDS, body, expected=400)
        assert answer["ok"] is False
        assert answer.get("field") == field

    async def test_it_may_have_five_mebibytes(self, client: Client) -> None:
        batch = json.dumps({"messages": [event_send(1)]})
        assert (await post(client, SENDS, batch.ljust(5 * MIB).encode()))["ok"] is True
        answer = await post(client, SENDS, batch.ljust(5 * MIB + 1).encode(), expected=413)
        assert "at most 5 MiB" in answer["error"]
        alone = json.dumps(event_send(1)).ljust(MIB + 1).encode()
        answer = await post(client, f"{API}/track-send/", alone, expected=413)
        assert "at most 1 MiB" in answer["error"]

    async def test_one_without_a_length_is_measured_too(self, client: Client) -> None:
        async def pieces(number: int) -> AsyncIterator[bytes]:
            for _ in range(number):
                yield b" " * MIB

        for path, most in ((SENDS, 5), (f"{API}/track-send/", 1)):
            async with client.post(path, data=pieces(most + 1)) as response:
                assert response.status == 413
                assert f"at most {most} MiB" in (await response.json())["error"]


class Stream:
    """A caller that sends a line and reads its answer when it likes."""

    def __init__(self, client: Client, path: str) -> None:
        self._address = client.host, client.port
        token = client.session.headers["X-Webhook-Token"]
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Webhook-Token: {token}\r\n"
        form = "Transfer-Encoding: chunked\r\nContent-Type: application/x-ndjson\r\n\r\n"
        self._head = f"{head}{form}".encode()

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(*self._address)
        self.writer.write(self._head)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")

    async def answer(self) -> Any:
        """The next line; answers come in chunks of one line or more."""
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 5)
            if line.startswith(b"{"):
                return json.loads(line)
            assert line.strip() not in {b"", b"0"} or line == b"\r\n", "the stream has ended"


class TestStreams:
    async def test_a_line_is_answered_before_the_next_is_sent(self, client: Client) -> None:
        async with Stream(client, SENDS) as stream:
            for number in range(3):
                stream.send(json.dumps(event_send(number)).encode() + b"\n")
                assert await stream.answer() == map_id(number)
            stream.end()

    async def test_every_line_is_answered_in_its_place(self, client: Client) -> None:
        lines = [
            json.dumps(status_update(1, "delivered")),
            "",
            " \r",
            "{",
            "x" * (MOST_LINE_BYTES + 1),
            json.dumps(status_update(1, "read")) + "\r",
            json.dumps(status_update(2, "seen")),
            " " * (MOST_LINE_BYTES - 200) + json.dumps(status_update(3, "sent")),
        ]
        headers = {"Content-Type": "application/x-ndjson"}
        body = "\n".join(lines).encode()  # the last line isn't ended
        async with client.post(UPDATES, data=io.BytesIO(body), headers=headers) as response:
            assert response.status == 200
            assert response.content_type == "application/x-ndjson"
            assert response.headers["X-Request-ID"]
            answers = [json.loads(line) for line in (await response.read()).splitlines()]
        assert [answer["ok"] for answer in answers] == [True, False, False, True, False, True]
        assert "1 MiB" in answers[2]["error"]
        assert answers[4] == {"ok": False, "error": REFUSAL, "field": "status"}
        assert await statuses(client, 1, 2, 3) == ["read", None, "sent"]

    async def test_ten_thousand_in_one_request(self, client: Client) -> None:
        async def sends() -> AsyncIterator[bytes]:
            for number in range(10_000):
                yield json.dumps(event_send(number)).encode() + b"\n"

        headers = {"Content-Type": "application/x-ndjson; charset=utf-8"}
        async with client.post(SENDS, data=sends(), headers=headers) as response:
            number = 0
            async for line in response.content:
                assert json.loads(line) == map_id(number)
                number += 1
        assert number == 10_000
        assert await statuses(client, 0, 9_999, 10_000) == ["sent", "sent", None]

    async def test_a_stream_with_nothing_in_it(self, client: Client) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        async with client.post(SENDS, data=b"\n\n", headers=headers) as response:
            assert (response.status, await response.read()) == (200, b"")

    async def test_what_came_before_the_caller_left_is_written(self, client: Client) -> None:
        """And a line that was broken off is not."""
        async with Stream(client, UPDATES) as stream:
            broken = json.dumps(status_update(2, "read")).encode()
            stream.send(json.dumps(status_update(1, "read")).encode() + b"\n" + broken)
            assert await stream.answer() == {"ok": True, "status": "read"}
        server = client.server
        await eventually(
            lambda: not any(c.transport for c in server.handler.connections), "the end"
        )
        assert await statuses(client, 1, 2) == ["read", None]

    async def test_a_token_is_needed(self, anyone: Client) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        async with anyone.post(SENDS, data=b"{}\n", headers=headers) as response:
            assert response.status == 401


@pytest.mark.parametrize("backend", ["fake"], indirect=True)
async def test_refused_items_are_counted(client: Client) -> None:
    await post(client, UPDATES, {"updates": [{}, status_update(1, "read"), {}]})
    async with client.get("/metrics") as response:
        assert "tracker_items_refused_total 2.0" in await response.text()


@pytest.mark.parametrize("backend", ["redis", "cluster"], indirect=True)
async def test_the_store_holds_after_batches(backend: Backend, client: Client) -> None:
    """Indexes, counters and records agree."""
    updates = [status_update(n % 40, ("sent", "read", "failed")[n % 3]) for n in range(900)]
    await asyncio.gather(
        post(client, SENDS, {"messages": [event_send(n % 40) for n in range(300)]}),
        post(client, UPDATES, {"updates": updates}),
    )
    store = client.app[STORE]
    bench = Bench(store, store._scripts, store._server, backend.partitions, [])
    assert len(await bench.check_invariants()) == 40
