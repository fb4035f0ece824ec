"""What people lost when they moved in with a table, or took a list out and back again.

Each test is one of their tables and the command that they gave. `saved/` holds tables that
LibreOffice Calc 7.4 opened and saved: two of guests, and a list of failures of ours.
"""

import asyncio
import http.client
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.domain.record import Record
from service.domain.report import Status
from tests.backends import Backend
from tests.commands.stores import fill, histories, records_in, variables
from tests.conftest import TOKEN
from tests.factories import send_report, status_report
from tests.in_process import invoke
from tests.process import Service
from tests.proxy import Cut, Proxy
from tests.servers import RedisServer

pytestmark = pytest.mark.timeout(120)

SAVED = Path(__file__).parent / "saved"
HEADER = "wamid,recipient_id,status,sent_at,guest_name"
TIME = "2026-01-15T10:30:00Z"


@pytest.fixture
def store(redis_server: RedisServer) -> Backend:
    """One Redis with one partition, emptied."""
    redis_server.command("FLUSHALL")
    return Backend(redis_server.url, partitions=1)


Ended = subprocess.CompletedProcess[str]


def imports(
    folder: Path, table: str | bytes | Path, *options: str, store: Backend | None = None
) -> Ended:
    """Imports a table; without a store it is a dry run."""
    file = table if isinstance(table, Path) else folder / "table.csv"
    if not isinstance(table, Path):
        file.write_bytes(table.encode() if isinstance(table, str) else table)
    where = variables(store) if store else {"TRACKER_REDIS__URL": "redis://127.0.0.1:1"}
    dry = () if store else ("--dry-run",)
    return invoke("import", str(file), *dry, *options, cwd=folder, **where)


