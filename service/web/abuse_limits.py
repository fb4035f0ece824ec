"""Refused requests: how often they are logged, their address, and a brake on guessed secrets.

Anyone who reaches the port can cause refusals without end. So not every refusal has a log line, the
line names the address that the requests come from, and guesses are slowed down.
"""

from __future__ import annotations

import math
import time
from asyncio import sleep
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_LOG_EVERY_S = 1.0
_FREE_TRIES = 10
_FORGOTTEN_AFTER_S = 60.0
_PAUSE_S = 1.0
_MOST_WAITING = 1000
_MOST_ADDRESSES = 10_000
_HOST_BITS = 64


class LogLimit:
    """Limits log lines to one a second of each kind, and counts the events in between.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged_s: dict[Hashable, float] = {}
        self._counted: Counter[Hashable] = Counter()

    def due(self, *kind: Hashable) -> int:
        """Counts an event, and tells whether it is to be logged now.

        Args:
            kind: one of a few kinds, such as an event's name and a status.

        Returns:
            how many events the line stands for: all of this kind since its last line. 0 if that
            line is less than a second old, and no line is to be written.
        """
        self._counted[kind] += 1
        now_s = self._clock()
        if now_s - self._logged_s.get(kind, -math.inf) < _LOG_EVERY_S:
            return 0
        self._logged_s[kind] = now_s
        return self._counted.pop(kind)


class Proxies:
    """Finds the address that a request comes from.

    Args:
        trusted: addresses and networks of proxies whose `X-Forwarded-For` is believed.
    """

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted = [ip_network(each, strict=False) for each in trusted]

    def caller_of(self, peer: str | None, forwarded: Iterable[str]) -> Address | None:
        """Returns the address of the caller: the last one on the way that is no trusted proxy.

        Each proxy adds the address of its own caller at the right end. Addresses to the left of the
        first untrusted one may be invented.

        Args:
            peer: the address at the other end of the connection.
            forwarded: the values of `X-Forwarded-For`.
        """
        caller = _read(peer or "")
        said = ",".join(forwarded).split(",") if self._trusts(caller) else []
        while said and self._trusts(caller):
            before = _read(_without_port(said.pop().strip()))
            if before is None:
                break
            caller = before
        return caller

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _read(text: str) -> Address | None:
    """Returns an address without its zone, which may be any text; IPv4 within IPv6 as IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    """Removes the port, which some proxies write: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


class Brake:
    """Delays the answers to wrong secrets, by the address that they came from.

    Requests with a right secret are never delayed, so that a guesser can't lock out a caller with
    the same address. Each process has a brake of its own.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[int | Address | None, tuple[int, float]] = {}  # the latest is the last
        self._waiting = 0

    async def hold(self, address: Address | None) -> bool:
        """Counts a wrong secret, and waits a second if its address had ten in the last minute.

        Returns:
            whether the address had so many, and the connection should be closed.
        """
        if self._count(address) <= _FREE_TRIES:
            return False
        if self._waiting < _MOST_WAITING:  # limited, since each of them holds a connection
            self._waiting += 1
            try:
                await sleep(_PAUSE_S)
            finally:
                self._waiting -= 1
        return True

    def _count(self, address: Address | None) -> int:
        """Returns how many wrong secrets the address had in this minute, with this one."""
        block, now_s = _block_of(address), self._clock()
        tries, since_s = self._tries.pop(block, (0, now_s))
        if now_s - since_s >= _FORGOTTEN_AFTER_S:
            tries, since_s = 0, now_s
        self._tries[block] = tries + 1, since_s
        if len(self._tries) > _MOST_ADDRESSES:
            del self._tries[next(iter(self._tries))]
        return tries + 1


def _block_of(address: Address | None) -> int | Address | None:
    """Returns an IPv4 address, or the /64 of an IPv6 address, since one caller has all of it."""
    return int(address) >> _HOST_BITS if isinstance(address, IPv6Address) else address
