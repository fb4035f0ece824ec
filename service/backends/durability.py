"""Durability by choice: how a write is waited for, and what a Redis may lose of what it took.

Waiting is a command on the connection of the write: WAITAOF until the server's append-only file is
synced, WAIT until replicas have it. Both look at the connection's own last write alone, and a merge
that is repeated after a lost answer writes nothing: so a fence is written before them. Replication
and the file keep the order of writes, so what the fence has reached the merge has reached.
(https://redis.io/docs/latest/commands/wait/, https://redis.io/docs/latest/commands/waitaof/)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from redis import exceptions as faults

from service import config

RedisCommand = tuple[Any, ...]


_SLACK_S = 0.15
"""By how much a wait ends before its time is over: servers look ten times a second who has waited
long enough."""

_FENCE = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], 1)"
"""Also on a full server, from which messages are still erased."""


def fence_key(tag: str) -> str:
    """What is written behind a batch, so that waiting for this write waits for that batch too."""
    return f"{tag}:fence"


class NotDurable(faults.RedisError):
    """The write was taken, but isn't where it should be by now. It may be repeated."""


class Wait(NamedTuple):
    """What follows a write on its connection.

    Attributes:
        command: waits; without its time limit. Its first argument is how many must have the write.
        longest_s: how long one try may wait: less than the connection waits for an answer.
    """

    command: tuple[str | int, ...]
    longest_s: float

    def after(self, tag: str, left_s: float) -> list[RedisCommand]:
        """The fence of a partition, and the wait for it, where so many seconds are left."""
        wait_s = min(self.longest_s, left_s) - _SLACK_S
        wait_ms = max(1, int(1000 * wait_s))  # 0 would be for ever
        return [("EVAL", _FENCE, 1, fence_key(tag)), (*self.command, wait_ms)]

    def check(self, answer: Any) -> None:  # noqa: ANN401  a number, a list of them, or an error
        """Of WAIT how many replicas have it; of WAITAOF whether the server has, and how many.

        Raises:
            NotDurable: too few have it, or the server can't tell: it has become a replica, say.
        """
        if isinstance(answer, faults.ResponseError):
            raise NotDurable(str(answer))
        if isinstance(answer, Exception):
            raise answer
        reached: int = answer[0] if isinstance(answer, list) else answer
        if reached < int(self.command[1]):
            raise NotDurable("too few have it")


def wait_of(settings: config.Redis, longest_s: float) -> Wait | None:
    """How writes are waited for; None: not at all."""
    if settings.durability == "disk":
        return Wait(("WAITAOF", 1, 0), longest_s)
    if settings.durability == "replica":
        return Wait(("WAIT", settings.replicas), longest_s)
    return None
