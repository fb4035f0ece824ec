"""Stores for tests on each backend, and what must hold in them whatever happened before."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from msgspec.structs import asdict
from redis.asyncio.cluster import ClusterNode, PipelineCommand

from service.backends.cluster import Cluster
from service.backends.connect import connect
from service.backends.durability import fence_key
from service.backends.server import OneServer, Server
from service.config import Auth, Redis, Settings
from service.domain.dimensions import DIMENSIONS, Dimension, Value
from service.domain.identity import ending_of, id_of, partition_of
from service.domain.record import (
    Participant,
    Record,
    participants_in,
    participants_of,
    record_in,
    record_of,
    stored,
)
from service.domain.report import Report, Status
from service.domain.statistics import deltas_of, times_in
from service.store.keys import SCHEMA_VERSION, feed_key, message_key, participants_key, tag_of
from service.store.scripts import Scripts
from service.store.startup import check, claim
from service.store.store import Observer, Store

STRICT_CALL = """function(command, ...)
  local keys = {...}
  local last = (command == 'MGET' or command == 'DEL') and #keys or 1
  for i = 1, last do
    if string.sub(keys[i], 1, #KEYS[1] + 1) ~= KEYS[1] .. ':' then
      error('a key outside of the partition: ' .. keys[i])
    end
  end
  return redis.call(command, ...)
end"""
"""Stands for `redis.call` in the scripts under test: refuses every key without the tag."""

Contents = dict[str, Any]
"""All keys and what they hold: text, hash or sorted set as Python has them; of a feed the ids; of a
message the texts."""


@dataclass(frozen=True)
class Backend:
    """A kind of store."""

    url: str
    partitions: int


@dataclass
class Bench:
    """An open store with what tests look into it by."""

    store: Store
    scripts: Scripts
    server: Server
    partitions: int
    failures: list[str]

    async def merge(self, *reports: Report) -> None:
        """Merges the reports one after the other."""
        for report in reports:
            partition = partition_of(report.wamid, self.partitions)
            await self.scripts.merge(partition, [report], soon_s())

    async def execute(self, tag: str, *command: Any) -> Any:
        """Runs a command where the partition is."""
        return await self.server.execute(soon_s(), tag, *command)

    async def record(self, wamid: str) -> Record | None:
        """The record of a message."""
        return (await self.store.lookup([wamid])).get(wamid)

    async def participants(self, wamid: str) -> list[Participant]:
        """The participants of a message."""
        record = await self.record(wamid)
        return (await self.store.with_participants(record))[1] if record else []

    async def contents(self) -> Contents:
        """Everything in the store."""
        found: Contents = {}
        for node in await nodes_of(self.server):
            for key, (kind, held) in (await dump_of(node)).items():
                assert key not in found, "a key on two nodes"
                found[key] = _readable(key, kind, held)
        return found

    async def tombs(self) -> Contents:
        """What is left of erased messages."""
        return tombs_in(await self.contents())

    async def check_invariants(self) -> list[Record]:
        """Indexes equal records, counters equal a recount, no key is outside the catalogue.

        Returns:
            all records, see `unversioned`.
        """
        found = await self.contents()
        tags = [tag_of(partition) for partition in range(self.partitions)]
        beside = {key_of(tag) for tag in tags for key_of in (feed_key, fence_key)}
        contents = {
            key: held
            for key, held in found.items()
            if key not in beside and not is_all_zeros(key, found)
        }
        tombs = tombs_in(contents)
        records = [record_in(held.items()) for key, held in contents.items() if ":msg:" in key]
        layout = {"version": SCHEMA_VERSION, "partitions": self.partitions}
        schema = {f"{tag_of(0)}:schema": layout}
        assert contents[f"{tag_of(0)}:schema"].pop("id")
        expected = schema | expected_contents(contents, records, self.partitions) | tombs
        wrong = {
            key: (contents.get(key), expected.get(key))
            for key in contents.keys() | expected.keys()
            if contents.get(key) != expected.get(key)
        }
        assert not wrong, wrong
        for key, crc16 in tombs.items():
            tag, _, message_id = key.partition(":gone:")
            assert tag == tag_of(int(crc16) % self.partitions)
            assert message_key(tag, message_id) not in contents
        told = {message_id for key in found if key.endswith("}:feed") for message_id in found[key]}
        assert {id_of(record.wamid) for record in records} <= told
        return list(map(unversioned, records))


def unversioned(record: Record) -> Record:
    """The record as `record_of` makes it: the version depends on how many merges it took."""
    assert not record.version or int(record.version) > 1
    return record._replace(version="")


def tombs_in(contents: Contents) -> Contents:
    """What is left of erased messages."""
    return {key: held for key, held in contents.items() if ":gone:" in key}


def is_all_zeros(key: str, contents: Contents) -> bool:
    """Whether it is how long messages took, of a value that has messages, but none that took it."""
    if ":times:" not in key or contents[key]:
        return False
    return key.replace(":times:", ":count:") in contents


def soon_s() -> float:
    """A time limit that nothing in a test should reach, of the loop's clock."""
    return asyncio.get_running_loop().time() + 10


async def nodes_of(server: Server) -> list[Any]:
    """The driver's clients of all servers that hold the store."""
    if isinstance(server, Cluster):
        await server._client.initialize()
        return list(server._client.get_primaries())
    assert isinstance(server, OneServer)
    return [server._client]


_READ = {
    "string": ("GET",),
    "hash": ("HGETALL",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    "stream": ("XRANGE", "-", "+"),
}
"""How a key of each type is read: the command, and what stands behind the key."""


async def dump_of(node: Any) -> dict[str, tuple[str, Any]]:
    """All keys of a server: their types, and what they hold."""
    keys = await node.execute_command("KEYS", "*")
    kinds = [_text(kind) for kind in await _all(node, [("TYPE", key) for key in keys])]
    assert set(kinds) <= _READ.keys()
    reads = [_READ[kind] for kind in kinds]
    held = await _all(
        node, [(name, key, *rest) for key, (name, *rest) in zip(keys, reads, strict=True)]
    )
    return dict(zip(map(_text, keys), zip(kinds, held, strict=True), strict=True))


async def _all(node: Any, commands: list[tuple[Any, ...]]) -> list[Any]:
    """The answers to commands that are sent at once, which is ten times quicker than one by one."""
    if isinstance(node, ClusterNode):
        pipeline = [
            PipelineCommand(place, *one, **_options(one)) for place, one in enumerate(commands)
        ]
        await node.execute_pipeline(pipeline)
        return [one.result for one in pipeline]
    pipeline = node.pipeline(transaction=False)
    for one in commands:
        pipeline.execute_command(*one, **_options(one))
    return list(await pipeline.execute())


def _options(command: tuple[Any, ...]) -> dict[str, bool]:
    """The driver's options: members come with their scores as numbers."""
    return {"withscores": True} if command[0] == "ZRANGE" else {}


def _text(given: bytes | str) -> str:
    return given.decode() if isinstance(given, bytes) else given


def _readable(key: str, kind: str, held: Any) -> Any:
    """What a key holds as tests compare it."""
    if kind == "string":
        return dict(times_in(held)) if ":times:" in key else held
    if kind == "hash":
        known = {name.decode(): value.decode() for name, value in held.items()}
        if ":msg:" in key or ":participants:" in key:
            assert all(known.values()), "an empty text is never stored"
            return known
        return {name: value if name == "id" else int(value) for name, value in known.items()}
    if kind == "stream":
        texts = [fields[b"ids"].decode() for _, fields in held]
        return [text[at : at + 22] for text in texts for at in range(0, len(text), 22)]
    return {member.decode(): int(score) for member, score in held}


NAMES = [stored(field) for field in Record._fields]
"""The fields of a message's hash, in the order for people."""


def hash_of(record: Record) -> dict[str, str]:
    """What the hash of a message holds: receipts only where they aren't of its creation."""
    created_ms = record.created_us[:-3]
    fields = {stored(field): str(text) for field, text in record._asdict().items() if text}
    return {
        name: text
        for name, text in fields.items()
        if not (name.endswith("_received_ms") and text == created_ms)
    }


def expected_contents(contents: Contents, records: Sequence[Record], partitions: int) -> Contents:
    """What the store must hold if these are its records: worked out from them anew."""
    expected: dict[str, Any] = defaultdict(lambda: defaultdict(int))
    for record in records:
        message_id, tag = id_of(record.wamid), tag_of(partition_of(record.wamid, partitions))
        key = message_key(tag, message_id)
        later = {name: text for name, text in contents.get(key, {}).items() if name not in NAMES}
        expected[key] = hash_of(record) | later
        if record.participants:
            key = participants_key(tag, message_id)
            expected[key] = contents.get(key)
            assert len(participants_in(contents[key].items())) == int(record.participants)
        for dimension, value in _places_of(record):
            name = f"{dimension.name}:{value}" if value else dimension.name
            expected[f"{tag}:by:{name}"][message_id] = int(record.created_us)
            if dimension.counted:
                for kind, numbers in asdict(deltas_of(record)).items():
                    for field, number in numbers.items():
                        expected[f"{tag}:{kind}:{name}"][field] += number
            if dimension.listed:
                latest = expected[f"{tag}:values:{dimension.name}"]
                latest[value] = max(latest[value], int(record.created_us))
    return dict(expected)


def _places_of(record: Record) -> set[tuple[Dimension, str]]:
    """The dimensions of a message, with each value that it has there."""
    return {
        (dimension, value)
        for dimension in DIMENSIONS
        for field in dimension.fields
        if (value := _value_of(dimension.value, str(getattr(record, field)))) is not None
    }


def _value_of(kind: Value, text: str) -> str | None:
    if kind is Value.ALWAYS:
        return ""
    if kind is Value.ABSENT:
        return None if text else ""
    if kind is Value.FAILED:
        return "" if text == Status.FAILED else None
    return (ending_of(text) if kind is Value.ENDING else text) or None


def expected_records(reports: Sequence[Report]) -> dict[str, Record]:
    """The records that these reports make; see `unversioned`."""
    by_wamid: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        by_wamid[report.wamid].append(report)
    return {wamid: record_of(some) for wamid, some in by_wamid.items()}


def expected_participants(reports: Sequence[Report]) -> dict[str, list[Participant]]:
    """The participants that these reports name, by wamid."""
    wamids = {report.wamid for report in reports}
    return {wamid: participants_of([r for r in reports if r.wamid == wamid]) for wamid in wamids}


@asynccontextmanager
async def open_store(backend: Backend) -> AsyncIterator[Bench]:
    """An empty store on a backend, its scripts strict about keys."""
    settings = Settings(
        auth=Auth(tokens=["unused"]),
        redis=Redis(url=backend.url, partitions=backend.partitions),
    )
    failures: list[str] = []
    async with connect(settings) as server:
        for node in await nodes_of(server):
            await node.execute_command("FLUSHALL")
        scripts = Scripts(server, STRICT_CALL)
        await check(server, scripts, settings)
        await claim(scripts, settings)
        store = Store(
            server,
            scripts,
            partitions=backend.partitions,
            timeout_s=4.0,
            observer=Observer(lambda _reports, _merged: None, failures.append),
        )
        yield Bench(store, scripts, server, backend.partitions, failures)
        await store.close()
