"""Checks of the servers: their versions, their roles, and the data that they may lose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis import exceptions as faults

from service import config
from service.errors import StartError

Ask = Callable[..., Awaitable[list[Any]]]
"""`ask(*command)`: the replies of all servers that take writes."""

OLDEST = (7, 0)
"""The oldest version of Redis or Valkey that has all the commands we use."""


async def syncs_by_itself(ask: Ask) -> bool:
    """Whether the servers sync each write to disk before they reply: `redis.durability = "disk"`.

    Returns:
        False where we must wait for the sync.

    Raises:
        StartError: the servers as they are can do neither.
    """
    for info in await ask("INFO"):
        if not info.get("aof_enabled"):
            raise StartError(
                "redis.durability is disk, but Redis writes no append-only file: set its "
                "appendonly to yes."
            )
    try:
        await ask("WAITAOF", 0, 0, 1)
    except faults.ResponseError:
        await _check_always(ask)
        return True
    return False


async def _check_always(ask: Ask) -> None:
    """Checks that servers before 7.2, which can't wait for a sync, sync at every write."""
    try:
        found = [answer["appendfsync"] for answer in await ask("CONFIG GET", "appendfsync")]
    except faults.ResponseError:
        raise StartError(
            "redis.durability is disk, but this Redis knows no WAITAOF, and refuses CONFIG GET, "
            "which would tell how it syncs its file: set redis.durability to memory, or take "
            "Redis 7.2 or newer."
        ) from None
    if any(appendfsync != "always" for appendfsync in found):
        raise StartError(
            "redis.durability is disk, but this Redis knows no WAITAOF, by which to tell that a "
            "write is on disk: set its appendfsync to always, redis.durability to memory, or take "
            "Redis 7.2 or newer."
        )


async def loss_risks(ask: Ask, settings: config.Redis, *, private: bool) -> list[str]:
    """Sentences about the data that the servers may lose.

    Args:
        ask: of the servers.
        settings: with the promised durability.
        private: whether it is the private server, which needs no replica.

    Raises:
        StartError: a server is too old.
    """
    found: list[str] = []
    for info in await ask("INFO"):
        check_age(info)
        found += _lost_by(info)
        if not private:
            found += _lost_with_the_machine(info, settings)
    if await _never_syncs(ask):
        found.append(
            "Redis leaves it to the system when its file is written to disk (appendfsync is no): "
            "set it to everysec or always."
        )
    return list(dict.fromkeys(found))  # once, though each node of a cluster may say it


async def evicted(ask: Ask) -> int:
    """How many keys the servers have evicted, since they started, because their memory was full."""
    return sum(int(info.get("evicted_keys", 0)) for info in await ask("INFO", "stats"))


def describe_servers(infos: Sequence[dict[str, Any]], settings: config.Redis) -> list[str]:
    """Sentences that say what the servers are, and where a report is stored before the answer.

    Args:
        infos: the reply to INFO of every server that takes writes; empty for fakeredis.
        settings: with the promised durability.
    """
    names = sorted({_name_of(info) for info in infos}) or ["fakeredis"]
    replicas = sum(int(info.get("connected_slaves", 0)) for info in infos)
    reach = {
        "memory": "in its memory",
        "disk": "on its disk",
        "replica": f"on {settings.replicas} of its replicas",
    }
    store = f"The store is {' and '.join(names)}"
    chosen = f"redis.durability is {settings.durability}"
    return [
        f"{store}; masters: {max(1, len(infos))}, replicas: {replicas}.",
        f"A report is {reach[settings.durability]} before it is answered: {chosen}.",
    ]


def _name_of(info: dict[str, Any]) -> str:
    if version := info.get("valkey_version"):
        return f"Valkey {version}"
    return f"Redis {info['redis_version']}"


def check_age(info: dict[str, Any]) -> None:
    """Checks a server's version, by its INFO.

    Raises:
        StartError: the server is too old.
    """
    version = str(info.get("valkey_version") or info["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise StartError(f"Redis {version} is too old: 7.0 is the oldest that will do.")


def _lost_by(info: dict[str, Any]) -> Sequence[str]:
    found = []
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        found.append(
            f"Redis deletes messages when its memory is full (maxmemory-policy is {policy}): "
            "set it to noeviction."
        )
    if not info.get("aof_enabled"):
        found.append(
            "Redis loses its latest writes when it stops (appendonly is off): set it to yes."
        )
    return found


def _lost_with_the_machine(info: dict[str, Any], settings: config.Redis) -> Sequence[str]:
    replicas = int(info.get("connected_slaves", 0))
    if settings.durability == "replica" and replicas < settings.replicas:
        sentence = (
            f"redis.replicas says {settings.replicas}, but Redis has {replicas} at the moment: "
            "until it has more every report is refused."
        )
        return [sentence]
    if not replicas:
        return ["Redis has no replica: if its machine is lost, so are all messages."]
    return []


async def _never_syncs(ask: Ask) -> bool:
    try:
        found = await ask("CONFIG GET", "appendfsync")
    except faults.ResponseError:  # many managed services forbid CONFIG GET
        return False
    return any(answer.get("appendfsync") == "no" for answer in found)
