"""Knows for which store each entry of a journal is. An entry is never merged into another store.

Entries are numbered, and all new entries are for one store, the current one. So the mark beside the
journal's file keeps, for each store, the number from which on the entries are for it. A store is
known by the id in its `schema` key or, until Redis has been seen, by the address in `redis.url`.
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
        since: the number of its first entry.
        store: the id of the store; "" until it has been seen.
        address: the address of its Redis, as `connect.address_of` returns it.
    """

    since: int
    store: str
    address: str

    def is_one_of(self, store: str, address: str) -> bool:
        """Whether it is this store. If it hasn't been seen yet, its address decides."""
        return self.store == store if self.store else self.address in ("", address)


_EARLIER = Tenant(0, "", "")
"""The tenant of entries that an earlier version kept: they are for any store."""
_UNKNOWN = Tenant(0, "unknown", "")
"""The tenant of earlier entries if the mark is damaged: they are for no store until an operator
adopts them."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Tenant]).decode


class Tenants:
    """The stores that the entries of a journal are for. The last one is the current one.

    Args:
        file: the journal's file.
        address: the address of the store that this process keeps reports for.
    """

    def __init__(self, file: JournalFile, address: str) -> None:
        self._file = file
        self._address = address
        self._known = [_EARLIER]

    @property
    def store(self) -> str:
        """The id of the current store; "" until it has been seen."""
        return self._known[-1].store

    def begin(self, ends: tuple[int, int] | None) -> None:
        """Begins a new tenant. Call it if no other process uses the journal.

        The new entries may be for another store than the earlier ones.

        Args:
            ends: see `ends_of`; None if the journal can't be read at the moment.

        Raises:
            OSError: another process locks the file too long.
        """
        self._change(lambda known: _begun(known, ends, self._address))

    def check(self) -> None:
        """Checks that the journal is for this address.

        Raises:
            StartError: a service with another address uses it at the moment.
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
        """Reads the mark again, since other processes may have changed it."""
        if noted := _read(self._file.mark):
            self._known = noted
        elif self._known != [_EARLIER]:  # the disk was too full to write the mark
            self._write()

    def name(self, store: str) -> None:
        """Notes the id of the current store, unless one is noted already.

        The entries that were kept for its address before it was seen are for it, too.

        Raises:
            OSError: another process locks the file too long.
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
        """Assigns all entries to one store.

        Raises:
            OSError: another process locks the file too long.
        """
        self._change(lambda known: [each._replace(store=store) for each in known])

    def ours(self) -> str:
        """An SQL condition that holds for the entries for the current store."""
        store = self.store
        return _within(self._known, lambda each: each.is_one_of(store, self._address))

    def others(self, store: str) -> str:
        """An SQL condition that holds for the entries for other stores than this one."""
        return _within(self._known, lambda each: not each.is_one_of(store, self._address))

    def _change(self, change: Callable[[Sequence[Tenant]], list[Tenant]]) -> None:
        with self._file.held():
            self.refresh()
            self._known = change(self._known)
            self._write()

    def _write(self) -> None:
        """Writes the tenants into the mark."""
        mark = self._file.mark
        with suppress(OSError):  # on a read-only disk the journal takes no reports either
            # The text has a fixed size, so that it can be overwritten on a full disk.
            room = max(_ROOM_BYTES, os.fstat(mark).st_size - MARKED_BYTES)
            os.pwrite(mark, sealed(_encode(self._known)).ljust(room), MARKED_BYTES)
            os.fsync(mark)


def others_than(folder: Path, store: str, address: str) -> str:
    """An SQL condition for the entries of a folder's journal that are for other stores than this.

    Raises:
        OSError: the mark beside the journal can't be read.
    """
    descriptor = os.open(folder / MARK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        known = _read(descriptor) or [_EARLIER]
    finally:
        os.close(descriptor)
    return _within(known, lambda each: not each.is_one_of(store, address))


def held_back(reports: int) -> str:
    """The sentence for the operator about reports for other stores than the current one."""
    return (
        f"Reports for another store wait in the journal, and stay there: {reports}. Set redis.url "
        "to the Redis that has that store, bring it back, or, if it is gone for good, run "
        "`python -m service adopt`: it gives them to the store that redis.url names now."
    )


def _begun(known: Sequence[Tenant], ends: tuple[int, int] | None, address: str) -> list[Tenant]:
    """The tenants that still have entries, and a new one at the end."""
    if ends is None:  # the last tenant stays the current one
        return [*known[:-1], known[-1]._replace(address=known[-1].address or address)]
    lowest, following = ends
    behind = [each.since for each in known[1:]] + [following]
    left = [each for each, end in zip(known, behind, strict=True) if each.since < end > lowest]
    return [*left, Tenant(following, "", address)]


def _within(known: Sequence[Tenant], matches: Callable[[Tenant], bool]) -> str:
    """An SQL condition for the entries of the tenants that pass a test."""
    ends = [each.since for each in known[1:]] + [2**62]
    ranges = [
        f"number BETWEEN {each.since} AND {end - 1}"
        for each, end in zip(known, ends, strict=True)
        if matches(each)
    ]
    return f"({' OR '.join(ranges) or '0'})"


def _read(mark: int) -> list[Tenant]:
    """The tenants in the mark; none if it is new, or an older version wrote it."""
    noted = os.pread(mark, os.fstat(mark).st_size, MARKED_BYTES).strip()
    try:
        return _decode(unsealed(noted)) if noted else []
    except ValueError:
        return [_UNKNOWN]
