"""Reports on disk: what was taken is there, in order, for whoever opens the journal next."""

import asyncio
import logging
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.report import Report, Status
from service.errors import Unavailable
from service.store.journal import Entry, Journal, Waiting, open_journal
from tests.factories import reports, status_report, tried

ONE_MIB = 1
PAGE = 4096
NOBODY = 65534


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with open_journal(tmp_path, ONE_MIB) as opened:
        yield opened


async def held(journal: Journal) -> list[Report]:
    """Everything in it, oldest first."""
    entries = await journal.after(0, 10**9)
    return [report for entry in entries for report in entry.reports()]


def files_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@tried(0.3)
@given(batches=st.lists(st.lists(reports, min_size=1, max_size=5), max_size=5))
def test_every_report_comes_back_as_it_was_and_in_order(batches: list[list[Report]]) -> None:
    async def keep_and_reopen() -> list[Report]:
        with TemporaryDirectory() as folder:
            for batch in batches:
                async with open_journal(Path(folder), ONE_MIB) as journal:
                    await journal.append(batch)
            async with open_journal(Path(folder), ONE_MIB) as journal:
                assert (await journal.waiting()).reports == sum(map(len, batches))
                return await held(journal)

    assert asyncio.run(keep_and_reopen()) == [report for batch in batches for report in batch]


def some(count: int, size: int = 0) -> Sequence[Report]:
    return [status_report(Status.READ, error_message="x" * size) for _ in range(count)]


async def test_entries_are_given_a_bounded_number_at_a_time(journal: Journal) -> None:
    for count in (3, 3, 9, 1):
        await journal.append(some(count))
    sizes, number = [], 0
    while entries := await journal.after(number, 6):
        sizes.append([len(entry.reports()) for entry in entries])
        number = entries[-1].number
    assert sizes == [[3, 3], [9], [1]]


async def test_what_was_removed_is_gone_and_the_rest_is_not(journal: Journal) -> None:
    for count in (1, 2, 3):
        await journal.append(some(count))
    first, second, third = await journal.after(0, 100)
    await journal.remove([first.number, third.number])
    assert await journal.after(0, 100) == [second]
    assert (await journal.waiting()).reports == 2


async def test_an_entry_may_be_left_with_a_part_of_its_reports(journal: Journal) -> None:
    for count in (1, 5):
        await journal.append(some(count))
    _, entry = await journal.after(0, 100)
    await journal.replace(entry.number, entry.reports()[:2])
    assert [len(each.reports()) for each in await journal.after(0, 100)] == [1, 2]
    assert (await journal.waiting()).reports == 3
    await journal.remove([entry.number])
    assert (await journal.waiting()).reports == 1


async def test_the_age_is_that_of_the_oldest(journal: Journal) -> None:
    assert await journal.waiting() == Waiting(0, 0.0)
    await journal.append(some(1))
    await asyncio.sleep(0.05)
    await journal.append(some(1))
    assert 0.05 <= (await journal.waiting()).age_s < 30


async def test_past_its_limit_it_refuses_until_there_is_room_again(journal: Journal) -> None:
    kept = 0
    while not journal.fault:
        with suppress(Unavailable):
            await journal.append(some(100, size=1000))
            kept += 100
    assert journal.fault == "journal_full"
    assert 500 < kept < 1100
    assert (await journal.waiting()).reports == kept
    with pytest.raises(Unavailable, match="again"):
        await journal.append(some(100, size=1000))
    await journal.remove([entry.number for entry in await journal.after(0, 10**9)])
    await journal.append(some(100, size=1000))
    assert journal.fault == ""


async def test_an_empty_journal_gives_the_disk_back(tmp_path: Path) -> None:
    async with open_journal(tmp_path, ONE_MIB) as journal:
        for _ in range(6):
            await journal.append(some(100, size=1000))
        await journal.remove([entry.number for entry in await journal.after(0, 10**9)])
    assert sum(file.stat().st_size for file in files_of(tmp_path)) < 50_000


async def test_giving_the_disk_back_holds_up_no_appends(tmp_path: Path) -> None:
    """Of a large journal it took 20 s, in which reports waited, or were refused."""
    async with open_journal(tmp_path, 100) as journal:
        for _ in range(200):
            await journal.append(some(100, size=1000))
        numbers = [entry.number for entry in await journal.after(0, 10**9)]
        removing = asyncio.ensure_future(journal.remove(numbers))
        await asyncio.sleep(0)
        await journal.append(some(1))
        assert not removing.done()
        await removing
        assert (await journal.waiting()).reports == 1
        await journal.remove([entry.number for entry in await journal.after(0, 100)])
    assert sum(file.stat().st_size for file in files_of(tmp_path)) < 50_000


