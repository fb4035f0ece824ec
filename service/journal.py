"""Reports that wait on disk while the store is away: SQLite in the data folder.

What `append` has taken is synced to the disk, and is there after a crash of the process or of the
machine. Several processes may have the same journal open (https://www.sqlite.org/wal.html). When
the disk is full or fails every method raises Unavailable: `journal_full`, also past the journal's
own limit, or `journal`.
"""

from __future__ import annotations

import asyncio
import fcntl
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

from service.embedded import make_folder
from service.errors import StartError, Unavailable
from service.reports import Context, Extras, Report, Status
from service.tenants import Tenants, others_than

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_FILE = "journal.db"
_LOCK = "journal.lock"
_MAGIC = b"SQLite format 3\0"
_MIB = 1024**2
_WAIT_S = 2.0
_PAGES_A_STEP = 1000
_SET_UP = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS entries (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kept_us INTEGER NOT NULL,
  reports INTEGER NOT NULL,
  body BLOB NOT NULL
);
-- Counting what waits would take longer the more it is, and everybody's appends would wait for it.
CREATE TABLE IF NOT EXISTS total (reports INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS kept AFTER INSERT ON entries
BEGIN UPDATE total SET reports = reports + NEW.reports; END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON entries
BEGIN UPDATE total SET reports = reports - OLD.reports; END;
"""
_ENDS = """
SELECT coalesce((SELECT min(number) FROM entries), following), following
FROM (SELECT coalesce(max(seq), 0) + 1 AS following FROM sqlite_sequence WHERE name = 'entries')
"""
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
            return [_report_of(row) for row in _decode(self.body)]
        except (TypeError, msgspec.DecodeError) as error:
            raise ValueError(f"entry {self.number}: {type(error).__name__}") from None


class Waiting(NamedTuple):
    """How many reports wait, and for how long the first of them has, in seconds."""

    reports: int
    age_s: float


class Journal:
    """The journal of a data folder. Made by `open_journal`. The keeper of `checks`, too.

    Args:
        database: has been set up; used in a thread of its own.
        lock: the descriptor of a file that whoever replays holds a lock on.
        tenants: whose entries it holds.
    """

    way_on = "run `python -m service adopt`: it gives what waits in the journal to what Redis has"

    def __init__(self, database: sqlite3.Connection, lock: int, tenants: Tenants) -> None:
        self._database = database
        self._lock = lock
        self._tenants = tenants
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self.fault = ""
        """Why it takes no reports at the moment, as `Unavailable` has it; `""` when it does."""
        self.foreign = 0
        """How many of the reports that wait are for other stores; they aren't given to `after`."""

    @property
    def store(self) -> str:
        """The id of the store that reports are kept for; "" until it has been seen."""
        return self._tenants.store

    async def enter(self) -> None:
        """Has this process use the journal, beside others that do so for the same store.

        Raises:
            StartError: at this moment a service with another store uses it.
        """
        ends = None
        with suppress(Unavailable):
            ends = await self._run(lambda: self._database.execute(_ENDS).fetchone())
        self._tenants.enter(ends)

    async def belongs_to(self, store: str) -> None:
        """Notes the id of the store that reports are kept for, unless one is noted already."""
        await asyncio.to_thread(self._tenants.name, store)
        with suppress(Unavailable):
            await self._run(self._count_foreign)

    async def adopted_by(self, store: str) -> int:
        """Gives all that waits to one store; returns how many reports were for others."""
        held = await self._run(lambda: self._count(self._tenants.others(store)))
        await asyncio.to_thread(self._tenants.adopt, store)
        return held

    async def append(self, reports: Sequence[Report]) -> None:
        """Keeps reports. When this returns they are on the disk."""
        body = _encode(reports)
        await self._run(lambda: self._append(len(reports), body))
        self.fault = ""

    def _append(self, count: int, body: bytes) -> None:
        row = time.time_ns() // 1000, count, body
        with self._database:
            self._database.execute(
                "INSERT INTO entries (kept_us, reports, body) VALUES (?, ?, ?)", row
            )

    async def after(self, number: int, most_reports: int) -> list[Entry]:
        """The oldest entries with a greater number: one, or as many as have so many reports."""
        return await self._run(lambda: self._after(number, most_reports))

    def _after(self, number: int, most_reports: int) -> list[Entry]:
        query = (
            "SELECT number, reports, body FROM entries "  # noqa: S608  it is ours
            f"WHERE number > ? AND {self._tenants.ours()} ORDER BY number"
        )
        entries: list[Entry] = []
        total = 0
        for found, reports, body in self._database.execute(query, (number,)):
            total += reports
            if entries and total > most_reports:
                break
            entries.append(Entry(found, body))
        return entries

    async def remove(self, numbers: Sequence[int]) -> None:
        """Forgets entries: their reports are in the store."""
        await self._run(lambda: self._remove(numbers))
        self.fault = ""
        while pause_s := await self._run(self._shrink):  # noqa: ASYNC110  no event tells
            await asyncio.sleep(pause_s)  # for the appends of other processes

    def _remove(self, numbers: Sequence[int]) -> None:
        with self._database:
            self._database.executemany(
                "DELETE FROM entries WHERE number = ?", ((number,) for number in numbers)
            )

    def _shrink(self) -> float:
        """Gives some of an empty journal's room back; returns how long that took if more is left.

        Of a large one all at once would take many seconds, and appends would wait.
        """
        [(pages,)] = self._database.execute("PRAGMA freelist_count")
        filled = self._database.execute("SELECT 1 FROM entries LIMIT 1").fetchone()
        if filled or not pages:
            return 0.0
        began_s = time.monotonic()
        # Of a script every statement is run to its end; `execute` would free a single page.
        self._database.executescript(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")
        return time.monotonic() - began_s if pages > _PAGES_A_STEP else 0.0

    async def replace(self, number: int, reports: Sequence[Report]) -> None:
        """Keeps only these reports of an entry; the others are in the store."""
        body = _encode(reports)
        await self._run(lambda: self._replace(number, len(reports), body))

    def _replace(self, number: int, count: int, body: bytes) -> None:
        old = "(SELECT reports FROM entries WHERE number = ?)"
        with self._database:
            self._database.execute(
                f"UPDATE total SET reports = reports - {old} + ?",  # noqa: S608  it is ours
                (number, count),
            )
            self._database.execute(
                "UPDATE entries SET reports = ?, body = ? WHERE number = ?", (count, body, number)
            )

    async def waiting(self) -> Waiting:
        """What is in it, of all processes."""
        reports, kept_us = await self._run(self._waiting)
        age_s = time.time() - kept_us / 1e6 if kept_us else 0.0
        return Waiting(reports, max(age_s, 0.0))

    def _waiting(self) -> tuple[int, int | None]:
        if self._tenants.refresh():  # only then there may be more or less for other stores
            self._count_foreign()
        reports, kept_us = self._database.execute(_WAITING).fetchone()
        return reports, kept_us

    def _count_foreign(self) -> None:
        self.foreign = self._count(self._tenants.others(self.store)) if self.store else 0

    def _count(self, meant: str) -> int:
        return _count(self._database, meant)

    def claim(self) -> bool:
        """Whether this process is the one that replays; from then on it is, until it ends."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            reason = "journal_full" if full else "journal"
            if reason != self.fault:
                log.error("journal_failed", extra={"reason": reason, "error": str(error)})  # noqa: TRY400
            self.fault = reason
            raise Unavailable(reason) from None

    async def close(self) -> None:
        """Closes the file, once what is under way is done."""
        await self._run(self._database.close)
        self._thread.shutdown()
        os.close(self._lock)
        self._tenants.close()


def unusable(folder: Path, why: str) -> StartError:
    """The StartError for a folder that can't hold the journal."""
    return StartError(
        f"The journal {folder / _FILE} can't be used: {why}. Set data_dir (TRACKER_DATA_DIR) to a "
        "folder that this user can write to, or journal.enabled (TRACKER_JOURNAL__ENABLED) to "
        "false: then reports are refused while Redis is away."
    )


def check_folder(folder: Path) -> None:
    """Checks that the journal could be opened in the folder. Makes nothing.

    Raises:
        StartError: it couldn't.
    """
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise unusable(folder, f"{nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise unusable(folder, f"this user can't write to {nearest}")
    try:
        begins = [_begin_of(folder / name) for name in (_FILE, _LOCK)]
    except OSError as error:
        raise unusable(folder, str(error)) from None
    if begins[0] not in (b"", _MAGIC):
        raise unusable(folder, "it is another file")


def _begin_of(file: Path) -> bytes:
    """What a file begins with that could be written to; nothing where it isn't there."""
    if not file.exists():
        return b""
    with file.open("r+b") as opened:
        return opened.read(len(_MAGIC))


def foreign_in(folder: Path, address: str, store: str) -> int:
    """How many reports in the journal of a folder are for other stores than this one.

    Makes nothing, and takes what can't be read for nothing.
    """
    try:
        meant = others_than(folder, store, address)
        file = f"{(folder / _FILE).as_uri()}?mode=rw"  # which makes none
        with closing(sqlite3.connect(file, timeout=_WAIT_S, uri=True)) as database:
            return _count(database, meant)
    except (OSError, sqlite3.Error):
        return 0


def _count(database: sqlite3.Connection, meant: str) -> int:
    """The reports in the entries that a condition holds for."""
    query = f"SELECT coalesce(sum(reports), 0) FROM entries WHERE {meant}"  # noqa: S608  it is ours
    return int(database.execute(query).fetchone()[0])


@asynccontextmanager
async def open_journal(folder: Path, most_mib: int, address: str = "") -> AsyncIterator[Journal]:
    """The journal of a data folder. Both are made if they aren't there, for this user alone.

    Args:
        folder: where the journal's files are.
        most_mib: how much of the disk the journal may take, in MiB.
        address: of the store that reports are kept for.

    Raises:
        StartError: the folder or the file can't be used, or is in use for another address.
    """
    try:
        make_folder(folder)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = folder / _FILE
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(file, timeout=_WAIT_S, check_same_thread=False)
        database.executescript(_SET_UP)
        database.execute(_WAITING)  # of a table of somebody else's it fails
        [(page_bytes,)] = database.execute("PRAGMA page_size")
        database.execute(f"PRAGMA max_page_count = {most_mib * _MIB // page_bytes}")
        tenants = Tenants(folder, address)
    except (OSError, sqlite3.Error) as error:
        raise unusable(folder, str(error)) from None
    journal = Journal(database, lock, tenants)
    try:
        await journal.enter()
        yield journal
    finally:
        await journal.close()


def _report_of(row: list[Any]) -> Report:
    """A report from its JSON array, in which context and extras may be empty."""
    wamid, status, *fields, context, extras = row
    fields += [Context(*context) if context else (), Extras(*extras) if extras else ()]
    return Report(wamid, Status(status), *fields)
