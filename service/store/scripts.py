"""The Lua scripts: read from `lua/`, rendered with the rules, called by their hash.

A script is sent as its `#!lua` line, the prelude with the rules of `reports` and `keys` rendered
into it, and its own body. Rendering is ordered, so that every worker has the same hash of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from hashlib import sha1
from itertools import chain
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from redis.exceptions import NoScriptError

from service.backends.permissions import MERGES, Command, on_keys_of
from service.domain.dimensions import DIMENSIONS, RECIPIENT_FIELDS, Dimension, Value, values_of
from service.domain.error_codes import KNOWN_CODES
from service.domain.identity import ENDING_DIGITS, id_of
from service.domain.query import Position, Selection, ValuePosition
from service.domain.record import ERROR_FIELDS, Participant, Record, stored
from service.domain.report import RANK, SHARED, Context, Extras, Report, Status
from service.domain.rows import Kind, Row
from service.domain.statistics import (
    AGE_BUCKET_DIGITS,
    EXACT_S,
    GROWTH,
    LATENCY_BUCKETS_S,
    LONGEST_CODE,
    MOST_CODES,
    OTHER_CODE,
    REACHED,
    TIMED,
    TOLERANCE_MS,
    CounterDeltas,
    ValueTotals,
    times_in,
)
from service.store.keys import FEED_ENTRIES, FEED_IDS, SCHEMA_VERSION, schema_key, tag_of

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

Execute = Callable[..., Awaitable[Any]]
"""`execute(until_s, tag, *command)`: sends a command to the server that holds the tag's partition;
gives up at `until_s` of the loop's clock, as all methods of `Scripts` do."""

_Call = tuple[str | bytes | int, ...]

Write = Callable[[float, str, Sequence[_Call]], Awaitable[list[Any]]]
"""`write(until_s, tag, commands)`: likewise, of commands that are run one after the other; returns
their replies."""

_Item = TypeVar("_Item")

_Getter = Callable[[str], Callable[[Row], str | None]]

Test = Callable[[Any], bool]

_PACKAGED = Path(__file__).parents[1] / "lua"
_FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "lua"

_UNAWAITED = {"list", "stats", "values", "schema"}
"""Scripts that write nothing, or nothing that may not be lost: the schema is written again."""

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


class Query(msgspec.Struct, frozen=True):
    """One query of a partition; `in_redis` encodes to the JSON object that `list.lua` reads.

    Attributes:
        filters: see `Selection`, which also explains the next ones, up to `lacks`.
        since_us: see `Selection`, `""` for any.
        limit: messages wanted.
        after_us: `created_us` of the position to start behind, `""` at the newest.
        after_id: the message id of that position.
    """

    filters: Sequence[tuple[str, str]]
    status: str
    heads: str
    codes: Sequence[str]
    but_codes: Sequence[str]
    has: Sequence[str]
    lacks: Sequence[str]
    since_us: str
    limit: int
    after_us: str
    after_id: str

    @classmethod
    def of(cls, selection: Selection, limit: int, after: Position | None) -> Query:
        """A look for up to `limit` of the selected messages behind a position."""
        after_us, after_id = (str(after.created_us), after.message_id) if after else ("", "")
        return cls(
            filters=selection.filters,
            status=selection.status,
            heads=selection.heads,
            codes=selection.codes,
            but_codes=selection.but_codes,
            has=selection.has,
            lacks=selection.lacks,
            since_us=str(selection.since_us or ""),
            limit=limit,
            after_us=after_us,
            after_id=after_id,
        )

    def in_redis(self) -> Query:
        """The same with the names that fields have in a hash, as `list.lua` takes it."""
        if not self.has and not self.lacks:
            return self
        has, lacks = [*map(stored, self.has)], [*map(stored, self.lacks)]
        return msgspec.structs.replace(self, has=has, lacks=lacks)

    def test(self, kind: Kind[Row]) -> Callable[[Row], bool]:
        """Tells of a row whether it is of a message that the query looks for.

        It is read after the script has found its message, and that may have changed in between.

        Args:
            kind: of the rows.
        """
        by_filters = (_filter_test(each, kind.getter) for each in self.filters)
        tests = [*by_filters, *self._further_tests(kind.getter)]

        def test(row: Row) -> bool:
            for each in tests:  # noqa: SIM110  `all` would take thrice as long
                if not each(row):
                    return False
            return True

        return tests[0] if len(tests) == 1 else test

    def _further_tests(self, getter: _Getter[Row]) -> Iterator[Callable[[Row], bool]]:
        if self.status:
            status = getter("status")
            yield lambda row: status(row) == self.status
        if self.heads:
            ending = dict(self.filters)["recipient"]
            getters = list(map(getter, RECIPIENT_FIELDS))
            yield lambda row: any(
                number.endswith(ending) and f",{number[:-ENDING_DIGITS]}," in self.heads
                for get in getters
                if (number := get(row))
            )
        if self.codes:
            code = getter("error_code")
            yield lambda row: (code(row) or "") in self.codes
        if self.but_codes:
            other_code = getter("error_code")
            yield lambda row: (other_code(row) or "") not in self.but_codes
        if self.has:
            given = list(map(getter, self.has))
            yield lambda row: all(get(row) for get in given)
        if self.lacks:
            absent = list(map(getter, self.lacks))
            yield lambda row: not any(get(row) for get in absent)
        if self.since_us:
            created_us = getter("created_us")
            yield lambda row: int(created_us(row) or 0) >= int(self.since_us)


