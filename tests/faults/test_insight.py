"""Stats while others write, and lists of failures whose store goes away."""

import asyncio
import contextlib
import json
import random
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from service.api.app_keys import STORE
from service.domain.query import Position, Selection
from service.domain.record import Record
from service.models.insight_responses import message_stats
from service.store.paging import Page
from tests.conftest import TOKEN, Client
from tests.factories import BASE_MS, event_send, status_update
from tests.faults.fault_kit import LONGEST_S, SEND, STATUS, logged, records_at, service_on
from tests.process import Service
from tests.servers import RedisServer
from tests.stats_oracle import only, recount

API = "/api/webhooks"
STATS, FAILURES = f"{API}/message-stats/", f"{API}/failures/"
READS = [STATS, f"{API}/events/", f"{API}/templates/", f"{API}/messages/wamid.1/", FAILURES]
CSV = f"{FAILURES}?format=csv"
CHOSEN = [("all", ""), ("event", "e0"), ("event", "e1"), ("template", "t0")]
LAST_CHUNK = b"0\r\n\r\n"


def check_adds_up(stats: Mapping[str, Any]) -> None:
    """What one answer says is of one moment."""
    statuses, reached, awaiting = stats["statuses"], stats["reached"], stats["awaiting"]
    assert sum(statuses.values()) == stats["total"]
    assert sum(group["count"] for group in stats["failures"]) == statuses["failed"]
    assert reached["failed"] == statuses["failed"]
    assert stats["total"] >= reached["sent"] >= reached["delivered"] >= reached["read"]
    assert reached["read"] >= statuses["read"]
    assert awaiting["total"] == statuses["sent"]
    assert sum(age["count"] for age in awaiting["by_age"]) == awaiting["total"]
    for name, status in [("time_to_deliver", "delivered"), ("time_to_read", "read")]:
        steps = [step["count"] for step in stats[name]["within"]]
        assert steps == sorted(set(steps))
        assert stats[name]["count"] == (steps[-1] if steps else 0) <= reached[status]
    assert all(count >= 0 for count in [*statuses.values(), *reached.values()])


def differing(answers: Sequence[Any]) -> int:
    """How many of them say something that no other does."""
    return len({json.dumps(answer) for answer in answers})


