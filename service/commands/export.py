"""`export`: writes the messages that match to a file, one line of JSON for each."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import IO, cast

import click

from service.commands.common import (
    conclude,
    open_store,
    plural,
    progress,
    resolve,
    retry_while_unavailable,
    run,
    size_of,
    walk,
)
from service.commands.record_lines import line_of
from service.config import Settings
from service.domain.dimensions import FILTERS
from service.domain.query import Selection
from service.domain.record import Record
from service.errors import BadRequest, CommandError
from service.models.decoding import Reader
from service.models.requests import MessageLogsQuery
from service.models.selections import selection_of
from service.store.store import Store

_QUERY = Reader(MessageLogsQuery)


def _by_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Adds an option to a command for each filter by a field."""
    for field, dimension in reversed(FILTERS.items()):
        name, word = field.replace("_", "-"), dimension.replace("_", " ")
        command = click.option(f"--{name}", help=f"Only messages of this {word}.")(command)
    return command


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@_by_filters
@click.option("--recipient-id", help="Only those to this recipient.")
@click.option("--standalone", is_flag=True, flag_value="true", default=None, help="Without event.")
@click.option("--status", help="Only those that are sent, delivered, read or failed now.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, help="A summary for machines, on stderr.")
def export(file: str, *, force: bool, as_json: bool, **filters: str | None) -> None:
    """Write messages to FILE, a line of JSON each; - is stdout.

    A name that ends in .gz is compressed. The file gets its name when it is whole. A file that is
    there already stays, unless --force is given.
    """
    try:
        given = [(name, value) for name, value in filters.items() if value is not None]
        selection = selection_of(_QUERY.query(given))
    except BadRequest as error:
        raise click.UsageError(error.sentence) from None
    number, odd = run(lambda settings: _export(settings, selection, resolve(file), force=force))
    sentence, figures = f"Exported {plural(number, 'message')}.", {"messages": number}
    if odd:
        sentence += f" Left out {plural(odd, 'message')} that this version can't read."
        figures["unreadable"] = odd
    conclude(sentence, figures, as_json=as_json, err=True)
    if odd:
        sys.exit(1)


async def _export(
    settings: Settings, selection: Selection, path: Path | None, *, force: bool
) -> tuple[int, int]:
    """Exports; returns how many messages were written, and how many can't be read."""
    if not force:
        _refuse_to_replace(path)
    async with open_store(settings) as store:
        total = await size_of(store, selection)
        written = odd = 0
        with sink(path, force=force) as file, progress("Exporting", total) as move:
            for partition in range(store.partitions):
                async for page in walk(store, selection, partition):
                    lines = [await _line_of(store, record) for record in page.records]
                    file.writelines(filter(None, lines))
                    written += sum(map(bool, lines))
                    odd += page.unreadable + lines.count(None)
                    move(written)
            move(total)
        return written, odd


async def _line_of(store: Store, record: Record) -> bytes | None:
    """The line of a record and its participants.

    Returns:
        `b""` if the record was erased meanwhile; None if a part of it can't be read.
    """
    try:
        found, participants = await retry_while_unavailable(lambda: store.with_participants(record))
        return line_of(found, participants) + b"\n" if found else b""
    except ValueError:
        return None


def _refuse_to_replace(path: Path | None) -> None:
    if path and path.is_file():
        raise CommandError(f"{path} is there already: give --force to replace it.")


@contextmanager
def sink(path: Path | None, *, force: bool) -> Iterator[IO[bytes]]:
    """Opens the output: stdout, or a file that gets its name when it is complete.

    A device or a pipe is written to directly.

    Raises:
        CommandError: a file of that name was made meanwhile, and `force` is not set.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
    else:
        with _whole(path, force=force) as file:
            yield file


@contextmanager
def _whole(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    descriptor, part = mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with ExitStack() as stack:
                yield _compressed(stack, file) if path.suffix == ".gz" else file
            file.flush()
            os.fsync(file.fileno())
        if not force:
            _refuse_to_replace(path)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink()
        raise


def _compressed(stack: ExitStack, file: IO[bytes]) -> IO[bytes]:
    # Without a time in it, the same messages make the same file.
    packer = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0))
    return cast("IO[bytes]", packer)
