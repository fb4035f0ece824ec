"""Measures reads with wrk: rows against the obvious way, the latest against the bare handler."""

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from redis import Redis

from bench import BenchError, Row, Say, duels, endpoints
from bench.client import client_of
from bench.duels import Duel
from bench.processes import Server, save_requests, serve
from bench.stored import records, stock

MESSAGES = 20_000
ROWS_CONNECTIONS, LATEST_CONNECTIONS = 16, 64
REQUESTS = 1_000


async def compare(rounds: int, seconds: int, say: Say) -> list[Row]:
    """Measures the reads; returns a row for each."""
    with (
        TemporaryDirectory(prefix="bench-", dir="/tmp") as folder,
        serve("bench.bare") as bare,
        serve("bench.obvious") as obvious,
        serve("service") as service,
    ):
        say(f"reads: filling two stores with {MESSAGES:,} messages")
        stock(service.socket, MESSAGES)
        _stock_obvious(obvious.socket)
        some = []
        for name, requests, rival, target in (
            ("look-up of 100", endpoints.lookups(MESSAGES), obvious, "cpu ratio <= 0.4"),
            ("page of 50", endpoints.pages(MESSAGES, "event"), obvious, "cpu ratio <= 0.4"),
            ("latest", endpoints.latest(MESSAGES), bare, "cpu ratio <= 2.5"),
        ):
            if rival is obvious:
                await _check_same(next(requests), obvious, service)
            file = save_requests(Path(folder, name), islice(requests, REQUESTS))
            connections = ROWS_CONNECTIONS if rival is obvious else LATEST_CONNECTIONS
            some.append(Duel(name, target, rival, service, file, connections))
        results = duels.run(some, rounds, seconds, say)
    return [duels.row(duel, pairs) for duel, pairs in zip(some, results, strict=True)]


def _stock_obvious(path: str) -> None:
    """Stores the same messages as hashes of 15 fields, or of 14 if a message isn't read yet."""
    with Redis(unix_socket_path=path, protocol=2) as redis:
        pipeline = redis.pipeline(transaction=False)
        for number, (record, log) in enumerate(records(MESSAGES)):
            row = {"created_us": record.created_us, "flow_type": record.flow_type, **log}
            known = {field: value for field, value in row.items() if value is not None}
            pipeline.hset(f"message:{record.wamid}", mapping=known)
            pipeline.zadd(f"event:{log['event_id']}", {record.wamid: int(record.created_us)})
            if number % 1_000 == 999:
                pipeline.execute()
        pipeline.execute()


async def _check_same(request: bytes, one: Server, other: Server) -> None:
    async with client_of(one) as client, client_of(other) as second:
        answers = [await client.ask(request), await second.ask(request)]
    first, last = (orjson.loads(answer.body) for answer in answers)
    if first != last:
        raise BenchError(f"the obvious way and the service differ:\n{first}\n{last}")
