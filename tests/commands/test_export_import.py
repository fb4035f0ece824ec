"""`export` and `import` as an operator has them, on real servers."""

import gzip
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.__main__ import main
from service.commands.foreign_rows import FIELDS
from service.domain.identity import id_of
from service.domain.record import Record
from service.store.keys import index_key, message_key, tag_of
from tests.backends import Backend
from tests.commands.stores import fill, histories, participants_in, records_in, variables
from tests.conftest import TOKEN, need_server
from tests.documents import page
from tests.in_process import invoke
from tests.process import KILLED, Service, environment, run
from tests.servers import RedisServer, wait_until

pytestmark = pytest.mark.timeout(120)

Ended = subprocess.CompletedProcess[str]


def does(folder: Path, backend: Backend, *arguments: str, code: int = 0) -> Ended:
    """Runs a command on a store; it must end with this code."""
    ended = invoke(*arguments, cwd=folder, **variables(backend))
    assert ended.returncode == code, ended
    return ended


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_store_comes_back_whole_on_a_cluster(
    tmp_path: Path, one: Backend, cluster: Backend
) -> None:
    """created_us, stamps and extras included; a second import changes nothing."""
    records = fill(one, histories(300))
    participants = participants_in(one)
    assert participants
    told = does(tmp_path, one, "export", "all.ndjson.gz")
    assert (told.stdout, told.stderr) == ("", "Exported 300 messages.\n")
    told = does(tmp_path, cluster, "import", "all.ndjson.gz")
    assert told.stdout == "Read 300 lines: 300 created; 0 refused.\n"
    assert records_in(cluster) == records
    told = does(tmp_path, cluster, "import", "all.ndjson.gz", "--json")
    assert json.loads(told.stdout) == {"lines": 300, "refused": 0, "unchanged": 300}
    assert records_in(cluster) == records
    assert participants_in(cluster) == participants


def test_a_cluster_is_exported_and_merged_into_a_store_that_lives(
    tmp_path: Path, one: Backend, cluster: Backend
) -> None:
    reports = histories(200)
    records = fill(cluster, reports)
    does(tmp_path, cluster, "export", "all.ndjson")
    fill(one, [report for report in reports if int(report.wamid.split(".")[1]) % 2])
    told = does(tmp_path, one, "import", "all.ndjson", "--json")
    assert json.loads(told.stdout) == {
        "lines": 200,
        "refused": 0,
        "created": 100,
        "unchanged": 100,
    }
    assert records_in(one) == records


@pytest.mark.parametrize(
    ("options", "matches"),
    [
        (["--event-id", "e-1"], lambda r: r.event_id == "e-1"),
        (["--standalone"], lambda r: not r.event_id),
        (["--campaign-id", "run 1"], lambda r: r.campaign_id == "run 1"),
        (["--phone-number-id", "107"], lambda r: r.phone_number_id == "107"),
        (
            ["--template-name", "t{1}", "--status", "read"],
            lambda r: (r.template_name, r.status) == ("t{1}", "read"),
        ),
        (["--recipient-id", "+91 90000 00017"], lambda r: r.recipient_id == "919000000017"),
    ],
)
def test_filters_choose_what_is_exported(
    tmp_path: Path, cluster: Backend, options: list[str], matches: Any
) -> None:
    records = fill(cluster, histories(100))
    wanted = {wamid for wamid, record in records.items() if matches(record)}
    assert wanted
    told = does(tmp_path, cluster, "export", "-", "--json", *options)
    assert {json.loads(line)["wamid"] for line in told.stdout.splitlines()} == wanted
    assert json.loads(told.stderr) == {"messages": len(wanted)}


def test_a_filter_that_is_none_is_refused(tmp_path: Path, one: Backend) -> None:
    told = does(tmp_path, one, "export", "-", "--status", "seen", code=2)
    assert "status must be one of sent, delivered, read, failed." in told.stderr


def test_the_file_is_its_owners_and_may_replace_the_one_before(
    tmp_path: Path, one: Backend
) -> None:
    fill(one, histories(3))
    file = tmp_path / "all.ndjson"
    file.write_text("old")
    does(tmp_path, one, "export", str(file), "--force")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(lines_of(file)) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["all.ndjson"]


def test_an_export_that_breaks_off_leaves_no_file(
    tmp_path: Path, one: Backend, redis_server: RedisServer
) -> None:
    """A time that no clock shows, met late, stands for whatever may happen in between."""
    oldest = min(fill(one, histories(250)).values(), key=lambda record: record.created_us)
    key = message_key(tag_of(0), id_of(oldest.wamid))
    redis_server.command("HSET", key, "created_us", "9" * 30)
    file = tmp_path / "all.ndjson.gz"
    does(tmp_path, one, "export", str(file), code=1)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path, one: Backend) -> None:
    records = fill(one, histories(20))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        try:
            does(tmp_path, one, "export", str(pipe))
            assert reader.communicate(timeout=20)[0].count(b"\n") == len(records)
        finally:
            reader.kill()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_reader_who_has_enough_ends_the_export_quietly(tmp_path: Path, one: Backend) -> None:
    fill(one, histories(400))  # more than fits into a pipe
    command = f"{sys.executable} -m service export - | head -n 1"
    ended = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env=environment(**variables(one)),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout.count("\n") == 1
    assert ended.stderr == ""


