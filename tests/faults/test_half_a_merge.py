"""A master ends while a replica has a part of a merge only, and the replica takes its place.

What a script writes goes to replicas as one transaction. Here it is cut anywhere in it, as a paused
or killed master cuts it, and the replica is made the master: its indexes and counters must be those
of its records, and the merge that is sent again must count once.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import pytest

from service.backends.connect import connect
from service.config import Auth, Redis, Settings
from service.domain.report import Report, Status
from service.store.scripts import Scripts
from service.store.store import Observer, Store
from tests.backends import Backend, Bench, open_store
from tests.conftest import need_server
from tests.factories import send_report, status_report
from tests.faults.fault_kit import eventually
from tests.servers import RedisServer

CUTS = 16
"""At how many places of the transaction it is cut."""


class Link:
    """Stands between a master and its replica, and ends the connection where it is told to.

    Args:
        port: of the master.

    Attributes:
        port: where the replica finds it.
        passed: bytes that the replica got since `open`.
        broken: whether the connection was ended. A new one waits for the next `open`.
    """

    def __init__(self, port: int) -> None:
        self._master = port
        self._left: int | None = None
        self._open = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.passed = 0
        self.broken = False

    def open(self) -> None:
        """Lets everything through."""
        self._left, self.broken, self.passed = None, False, 0
        self._open.set()

    def cut_after(self, number: int) -> None:
        """Ends the connection when so many more bytes have gone to the replica."""
        self._left, self.passed = number, 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1")
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, replica: StreamReader, to_replica: StreamWriter) -> None:
        self._tasks.append(asyncio.ensure_future(self._link(replica, to_replica)))

    async def _link(self, replica: StreamReader, to_replica: StreamWriter) -> None:
        """Runs until either side, or a cut, ends the connection."""
        writers = [to_replica]
        try:
            await self._open.wait()
            master, to_master = await asyncio.open_connection("127.0.0.1", self._master)
            writers.append(to_master)
            pumps = [self._ask(replica, to_master), self._tell(master, to_replica)]
            tasks = [asyncio.ensure_future(pump) for pump in pumps]
            self._tasks += tasks
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            tasks[0].cancel()
        finally:
            for writer in writers:
                writer.close()
            await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)

    async def _ask(self, replica: StreamReader, to_master: StreamWriter) -> None:
        while chunk := await replica.read(2**16):
            to_master.write(chunk)

    async def _tell(self, master: StreamReader, to_replica: StreamWriter) -> None:
        while not self.broken and (chunk := await master.read(2**16)):
            told = chunk[: self._left]
            to_replica.write(told)
            self.passed += len(told)
            if self._left is not None:
                self._left -= len(told)
                self.broken = self._left == 0
        self._open.clear()


@pytest.fixture
def master() -> Iterator[RedisServer]:
    need_server()
    with RedisServer("--repl-diskless-sync-delay", "0") as server:
        yield server


@pytest.fixture
def replica() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@asynccontextmanager
async def bench_on(server: RedisServer) -> AsyncIterator[Bench]:
    """The store that is there."""
    settings = Settings(auth=Auth(tokens=["unused"]), redis=Redis(url=server.url))
    async with connect(settings) as known:
        scripts = Scripts(known)
        observer = Observer(lambda _reports, _merged: None, lambda _reason: None)
        store = Store(known, scripts, partitions=1, timeout_s=4.0, observer=observer)
        yield Bench(store, scripts, known, 1, [])
        await store.close()


def batch(number: int) -> list[Report]:
    """A batch that makes messages, moves one to another event, and has one fail."""
    one, other = f"wamid.{number}", f"wamid.{number}.other"
    return [
        send_report(wamid=one, event_id="e1", template_name="t"),
        send_report(wamid=other, event_id="e1"),
        status_report(Status.DELIVERED, wamid=one),
        send_report(wamid="wamid.moved", event_id=f"e{number}"),
        status_report(Status.FAILED, wamid=other, error_code="131026"),
    ]


def has_all(master: RedisServer, replica: RedisServer) -> bool:
    """Whether the replica has applied what the master wrote."""
    said = [server.command("INFO", "replication") for server in (master, replica)]
    assert all(isinstance(each, dict) for each in said)
    known, own = (dict(each) for each in said)  # type: ignore[call-overload]
    linked = own.get("master_link_status") == "up"
    return linked and bool(known["master_repl_offset"] == own["slave_repl_offset"])


@pytest.mark.slow
async def test_a_replica_with_a_part_of_a_merge_has_none_of_it(
    master: RedisServer, replica: RedisServer
) -> None:
    async with (
        open_store(Backend(master.url, 1)) as bench,
        bench_on(replica) as promoted,
        Link(master.port) as link,
    ):
        await bench.store.write(batch(0))

        async def follow() -> None:
            link.open()
            replica.command("REPLICAOF", "127.0.0.1", link.port)
            await eventually(lambda: has_all(master, replica), "the replica to follow")

        await follow()
        link.passed = 0
        await bench.store.write(batch(1))
        await eventually(lambda: has_all(master, replica), "the replica to follow")
        whole = link.passed
        assert whole > 500
        for number in range(2, 2 + CUTS):
            await follow()
            link.cut_after(max(1, whole * (number - 2) // CUTS))
            sent = batch(number)
            await bench.store.write(sent)
            await eventually(lambda: link.broken, "the cut")
            replica.command("REPLICAOF", "NO", "ONE")
            there = {record.wamid for record in await promoted.check_invariants()}
            made = {f"wamid.{number}", f"wamid.{number}.other"}
            assert not made & there
            await promoted.store.write(sent)
            assert made <= {record.wamid for record in await promoted.check_invariants()}
