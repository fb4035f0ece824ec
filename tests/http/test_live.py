"""Listeners are told of changes as they happen, and go on where they were."""

import asyncio
from contextlib import AsyncExitStack
from random import Random

import pytest

from service.api.app_keys import STORE
from service.live.feed import START, StreamId, decode_cursor, encode_cursor
from service.store.keys import feed_key, tag_of
from tests.backends import Backend
from tests.conftest import Client
from tests.factories import event_send, status_update
from tests.faults.fault_kit import LOGS, SEND, STATUS, eventually
from tests.sse_client import LIVE, SseClient

UPDATES = f"{STATUS}batch/"

each_number_of_partitions = pytest.mark.parametrize("backend", ["redis", "cluster"], indirect=True)
"""A listener hears of all of them together; the cluster has eight."""


async def post(client: Client, path: str, body: object) -> None:
    async with client.post(path, json=body) as response:
        assert response.status == 200, await response.text()


async def send(client: Client, number: int, **fields: str) -> None:
    await post(client, SEND, event_send(number, **fields))


async def update(client: Client, *numbers: int, status: str = "read") -> None:
    await post(client, UPDATES, {"updates": [status_update(n, status) for n in numbers]})


async def feed(client: Client, partition: int, *command: object) -> object:
    """Runs a command on the feed of a partition: its name, then what follows the key."""
    name, *arguments = command
    store = client.app[STORE]
    return await store.execute(partition, name, feed_key(tag_of(partition)), *arguments)


@each_number_of_partitions
async def test_each_is_told_what_it_asked_for_and_nothing_else(client: Client) -> None:
    asked: list[dict[str, str]] = [
        {},
        {"event_id": "event-1"},
        {"event_id": "event-2"},
        {"template_name": "reminder"},
        {"registration_id": "registration-2"},
        {"event_id": "reminder"},
    ]
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(SseClient(client, **query)) for query in asked]
        await send(client, 1)
        await send(client, 2, template_name="reminder")
        await send(client, 3, event_id="event-2")
        await asyncio.gather(*(ears[0].hears((f"wamid.{n}", "sent")) for n in (1, 2, 3)))
        await update(client, 1, 2, 3, 4)  # nobody tracked the last
        await ears[0].hears(*((f"wamid.{n}", "read") for n in (1, 2, 3, 4)))
        expected = [{1, 2, 3, 4}, {1, 2}, {3}, {2}, {2}, set()]
        for ear, numbers in zip(ears, expected, strict=True):
            changes = [(f"wamid.{n}", s) for n in numbers for s in ("sent", "read")]
            await ear.hears(*(each for each in changes if each != ("wamid.4", "sent")))
            assert {wamid for wamid, _ in ear.told} == {f"wamid.{n}" for n in numbers}
            assert ear.names == ["ready"]


async def test_what_it_is_told_is_what_the_logs_say(client: Client) -> None:
    async with SseClient(client) as ear:
        await send(client, 1)
        await update(client, 1, status="failed")
        await ear.hears(("wamid.1", "failed"))
        async with client.get(LOGS, params={"versions": "true"}) as response:
            assert (await response.json())["logs"] == [ear.events[-1].data]


async def test_the_stream_begins_with_ready_and_can_be_resumed_from_there(client: Client) -> None:
    async with SseClient(client) as ear:
        assert [(event.name, event.data) for event in ear.events] == [("ready", {})]
        assert ear.response.content_type == "text/event-stream"
        assert ear.response.headers["Cache-Control"] == "no-store"
        assert ear.response.headers["X-Accel-Buffering"] == "no"
        assert ear.response.headers["X-Request-ID"]
    await send(client, 1)
    async with SseClient(client, ear.last_id) as ear:
        await ear.hears(("wamid.1", "sent"))
        assert ear.names == ["ready"]


async def test_a_change_that_came_before_isnt_told(client: Client) -> None:
    await send(client, 1)
    async with SseClient(client) as ear:
        await send(client, 2)
        await ear.hears(("wamid.2", "sent"))
        await send(client, 3)
        await ear.hears(("wamid.3", "sent"))
        assert ear.told == [("wamid.2", "sent"), ("wamid.3", "sent")]


@each_number_of_partitions
@pytest.mark.parametrize("seed", range(2))
async def test_behind_any_id_no_change_is_missed(client: Client, seed: int) -> None:
    """Writes go on while a listener stops anywhere, and comes back anywhere."""
    random = Random(seed)
    last: dict[str, str] = {}

    async def write(times: int) -> None:
        for _ in range(times):
            numbers = random.sample(range(60), random.choice([1, 1, 5, 40]))
            status = random.choice(["sent", "delivered", "read"])
            await update(client, *numbers, status=status)
            for number in numbers:
                wamid = f"wamid.{number}"
                ranks = ("", "sent", "delivered", "read")
                last[wamid] = max(last.get(wamid, ""), status, key=ranks.index)

    async with SseClient(client) as first:
        for _ in range(4):
            await write(3)
            await asyncio.sleep(random.choice([0, 0.1, 0.3]))
        await first.hears(*last.items())
    await write(3)
    cuts = [place for place, event in enumerate(first.events) if event.id]
    for cut in random.sample(cuts, min(4, len(cuts))):
        known = {e.data["wamid"]: e.data["status"] for e in first.events[: cut + 1] if e.data}
        writing = asyncio.ensure_future(write(2))
        async with SseClient(client, first.events[cut].id) as ear:
            await writing
            missing = {
                wamid: status for wamid, status in last.items() if known.get(wamid) != status
            }
            await ear.hears(*missing.items())
            assert ear.names == ["ready"]


