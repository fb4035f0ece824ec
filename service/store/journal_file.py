"""Opens, checks and shares the journal's file, and sets it aside if it is damaged.

SQLite keeps a rollback journal beside it, and no write-ahead log. SQLite stops reading such a log
at its first damaged byte, and raises no error about the reports behind it.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

log = logging.getLogger(__name__)

Result = TypeVar("Result")

FILE = "journal.db"
"""The name of the file in the data folder."""

LOCK = "journal.lock"
"""The name of a file beside it. The process that replays holds a lock on this one."""
MARK = "journal.mark"
"""The name of a file beside it. It says what the journal's file held last and for which stores its
entries are, and the process that uses the journal's file at the moment holds a lock on it."""
USERS = "journal.users"
"""The name of a file beside it. Every process with the journal open holds a shared lock on it."""
_WAIT_S = 2.0
_POLL_S = 0.001
_MIB = 1024**2
_ROWS = 100
_ROOM_BYTES = 256 * 1024
_BESIDE = ("-journal", "-wal", "-shm")
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""SQLite's codes for a damaged file. SQLITE_ERROR means that our tables are missing."""
_NOT_OURS = {errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS}
_SUM = 8
_SHRINKS = "PRAGMA auto_vacuum = INCREMENTAL;"
_TABLES = """
CREATE TABLE entries (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kept_us INTEGER NOT NULL,
  reports INTEGER NOT NULL,
  body BLOB NOT NULL
);
-- To add up many entries would take long, and appends would wait. So the sum is kept here.
CREATE TABLE total (reports INTEGER NOT NULL);
"""
_TOTAL = """
INSERT INTO total SELECT coalesce(sum(reports), 0) FROM entries;
CREATE TRIGGER kept AFTER INSERT ON entries
BEGIN UPDATE total SET reports = reports + NEW.reports; END;
CREATE TRIGGER removed AFTER DELETE ON entries
BEGIN UPDATE total SET reports = reports - OLD.reports; END;
"""
# PERSIST keeps the room of the rollback journal on the disk. So entries can be removed from a full
# disk.
_PERSIST = "PRAGMA journal_mode = PERSIST"
_SYNCED = "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
_LAST = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entries'), 0)"
_MARKED = b"%20d %20d\n"
MARKED_BYTES = 42
"""The length of the first part of the mark: what the file held last. `journal_owners` keeps the
stores behind it."""
_STATE = f"SELECT {_LAST}, reports FROM total"  # noqa: S608  it is ours
_ENDS = f"SELECT coalesce((SELECT min(number) FROM entries), {_LAST} + 1), {_LAST} + 1"  # noqa: S608
_RANGE = "SELECT * FROM entries WHERE number BETWEEN ? AND ? ORDER BY number LIMIT ?"


class _Mark(NamedTuple):
    """What the file held at the last use: the last number that an entry got, and how many reports.

    It is kept beside the file, so that a loss is noticed.
    """

    number: int
    reports: int


def sealed(body: bytes) -> bytes:
    """A body with its CRC-32 in front, which `unsealed` checks."""
    return b"%0*x%b" % (_SUM, zlib.crc32(body), body)


def unsealed(body: bytes) -> bytes:
    """The body that was sealed.

    Raises:
        ValueError: it is damaged.
    """
    if body.startswith(b"["):  # an older version wrote this JSON array without a checksum
        return body
    if body != sealed(body[_SUM:]):
        raise ValueError("its checksum is wrong")
    return body[_SUM:]


def _descriptor(file: Path) -> int:
    """Opens a file that is to be locked. It is created for this user alone if it doesn't exist.

    Raises:
        OSError: it can't be opened.
    """
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | flags, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(file, os.O_RDONLY | flags)


