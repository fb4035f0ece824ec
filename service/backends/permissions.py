"""The permissions that the service's Redis user needs, as docs/operations.md lists them.

A script runs with its caller's permissions. Redis refuses a forbidden command in the middle of the
script, and doesn't undo the commands before it. So we check all commands of a merge beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CheckedCommand = tuple[str, ...]
"""A command that the user's permission is checked for: its name, and the arguments that the
permission may depend on. The first argument is the kind of a key, if the command has a key."""

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
"""The commands that merge a report."""

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
"""The further commands that reading, erasing, retention and the command `recount` need."""

UPGRADES: tuple[CheckedCommand, ...] = (
    ("DEL", "msg"),
    ("GET", "msg"),
    ("HDEL", "schema", "field"),
    ("HSET", "msg", "field", ""),
    ("HSET", "participants", "field", ""),
    ("PEXPIRE", "msg", "1"),
    ("PEXPIRE", "participants", "1"),
    ("PTTL", "msg"),
    ("RENAME", "count", "{wa:0}:upgrading"),  # permissions are checked in partition 0
    ("SET", "count", ""),
    ("TYPE", "msg"),
)
"""The further commands of `upgrade.lua`. It removes a record before it writes it anew."""

_ONCE = "config|get", "eval", "evalsha", "info", "time"
"""The commands that are called outside of scripts, most of them at the start."""

BESIDES = {
    "`redis.durability` other than `memory`": "+wait +waitaof",
    "Redis Cluster, on every node": "+cluster|slots +command",
    "Sentinel: a user of each Sentinel, without keys": "+sentinel|masters",
    "a database other than 0": "+select",
    "the command `repartition`": "+pttl +scan",
    "the command `recount`": "+scan +zscan",
    "the command `upgrade`": "+object|idletime +pexpire +pttl +rename +scan +type +zmscore",
}
"""The permissions that only some uses need, by the use."""


def on_keys_of(tag: str, commands: Iterable[CheckedCommand]) -> list[Sequence[str]]:
    """The commands with keys of a partition in place of the kinds of keys."""
    return [(name, f"{tag}:{kind}:of", *rest) for name, kind, *rest in commands]


def rules() -> str:
    """The rules of Redis' ACL for a user that may do all this, and nothing else."""
    names = {name.lower() for name, *_ in (*MERGES, *OTHERS)} | set(_ONCE)
    return " ".join(["resetchannels", "~{wa:*", *(f"+{name}" for name in sorted(names))])
