"""`recount` as an operator has it: on a store that is whole, spoilt, or written to meanwhile."""

import asyncio
import json
import random
import subprocess
from pathlib import Path

import pytest

from service.commands import ledger
from service.commands.recount import check_store
from service.domain.identity import crc16_of, id_of, partition_of
from service.errors import CommandError
from service.store.keys import tag_of
from service.store.script_types import Erasure
from tests.backends import Backend, open_store
from tests.commands.stores import fill, histories, records_in, settings_of, variables
from tests.in_process import invoke
from tests.process import run
from tests.servers import RedisServer

pytestmark = pytest.mark.timeout(120)

Ended = subprocess.CompletedProcess[str]


def recounts(folder: Path, store: Backend, *options: str, code: int = 0) -> Ended:
    """Runs the command; it must end with this code."""
    ended = invoke("recount", *options, cwd=folder, **variables(store))
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr
    return ended


def figures(told: Ended) -> dict[str, object]:
    """What it said for machines, without how long it took."""
    found: dict[str, object] = json.loads(told.stdout)
    assert isinstance(found.pop("took_s"), float)
    return found


def test_a_sound_store_is_said_to_be(tmp_path: Path, other: Backend) -> None:
    """By a process of its own."""
    records = fill(other, histories(200))
    told = run("recount", cwd=tmp_path, **variables(other))
    assert told.returncode == 0
    assert told.stdout.startswith("Read 200 messages in ")
    assert told.stdout.endswith(": all indexes, lists and counters agree with them.\n")
    assert records_in(other) == records


def test_so_is_a_cluster(tmp_path: Path, cluster: Backend) -> None:
    fill(cluster, histories(200))
    expected = {"messages": 200, "entries": 0, "lists": 0, "counters": 0, "mended": False}
    assert figures(recounts(tmp_path, cluster, "--json")) == expected


async def test_a_full_folder_for_its_file_is_said(
    one: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is changed then."""
    records = await asyncio.to_thread(fill, one, histories(300))
    monkeypatch.setattr(ledger, "_TABLES", f"PRAGMA max_page_count = 9;{ledger._TABLES}")
    with pytest.raises(CommandError, match="TMPDIR"):
        await check_store(settings_of(one), mend=True)
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


@pytest.mark.parametrize("mend", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_sound_store_is_found_sound_while_it_is_written_to_and_erased_from(
    other: Backend, *, mend: bool
) -> None:
    """What changes between two looks isn't wrong, and mending it would be."""

    async def scenario() -> None:
        async with open_store(other) as bench:
            await bench.store.write(histories(300))
            batches = [histories(400, seed=number)[:30] for number in range(20)]
            going = True

            async def go_on() -> None:
                chance = random.Random(5)
                while going:
                    await bench.store.write(chance.choice(batches))
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