class JournalFile:
    """The SQLite file of a data folder. It is opened when it is first used.

    Args:
        folder: the data folder.
        max_mib: how much of the disk the file may take, in MiB.

    Raises:
        OSError: the folder can't be used.
    """

    def __init__(self, folder: Path, max_mib: int) -> None:
        self.folder = folder
        self._path = folder / FILE
        self._most_mib = max_mib
        self._lock = _descriptor(folder / LOCK)
        self._users = _descriptor(folder / USERS)
        self.mark = _descriptor(folder / MARK)
        self._inode = 0
        self._read_only = False
        self.database: sqlite3.Connection | None = None

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Runs `work` on the database, while no other process uses the file.

        If the file is damaged, it is set aside, and `work` runs on a copy of what can be read.

        Raises:
            sqlite3.Error: the disk is full or fails, or another process locks the file too long.
            OSError: for the same reasons.
        """
        with self.held():
            try:
                result = work(self._current())
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                result = work(self._set_aside(error))
            self._write_mark()
            self._keep_room()
            return result

    @contextmanager
    def held(self) -> Iterator[None]:
        """Locks the file and the mark against other processes. `run` does this by itself.

        Raises:
            OSError: another process holds the lock too long.
        """
        self._acquire()
        try:
            yield
        finally:
            fcntl.flock(self.mark, fcntl.LOCK_UN)

    @contextmanager
    def joined(self) -> Iterator[bool]:
        """Registers this process as one that has the journal open, until `end`.

        Yields:
            whether it is the only one. In that case others wait until the block has ended.
        """
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            fcntl.flock(self._users, fcntl.LOCK_SH)
            alone = False
        yield alone
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def acquire_lease(self) -> bool:
        """Whether this process replays. One process gets the lease, and keeps it until it ends."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _acquire(self) -> None:
        """Locks the mark. With SQLite's own locks some processes would hardly get their turn."""
        until_s = time.monotonic() + _WAIT_S
        while True:
            try:
                return fcntl.flock(self.mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(_POLL_S)

    def _keep_room(self) -> None:
        """Makes the rollback journal so large that an entry can be removed from a full disk."""
        file = self._beside("-journal")
        with suppress(OSError):
            if (missing := _ROOM_BYTES - file.stat().st_size) > 0:
                # SQLite keeps the file at its size. It has set the header to zeros, and so reads
                # nothing behind it.
                with file.open("ab") as opened:
                    opened.write(bytes(missing))

    def clean(self) -> bool:
        """Removes SQLite's files beside it, since they may hold removed entries.

        In the file itself SQLite overwrites removed entries. Call this only within `run`.

        Returns:
            False if they can't be removed now.
        """
        if self._is_alone():
            return True
        if self.database is not None:
            with suppress(sqlite3.OperationalError):  # another program reads the file
                self.database.execute("PRAGMA journal_mode = DELETE")
                self.database.execute(_PERSIST)
        return self._is_alone()

    def _is_alone(self) -> bool:
        return not any(self._beside(end).exists() for end in _BESIDE)

    def close(self) -> None:
        """Closes the file. The next `run` opens it again."""
        if self.database is not None:
            self.database.close()
        self.database = None

    def end(self) -> None:
        """Closes the file for good, and releases all locks."""
        self.close()
        for descriptor in (self.mark, self._users, self._lock):
            os.close(descriptor)

    def _current(self) -> sqlite3.Connection:
        """The database. It is opened again if another file has its name now."""
        if self.database is not None and self._is_in_place():
            return self.database
        return self._open()

    def _is_in_place(self) -> bool:
        if self._read_only and self._may_move():
            return False
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _may_move(self) -> bool:
        return os.access(self._path.parent, os.W_OK | os.X_OK)

    def _open(self) -> sqlite3.Connection:
        self.close()
        self._read_only = False
        new = self._beside(".new")
        # A process ended in `_set_aside`, between the two renames.
        if new.exists() and not os.path.lexists(self._path):
            new.rename(self._path)
        try:
            database = self._connect()
            # One check is enough: the other processes would find the same, while appends wait.
            if self.acquire_lease():
                _check(database)
        except (OSError, sqlite3.Error) as error:
            if not _is_unusable(error):
                raise
            return self._set_aside(error)
        held, found = self._read_mark(), _state_of(database)
        if found.number < held.number:
            _go_on_from(database, held.number)
            if held.reports > found.reports:
                log.error("journal_lost", extra={"reports": held.reports - found.reports})
        return database

    def _connect(self) -> sqlite3.Connection:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        os.close(os.open(self._path, flags, 0o600))
        database = self._connected("rw")
        with suppress(sqlite3.OperationalError):  # a process of an older version has the file open
            database.execute(_PERSIST)
        database.executescript(_SYNCED)
        if not database.execute("PRAGMA page_count").fetchone()[0]:
            database.executescript(f"{_SHRINKS} BEGIN; {_TABLES} {_TOTAL} COMMIT;")
        [(page_bytes,)] = database.execute("PRAGMA page_size")
        database.execute(f"PRAGMA max_page_count = {self._most_mib * _MIB // page_bytes}")
        return database

    def _connected(self, mode: str) -> sqlite3.Connection:
        self.database = database_of(self._path, mode)
        self._inode = self._path.stat().st_ino
        return self.database

    def _set_aside(self, error: Exception) -> sqlite3.Connection:
        """Renames the damaged file, and opens a new one with all entries that can still be read."""
        self.close()
        if not self._may_move():
            log.error("journal_read_only", extra={"reason": str(error)})
            self._read_only = True
            return self._connected("ro")
        held, new = self._read_mark(), self._beside(".new")
        new.unlink(missing_ok=True)
        try:
            copied = _rescue(self._path, new, held.number)
        except sqlite3.Error:  # for example, the disk is full
            new.unlink(missing_ok=True)
            raise
        aside = self._move_aside()
        new.rename(self._path)
        lost = max(0, held.reports - copied) if held.number else "unknown"
        extra = {"reason": str(error), "file": aside, "reports": copied, "reports_lost": lost}
        log.error("journal_set_aside", extra=extra)
        return self._connect()

    def _move_aside(self) -> str:
        """Renames the file and SQLite's files beside it; returns the new name."""
        moved_at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        aside = self._beside(f".damaged-{moved_at}")
        number = 1
        while os.path.lexists(aside):
            aside, number = self._beside(f".damaged-{moved_at}-{number}"), number + 1
        # The file itself comes last, or its rollback journal would be taken for that of a new file.
        for end in (*_BESIDE, ""):
            if os.path.lexists(self._beside(end)):
                self._beside(end).rename(f"{aside}{end}")
        if aside.is_file():
            with suppress(OSError):  # it belongs to another user
                aside.chmod(0o600)
        return aside.name

    def _beside(self, end: str) -> Path:
        return self._path.with_name(FILE + end)

    def _read_mark(self) -> _Mark:
        """The mark; zeros if there is none, as in a journal of an older version."""
        try:
            number, reports = map(int, os.pread(self.mark, MARKED_BYTES, 0).split())
        except (OSError, ValueError):
            return _Mark(0, 0)
        return _Mark(number, reports)

    def _write_mark(self) -> None:
        """Writes what the file holds into the mark."""
        # The mark isn't synced. After a power cut it may be a little older than the file.
        if self.database is not None:
            with suppress(OSError):
                os.pwrite(self.mark, _MARKED % _state_of(self.database), 0)


def database_of(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a file; `mode` is one of SQLite's URIs: `ro`, `rw`, or `rwc` to create it."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_WAIT_S, check_same_thread=False)


def ends_of(database: sqlite3.Connection) -> tuple[int, int]:
    """The number of the first entry that waits, and the number that the next entry will get."""
    lowest, following = database.execute(_ENDS).fetchone()
    return lowest, following


def _state_of(database: sqlite3.Connection) -> _Mark:
    return _Mark(*database.execute(_STATE).fetchone())


def _go_on_from(database: sqlite3.Connection, number: int) -> None:
    """Makes the next entry's number greater than this one.

    A replay reads only entries behind the last one that it has merged.
    """
    with database:
        database.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
        database.execute("INSERT INTO sqlite_sequence VALUES ('entries', ?)", [number])


def _check(database: sqlite3.Connection) -> None:
    """Reads the whole file.

    Raises:
        _Damaged: SQLite finds an error, or the number of reports is wrong.
    """
    [(found,)] = database.execute("PRAGMA quick_check(1)")
    if found != "ok":
        raise _Damaged(found.rpartition("\n")[2])
    [(held,)] = database.execute("SELECT coalesce(sum(reports), 0) FROM entries")
    if held != (expected := _state_of(database).reports):
        raise _Damaged(f"it holds {held} reports and should hold {expected}")


class _Damaged(sqlite3.DatabaseError):
    """A damage that `_check` has found."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def code_of(error: Exception) -> int:
    """SQLite's primary code for an error; 0 if it isn't SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is damaged, or the disk can't read a part of it."""
    unread = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_READ
    return unread or code_of(error) in _DAMAGE


def _is_unusable(error: OSError | sqlite3.Error) -> bool:
    """Whether opening the file again would fail too: it is damaged, or we may not write it."""
    if isinstance(error, OSError):
        return error.errno in _NOT_OURS
    return _is_damage(error) or code_of(error) == sqlite3.SQLITE_READONLY


def _rescue(old: Path, new: Path, last: int) -> int:
    """Copies the entries that can be read of a file into a new one.

    Args:
        old: the file. It may be a folder, or a file that this user can't read.
        new: the new one, which doesn't exist.
        last: the number of the last entry; 0 if it isn't known.

    Returns:
        how many reports were copied.

    Raises:
        sqlite3.Error: the new file can't be written.
    """
    with closing(database_of(new, "rwc")) as into:
        into.executescript(_SHRINKS + _TABLES)
        if old.is_file() and os.access(old, os.R_OK):
            with closing(database_of(old, "rw")) as damaged:
                damaged.execute("PRAGMA writable_schema = 1")  # so it reads a truncated file, too
                last = last or _last_of(damaged)
                into.executemany(
                    "INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?)",
                    (row for row in _readable(damaged, 1, last) if _is_sound(row)),
                )
        into.executescript(_TOTAL)
        copied, reports = _state_of(into)
        _go_on_from(into, max(copied, last))
    return reports


def _last_of(database: sqlite3.Connection) -> int:
    try:
        return int(database.execute(f"SELECT {_LAST}").fetchone()[0])
    except (sqlite3.Error, ValueError):
        return 0


def _is_sound(row: tuple[Any, ...]) -> bool:
    *numbers, body = row
    if not isinstance(body, bytes) or not all(isinstance(number, int) for number in numbers):
        return False
    try:
        return bool(unsealed(body))
    except ValueError:
        return False


def _readable(database: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[Any, ...]]:
    """The entries with these numbers, without those that can't be read."""
    while first <= last:
        try:
            rows = database.execute(_RANGE, (first, last, _ROWS)).fetchall()
        except sqlite3.Error:
            if first < last:  # a search by halves finds the entries that can't be read
                middle = (first + last) // 2
                yield from _readable(database, first, middle)
                yield from _readable(database, middle + 1, last)
            return
        yield from rows
        if len(rows) < _ROWS:
            return
        first = max(first, rows[-1][0]) + 1
