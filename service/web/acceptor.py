"""Accepts new connections, many in a turn of the event loop.

uvloop accepts one connection a turn. Thousands of requests make a turn long, and then new
connections would wait for minutes, an operator's probes among them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import cast

from aiohttp import web

from service.config import Http
from service.errors import StartError
from service.web.abuse_limits import LogLimit
from service.web.protocol import JsonServer

log = logging.getLogger(__name__)

BACKLOG = 1024
"""How many connections may wait to be accepted."""

_PAUSE_S = 1.0


def bind(http: Http) -> list[socket.socket]:
    """Opens the port, with one socket for each address of the host name.

    Raises:
        StartError: the port is taken, or the address isn't one of this machine.
    """
    try:
        found = socket.getaddrinfo(
            http.host or None, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        addresses = dict.fromkeys((family, address[:2]) for family, *_, address in found)
        return [socket.create_server(a, family=f, backlog=BACKLOG) for f, a in addresses]
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", "this is no host's name")).partition(" (")[0]
        raise StartError(
            f"The service can't listen on {http.host}, port {http.port} (http.host, http.port): "
            f"{reason}."
        ) from None


class Acceptor(web.SockSite):
    """aiohttp's site on a socket that listens already.

    Args:
        runner: a runner that has been set up.
        sock: the socket; `stop` closes it.
        most_a_turn: how many connections to accept in a turn of the loop. Processes that share a
            port accept few each, so that a burst is spread over them.
    """

    def __init__(self, runner: web.BaseRunner, sock: socket.socket, *, most_a_turn: int) -> None:
        super().__init__(runner, sock)
        self._most_a_turn = most_a_turn
        self._loop = asyncio.get_running_loop()
        self._lines = LogLimit()
        self._taking: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        """Starts to accept connections."""
        self._service = cast("JsonServer", self._runner.server)
        await web.BaseSite.start(self)
        self._sock.settimeout(0)
        self._resume()

    async def stop(self) -> None:
        """Stops accepting connections, and closes the socket."""
        await super().stop()
        self._loop.remove_reader(self._sock)
        self._sock.close()
        if self._taking:  # these connections are accepted already, so they are still set up
            await asyncio.wait(self._taking)

    def _resume(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._take_some)

    def _take_some(self) -> None:
        for _ in range(self._most_a_turn):
            coming = len(self._taking)
            if coming and not self._service.fits(coming):
                return  # in a moment these count as strangers, which give way before callers do
            if not self._service.has_room(coming):
                self._pause("all connections are busy")
                return
            try:
                taken, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # another process accepted it, or the caller has left
            except OSError as error:  # no descriptor or no memory is left
                if not self._taking and not self._service.close_idle():
                    self._pause(error.strerror)
                return  # in a moment a descriptor is free, or a connection that can be closed
            self._serve(taken)

    def _pause(self, reason: str | None) -> None:
        """Leaves new connections in the kernel's queue for a moment."""
        log.error("accept_failed", extra={"error": reason})
        self._loop.remove_reader(self._sock)
        self._loop.call_later(_PAUSE_S, self._resume)

    def _serve(self, taken: socket.socket) -> None:
        taken.settimeout(0)
        made = self._loop.connect_accepted_socket(self._service, taken)
        task = self._loop.create_task(made)
        self._taking.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._taking.discard(task)
        failed = not task.cancelled() and task.exception() is not None
        if failed and (number := self._lines.due("caller_left")):
            log.info("caller_left", extra={"number": number})
