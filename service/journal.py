"""Reports that wait on disk while the store is away: SQLite in the data folder.

What `append` has taken is synced to the disk, and is there after a crash of the process or of the
machine. Several processes may use the same journal. When the disk is full or fails every method
raises Unavailable: `journal_full`, also past the journal's own limit, or `journal`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from service.embedded import OTHERS_WRITE, check_closed, make_folder
from service.errors import StartError, Unavailable
from service.journalfile import FILE, LOCK, MARK, JournalFile, code_of, sealed, unsealed
from service.reports import Context, Extras, Report, Status

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_MAGIC = b"SQLite format 3\0"
_PAGES_A_STEP = 1000
_WAITING = "SELECT reports, (SELECT kept_us FROM entries ORDER BY number LIMIT 1) FROM total"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[list[Any]]).decode


class Entry(NamedTuple):
    """Reports that were kept together, as JSON, and the number by which they are removed."""

    number: int
    body: bytes

    def reports(self) -> list[Report]:
        """The reports.

        Raises:
            ValueError: they can't be read: a later version may have written them.
        """
        try:
            return [_report_of(row) for row in _decode(unsealed(self.body))]
        except (TypeError, ValueError) as error:  # msgspec's errors are ValueErrors
            raise ValueError(f"entry {self.number}: {type(error).__name__}") from None


class Waiting(NamedTuple):
    """How many reports wait, and for how long the first of them has, in seconds."""

    reports: int
    age_s: float


class Journal:
    """The journal of a data folder. Made by `open_journal`.

    Args:
        file: used in a thread of its own.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self.fault = ""
        """Why it takes no reports at the moment, as `Unavailable` has it; `""` when it does."""

    async def append(self, reports: Sequence[Report]) -> None:
        """Keeps reports. When this returns they are on the disk."""
        row = time.time_ns() // 1000, len(reports), sealed(_encode(reports))
        await self._run(lambda database: _append(database, row))
        self.fault = ""

    async def after(self, number: int, most_reports: int) -> list[Entry]:
        """The oldest entries with a greater number: one, or as many as have so many reports."""
        return await self._run(lambda database: _after(database, number, most_reports))

    async def remove(self, numbers: Sequence[int]) -> None:
        """Forgets entries: their reports are in the store."""
        await self._run(lambda database: _remove(database, numbers))
        self.fault = ""
        await self._give_back()

    async def wipe(self) -> bool:
        """Whether its files hold nothing of entries that were removed; sees to that first."""
        return await self._run(lambda _: self._file.clean())

    async def _give_back(self) -> None:
        while pause_s := await self._run(self._shrink):  # noqa: ASYNC110  no event tells
            await asyncio.sleep(pause_s)  # for the appends of other processes

    def _shrink(self, database: sqlite3.Connection) -> float:
        """Gives some of an empty journal's room back; returns how long that took if more is left.

        Of a large one all at once would take many seconds, and appends would wait.
        """
        if _is_filled(database):
            return 0.0
        began_s = time.monotonic()
        if pages := _free_pages(database):
            # Of a script every statement is run to its end; `execute` would free a single page.
            database.executescript(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")
        if pages > _PAGES_A_STEP:
            return time.monotonic() - began_s
        self._file.clean()
        return 0.0

    async def replace(self, number: int, reports: Sequence[Report]) -> None:
        """Keeps only these reports of an entry; the others are in the store."""
        row = len(reports), sealed(_encode(reports)), number
        await self._run(lambda database: _replace(database, row))

    async def waiting(self) -> Waiting:
        """What is in it, of all processes."""
        reports, kept_us = await self._run(lambda database: database.execute(_WAITING).fetchone())
        age_s = time.time() - kept_us / 1e6 if kept_us else 0.0
        return Waiting(reports, max(age_s, 0.0))

    def claim(self) -> bool:
        """Whether this process is the one that replays; from then on it is, until it ends."""
        return self._file.claim()

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._file.run, work
            )
        except (sqlite3.Error, OSError) as error:
            reason = "journal_full" if code_of(error) == sqlite3.SQLITE_FULL else "journal"
            if reason != self.fault:
                log.error("journal_failed", extra={"reason": reason, "error": str(error)})  # noqa: TRY400
            self.fault = reason
            raise Unavailable(reason) from None

    async def open(self) -> None:
        """Opens the file.

        Raises:
            Unavailable: it can't be used at the moment; every later call tries again.
        """
        await self._run(lambda _: None)

    async def close(self) -> None:
        """Closes the file, once what is under way is done."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._file.end)
        self._thread.shutdown()


def _append(database: sqlite3.Connection, row: tuple[int, int, bytes]) -> None:
    with database:
        database.execute("INSERT INTO entries (kept_us, reports, body) VALUES (?, ?, ?)", row)


def _after(database: sqlite3.Connection, number: int, most_reports: int) -> list[Entry]:
    query = "SELECT number, reports, body FROM entries WHERE number > ? ORDER BY number"
    entries: list[Entry] = []
    total = 0
    for found, reports, body in database.execute(query, (number,)):
        total += reports
        if entries and total > most_reports:
            break
        entries.append(Entry(found, body))
    return entries


def _remove(database: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Removes entries together or, if the disk has no room for that, by halves."""
    try:
        with database:
            database.executemany(
                "DELETE FROM entries WHERE number = ?", ((number,) for number in numbers)
            )
    except sqlite3.Error as error:
        if code_of(error) != sqlite3.SQLITE_FULL or len(numbers) == 1:
            raise
        middle = len(numbers) // 2
        _remove(database, numbers[:middle])
        _remove(database, numbers[middle:])


