"""`upgrade`: converts a store that an earlier version wrote to the present schema."""

from __future__ import annotations

import click

from service.commands.common import conclude, plural, run
from service.commands.schema_upgrade import Upgraded
from service.commands.schema_upgrade import upgrade as upgrade_store


@click.command()
@click.option(
    "--mend",
    is_flag=True,
    help="Go on where indexes don't fit the messages, and mend them at the end, as recount does.",
)
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stdout.")
def upgrade(*, mend: bool, as_json: bool) -> None:
    """Bring the store to this version's schema, where it is.

    No service may run meanwhile. Broken off, it is run again and goes on.
    """
    done = run(lambda settings: upgrade_store(settings, mend=mend))
    conclude(_sentence(done), done._asdict(), as_json=as_json, err=False)


def _sentence(done: Upgraded) -> str:
    if done.origin == done.version:
        return f"The store has schema version {done.version} already: there is nothing to do."
    mended = f" {done.mended:,} entries and counters were wrong and are mended." * bool(done.mended)
    return (
        f"The store has schema version {done.version} now: {plural(done.messages, 'message')}, "
        f"{done.converted:,} of them converted in {done.took_s:,.0f} s; the counts agree.{mended} "
        "Now start the service."
    )
