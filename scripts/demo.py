"""`make demo`: shows the service in the middle of a send. Ctrl-C ends it and removes everything.

The service runs with a private server in a temporary folder, so it touches no other data.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import aiohttp
import click

from scripts.story import RUNNING, Story, line, webhook
from service.backends.embedded import end_with_parent
from service.config import PREFIX, SHARED_TOKEN

Item = TypeVar("Item")

ROOT = Path(__file__).parent.parent
MESSAGES, SEED, PORT = 20_000, 1, 8080

_TURN_S = 0.25
_LINES_AT_ONCE = 200
_AHEAD_BYTES = 16 * 2**20
_MOST_AT_ONCE = 1_000


@click.command()
@click.option(
    "--messages",
    type=click.IntRange(min=1),
    default=MESSAGES,
    show_default=True,
    help="How many have been sent already.",
)
@click.option("--seed", default=SEED, show_default=True, help="Another one tells another story.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"0 takes a free one; default: {PORT}, or a free one where that is taken.",
)
def main(messages: int, seed: int, port: int | None) -> None:
    """Show the service with a send that goes on until Ctrl-C. Nothing is left of it then."""
    asyncio.run(_until_told(_show(messages, seed, _usual_port() if port is None else port)))


def _usual_port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the service does
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT


async def _until_told(work: Coroutine[object, object, None]) -> None:
    """Works until Ctrl-C or SIGTERM. A second signal doesn't interrupt the clean-up."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def _show(messages: int, seed: int, port: int) -> None:
    click.echo(f"A service of its own starts, and is filled with {messages:,} messages …")
    async with demo(messages, seed=seed, port=port) as shown:
        click.echo(f"\n  Dashboard  {shown.url}/dashboard/#event={RUNNING.event_id}")
        click.echo(f"  Token      {shown.token}\n")
        click.echo("A send is under way. Ctrl-C ends all of it, and nothing is left.")
        await shown.go_on()


class Demo:
    """A running service whose story goes on.

    Args:
        url: the address of the service.
        token: a token that the service accepts.
        story: the reports that it gets.
        session: the HTTP client that sends them.
    """

    def __init__(self, url: str, token: str, story: Story, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.token = token
        self._story = story
        self._session = session

    async def go_on(self) -> None:
        """Sends the story's reports to the service, each in its time, until cancelled.

        Raises:
            ClickException: the service has ended, or refuses a request.
        """
        try:
            while True:
                await self._tell(time.time())
                await asyncio.sleep(_TURN_S)
        except aiohttp.ClientError as error:
            raise click.ClickException(f"The service takes no more: {error}.") from None

    async def _tell(self, now_s: float) -> None:
        news = self._story.until(now_s)
        for some in _in_lists((each.body for each in news if each.is_send), _MOST_AT_ONCE):
            await self._post("track-send/batch/", {"messages": some})
        for some in _in_lists((each.body for each in news if not each.is_send), _MOST_AT_ONCE):
            await self._post("whatsapp/", webhook(some))

    async def _post(self, path: str, body: object) -> None:
        headers = {"X-Webhook-Token": self.token}
        address = f"{self.url}/api/webhooks/{path}"
        async with self._session.post(address, json=body, headers=headers) as answer:
            answer.raise_for_status()


def _in_lists(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`; the last one may be shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


@asynccontextmanager
async def demo(messages: int, *, seed: int, port: int) -> AsyncIterator[Demo]:
    """Runs a service with this number of messages. In the end it is stopped, its folder removed.

    Args:
        messages: how many were sent in the past; the latest are still on their way.
        seed: of the story.
        port: on the loopback address; 0 takes a free one.

    Raises:
        ClickException: the service doesn't start, or refuses the messages of the past.
    """
    with TemporaryDirectory(prefix="tracker-demo-") as name:
        folder = Path(name)
        async with _service(folder, port) as url, aiohttp.ClientSession() as session:
            story = Story(messages, seed=seed, now_s=time.time())
            await _import(folder, map(line, story.past()))
            token = (folder / "token").read_text()
            yield Demo(url, token, story, session)


@asynccontextmanager
async def _service(folder: Path, port: int) -> AsyncIterator[str]:
    """Runs the service with its private server; yields its address."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with _child(folder, port, stderr=PIPE) as process:
        reading = asyncio.create_task(_read(process, started))
        yield await started
    await reading


async def _read(process: Process, started: asyncio.Future[str]) -> None:
    """Finds the service's address in its log, and prints its warnings and errors."""
    assert process.stderr
    async for text in process.stderr:
        event = json.loads(text) if text.startswith(b"{") else {}
        if event.get("event") == "started":
            started.set_result(event["address"])
        elif event.get("level") != "info":
            click.echo(text.rstrip(), err=True)
    if not started.done():
        started.set_exception(click.ClickException("The service did not start."))


async def _import(folder: Path, lines: Iterator[bytes]) -> None:
    """Imports these lines with the service's `import`, while the service runs."""
    # stderr is a pipe: on a terminal `import` would draw a bar, and hide the cursor if stopped.
    async with _child(folder, 0, "import", "-", stdin=PIPE, stderr=PIPE) as process:
        assert process.stdin
        assert process.stderr
        # A large buffer, so that neither process waits for the other.
        process.stdin.transport.set_write_buffer_limits(_AHEAD_BYTES)
        with suppress(ConnectionError):  # it has ended; the reason is on its stderr
            for some in _in_lists(lines, _LINES_AT_ONCE):
                process.stdin.write(b"".join(some))
                await process.stdin.drain()
        process.stdin.close()
        complaint = await process.stderr.read()
        if await process.wait():
            raise click.ClickException(f"The past is not taken: {complaint.decode()}")


@asynccontextmanager
async def _child(
    folder: Path, port: int, *arguments: str, stdin: int = DEVNULL, stderr: int | None = None
) -> AsyncIterator[Process]:
    """Runs `python -m service …` in a folder of its own; in the end stops it and waits for it."""
    # A session of its own, so that Ctrl-C in the terminal reaches only us; and it ends with us,
    # even if we are killed.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", *arguments),
        cwd=folder,
        env=_environment(TRACKER_DATA_DIR=str(folder), TRACKER_HTTP__PORT=str(port)),
        stdin=stdin,
        stdout=DEVNULL,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _environment(**variables: str) -> dict[str, str]:
    """Our environment with these variables, without any settings of the service."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) and name != SHARED_TOKEN
    }
    return kept | {"PYTHONPATH": str(ROOT)} | variables


if __name__ == "__main__":
    main()
