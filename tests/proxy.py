"""Stands between the service and its Redis, and breaks connections where it is told to."""

import asyncio
from asyncio import StreamReader, StreamWriter
from types import TracebackType
from typing import NamedTuple, Self

_CHUNK_BYTES = 2**16


class Cut(NamedTuple):
    """Breaks the connection of a command after so many bytes of it, or of its reply.

    One that `hangs` stays open instead, and nothing more comes of the reply.
    """

    request: int | None = None
    reply: int | None = None
    hangs: bool = False


class Proxy:
    """Forwards to a port of loopback.

    Args:
        port: of the server.
        marker: what the commands hold that are meant.

    Attributes:
        url: of the proxy.
        cuts: what is still to be done to the next of those commands, one each.
        hanging: is set when a connection has come to hang.
    """

    def __init__(self, port: int, marker: bytes) -> None:
        self._port = port
        self._marker = marker
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts: list[Cut] = []
        self.hanging = asyncio.Event()
        self.url = ""

    def lead_to(self, port: int) -> None:
        """Ends the connections that there are; new ones go to another server."""
        self._port = port
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1")
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
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

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.ensure_future(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, caller: StreamReader, to_caller: StreamWriter) -> None:
        """Runs until either side, or a cut, ends the connection."""
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:  # the server is gone
            to_caller.close()
            return
        left: list[int] = []  # bytes of the reply until its cut
        hangs = False

        async def requests() -> None:
            nonlocal hangs
            while chunk := await caller.read(_CHUNK_BYTES):
                marked = self.cuts and not left and self._marker in chunk
                cut = self.cuts.pop(0) if marked else Cut()
                to_server.write(chunk[: cut.request])
                if cut.request is not None:
                    return
                left.extend([] if cut.reply is None else [cut.reply])
                hangs = hangs or cut.hangs

        async def replies() -> None:
            while chunk := await server.read(_CHUNK_BYTES):
                to_caller.write(chunk[: left[0]] if left else chunk)
                if left and left[0] <= len(chunk):
                    if hangs:
                        self.hanging.set()
                        await asyncio.Event().wait()
                    return
                left[:] = [bytes_left - len(chunk) for bytes_left in left]

        pumps = [asyncio.ensure_future(pump()) for pump in (requests, replies)]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            to_caller.close()
            to_server.close()
