"""What another caller notices while somebody sends hostile requests: its waits, and the memory."""

import asyncio
import re
import socket
import threading
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PROBE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
_MOST_WAIT_S = 60.0


def resident_mib(pid: int) -> float:
    """The memory that a process holds now, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def address_of(url: str) -> tuple[str, int]:
    """The host and the port of a service."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


class Watch:
    """Another caller, who asks `/healthz` again and again on one connection.

    Args:
        url: of the service.
        pid: of its process.

    Attributes:
        longest_s: the longest wait for an answer so far, in seconds.
        max_mib: the most memory that the process held after an answer, in MiB.
        answers: how many answers there were.
    """

    def __init__(self, url: str, pid: int) -> None:
        self._address, self._pid = address_of(url), pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.longest_s, self.max_mib, self.answers = 0.0, 0.0, 0

    def _ask(self) -> None:
        with socket.create_connection(self._address, timeout=_MOST_WAIT_S) as connection:
            while self._is_answered(connection):  # once at least: some are refused in a moment
                if self._over.wait(0.002):
                    return

    def _is_answered(self, connection: socket.socket) -> bool:
        asked_s = monotonic()
        connection.sendall(_PROBE)
        if b" 200 " not in connection.recv(4096):
            return False
        self.longest_s = max(self.longest_s, monotonic() - asked_s)
        self.max_mib = max(self.max_mib, resident_mib(self._pid))
        self.answers += 1
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()


async def exchange(url: str, wire: bytes) -> bytes:
    """Sends bytes on a connection of their own.

    Returns:
        the first 4 KiB of what comes back until the service has nothing more to say.
    """
    reader, writer = await asyncio.open_connection(*address_of(url))

    async def send() -> None:
        try:
            writer.write(wire)
            await writer.drain()
        except ConnectionError:  # it was refused before its end
            pass

    sending = asyncio.ensure_future(send())
    received = b""
    try:
        async with asyncio.timeout(_MOST_WAIT_S):
            while piece := await reader.read(65_536):
                received += piece[: 4096 - len(received)]
    except ConnectionError:
        pass
    finally:
        sending.cancel()
        writer.transport.abort()
    return received


def status_in(answer: bytes) -> int:
    """The status of an answer; 0 where none came."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0
