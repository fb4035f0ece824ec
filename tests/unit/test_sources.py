"""Files to import: their lines, their oddities, what is said of those that can't be read."""

import gzip
import io
from pathlib import Path
from typing import cast

import pytest

from service.commands.csv_rows import csv_rows
from service.commands.foreign_rows import Table
from service.commands.imports import Tally
from service.commands.input_files import CutShort, Line, json_lines, lines_of, open_source
from service.domain.report import Merged, Outcome, Status
from service.errors import BadRequest, CommandError
from service.models import sheets
from service.models.ndjson import MOST_LINE_BYTES
from tests.factories import BASE_MS

TABLE = Table(columns={}, statuses={}, defaults={}, now_us=BASE_MS * 1_000)
TIME = b"2023-11-14T22:13:20Z"
ROW = b'{"wamid":"w%d","sent_at":"' + TIME + b'"}\n'
HEADER = b"wamid,sent_at,recipient_id,guest_name\n"


def told(line: Line) -> str:
    """The name or the wamid of the line's message, or why it can't be read."""
    if isinstance(line.found, BadRequest | CutShort):
        return str(line.found)
    if not line.found:
        return "empty"
    report = line.found[0]
    return report.context.guest_name if report.context else report.wamid


def file_of(content: bytes) -> io.BufferedReader:
    return cast("io.BufferedReader", io.BufferedReader(io.BytesIO(content)))


def of_json(content: bytes) -> dict[int, str]:
    return {line.number: told(line) for line in json_lines(file_of(content), TABLE)}


def of_csv(content: bytes, delimiter: str = ",") -> dict[int, str]:
    rows = csv_rows(file_of(content), TABLE, delimiter)
    return {line.number: told(line) for line in rows}


def of_csv_names(*names: bytes) -> dict[int, str]:
    """Of a file with these as the cells of the guests' names."""
    rows = [b"w%d,%s,919876543210,%s\n" % (n, TIME, name) for n, name in enumerate(names)]
    return of_csv(HEADER + b"".join(rows))


def test_lines_have_their_numbers_blank_ones_counted() -> None:
    content = b"\xef\xbb\xbf" + ROW % 1 + b"\n \r\n" + ROW % 2 + b"[]\nx\n" + (ROW % 3).rstrip()
    assert of_json(content) == {
        1: "w1",
        2: "empty",
        3: "empty",
        4: "w2",
        5: "The line must be a JSON object.",
        6: "The line is not valid JSON; it must be a JSON object. CSV needs --format csv, or a "
        "name that ends in .csv.",
        7: "w3",
    }


def test_a_line_that_is_too_long_is_passed_over() -> None:
    long = b'{"wamid":"' + b"x" * (2 * MOST_LINE_BYTES + 5) + b'"}\n'
    just = b" " * (MOST_LINE_BYTES - len(ROW % 2)) + ROW % 2
    found = of_json(ROW % 1 + long + just + b" " + just + ROW % 3)
    assert (found[1], found[3], found[5]) == ("w1", "w2", "w3")
    assert all(found[number].startswith("The line is too long") for number in (2, 4))


def test_lines_of_ours_are_known_among_others() -> None:
    ours = b'{"record":1,"wamid":"o","status":"sent","created_at":"%s","sent_at":"%s"}\n'
    assert of_json(ours % (TIME, TIME) + ROW % 1) == {1: "o", 2: "w1"}
    assert "don't fit" in of_json(ours % (TIME, b""))[1]


def test_cells_are_texts_whatever_a_spreadsheet_would_make_of_them() -> None:
    names = [b"=HYPERLINK(1)", b"@x", b"-1", b'"a ""b"", c"', b'"two\r\nlines"', b" 007 ", b""]
    found = of_csv_names(*names)
    told_of = list(found.values())
    assert told_of[:4] == ["=HYPERLINK(1)", "@x", "-1", 'a "b", c']
    assert told_of[4] == "two  lines"  # control characters become spaces
    assert told_of[5:] == [" 007 ", "w6"]
    assert list(found) == [2, 3, 4, 5, 6, 8, 9]  # where each begins


def test_a_byte_order_mark_crlf_and_another_delimiter() -> None:
    content = b"\xef\xbb\xbfsent_at;wamid\r\n" + TIME + b";w1\r\n\r\n" + TIME + b";w2"
    assert list(of_csv(content, ";").values()) == ["w1", "empty", "w2"]


def test_a_bad_row_is_said_and_the_next_is_read() -> None:
    rows = b"w1,%s\nw2,%s,1,2,3\nw\xff,%s,12,x\nw4,%s,,"
    found = of_csv(HEADER + rows % (TIME, TIME, TIME, TIME))
    assert found[2] == found[3] == "The line must have 4 cells, as many as the first line."
    assert found[4].startswith("The line is not UTF-8; it looks like Windows-1252. Save the file")
    assert found[5] == "w4"