ROWS = (
    "\ufeffmessage_id,to,state,sent,seen,code,why,name,event",
    'wamid.1,+91 98765-43210,READ,2024-01-15 10:30:00,2024-01-15T10:31:00Z,,,"=1+1, ""J""",e-1',
    "wamid.2,919876543211,FAILED,1705314600,,131026,Undeliverable,,",
    "wamid.3,919876543212,SENT,,,,,,",
    "wamid.4,secret-phone,PENDING,2024-01-15 10:30:00,,,,,",
)
CSV = "\r\n".join(ROWS)
MAPPED = [
    *("--map", "wamid=message_id", "--map", "recipient_id=to", "--map", "status=state"),
    *("--map", "sent_at=sent", "--map", "read_at=seen", "--map", "error_code=code"),
    *("--map", "error_message=why", "--map", "guest_name=name", "--map", "event_id=event"),
    *("--status-map", "READ=read", "--status-map", "FAILED=failed", "--status-map", "SENT=sent"),
    *("--set", "event_id=imported"),
]


def test_somebody_elses_csv(tmp_path: Path, one: Backend) -> None:
    """What can't be read is said by line and field, without its content; the rest is written."""
    (tmp_path / "old.csv").write_text(CSV, newline="")
    told = does(tmp_path, one, "import", "old.csv", *MAPPED, code=1)
    assert told.stdout.startswith("Read 4 lines: 2 created; 2 refused. 2 times had no zone")
    said = told.stderr.splitlines()
    assert said[0] == "line 4: status has no time: the line has none at all."
    assert said[1].startswith("line 5: status must be one of")
    assert "secret" not in told.stderr
    records = records_in(one)
    first, second = records["wamid.1"], records["wamid.2"]
    assert (first.status, first.event_id, first.guest_name) == ("read", "e-1", '=1+1, "J"')
    assert (first.sent_ms, first.read_ms) == ("1705314600000", "1705314660000")
    assert (second.status, second.error_code, second.event_id) == ("failed", "131026", "imported")
    assert second.created_us[:-3] == "1705314600000"
    told = does(tmp_path, one, "import", "old.csv", *MAPPED, "--json", code=1)
    assert json.loads(told.stdout) == {
        "lines": 4,
        "refused": 2,
        "unchanged": 2,
        "times_without_zone": 2,
    }
    assert records_in(one) == records


