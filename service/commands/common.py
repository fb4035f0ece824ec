"""What the commands share: opening a store, retries, a progress bar, a summary."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import click
import msgspec
import uvloop

from service.backends.connect import connect
from service.backends.embedded import url_of
from service.backends.server import Server
from service.config import Settings, load
from service.domain.query import Position, Selection
from service.domain.record import Record
from service.domain.report import Merged, Report
from service.domain.reports_of_record import reports_of
from service.errors import CommandError, StartError, Unavailable
from service.store.keys import index_key, tag_of
from service.store.paging import Page
from service.store.scripts import Scripts
from service.store.startup import check, claim
from service.store.store import Observer, Store
from service.telemetry import log_to_stderr

Answer = TypeVar("Answer")
Move = Callable[[int], None]
"""Sets a progress bar to the number of messages or bytes that are done."""

EVERYTHING = Selection([("all", "")])
_TIMEOUT_S = 60.0
_PAUSE_S = 0.5
_ROWS = 200


def run(work: Callable[[Settings], Coroutine[object, object, Answer]]) -> Answer:
    """Runs a command's work with the settings. An error becomes a sentence and exit code 1."""
    try:
        settings = load(click.get_current_context().obj, os.environ)
        log_to_stderr(settings.log.level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work(settings))
    except BrokenPipeError:
        raise  # the reader of our output has closed it: click ends without a message
    except (CommandError, StartError, OSError) as error:
        click.echo(f"message-tracker: {error}", err=True)
        sys.exit(1)


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncIterator[tuple[Server, Scripts]]:
    """The server of the settings. If a service runs the private server, it is shared with it.

    Raises:
        StartError: the server can't be reached.
    """
    if settings.embedded and private_runs(settings):
        settings = with_store(settings, url_of(settings.data_dir), settings.redis.partitions)
    async with connect(settings) as server:
        yield server, Scripts(server)


def private_runs(settings: Settings) -> bool:
    """Whether a private server runs in the data folder, started by a service."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(unquote(urlsplit(url_of(settings.data_dir)).path))
        except OSError:
            return False
        return True


def with_store(settings: Settings, url: str, partitions: int) -> Settings:
    """The settings with the URL and the number of partitions of another store."""
    redis = msgspec.structs.replace(settings.redis, url=url, partitions=partitions)
    return msgspec.structs.replace(settings, redis=redis)


@asynccontextmanager
async def store_on(server: Server, scripts: Scripts, settings: Settings) -> AsyncIterator[Store]:
    """A store on the server, with the number of partitions that the settings have."""
    store = Store(
        server,
        scripts,
        partitions=settings.redis.partitions,
        timeout_s=settings.redis.timeout_s,
        observer=Observer(lambda _reports, _merged: None, lambda _reason: None),
    )
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of the settings. It is checked, and begun if there is none.

    Raises:
        StartError: the store can't be used.
    """
    async with open_server(settings) as (server, scripts):
        await check(server, scripts, settings)
        await claim(scripts, settings)
        async with store_on(server, scripts, settings) as store:
            yield store


async def retry_while_unavailable(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Retries an idempotent call for up to a minute while the store is unavailable.

    Raises:
        CommandError: it was unavailable for longer.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + _TIMEOUT_S
    while True:
        try:
            return await call()
        except Unavailable as error:
            if loop.time() > until_s:
                raise CommandError(
                    f"The store is not available ({error.reason}). Run the same again when it is: "
                    "what is written stays, and may be written again."
                ) from None
            await asyncio.sleep(_PAUSE_S)


class Writer:
    """Writes to a store in the background, while the caller prepares the next reports.

    Args:
        store: to write to.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writing: asyncio.Task[None] | None = None

    async def put(self, reports: Sequence[Report], then: Callable[[list[Merged]], None]) -> None:
        """Waits for the reports before these, then begins to write these.

        Args:
            reports: to write.
            then: called with the outcome of each report once all are written.

        Raises:
            CommandError: the store was unavailable for too long.
        """
        await self.finish()
        self._writing = asyncio.create_task(self._write(reports, then))
        await asyncio.sleep(0)  # lets the first batches go out

    async def _write(self, reports: Sequence[Report], then: Callable[[list[Merged]], None]) -> None:
        then(await retry_while_unavailable(lambda: self._store.write(reports)))

    async def finish(self) -> None:
        """Waits until all reports are written.

        Raises:
            CommandError: the store was unavailable for too long.
        """
        if self._writing:
            await self._writing


async def walk(store: Store, selection: Selection, partition: int) -> AsyncIterator[Page[Record]]:
    """Pages of a partition's matching messages, newest first."""
    after: Position | None = None
    while True:
        at = after
        page = await retry_while_unavailable(lambda: store.scan(partition, selection, _ROWS, at))  # noqa: B023
        yield page
        after = page.following
        if after is None:
            return


async def walk_all(store: Store, partition: int) -> AsyncIterator[list[Record]]:
    """All messages of a partition, newest first, a page at a time.

    Raises:
        CommandError: a message can't be read, so it would be left behind.
    """
    async for page in walk(store, EVERYTHING, partition):
        if page.unreadable:
            raise CommandError(
                f"{plural(page.unreadable, 'message')} can't be read by this version. Run the "
                "version of the service that wrote them."
            )
        yield page.records


async def reports_of_records(store: Store, records: Iterable[Record]) -> list[Report]:
    """Reports that rebuild these records of the store, and their participants.

    Raises:
        CommandError: participants can't be read, so they would be left behind.
    """
    reports: list[Report] = []
    for each in records:
        try:
            record, found = await retry_while_unavailable(lambda: store.with_participants(each))  # noqa: B023
        except ValueError:
            raise CommandError(
                f"The participants of the message {each.wamid} can't be read by this version. Run "
                "the version of the service that wrote them."
            ) from None
        reports += reports_of(record, found) if record else []
    return reports


async def size_of(store: Store, selection: Selection) -> int:
    """An upper bound of the messages that match: each partition's shortest index of the filters."""
    total = 0
    for partition in range(store.partitions):
        keys = [index_key(tag_of(partition), *one) for one in selection.filters]
        total += min(
            [
                await retry_while_unavailable(lambda: store.execute(partition, "ZCARD", key))  # noqa: B023
                for key in keys
            ]
        )
    return total


@contextmanager
def progress(doing: str, total: int | None, *, in_bytes: bool = False) -> Iterator[Move]:
    """Shows a progress bar on stderr, if that is a terminal.

    Args:
        doing: the work, such as "Importing".
        total: how much there is to do; None if that isn't known.
        in_bytes: whether the work is counted in bytes; else in messages.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    import rich.console  # noqa: PLC0415  takes 60 ms and 5 MB; the service itself doesn't need it
    import rich.progress as bars  # noqa: PLC0415

    with bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn() if in_bytes else bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
        console=rich.console.Console(stderr=True),
    ) as shown:
        task = shown.add_task(doing, total=total)
        yield lambda done: shown.update(task, completed=done)


def conclude(sentence: str, figures: Mapping[str, object], *, as_json: bool, err: bool) -> None:
    """Prints the summary: as a sentence, or as a line of JSON for machines."""
    click.echo(json.dumps(figures) if as_json else sentence, err=err)


def plural(number: int, thing: str) -> str:
    """A number and its noun, such as "1 message" or "2,000 messages"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def resolve(name: str) -> Path | None:
    """The path of a name; None for `-`, which means stdin or stdout."""
    return None if name == "-" else Path(name).resolve()
