"""Sends hostile requests of all kinds, as many as asked for, and counts how they are answered.

`python -m tests.attacks.storm URL REQUESTS SEED` prints the counts as JSON. It is a process of its
own, so that it doesn't slow down the callers whose waits are measured meanwhile.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

import click

from service.api.report_handlers import SIGNATURE
from tests.attacks.hostile import API, packed_zeros, post, statuses, stream
from tests.attacks.watching import address_of
from tests.conftest import TOKEN
from tests.factories import status_update
from tests.fuzz import Fuzzer

_LONGEST_S = 10.0


class Volley(NamedTuple):
    """What is sent on a connection.

    Attributes:
        wires: its bytes, one after the other.
        number: how many requests they are.
        read_s: how long to read what comes back, in seconds; 0: hardly anything is read.
        in_turns: whether the next bytes wait for the answer to the ones before.
    """

    wires: Sequence[bytes]
    number: int = 1
    read_s: float = _LONGEST_S
    in_turns: bool = False


CONNECTIONS = 16
_A_VOLLEY = 40
_MADE_UP = 20_000
"""Requests that the fuzz makes up; they are sent again in another order after that."""

_LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_PROBE = b"GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
_HEADS = (
    b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 4_000),
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100 + b"\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-ID: " + b"x" * 4_000 + b"\r\n\r\n",
    b"OPTIONS /api/webhooks/../../etc HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"HEAD /dashboard/%2e%2e/config.toml HTTP/1.1\r\nHost: x\r\n\r\n",
)
_QUERIES = (
    *("cursor=9999999999999999.aaaaaaaaaaaaaaaaaaaaaa", "cursor=1.aaaaaaaaaaaaaaaaaaaaaa"),
    *("cursor=0", "limit=0", "limit=200", "recipient_id=0000000000", "event_id=%00", "status=x"),
    *("event_id=%7Bwa%3A0%7D", "guest_id=" + "x" * 128, "template_name=%F0%9F%91%AA" * 1),
)


class Storm:
    """Makes hostile requests up.

    Args:
        random: is all that they depend on.
        requests: how many.
    """

    def __init__(self, random: Random, requests: int) -> None:
        self._random = random
        fuzzer = Fuzzer(random, TOKEN)
        made = [fuzzer.next() for _ in range(min(requests, _MADE_UP))]
        endless = [b"/live" in wire[:200] for wire, _ in made]
        self._tame = [w for (w, wild), e in zip(made, endless, strict=True) if not wild and not e]
        self._wild = [w for (w, wild), e in zip(made, endless, strict=True) if wild or e]
        self._bomb = packed_zeros(1)
        kinds: dict[Callable[[], Volley], int] = {
            self._fuzz: 16,
            self._wild_one: 8,
            self._probes: 8,
            self._wrong_tokens: 12,
            self._odd_heads: 12,
            self._hostile_filters: 8,
            self._packed: 1,
            self._tiny_lines: 1,
            self._large_webhook: 1,
            self._silent: 1,
            self._unread: 1,
        }
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def next(self) -> Volley:
        """What the next connection is sent."""
        [kind] = self._random.choices(self._kinds, self._weights)
        return kind()

    def _some(self, pool: tuple[bytes, ...] | list[bytes]) -> Volley:
        """So many in a pipeline, none of them one that ends the connection."""
        wires = self._random.choices(pool, k=_A_VOLLEY)
        return Volley([b"".join(wires) + _LAST], len(wires))

    def _fuzz(self) -> Volley:
        return Volley(self._random.choices(self._tame, k=_A_VOLLEY), _A_VOLLEY, in_turns=True)

    def _wild_one(self) -> Volley:
        return Volley([self._random.choice(self._wild)], 1, read_s=0.3)

    def _probes(self) -> Volley:
        return self._some([_PROBE])

    def _wrong_tokens(self) -> Volley:
        token = self._random.randbytes(16).hex().encode()
        head = b"GET %s/message-logs/ HTTP/1.1\r\nHost: x\r\nX-Webhook-Token: %s\r\n\r\n"
        return self._some([head % (API.encode(), token)])

    def _odd_heads(self) -> Volley:
        return self._some(_HEADS)

    def _hostile_filters(self) -> Volley:
        head = "GET {}/{}/?{} HTTP/1.1\r\nHost: x\r\nX-Webhook-Token: {}\r\n\r\n"
        lists = ("message-logs", "failures", "events", "message-stats")
        return self._some(
            [
                head.format(API, self._random.choice(lists), query, TOKEN).encode()
                for query in _QUERIES
            ]
        )

    def _packed(self) -> Volley:
        encoding = self._random.choice(["gzip", "deflate", "br"])
        wire = post("/nowhere", self._bomb[: 1 << 16], f"Content-Encoding: {encoding}")
        return Volley([wire])

    def _tiny_lines(self) -> Volley:
        line = self._random.choice([b"{}\n", b"\n", b"[]\n", b'"\\ud83d"\n'])
        return Volley([stream("message-status", line * 10_000)])

    def _large_webhook(self) -> Volley:
        item = self._random.choice([b"[]", b"{}", b'{"id":"' + b"x" * 100_000 + b'"}'])
        return Volley([post(f"{API}/whatsapp/", statuses(item, 200_000))])

    def _silent(self) -> Volley:
        head = f"POST {API}/whatsapp/ HTTP/1.1\r\nHost: x\r\n{SIGNATURE}: sha256={'0' * 64}\r\n"
        return Volley([f"{head}Content-Length: 5242880\r\n\r\n{{".encode()], read_s=2.0)

    def _unread(self) -> Volley:
        """Answers of which nobody reads more than the first: `_send` stops there."""
        items = [status_update(number, "read") for number in range(300)]
        look = json.dumps({"wamids": [item["wamid"] for item in items]}).encode()
        wire = post(f"{API}/message-status-lookup/", look).replace(b"Connection: close\r\n", b"")
        return Volley([wire * 20], 20, read_s=0.0)


class _Answers:
    """Counts the answers on a connection by their statuses."""

    def __init__(self, reader: asyncio.StreamReader, seen: Counter[str]) -> None:
        self._reader, self._seen = reader, seen
        self._rest = b""

    async def more(self) -> int:
        """How many answers begin in what comes next; -1 at the end of the connection."""
        piece = await self._reader.read(65_536)
        if not piece:
            return -1
        text = self._rest + piece  # a status may be cut in two
        found = [status.decode() for status in _STATUS.findall(text) if status != b"100"]
        self._seen.update(found)
        self._rest = b"" if _STATUS.search(text[-13:]) else text[-12:]
        return len(found)


async def _send(url: str, volley: Volley, seen: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection(*address_of(url))
    answers = _Answers(reader, seen)
    try:
        async with asyncio.timeout(volley.read_s or _LONGEST_S):
            for wire in volley.wires:
                writer.write(wire)
                while volley.in_turns and (number := await answers.more()) < 1:
                    if number < 0:  # the request was one that ends its connection
                        reader, writer = await asyncio.open_connection(*address_of(url))
                        answers = _Answers(reader, seen)
                        break
            if not volley.read_s:
                await reader.read(1)
                await asyncio.sleep(0.5)  # the other answers wait for as long
                return
            while not volley.in_turns and await answers.more() >= 0:
                pass
    except (TimeoutError, ConnectionError):
        seen["cut off"] += 1
    finally:
        writer.transport.abort()


async def rage(url: str, requests: int, seed: int) -> Counter[str]:
    """Sends so many hostile requests; returns how many were answered with each status."""
    storm, seen, left = Storm(Random(seed), requests), Counter[str](), requests

    async def go_on() -> None:
        nonlocal left
        while left > 0:
            volley = storm.next()
            left -= volley.number
            try:
                await _send(url, volley, seen)
            except OSError:
                seen["no connection"] += 1

    await asyncio.gather(*(go_on() for _ in range(CONNECTIONS)))
    return seen


def main(url: str, requests: str, seed: str) -> None:
    """Rages, then prints how often each status came."""
    click.echo(json.dumps(asyncio.run(rage(url, int(requests), int(seed)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
