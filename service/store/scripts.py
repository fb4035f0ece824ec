"""The Lua scripts: read from `lua/`, rendered with the rules, called by their hash.

A script is sent as its `#!lua` line, the prelude with the rules of `reports` and `keys` rendered
into it, and its own body. Rendering is ordered, so that every worker has the same hash of it.
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
"""Reports that go to Redis together, in as many calls of the script as their weight takes."""

MAX_WEIGHT = 512
"""What the reports of one call of `merge.lua` weigh together, see `weight_of`: 256 statuses, 170 of
Meta's own or 128 sends. Redis does nothing else meanwhile, for about 13 ms among 1,000,000 messages
where each report is of another event. Calls of a sixth of that took about 2 ms, but counters, which
reports of a call share, then cost Redis a third more in all."""

MAX_SCAN_US = 1_500
"""About how long one list call looks at index entries, in µs of Redis, since all else waits
meanwhile; its queries share that. What is asked of each says how many entries these are: 1,500 at
the most."""

MAX_ERASED = 20
"""Messages that are erased together, in as many calls of the script as `_ERASED_AT_ONCE` takes."""

_ERASED_AT_ONCE = 10
"""Messages in one call of `erase.lua`, since all else waits meanwhile."""

MAX_RECHECKED = 30
"""Messages, lists or counters in one recount, for the same reason."""

MAX_REPLACED = 16
"""Records that one upgrade replaces, for the same reason."""

Call = tuple[str | bytes | int, ...]
"""EVALSHA or EVAL with its arguments."""


class ScriptServer(Protocol):
    """What runs scripts: a `Server`.

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
    "erase": "#!lua flags=allow-oom\n",  # of a full server, too, messages may be removed
    "recount": "#!lua\n",
    "upgrade": "#!lua\n",
}
"""Makes a full or read-only server refuse a script before its first write, and answer reads still
(https://redis.io/docs/latest/develop/programmability/lua-api/#script_flags)."""


_MERGED = {
    (status.encode(), outcome.encode()): Merged(status, outcome)
    for status in Status
    for outcome in Outcome
}


def _scan_of(reply: tuple[bytes, bytes, Sequence[bytes]]) -> Scan:
    """The result of one query of `list.lua`."""
    stopped_us, stopped_id, found = reply
    ids = map(bytes.decode, found[1::2])
    stopped = Position(_score(stopped_us), stopped_id.decode()) if stopped_us else None
    return Scan(list(map(Position, map(_score, found[::2]), ids)), stopped)