async def test_every_entry_is_synced_to_the_disk(journal: Journal) -> None:
    """By SQLite, which no test can cut the power of (https://www.sqlite.org/pragma.html)."""
    assert journal._file.database
    [(synced,)] = journal._file.database.execute("PRAGMA synchronous")
    assert synced >= 2  # FULL


async def test_its_files_are_for_this_user_alone(journal: Journal, tmp_path: Path) -> None:
    await journal.append(some(1))
    files = files_of(tmp_path)
    assert len(files) == 5  # the database and its rollback journal, mark, lock, who uses it
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def test_processes_share_it_and_one_replays(journal: Journal, tmp_path: Path) -> None:
    async with open_journal(tmp_path, ONE_MIB) as other:
        await asyncio.gather(*(each.append(some(1)) for each in [journal, other] * 20))
        assert len(await held(journal)) == len(await held(other)) == 40
        assert journal.acquire_lease()
        assert journal.acquire_lease()
        assert not other.acquire_lease()
    async with open_journal(tmp_path, ONE_MIB) as other:
        assert not other.acquire_lease()


async def test_a_file_that_is_no_journal_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"something else, and quite long" * 100)
    async with open_journal(tmp_path, ONE_MIB) as journal:
        await journal.append(some(1))
    [aside] = [file for file in files_of(tmp_path) if ".damaged-" in file.name]
    assert aside.read_bytes().startswith(b"something else")


# What the disk does to it -----------------------------------------------------------------------


async def left_behind(folder: Path, entries: int = 200) -> dict[str, bytes]:
    """The files of a service that was killed, by their names."""
    async with open_journal(folder, ONE_MIB) as journal:
        for number in range(entries):
            await journal.append([status_report(Status.READ, wamid=f"wamid.{number}")])
        return {file.name: file.read_bytes() for file in files_of(folder)}


def sound(entries: Sequence[Entry]) -> int:
    """How many of them can be read."""
    read = 0
    for entry in entries:
        with suppress(ValueError):
            read += len(entry.reports())
    return read


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def left() -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        return asyncio.run(left_behind(Path(folder)))


damages = st.tuples(
    st.sampled_from(["bit", "zeros", "noise", "cut"]),
    st.floats(0, 1, exclude_max=True),
    st.randoms(),
)


def damaged(content: bytes, kind: str, at: float, random: Random) -> bytes:
    place = int(at * len(content))
    page = place // PAGE * PAGE
    if kind == "bit":
        flipped = content[place] ^ 1 << random.randrange(8)
        return content[:place] + bytes([flipped]) + content[place + 1 :]
    if kind == "cut":
        return content[:place]
    filling = bytes(PAGE) if kind == "zeros" else random.randbytes(PAGE)
    return content[:page] + filling + content[page + PAGE :]


@tried(0.6)
@given(damage=damages)
def test_no_damage_of_the_file_goes_unsaid(left: dict[str, bytes], damage: Any) -> None:
    """What can't be read is counted in the log, or is an entry that is known to be damaged."""
    said: list[logging.LogRecord] = []

    class SseClient(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record)

    handler = SseClient()

    async def open_and_read() -> tuple[int, int]:
        with TemporaryDirectory() as name:
            put(Path(name), left | {"journal.db": damaged(left["journal.db"], *damage)})
            async with open_journal(Path(name), ONE_MIB) as journal:
                entries = await journal.after(0, 10**9)
                return 200 - sound(entries), len(entries) - sound(entries)

    logging.getLogger("service.store.journal_file").addHandler(handler)
    try:
        missing, unreadable = asyncio.run(open_and_read())
    finally:
        logging.getLogger("service.store.journal_file").removeHandler(handler)
    counts = [getattr(each, "reports_lost", getattr(each, "reports", 0)) for each in said]
    assert missing - unreadable == sum(counts)


@pytest.mark.parametrize("column", ["body", "reports"])
@pytest.mark.parametrize("held", [1, 0.5, "text", b"bytes", ""], ids=repr)
async def test_a_value_whose_type_is_damaged_keeps_no_other_entry_back(
    journal: Journal, tmp_path: Path, column: str, held: object
) -> None:
    """One bit tells a text from a number in SQLite's file, and no check of its own looks at it."""
    await journal.append(some(1))
    await journal.append(some(1))
    with closing(sqlite3.connect(tmp_path / "journal.db")) as database, database:
        damage = f"UPDATE entries SET {column} = ? WHERE number = 1"  # noqa: S608  it is ours
        database.execute(damage, [held])
    entries = await journal.after(0, 10**9)
    assert sound(entries) == (2 if column == "reports" else 1)


