"""`make attack`: hundreds of thousands of hostile requests, while a caller's reports go on.

It starts the service and a Redis of its own on loopback. Its exit status is 1 if an answer was a
fault, if a report wasn't taken, if reports waited too long, or if the memory didn't come back.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import aiohttp
import click

from tests.attacks.watching import resident_mib
from tests.conftest import TOKEN
from tests.factories import event_send, status_update
from tests.process import ROOT, Service, environment
from tests.servers import RedisServer

CALLERS = 6
_PAUSE_S = 0.04
"""Between two reports of a caller: together they make some 100 reports a second."""
_WARM_S, _CALM_S = 3.0, 6.0
_LEAST_REPORTS = 100
_API = "/api/webhooks"


class Callers:
    """Callers whose reports are to be taken whatever else happens.

    Attributes:
        statuses: how often each status came; 0 for no answer.
        took_ms: how long each report took.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = asyncio.Event()
        self.statuses: Counter[int] = Counter()
        self.took_ms: list[float] = []

    def stop(self) -> None:
        """Has them end after the report that is under way."""
        self._over.set()

    async def begin(self) -> None:
        """What callers do all day: the memory that it takes is the service's own.

        Raises:
            ClientResponseError: some of it was refused.
        """
        sends = [event_send(number) for number in range(1_000)]
        updates = [status_update(number, "delivered") for number in range(1_000)]
        headers = {"X-Webhook-Token": TOKEN}
        async with aiohttp.ClientSession(
            self._url, headers=headers, raise_for_status=True
        ) as session:
            for _ in range(3):
                await session.post(f"{_API}/track-send/batch/", json={"messages": sends})
                await session.post(f"{_API}/message-status/batch/", json={"updates": updates})
                for path in ("message-logs/?limit=200", "failures/", "events/", "message-stats/"):
                    await session.get(f"{_API}/{path}")

    async def report(self) -> None:
        """Reports until `stop`, each caller on a connection that is now and then a new one."""
        await asyncio.gather(*map(self._call, range(CALLERS)))

    async def _call(self, caller: int) -> None:
        headers = {"X-Webhook-Token": TOKEN}
        number = 1_000_000 * (caller + 1)
        timeout = aiohttp.ClientTimeout(30)
        while not self._over.is_set():
            async with aiohttp.ClientSession(self._url, headers=headers, timeout=timeout) as one:
                for _ in range(50):
                    number += 1
                    await self._report_one(one, number)
                    await asyncio.sleep(_PAUSE_S)
                    if self._over.is_set():
                        return

    async def _report_one(self, session: aiohttp.ClientSession, number: int) -> None:
        sent = number % 2
        path = f"{_API}/track-send/" if sent else f"{_API}/message-status/"
        body = event_send(number) if sent else status_update(number - 1, "read")
        started_s = time.monotonic()
        try:
            async with session.post(path, json=body) as response:
                await response.read()
                self.statuses[response.status] += 1
        except (aiohttp.ClientError, TimeoutError):
            self.statuses[0] += 1
        self.took_ms.append((time.monotonic() - started_s) * 1000)


async def attack(service: Service, options: argparse.Namespace) -> list[str]:
    """Attacks the service, and prints what came of it.

    Returns:
        a sentence for each thing that went wrong.
    """
    callers = Callers(service.url)
    await callers.begin()
    reporting = asyncio.create_task(callers.report())
    await asyncio.sleep(_WARM_S)
    before_mib, first = resident_mib(service.pid), len(callers.took_ms)
    command = [sys.executable, "-m", "tests.attacks.storm", service.url]
    process = await asyncio.create_subprocess_exec(
        *(*command, str(options.requests), str(options.seed)),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    max_mib, started_s = before_mib, time.monotonic()
    told = asyncio.ensure_future(process.communicate())
    try:
        while not told.done():
            await asyncio.wait({told}, timeout=0.2)
            max_mib = max(max_mib, resident_mib(service.pid))
            if time.monotonic() - started_s > options.minutes * 60:
                return [f"It took longer than {options.minutes} minutes."]
    finally:
        if process.returncode is None:
            process.kill()
        await told
    took_s, waits = time.monotonic() - started_s, callers.took_ms[first:]
    await asyncio.sleep(_CALM_S)
    callers.stop()
    await reporting
    after_mib = resident_mib(service.pid)
    answers: Counter[str] = Counter(json.loads(told.result()[0] or b"{}"))
    p99_ms = quantiles(waits, n=100)[98] if len(waits) > 1 else 0.0
    click.echo(f"{options.requests:,} hostile requests in {took_s:.0f} s, seed {options.seed}")
    click.echo(f"answers: {dict(sorted(answers.items()))}")
    reports = dict(callers.statuses)
    click.echo(f"callers' reports: {reports}; p99 {p99_ms:.0f} ms, longest {max(waits):.0f} ms")
    memory = f"{before_mib:.0f} MiB before, {max_mib:.0f} at the most, {after_mib:.0f} after"
    click.echo(f"memory: {memory}")
    faults = {status for status in answers if status.startswith("5")} - {"503"}
    grown = 100 * (after_mib / before_mib - 1)
    complaints = {
        "The attack itself failed.": process.returncode != 0 or not answers,
        f"Answers with status {', '.join(sorted(faults))}.": bool(faults),
        "A report wasn't taken.": bool(callers.statuses.keys() - {200, 202}),
        "There were too few reports.": len(waits) < min(_LEAST_REPORTS, took_s),
        f"The reports' p99 is over {options.p99_ms} ms.": p99_ms > options.p99_ms,
        f"Memory is {grown:.0f} % higher than before.": grown > options.memory_percent,
        "The log has a request_failed.": '"request_failed"' in service.errors,
    }
    return [complaint for complaint, holds in complaints.items() if holds]


def options_in(arguments: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--requests", type=int, default=350_000, help="hostile requests to send")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same requests")
    parser.add_argument("--p99-ms", type=float, default=250.0, help="a report's wait at the most")
    parser.add_argument("--memory-percent", type=float, default=20.0, help="growth at the most")
    parser.add_argument("--minutes", type=float, default=15.0, help="time for the attack")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Attacks; returns the exit status."""
    options = options_in(arguments)
    with TemporaryDirectory() as folder, RedisServer() as redis:
        variables = {"AUTH__TOKENS": TOKEN, "META__APP_SECRET": "secret", "REDIS__URL": redis.url}
        settings = {f"TRACKER_{name}": value for name, value in variables.items()}
        with Service(Path(folder), **settings) as service:
            complaints = asyncio.run(attack(service, options))
    for complaint in complaints:
        click.echo(complaint)
    click.echo("It didn't hold." if complaints else "It held.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