def _score(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:  # fakeredis has scores like 1.7e+15
        return int(float(text))


def _numbers(flat: Sequence[bytes]) -> Counter[str]:
    """Fields and their numbers, as HGETALL has them in a script."""
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return Counter({field.decode(): _number(text) for field, text in pairs})


def _number(text: bytes) -> int:
    """A counter, at least 0: earlier versions may have stored less after a loss of keys."""
    return max(0, int(text))


def _fields(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """A hash, as HGETALL has it in a script."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


@cache
def _asked(partition: int, commands: tuple[CheckedCommand, ...]) -> bytes:
    """A batch without reports, which asks for the permission to run these commands."""
    return msgspec.json.encode(([], on_keys_of(tag_of(partition), commands)))


def weight_of(report: Report) -> int:
    """How much of Redis' time a report takes, in halves of what a plain status does.

    A send enters its message into indexes. A status with fields of Meta's own may do so.
    """
    return 4 if report.context else 3 if report.extras else 2


def calls_of(reports: Iterable[Report]) -> Iterator[list[Report]]:
    """The reports in their order, in lists for a call of the merge script each."""
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
    """One typed method a script.

    Args:
        server: runs them.
        call: as in `render`.
    """

    def __init__(self, server: ScriptServer, call: str = "redis.call") -> None:
        self._server = server
        self._scripts = {
            name: _Script((line if server.shebang else "") + render(name, call))
            for name, line in _SHEBANGS.items()
        }

    async def _run(self, name: str, partition: int, argument: bytes, until_s: float) -> Any:  # noqa: ANN401  what a script answers depends on the script
        """One call of a script. It waits for no durability: of what is read, or written again.

        EVAL follows on a server that lacks the script: a new one, restarted or flushed. It leaves
        it there (https://redis.io/docs/latest/develop/programmability/eval-intro/).
        """
        script, tag = self._scripts[name], tag_of(partition)
        try:
            return await self._server.run(until_s, tag, "EVALSHA", script.sha, 1, tag, argument)
        except NoScriptError:
            return await self._server.run(until_s, tag, "EVAL", script.text, 1, tag, argument)

    async def _write(
        self, name: str, partition: int, arguments: Sequence[bytes], until_s: float
    ) -> list[Any]:
        """Calls of a script in one trip; returns when what they wrote is durable."""
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
        """Writes up to `MAX_BATCH` reports, all of that partition; answers in their order.

        Each call of the script keeps to `MAX_WEIGHT`. When one fails, others may have written.
        """
        batches = [
            msgspec.json.encode(([id_of(report.wamid) for report in some], some))
            for some in calls_of(reports)
        ]
        replies = await self._write("merge", partition, batches, until_s)
        words = chain.from_iterable(replies)
        return [_MERGED[pair] for pair in zip(words, words, strict=True)]

    async def probe(self, partition: int, until_s: float) -> None:
        """Makes sure that the partition's server would take a report; leaves nothing there.

        It is a merge of no reports, which Redis refuses where it takes no writes, and in which the
        user's permission for all that a merge does is asked for.

        Raises:
            RedisError, TimeoutError: as `execute` does.
        """
        await self._write("merge", partition, [_asked(partition, MERGES)], until_s)

    async def ask_for(self, commands: tuple[CheckedCommand, ...], until_s: float) -> None:
        """Makes sure that partition 0's server takes writes, and that the user has permission.

        Args:
            commands: to do this; one of the tables in `permits`.
            until_s: when to give up.

        Raises:
            NoPermissionError: they lack some of it. The text names all that they lack.
            RedisError, TimeoutError: as `execute` does.
        """
        await self._run("merge", 0, _asked(0, commands), until_s)

    async def list(self, partition: int, queries: Sequence[Query], until_s: float) -> list[Scan]:
        """A look at the partition for each query: what it found, and where it stopped."""
        asked = msgspec.json.encode(
            {"most_us": MAX_SCAN_US, "queries": [query.in_redis() for query in queries]}
        )
        replies = await self._run("list", partition, asked, until_s)
        return [_scan_of(reply) for reply in replies]

    async def stats(
        self, partition: int, dimension: str, value: str, waits: Sequence[str], until_s: float
    ) -> CounterDeltas:
        """What the counters say of a value's messages; of `waits` at least these fields."""
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
        """Up to so many values of a dimension behind a position."""
        after_us, after_value = after or ("", "")
        place = {"limit": limit, "after_us": str(after_us), "after_value": after_value}
        return await self._values(partition, dimension, place, until_s)

    async def standings(
        self, partition: int, dimension: str, values: Sequence[str], until_s: float
    ) -> Sequence[ValueTotals]:
        """How those of the values stand that have messages in the partition."""
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
        """Removes up to `MAX_ERASED` messages, all of that partition; returns how many there were.

        When a call of the script fails, others may have removed some.
        """
        steps = [
            msgspec.json.encode(msgspec.structs.replace(erasure, messages=some))
            for some in _cut(erasure.messages, _ERASED_AT_ONCE)
        ]
        return sum(await self._write("erase", partition, steps, until_s))

    async def recount(self, partition: int, recount: Recount, until_s: float) -> Recounted:
        """Holds what the partition has against its records, and mends it if it is asked to."""
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
        """Brings a part of a partition to another schema; returns how many records it replaced."""
        asked = msgspec.json.encode(change)
        [replaced] = await self._write("upgrade", partition, [asked], until_s)
        return int(replaced)

    async def layout(self, until_s: float) -> Layout | None:
        """The layout that the store has; None for an empty one."""
        command = "HMGET", schema_key(), *Layout._fields
        return Layout.of(await self._server.run(until_s, tag_of(0), *command))

    async def schema(self, partitions: int, until_s: float, store_id: str = "") -> Layout:
        """Claims an empty store for this layout; returns the layout that the store has.

        Args:
            partitions: of the layout.
            until_s: when to give up.
            store_id: for a store that has none; "" makes one.
        """
        wanted = Layout(SCHEMA_VERSION, partitions, id=store_id or token_hex(8))
        reply = await self._run("schema", 0, msgspec.json.encode(wanted._asdict()), until_s)
        return cast("Layout", Layout.of(reply))
