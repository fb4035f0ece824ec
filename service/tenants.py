"""Whose entries a journal holds: each is for one store, and never merged into another.

Entries are numbered, and one store at a time is written for. So it is enough to keep, for each
store, the number from which on the entries are for it. A store is known by the id in its `schema`
key; while Redis has not been seen yet, by the address in `redis.url`.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from service.errors import StartError

_USERS = "journal.users"

SET_UP = """
CREATE TABLE IF NOT EXISTS tenants (
  since INTEGER PRIMARY KEY,
  address TEXT NOT NULL,
  store TEXT NOT NULL
);
-- What an earlier version kept is for the first store that is opened.
INSERT INTO tenants SELECT 0, '', '' WHERE NOT EXISTS (SELECT 1 FROM tenants);
"""

OURS = """
(SELECT store FROM tenants WHERE since <= number ORDER BY since DESC LIMIT 1)
= (SELECT store FROM tenants ORDER BY since DESC LIMIT 1)
"""
"""Whether an entry is for the store that is written for at present, in SQL."""


_HELD = """
SELECT coalesce(sum(reports), 0) FROM entries
JOIN tenants ON since = (SELECT max(since) FROM tenants WHERE since <= number)
WHERE store <> ? AND NOT (store = '' AND address IN ('', ?))
"""


class Tenant(NamedTuple):
    """A store that entries are for, from a number on.

    Attributes:
        since: that number.
        address: of its Redis, as `connect.address_of` has it.
        store: its id; "" until it has been seen.
    """

    since: int
    address: str
    store: str


def tenants_in(database: sqlite3.Connection) -> list[Tenant]:
    """All of a journal; the last is the one that is written for at present."""
    return [Tenant(*row) for row in database.execute("SELECT * FROM tenants ORDER BY since")]


def enter(database: sqlite3.Connection, folder: Path, address: str) -> int:
    """Has this process use a journal for the store at an address, beside others that do the same.

    The first one begins anew: its store may be another than that of the last time.

    Returns:
        a descriptor; the process uses the journal until it is closed.

    Raises:
        StartError: at this moment a service with another address uses it.
    """
    users = os.open(folder / _USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        # On a full disk the last time's entry will do, if the address is the same.
        with suppress(sqlite3.OperationalError):
            _begin(database, address)
    fcntl.flock(users, fcntl.LOCK_SH)
    there = tenants_in(database)[-1].address
    if there != address:
        os.close(users)
        raise StartError(
            f"The journal in {folder} is in use for another store: that service has {there} for "
            f"its Redis, this one {address}. Set data_dir (TRACKER_DATA_DIR) to a folder of its "
            "own for each; services on one store may share it if they name it alike."
        )
    return users


def _begin(database: sqlite3.Connection, address: str) -> None:
    with database:
        if not database.execute("SELECT 1 FROM entries LIMIT 1").fetchone():
            database.execute("DELETE FROM tenants")
        database.execute(
            "INSERT OR REPLACE INTO tenants SELECT coalesce(max(seq), 0) + 1, ?, '' "
            "FROM sqlite_sequence WHERE name = 'entries'",
            (address,),
        )


def name(database: sqlite3.Connection, store: str) -> str:
    """Notes the id of the store that is written for, once it is seen.

    What was kept for its address before it was seen is for it, too.

    Returns:
        the id that is noted: another, if another process has seen another store.
    """
    now = tenants_in(database)[-1]
    if not now.store:
        with database:
            database.execute(
                "UPDATE tenants SET store = ? WHERE store = '' AND address IN ('', ?)",
                (store, now.address),
            )
    return tenants_in(database)[-1].store


def held_in(database: sqlite3.Connection, address: str, store: str) -> int:
    """How many reports are for other stores than this one, or than whatever is at this address."""
    [(reports,)] = database.execute(_HELD, (store, address))
    return int(reports)


def held_back(reports: int) -> str:
    """A sentence about reports for other stores than the one that there is."""
    return (
        f"Reports for another store wait in the journal, and stay there: {reports}. Set redis.url "
        "to the Redis that has that store, bring it back, or, if it is gone for good, run "
        "`python -m service adopt`: it gives them to the store that redis.url names now."
    )


def adopt(database: sqlite3.Connection, store: str) -> int:
    """Gives all entries to one store; returns how many reports were for others."""
    with database:
        held = held_in(database, "", store)
        database.execute("UPDATE tenants SET store = ?", (store,))
    return held
