"""Reports on disk: what was taken is there, in order, for whoever opens the journal next."""

import asyncio
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import StartError, Unavailable
from service.journal import Journal, open_journal
from service.reports import Report, Status
from tests.factories import reports, status_report

ONE_MIB = 1


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


@settings(max_examples=30, deadline=None)
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
    assert await journal.waiting() == (0, 0.0)
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
    [(synced,)] = journal._database.execute("PRAGMA synchronous")
    assert synced >= 2  # FULL


async def test_its_files_are_for_this_user_alone(journal: Journal, tmp_path: Path) -> None:
    await journal.append(some(1))
    files = files_of(tmp_path)
    assert len(files) == 6  # the database, its log and index, the lock, the stores, who uses it
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def test_processes_share_it_and_one_replays(journal: Journal, tmp_path: Path) -> None:
    async with open_journal(tmp_path, ONE_MIB) as other:
        await asyncio.gather(*(each.append(some(1)) for each in [journal, other] * 20))
        assert len(await held(journal)) == len(await held(other)) == 40
        assert journal.claim()
        assert journal.claim()
        assert not other.claim()
    async with open_journal(tmp_path, ONE_MIB) as other:
        assert not other.claim()


async def test_a_file_that_is_no_journal_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    file.write_bytes(b"something else, and quite long" * 100)
    with pytest.raises(StartError, match=r"journal\.db can't be used"):
        async with open_journal(tmp_path, ONE_MIB):
            pass
    assert file.read_bytes().startswith(b"something else")
