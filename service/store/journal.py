"""Keeps reports on disk while the store is away, in an SQLite file in the data folder.

When `append` returns, its reports are synced to the disk: they survive a crash of the process or of
the machine. Several processes may use the same journal. When the disk fails or is full, every
method raises Unavailable: `journal`, or `journal_full`, which it also raises at the journal's own
limit.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from service.backends.embedded import OTHERS_WRITE, check_closed, make_folder
from service.domain.report import Context, Extras, Report, Status
from service.errors import StartError, StoreAway, Unavailable
from service.models.pricing import pricing_fields_of
from service.store.journal_file import (
    FILE,
    LOCK,
    MARK,
    USERS,
    JournalFile,
    code_of,
    database_of,
    ends_of,
    sealed,
    unsealed,
)
from service.store.journal_owners import Tenants, others_than

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_MAGIC = b"SQLite format 3\0"
_PAGES_A_STEP = 1000
_WAITING = "SELECT reports, (SELECT kept_us FROM entries ORDER BY number LIMIT 1) FROM total"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[list[Any]]).decode


class Entry(NamedTuple):
    """Reports that were appended together, as JSON, and the number of the entry."""

    number: int
    body: bytes

    def reports(self) -> list[Report]:
        """The reports of the entry.

        Raises:
            ValueError: they can't be read: a later version may have written them.
        """
        try:
            return [_report_of(row) for row in _decode(unsealed(self.body))]
        # msgspec's errors are ValueErrors; the others are of a body that is damaged to a number.
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"entry {self.number}: {type(error).__name__}") from None


class Waiting(NamedTuple):
    """The backlog of the journal.

    Attributes:
        reports: how many reports wait, with the foreign ones and without the stuck ones.
        age_s: how long the oldest of them has waited, in seconds.
        foreign: how many of them are for other stores than the current one.
        stuck: how many further reports are merged already, but can't be removed from a full disk.
    """

    reports: int
    age_s: float
    foreign: int = 0
    stuck: int = 0


class Journal:
    """The journal of a data folder, made by `open_journal`. It is also a `startup.Keeper`.

    Args:
        file: the journal's file; it is used in a thread of its own.
        address: the address of the store that reports are kept for.
    """

    way_on = "run `python -m service adopt`: it gives what waits in the journal to what Redis has"

    def __init__(self, file: JournalFile, address: str) -> None:
        self._file = file
        self._tenants = Tenants(file, address)
        self._foreign = 0
        self._counted: tuple[str, sqlite3.Connection | None] = "", None
        """The SQL condition for foreign entries, and the database in which it counted them."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self.fault = ""
        """Why it takes no reports at the moment, a reason of `Unavailable`; `""` if it does."""

    @property
    def store(self) -> str:
        """The id of the store that reports are kept for; "" until it has been seen."""
        return self._tenants.store

    async def open(self) -> None:
        """Opens the file. Other processes may use it too, for the same store.

        If the file can't be used at the moment, every later call tries again.

        Raises:
            StartError: a service with another store uses it at the moment.
        """
        try:
            await self._in_thread(self._open)
        except OSError as error:
            raise unusable(self._file.folder, str(error)) from None

    def _open(self) -> None:
        with self._file.joined() as alone:
            ends = None
            with suppress(Unavailable):
                ends = self._try(ends_of)
            if alone:
                self._tenants.begin(ends)
        self._tenants.check()

    async def belongs_to(self, store: str) -> None:
        """Notes the id of the store that reports are kept for, unless one is noted already.

        Raises:
            StoreAway: another process locks the journal for too long.
        """
        try:
            await self._in_thread(lambda: self._tenants.name(store))
        except OSError as error:
            raise StoreAway(f"The journal can't note for which store it is: {error}.") from None

    async def adopted_by(self, store: str) -> int:
        """Assigns all entries to one store; returns how many reports were for others."""
        held = await self._run(lambda database: _count(database, self._tenants.others(store)))
        await self._in_thread(lambda: self._tenants.adopt(store))
        return held

    async def append(self, reports: Sequence[Report]) -> None:
        """Appends reports. When it returns, they are on the disk."""
        row = time.time_ns() // 1000, len(reports), sealed(_encode(reports))
        await self._run(lambda database: _append(database, row))
        self.fault = ""

    async def after(self, number: int, most_reports: int) -> list[Entry]:
        """The oldest entries for this store with a greater number than `number`.

        There are as many as have up to `most_reports` reports together, but at least one.
        """
        ours = self._tenants.ours()
        return await self._run(lambda database: _after(database, ours, number, most_reports))

    async def remove(self, numbers: Sequence[int]) -> None:
        """Removes entries whose reports are in the store."""
        await self._run(lambda database: _remove(database, numbers))
        self.fault = ""
        await self._give_back()

    async def wipe(self) -> bool:
        """Removes what the files still hold of removed entries; returns whether nothing is left."""
        return await self._run(lambda _: self._file.clean())

    async def _give_back(self) -> None:
        """Gives the room of an empty journal back to the disk."""
        while pause_s := await self._run(self._shrink):  # noqa: ASYNC110  there is no event
            await asyncio.sleep(pause_s)  # so that other processes can append

    def _shrink(self, database: sqlite3.Connection) -> float:
        """Frees some pages of an empty journal; returns how long that took if more are left.

        To free all pages of a large one at once would take many seconds, and appends would wait.
        """
        if _is_filled(database):
            return 0.0
        began_s = time.monotonic()
        if pages := _free_pages(database):
            # `executescript` runs the statement to its end; `execute` would free a single page.
            database.executescript(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")
        if pages > _PAGES_A_STEP:
            return time.monotonic() - began_s
        self._file.clean()
        return 0.0

    async def replace(self, number: int, reports: Sequence[Report]) -> None:
        """Keeps only these reports of an entry. The others are in the store."""
        row = len(reports), sealed(_encode(reports)), number
        await self._run(lambda database: _replace(database, row))

    async def waiting(self) -> Waiting:
        """The backlog of all processes together."""
        reports, kept_us, foreign = await self._run(self._waiting)
        age_s = time.time() - kept_us / 1e6 if kept_us else 0.0
        return Waiting(reports, max(age_s, 0.0), foreign)

    def _waiting(self, database: sqlite3.Connection) -> tuple[int, int | None, int]:
        """The number of reports, the time of the oldest entry in µs, and the foreign reports."""
        self._tenants.refresh()
        others = self._tenants.others(self.store) if self.store else "0"
        # To count foreign entries reads all of them, so it happens only if their number may change.
        if (others, database) != self._counted:
            self._foreign = _count(database, others)
            self._counted = others, database
        return (*database.execute(_WAITING).fetchone(), self._foreign)

    def acquire_lease(self) -> bool:
        """Whether this process replays. One process gets the lease, and keeps it until it ends."""
        return self._file.acquire_lease()

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await self._in_thread(lambda: self._try(work))

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _try(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return self._file.run(work)
        except (sqlite3.Error, OSError) as error:
            reason = "journal_full" if code_of(error) == sqlite3.SQLITE_FULL else "journal"
            if reason != self.fault:
                log.error("journal_failed", extra={"reason": reason, "error": str(error)})  # noqa: TRY400
            self.fault = reason
            raise Unavailable(reason) from None

    async def close(self) -> None:
        """Closes the file after the calls that are under way."""
        await self._in_thread(self._file.end)
        self._thread.shutdown()


def _append(database: sqlite3.Connection, row: tuple[int, int, bytes]) -> None:
    with database:
        database.execute("INSERT INTO entries (kept_us, reports, body) VALUES (?, ?, ?)", row)


def _count(database: sqlite3.Connection, where: str) -> int:
    """How many reports are in the entries for which an SQL condition holds."""
    query = f"SELECT coalesce(sum(reports), 0) FROM entries WHERE {where}"  # noqa: S608  it is ours
    return int(database.execute(query).fetchone()[0])


def _after(database: sqlite3.Connection, where: str, number: int, most_reports: int) -> list[Entry]:
    # Damage may have made a text of a number, which SQLite's checks let pass.
    query = (
        "SELECT number, coalesce(CAST(reports AS INTEGER), 0), body FROM entries "  # noqa: S608  it is ours
        f"WHERE number > ? AND {where} ORDER BY number"
    )
    entries: list[Entry] = []
    total = 0
    for found, reports, body in database.execute(query, (number,)):
        total += reports
        if entries and total > most_reports:
            break
        entries.append(Entry(found, body))
    return entries


def _remove(database: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Removes entries together or, if the disk is too full for that, by halves."""
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
    """A StartError that says why a folder can't hold the journal, and what to do."""
    return StartError(
        f"The journal {folder / FILE} can't be used: {why}. Set data_dir (TRACKER_DATA_DIR) to a "
        "folder that this user can write to, or journal.enabled (TRACKER_JOURNAL__ENABLED) to "
        "false: then reports are refused while Redis is away."
    )


def check_folder(folder: Path) -> str:
    """Checks that the journal could be opened in the folder. It creates nothing.

    Returns:
        a sentence that says what the service would do with a file that isn't a journal, else `""`.

    Raises:
        StartError: the journal couldn't be opened.
    """
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise unusable(folder, f"{nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise unusable(folder, f"this user can't write to {nearest}")
    if nearest == folder:
        check_closed(folder, OTHERS_WRITE)
    try:
        for name in (LOCK, MARK, USERS):
            _begin_of(folder / name)
    except OSError as error:
        raise unusable(folder, str(error)) from None
    if (folder / FILE).is_symlink():
        raise unusable(folder, "it is a symbolic link")
    with suppress(OSError):
        if _begin_of(folder / FILE) in (b"", _MAGIC):
            return ""
    return f"{folder / FILE} is damaged or no journal: the service will set it aside."


def _begin_of(file: Path) -> bytes:
    """The first bytes of a file; none if it doesn't exist.

    Raises:
        OSError: this user can't read or write the file.
    """
    if not file.exists():
        return b""
    with file.open("r+b") as opened:
        return opened.read(len(_MAGIC))


def foreign_in(folder: Path, address: str, store: str) -> int:
    """How many reports in the journal of a folder are for other stores than this one.

    It creates nothing, and returns 0 if the journal can't be read.
    """
    try:
        where = others_than(folder, store, address)
        with closing(database_of(folder / FILE, "rw")) as database:
            return _count(database, where)
    except (OSError, sqlite3.Error):
        return 0


@asynccontextmanager
async def open_journal(folder: Path, max_mib: int, address: str = "") -> AsyncIterator[Journal]:
    """Opens the journal of a data folder, and closes it at the end of the context.

    It creates the folder and the journal if they don't exist, for this user alone.

    Args:
        folder: has the journal's files.
        max_mib: how much of the disk the journal may take, in MiB.
        address: the address of the store that reports are kept for.

    Raises:
        StartError: the folder can't be used, or a service with another address uses the journal.
    """
    try:
        make_folder(folder)
        check_closed(folder, OTHERS_WRITE)
        if (folder / FILE).is_symlink():
            raise unusable(folder, "it is a symbolic link")
        file = JournalFile(folder, max_mib)
    except OSError as error:
        raise unusable(folder, str(error)) from None
    journal = Journal(file, address)
    try:
        await journal.open()
        yield journal
    finally:
        await journal.close()


def _report_of(row: list[Any]) -> Report:
    """A report from its JSON array, in which context and extras may be empty."""
    wamid, status, *fields, context, extras = row
    fields += [Context(*context) if context else (), _extras_of(extras) if extras else ()]
    return Report(wamid, Status(status), *fields)


_OLD_EXTRAS = 6
"""How many texts earlier versions wrote. The last one was Meta's pricing as JSON."""


def _extras_of(texts: list[str]) -> Extras:
    if len(texts) == _OLD_EXTRAS:
        *texts, pricing = texts
        return Extras(*texts, **pricing_fields_of(msgspec.json.decode(pricing or "{}")))
    return Extras(*texts)