def test_a_cell_without_end_costs_no_memory_and_not_the_rest() -> None:
    found = of_csv_names(b'"' + b"x" * 200_000, b"last")
    assert found[2].startswith("A quote opens in this line and isn't closed")
    assert found[3] == "last"


def test_lines_that_a_quote_may_join_are_all_refused() -> None:
    """Nobody knows whether line 3 is a message, or part of a guest's name that says so."""
    found = of_csv_names(b'"Bob', b"Ann", b'Jim"', b"Eve")
    assert found[2].startswith("A quote opens in this line, and lines behind it may be rows")
    assert found[3] == found[4] == "The line may belong to a cell that begins in line 2."
    assert found[5] == "Eve"


@pytest.mark.parametrize(
    "name",
    [b'"Bob" Smith', b'"Bob "B" Smith"', b' "Bob"', b'"Bob', b'"Bob""', b'"', b'"Bob\n"" x'],
)
def test_a_quote_where_none_can_be_is_refused_alone(name: bytes) -> None:
    found = of_csv_names(b"Ann", name, b"Eve")
    assert "quote" in found[3]
    assert found[max(found)] == "Eve"


def test_a_quote_is_looked_for_no_further_than_a_cell_may_be_long() -> None:
    found = of_csv_names(b'"Bob', *[b"x" * 60 for _ in range(900)], b'Jim"', b"Eve")
    assert found[2].startswith("A quote opens in this line and isn't closed")
    assert len(found) == 903
    assert list(found.values())[1:] == ["x" * 60] * 900 + ['Jim"', "Eve"]


def test_a_line_that_is_too_long_ends_a_quote() -> None:
    found = of_csv_names(b'"Bob', b"x" * 2 * MOST_LINE_BYTES, b"Eve")
    assert [found[2][:17], found[3][:20]] == ["A quote opens in ", "The line is too long"]
    assert found[4] == "Eve"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"wamid;sent_at\n", "give --delimiter ';'"),
        (b"wamid\tsent_at\n", "give --delimiter tab"),
        (b"wamid|sent_at\n", "give --delimiter '|'"),
        (ROW % 1, "give --format ndjson"),
        (b'"wamid,sent_at\n', "line 1: A quote opens"),
        (b"\xff\xfewamid", "looks like UTF-16"),
        ("wamid,sent_at".encode("utf-16-le"), "give --encoding utf-16-le"),
        ("wamid,sent_at".encode("utf-16-be"), "give --encoding utf-16-be"),
        ("wamid,größe".encode("cp1252"), "line 1: The line is not UTF-8"),
    ],
)
def test_a_file_of_another_form_is_told_which_it_seems_to_be(content: bytes, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        of_csv(content)


def test_a_mark_of_utf_8_needs_no_encoding() -> None:
    with pytest.raises(CommandError, match="begins as UTF-8"):
        list(csv_rows(file_of(b"\xef\xbb\xbfwamid\n"), TABLE, ",", "windows-1252"))


def test_utf_16_without_its_mark_is_no_utf_16() -> None:
    rows = lines_of(json_lines(file_of("{}".encode("utf-16-be")), TABLE, "utf-16"))
    assert [told(line) for line in rows] == [
        "The file is not in the encoding that --encoding says."
    ]


@pytest.mark.parametrize("content", [b"", b"\n", b"id,time\n1,2\n"])
def test_a_file_without_the_columns_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(CommandError, match="none of them is wamid"):
        of_csv(content)


def test_a_packed_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "any.name"
    content = b"".join(ROW % number for number in range(5_000))
    file.write_bytes(gzip.compress(content))
    with open_source(file) as source:
        assert source.file.read() == content
        assert source.done() == source.total == file.stat().st_size


def test_broken_gzip_is_read_up_to_the_break(tmp_path: Path) -> None:
    file = tmp_path / "broken.gz"
    content = b"".join(ROW % (number * 7919) for number in range(5_000))
    whole = gzip.compress(content)
    file.write_bytes(whole[: len(whole) // 2])
    with open_source(file) as source:
        found = [told(line) for line in lines_of(json_lines(source.file, TABLE))]
    assert found[0] == "w0"
    assert len(found) > 1_000
    assert "broken gzip" in found[-1]


def test_a_line_counts_as_what_the_first_of_its_reports_did_that_did_something() -> None:
    tally = Tally()
    for line in ("created changed", "unchanged changed", "unchanged unchanged", "erased erased"):
        tally.note_merged([Merged(Status.SENT, Outcome(word)) for word in line.split()])
    assert tally.outcomes == {"created": 1, "changed": 1, "unchanged": 1, "erased": 1}
    assert "repeated" not in tally.figures()
    assert "lost" not in tally.sentence()
    tally.repeated = True  # what is unchanged may be this import's own
    assert tally.figures()["repeated"] is True
    assert "An answer of the store was lost" in tally.sentence()
    del tally.outcomes[Outcome.UNCHANGED]
    assert "repeated" not in tally.figures()


def encoded(name: str, written: str, read: str) -> str:
    """What becomes of a guest's name that was written in one encoding and is read in another."""
    content = HEADER + b"w1,%s,919876543210," % TIME + name.encode(written) + b"\n"
    (line,) = csv_rows(file_of(content), TABLE, ",", read)
    return told(line)


@pytest.mark.parametrize(
    ("name", "written", "read", "said"),
    [
        ("Müller", "cp1252", "utf-8", "looks like Windows-1252"),
        ("D\u2019Souza \u2013 Zoë", "cp1252", "utf-8", "looks like Windows-1252"),
        ("Иван", "cp1251", "utf-8", "say by --encoding what it is in"),
        ("タナカ", "shift_jis", "utf-8", "say by --encoding what it is in"),
        ("田中太郎", "shift_jis", "utf-8", "say by --encoding what it is in"),
        ("李明", "gbk", "utf-8", "say by --encoding what it is in"),
        ("José", "cp850", "utf-8", "say by --encoding what it is in"),
        ("José", "mac_roman", "utf-8", "say by --encoding what it is in"),
        ("D\u2019Souza", "cp1252", "latin-1", "give --encoding windows-1252"),
        ("D\u2019Souza", "cp1252", "iso8859-15", "give --encoding windows-1252"),
        ("Müller", "cp1252", "latin-1", "Müller"),
        ("田中太郎", "shift_jis", "shift_jis", "田中太郎"),
        ("Иван", "cp1251", "cp1251", "Иван"),
    ],
)
def test_the_encoding_that_a_line_seems_to_be_in_is_no_other(
    name: str, written: str, read: str, said: str
) -> None:
    """Who follows the advice has other names in the store, or spaces for quotes, unawares."""
    found = encoded(name, written, read)
    assert said in found
    assert ("Windows-1252" in found) == ("indows-1252" in said)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-32-be"])
def test_what_is_of_two_or_four_bytes_a_character_is_read(encoding: str) -> None:
    content = (HEADER + b"w1,%s,919876543210,Zo" % TIME).decode() + "ë\n"
    (line,) = csv_rows(file_of(content.encode(encoding)), TABLE, ",", encoding)
    assert told(line) == "Zoë"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'"wamid";"sent_at"\n', "give --delimiter ';'"),
        (b'"wamid"\t"sent_at"\n', "give --delimiter tab"),
        (b"sep=;\nwamid;sent_at\n", "Remove the line sep="),
        (b"PK\x03\x04\x14\0\x06\0", "is a workbook or an archive"),
        ("wamid,sent_at".encode("utf-32"), "looks like UTF-32"),
    ],
)
def test_a_file_that_is_no_table_yet_is_told_what_to_do(content: bytes, said: str) -> None:
    """A quote that isn't closed was blamed, or that no column was the wamid's."""
    with pytest.raises(CommandError, match=said):
        of_csv(content)
    if content.startswith(b"PK"):
        with pytest.raises(CommandError, match=said):
            of_json(content)


