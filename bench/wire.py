"""Drives the merge script on Redis without the service, with a client that does almost nothing.

That is the ceiling of what the service can do. The bench fills stores this way too.
"""

import selectors
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

from redis import Redis

from bench import BenchError
from service.domain.report import Report
from service.store.keys import schema_key, tag_of
from service.store.scripts import Call, Scripts, calls_of

IN_FLIGHT = 4
"""The number of batches that wait at Redis, each on its own connection, so that it never idles."""

TIMEOUT_S = 30.0
_SETTLE_S = 120.0
_PING, _PONG = b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"


class _Caught(Exception):
    def __init__(self, command: tuple[str | bytes | int, ...]) -> None:
        self.command = command


class _Catcher:
    """Stands in for a server, and catches the command that it is to run."""

    shebang = True

    async def run(self, _until_s: float, _tag: str, *command: str | bytes | int) -> None:
        raise _Caught(command)

    async def write(self, _until_s: float, _tag: str, commands: Sequence[Call]) -> list[Any]:
        [command] = commands
        raise _Caught(command)


_SCRIPTS = Scripts(_Catcher())


def commands(reports: Iterable[Report]) -> Iterator[bytes]:
    """The encoded commands with which the service would write these reports, in full batches."""
    for batch in calls_of(reports):
        try:
            _SCRIPTS.merge(0, batch, 0).send(None)
        except _Caught as caught:
            yield _encoded(caught.command)


def _encoded(command: tuple[str | bytes | int, ...]) -> bytes:
    """Encodes a command, with a PING after it: the PONG marks the end of the command's reply."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    texts = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%b%b" % (len(parts), texts, _PING)


def drive(path: str, commands: Iterable[bytes]) -> float:
    """Sends commands to the Redis at a Unix socket; returns how long that took, in seconds.

    Raises:
        BenchError: Redis replied with an error.
    """
    pending = iter(commands)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        start_s = time.perf_counter()
        for command in islice(pending, IN_FLIGHT):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(TIMEOUT_S)
            connection.connect(path)
            connection.sendall(command)
            selector.register(connection, selectors.EVENT_READ, _Reply(connection))
        while selector.get_map():
            for key, _ in selector.select(TIMEOUT_S):
                if key.data.is_whole():
                    if command := next(pending, b""):
                        key.data.connection.sendall(command)
                    else:
                        selector.unregister(key.fileobj)
        return time.perf_counter() - start_s


class _Reply:
    """A reply on a connection. Looks only at its first byte and its end."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._tail = b""

    def is_whole(self) -> bool:
        """Reads what has arrived; returns whether the reply is complete."""
        received = self.connection.recv(2**16)
        if not received or (not self._tail and received[:1] != b"*"):
            raise BenchError(f"Redis answered {received[:200]!r}")
        self._tail = (self._tail + received)[-len(_PONG) :]
        if self._tail != _PONG:
            return False
        self._tail = b""
        return True


def client(path: str) -> Redis:
    """An ordinary client, for commands whose speed doesn't matter."""
    return Redis(unix_socket_path=path, protocol=2)


def empty(path: str) -> None:
    """Removes all messages from a store, and rewrites its append-only file without them."""
    with client(path) as redis:
        layout = redis.hgetall(schema_key())
        # Redis must not rewrite the file by itself from now on: that takes a core now and then.
        redis.config_set("auto-aof-rewrite-percentage", 0)
        redis.flushall()
        if layout:
            redis.hset(schema_key(), mapping=layout)
        redis.bgrewriteaof()
    used_memory(path)


def statuses(path: str) -> dict[str, int]:
    """How many messages the store has at each status, by its own counters."""
    with client(path) as redis:
        found = redis.hgetall(f"{tag_of(0)}:count:all")
    return {status.decode(): int(number) for status, number in found.items()}


def main_thread_s(path: str) -> float:
    """The processor time of Redis' main thread, which runs the scripts, in seconds."""
    with client(path) as redis:
        info = redis.info("cpu")
    return float(info["used_cpu_sys_main_thread"] + info["used_cpu_user_main_thread"])


def used_memory(path: str) -> int:
    """`used_memory`, once it no longer changes and no rewrite of the append-only file runs."""
    last, deadline_s = 0, time.monotonic() + _SETTLE_S
    with client(path) as redis:
        while time.monotonic() < deadline_s:
            info = redis.info()
            used, busy = int(info["used_memory"]), info["aof_rewrite_in_progress"]
            if abs(used - last) < used // 1_000 and not busy:
                return used
            last = used
            time.sleep(0.1)
    raise BenchError(f"Redis did not come to rest within {_SETTLE_S} s")
