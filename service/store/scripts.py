"""Runs the Lua scripts: reads them from `lua/`, renders the rules into them, calls them by hash.

A script is sent as its `#!lua` line, the prelude with the rules of the domain rendered into it, and
its own body. All workers render the same text, so they share one hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha1
from itertools import chain
from secrets import token_hex
from typing import Any, Protocol, TypeVar, cast

import msgspec
from redis.exceptions import NoScriptError

from service.backends.permissions import MERGES, CheckedCommand, on_keys_of
from service.domain.identity import id_of
from service.domain.query import Position, ValuePosition
from service.domain.report import Merged, Outcome, Report, Status
from service.domain.statistics import (
    CounterDeltas,
    ValueTotals,
    times_in,
)
from service.store.keys import SCHEMA_VERSION, schema_key, tag_of
from service.store.queries import Query, Scan
from service.store.rules import render
from service.store.script_types import Change, Erasure, Held, Layout, Recount, Recounted

MAX_BATCH = 256
"""How many reports go to Redis together. Their weight says in how many calls of the script."""

MAX_WEIGHT = 512
"""The most that the reports of one call of `merge.lua` may weigh together, see `weight_of`: 256
statuses, 170 with fields of Meta's own, or 128 sends. All else waits for a call: for about 13 ms
among 1,000,000 messages, if each report is of another event. Calls of a sixth of that took about
2 ms, but cost Redis a third more in all, since the reports of a call share their counters."""

MAX_SCAN_US = 1_500
"""About how long one list call scans index entries, in µs of Redis, since all else waits for it.
Its queries share that time. That is at most 1,500 entries, and fewer if their records are read."""

MAX_ERASED = 20
"""How many messages are erased together, in calls of `_ERASED_AT_ONCE`."""

_ERASED_AT_ONCE = 10
"""How many messages one call of `erase.lua` takes, since all else waits for it."""

MAX_RECHECKED = 30
"""How many messages, lists or counters one recount takes, for the same reason."""

MAX_REPLACED = 16
"""How many records one upgrade replaces, for the same reason."""

Call = tuple[str | bytes | int, ...]
"""EVALSHA or EVAL with its arguments."""


class ScriptServer(Protocol):
    """Runs scripts. `Server` is one.

    Attributes:
        shebang: whether it knows the `#!lua` line; fakeredis doesn't.
    """

    shebang: bool

    async def run(self, until_s: float, tag: str, *command: Any) -> Any:  # noqa: ANN401  what a script answers depends on the script
        """See `Server.run`."""

    async def write(self, until_s: float, tag: str, commands: Sequence[Call]) -> list[Any]:
        """See `Server.write`."""


_Item = TypeVar("_Item")


_SHEBANGS = {
    "merge": "#!lua\n",
    "schema": "#!lua\n",
    "list": "#!lua flags=no-writes\n",
    "stats": "#!lua flags=no-writes\n",
    "values": "#!lua flags=no-writes\n",
    "erase": "#!lua flags=allow-oom\n",  # messages can be removed from a full server, too
    "recount": "#!lua\n",
    "upgrade": "#!lua\n",
}
"""The first line of each script. It makes a full or read-only server refuse a script that writes
before its first write, and still run the others
(https://redis.io/docs/latest/develop/programmability/lua-api/#script_flags)."""


_MERGED = {
    (status.encode(), outcome.encode()): Merged(status, outcome)
    for status in Status
    for outcome in Outcome
}


def _scan_of(reply: tuple[bytes, bytes, Sequence[bytes], Sequence[bytes]]) -> Scan:
    """The result of one query of `list.lua`."""
    stopped_us, stopped_id, ids, times = reply
    stopped = Position(_score(stopped_us), stopped_id.decode()) if stopped_us else None
    return Scan(list(map(bytes.decode, ids)), list(map(_score, times)), stopped)


def _score(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:  # fakeredis has scores like 1.7e+15
        return int(float(text))


def _numbers(flat: Sequence[bytes]) -> Counter[str]:
    """Fields and their numbers, from a flat list as HGETALL returns it in a script."""
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return Counter({field.decode(): _number(text) for field, text in pairs})


def _number(text: bytes) -> int:
    """A counter."""
    return max(0, int(text))  # earlier versions may have stored less after a loss of keys


def _fields(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """The fields of a hash, from a flat list as HGETALL returns it in a script."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


@cache
def _asked(partition: int, commands: tuple[CheckedCommand, ...]) -> bytes:
    """A batch without reports: it only tests whether the user may run these commands."""
    return msgspec.json.encode(([], on_keys_of(tag_of(partition), commands)))


def weight_of(report: Report) -> int:
    """How much time of Redis a report takes. A plain status takes 2.

    A send takes more since it enters its message into indexes. A status with fields of Meta's own
    may do so too.
    """
    return 4 if report.context else 3 if report.extras else 2


def calls_of(reports: Iterable[Report]) -> Iterator[list[Report]]:
    """Splits reports into lists for one call of the merge script each; their order stays."""
    some, weight = list[Report](), 0
    for report in reports:
        weight += weight_of(report)
        if weight > MAX_WEIGHT:
            yield some
            some, weight = [], weight_of(report)
        some.append(report)
    if some:
        yield some


def _cut(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


class _Script:
    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """Has a typed method for each script.

    Args:
        server: runs the scripts.
        call: see `render`.
    """

    def __init__(self, server: ScriptServer, call: str = "redis.call") -> None:
        self._server = server
        self._scripts = {
            name: _Script((line if server.shebang else "") + render(name, call))
            for name, line in _SHEBANGS.items()
        }

    async def _run(self, name: str, partition: int, argument: bytes, until_s: float) -> Any:  # noqa: ANN401  what a script answers depends on the script
        """Calls a script that reads, or whose writes can be repeated: they needn't be durable."""
        script, tag = self._scripts[name], tag_of(partition)
        try:
            return await self._server.run(until_s, tag, "EVALSHA", script.sha, 1, tag, argument)
        except NoScriptError:
            # The server is new, restarted or flushed. EVAL also loads the script
            # (https://redis.io/docs/latest/develop/programmability/eval-intro/).
            return await self._server.run(until_s, tag, "EVAL", script.text, 1, tag, argument)

    async def _write(
        self, name: str, partition: int, arguments: Sequence[bytes], until_s: float
    ) -> list[Any]:
        """Calls a script once for each argument, in one trip; returns when it is durable."""
        script, tag = self._scripts[name], tag_of(partition)
        calls: list[Call] = [("EVALSHA", script.sha, 1, tag, each) for each in arguments]
        try:
            return await self._server.write(until_s, tag, calls)
        except NoScriptError:
            calls[0] = "EVAL", script.text, 1, tag, arguments[0]
            return await self._server.write(until_s, tag, calls)

    async def merge(
        self, partition: int, reports: Sequence[Report], until_s: float
    ) -> list[Merged]:
        """Writes up to `MAX_BATCH` reports of one partition; returns the results in their order.

        It takes as many calls of the script as `MAX_WEIGHT` says. If one of them fails, others may
        have written.
        """
        batches = [
            msgspec.json.encode(([id_of(report.wamid) for report in some], some))
            for some in calls_of(reports)
        ]
        replies = await self._write("merge", partition, batches, until_s)
        words = chain.from_iterable(replies)
        return [_MERGED[pair] for pair in zip(words, words, strict=True)]

    async def probe(self, partition: int, until_s: float) -> None:
        """Checks that the partition's server would take a report; writes no data.

        It merges a batch without reports. Redis refuses that if it takes no writes, and the script
        checks that the user may run all commands of a merge.

        Raises:
            RedisError, TimeoutError: the server wouldn't take a report, or doesn't answer.
        """
        await self._write("merge", partition, [_asked(partition, MERGES)], until_s)

    async def ask_for(self, commands: tuple[CheckedCommand, ...], until_s: float) -> None:
        """Checks that partition 0's server takes writes, and that the user may run commands.

        Args:
            commands: one of the tables in `backends.permissions`.
            until_s: the deadline, by the loop's clock.

        Raises:
            NoPermissionError: the user may not run some of them. The text names these.
            RedisError, TimeoutError: the server takes no writes, or doesn't answer.
        """
        await self._run("merge", 0, _asked(0, commands), until_s)

    async def list(self, partition: int, queries: Sequence[Query], until_s: float) -> list[Scan]:
        """Runs queries of a partition; returns what each found, and where it stopped."""
        asked = msgspec.json.encode(
            {"most_us": MAX_SCAN_US, "queries": [query.in_redis() for query in queries]}
        )
        replies = await self._run("list", partition, asked, until_s)
        return [_scan_of(reply) for reply in replies]

    async def stats(
        self, partition: int, dimension: str, value: str, waits: Sequence[str], until_s: float
    ) -> CounterDeltas:
        """The counters of a value. `waits` names the fields of waits that it reads at least."""
        asked = msgspec.json.encode({"dimension": dimension, "value": value, "waits": waits})
        count, times, waiting = await self._run("stats", partition, asked, until_s)
        return CounterDeltas(_numbers(count), times_in(times), _numbers(waiting))

    async def values(
        self,
        partition: int,
        dimension: str,
        limit: int,
        after: ValuePosition | None,
        until_s: float,
    ) -> Sequence[ValueTotals]:
        """Up to `limit` values of a dimension behind a position."""
        after_us, after_value = after or ("", "")
        place = {"limit": limit, "after_us": str(after_us), "after_value": after_value}
        return await self._values(partition, dimension, place, until_s)

    async def standings(
        self, partition: int, dimension: str, values: Sequence[str], until_s: float
    ) -> Sequence[ValueTotals]:
        """The counts of these values, without those that have no messages in the partition."""
        return await self._values(
            partition, dimension, {"values": values, "limit": len(values)}, until_s
        )

    async def _values(
        self, partition: int, dimension: str, more: dict[str, Any], until_s: float
    ) -> Sequence[ValueTotals]:
        asked = {"dimension": dimension, "statuses": list(Status), "values": [], "after_us": ""}
        reply = await self._run("values", partition, msgspec.json.encode(asked | more), until_s)
        rows = zip(*[iter(reply)] * (2 + len(Status)), strict=True)
        return [
            ValueTotals(
                value.decode(), int(us), dict(zip(Status, map(_number, numbers), strict=True))
            )
            for value, us, *numbers in rows
        ]

    async def erase(self, partition: int, erasure: Erasure, until_s: float) -> int:
        """Removes up to `MAX_ERASED` messages of one partition; returns how many it removed.

        If a call of the script fails, others may have removed some.
        """
        steps = [
            msgspec.json.encode(msgspec.structs.replace(erasure, messages=some))
            for some in _cut(erasure.messages, _ERASED_AT_ONCE)
        ]
        return sum(await self._write("erase", partition, steps, until_s))

    async def recount(self, partition: int, recount: Recount, until_s: float) -> Recounted:
        """Compares indexes, lists and counters of a partition with its records.

        It mends them if `recount.mend` is set.
        """
        asked = msgspec.json.encode(recount)
        [reply] = await self._write("recount", partition, [asked], until_s)
        entries, cursors, lists, groups, place, counters = reply
        names = iter([name.decode() for name in entries])
        return Recounted(
            list(zip(names, names, names, strict=True)),
            [cursor.decode() for cursor in cursors],
            lists,
            groups,
            place.decode(),
            [Held(_fields(count), times, _fields(waits)) for count, times, waits in counters],
        )

    async def upgrade(self, partition: int, change: Change, until_s: float) -> int:
        """Brings part of a partition to this schema; returns how many records it replaced."""
        asked = msgspec.json.encode(change)
        [replaced] = await self._write("upgrade", partition, [asked], until_s)
        return int(replaced)

    async def layout(self, until_s: float) -> Layout | None:
        """The layout of the store; None if the store is empty."""
        command = "HMGET", schema_key(), *Layout._fields
        return Layout.of(await self._server.run(until_s, tag_of(0), *command))

    async def schema(self, partitions: int, until_s: float, store_id: str = "") -> Layout:
        """Claims an empty store for this layout; returns the layout that the store has.

        Args:
            partitions: how many partitions the layout has.
            until_s: the deadline, by the loop's clock.
            store_id: the id for a store that has none; "" makes a random one.
        """
        wanted = Layout(SCHEMA_VERSION, partitions, id=store_id or token_hex(8))
        reply = await self._run("schema", 0, msgspec.json.encode(wanted._asdict()), until_s)
        return cast("Layout", Layout.of(reply))
