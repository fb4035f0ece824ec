"""What the scripts say of themselves, and how they are rendered."""

import re
import string
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from service import scripts
from service.keys import CATALOGUE, DIMENSIONS, Value, id_of, message_key, partition_of, tag_of
from service.permits import MERGES, OTHERS
from service.reports import RANK, SEPARATOR, Record, Report, Status
from service.scripts import render
from tests.backends import Backend, open_store, soon_s
from tests.factories import BASE_MS, send_report, status_report

LUA = Path(__file__).parents[2] / "lua"
SHARED = ["prelude", "indexes"]
NAMES = sorted(path.stem for path in LUA.glob("*.lua") if path.stem not in SHARED)


@pytest.mark.parametrize("name", NAMES)
def test_the_header_is_whole(name: str) -> None:
    """Purpose, key with its patterns, arguments, reply, cost; in this order."""
    header = (LUA / f"{name}.lua").read_text().split("\n\n")[0]
    assert all(line.startswith("--") for line in header.splitlines())
    parts = re.findall(r"^-- (KEYS\[1\]|ARGV\[1\]|Returns|Cost) ", header, re.MULTILINE)
    assert parts == ["KEYS[1]", "ARGV[1]", "Returns", "Cost"]
    patterns = {pattern for pattern, _, _ in CATALOGUE}
    named = set(re.findall(r" :((?:msg|by|count|times|waits|values|feed|gone|schema)\S*)", header))
    assert named
    assert named <= patterns


def called_in(*names: str) -> set[str]:
    """The commands that these scripts call."""
    text = "".join((LUA / f"{name}.lua").read_text() for name in names)
    return set(re.findall(r"\bcall(?:\(|, )'([A-Z]+)'", text))


def test_a_probe_asks_for_the_permissions_that_a_merge_needs() -> None:
    assert {name for name, *_ in MERGES} == called_in("indexes", "merge")


def test_the_commands_that_a_user_needs_are_all_listed() -> None:
    assert called_in(*NAMES, *SHARED) <= {name for name, *_ in (*MERGES, *OTHERS)}


def test_every_script_is_loaded() -> None:
    assert sorted(scripts._SHEBANGS) == NAMES


def test_every_worker_renders_the_same() -> None:
    code = "from service.scripts import render; print(render('merge'))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            cwd=LUA.parent,
            capture_output=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert texts == {f"{render('merge')}\n".encode()}


def test_the_linter_knows_the_rendered_names() -> None:
    """`.luacheckrc` lists the names that rendering adds; a new field belongs there too."""
    known = set(re.findall(r'"([A-Z_]+)"', (LUA.parent / ".luacheckrc").read_text()))
    rendered = {name.upper() for name in Record._fields}
    rendered |= set(re.findall(r"^local ([A-Z_]+) =", scripts._rules(), re.MULTILINE))
    assert rendered <= known


def test_the_rules_are_those_of_python() -> None:
    rules = scripts._rules()
    assert list(RANK) == list(Status)
    assert "local RANK = {sent = 1, delivered = 2, read = 3, failed = 4}" in rules
    for dimension in DIMENSIONS:
        assert f"name = '{dimension.name}', value = '{dimension.value}'" in rules
    prelude = (LUA / "prelude.lua").read_text()
    assert set(re.findall(r"^  (\w+) = function", prelude, re.MULTILINE)) == set(Value)


@pytest.mark.parametrize("number", [31, 32, 33, 40])
async def test_a_record_may_have_more_fields_than_a_pattern_has_captures(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A later version adds some; records that have fewer, or more still, are merged too."""
    more = [f"later_{place}" for place in range(number - len(Record._fields))]
    fields = [(field, str) for field in (*Record._fields, *more)]
    monkeypatch.setattr(scripts, "Record", NamedTuple("Record", fields))
    async with open_store(backend) as bench:
        place = partition_of("wamid.A", bench.partitions)
        tag = tag_of(place)
        key = message_key(tag, id_of("wamid.A"))

        async def merge_and_read(*reports: Report) -> list[str]:
            await bench.scripts.merge(place, reports, soon_s())
            return str((await bench.execute(tag, "GET", key)).decode()).split(SEPARATOR)

        first = await merge_and_read(send_report(event_id="e"))
        assert len(first) == number
        await bench.execute(tag, "SET", key, SEPARATOR.join([*first[:-1], "z"]))
        second = await merge_and_read(status_report(Status.DELIVERED))
        assert (second[0], len(second), second[-1]) == ("delivered", number, "z")
        await bench.execute(tag, "SET", key, SEPARATOR.join([*second[:29]]))
        third = await merge_and_read(status_report(Status.READ))
        assert (third[0], len(third)) == ("read", number)
        await bench.execute(tag, "SET", key, SEPARATOR.join([*third, "more", "still"]))
        fourth = await merge_and_read(status_report(Status.FAILED))
        assert fourth[:1] + fourth[number:] == ["failed", "more", "still"]
        stats = await bench.store.stats("event", "e", BASE_MS)
        assert stats.total == 1


def test_no_script_compares_texts_by_locale() -> None:
    """Redis' Lua compares texts with strcoll: `precedes` is for that. Numbers may use `<`."""
    for name in [*NAMES, *SHARED]:
        for line in (LUA / f"{name}.lua").read_text().splitlines():
            code = line.partition("--")[0]
            for left, right in re.findall(r"(\S+) (?:<|>|<=|>=) (\S+)", code):
                for word in (left, right):
                    bare = word.strip(string.punctuation)
                    assert not re.search(r"(wamid|code|message|recipient|value|known)$", bare), line
