"""What one call of a script may hold, since Redis does nothing else meanwhile; on every backend."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any, cast

import pytest

from service.domain.identity import crc16_of, id_of, partition_of
from service.domain.report import Extras, Outcome, Report, Status
from service.errors import Unavailable
from service.store.keys import tag_of
from service.store.script_types import Erasure
from service.store.scripts import MAX_BATCH, MAX_ERASED, MAX_WEIGHT, Scripts
from service.store.store import Observer, Store
from tests.backends import STRICT_CALL, Bench, nodes_of, soon_s
from tests.factories import BASE_MS, BASE_US, send_report, status_report

EXTRAS = Extras("106540352242922", pricing_category="utility")
NUMBER = 2 * MAX_BATCH + 9


class Spied:
    """A store on the server of another, and what its scripts that write were called with."""

    def __init__(self, bench: Bench) -> None:
        self._server = bench.server
        self.shebang, self.run = bench.server.shebang, bench.server.run
        self.trips: list[list[Any]] = []
        self.scripts = Scripts(self, STRICT_CALL)
        self.store = Store(
            bench.server,
            self.scripts,
            partitions=bench.partitions,
            timeout_s=4.0,
            observer=Observer(lambda _reports, _merged: None, bench.failures.append),
        )

    async def write(
        self, until_s: float, tag: str, commands: Sequence[tuple[str | bytes | int, ...]]
    ) -> list[Any]:
        self.trips.append([json.loads(cast("bytes", command[-1])) for command in commands])
        return await self._server.write(until_s, tag, commands)


@pytest.fixture
async def spied(store: Bench) -> Spied:
    return Spied(store)


def any_reports(number: int) -> list[Report]:
    """Of a message each: sends, statuses, and statuses of Meta's own, as they come."""
    random = Random(number)
    return [
        random.choice(
            [
                send_report(wamid=f"wamid.{n}", event_id=f"e{n}", template_name=f"t{n}"),
                status_report(Status.READ, wamid=f"wamid.{n}"),
                Report(f"wamid.{n}", Status.DELIVERED, BASE_MS + n, BASE_US + n, extras=EXTRAS),
            ]
        )
        for n in range(number)
    ]


def weight_of(report: list[Any]) -> int:
    context, extras = report[-2:]
    return 4 if context else 3 if extras else 2


@pytest.mark.parametrize("replayed", [False, True])
async def test_a_call_of_the_merge_holds_a_bounded_weight(
    store: Bench, spied: Spied, replayed: bool
) -> None:
    """And all of it is answered in its order; so from the journal."""
    reports = any_reports(NUMBER)
    if replayed:
        await spied.store.replay(reports)
    else:
        answers = await spied.store.write(reports)
        assert [answer.status for answer in answers] == [report.status for report in reports]
        assert {answer.outcome for answer in answers} == {Outcome.CREATED}
    weights = [sum(map(weight_of, some)) for trip in spied.trips for _, some in trip]
    assert max(weights) <= MAX_WEIGHT == 512
    assert sum(weight > MAX_WEIGHT - 4 for weight in weights) >= len(weights) - len(spied.trips)
    assert len(await store.check_invariants()) == NUMBER


async def test_a_call_that_fails_leaves_the_batch_to_be_sent_again(
    store: Bench, spied: Spied
) -> None:
    """The others may be written. A repetition counts nothing twice."""
    wamids = [f"wamid.{n}" for n in range(NUMBER * store.partitions)]
    mine = [wamid for wamid in wamids if partition_of(wamid, store.partitions) == 0][:MAX_BATCH]
    reports = [send_report(wamid=wamid, event_id=f"e{n // 50}") for n, wamid in enumerate(mine)]
    tag, odd = tag_of(0), f"{tag_of(0)}:count:event:e1"
    await store.execute(tag, "RPUSH", odd, "x")
    with pytest.raises(Unavailable):
        await spied.store.write(reports)
    await store.execute(tag, "DEL", odd)
    answers = await spied.store.write(reports)
    outcomes = [answer.outcome for answer in answers]
    assert outcomes[50] == Outcome.CREATED
    assert set(outcomes) == {Outcome.CREATED, Outcome.UNCHANGED}
    assert len(await store.check_invariants()) == len(mine)


async def test_a_server_that_forgot_the_script_gets_it_with_the_first_call(
    store: Bench, spied: Spied
) -> None:
    for node in await nodes_of(store.server):
        await node.execute_command("SCRIPT", "FLUSH")
    await spied.store.write(any_reports(NUMBER))
    assert len(await store.check_invariants()) == NUMBER


async def test_an_erase_goes_in_calls_of_a_few_messages(store: Bench, spied: Spied) -> None:
    wamids = [f"wamid.{n}" for n in range(8 * MAX_ERASED)]
    mine = [wamid for wamid in wamids if partition_of(wamid, store.partitions) == 0][:MAX_ERASED]
    await store.store.write([send_report(wamid=wamid, event_id="e") for wamid in wamids])
    messages = [(id_of(wamid), str(crc16_of(wamid))) for wamid in mine]
    erased = await spied.scripts.erase(0, Erasure(messages, "event", "e", gone_s=60), soon_s())
    assert erased == len(mine) == MAX_ERASED
    assert [len(call["messages"]) for call in spied.trips[-1]] == [10, 10]
    left = {record.wamid for record in await store.check_invariants()}
    assert left == set(wamids) - set(mine)
