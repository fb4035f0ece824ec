"""Takes new connections, many in a turn of the event loop.

uvloop takes one connection a turn. A turn is short as long as there is little to do, but thousands
of requests make it long: then newcomers, an operator's probes among them, would wait for minutes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import cast

from aiohttp import web

from service.config import Http
from service.errors import StartError
from service.web.protocol import JsonServer
from service.web.refusals import LogLimit

log = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections that may wait to be accepted."""

_PAUSE_S = 1.0


def bind(http: Http) -> list[socket.socket]:
    """Opens the port: one socket for each address that the host's name stands for.

    Raises:
        StartError: it is taken, or isn't one of this machine.
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
        runner: has been set up.
        sock: closed by `stop`.
        most_a_turn: connections taken in a turn of the loop. Processes that share a port take few
            each, so that a burst is spread.
    """

    def __init__(self, runner: web.BaseRunner, sock: socket.socket, *, most_a_turn: int) -> None:
        super().__init__(runner, sock)
        self._most_a_turn = most_a_turn
        self._loop = asyncio.get_running_loop()
        self._lines = LogLimit()
        self._taking: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        """From now on connections are taken."""
        self._service = cast("JsonServer", self._runner.server)
        await web.BaseSite.start(self)
        self._sock.settimeout(0)
        self._resume()

    async def stop(self) -> None:
        """Takes no more, and closes the socket."""
        await super().stop()
        self._loop.remove_reader(self._sock)
        self._sock.close()
        if self._taking:  # they have been accepted, and shall not be forgotten
            await asyncio.wait(self._taking)

    def _resume(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._take_some)

    def _take_some(self) -> None:
        for _ in range(self._most_a_turn):
            coming = len(self._taking)
            if coming and not self._service.fits(coming):
                return  # in a moment these are strangers, who give way before callers do
            if not self._service.has_room(coming):
                self._pause("all connections are busy")
                return
            try:
                taken, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # another process was faster, or the caller has left
            except OSError as error:  # no descriptor or no memory is left
                if not self._taking and not self._service.close_idle():
                    self._pause(error.strerror)
                return  # a descriptor is free, or more is known of those who come, in a moment
            self._serve(taken)

    def _pause(self, reason: str | None) -> None:
        """Leaves newcomers in the kernel's queue for a moment."""
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