def test_a_dry_run_reads_and_writes_nothing(tmp_path: Path) -> None:
    """Not even a Redis is needed."""
    (tmp_path / "old.csv").write_text(CSV, newline="")
    nowhere = Backend("redis://127.0.0.1:1", partitions=1)
    told = does(tmp_path, nowhere, "import", "old.csv", *MAPPED, "--dry-run", code=1)
    assert told.stdout == (
        "Read 4 lines: 2 readable; 2 refused. Nothing was written. 2 times had no zone, read as "
        "UTC: --timezone says which it is.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["old.csv"], "none of them is wamid"),
        (["old.csv", "--map", "wamid=id"], "none of them is id"),
    ],
)
def test_a_file_that_lacks_what_is_needed_is_told_in_a_sentence(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "old.csv").write_text(CSV, newline="")
    ended = invoke("import", *arguments, cwd=tmp_path, TRACKER_REDIS__URL="redis://127.0.0.1:1")
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.csv"], "does not exist"),
        (["old.csv", "--map", "wamd=message_id"], "wamd is none of wamid, status"),
        (["old.csv", "--map", "wamid"], "must be NAME=VALUE"),
        (["old.csv", "--map", "wamid="], "nothing behind"),
        (["old.csv", "--set", "event_id=a", "--set", "event_id=b"], "each NAME once"),
        (["old.csv", "--delimiter", ";;"], "one character"),
        (["old.csv", "--delimiter", '"'], "no quote"),
        (["old.csv", "--encoding", "utf-99"], "must be an encoding"),
        (["old.csv", "--encoding", "base64"], "must be an encoding"),
        (["old.csv", "--timezone", "India"], "must be a time zone"),
        (["old.csv", "--timezone", "../etc/passwd"], "must be a time zone"),
        (["old.csv", "--date-format", "%H:%M"], "must have a day"),
        (["old.csv", "--date-format", "%d/%m/%Y %I:%M"], "must have a day"),
        (["old.csv", "--date-format", "%Q"], "must have a day"),
        (["old.csv", "--status-map", "SEEN=raed"], "must be sent, delivered"),
        (["old.csv", "--format", "xml"], "ndjson"),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """In this process, since that is quicker: it is refused before there is a log or a loop."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.csv").write_text(CSV, newline="")
    ended = CliRunner().invoke(main, ["import", *arguments])
    assert ended.exit_code == 2, ended.exc_info
    assert said in ended.stderr


def test_many_bad_lines_are_counted_and_not_all_said(tmp_path: Path, one: Backend) -> None:
    (tmp_path / "bad.ndjson").write_text("{}\n" * 2_500)
    told = does(tmp_path, one, "import", "bad.ndjson", "--json", code=1)
    assert json.loads(told.stdout) == {"lines": 2_500, "refused": 2_500}
    assert len(told.stderr.splitlines()) == 101


def test_an_import_that_was_killed_is_run_again(tmp_path: Path, one: Backend) -> None:
    records = fill(one, histories(100, seed=2))
    does(tmp_path, one, "export", "all.ndjson")
    fill(one, [])
    killed = run("import", "all.ndjson", cwd=tmp_path, program=KILLED, **variables(one))
    assert killed.returncode == -signal.SIGKILL
    assert len(records_in(one)) == 60
    told = does(tmp_path, one, "import", "all.ndjson", "--json")
    assert json.loads(told.stdout) == {"lines": 100, "refused": 0, "created": 40, "unchanged": 60}
    assert records_in(one) == records


def test_gzip_on_stdin_and_a_broken_file(tmp_path: Path, one: Backend) -> None:
    records: dict[str, Record] = fill(one, histories(300))
    does(tmp_path, one, "export", "all.gz")
    packed = (tmp_path / "all.gz").read_bytes()
    fill(one, [])
    ended = subprocess.run(
        [sys.executable, "-m", "service", "import", "-"],
        cwd=tmp_path,
        env=environment(**variables(one)),
        input=packed,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert b"300 created" in ended.stdout
    assert records_in(one) == records
    (tmp_path / "half.gz").write_bytes(packed[: len(packed) // 2])
    told = does(tmp_path, one, "import", "half.gz", code=1)
    assert "broken gzip" in told.stderr
    assert gzip.decompress(packed).count(b"\n") == 300


def test_the_documented_example_works(tmp_path: Path, one: Backend) -> None:
    text = page("docs/moving-data.md")
    table = text.partition("Moving from a table like\n\n```\n")[2].partition("```")[0]
    command = text.partition("python -m service import old.csv --dry-run")[2].partition("\n#")[0]
    (tmp_path / "old.csv").write_text(table)
    told = does(
        tmp_path, one, "import", "old.csv", *shlex.split(command.replace("\\\n", "")), "--json"
    )
    assert json.loads(told.stdout) == {"lines": 1, "refused": 0, "created": 1}
    [record] = records_in(one).values()
    assert (record.status, record.recipient_id, record.event_id) == ("read", "919876543210", "e-1")
    assert (record.sent_ms, record.delivered_ms) == ("1762079400000", "1762079404000")
    assert (record.read_ms, record.template_name) == ("1762081361000", "rsvp_invite")
    fields = text.rpartition("| field | what it is |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.+?) \|", fields, re.MULTILINE)))
    assert sorted(named) == sorted(FIELDS)


def test_the_private_server_of_a_running_service_is_shared(tmp_path: Path) -> None:
    need_server()
    old = {"wamid": "wamid.old", "status": "read", "read_at": "2026-01-15T10:30:00Z"}
    (tmp_path / "old.ndjson").write_text(json.dumps(old))
    with Service(tmp_path, TRACKER_AUTH__TOKENS=TOKEN) as service:
        assert "1 created" in invoke("import", "old.ndjson", cwd=tmp_path).stdout
        told = invoke("export", "-", cwd=tmp_path)
        assert json.loads(told.stdout)["wamid"] == "wamid.old"
        assert service.stop() == 0  # and the server with it: one that ends would be shared, too
    alone = invoke("export", "-", cwd=tmp_path)
    assert json.loads(alone.stdout)["read_at"] == "2026-01-15T10:30:00Z"


def test_an_import_waits_for_a_redis_that_is_away(
    tmp_path: Path, one: Backend, redis_server: RedisServer
) -> None:
    row = '{"wamid":"w%d","sent_at":"2026-01-15T10:30:00Z"}\n'
    (tmp_path / "rows").write_text("".join(row % number for number in range(1_300)))
    said = tmp_path / "stderr"
    with (
        said.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "service", "import", "-"],
            cwd=tmp_path,
            env=environment(TRACKER_REDIS__TIMEOUT_S="0.3", **variables(one)),
            stdin=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        assert process.stdin
        rows = (tmp_path / "rows").read_bytes()
        most = len(rows) * 11 // 13  # it takes a thousand lines before it begins to write
        process.stdin.write(rows[:most])
        process.stdin.flush()
        written = "EXISTS", index_key(tag_of(0), "all")
        wait_until(lambda: redis_server.command(*written) == 1, "some messages to be there")
        redis_server.pause()
        try:
            process.stdin.write(rows[most:])
            process.stdin.close()
            wait_until(lambda: "redis_lost" in said.read_text(), "the loss to be noticed")
        finally:
            redis_server.resume()
        assert process.wait(30) == 0
    assert len(records_in(one)) == 1_300
