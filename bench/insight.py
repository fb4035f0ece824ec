"""What counters, times, lists and the feed cost: the merge script against itself without them."""

from collections.abc import Iterator, Sequence
from hashlib import sha1
from random import Random
from statistics import median

from bench import BenchError, Row, Say, wire
from bench.bodies import news
from bench.ceiling import SENDS_PER_S, STATUSES_PER_S
from bench.duels import spread
from bench.processes import free_port, redis
from bench.stored import sent
from service.embedded import find_server
from service.reports import Report, Status
from service.scripts import render

_SHEBANG = "#!lua\n"
_LEFT_OUT = {
    "local from = old and group_of(old)": "",
    "    recount(from, from, old, new)\n": "",
    "  recount(from, new and group_of(new), old, new)\n": "",
    "if dimension.listed then": "if false then",
    "\npublish(changed)\n": "\n",
}
"""Parts of the script, and what stands for them in the one without."""


def compare(rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures Redis' processor time with each script and the same reports, in turns.

    Returns:
        a row a load.
    """
    whole = _SHEBANG + render("merge")
    without = _without(whole)
    with redis(free_port(), binary=find_server()) as path:
        with wire.client(path) as client:
            for text in (whole, without):
                client.script_load(text)
        rows, shas = [], (_sha(whole), _sha(without))
        for name, before, reports in _loads(seconds):
            say(f"insight: {name}")
            pairs = [_pair(path, before, reports, shas, number) for number in range(rounds)]
            rows.append(_row(name, len(reports), pairs))
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
    """A name, what is in the store beforehand, and what is measured."""
    sends = list(map(sent, range(SENDS_PER_S * seconds // 2)))
    yield "sends", [], sends
    yield "statuses of tracked messages", sends, list(_updates(len(sends)))
    yield "statuses of others", [], list(_updates(STATUSES_PER_S * seconds // 6))


def _updates(messages: int) -> Iterator[Report]:
    """Delivered and read of each; if it is tracked, after some seconds, and after up to a day."""
    random, firsts = Random(messages), {sent(n).wamid: sent(n).at_ms for n in range(messages)}
    for each in news(messages):
        took_s = random.randrange(1, 10)
        if each.status is Status.READ:
            took_s = int(86_400 ** random.random()) + 10
        if each.status is not Status.SENT:
            at_ms = firsts[each.wamid] + took_s * 1_000
            yield Report(each.wamid, each.status, at_ms, at_ms * 1_000, each.recipient_id)


def _pair(
    path: str,
    before: Sequence[Report],
    reports: Sequence[Report],
    shas: tuple[bytes, bytes],
    number: int,
) -> tuple[float, float]:
    """What the whole script costs, and the one without, in s; the first goes last next time."""
    cost_s = {}
    for sha in shas if number % 2 else reversed(shas):
        wire.empty(path)
        wire.drive(path, _with(sha, shas[0], before))
        start_s = wire.main_thread_s(path)
        wire.drive(path, _with(sha, shas[0], reports))
        cost_s[sha] = wire.main_thread_s(path) - start_s
    return cost_s[shas[0]], cost_s[shas[1]]


def _row(name: str, count: int, pairs: Sequence[tuple[float, float]]) -> Row:
    return {
        "reports": name,
        "target": "ratio >= 0.85",
        **spread("ratio", [without_s / whole_s for whole_s, without_s in pairs]),
        "reports/cpu s": round(count / median(whole_s for whole_s, _ in pairs)),
        "without, reports/cpu s": round(count / median(without_s for _, without_s in pairs)),
    }


def _with(sha: bytes, whole: bytes, reports: Sequence[Report]) -> Iterator[bytes]:
    return (command.replace(whole, sha, 1) for command in wire.commands(reports))
