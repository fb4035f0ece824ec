"""For which store each entry of a journal is, whoever started, saw what, and was killed when."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import StartError
from service.store.journal_file import MARK, JournalFile
from service.store.journal_owners import Tenants, others_than


@contextmanager
def opened(folder: Path, address: str, ends: tuple[int, int] | None) -> Iterator[Tenants]:
    """As a process with the journal has them."""
    file = JournalFile(folder, 1)
    try:
        tenants = Tenants(file, address)
        with file.joined() as alone:
            if alone:
                tenants.begin(ends)
        tenants.check()
        yield tenants
    finally:
        file.end()


class Session(NamedTuple):
    """A life of a service: how much it kept before and after it saw its store, if it did."""

    address: str
    store: str
    before: int
    after: int
    removes: bool


sessions = st.builds(
    Session,
    st.sampled_from(["redis://a", "redis://b"]),
    st.sampled_from(["", "X", "Y"]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
)


def numbers(database: sqlite3.Connection, condition: str) -> set[int]:
    query = f"SELECT number FROM entries WHERE {condition}"  # noqa: S608  it is ours
    rows = database.execute(query)
    return {number for (number,) in rows}


@given(st.lists(sessions, min_size=1, max_size=6))
def test_an_entry_is_for_the_store_that_was_there_and_for_no_other(lives: list[Session]) -> None:
    """Until a store was seen, its address stands for it."""
    kept: dict[int, tuple[str, str]] = {}  # store and address
    last = 0
    with (
        TemporaryDirectory() as folder,
        closing(sqlite3.connect(":memory:")) as database,
    ):
        database.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY)")

        def keep(count: int, store: str, address: str) -> int:
            for number in range(last + 1, last + count + 1):
                kept[number] = store, address
                database.execute("INSERT INTO entries VALUES (?)", [number])
            return last + count

        for life in lives:
            ends = min(kept, default=last + 1), last + 1
            with opened(Path(folder), life.address, ends) as tenants:
                last = keep(life.before, "", life.address)
                unseen = {n for n, each in kept.items() if each == ("", life.address)}
                assert numbers(database, tenants.ours()) == unseen
                if life.store:
                    tenants.name(life.store)
                    for number, (store, address) in kept.items():
                        if not store and address == life.address:
                            kept[number] = life.store, address
                    last = keep(life.after, life.store, life.address)
                    tenants.name("Z")  # it is noted already
                    ours = {n for n, (store, _) in kept.items() if store == life.store}
                    assert tenants.store == life.store
                    assert numbers(database, tenants.ours()) == ours
                    assert numbers(database, tenants.others(life.store)) == kept.keys() - ours
                    told = others_than(Path(folder), life.store, life.address)
                    assert numbers(database, told) == kept.keys() - ours
                    if life.removes:
                        for number in ours:
                            del kept[number]
                            database.execute("DELETE FROM entries WHERE number = ?", [number])
        with opened(Path(folder), "redis://c", (min(kept, default=last + 1), last + 1)) as tenants:
            tenants.adopt("Z")
            assert numbers(database, tenants.ours()) == kept.keys()


def test_one_address_at_a_time_and_whoever_joins_begins_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, "redis://a", (1, 1)) as first:
        first.name("X")
        with opened(tmp_path, "redis://a", (9, 9)) as second:
            assert second.store == "X"
            with (
                pytest.raises(StartError, match="redis://a for its Redis, this one redis://b"),
                opened(tmp_path, "redis://b", (9, 9)),
            ):
                pass
            second.name("Y")
            first.refresh()
            assert first.store == second.store == "X"
            second.adopt("Y")
            first.refresh()
            assert first.store == "Y"
    with opened(tmp_path, "redis://b", (9, 9)) as third:
        assert third.store == ""


def test_a_journal_that_cannot_be_read_keeps_its_last_tenant(tmp_path: Path) -> None:
    """Or its first, where it is new: the disk may be full, and the store well."""
    for store in ("", "X"):
        with opened(tmp_path, "redis://a", None) as tenants:
            assert tenants.store == store
            tenants.name("X")
    with (
        pytest.raises(StartError, match="redis://a"),
        opened(tmp_path, "redis://b", None),
    ):
        pass


def test_what_a_full_disk_let_nobody_note_is_noted_once_there_is_room(tmp_path: Path) -> None:
    """Else what came next would have been for whatever store is there at the next start."""
    with opened(tmp_path, "redis://a", (1, 1)) as tenants:
        tenants.name("X")
        os.truncate(tmp_path / MARK, 0)  # as it is when there was no room for any of it
        tenants.refresh()
        assert tenants.store == "X"
    assert others_than(tmp_path, "X", "redis://a") == "(0)"
    assert "1 AND" in others_than(tmp_path, "Y", "redis://a")


def test_what_was_kept_is_nobodys_once_the_mark_is_damaged(tmp_path: Path) -> None:
    """A store of another name would get it all, for nobody could tell."""
    with opened(tmp_path, "redis://a", (1, 1)) as tenants:
        tenants.name("X")
    content = bytearray((tmp_path / MARK).read_bytes())
    content[content.index(b"X")] ^= 1
    (tmp_path / MARK).write_bytes(content)
    with (
        closing(sqlite3.connect(":memory:")) as database,
        opened(tmp_path, "redis://a", (1, 9)) as tenants,
    ):
        database.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY)")
        database.executemany("INSERT INTO entries VALUES (?)", [(n,) for n in range(1, 10)])
        tenants.name("X")
        assert numbers(database, tenants.ours()) == {9}
        assert numbers(database, tenants.others("X")) == set(range(1, 9))
        tenants.adopt("X")
        assert numbers(database, tenants.ours()) == set(range(1, 10))
