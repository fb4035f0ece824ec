"""The connection to Redis breaks around a merge: was it written or not? Nothing counts twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.domain.record import Record
from tests.conftest import Client
from tests.factories import event_send, status_update
from tests.faults.fault_kit import SEND, STATUS, records_at, service_on
from tests.proxy import Cut, Proxy
from tests.servers import RedisServer

REPLY = b"*2\r\n$4\r\nsent\r\n$7\r\ncreated\r\n"
"""To the merge of a message's first report, a track-send."""

ERRORS = [{"code": 131026, "title": "Message undeliverable"}]


@asynccontextmanager
async def _cut_off(
    redis: RedisServer, timeout_s: float = 4.0
) -> AsyncIterator[tuple[Client, Proxy]]:
    async with (
        Proxy(redis.port, marker=b"wamid.") as proxy,
        service_on(proxy.url, timeout_s=timeout_s) as client,
    ):
        assert await _tell(client, 0) == [200, 200, 200]  # loads the script
        yield client, proxy
        assert not proxy.cuts


async def _tell(client: Client, number: int) -> list[int]:
    """Tracks a message, moves it to another event, and has it fail; returns the statuses."""
    bodies = [
        (SEND, event_send(number)),
        (SEND, event_send(number, event_id="event-2")),
        (STATUS, status_update(number, "failed", errors=ERRORS)),
    ]
    return [(await client.post(path, json=body)).status for path, body in bodies]


async def _outcomes(client: Client) -> dict[str, float]:
    """How many reports were merged with each outcome, of track-sends."""
    lines = (await (await client.get("/metrics")).text()).splitlines()
    of_sends = [line for line in lines if line.startswith("tracker_reports_total{")]
    return {
        line.partition('outcome="')[2].partition('"')[0]: float(line.split()[-1])
        for line in of_sends
        if 'status="sent"' in line
    }


def _check(records: dict[str, Record], number: int) -> None:
    assert set(records) == {f"wamid.{n}" for n in range(number)}
    for record in records.values():
        assert record.status == "failed"
        assert record.error_code == "131026"
        assert record.event_id == "event-2"


async def test_a_reply_cut_anywhere_has_the_merge_repeated(redis: RedisServer) -> None:
    """At each byte of the reply, from none of it on."""
    async with _cut_off(redis) as (client, proxy):
        for position in range(len(REPLY)):
            proxy.cuts = [Cut(reply=position)]
            assert await _tell(client, 1 + position) == [200, 200, 200]
            assert not proxy.cuts
        # What was written and not answered is found to be there when it is written again.
        outcomes = await _outcomes(client)
        assert outcomes["unchanged"] == len(REPLY)
        assert outcomes["created"] == 1
    _check(await records_at(redis.url), 1 + len(REPLY))


async def test_a_request_cut_anywhere_has_the_merge_repeated(redis: RedisServer) -> None:
    positions = [0, 1, 20, 100, 200]
    async with _cut_off(redis) as (client, proxy):
        for number, position in enumerate(positions, start=1):
            proxy.cuts = [Cut(request=position)]
            assert await _tell(client, number) == [200, 200, 200]
            assert not proxy.cuts
        assert "unchanged" not in await _outcomes(client)
    _check(await records_at(redis.url), 1 + len(positions))


async def test_cuts_again_and_again_under_load_count_nothing_twice(redis: RedisServer) -> None:
    async with _cut_off(redis) as (client, proxy):
        proxy.cuts = [
            Cut(reply=0), Cut(reply=5), Cut(request=300), Cut(reply=40), Cut(reply=0),
            Cut(request=0), Cut(reply=1), Cut(reply=100), Cut(reply=17),
        ]  # fmt: skip
        answers = await asyncio.gather(*(_tell(client, number) for number in range(1, 65)))
        assert answers == [[200, 200, 200]] * 64
    _check(await records_at(redis.url), 65)


async def test_a_merge_whose_replies_are_all_lost_is_not_a_success_but_counts_once(
    redis: RedisServer,
) -> None:
    async with _cut_off(redis, timeout_s=0.3) as (client, proxy):
        proxy.cuts = [Cut(reply=3)] * 100
        assert await _tell(client, 1) == [503, 503, 503]
        written = (await records_at(redis.url))["wamid.1"]
        assert written.status == "failed"
        proxy.cuts = []
        assert await _tell(client, 1) == [200, 200, 200]
    _check(await records_at(redis.url), 2)
