"""Refused requests beside their answers: how many there were, from where, and a brake on guesses.

Whoever reaches the port can be refused as often as he likes. So a refusal must not cost a log line,
the line must tell where the requests come from, and guessing must not be as fast as the service.
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
    """Lets one log line of each kind through in a second, and counts the others.

    Args:
        clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged_s: dict[Hashable, float] = {}
        self._counted: Counter[Hashable] = Counter()

    def due(self, *kind: Hashable) -> int:
        """Counts an event. Its kind is one of a few, such as an event's name and a status.

        Returns:
            how many events a line stands for that is written now: all of the kind since its last
            line. 0 if that line is less than a second old.
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
        trusted: addresses and networks of proxies. What they say in `X-Forwarded-For` is believed.
    """

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted = [ip_network(each, strict=False) for each in trusted]

    def caller_of(self, peer: str | None, forwarded: Iterable[str]) -> Address | None:
        """The address of a caller: the last one on the way here that is no trusted proxy.

        Each proxy adds the address that it was called from at the right end. What stands left of
        the first untrusted one may be made up.

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
    """An address without its zone, which may be any text; IPv4 within IPv6 as IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    """Some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


class Brake:
    """Makes the answers to wrong secrets wait, by the address that they came from.

    Right ones don't come here, so nobody can lock out a caller who shares his address. Each process
    has a brake of its own.

    Args:
        clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[int | Address | None, tuple[int, float]] = {}  # the latest is the last
        self._waiting = 0

    async def hold(self, address: Address | None) -> bool:
        """Counts a wrong secret, and waits a second if its address has had ten in a minute.

        Returns:
            whether it has, so that its connection should be closed.
        """
        if self._count(address) <= _FREE_TRIES:
            return False
        if self._waiting < _MOST_WAITING:  # each holds a connection
            self._waiting += 1
            try:
                await sleep(_PAUSE_S)
            finally:
                self._waiting -= 1
        return True

    def _count(self, address: Address | None) -> int:
        """How many there were in this minute of the address, with this one."""
        block, now_s = _block_of(address), self._clock()
        tries, since_s = self._tries.pop(block, (0, now_s))
        if now_s - since_s >= _FORGOTTEN_AFTER_S:
            tries, since_s = 0, now_s
        self._tries[block] = tries + 1, since_s
        if len(self._tries) > _MOST_ADDRESSES:
            del self._tries[next(iter(self._tries))]
        return tries + 1


def _block_of(address: Address | None) -> int | Address | None:
    """Of IPv6 the /64: whoever has one address of it has them all."""
    return int(address) >> _HOST_BITS if isinstance(address, IPv6Address) else address
