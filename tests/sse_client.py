"""A listener of changes, for tests: what it is told by `live`."""

import asyncio
import json
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

from tests.faults.fault_kit import eventually

LIVE = "/api/webhooks/live/"


class Event(NamedTuple):
    """What came: its type, its data, and its id, "" where it has none."""

    name: str
    data: Any
    id: str


class SseClient:
    """Listens to `live`, from `async with` on until its end.

    Args:
        session: or a test client; it has the token.
        last_id: to go on behind.
        url: of the service, where the session doesn't know it.
        **query: the filter.

    Attributes:
        events: all that came.
        last_id: the last that came.
        pings: how many signs of life came.
        empty: the blocks without data that came, each of them an empty message to many parsers.
        ended: whether the service has ended the stream in good order.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | Any,
        last_id: str = "",
        *,
        url: str = "",
        **query: str,
    ) -> None:
        self._session = session
        self._url = url
        self._query = query
        self.events: list[Event] = []
        self.last_id = last_id
        self.pings = 0
        self.empty: list[dict[str, str]] = []
        self.ended = False

    async def __aenter__(self) -> Self:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        self.response = await self._session.get(
            self._url + LIVE,
            params=self._query,
            headers=headers,
            timeout=aiohttp.ClientTimeout(None),
        )
        assert self.response.status == 200, await self.response.text()
        self._task = asyncio.ensure_future(self._listen())
        await eventually(lambda: bool(self.events), "the beginning")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        self.response.close()
        assert self.empty == []

    async def _listen(self) -> None:
        fields: dict[str, str] = {}
        async for line in self.response.content:
            if line == b": ping\n":
                self.pings += 1
            elif line != b"\n":
                name, _, value = line.decode().rstrip("\n").partition(": ")
                fields[name] = value
            else:
                self._note(fields)
                fields = {}
        self.ended = True

    def _note(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        if "data" not in fields:
            self.empty.append(fields)
        else:
            name, last_id = fields.get("event", "message"), fields.get("id", "")
            self.events.append(Event(name, json.loads(fields["data"]), last_id))

    @property
    def names(self) -> list[str]:
        """The types of what came beside changes."""
        return [event.name for event in self.events if event.name != "message"]

    @property
    def told(self) -> list[tuple[str, str]]:
        """The changes that came: wamids and statuses."""
        messages = [event.data for event in self.events if event.name == "message"]
        return [(message["wamid"], message["status"]) for message in messages]

    async def hears(self, *told: tuple[str, str]) -> None:
        """Waits until it has been told of all these."""
        await eventually(lambda: set(told) <= set(self.told), f"{set(told)} to be told")
