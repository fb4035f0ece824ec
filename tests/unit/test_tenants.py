"""For which store each entry of a journal is, whoever started, saw what, and was killed when."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import StartError
from service.tenants import Tenants, others_than


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
            tenants = Tenants(Path(folder), life.address)
            tenants.enter((min(kept, default=last + 1), last + 1))
            last = keep(life.before, "", life.address)
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
            tenants.close()
        tenants = Tenants(Path(folder), "redis://c")
        tenants.enter((min(kept, default=last + 1), last + 1))
        tenants.adopt("Z")
        assert numbers(database, tenants.ours()) == kept.keys()
        tenants.close()


def test_one_address_at_a_time_and_whoever_joins_begins_nothing(tmp_path: Path) -> None:
    first, second = Tenants(tmp_path, "redis://a"), Tenants(tmp_path, "redis://a")
    first.enter((1, 1))
    first.name("X")
    second.enter((9, 9))
    assert second.store == "X"
    stranger = Tenants(tmp_path, "redis://b")
    with pytest.raises(StartError, match="redis://a for its Redis, this one redis://b"):
        stranger.enter((9, 9))
    stranger.close()
    second.name("Y")
    assert (first.store, second.store, first.refresh()) == ("X", "X", False)
    second.adopt("Y")
    assert (first.refresh(), first.store) == (True, "Y")
    first.close()
    second.close()
    third = Tenants(tmp_path, "redis://b")
    third.enter((9, 9))
    assert third.store == ""
    third.close()


def test_a_journal_that_cannot_be_read_keeps_its_last_tenant(tmp_path: Path) -> None:
    """Or its first, where it is new: the disk may be full, and the store well."""
    for store in ("", "X"):
        tenants = Tenants(tmp_path, "redis://a")
        tenants.enter(None)
        assert tenants.store == store
        tenants.name("X")
        tenants.close()
    stranger = Tenants(tmp_path, "redis://b")
    with pytest.raises(StartError, match="redis://a"):
        stranger.enter(None)
    stranger.close()
