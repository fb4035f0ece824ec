"""`repartition`: moves all messages to another number of partitions, here or in another Redis."""

from __future__ import annotations

import os

import click
from click.core import ParameterSource

from service.commands.common import conclude, plural, run, with_store
from service.commands.repartition_copy import copy
from service.commands.repartition_in_place import move
from service.config import Settings
from service.errors import ConfigError

TO_URL = "REPARTITION_TO_URL"
"""The environment variable of `--to-url`. It isn't a setting, so it has another prefix."""


@click.command()
@click.option(
    "--partitions", type=click.IntRange(1, 4096), required=True, help="How many there shall be."
)
@click.option(
    "--to-url",
    envvar=TO_URL,
    show_envvar=True,
    help="An empty Redis or cluster to copy to; default: change this one. With a user or a "
    "password the URL must be in the variable.",
)
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stdout.")
@click.pass_context
def repartition(
    context: click.Context, partitions: int, to_url: str | None, *, as_json: bool
) -> None:
    """Take all messages to another number of partitions: here, or as a copy elsewhere.

    No service may write to it meanwhile. Broken off, it is run again and goes on.
    """
    if "" in (to_url, os.environ.get(TO_URL)):  # as when a shell inserts a variable that isn't set
        raise click.UsageError(f"--to-url and {TO_URL} must not be empty.")
    if to_url is None:
        moved = run(lambda settings: move(settings, partitions))
        done, then = "Moved", ""
    else:
        shown = context.get_parameter_source("to_url") is ParameterSource.COMMANDLINE
        moved = run(
            lambda settings: copy(settings, _target(settings, to_url, partitions, shown=shown))
        )
        done, then = "Copied", "redis.url to the new one and "
    rate = moved.messages / max(moved.took_s, 0.001)
    sentence = (
        f"{done} {plural(moved.messages, 'message')} and "
        f"{plural(moved.tombstones, 'tombstone')} in "
        f"{moved.took_s:,.0f} s, {rate:,.0f} a second; the counts agree. Now set {then}"
        f"redis.partitions to {partitions}."
    )
    conclude(sentence, moved._asdict() | {"partitions": partitions}, as_json=as_json, err=False)


def _target(settings: Settings, url: str, partitions: int, *, shown: bool) -> Settings:
    """The settings of the store to copy to.

    Args:
        settings: of the present store.
        url: of the other store.
        partitions: the other store's number of partitions.
        shown: whether the URL was given on the command line.

    Raises:
        ConfigError: a user or a password was given there, where everybody can read it.
    """
    if shown and ("@" in url or "password=" in url):
        raise ConfigError(
            "--to-url holds a user or a password, which everybody on this machine can read in the "
            f"list of processes. Leave it out, and set the variable {TO_URL} to the URL."
        )
    return with_store(settings, url, partitions)
