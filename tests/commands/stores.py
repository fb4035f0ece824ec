"""Stores that commands run on as processes of their own: filled before, looked at after."""

import asyncio
import random
from collections.abc import Sequence

from msgspec.structs import replace

from service.commands.common import open_server, store_on
from service.config import Auth, Redis, Settings
from service.domain.record import Participant, Record
from service.domain.report import Context, Extras, Report, Status
from tests.backends import Backend, Bench, open_store
from tests.factories import BASE_MS, BASE_US


def settings_of(backend: Backend) -> Settings:
    return Settings(
        auth=Auth(tokens=["unused"]),
        redis=Redis(url=backend.url, partitions=backend.partitions),
    )


def variables(backend: Backend) -> dict[str, str]:
    """The environment of a command that works on this store."""
    return {
        "TRACKER_REDIS__URL": backend.url,
        "TRACKER_REDIS__PARTITIONS": str(backend.partitions),
    }


def fill(backend: Backend, reports: Sequence[Report]) -> dict[str, Record]:
    """Empties the store and merges the reports; returns the records."""

    async def scenario() -> dict[str, Record]:
        async with open_store(backend) as bench:
            await bench.store.write(reports)
            return {record.wamid: record for record in await bench.check_invariants()}

    return asyncio.run(scenario())


def participants_in(backend: Backend) -> dict[str, list[Participant]]:
    """The participants in a store, by wamid."""

    async def scenario() -> dict[str, list[Participant]]:
        settings = settings_of(backend)
        async with (
            open_server(settings) as (server, scripts),
            store_on(server, scripts, settings) as store,
        ):
            bench = Bench(store, scripts, server, backend.partitions, [])
            wamids = [record.wamid for record in await bench.check_invariants()]
            found = {wamid: await bench.participants(wamid) for wamid in wamids}
        return {wamid: some for wamid, some in found.items() if some}

    return asyncio.run(scenario())


def records_in(backend: Backend) -> dict[str, Record]:
    """The records of a store that a command has left, once the invariants are found to hold."""

    async def scenario() -> dict[str, Record]:
        settings = settings_of(backend)
        async with (
            open_server(settings) as (server, scripts),
            store_on(server, scripts, settings) as store,
        ):
            records = await Bench(store, scripts, server, backend.partitions, []).check_invariants()
        return {record.wamid: record for record in records}

    return asyncio.run(scenario())


def histories(number: int, seed: int = 1) -> list[Report]:
    """Reports on so many messages: all there can be, in no order, some of them twice."""
    chance = random.Random(seed)
    reports: list[Report] = []
    for message in range(number):
        wamid = f"wamid.{message}.Ü"
        for _ in range(chance.randint(1, 5)):
            us = BASE_US + chance.randint(0, 9_999_999)
            status = chance.choice(list(Status))
            failed = status is Status.FAILED
            report = Report(
                wamid,
                status,
                BASE_MS + chance.randint(0, 9_999),
                us,
                chance.choice(["", f"91900000{message:04}"]),
                chance.choice(["", "131026"]) if failed else "",
                chance.choice(["", "Undeliverable"]) if failed else "",
            )
            if message % 7 == 0:
                participant_id = chance.choice(["", "919876543210", "IN.1"])
                report = replace(report, extras=Extras(participant_id=participant_id))
            elif chance.random() < 0.2:
                report = replace(
                    report, extras=Extras("106", user_id="US.1", pricing_billable="true")
                )
            if chance.random() < 0.5:
                context = Context(
                    recipient_id=f"91900000{message:04}",
                    event_id=chance.choice(["", "e-1", "e-2"]),
                    template_name=chance.choice(["", "t{1}"]),
                    guest_name=chance.choice(["", 'Jö "=1+1", ,', "B"]),
                    campaign_id=chance.choice(["", "", "run 1", "run 2"]),
                    phone_number_id=chance.choice(["", "", "106", "107"]),
                )
                report = replace(report, status=Status.SENT, context=context)
                report = replace(report, error_code="", error_message="")
            reports.append(report)
    chance.shuffle(reports)
    return reports
