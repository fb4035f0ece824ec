"""What the fault tests are played with: services, callers that don't stop, a look at the store."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp
import pytest
from aiohttp.test_utils import TestClient

from service.api.app_keys import READINESS, STORE
from service.app import create_app
from service.backends.connect import connect
from service.config import Auth, Journal, Redis, Settings
from service.domain.record import Record
from service.store.scripts import Scripts
from service.store.store import Observer, Store
from tests.backends import Bench
from tests.conftest import TOKEN, Client, JsonTestServer
from tests.factories import event_send, status_update

_PAUSE_S = 0.02
"""Between two messages of a caller: one that never stops for breath keeps the machine busy, and
shows nothing more."""
LONGEST_S = 5.0
"""Within which the contract has every request answered."""
SLACK_S = 1.0
"""What a request may take beyond the patience that the service has with Redis."""

TAKEN = (200, 202)
"""How a report is answered that is in the store, and one that is in the journal."""

SEND = "/api/webhooks/track-send/"
STATUS = "/api/webhooks/message-status/"
LOOKUP = "/api/webhooks/message-status-lookup/"
LOGS = "/api/webhooks/message-logs/"
ERASE = "/api/webhooks/erase/"


async def eventually(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    """As `tests.servers.wait_until`, while the service in this loop goes on."""
    deadline_s = monotonic() + timeout_s
    while True:
        asked_s = monotonic()
        if condition():
            return
        now_s = monotonic()
        if now_s > deadline_s:
            raise TimeoutError(f"waited {timeout_s} s in vain for {what}")
        await asyncio.sleep(max(0.01, 3 * (now_s - asked_s)))


@asynccontextmanager
async def service_on(
    url: str, *, timeout_s: float = 4.0, data_dir: Path | None = None, **settings: Any
) -> AsyncIterator[Client]:
    """A caller with a token of a service on the Redis of that URL, its scripts loaded.

    With a data folder it has a journal. `settings` are further ones of `config.Redis`.
    """
    redis = Redis(url=url, timeout_s=timeout_s, **settings)
    journal = Journal(enabled=data_dir is not None)
    known = Settings(
        auth=Auth(tokens=[TOKEN]), redis=redis, journal=journal, data_dir=str(data_dir)
    )
    app = create_app(known)
    headers = {"X-Webhook-Token": TOKEN}
    patience = aiohttp.ClientTimeout(2 * LONGEST_S)
    async with TestClient(JsonTestServer(app), headers=headers, timeout=patience) as client:
        await until_ready(client)  # nodes of a cluster that has just begun may not know it all yet
        assert (await client.get(LOGS)).status == 200
        yield client


def depth_of(client: Client) -> int:
    """Reports that wait for a batch to take them."""
    return client.app[STORE].depth


async def readiness(client: Client) -> tuple[int, str]:
    """The status of `/readyz` by a look of now, and the reason that it gives."""
    client.app[READINESS]._began_s = -math.inf
    async with client.get("/readyz") as response:
        body = await response.json()
        assert body["ok"] is (response.status == 200)
        return response.status, str(body.get("error", ""))


async def until_ready(client: Client) -> None:
    """Waits until the service says that it is ready."""
    deadline_s = monotonic() + 15
    while (await readiness(client))[0] != 200:
        assert monotonic() < deadline_s


async def records_at(url: str, partitions: int = 1) -> dict[str, Record]:
    """All records behind the URL, once the invariants have been found to hold."""
    settings = Settings(auth=Auth(tokens=["unused"]), redis=Redis(url=url))
    async with connect(settings) as server:
        scripts = Scripts(server)
        observer = Observer(lambda _reports, _merged: None, lambda _reason: None)
        store = Store(server, scripts, partitions=partitions, timeout_s=4.0, observer=observer)
        records = await Bench(store, scripts, server, partitions, []).check_invariants()
    return {record.wamid: record for record in records}


def logged(caplog: pytest.LogCaptureFixture, event: str) -> int:
    """How often the event is in the log."""
    return sum(record.getMessage() == event for record in caplog.records)


class Answer(NamedTuple):
    """How a request fared."""

    status: int
    took_s: float
    retry_after: str | None
    body: Any
    at_s: float
    """Of the monotonic clock."""
    path: str


class Load:
    """Callers on connections of their own: each reports message after message, until the end.

    A message is tracked, then delivered, then looked up. A caller that loses its connection
    goes away.

    Args:
        url: of the service.
        callers: how many there are.
        forgetful: whether the store may forget what it has taken, as a failover has it do.

    Attributes:
        answers: how every request fared that was answered.
        sent: the wamids whose track-send was answered with 200 or 202.
        delivered: those whose `delivered` was.
        lost: connections that broke, or were refused.
    """

    def __init__(self, url: str, callers: int = 16, *, forgetful: bool = False) -> None:
        self._url = url
        self._callers = callers
        self._forgetful = forgetful
        self._going = True
        self.answers: list[Answer] = []
        self.sent: set[str] = set()
        self.delivered: set[str] = set()
        self.lost = 0

    def count(self, status: int) -> int:
        """How many requests were answered with this status."""
        return sum(answer.status == status for answer in self.answers)

    async def more(self, status: int, number: int = 50) -> None:
        """Waits until so many more requests are answered with this status."""
        enough = self.count(status) + number
        await eventually(lambda: self.count(status) >= enough, f"{number} times {status}")

    def check_answers(self, within_s: float) -> None:
        """All were answered in time: 200, 202, or a 503 that says when to come again."""
        assert self.lost == 0
        slowest = max(self.answers, key=lambda answer: answer.took_s)
        assert slowest.took_s < within_s, slowest
        assert {answer.status for answer in self.answers} <= {*TAKEN, 503}
        unavailable = [answer for answer in self.answers if answer.status == 503]
        assert all(answer.retry_after for answer in unavailable)
        assert not any(answer.body["ok"] for answer in unavailable)

    def check_stored(self, records: Mapping[str, Record]) -> None:
        """What was answered with 200 or 202 is in the store."""
        assert self.sent
        assert self.delivered
        for wamid in self.sent:
            assert records[wamid].event_id == "event-1"
        for wamid in self.delivered:
            assert records[wamid].status == "delivered"

    async def _call(self, caller: int, session: aiohttp.ClientSession) -> None:
        number = caller
        while self._going:
            wamid = f"wamid.{number}"
            if (await self._post(session, SEND, event_send(number))).status in TAKEN:
                self.sent.add(wamid)
            told = await self._post(session, STATUS, status_update(number, "delivered"))
            if told.status in TAKEN:
                self.delivered.add(wamid)
            found = await self._post(session, LOOKUP, {"wamids": [wamid]})
            if found.status == told.status == 200 and not self._forgetful:
                assert found.body["statuses"][wamid]["status"] == "delivered"
            number += self._callers
            await asyncio.sleep(_PAUSE_S)

    async def _post(
        self, session: aiohttp.ClientSession, path: str, body: Mapping[str, object]
    ) -> Answer:
        started_s = monotonic()
        async with session.post(path, json=body) as response:
            content = await response.json()
            retry_after = response.headers.get("Retry-After")
            now_s = monotonic()
            took_s = now_s - started_s
            answer = Answer(response.status, took_s, retry_after, content, now_s, path)
        self.answers.append(answer)
        return answer

    async def _come(self, caller: int) -> None:
        connector = aiohttp.TCPConnector(limit=1)
        headers = {"X-Webhook-Token": TOKEN}
        async with aiohttp.ClientSession(
            self._url,
            connector=connector,
            headers=headers,
            timeout=aiohttp.ClientTimeout(2 * LONGEST_S),
        ) as session:
            try:
                await self._call(caller, session)
            except aiohttp.ClientConnectionError:
                self.lost += 1

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.ensure_future(self._come(n)) for n in range(self._callers)]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Every caller finishes its message."""
        self._going = False
        await asyncio.gather(*self._tasks)