async def test_a_rescue_that_was_cut_short_is_finished(
    left: dict[str, bytes], tmp_path: Path
) -> None:
    """The process was killed after it had moved the damaged file, and before the new was there."""
    put(tmp_path, {"journal.db.new": left["journal.db"], "journal.mark": left["journal.mark"]})
    async with open_journal(tmp_path, ONE_MIB) as journal:
        assert (await journal.waiting()).reports == 200


async def test_a_kill_between_a_removal_and_its_mark_is_no_loss(
    left: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, left)
    async with open_journal(tmp_path, ONE_MIB) as journal:
        await journal.remove([entry.number for entry in await journal.after(0, 150)])
    put(tmp_path, {"journal.mark": left["journal.mark"]})
    async with open_journal(tmp_path, ONE_MIB) as journal:
        assert (await journal.waiting()).reports == 50
    assert not caplog.records


async def test_a_number_is_never_given_twice(left: dict[str, bytes], tmp_path: Path) -> None:
    """The replay goes on behind the last that it has seen: a lower one would wait for ever."""
    put(tmp_path, {"journal.mark": left["journal.mark"]})
    async with open_journal(tmp_path, ONE_MIB) as journal:
        await journal.append(some(1))
        [entry] = await journal.after(0, 100)
        assert entry.number == 201


async def test_a_journal_of_another_process_is_noticed_when_it_is_replaced(
    journal: Journal, tmp_path: Path
) -> None:
    async with open_journal(tmp_path, ONE_MIB) as other:
        await journal.append(some(1))
        assert (await other.waiting()).reports == 1
        (tmp_path / "journal.db").write_text("not what it should be" * 100)
        for each in (journal, other):
            await each.append(some(1))
        assert len(await held(journal)) == len(await held(other)) == 2
    assert len([file for file in files_of(tmp_path) if file.name.endswith("Z")]) == 1


@pytest.mark.parametrize("length", [1, 300])
async def test_what_was_removed_is_in_none_of_its_files(
    journal: Journal, tmp_path: Path, length: int
) -> None:
    """Also while other entries stay: for another store, say, or because Redis refuses them."""
    for number in range(100):
        name = "Asha" if number % 2 else "Vera"
        await journal.append([status_report(Status.READ, error_message=name * length)])
    entries = await journal.after(0, 10**9)
    await journal.remove([entry.number for entry in entries if b"Asha" in entry.body])
    assert await journal.wipe()
    assert len(await held(journal)) == 50
    assert not any(b"Asha" in file.read_bytes() for file in files_of(tmp_path))


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder of a user who may not do everything."""
    if os.geteuid():
        pytest.skip("only root may become another user")
    with TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, 0)
        try:
            yield folder
        finally:
            os.setresuid(0, 0, 0)


async def test_a_file_that_may_not_be_written_to_is_copied(left: dict[str, bytes]) -> None:
    with as_nobody() as folder:
        put(folder, left)
        (folder / "journal.db").chmod(0o400)
        async with open_journal(folder, ONE_MIB) as journal:
            await journal.append(some(1))
            assert (await journal.waiting()).reports == 201


async def test_a_file_of_another_user_is_kept_aside(
    left: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody started the service as root, once."""
    with as_nobody() as folder:
        put(folder, left)
        os.setresuid(0, 0, 0)
        os.chown(folder / "journal.db", 0, 0)
        (folder / "journal.db").chmod(0o600)
        os.setresuid(NOBODY, NOBODY, 0)
        async with open_journal(folder, ONE_MIB) as journal:
            await journal.append(some(1))
            assert (await journal.waiting()).reports == 1
    [record] = [each for each in caplog.records if each.message == "journal_set_aside"]
    assert (record.__dict__["reports"], record.__dict__["reports_lost"]) == (0, 200)


async def test_in_a_folder_that_may_not_be_written_to_it_is_read(left: dict[str, bytes]) -> None:
    with as_nobody() as folder:
        put(folder, left)
        (folder / "journal.db").chmod(0o400)
        folder.chmod(0o500)
        async with open_journal(folder, ONE_MIB) as journal:
            assert (await journal.waiting()).reports == 200
            with pytest.raises(Unavailable):
                await journal.append(some(1))
            assert journal.fault == "journal"
            folder.chmod(0o700)
            await journal.append(some(1))
            assert journal.fault == ""
            assert (await journal.waiting()).reports == 201
