"""What the user of Redis must be allowed to do, as docs/operations.md has it.

A script runs as its caller: Redis refuses what the user may not do in its midst, and doesn't take
back what the script has done by then. So a merge's commands are all asked for beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CheckedCommand = tuple[str, ...]
"""A command's name, and the arguments that its permission may hang on. The first of those is the
kind of a key of the partition, unless it has none."""

MERGES: tuple[CheckedCommand, ...] = (
    ("DEL", "times"),
    ("DEL", "waits"),
    ("EXISTS", "count"),
    ("EXISTS", "waits"),
    ("GETRANGE", "times", "0", "0"),
    ("HDEL", "count", "field"),
    ("HDEL", "msg", "field"),
    ("HDEL", "participants", "field"),
    ("HDEL", "waits", "field"),
    ("HGET", "count", "field"),
    ("HGETALL", "msg"),
    ("HLEN", "count"),
    ("HLEN", "waits"),
    ("HMGET", "count", "field"),
    ("HMGET", "participants", "field"),
    ("HMGET", "waits", "field"),
    ("HSET", "count", "field", "0"),
    ("HSET", "msg", "field", "0"),
    ("HSET", "participants", "field", "0"),
    ("HSET", "waits", "field", "0"),
    ("MGET", "gone"),
    ("SETRANGE", "times", "0", ""),
    ("XADD", "feed", "*", "ids", ""),
    ("ZADD", "by", "0", "id"),
    ("ZADD", "values", "0", "value"),
    ("ZREM", "by", "id"),
    ("ZREM", "values", "value"),
    ("ZREVRANGE", "by", "0", "0"),
)
"""What a report needs."""

OTHERS: tuple[CheckedCommand, ...] = (
    ("DEL", "msg"),
    ("GET", "times"),
    ("HGETALL", "count"),
    ("HGETALL", "waits"),
    ("HKEYS", "participants"),
    ("HMGET", "msg", "field"),
    ("HMGET", "schema", "field"),
    ("HSCAN", "participants", "0"),
    ("HSET", "schema", "field", "0"),
    ("SET", "gone", ""),
    ("UNLINK", "participants"),
    ("XLEN", "feed"),
    ("XRANGE", "feed", "-", "+"),
    ("XREVRANGE", "feed", "+", "-"),
    ("ZCARD", "by"),
    ("ZCARD", "values"),
    ("ZCOUNT", "by", "0", "0"),
    ("ZCOUNT", "values", "0", "0"),
    ("ZRANGE", "by", "0", "0"),
    ("ZREVRANGE", "values", "0", "0"),
    ("ZSCORE", "by", "id"),
    ("ZSCORE", "values", "value"),
)
"""What reading, erasing, retention and the command `recount` need besides."""

UPGRADES: tuple[CheckedCommand, ...] = (
    ("DEL", "msg"),
    ("GET", "msg"),
    ("HDEL", "schema", "field"),
    ("HSET", "msg", "field", ""),
    ("HSET", "participants", "field", ""),
    ("PEXPIRE", "msg", "1"),
    ("PEXPIRE", "participants", "1"),
    ("PTTL", "msg"),
    ("RENAME", "count", "{wa:0}:upgrading"),  # it is partition 0 that they are asked for in
    ("SET", "count", ""),
    ("TYPE", "msg"),
)
"""What `upgrade.lua` needs besides a report: it removes a record before it writes it anew."""

_ONCE = "config|get", "eval", "evalsha", "info", "time"
"""What is called outside of these scripts, most of it at the start."""

BESIDES = {
    "`redis.durability` other than `memory`": "+wait +waitaof",
    "Redis Cluster, on every node": "+cluster|slots +command",
    "Sentinel: a user of each Sentinel, without keys": "+sentinel|masters",
    "a database other than 0": "+select",
    "the command `repartition`": "+pttl +scan",
    "the command `recount`": "+scan +zscan",
    "the command `upgrade`": "+object|idletime +pexpire +pttl +rename +scan +type +zmscore",
}
"""What is needed besides, and for what."""


def on_keys_of(tag: str, commands: Iterable[CheckedCommand]) -> list[Sequence[str]]:
    """The commands with keys of a partition for their kinds."""
    return [(name, f"{tag}:{kind}:of", *rest) for name, kind, *rest in commands]


def rules() -> str:
    """The rules of Redis' ACL for a user who may do all of this, and nothing else."""
    names = {name.lower() for name, *_ in (*MERGES, *OTHERS)} | set(_ONCE)
    return " ".join(["resetchannels", "~{wa:*", *(f"+{name}" for name in sorted(names))])
