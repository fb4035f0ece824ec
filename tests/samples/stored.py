"""The samples of stores that earlier versions wrote: read, and put into a server."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hiredis

from service.backends.server import Server
from tests.backends import nodes_of

FOLDER = Path(__file__).parent


class Sample(NamedTuple):
    """A store as it was left by an earlier version; see `tests/samples/__main__.py`."""

    partitions: int
    wamids: list[str]
    cut: list[str]
    keys: dict[str, list[Any]]
    journal: list[list[Any]]
    lines: list[str]
    answers: dict[str, Any]


def samples(version: int) -> list[Sample]:
    """The stores of that schema version."""
    return [Sample(**each) for each in json.loads((FOLDER / f"store-{version}.json").read_text())]


def script(name: str, version: int) -> str:
    """A script that wrote messages in that schema version."""
    return (FOLDER / f"{name}-{version}.lua").read_text()


async def put(server: Server, sample: Sample) -> None:
    """Empties the servers and puts the store there."""
    for node in await nodes_of(server):
        await node.execute_command("FLUSHALL")
    by_tag: dict[str, list[Any]] = {}
    for key, (kind, content) in sample.keys.items():
        by_tag.setdefault(key[: key.index("}") + 1], []).extend(writes_of(key, kind, content))
    for tag, commands in by_tag.items():
        packed = [hiredis.pack_command(tuple(command)) for command in commands]
        replies = await server._ask(tag, b"".join(packed), len(packed))
        assert not [reply for reply in replies if isinstance(reply, Exception)]


def writes_of(key: str, kind: str, content: Any) -> Iterator[Iterable[Any]]:
    if kind == "string":
        yield "SET", key, base64.b64decode(content) if ":times:" in key else content
    elif kind == "hash":
        yield "HSET", key, *(text for pair in content.items() for text in pair)
    elif kind == "zset":
        yield "ZADD", key, *(text for member, us in content.items() for text in (us, member))
    else:
        for place, ids in content.items():
            yield "XADD", key, place, "ids", ids