def table_of(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def names_in(store: Backend) -> dict[str, str]:
    return {wamid: record.guest_name for wamid, record in records_in(store).items()}


# Quotes -----------------------------------------------------------------------------------------


def guests(number: int, **instead: str) -> list[str]:
    """So many rows, some of them with another name."""
    return [
        f"wamid.Q{n},91987654100{n},sent,{TIME},{instead.get(f'q{n}', f'Guest {n}')}"
        for n in range(1, number + 1)
    ]


def test_a_quote_that_nobody_closed_takes_no_other_line(tmp_path: Path, store: Backend) -> None:
    """Of eight messages two were written, and the count said that there had been three."""
    told = imports(tmp_path, table_of(*guests(8, q3='"Bob Smith')), store=store)
    assert told.stdout == "Read 8 lines: 7 created; 1 refused.\n"
    assert told.stderr.startswith("line 4: A quote opens in this line and isn't closed")
    assert told.returncode == 1
    assert set(names_in(store)) == {f"wamid.Q{n}" for n in range(1, 9)} - {"wamid.Q3"}


def test_nor_where_another_quote_seems_to_close_it(tmp_path: Path, store: Backend) -> None:
    """Lines 4 to 6 passed as one message, whose guest's name was the two lines behind."""
    rows = guests(8, q3='"Bob Smith', q5='Guest 5"')
    told = imports(tmp_path, table_of(*rows), store=store)
    assert told.stdout == "Read 8 lines: 5 created; 3 refused.\n"
    refused = [line.partition(":")[0] for line in told.stderr.splitlines()]
    assert refused == ["line 4", "line 5", "line 6"]
    assert "Bob" not in "".join(names_in(store).values())


def test_a_large_table_goes_on_behind_such_a_quote(tmp_path: Path) -> None:
    """Of 6,000 lines 1,375 went with the sentence that one line was no CSV."""
    rows = [f"wamid.{n},919876541000,sent,{TIME},Guest {n}" for n in range(6_000)]
    rows[99] = rows[99].replace("Guest", '"Guest')
    told = imports(tmp_path, table_of(*rows), "--json")
    assert json.loads(told.stdout) == {"lines": 6_000, "refused": 1, "readable": 5_999}
    assert told.stderr.startswith("line 101:")


def test_names_with_line_ends_and_quotes_are_still_read(tmp_path: Path, store: Backend) -> None:
    rows = guests(4, q1='Zoë,"two\r\nlines"', q2='"say ""hi"", Bob",', q3='6" tall,', q4='"Ann"  ,')
    told = imports(tmp_path, table_of(*rows, header=f"{HEADER},note"), store=store)
    assert told.stdout == "Read 4 lines: 4 created; 0 refused.\n", told.stderr
    assert names_in(store) == {
        "wamid.Q1": "Zoë",
        "wamid.Q2": 'say "hi", Bob',
        "wamid.Q3": '6" tall',
        "wamid.Q4": "Ann",
    }


def test_a_table_whose_lines_end_as_on_old_macs(tmp_path: Path, store: Backend) -> None:
    told = imports(tmp_path, table_of(*guests(5)).replace("\n", "\r"), store=store)
    assert told.stdout == "Read 5 lines: 5 created; 0 refused.\n"


def test_empty_rows_are_passed_over_and_said(tmp_path: Path) -> None:
    told = imports(tmp_path, table_of(*guests(2), ",,,,", "", *guests(3)[2:]))
    assert told.stdout == (
        "Read 3 lines: 3 readable; 0 refused. Nothing was written. Passed over 2 empty lines.\n"
    )


# Answers that are lost ---------------------------------------------------------------------------


def test_a_lost_answer_makes_no_secret_of_what_it_leaves_unsure(
    tmp_path: Path, store: Backend, redis_server: RedisServer
) -> None:
    """What the first try had created was called unchanged, as if it had been there before."""
    table = tmp_path / "table.csv"
    table.write_text(table_of(*guests(3)))

    async def through_a_proxy() -> Ended:
        async with Proxy(redis_server.port, marker=b"wamid.") as proxy:
            proxy.cuts = [Cut(reply=0)]
            where = variables(replace(store, url=proxy.url))
            ended = await asyncio.to_thread(invoke, "import", str(table), cwd=tmp_path, **where)
            assert not proxy.cuts
            return ended

    told = asyncio.run(through_a_proxy())
    assert told.stdout.startswith("Read 3 lines: 3 unchanged; 0 refused. An answer of the store")
    assert "may itself have created" in told.stdout
    assert set(names_in(store)) == {"wamid.Q1", "wamid.Q2", "wamid.Q3"}


# Two sources for one field ----------------------------------------------------------------------


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """The last one won without a word, and the guest had no name."""
    table = table_of(f"wamid.D,{TIME},Ravi,", header="wamid,sent_at,guest_name,guest_name")
    told = imports(tmp_path, table)
    assert told.returncode == 1
    assert told.stdout == ""
    assert "guest_name has 2 columns: guest_name and guest_name." in told.stderr
    assert "Ravi" not in told.stderr


def test_other_names_for_one_field_are_two_columns_too(tmp_path: Path) -> None:
    row = f"wamid.D,{TIME},919876541301,919876541302"
    told = imports(tmp_path, table_of(row, header="wamid,sent_at,wa_id,recipient_id"))
    assert "recipient_id has 2 columns: wa_id and recipient_id." in told.stderr


def test_whoever_says_which_column_it_is_has_it_read(tmp_path: Path, store: Backend) -> None:
    header = "wamid,sent_at,to,name,guest_name"
    table = table_of(f"wamid.D,{TIME},919876541301,Ravi,Bob", header=header)
    told = imports(
        tmp_path,
        table,
        *("--map", "recipient_id=to", "--map", "guest_name=name", "--skip", "guest_name"),
        store=store,
    )
    assert told.returncode == 0, told.stderr
    assert names_in(store) == {"wamid.D": "Ravi"}


def test_a_json_line_with_a_field_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "table.ndjson"
    lines = [
        f'{{"wamid":"w1","sent_at":"{TIME}","status":"read","status":"sent"}}',
        f'{{"wamid":"w2","sent_at":"{TIME}","\\u0077amid":"w3"}}',
        f'{{"wamid":"w4","sent_at":"{TIME}","note":1,"note":2}}',
        f'{{"record":1,"wamid":"o","status":"sent","created_at":"{TIME}","wamid":"p"}}',
    ]
    file.write_text("\n".join(lines))
    told = imports(tmp_path, file)
    said = told.stderr.splitlines()
    assert said[0].startswith("Not read: note.")
    assert said[1].startswith("line 1: status has 2 columns")
    assert said[2].startswith("line 2: wamid has 2 columns")
    assert said[3].startswith("line 4: ")
    assert told.stdout.startswith("Read 4 lines: 1 readable; 3 refused.")


# Encodings, delimiters, times, words ------------------------------------------------------------


def test_a_table_of_windows_1252_is_told_and_read(tmp_path: Path, store: Backend) -> None:
    """`Müller` was said to have control characters."""
    file = SAVED / "guests-windows-1252.csv"
    plain = imports(tmp_path, file)
    assert plain.returncode == 1
    assert "divided by ';', give --delimiter ';'" in plain.stderr
    options = ["--delimiter", ";"]
    told = imports(tmp_path, file, *options)
    assert "sent_at must be" in told.stderr or "--encoding windows-1252" in told.stderr
    assert "--encoding windows-1252" in told.stderr
    options += ["--encoding", "windows-1252"]
    told = imports(tmp_path, file, *options)
    assert "--date-format" in told.stderr
    assert "'%m/%d/%Y %H:%M:%S'" in told.stderr
    options += ["--date-format", "%m/%d/%Y %H:%M:%S", "--timezone", "Europe/Berlin"]
    told = imports(tmp_path, file, *options, store=store)
    assert told.stdout == (
        "Read 3 lines: 3 created; 0 refused. 3 times had no zone, read as Europe/Berlin.\n"
    )
    check_guests(records_in(store))


def test_a_table_of_utf_16_is_told_and_read(tmp_path: Path, store: Backend) -> None:
    file = SAVED / "guests-utf-16.txt"
    options = ["--format", "csv", "--date-format", "%m/%d/%Y %H:%M:%S"]
    options += ["--timezone", "Europe/Berlin"]
    told = imports(tmp_path, file, *options)
    assert "looks like UTF-16" in told.stderr
    options += ["--encoding", "utf-16"]
    told = imports(tmp_path, file, *options)
    assert "divided by tab, give --delimiter tab" in told.stderr
    told = imports(tmp_path, file, *options, "--delimiter", "tab", store=store)
    assert told.returncode == 0, told.stderr
    check_guests(records_in(store))


def check_guests(records: dict[str, Record]) -> None:
    assert {wamid: record.guest_name for wamid, record in records.items()} == {
        "wamid.M1": "Jürgen Müller",
        "wamid.M2": "Zoë, née Ångström",
        "wamid.M3": "José; Ibáñez",
    }
    first = records["wamid.M1"]
    assert first.recipient_id == "919876510001"
    assert first.guest_id == "'00123"  # of somebody else's table every character is the table's
    assert first.sent_ms == "1768469400000"  # 2026-01-15T09:30:00Z


def test_a_broken_line_of_utf_8_is_refused_alone(tmp_path: Path) -> None:
    rows = [row.encode() for row in guests(3, q1="Zoë", q2="Zo?", q3="Ä")]
    rows[1] = rows[1].replace(b"?", b"\xff\xc3\x28")
    told = imports(tmp_path, b"\n".join([HEADER.encode(), *rows]))
    assert told.stderr.startswith("line 3: The line is not UTF-8")
    assert told.stdout.startswith("Read 3 lines: 2 readable; 1 refused.")


def test_utf_8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    """Else the guest would be called `MÃ¼ller`, and nobody would hear of it."""
    told = imports(tmp_path, table_of(*guests(2, q2="Müller")), "--encoding", "windows-1252")
    assert told.stderr == "line 3: The line is UTF-8: import such lines without --encoding.\n"


TIMES = {
    "15/01/2026 10:30": "such as '%d/%m/%Y %H:%M'.",
    "1/15/2026 10:30 PM": "such as '%m/%d/%Y %I:%M %p'.",
    "01.02.2026": "such as '%d.%m.%Y' where the day is first, '%m.%d.%Y' where the month is.",
    "2026/01/15 10:30:07": "such as '%Y/%m/%d %H:%M:%S'.",
    "15 Jan 2026 10:30": "such as '%d/%m/%Y %H:%M'.",
    "46037.4375": "It looks like a spreadsheet's number of days",
    "1768473005000": "give its first ten digits alone.",
}


def test_a_time_of_another_form_is_told_how_to_be_read(tmp_path: Path) -> None:
    """Tables of dd/mm/yyyy were refused, and there was no way to have them read."""
    table = table_of(*(f"wamid.T,919876541301,sent,{time},Ravi" for time in TIMES))
    told = imports(tmp_path, table)
    for number, (said, advice) in enumerate(
        zip(told.stderr.splitlines(), TIMES.values(), strict=True)
    ):
        assert said.startswith(f"line {number + 2}: sent_at must be")
        assert advice in said
    forms = [advice.split("'")[1] for advice in TIMES.values() if "%" in advice][:4]
    told = imports(tmp_path, table, *(part for form in forms for part in ("--date-format", form)))
    assert told.stdout.startswith("Read 7 lines: 4 readable; 3 refused.")
    assert told.stderr.count("must be a time of the form that --date-format says") == 3


def test_times_without_a_zone_are_said_and_read_in_theirs(tmp_path: Path, store: Backend) -> None:
    """All times of an Indian table were 5.5 hours off, and nothing said so."""
    table = table_of("wamid.Z,919876541301,sent,2026-01-15 10:30:00,Ravi")
    told = imports(tmp_path, table)
    assert "1 time had no zone, read as UTC: --timezone says which it is." in told.stdout
    told = imports(tmp_path, table, "--timezone", "Asia/Kolkata", "--json", store=store)
    assert json.loads(told.stdout) == {
        "lines": 1,
        "refused": 0,
        "created": 1,
        "times_without_zone": 1,
    }
    assert records_in(store)["wamid.Z"].sent_ms == "1768453200000"  # 05:00:00Z


def test_a_word_for_a_status_that_is_not_known_names_the_option(tmp_path: Path) -> None:
    told = imports(tmp_path, table_of(f"wamid.S,919876541301,SEEN,{TIME},Ravi"))
    assert "--status-map" in told.stderr
    assert "SEEN" not in told.stderr


def test_columns_that_nothing_reads_are_said(tmp_path: Path) -> None:
    """A misspelt column was dropped without a word."""
    told = imports(tmp_path, table_of(f"wamid.U,{TIME},g-1,x", header="wamid,sent_at,guestid,"))
    assert told.stderr == "Not read: guestid. Say by --map FIELD=COLUMN what a column is.\n"


# Out and in again -------------------------------------------------------------------------------

IDS = [
    *("00123", "1E5", "1/2", "TRUE", "919876543210123456", "2026-01-15", "12:30", "MARCH1", "+12"),
    *("=1+1", "-5", "@x", "'00123", "007", "1,5", "1.5", "5%", "$5", "1e5a", "#N/A"),
    *("12345678-1234-1234-1234-123456789012", "5p", "5.Mai", "Dez-12", "12", "99999999999"),
    *("123456789012", "0x1F", "''x", "1,234,567", "WAHR", "g-1", "5 PM", "1 1/2", "a;=1", "5 Jan"),
    *("Jan 5", "June", " 007 ", 'say "hi"', "a;'=1"),
]
PHONES = [
    *("919876510001", "9876543210", "19172345678", "4915123456789", "09876543210", "123456"),
    *("552199999999", "120363012345678901", "US.13491208655302741918", "971501234567"),
]


def test_a_list_of_failures_that_a_spreadsheet_saved(tmp_path: Path, store: Backend) -> None:
    """Ids were numbers, dates and truth values afterwards, or had an apostrophe more."""
    told = imports(tmp_path, SAVED / "failures-semicolons.csv", "--delimiter", ";", store=store)
    assert told.stdout == "Read 41 lines: 41 created; 0 refused.\n", told.stderr
    assert told.stderr == ""
    check_ids(records_in(store))


def check_ids(records: dict[str, Record]) -> None:
    assert len(records) == len(IDS)
    for number, expected in enumerate(IDS):
        record = records[f"wamid.{number}"]
        ids = record.guest_id, record.registration_id, record.guest_name
        assert ids == (expected, expected, expected)
        assert record.recipient_id == PHONES[number % len(PHONES)]
        assert (record.status, record.error_code) == ("failed", "131026")


def failures_of(service: Service) -> bytes:
    address = urlsplit(service.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    try:
        path = "/api/webhooks/failures/?format=csv"
        connection.request("GET", path, headers={"X-Webhook-Token": TOKEN})
        return connection.getresponse().read()
    finally:
        connection.close()


def fill_with_failures(store: Backend, ids: list[str]) -> None:
    reports = [
        report
        for number, one in enumerate(ids)
        for report in (
            send_report(
                wamid=f"wamid.{number}",
                recipient_id=PHONES[number % len(PHONES)],
                guest_id=one,
                registration_id=one,
                event_id="e",
                guest_name=one,
            ),
            status_report(
                Status.FAILED,
                wamid=f"wamid.{number}",
                error_code="131026",
                error_message="Undeliverable",
            ),
        )
    ]
    fill(store, reports)


def test_the_list_of_failures_comes_back_as_it_was(tmp_path: Path, store: Backend) -> None:
    """A guest `+12` came back as `'+12`: another guest. A shorter file looked as whole."""
    fill_with_failures(store, IDS)
    with Service(tmp_path, TRACKER_AUTH__TOKENS=TOKEN, **variables(store)) as service:
        sheet = failures_of(service)
    fill(store, [])
    told = imports(tmp_path, "\ufeff" + sheet.decode(), store=store)  # as the dashboard saves it
    assert told.stdout == "Read 41 lines: 41 created; 0 refused.\n", told.stderr
    check_ids(records_in(store))
    cut = sheet[: sheet.rindex(b"wamid.")]
    for part in (cut, cut[: cut.rindex(b"\n") + 1]):
        told = imports(tmp_path, part)
        assert told.returncode == 1
        assert "The list is cut short" in told.stderr
    missing = sheet.replace(sheet.splitlines(keepends=True)[5], b"")
    told = imports(tmp_path, missing, "--json")
    assert "The list has 40 rows, but its last line says 41." in told.stderr
    assert json.loads(told.stdout)["cut_short"] is True
    assert told.returncode == 1


@pytest.mark.parametrize("name", ["all.ndjson", "all.ndjson.gz"])
def test_an_export_that_was_imported_is_exported_as_the_same_bytes(
    tmp_path: Path, store: Backend, name: str
) -> None:
    fill(store, histories(200))
    where = variables(store)
    assert invoke("export", name, cwd=tmp_path, **where).returncode == 0
    fill(store, [])
    assert invoke("import", name, cwd=tmp_path, **where).returncode == 0
    assert invoke("export", f"again-{name}", cwd=tmp_path, **where).returncode == 0
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()


def test_an_export_replaces_no_file_unless_it_is_told_to(tmp_path: Path, store: Backend) -> None:
    fill(store, histories(3))
    file = tmp_path / "all.ndjson"
    file.write_text("old")
    told = invoke("export", "all.ndjson", cwd=tmp_path, **variables(store))
    assert told.returncode == 1
    assert "--force" in told.stderr
    assert file.read_text() == "old"
    told = invoke("export", "all.ndjson", "--force", cwd=tmp_path, **variables(store))
    assert told.returncode == 0
    assert file.read_text().count("\n") == 3
