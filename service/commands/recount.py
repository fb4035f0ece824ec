"""`recount`: holds a store's indexes and counters against its messages, and mends them."""

from __future__ import annotations

import sys

import click

from service.commands.common import conclude, plural, run
from service.commands.recounting import Found, check_store


@click.command()
@click.option("--mend", is_flag=True, help="Make right what is wrong; default: only say it.")
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stdout.")
def recount(*, mend: bool, as_json: bool) -> None:
    """Hold indexes, lists and counters against the messages, and mend them.

    The service may go on meanwhile. Ends with exit code 1 if something is wrong and not mended.
    """
    found = run(lambda settings: check_store(settings, mend=mend))
    figures = found._asdict() | {"mended": mend and found.is_wrong}
    conclude(_sentence(found, mend=mend), figures, as_json=as_json, err=False)
    if found.is_wrong and not mend:
        sys.exit(1)


def _sentence(found: Found, *, mend: bool) -> str:
    read = f"Read {plural(found.messages, 'message')} in {found.took_s:,.0f} s: "
    if not found.is_wrong:
        return read + "all indexes, lists and counters agree with them."
    parts = (
        plural(found.entries, "index entry").replace("entrys", "entries"),
        plural(found.lists, "listed value"),
        plural(found.counters, "counter"),
    )
    wrong = f"{parts[0]}, {parts[1]} and {parts[2]} were wrong"
    return read + wrong + (" and are mended." if mend else ". Run it with --mend to mend them.")
