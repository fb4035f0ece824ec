"""Whose entries a journal holds: each is for one store, and never merged into another.

Entries are numbered, and one store at a time is written for. So it is enough to keep, in the mark
beside the journal's file, from which number on they are for which store. A store is known by the
id in its `schema` key; while Redis has not been seen yet, by the address in `redis.url`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from service.errors import StartError
from service.store.journal_file import MARK, MARKED_BYTES, JournalFile, sealed, unsealed

_ROOM_BYTES = 4096 - MARKED_BYTES


class Tenant(NamedTuple):
    """A store that entries are for, from a number on.

    Attributes:
        since: that number.
        store: the id; "" until it has been seen.
        address: of its Redis, as `connect.address_of` has it.
    """

    since: int
    store: str
    address: str

    def is_one_of(self, store: str, address: str) -> bool:
        """Whether it is this store or, if it hasn't been seen, may be, by its address."""
        return self.store == store if self.store else self.address in ("", address)


_EARLIER = Tenant(0, "", "")
"""An earlier version kept entries for whatever store was there."""
_UNKNOWN = Tenant(0, "unknown", "")
"""What was noted is damaged: entries of before are nobody's, until somebody adopts them."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Tenant]).decode


class Tenants:
    """The stores that the entries of a journal are for; the last one is written for at present.

    Args:
        file: of the journal.
        address: of the store that this process writes for.
    """

    def __init__(self, file: JournalFile, address: str) -> None:
        self._file = file
        self._address = address
        self._known = [_EARLIER]

    @property
    def store(self) -> str:
        """The id of the store that is written for; "" until it has been seen."""
        return self._known[-1].store

    def begin(self, ends: tuple[int, int] | None) -> None:
        """Begins anew, where nobody else uses the journal: its store may be another than before.

        Args:
            ends: the number of the first entry that waits, and the one that the next will have;
                None where the journal can't be read at the moment.

        Raises:
            OSError: another process holds the file too long.
        """
        self._change(lambda known: _begun(known, ends, self._address))

    def check(self) -> None:
        """Makes sure that the journal is for this address.

        Raises:
            StartError: at this moment a service with another address uses it.
        """
        self.refresh()
        if (there := self._known[-1].address) not in ("", self._address):
            raise StartError(
                f"The journal in {self._file.folder} is in use for another store: that service "
                f"has {there} for its Redis, this one {self._address}. Set data_dir "
                "(TRACKER_DATA_DIR) to a folder of its own for each; services on one store may "
                "share it if they name it alike."
            )

    def refresh(self) -> None:
        """Reads what there is now. Where a full disk let nothing be noted, it is noted now."""
        if noted := _read(self._file.mark):
            self._known = noted
        elif self._known != [_EARLIER]:
            self._write()

    def name(self, store: str) -> None:
        """Notes the id of the store that is written for, unless one is noted already.

        What was kept for its address before it was seen is for it, too.

        Raises:
            OSError: another process holds the file too long.
        """

        def named(known: Sequence[Tenant]) -> list[Tenant]:
            if known[-1].store:
                return list(known)
            return [
                each._replace(store=store) if each.is_one_of(store, self._address) else each
                for each in known
            ]

        self._change(named)

    def adopt(self, store: str) -> None:
        """Gives all entries to one store.

        Raises:
            OSError: another process holds the file too long.
        """
        self._change(lambda known: [each._replace(store=store) for each in known])

    def ours(self) -> str:
        """A condition in SQL: whether an entry is for the store that is written for."""
        store = self.store
        return _within(self._known, lambda each: each.is_one_of(store, self._address))

    def others(self, store: str) -> str:
        """A condition in SQL: whether an entry is for another store than this one."""
        return _within(self._known, lambda each: not each.is_one_of(store, self._address))

    def _change(self, change: Callable[[Sequence[Tenant]], list[Tenant]]) -> None:
        with self._file.held():
            self.refresh()
            self._known = change(self._known)
            self._write()

    def _write(self) -> None:
        """Writes into the mark in its place, and in its room: a full disk doesn't matter then."""
        mark = self._file.mark
        with suppress(OSError):  # a read-only disk: then nothing is kept either
            room = max(_ROOM_BYTES, os.fstat(mark).st_size - MARKED_BYTES)
            os.pwrite(mark, sealed(_encode(self._known)).ljust(room), MARKED_BYTES)
            os.fsync(mark)


def others_than(folder: Path, store: str, address: str) -> str:
    """A condition in SQL: whether an entry of the folder's journal is for another store than this.

    Raises:
        OSError: what is kept beside the journal can't be read.
    """
    descriptor = os.open(folder / MARK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        known = _read(descriptor) or [_EARLIER]
    finally:
        os.close(descriptor)
    return _within(known, lambda each: not each.is_one_of(store, address))


def held_back(reports: int) -> str:
    """A sentence about reports for other stores than the one that there is."""
    return (
        f"Reports for another store wait in the journal, and stay there: {reports}. Set redis.url "
        "to the Redis that has that store, bring it back, or, if it is gone for good, run "
        "`python -m service adopt`: it gives them to the store that redis.url names now."
    )


def _begun(known: Sequence[Tenant], ends: tuple[int, int] | None, address: str) -> list[Tenant]:
    """The tenants with a new one at the end, without those for whom nothing waits any more."""
    if ends is None:  # the last one goes on, unless its address is another
        return [*known[:-1], known[-1]._replace(address=known[-1].address or address)]
    lowest, following = ends
    behind = [each.since for each in known[1:]] + [following]
    left = [each for each, end in zip(known, behind, strict=True) if each.since < end > lowest]
    return [*left, Tenant(following, "", address)]


def _within(known: Sequence[Tenant], meant: Callable[[Tenant], bool]) -> str:
    ends = [each.since for each in known[1:]] + [2**62]
    ranges = [
        f"number BETWEEN {each.since} AND {end - 1}"
        for each, end in zip(known, ends, strict=True)
        if meant(each)
    ]
    return f"({' OR '.join(ranges) or '0'})"


def _read(mark: int) -> list[Tenant]:
    """The tenants in the mark; none where it is new, or an older version wrote it."""
    noted = os.pread(mark, os.fstat(mark).st_size, MARKED_BYTES).strip()
    try:
        return _decode(unsealed(noted)) if noted else []
    except ValueError:
        return [_UNKNOWN]
