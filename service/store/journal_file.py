"""The journal's file: opened, checked, shared by processes, and set aside when it is damaged.

SQLite keeps a rollback journal beside it and no write-ahead log: SQLite stops reading such a log
at its first damaged byte, and says nothing of the reports behind it.
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
"""The name of a file beside it, that whoever replays holds a lock on."""
MARK = "journal.mark"
"""The name of a file beside it: what it held last, for which stores its entries are, and the lock
of whoever uses it at this moment."""
USERS = "journal.users"
"""The name of a file beside it, that every process with the journal holds a shared lock on."""
_WAIT_S = 2.0
_POLL_S = 0.001
_MIB = 1024**2
_ROWS = 100
_ROOM_BYTES = 256 * 1024
_BESIDE = ("-journal", "-wal", "-shm")
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""SQLITE_ERROR: it hasn't our tables."""
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
-- Counting what waits would take longer the more it is, and everybody's appends would wait for it.
CREATE TABLE total (reports INTEGER NOT NULL);
"""
_TOTAL = """
INSERT INTO total SELECT coalesce(sum(reports), 0) FROM entries;
CREATE TRIGGER kept AFTER INSERT ON entries
BEGIN UPDATE total SET reports = reports + NEW.reports; END;
CREATE TRIGGER removed AFTER DELETE ON entries
BEGIN UPDATE total SET reports = reports - OLD.reports; END;
"""
# PERSIST keeps the room of the rollback journal, so that entries can be removed on a full disk.
_PERSIST = "PRAGMA journal_mode = PERSIST"
_SYNCED = "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
_LAST = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entries'), 0)"
_MARKED = b"%20d %20d\n"
MARKED_BYTES = 42
"""The length of what it held last in the mark; `tenants` keeps the stores behind it."""
_STATE = f"SELECT {_LAST}, reports FROM total"  # noqa: S608  it is ours
_ENDS = f"SELECT coalesce((SELECT min(number) FROM entries), {_LAST} + 1), {_LAST} + 1"  # noqa: S608
_RANGE = "SELECT * FROM entries WHERE number BETWEEN ? AND ? ORDER BY number LIMIT ?"


class _Mark(NamedTuple):
    """What the file held at the last use, kept beside it: the last number given, and reports."""

    number: int
    reports: int


def sealed(body: bytes) -> bytes:
    """A body with its CRC-32 before it, by which `unsealed` knows it."""
    return b"%0*x%b" % (_SUM, zlib.crc32(body), body)


def unsealed(body: bytes) -> bytes:
    """The body that was sealed; one of an older version, a JSON array, has no sum and is as it is.

    Raises:
        ValueError: it is damaged.
    """
    if body.startswith(b"["):
        return body
    if body != sealed(body[_SUM:]):
        raise ValueError("its checksum is wrong")
    return body[_SUM:]


def _descriptor(file: Path) -> int:
    """Opens a file to be locked. It is made for this user alone if it isn't there.

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
    """The SQLite file of a data folder, opened when it is used first.

    Args:
        folder: where it is.
        max_mib: how much of the disk it may take.

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
        """Does work while no other process uses the file.

        If the file is damaged, it is set aside, and the work is done on what could be read of it.

        Raises:
            sqlite3.Error: the disk is full or fails, or another process holds the file too long.
            OSError: likewise.
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
        """No other process uses the file or the mark meanwhile. `run` holds it by itself.

        Raises:
            OSError: another process holds it too long.
        """
        self._acquire()
        try:
            yield
        finally:
            fcntl.flock(self.mark, fcntl.LOCK_UN)

    @contextmanager
    def joined(self) -> Iterator[bool]:
        """Is one of those that have the journal open, from now on until `end`.

        Yields:
            whether it is the only one; then others wait until the block has ended.
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
        """Whether this process is the one that replays; from then on it is, until it ends."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _acquire(self) -> None:
        """Locks the mark. SQLite's own locks would let some processes wait ever longer."""
        until_s = time.monotonic() + _WAIT_S
        while True:
            try:
                return fcntl.flock(self.mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(_POLL_S)

    def _keep_room(self) -> None:
        """Makes the rollback journal large enough for removing an entry on a full disk.

        SQLite keeps its room, and looks at nothing behind the header, which it has set to zeros.
        """
        file = self._beside("-journal")
        with suppress(OSError):
            if (missing := _ROOM_BYTES - file.stat().st_size) > 0:
                with file.open("ab") as opened:
                    opened.write(bytes(missing))

    def clean(self) -> bool:
        """Removes what SQLite has beside it, in which removed entries may stand.

        In the file itself SQLite overwrites them. Call this in the work of `run`.

        Returns:
            False while it can't be removed.
        """
        if self._is_alone():
            return True
        if self.database is not None:
            with suppress(sqlite3.OperationalError):  # somebody else looks into it
                self.database.execute("PRAGMA journal_mode = DELETE")
                self.database.execute(_PERSIST)
        return self._is_alone()

    def _is_alone(self) -> bool:
        return not any(self._beside(end).exists() for end in _BESIDE)

    def close(self) -> None:
        """Closes the file, until it is used again."""
        if self.database is not None:
            self.database.close()
        self.database = None

    def end(self) -> None:
        """Closes the file for good."""
        self.close()
        for descriptor in (self.mark, self._users, self._lock):
            os.close(descriptor)

    def _current(self) -> sqlite3.Connection:
        """The database, opened anew if the file isn't the one that was opened."""
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
        if new.exists() and not os.path.lexists(self._path):  # a rescue was cut short at its end
            new.rename(self._path)
        try:
            database = self._connect()
            if self.acquire_lease():  # others would only find the same, while appends wait
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
        with suppress(sqlite3.OperationalError):  # a process of an older version has it open
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
        """Goes on with a new file, into which everything is copied that can be read."""
        self.close()
        if not self._may_move():
            log.error("journal_read_only", extra={"reason": str(error)})
            self._read_only = True
            return self._connected("ro")
        held, new = self._read_mark(), self._beside(".new")
        new.unlink(missing_ok=True)
        try:
            copied = _rescue(self._path, new, held.number)
        except sqlite3.Error:  # the disk is full, say
            new.unlink(missing_ok=True)
            raise
        aside = self._move_aside()
        new.rename(self._path)
        lost = max(0, held.reports - copied) if held.number else "unknown"
        extra = {"reason": str(error), "file": aside, "reports": copied, "reports_lost": lost}
        log.error("journal_set_aside", extra=extra)
        return self._connect()

    def _move_aside(self) -> str:
        """Renames the file and those that SQLite has beside it; returns the new name."""
        moved_at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        aside = self._beside(f".damaged-{moved_at}")
        number = 1
        while os.path.lexists(aside):
            aside, number = self._beside(f".damaged-{moved_at}-{number}"), number + 1
        for end in (*_BESIDE, ""):  # at last the file, or a new one would get them
            if os.path.lexists(self._beside(end)):
                self._beside(end).rename(f"{aside}{end}")
        if aside.is_file():
            with suppress(OSError):  # it is another user's
                aside.chmod(0o600)
        return aside.name

    def _beside(self, end: str) -> Path:
        return self._path.with_name(FILE + end)

    def _read_mark(self) -> _Mark:
        """Zeros where there is none: an older version kept none."""
        try:
            number, reports = map(int, os.pread(self.mark, MARKED_BYTES, 0).split())
        except (OSError, ValueError):
            return _Mark(0, 0)
        return _Mark(number, reports)

    def _write_mark(self) -> None:
        """Isn't synced: after a power cut it may be of a little earlier."""
        if self.database is not None:
            with suppress(OSError):
                os.pwrite(self.mark, _MARKED % _state_of(self.database), 0)


def database_of(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a file; the mode is one of SQLite's URIs: `rwc` also makes the file."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_WAIT_S, check_same_thread=False)


def ends_of(database: sqlite3.Connection) -> tuple[int, int]:
    """The number of the first entry that waits, and the one that the next entry will have."""
    lowest, following = database.execute(_ENDS).fetchone()
    return lowest, following


def _state_of(database: sqlite3.Connection) -> _Mark:
    return _Mark(*database.execute(_STATE).fetchone())


def _go_on_from(database: sqlite3.Connection, number: int) -> None:
    """Lets the next entry have a greater number: the replay looks only behind what it has seen."""
    with database:
        database.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
        database.execute("INSERT INTO sqlite_sequence VALUES ('entries', ?)", [number])


def _check(database: sqlite3.Connection) -> None:
    """Reads all of it.

    Raises:
        _Damaged: it isn't as SQLite and we have left it.
    """
    [(found,)] = database.execute("PRAGMA quick_check(1)")
    if found != "ok":
        raise _Damaged(found.rpartition("\n")[2])
    [(held,)] = database.execute("SELECT coalesce(sum(reports), 0) FROM entries")
    if held != (told := _state_of(database).reports):
        raise _Damaged(f"it holds {held} reports and should hold {told}")


class _Damaged(sqlite3.DatabaseError):
    """What we have found ourselves."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def code_of(error: Exception) -> int:
    """SQLite's primary code for an error; 0 for another's error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite, or we, found the file damaged, or the disk can't read a part of it."""
    unread = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_READ
    return unread or code_of(error) in _DAMAGE


def _is_unusable(error: OSError | sqlite3.Error) -> bool:
    """Whether opening the file again will fail too: it is damaged, another's, or no such file."""
    if isinstance(error, OSError):
        return error.errno in _NOT_OURS
    return _is_damage(error) or code_of(error) == sqlite3.SQLITE_READONLY


def _rescue(old: Path, new: Path, last: int) -> int:
    """Copies what can be read of a file into a new one.

    Args:
        old: the file; it may be a folder, or not to be read.
        new: the new one, which isn't there.
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
                damaged.execute("PRAGMA writable_schema = 1")  # reads also what was cut short
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
    """The entries of these numbers; those that can't be read are found by halves, and left out."""
    while first <= last:
        try:
            rows = database.execute(_RANGE, (first, last, _ROWS)).fetchall()
        except sqlite3.Error:
            if first < last:
                middle = (first + last) // 2
                yield from _readable(database, first, middle)
                yield from _readable(database, middle + 1, last)
            return
        yield from rows
        if len(rows) < _ROWS:
            return
        first = max(first, rows[-1][0]) + 1
