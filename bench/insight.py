"""Measures the cost of counters, times, lists and the feed: the merge script with and without."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import sha1
from random import Random
from statistics import median
from typing import NamedTuple

from bench import BenchError, Row, Say, wire
from bench.bodies import batches, news
from bench.ceiling import SENDS_PER_S
from bench.duels import spread
from bench.processes import free_port, redis
from bench.stored import sent
from service.backends.embedded import find_server
from service.domain.report import Report, Status
from service.store.rules import render
from service.store.scripts import MAX_BATCH

_SHEBANG = "#!lua\n"
_LEFT_OUT = {
    "if not update_counters(old[id], new[id]) then": (
        "if not (old[id] and same_indexes(old[id], new[id])) then"
    ),
    "if dimension.listed then": "if false then",
    "\npublish(changed)\n": "\n",
}
"""Parts of the script, and their replacements in the script without."""

TURN = 10 * MAX_BATCH
"""The number of reports that go to one server before the other has its turn."""


class Rival(NamedTuple):
    """A Redis, and the SHA of the script that it merges with."""

    path: str
    sha: bytes

    def commands(self, reports: Iterable[Report]) -> Iterator[bytes]:
        """The commands of `wire.commands`, with this script."""
        whole = _sha(_SHEBANG + render("merge"))
        return (command.replace(whole, self.sha, 1) for command in wire.commands(reports))


def compare(rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures Redis' processor time with each script and the same reports.

    Two servers take turns of a tenth of a second, so that a slow machine slows both.

    Returns:
        a row for each load.
    """
    whole = _SHEBANG + render("merge")
    with ExitStack() as stack:
        rivals = [
            Rival(stack.enter_context(redis(free_port(), binary=find_server())), _sha(text))
            for text in (whole, _without(whole))
        ]
        for rival, text in zip(rivals, (whole, _without(whole)), strict=True):
            with wire.client(rival.path) as client:
                client.script_load(text)
        rows = []
        for name, before, reports in _loads(seconds):
            say(f"insight: {name}")
            costs_s = [_round(rivals, before, reports, number) for number in range(rounds)]
            rows.append(_row(name, len(reports), costs_s))
    return rows


def _without(whole: str) -> str:
    for part, instead in _LEFT_OUT.items():
        if whole.count(part) != 1:
            raise BenchError(f"insight: {part!r} isn't in the script once")
        whole = whole.replace(part, instead)
    return whole


def _sha(text: str) -> bytes:
    return sha1(text.encode(), usedforsecurity=False).hexdigest().encode()


def _loads(seconds: int) -> Iterator[tuple[str, list[Report], list[Report]]]:
    """Yields a name, the reports that are in the store beforehand, and those that are measured."""
    sends = list(map(sent, range(SENDS_PER_S * seconds // 2)))
    updates = list(_updates(len(sends)))
    yield "sends and all that follows", [], sends + updates
    yield "sends", [], sends
    yield "statuses of tracked messages", sends, updates
    yield "statuses of others", [], updates


def _updates(messages: int) -> Iterator[Report]:
    """Delivered and read of each message: some seconds, and up to a day, after it was tracked."""
    random, firsts = Random(messages), {sent(n).wamid: sent(n).at_ms for n in range(messages)}
    for each in news(messages):
        took_s = random.randrange(1, 10)
        if each.status is Status.READ:
            took_s = int(86_400 ** random.random()) + 10
        if each.status is not Status.SENT:
            at_ms = firsts[each.wamid] + took_s * 1_000
            yield Report(each.wamid, each.status, at_ms, at_ms * 1_000, each.recipient_id)


def _round(
    rivals: Sequence[Rival], before: Sequence[Report], reports: Sequence[Report], number: int
) -> list[float]:
    """What the reports cost each rival, in seconds. The order changes with each round."""
    for rival in rivals:
        wire.empty(rival.path)
        wire.drive(rival.path, rival.commands(before))
    starts_s = [wire.main_thread_s(rival.path) for rival in rivals]
    for some in batches(reports, TURN):
        for rival in rivals if number % 2 else reversed(rivals):
            wire.drive(rival.path, rival.commands(some))
    ends_s = [wire.main_thread_s(rival.path) for rival in rivals]
    return [end_s - start_s for start_s, end_s in zip(starts_s, ends_s, strict=True)]


def _row(name: str, count: int, costs_s: Sequence[list[float]]) -> Row:
    return {
        "reports": name,
        "target": "ratio >= 0.85",
        **spread("ratio", [without_s / whole_s for whole_s, without_s in costs_s]),
        "reports/cpu s": round(count / median(whole_s for whole_s, _ in costs_s)),
        "without, reports/cpu s": round(count / median(without_s for _, without_s in costs_s)),
    }