@each_number_of_partitions
async def test_many_come_back_at_once_and_each_from_its_own_place(client: Client) -> None:
    ids = []
    async with SseClient(client) as first:
        for number in range(6):
            ids.append(first.last_id)
            await send(client, number, event_id=f"event-{number % 2}")
            await first.hears((f"wamid.{number}", "sent"))
    async with AsyncExitStack() as stack:
        waiting = [
            stack.enter_async_context(SseClient(client, last_id, event_id=f"event-{event}"))
            for last_id in ids
            for event in (0, 1)
        ]
        ears = await asyncio.gather(*waiting)
        for place, ear in enumerate(ears):
            numbers = range(place // 2, 6)
            await ear.hears(*((f"wamid.{n}", "sent") for n in numbers if n % 2 == place % 2))
        await send(client, 10, event_id="event-0")
        for ear in ears[::2]:
            await ear.hears(("wamid.10", "sent"))
        assert all(ear.names == ["ready"] for ear in ears)


def unresumable(partitions: int) -> list[str]:
    """Ids that were never given, or by another store."""
    return [
        "zzz",
        "-",
        "é",
        "x" * 8_000,
        encode_cursor([START] * (partitions + 1)),
        encode_cursor([StreamId(1, 0)] * partitions),
        encode_cursor([StreamId(1 << 60, 0)] * partitions),
        encode_cursor([START] * partitions) + "A",
    ]


@pytest.mark.parametrize("which", range(8))
@each_number_of_partitions
async def test_who_cant_be_resumed_is_told_and_goes_on(
    client: Client, backend: Backend, which: int
) -> None:
    await send(client, 1)
    async with SseClient(client, unresumable(backend.partitions)[which]) as ear:
        await eventually(lambda: ear.names == ["ready", "lost"], "it to be lost")
        assert decode_cursor(ear.last_id, backend.partitions)
        await send(client, 2)
        await ear.hears(("wamid.2", "sent"))
        assert ear.told == [("wamid.2", "sent")]
    async with SseClient(client, ear.last_id) as ear:
        await asyncio.sleep(0.3)
        assert ear.names == ["ready"]


@each_number_of_partitions
async def test_an_id_from_before_what_the_feed_holds_is_lost(
    client: Client, backend: Backend
) -> None:
    async with SseClient(client) as first, SseClient(client) as other:
        await send(client, 1)
        await first.hears(("wamid.1", "sent"))
        old = first.last_id
        for number in range(2, 40):
            await send(client, number)
        await first.hears(("wamid.39", "sent"))
        for partition in range(backend.partitions):
            await feed(client, partition, "XTRIM", "MAXLEN", 1)
        async with SseClient(client, old) as ear:
            await eventually(lambda: ear.names == ["ready", "lost"], "it to be lost")
        async with SseClient(client, first.last_id) as ear:
            await send(client, 40)
            await ear.hears(("wamid.40", "sent"))
            assert ear.told == [("wamid.40", "sent")]
        assert first.names == other.names == ["ready"]


async def test_what_began_before_the_first_change_is_lost_once_the_feed_is_full(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the first entry is the first that there ever was nobody knows then."""
    async with SseClient(client) as first:
        pass
    await send(client, 1)
    monkeypatch.setattr("service.live.feed.FEED_ENTRIES", 1)
    async with SseClient(client, first.last_id) as ear:
        await eventually(lambda: ear.names == ["ready", "lost"], "it to be lost")


@each_number_of_partitions
async def test_a_feed_that_was_trimmed_before_it_was_read_is_a_loss_for_all(
    client: Client, backend: Backend
) -> None:
    """As is a server that has lost its latest: what was the last entry isn't there any more."""
    async with SseClient(client) as one, SseClient(client, event_id="event-1") as two:
        await send(client, 1)
        await two.hears(("wamid.1", "sent"))
        for partition in range(backend.partitions):
            await feed(client, partition, "DEL")
        for ear in (one, two):
            await eventually(lambda e=ear: e.names == ["ready", "lost"], "it to be lost")  # type: ignore[misc]
        await send(client, 2)
        for ear in (one, two):
            await ear.hears(("wamid.2", "sent"))
            assert ear.names == ["ready", "lost"]


async def test_an_erased_message_isnt_told(client: Client) -> None:
    async with SseClient(client) as ear:
        pass
    await send(client, 1)
    await send(client, 2, event_id="event-2")
    await post(client, "/api/webhooks/erase/", {"event_id": "event-1"})
    async with SseClient(client, ear.last_id) as ear:
        await ear.hears(("wamid.2", "sent"))
        await send(client, 3)
        await ear.hears(("wamid.3", "sent"))
        assert {wamid for wamid, _ in ear.told} == {"wamid.2", "wamid.3"}


class TestRequests:
    pytestmark = pytest.mark.parametrize("backend", ["fake"], indirect=True)

    @pytest.mark.parametrize(
        "query",
        [
            "event_id=",
            "guest_id=g",
            "status=read",
            "event_id=a&event_id=b",
            "event_id=a&template_name=b",
            "registration_id=a&template_name=b",
            "event_id=%00",
        ],
    )
    async def test_a_wrong_filter_is_refused(self, client: Client, query: str) -> None:
        async with client.get(f"{LIVE}?{query}") as response:
            assert response.status == 400
            assert (await response.json())["ok"] is False

    async def test_head_answers_at_once(self, client: Client) -> None:
        async with client.head(LIVE) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"

    async def test_it_needs_a_token(self, anyone: Client) -> None:
        assert (await anyone.get(LIVE)).status == 401

    async def test_both_forms_of_the_path_listen(self, client: Client) -> None:
        async with client.get(LIVE.rstrip("/")) as response:
            assert await response.content.readline() == b"retry: 2000\n"