def _filter_test(a_filter: tuple[str, str], getter: _Getter[Row]) -> Callable[[Row], bool]:
    name, value = a_filter
    dimension = _DIMENSIONS[name]
    if dimension.value is Value.FIELD and not dimension.further:
        field = getter(dimension.field)
        return lambda row: field(row) == value
    getters = list(map(getter, dimension.fields))
    return lambda row: value in values_of(dimension, (get(row) for get in getters))


_DIMENSIONS = {each.name: each for each in DIMENSIONS}

_WRITERS = ("merge", "erase", "recount", "upgrade")
"""Of messages: they get `indexes.lua`."""


class Erasure(msgspec.Struct, frozen=True):
    """What one erase is for; encodes to the JSON object that `erase.lua` reads.

    Attributes:
        messages: id and CRC16 of the wamid of each, at most `MAX_ERASED`.
        dimension: only messages in this index go, under `value`.
        value: see `dimension`.
        recipients: only messages to one of these numbers and ids go; none: to anybody.
        before_us: only messages that were created earlier, in µs as text; `""` for any.
        gone_s: how long reports must not bring them back, in seconds; 0: they may.
    """

    messages: Sequence[tuple[str, str]]
    dimension: str
    value: str = ""
    recipients: Sequence[str] = ()
    before_us: str = ""
    gone_s: int = 0