def _replace(database: sqlite3.Connection, row: tuple[int, bytes, int]) -> None:
    count, _, number = row
    old = "(SELECT reports FROM entries WHERE number = ?)"
    with database:
        database.execute(
            f"UPDATE total SET reports = reports - {old} + ?",  # noqa: S608  it is ours
            (number, count),
        )
        database.execute("UPDATE entries SET reports = ?, body = ? WHERE number = ?", row)


def _is_filled(database: sqlite3.Connection) -> bool:
    return database.execute("SELECT 1 FROM entries LIMIT 1").fetchone() is not None


def _free_pages(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA freelist_count").fetchone()[0])


def unusable(folder: Path, why: str) -> StartError:
    """The StartError for a folder that can't hold the journal."""
    return StartError(
        f"The journal {folder / FILE} can't be used: {why}. Set data_dir (TRACKER_DATA_DIR) to a "
        "folder that this user can write to, or journal.enabled (TRACKER_JOURNAL__ENABLED) to "
        "false: then reports are refused while Redis is away."
    )


def check_folder(folder: Path) -> str:
    """Checks that the journal could be opened in the folder. Makes nothing.

    Returns:
        what the service would do about a file that isn't a journal, in a sentence, else `""`.

    Raises:
        StartError: it couldn't.
    """
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise unusable(folder, f"{nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise unusable(folder, f"this user can't write to {nearest}")
    if nearest == folder:
        check_closed(folder, OTHERS_WRITE)
    try:
        _begin_of(folder / LOCK)
        _begin_of(folder / MARK)
    except OSError as error:
        raise unusable(folder, str(error)) from None
    if (folder / FILE).is_symlink():
        raise unusable(folder, "it is a symbolic link")
    with suppress(OSError):
        if _begin_of(folder / FILE) in (b"", _MAGIC):
            return ""
    return f"{folder / FILE} is damaged or no journal: the service will set it aside."


def _begin_of(file: Path) -> bytes:
    """What a file begins with that could be written to; nothing where it isn't there."""
    if not file.exists():
        return b""
    with file.open("r+b") as opened:
        return opened.read(len(_MAGIC))


@asynccontextmanager
async def open_journal(folder: Path, most_mib: int) -> AsyncIterator[Journal]:
    """The journal of a data folder. Both are made if they aren't there, for this user alone.

    Args:
        folder: where the journal's files are.
        most_mib: how much of the disk the journal may take, in MiB.

    Raises:
        StartError: the folder or the file can't be used.
    """
    try:
        make_folder(folder)
        check_closed(folder, OTHERS_WRITE)
        if (folder / FILE).is_symlink():
            raise unusable(folder, "it is a symbolic link")
        journal = Journal(JournalFile(folder, most_mib))
    except OSError as error:
        raise unusable(folder, str(error)) from None
    try:
        with suppress(Unavailable):  # the store may be well, so the service starts
            await journal.open()
        yield journal
    finally:
        await journal.close()


def _report_of(row: list[Any]) -> Report:
    """A report from its JSON array, in which context and extras may be empty."""
    wamid, status, *fields, context, extras = row
    fields += [Context(*context) if context else (), Extras(*extras) if extras else ()]
    return Report(wamid, Status(status), *fields)
