"""Redis Cluster moves a slot while reports for it come in."""

import asyncio
from collections.abc import Sequence

from redis.crc import key_slot

from service.domain.identity import partition_of
from service.domain.report import Merged, Status
from service.store.keys import tag_of
from tests.backends import Backend, Bench, expected_records, open_store
from tests.factories import send_report, status_report
from tests.servers import RedisCluster, RedisServer, node_id, owner_by, wait_until

PARTITIONS = 4


def of_one_partition(number: int) -> list[str]:
    """So many wamids of partition 1."""
    some = (f"wamid.{i}" for i in range(number * PARTITIONS * 4))
    return [wamid for wamid in some if partition_of(wamid, PARTITIONS) == 1][:number]


async def test_no_report_is_lost_and_no_record_split(redis_cluster: RedisCluster) -> None:
    """Reports wait while the slot's keys are under way, and are merged where they arrive."""
    slot = key_slot(tag_of(1).encode())
    wamids = of_one_partition(40)
    async with open_store(Backend(redis_cluster.url, PARTITIONS)) as bench:
        source = next(node for node in redis_cluster.nodes if owner_by(node, slot) == node_id(node))
        target = next(node for node in redis_cluster.nodes if node is not source)
        early = [send_report(wamid=wamid, event_id="e") for wamid in wamids]
        await asyncio.gather(*(bench.store.write([report]) for report in early))

        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", node_id(source))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", node_id(target))
        half = _keys(source, slot)[::2]
        source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *half)
        late = [status_report(Status.READ, wamid=wamid) for wamid in wamids]
        answers = [asyncio.ensure_future(bench.store.write([report])) for report in late]
        await _held_back(bench, answers)

        rest = _keys(source, slot)
        source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *rest)
        for node in (target, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", node_id(target))
        assert {(await answer)[0].status for answer in answers} == {Status.READ}

        found = {record.wamid: record for record in await bench.check_invariants()}
        assert found == expected_records([*early, *late])
    third = next(node for node in redis_cluster.nodes if node not in (source, target))
    await asyncio.to_thread(
        wait_until, lambda: owner_by(third, slot) == node_id(target), "the move to be known"
    )


def _keys(node: RedisServer, slot: int) -> list[str]:
    found = node.command("CLUSTER", "GETKEYSINSLOT", slot, 10_000)
    assert isinstance(found, list)
    assert found
    return found


async def _held_back(bench: Bench, answers: Sequence[asyncio.Future[list[Merged]]]) -> None:
    """Returns when the first batch was refused by the source; nothing may be answered by then."""
    while not bench.server._lost:  # noqa: ASYNC110  nobody is told of it
        await asyncio.sleep(0)
    assert not any(answer.done() for answer in answers)
