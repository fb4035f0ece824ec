"""`recount` as an operator has it: on a store that is whole, spoilt, or written to meanwhile."""

import asyncio
import json
import random
import subprocess
from pathlib import Path

import pytest

from service.commands.recounting import check_store
from service.domain.identity import crc16_of, id_of, partition_of
from service.store.keys import tag_of
from service.store.scripts import Erasure
from tests.backends import Backend, open_store
from tests.commands.stores import fill, histories, records_in, settings_of, variables
from tests.process import run
from tests.servers import RedisServer

pytestmark = pytest.mark.timeout(120)

Ended = subprocess.CompletedProcess[str]


def recounts(folder: Path, store: Backend, *options: str, code: int = 0) -> Ended:
    """Runs the command; it must end with this code."""
    ended = run("recount", *options, cwd=folder, **variables(store))
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr
    return ended


def figures(told: Ended) -> dict[str, object]:
    """What it said for machines, without how long it took."""
    found: dict[str, object] = json.loads(told.stdout)
    assert isinstance(found.pop("took_s"), float)
    return found


def test_a_sound_store_is_said_to_be(tmp_path: Path, other: Backend) -> None:
    records = fill(other, histories(200))
    told = recounts(tmp_path, other)
    assert told.stdout.startswith("Read 200 messages in ")
    assert told.stdout.endswith(": all indexes, lists and counters agree with them.\n")
    assert records_in(other) == records


def test_so_is_a_cluster(tmp_path: Path, cluster: Backend) -> None:
    fill(cluster, histories(200))
    expected = {"messages": 200, "entries": 0, "lists": 0, "counters": 0, "mended": False}
    assert figures(recounts(tmp_path, cluster, "--json")) == expected


SPOILT = {
    "an entry is missing": ("ZREM", ":by:all", "<id>"),
    "an entry has another time": ("ZADD", ":by:all", 5, "<id>"),
    "an entry of no message": ("ZADD", ":by:event:e-1", 5, "x" * 22),
    "an index of no message": ("ZADD", ":by:guest:nobody", 5, "x" * 22),
    "an index is gone": ("DEL", ":by:template:t{1}"),
    "an index of further values is gone": ("DEL", ":by:recipient:US.1"),
    "an entry of a value that its message hasn't": ("ZADD", ":by:recipient:US.9", 5, "<id>"),
    "a value isn't listed": ("ZREM", ":values:event", "e-1"),
    "a value has another time": ("ZADD", ":values:event", 5, "e-1"),
    "a value of no message is listed": ("ZADD", ":values:event", 5, "e-9"),
    "a counter is too high": ("HINCRBY", ":count:all", "read", 3),
    "a counter is below nought": ("HSET", ":count:event:e-1", "sent", -7),
    "a counter is no number": ("HSET", ":count:event:e-1", "sent", "x"),
    "a counter of a code": ("HSET", ":count:all", "error:7", 3),
    "counters are gone": ("DEL", ":count:all"),
    "counters of no message": ("HSET", ":count:event:e-9", "sent", 3),
    "spans are gone": ("DEL", ":waits:all"),
    "spans of no message": ("HSET", ":waits:event:e-9", "1768473", 3),
    "times are gone": ("DEL", ":times:all"),
    "times are cut off": ("SETRANGE", ":times:event:e-1", 3, "\x01\x02\x03"),
    "times of no message": ("SET", ":times:event:e-9", "\x00\x00\x00\x01"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_what_is_wrong_is_found_and_mended_and_nothing_else_is_changed(
    one: Backend, redis_server: RedisServer, spoilt: str
) -> None:
    records = await asyncio.to_thread(fill, one, histories(100))
    name, key, *rest = SPOILT[spoilt]
    some_id = id_of(next(iter(records)))
    rest = [some_id if part == "<id>" else part for part in rest]
    redis_server.command(name, f"{tag_of(0)}{key}", *rest)
    found = await check_store(settings_of(one), mend=False)
    assert found.is_wrong
    with pytest.raises((AssertionError, ValueError)):
        await asyncio.to_thread(records_in, one)
    mended = await check_store(settings_of(one), mend=True)
    assert mended._replace(took_s=0.0) == found._replace(took_s=0.0)
    assert not (await check_store(settings_of(one), mend=False)).is_wrong
    assert await asyncio.to_thread(records_in, one) == records


@pytest.mark.parametrize(
    ("name", "key", "rest"),
    [
        ("HSET", ":msg:<id>", ["participants", "9"]),
        ("HDEL", ":msg:<id>", ["participants"]),
        ("HSET", f":participants:{'x' * 22}", ["IN.1 received_us", "5"]),
    ],
)
async def test_a_wrong_number_of_participants_is_found_and_mended(
    one: Backend, redis_server: RedisServer, name: str, key: str, rest: list[str]
) -> None:
    """And participants of no message are removed."""
    records = await asyncio.to_thread(fill, one, histories(100))
    group = next(wamid for wamid, record in records.items() if record.participants == "2")
    redis_server.command(name, f"{tag_of(0)}{key}".replace("<id>", id_of(group)), *rest)
    assert (await check_store(settings_of(one), mend=False)).counters == 1
    assert (await check_store(settings_of(one), mend=True)).counters == 1
    assert not (await check_store(settings_of(one), mend=False)).is_wrong
    assert await asyncio.to_thread(records_in, one) == records


def test_what_is_wrong_is_said_and_mended(
    tmp_path: Path, one: Backend, redis_server: RedisServer
) -> None:
    records = fill(one, histories(100))
    redis_server.command("DEL", f"{tag_of(0)}:count:all")
    told = recounts(tmp_path, one, code=1)
    assert told.stdout.endswith(" were wrong. Run it with --mend to mend them.\n")
    first = figures(recounts(tmp_path, one, "--json", code=1))
    assert figures(recounts(tmp_path, one, "--mend", "--json")) == first | {"mended": True}
    assert records_in(one) == records
    assert "agree" in recounts(tmp_path, one).stdout


def test_a_message_that_is_lost_leaves_indexes_and_counters(
    tmp_path: Path, one: Backend, redis_server: RedisServer
) -> None:
    records = fill(one, histories(100))
    lost = next(iter(records))
    redis_server.command("DEL", f"{tag_of(0)}:msg:{id_of(lost)}")
    recounts(tmp_path, one, "--mend")
    del records[lost]
    assert records_in(one) == records


@pytest.mark.parametrize("mend", [False, True])
def test_a_sound_store_is_found_sound_while_it_is_written_to_and_erased_from(
    other: Backend, *, mend: bool
) -> None:
    """What changes between two looks isn't wrong, and mending it would be."""

    async def scenario() -> None:
        async with open_store(other) as bench:
            await bench.store.write(histories(300))
            going = True

            async def go_on() -> None:
                chance = random.Random(5)
                while going:
                    await bench.store.write(histories(400, seed=chance.randint(1, 9_999))[:30])
                    wamid = f"wamid.{chance.randint(0, 399)}.Ü"
                    erasure = Erasure([(id_of(wamid), str(crc16_of(wamid)))], "all")
                    await bench.store.remove(partition_of(wamid, 3), erasure, "erased")

            writing = asyncio.create_task(go_on())
            found = [await check_store(settings_of(other), mend=mend) for _ in range(2)]
            going = False
            await writing
            assert not any(each.is_wrong for each in found), found
            assert await bench.check_invariants()

    asyncio.run(scenario())
