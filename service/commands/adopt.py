"""`adopt`: assigns the reports in the journal to another store, if their own store is gone."""

from __future__ import annotations

from pathlib import Path

import click

from service.backends.connect import address_of
from service.commands.common import open_server, plural, run
from service.config import Settings
from service.errors import CommandError, Unavailable
from service.store.journal import open_journal
from service.store.startup import check, claim


@click.command()
def adopt() -> None:
    """Give what waits in the journal for another store to the one that redis.url names.

    A running service goes on with that store then, and merges what waits.
    """
    reports = run(_adopt)
    click.echo(
        f"The journal is for the store that redis.url names now; {plural(reports, 'report')} in "
        "it had been for another."
    )


async def _adopt(settings: Settings) -> int:
    """Assigns the journal to the store of the settings, which is begun if there is none.

    Returns:
        how many reports were for another store.

    Raises:
        CommandError: the journal can't be used.
        StartError: Redis or the data folder can't be used.
    """
    folder = Path(settings.data_dir).absolute()  # noqa: ASYNC240  it asks for the working folder
    async with (
        open_server(settings) as (server, scripts),
        open_journal(folder, settings.journal.max_mib, address_of(settings)) as journal,
    ):
        await check(server, scripts, settings)
        store = (await claim(scripts, settings)).id
        try:
            return await journal.adopted_by(store)
        except Unavailable as error:
            raise CommandError(f"The journal can't be used ({error.reason}).") from None
