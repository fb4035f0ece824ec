"""`repartition`: takes all messages to another number of partitions, here or elsewhere."""

from __future__ import annotations

import click

from service.commands.common import conclude, counted, run, with_store
from service.commands.copying import copy
from service.commands.moving import move


@click.command()
@click.option(
    "--partitions", type=click.IntRange(1, 4096), required=True, help="How many there shall be."
)
@click.option("--to-url", help="An empty Redis or cluster to copy to; default: change this one.")
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stdout.")
def repartition(partitions: int, to_url: str | None, *, as_json: bool) -> None:
    """Take all messages to another number of partitions: here, or as a copy elsewhere.

    No service may write to it meanwhile. Broken off, it is run again and goes on.
    """
    if to_url == "":  # as of a variable that isn't set
        raise click.UsageError("--to-url must not be empty.")
    if to_url is None:
        moved = run(lambda settings: move(settings, partitions))
        done, then = "Moved", ""
    else:
        moved = run(lambda settings: copy(settings, with_store(settings, to_url, partitions)))
        done, then = "Copied", "redis.url to the new one and "
    rate = moved.messages / max(moved.took_s, 0.001)
    sentence = (
        f"{done} {counted(moved.messages, 'message')} and "
        f"{counted(moved.tombstones, 'tombstone')} in "
        f"{moved.took_s:,.0f} s, {rate:,.0f} a second; the counts agree. Now set {then}"
        f"redis.partitions to {partitions}."
    )
    conclude(sentence, moved._asdict() | {"partitions": partitions}, as_json=as_json, err=False)