class Outcome(StrEnum):
    """What a report did to its message's record."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    QUEUED = "queued"
    """Nothing yet: it is in the journal."""
    ERASED = "erased"
    """Nothing: the message had been erased, and stays so."""


class Merged(NamedTuple):
    """A report was taken: the message's status after it, and what it did to the record.

    Of one that is queued the status is the reported one.
    """

    status: Status
    outcome: Outcome


class Recount(msgspec.Struct, frozen=True):
    """What to hold against the records; encodes to the JSON object that `recount.lua` reads.

    Of messages, lists and counters up to `MAX_RECHECKED` each, of indexes twice as many.

    Attributes:
        mend: whether what is wrong is made right.
        messages: ids of messages whose index entries are looked for.
        indexes: dimension, value, and cursor from which on its entries' messages are looked for.
        lists: dimension, value, and `created_us` of its latest message, `""` for none.
        group: the id of a message whose number of participants may be wrong; `""` for none.
        counters: dimension and value.
        put: what the counters of the first of them must hold where they are wrong: fields and
            numbers of count, all numbers of times, fields and numbers of waits; empty: nothing.
        place: the feed's last entry, as it must still be for that to be written.
    """

    mend: bool = False
    messages: Sequence[str] = ()
    indexes: Sequence[tuple[str, str, str]] = ()
    lists: Sequence[tuple[str, str, str]] = ()
    group: str = ""
    counters: Sequence[tuple[str, str]] = ()
    put: Sequence[Sequence[object]] = ()
    place: str = ""


class Held(NamedTuple):
    """What the counters of a value hold.

    Attributes:
        numbers: the fields of count, as they are.
        times: the text, as it is.
        waits: the fields of it, as they are.
    """

    numbers: dict[bytes, bytes]
    times: bytes
    waits: dict[bytes, bytes]


class Recounted(NamedTuple):
    """What was wrong, and what counters hold.

    Attributes:
        entries: id, dimension and value of the wrong ones.
        cursors: where to go on in the first of the indexes that were asked for, as far as it came;
            `"0"`: that one is done.
        lists: how many of them were wrong.
        groups: likewise.
        place: the id of the feed's last entry at that instant; `""`: it has none.
        counters: of the first values that were asked for, as far as it came.
    """

    entries: list[tuple[str, str, str]]
    cursors: list[str]
    lists: int
    groups: int
    place: str
    counters: list[Held]


Replaced = tuple[str, str, Sequence[str], str, Sequence[str]]
"""A message's id, packed record, fields with their values, the value of the recipient's index that
it leaves, and the fields of its participants."""


class Change(msgspec.Struct, frozen=True):
    """What one upgrade of a partition does; encodes to the JSON object that `upgrade.lua` reads.

    Attributes:
        door: `shut`, `open` or "", as `upgrade.lua` has them.
        schema: fields and values of the layout to be set, one after the other; empty: none.
        origin: the version that the store is brought from; "" where it isn't on the way any more.
        messages: up to `MAX_REPLACED` of them.
        counts: the dimensions in which these messages are not counted yet.
    """

    door: str = ""
    schema: Sequence[str] = ()
    origin: str = msgspec.field(default="", name="from")
    messages: Sequence[Replaced] = ()
    counts: Sequence[str] = ()


class Scan(NamedTuple):
    """What one list call found in a partition, and where it stopped; None: nothing more there."""

    found: list[Position]
    stopped: Position | None


class Layout(NamedTuple):
    """How a store is laid out.

    Attributes:
        version: of the schema.
        partitions: how many it has.
        moving: how many it will have when the move that is under way is done; 0: none is.
        id: tells it from every other store; "" for one that an earlier version made, until the
            next start.
    """

    version: int
    partitions: int
    moving: int = 0
    id: str = ""

    @classmethod
    def of(cls, fields: Sequence[bytes | int | None]) -> Layout | None:
        """The layout by its fields as Redis has them; None where there is no store."""
        version, partitions, moving, store_id = fields
        if version is None:
            return None
        name = store_id.decode() if isinstance(store_id, bytes) else ""
        return cls(int(version), int(partitions or 0), int(moving or 0), name)


_MERGED = {
    (status.encode(), outcome.encode()): Merged(status, outcome)
    for status in Status
    for outcome in Outcome
}


def _constants() -> dict[str, str]:
    """Names in the scripts for which `render` puts these literals."""
    return {
        "EXACT_S": str(EXACT_S),
        "GROWTH": str(GROWTH),
        "LONGEST_S": str(LATENCY_BUCKETS_S[-1]),
        "BOUNDS": str(len(LATENCY_BUCKETS_S)),
        "TOLERANCE_MS": str(TOLERANCE_MS),
        "MOST_CODES": str(MOST_CODES),
        "LONGEST_CODE": str(LONGEST_CODE),
        "OTHER_CODE": f"'{OTHER_CODE}'",
        "KNOWN_CODES": f"' {' '.join(KNOWN_CODES)} '",
        "FEED_ENTRIES": f"'{FEED_ENTRIES}'",
        "FEED_IDS": str(FEED_IDS),
        "ENDING_DIGITS": str(ENDING_DIGITS),
        "PARTICIPANT": str(Extras.__struct_fields__.index("participant_id") + 1),
    }


def _rules() -> str:
    """The order of statuses, the fields of a hash and the dimensions, as Lua."""
    named = {stored(field): stored(f"{field}_us") for field in Context.__struct_fields__}
    shared = {stored(field): stored(f"{field}_us") for field in SHARED}
    return "\n".join(
        [
            f"local RANK = {{{_list(f'{status} = {RANK[status]}' for status in Status)}}}",
            _pairs("TIME_OF", {status: stored(f"{status}_ms") for status in Status}),
            _pairs("RECEIPT_OF", {status: stored(f"{status}_received_ms") for status in Status}),
            _texts("FIELDS", map(stored, Record._fields)),
            _texts("CONTEXT", map(stored, Context.__struct_fields__)),
            _texts("EXTRAS", map(stored, Extras.__struct_fields__)),
            _texts("MEMBER", Participant._fields[1:]),
            _pairs("NAMED_OF", named),
            _pairs("SHARED", shared),
            _texts("ERROR", map(stored, ERROR_FIELDS)),
            _texts("REACHED", REACHED),
            _texts("TIMED", [stored(f"{status}_ms") for status in TIMED]),
            f"local AGE_BUCKET_DIGITS = {{{_list(AGE_BUCKET_DIGITS)}}}",
            _dimensions("DIMENSIONS", DIMENSIONS),
            _dimensions("COUNTED", [each for each in DIMENSIONS if each.counted]),
            f"local function counted_by(record) return {_counted_by()} end",
            f"local function stays(old, new) return {_stays()} end",
        ]
    )


def _texts(name: str, texts: Iterable[str]) -> str:
    return f"local {name} = {{{_list(repr(str(text)) for text in texts)}}}"


def _pairs(name: str, pairs: Mapping[str, str]) -> str:
    return f"local {name} = {{{_list(f'{key} = {text!r}' for key, text in pairs.items())}}}"


def _counted_by() -> str:
    """All that the counters of a record depend on, as one text. None of it holds a line end."""
    counted = (each for each in DIMENSIONS if each.counted and each.value is not Value.ALWAYS)
    fields = (field for each in counted for field in each.fields)
    return " .. '\\n' .. ".join(f"(record.{stored(field)} or '')" for field in fields)


def _stays() -> str:
    """Whether a message stays in all of its indexes."""
    failed = "(old.{0} == 'failed') == (new.{0} == 'failed')"
    return " and ".join(
        (failed if each.value is Value.FAILED else "old.{0} == new.{0}").format(stored(field))
        for each in DIMENSIONS
        for field in each.fields
    )


def _dimensions(name: str, dimensions: Iterable[Dimension]) -> str:
    """A row for each field of each. `further` says whether there are several."""
    rows = (
        f"  {{name = '{each.name}', value = '{each.value}', field = '{stored(field)}',"
        f" listed = {_bool(each.listed)}, further = {_bool(each.further)}}},"
        for each in dimensions
        for field in each.fields
    )
    return "\n".join([f"local {name} = {{", *rows, "}"])


def _bool(truth: object) -> str:
    return str(bool(truth)).lower()


def _scan_of(reply: Sequence[bytes]) -> Scan:
    """What one query found, behind where it stopped."""
    ids = map(bytes.decode, reply[1::2])
    stopped, *found = map(Position, map(_score, reply[::2]), ids)
    return Scan(found, stopped if stopped.created_us else None)


def _score(text: bytes) -> int:
    try:
        return int(text or 0)
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


def _list(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def render(name: str, call: str = "redis.call") -> str:
    """The text of `lua/<name>.lua` as a server gets it, without its `#!lua` line.

    Constants are put in as literals: a local of theirs would be bound anew to each function that
    names it, at every call of the script: 5 % of what a single report costs Redis.

    Args:
        name: of the script.
        call: the Lua expression that scripts call Redis through; tests give a stricter one.
    """
    prelude = (_FOLDER / "prelude.lua").read_text()
    prelude = prelude.replace("--@rules", _rules())
    prelude = prelude.replace("local call = redis.call", f"local call = {call}")
    shared = (_FOLDER / "indexes.lua").read_text() if name in _WRITERS else ""
    text = prelude + shared + (_FOLDER / f"{name}.lua").read_text()
    constants = _constants()
    return _NAME.sub(lambda name: constants.get(name[0], name[0]), text)


_NAME = re.compile(r"\b[A-Z][A-Z_]*\b")


@cache
def _asked(partition: int, commands: tuple[Command, ...]) -> bytes:
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
        execute: sends a command to the server of a partition.
        shebang: whether the server knows the `#!lua` line; fakeredis doesn't.
        call: as in `render`.
        write: for scripts that write: returns when that is durable. Without it they go by
            `execute`, and are done once they are in the server's memory.
    """

    def __init__(
        self,
        execute: Execute,
        *,
        shebang: bool,
        call: str = "redis.call",
        write: Write | None = None,
    ) -> None:
        self._execute = execute
        self._write = write or self._one_by_one
        self._scripts = {
            name: _Script((line if shebang else "") + render(name, call))
            for name, line in _SHEBANGS.items()
        }

    async def _one_by_one(self, until_s: float, tag: str, commands: Sequence[_Call]) -> list[Any]:
        return [await self._execute(until_s, tag, *command) for command in commands]

    async def _run(self, name: str, partition: int, argument: bytes, until_s: float) -> Any:  # noqa: ANN401  what a script answers depends on the script
        """One call of a script."""
        send = self._one_by_one if name in _UNAWAITED else self._write
        [reply] = await self._run_all(name, partition, [argument], until_s, send)
        return reply

    async def _run_all(
        self, name: str, partition: int, arguments: Sequence[bytes], until_s: float, send: Write
    ) -> list[Any]:
        """EVALSHA for each; EVAL on a server that lacks the script: new, restarted or flushed.

        EVAL leaves it there (https://redis.io/docs/latest/develop/programmability/eval-intro/).
        """
        script, tag = self._scripts[name], tag_of(partition)
        calls: list[_Call] = [("EVALSHA", script.sha, 1, tag, each) for each in arguments]
        try:
            return await send(until_s, tag, calls)
        except NoScriptError:
            calls[0] = "EVAL", script.text, 1, tag, arguments[0]
            return await send(until_s, tag, calls)

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
        replies = await self._run_all("merge", partition, batches, until_s, self._write)
        words = chain.from_iterable(replies)
        return [_MERGED[pair] for pair in zip(words, words, strict=True)]

    async def probe(self, partition: int, until_s: float) -> None:
        """Makes sure that the partition's server would take a report; leaves nothing there.

        It is a merge of no reports, which Redis refuses where it takes no writes, and in which the
        user's permission for all that a merge does is asked for.

        Raises:
            RedisError, TimeoutError: as `execute` does.
        """
        await self._run("merge", partition, _asked(partition, MERGES), until_s)

    async def ask_for(self, commands: tuple[Command, ...], until_s: float) -> None:
        """Makes sure that partition 0's server takes writes, and that the user has permission.

        Args:
            commands: to do this; one of the tables in `permits`.
            until_s: when to give up.

        Raises:
            NoPermissionError: they lack some of it. The text names all that they lack.
            RedisError, TimeoutError: as `execute` does.
        """
        await self._run_all("merge", 0, [_asked(0, commands)], until_s, self._one_by_one)

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
        return sum(await self._run_all("erase", partition, steps, until_s, self._write))

    async def recount(self, partition: int, recount: Recount, until_s: float) -> Recounted:
        """Holds what the partition has against its records, and mends it if it is asked to."""
        asked = msgspec.json.encode(recount)
        entries, cursors, lists, groups, place, counters = await self._run(
            "recount", partition, asked, until_s
        )
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
        return int(await self._run("upgrade", partition, msgspec.json.encode(change), until_s))

    async def layout(self, until_s: float) -> Layout | None:
        """The layout that the store has; None for an empty one."""
        command = "HMGET", schema_key(), *Layout._fields
        return Layout.of(await self._execute(until_s, tag_of(0), *command))

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