OURS = b'{"record":1,"wamid":"w","status":"sent","created_at":"2023-11-14T22:13:20.000001Z",'


@pytest.mark.parametrize(
    "twice",
    [
        b'"sent_at":"%s","sent_at":"%s"' % (TIME, TIME),
        b'"sent_at":"%s","pricing":{"billable":true,"billable":false}' % TIME,
        b'"sent_at":"%s","pricing":{"a":{"b":1,"b":2}}' % TIME,
        b'"sent_at":"%s","received_at_of":{"sent":"x","sent":"%s"}' % (TIME, TIME),
    ],
)
def test_a_record_of_ours_has_no_field_twice_however_deep(twice: bytes) -> None:
    """The last one won without a word."""
    assert of_json(OURS + twice + b"}\n") == {1: "The line has a field twice."}


def test_fields_of_json_that_nothing_reads_are_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A misspelt one was dropped without a word."""
    line = b'{"wamid":"w%d","sent_at":"' + TIME + b'","guestid":"g"}\n'
    ours = OURS + b'"sent_at":"%s","later":1}\n' % TIME
    assert of_json(line % 1 + line % 2 + ours) == {1: "w1", 2: "w2", 3: "w"}
    assert capsys.readouterr().err.startswith("Not read: guestid, later. Say by --map")
    of_json(b"".join((line % 1).replace(b"guestid", b"g%d" % n) for n in range(22)))
    assert capsys.readouterr().err.startswith("Not read: g0, g1, ")


def test_a_list_of_failures_cut_in_its_first_line_is_cut_short() -> None:
    """It looked like a table without a message."""
    head = sheets.head().rstrip()
    for cut in range(head.index(b"wamid") + len(b"wamid"), len(head) + 1):
        ((_, said),) = of_csv(head[:cut]).items()
        assert said.startswith("The list is cut short")
    assert of_csv(b"wamid,guest_id,sent_at\n") == {}