def mixed_reports(number: int) -> list[tuple[str, dict[str, object]]]:
    """So many track-sends and statuses of some forty messages, which move between two events."""
    chance = random.Random(number)
    made: list[tuple[str, dict[str, object]]] = []
    for _ in range(number):
        message = chance.randrange(40)
        if chance.random() < 0.4:
            names = {"event_id": f"e{chance.randrange(2)}", "template_name": f"t{message % 2}"}
            made.append((SEND, dict(event_send(message, **names))))
            continue
        code = chance.choice([131026, 131049, 7])
        more = {"timestamp": BASE_MS // 1000 + chance.choice([0, 1, 30, 4_000, 3_000_000])}
        errors = {"errors": [{"code": code}]} if chance.random() < 0.8 else {}
        status = chance.choice(["sent", "sent", "delivered", "read", "failed"])
        made.append((STATUS, status_update(message, status, **more, **errors)))
    return made


async def get(client: Client, path: str, **parameters: str) -> Any:
    async with client.get(path, params=parameters) as response:
        assert response.status == 200
        return await response.json()


async def stats_of(client: Client, dimension: str, value: str) -> Any:
    names = {"event": {"event_id": value}, "template": {"template_name": value}}
    return await get(client, STATS, **names.get(dimension, {}))


async def write_all(client: Client, reports: Sequence[tuple[str, dict[str, object]]]) -> None:
    for path, body in reports:
        async with client.post(path, json=body) as response:
            assert response.status == 200, await response.text()


async def test_every_answer_adds_up_while_others_write(redis: RedisServer) -> None:
    """And at the end it is a recount."""
    reports = mixed_reports(600)
    async with service_on(redis.url) as client:
        writers = [asyncio.ensure_future(write_all(client, reports[n::12])) for n in range(12)]
        seen: list[Any] = []
        while not all(writer.done() for writer in writers):
            seen += [await stats_of(client, *chosen) for chosen in CHOSEN]
        await asyncio.gather(*writers)
        for stats in seen:
            check_adds_up(stats)
        totals = [stats["total"] for stats in seen[:: len(CHOSEN)]]
        assert differing(seen[:: len(CHOSEN)]) > 3, "the writers were not seen at work"
        assert totals == sorted(totals)
        records = list((await records_at(redis.url)).values())
        now_ms = max(int(record.created_us) for record in records) // 1000
        for dimension, value in CHOSEN:
            expected = message_stats(recount(only(records, dimension, value), now_ms))
            assert await stats_of(client, dimension, value) == expected
            check_adds_up(expected)


@pytest.mark.parametrize("backend", ["cluster"], indirect=True)
async def test_answers_add_up_where_partitions_are_asked_one_by_one(
    client: Client,
) -> None:
    """Each is of a moment of its own, and adds up by itself."""
    reports = mixed_reports(400)
    writers = [asyncio.ensure_future(write_all(client, reports[n::12])) for n in range(12)]
    seen: list[Any] = []
    while not all(writer.done() for writer in writers):
        seen += [await stats_of(client, *chosen) for chosen in CHOSEN]
    await asyncio.gather(*writers)
    for stats in seen:
        check_adds_up(stats)
    assert differing(seen[:: len(CHOSEN)]) > 3, "the writers were not seen at work"


@pytest.mark.parametrize("go_away", [RedisServer.kill, RedisServer.pause])
async def test_while_redis_is_away_all_are_answered_503_and_then_as_before(
    redis: RedisServer, go_away: Callable[[RedisServer], None]
) -> None:
    come_back = RedisServer.start if go_away is RedisServer.kill else RedisServer.resume
    async with service_on(redis.url, timeout_s=0.5) as client:
        await write_all(client, [(SEND, dict(event_send(1)))])
        await write_all(client, [(STATUS, status_update(1, "failed"))])
        before = [await get(client, path) for path in READS]
        go_away(redis)
        for path in [*READS, CSV]:
            async with client.get(path) as response:
                assert response.status == 503
                assert response.content_type == "application/json"
                assert int(response.headers["Retry-After"]) > 0
                answer = await response.json()
                assert answer["ok"] is False
        come_back(redis)
        await eventually_answered(client)
        assert [await get(client, path) for path in READS] == before


async def eventually_answered(client: Client) -> None:
    """Waits until the store answers again."""

    async def answered() -> bool:
        async with client.get(STATS) as response:
            return response.status == 200

    async with asyncio.timeout(3 * LONGEST_S):
        while not await answered():
            pass


async def fail_many(client: Client, number: int) -> None:
    updates = [status_update(each, "failed") for each in range(number)]
    async with client.post(f"{STATUS}batch/", json={"updates": updates}) as response:
        assert response.status == 200


async def raw_answer(client: Client, path: str, version: str = "1.1") -> bytes:
    """All bytes until the connection ends, cleanly or not."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = [f"GET {path} HTTP/{version}", "Host: x", "Connection: close"]
    head += [f"X-Webhook-Token: {client.session.headers['X-Webhook-Token']}", "", ""]
    writer.write("\r\n".join(head).encode())
    answer = b""
    async with asyncio.timeout(3 * LONGEST_S):
        with contextlib.suppress(ConnectionResetError):
            while piece := await reader.read(2**16):
                answer += piece
    writer.transport.abort()
    return answer


def looks_whole(answer: bytes) -> bool:
    """Whether the last line says how many rows there are, and is right."""
    rows, there, said = answer.rpartition(b"\n# ")
    if there:
        assert said.startswith(b"%d rows,," % rows.count(b"wamid."))
    return bool(there)


def killed_behind_a_page(client: Client, redis: RedisServer) -> None:
    """Has Redis go away when the second page of a list is asked for."""
    store = client.app[STORE]
    page_of = store.page

    async def page(selection: Selection, limit: int, after: Position | None = None) -> Page[Record]:
        if after:
            redis.kill()
        return await page_of(selection, limit, after)

    store.page = page  # type: ignore[method-assign]


async def test_a_sheet_that_breaks_off_does_not_end_in_good_order(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller can tell: there is no last chunk. A whole one has it."""
    async with service_on(redis.url, timeout_s=2.0) as client:
        await fail_many(client, 250)
        whole = await raw_answer(client, CSV)
        assert looks_whole(whole)
        assert whole.endswith(LAST_CHUNK)
        assert whole.count(b"wamid.") == 250
        killed_behind_a_page(client, redis)
        broken = await raw_answer(client, CSV)
        assert b" 200 " in broken.partition(b"\r\n")[0]
        assert broken.count(b"wamid.") == 200
        assert not looks_whole(broken)
        assert not broken.endswith(LAST_CHUNK)
        assert logged(caplog, "sheet_broke_off") == 1
        redis.start()
        await eventually_answered(client)
        async with client.get(CSV) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert logged(caplog, "sheet_broke_off") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_nor_does_one_at_the_end_of_the_service(
    redis: RedisServer, tmp_path: Path, number: signal.Signals
) -> None:
    with Service(
        tmp_path,
        TRACKER_REDIS__URL=redis.url,
        TRACKER_AUTH__TOKENS=TOKEN,
        TRACKER_HTTP__DRAIN_S="0.5",
    ) as service:
        address = urlsplit(service.url)
        long = "x" * 900  # that the sockets can't hold the whole sheet, who reads it be late
        async with aiohttp.ClientSession(headers={"X-Webhook-Token": TOKEN}) as session:
            for start in range(0, 6_000, 500):
                updates = [
                    status_update(start + each, "failed", errors=[{"code": 1, "title": long}])
                    for each in range(500)
                ]
                body = {"updates": updates}
                async with session.post(f"{service.url}{STATUS}batch/", json=body) as response:
                    assert response.status == 200
        with socket.create_connection((address.hostname, address.port), LONGEST_S) as caller:
            head = f"GET {CSV} HTTP/1.0\r\nHost: x\r\nX-Webhook-Token: {TOKEN}\r\n\r\n"
            caller.sendall(head.encode())
            pieces = iter(partial(caller.recv, 2**16), b"")
            sheet = next(pieces)
            while b"wamid." not in sheet:
                sheet += next(pieces)
            redis.pause()
            service.send_signal(number)
            with contextlib.suppress(ConnectionResetError):
                for piece in pieces:
                    sheet += piece
        redis.resume()
    assert not looks_whole(sheet)


async def test_nor_does_it_where_there_are_no_chunks(redis: RedisServer) -> None:
    """In HTTP/1.0, which many proxies speak, a good answer also ends with its connection."""
    async with service_on(redis.url, timeout_s=2.0) as client:
        await fail_many(client, 250)
        whole = await raw_answer(client, CSV, "1.0")
        assert looks_whole(whole)
        assert whole.count(b"wamid.") == 250
        killed_behind_a_page(client, redis)
        broken = await raw_answer(client, CSV, "1.0")
        assert broken.count(b"wamid.") < 250
        assert not looks_whole(broken)
