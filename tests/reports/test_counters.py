"""Numbers were wrong, or without an end, and stayed so.

- A `delivered` that came before its track-send counted as a delivery in one second.
- Any text was an error code with a counter of its own: 30,000 of them made `message-stats` some
  megabytes long, and Redis stood still for others while it answered.
- After Redis had lost a key of counters a batch failed in its midst: its messages were in the
  lists, but nobody counted them, and nobody was told of them, whatever was sent again.
"""

import json
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import pytest

from service.api.app_keys import STORE
from service.domain.identity import id_of, partition_of
from service.domain.query import Selection
from service.domain.report import Status
from service.errors import Unavailable
from service.store.erasure import Erased, erase
from service.store.keys import feed_key, tag_of
from tests.backends import Bench, nodes_of
from tests.conftest import Client
from tests.factories import BASE_MS, event_send, send_report, status_report, status_update
from tests.sheet import rows_in
from tests.stats_oracle import recount

API = "/api/webhooks"
STATS, FAILURES = f"{API}/message-stats/", f"{API}/failures/"
NOW_MS = BASE_MS + 86_400_000


async def get(client: Client, path: str, **query: str) -> Any:
    async with client.get(path, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def post(client: Client, path: str, body: object, expected: int = 200) -> None:
    async with client.post(f"{API}/{path}/", json=body) as response:
        assert response.status == expected, await response.text()


async def fail(client: Client, codes: Iterator[tuple[int, object]]) -> None:
    """Messages of these numbers fail with these codes, a thousand in a batch."""
    updates = [
        status_update(number, "failed", errors=[{"code": code, "title": "Failed"}])
        for number, code in codes
    ]
    for start in range(0, len(updates), 1_000):
        await post(client, "message-status/batch", {"updates": updates[start : start + 1_000]})


on_each_kind = pytest.mark.parametrize("backend", ["fake", "redis", "cluster"], indirect=True)


class TestDurations:
    async def test_what_was_delivered_an_hour_before_it_was_tracked_took_no_second(
        self, client: Client
    ) -> None:
        for status in ("delivered", "read"):
            await post(client, "message-status", status_update(1, status))  # of years ago
        await post(client, "track-send", event_send(1))
        stats = await get(client, STATS, event_id="event-1")
        nothing: dict[str, object] = {
            "count": 0,
            "p50_s": None,
            "p90_s": None,
            "p99_s": None,
            "within": [],
        }
        assert stats["time_to_deliver"] == stats["time_to_read"] == nothing
        found = (await get(client, f"{API}/messages/wamid.1/"))["message"]
        assert [each.split(" at ")[0] for each in found["conflicts"]] == [
            "It was reported delivered",
            "It was reported read",
        ]
        assert all(", then sent at " in each for each in found["conflicts"])

    async def test_the_second_that_whole_seconds_explain_is_counted(self, client: Client) -> None:
        times = {"sent": "10:30:00.999Z", "delivered": "10:30:00Z", "read": "10:29:59.998Z"}
        for status, time in times.items():
            update = status_update(1, status, timestamp=f"2026-01-15T{time}")
            await post(client, "message-status", update)
        stats = await get(client, STATS)
        assert stats["time_to_deliver"]["within"] == [{"s": 1, "count": 1}]
        assert stats["time_to_read"]["within"] == []
        conflicts = (await get(client, f"{API}/messages/wamid.1/"))["message"]["conflicts"]
        assert [each.partition(" at ")[0] for each in conflicts] == ["It was reported read"]


class TestCodes:
    async def test_thirty_thousand_made_up_codes_make_no_answer_long(self, client: Client) -> None:
        """Scripts stay short too, since they read as many fields as there are."""
        made_up: Iterator[tuple[int, object]] = (
            (number, 200_000 + number if number % 2 else f"{number} is no code")
            for number in range(30_000)
        )
        await fail(client, made_up)
        await fail(client, iter([(30_000, 131026), (30_001, 131026), (30_002, None)]))
        for path in (STATS, FAILURES):
            answer = await get(client, path)
            assert len(json.dumps(answer)) < 60_000
            groups = {each["code"]: each for each in answer["failures"]}
            assert len(groups) < 500
            assert sum(group["count"] for group in groups.values()) == 30_003
            assert groups["131026"]["count"] == 2  # that we know is never among the others
            assert groups[None]["count"] == 1
            assert groups["other"]["class"] == "unknown"
        store = client.app[STORE]
        for partition in range(store.partitions):
            fields = await store.execute(partition, "HLEN", f"{tag_of(partition)}:count:all")
            assert fields < 250

    async def test_the_list_behind_a_group_has_as_many_as_the_group_says(
        self, client: Client
    ) -> None:
        codes = [131026, *range(200_000, 200_250), *(f"text {n}" for n in range(100)), 131047]
        await fail(client, iter(enumerate(codes)))
        await fail(client, iter([(5_000, None), (5_001, 200_000), (5_002, "other")]))
        groups = (await get(client, FAILURES, count="true", limit="1"))["failures"]
        assert all(group["listed"] == group["count"] for group in groups)
        numbers = {group["code"]: group["count"] for group in groups}
        chosen = {"other": "other", None: "none", "131026": "131026", "200000": "200000"}
        for code, asked in chosen.items():
            assert len(await rows(client, code=asked)) == numbers[code]
        for name in ("never", "later", "unknown"):
            of_class = sum(group["count"] for group in groups if group["class"] == name)
            assert len(await rows(client, **{"class": name})) == of_class
        told = {each["error_code"] for each in await rows(client, code="other")}
        assert {"text 1", "text 99", "other"} <= told  # as Meta gave it

    @pytest.mark.parametrize("code", ["1234567", "-1", "word", "131 026", "Other"])
    async def test_what_can_be_no_group_is_refused(self, client: Client, code: str) -> None:
        async with client.get(FAILURES, params={"code": code}) as response:
            assert (response.status, (await response.json())["field"]) == (400, "code")


async def rows(client: Client, **query: str) -> list[dict[str, str]]:
    """The whole list, from its file."""
    async with client.get(FAILURES, params={"format": "csv"} | query) as response:
        return rows_in(await response.text())


SENT = [send_report(wamid=f"wamid.{number}", event_id="e") for number in range(10)]
EARLIER = [
    status_report(Status.SENT, wamid="wamid.0", at_s=-20),
    status_report(Status.DELIVERED, wamid="wamid.0", at_s=-10),
]
KEYS = [f"{kind}:{name}" for kind in ("times", "count", "waits") for name in ("all", "event:e")]


async def begin(store: Bench) -> None:
    """One message that was delivered."""
    await store.store.write([SENT[0], status_report(Status.DELIVERED, wamid="wamid.0", at_s=5)])


async def change(store: Bench, *command: str, behind: str) -> None:
    """Runs a command on the key in every partition."""
    name, *rest = command
    for partition in range(store.partitions):
        tag = tag_of(partition)
        await store.execute(tag, name, f"{tag}:{behind}", *rest)


async def keys_in(store: Bench) -> set[bytes]:
    """The names of all keys."""
    nodes = await nodes_of(store.server)
    return {key for node in nodes for key in await node.execute_command("KEYS", "*")}


async def told_of(store: Bench) -> set[str]:
    """The changed messages, as the feed lists them."""
    found = await store.contents()
    feeds = [found.get(feed_key(tag_of(place)), []) for place in range(store.partitions)]
    return {message_id for ids in feeds for message_id in ids}


@on_each_kind
class TestLostKeys:
    """Redis was restored from parts, or evicted a key, or somebody deleted one."""

    @pytest.mark.parametrize("lost", KEYS)
    async def test_a_batch_is_taken_at_the_first_try_and_nothing_falls_below_nought(
        self, store: Bench, lost: str
    ) -> None:
        await begin(store)
        await change(store, "DEL", behind=lost)
        merged = await store.store.write([*EARLIER, *SENT[1:]])
        assert len(merged) == 11
        assert store.failures == []
        ids = {id_of(report.wamid) for report in SENT}
        assert ids <= await told_of(store)
        listed = await store.store.page(Selection([("event", "e")]), 200)
        assert {id_of(record.wamid) for record in listed.records} == ids
        for dimension, value in [("all", ""), ("event", "e")]:
            stats = await store.store.stats(dimension, value, NOW_MS)
            assert stats.statuses[Status.SENT] == sum(stats.awaiting) == 9
            assert stats.to_deliver == recount(listed.records, NOW_MS).to_deliver

    @pytest.mark.parametrize("lost", KEYS)
    async def test_so_is_an_erasure_and_nothing_is_left(self, store: Bench, lost: str) -> None:
        await store.store.write(SENT)
        await store.store.write([status_report(Status.DELIVERED, wamid="wamid.0", at_s=5)])
        await change(store, "DEL", behind=lost)
        assert await erase(store.store, Selection([("event", "e")])) == Erased(10, complete=True)
        assert store.failures == []
        left = {key.partition(":")[2] for key in await store.contents()}
        assert not [key for key in left if ":count:" in key or ":by:" in key or ":msg:" in key]

    async def test_what_an_earlier_version_left_below_nought_comes_right(
        self, store: Bench
    ) -> None:
        await begin(store)
        await change(store, "HSET", "sent", "-5", "delivered", "-1", behind="count:all")
        stats = await store.store.stats("all", "", NOW_MS)
        assert min(stats.statuses.values()) == min(stats.reached.values()) == 0
        await store.store.write(SENT[1:])
        await store.merge(status_report(Status.READ, wamid="wamid.0", at_s=9))
        stats = await store.store.stats("all", "", NOW_MS)
        assert (stats.statuses[Status.DELIVERED], stats.statuses[Status.READ]) == (0, 1)


@on_each_kind
class TestKeysOfAnotherKind:
    """Somebody wrote something else where counters are: reports are refused until it is gone."""

    @pytest.mark.parametrize(
        "command",
        [
            *(("count:all", "RPUSH", "x"), ("count:event:e", "RPUSH", "x")),
            *(("times:all", "RPUSH", "x"), ("times:event:e", "RPUSH", "x")),
            *(("waits:all", "RPUSH", "x"), ("waits:event:e", "RPUSH", "x")),
        ],
    )
    async def test_a_batch_fails_before_it_writes_and_counts_once_when_it_comes_again(
        self, store: Bench, command: tuple[str, ...]
    ) -> None:
        key, name, *rest = command
        numbers = (f"wamid.{number}" for number in count())
        mine = (wamid for wamid in numbers if partition_of(wamid, store.partitions) == 0)
        waits, *others = islice(mine, 9)  # all in one batch
        batch = [send_report(wamid=waits, event_id="e")]
        for wamid in others:
            batch.append(send_report(wamid=wamid, event_id="e"))
            batch.append(status_report(Status.DELIVERED, wamid=wamid, at_s=5))
        batch.append(status_report(Status.FAILED, wamid=wamid, at_s=9, error_code="131026"))
        await change(store, name, *rest, behind=key)
        before = await keys_in(store)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await store.store.write(batch)
            assert await keys_in(store) == before
        await change(store, "DEL", behind=key)
        await store.store.write(batch)
        assert len(await store.check_invariants()) == 9

    @pytest.mark.parametrize("number", ["x", "", "1.5", "9223372036854775807"])
    async def test_a_field_that_holds_no_number_begins_anew(
        self, store: Bench, number: str
    ) -> None:
        await change(store, "HSET", "sent", number, behind="count:all")
        await store.store.write(SENT)
        assert len(await store.check_invariants()) == 10

    @pytest.mark.parametrize("key", [*KEYS, "by:all", "by:event:e", "values:event"])
    async def test_an_erasure_fails_before_it_removes_anything(
        self, store: Bench, key: str
    ) -> None:
        await store.store.write(SENT)
        if not key.startswith("waits"):  # those who wait are counted there
            wamids = [report.wamid for report in SENT]
            await store.store.write([status_report(Status.DELIVERED, wamid=w) for w in wamids])
        await change(store, "DEL", behind=key)
        await change(store, "SADD", "x", behind=key)
        before = await keys_in(store)
        with pytest.raises(Unavailable):
            await erase(store.store, Selection([("event", "e")]))
        assert await keys_in(store) == before
