"""How a write is waited for, by `redis.durability`.

To wait is a command on the connection of the write. WAITAOF waits until the server's append-only
file is synced, WAIT until replicas have the write. Both wait only for the last write of their
connection. A merge that is repeated after a lost reply may write nothing, so we first write a
marker key, the fence. Replication and the append-only file keep the order of writes: where the
fence has arrived, the merge before it has arrived too.
(https://redis.io/docs/latest/commands/wait/, https://redis.io/docs/latest/commands/waitaof/)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from redis import exceptions as faults

from service import config

RedisCommand = tuple[Any, ...]
"""A command's name and arguments."""


_SLACK_S = 0.15
"""A wait ends by this much before its deadline: servers end waits only ten times a second."""

_FENCE = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], 1)"
"""Writes the fence, on a full server too: messages can still be erased there."""


def fence_key(tag: str) -> str:
    """The key that is written after each batch, so that a wait for it covers the batch."""
    return f"{tag}:fence"


class NotDurable(faults.RedisError):
    """The write is in memory, but not yet where it should be. It may be repeated."""


class Wait(NamedTuple):
    """The commands that follow a write on its connection and wait for its durability.

    Attributes:
        command: WAIT or WAITAOF, without its time-out. Its first argument is how many servers must
            have the write.
        longest_s: how long one try may wait. It is less than the connection's time-out.
    """

    command: tuple[str | int, ...]
    longest_s: float

    def after(self, tag: str, left_s: float) -> list[RedisCommand]:
        """The commands that write a partition's fence and wait for it.

        Args:
            tag: of the partition.
            left_s: how many seconds are left until the deadline.
        """
        wait_s = min(self.longest_s, left_s) - _SLACK_S
        wait_ms = max(1, int(1000 * wait_s))  # 0 would mean for ever
        return [("EVAL", _FENCE, 1, fence_key(tag)), (*self.command, wait_ms)]

    def check(self, answer: Any) -> None:  # noqa: ANN401  a number, a list of them, or an error
        """Checks the reply to the wait.

        Raises:
            NotDurable: too few have it, or the server can't tell: it has become a replica, say.
        """
        if isinstance(answer, faults.ResponseError):
            raise NotDurable(str(answer))
        if isinstance(answer, Exception):
            raise answer
        # WAIT replies with the number of replicas that have the write. WAITAOF replies with a list:
        # whether the server has synced it (0 or 1), and the number of replicas that have.
        reached: int = answer[0] if isinstance(answer, list) else answer
        if reached < int(self.command[1]):
            raise NotDurable("too few have it")


def wait_of(settings: config.Redis, longest_s: float) -> Wait | None:
    """How writes are waited for; None if they aren't."""
    if settings.durability == "disk":
        return Wait(("WAITAOF", 1, 0), longest_s)
    if settings.durability == "replica":
        return Wait(("WAIT", settings.replicas), longest_s)
    return None
