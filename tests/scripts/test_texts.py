"""What the scripts say of themselves, and how they are rendered."""

import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from service.backends.permissions import BESIDES, MERGES, OTHERS, UPGRADES, rules
from service.domain.dimensions import DIMENSIONS, Value
from service.domain.report import RANK, Status
from service.store import rules as script_rules
from service.store import scripts
from service.store.keys import CATALOGUE
from service.store.rules import render

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
    served = [name for name in NAMES if name != "upgrade"]
    besides = {"ZSCAN"}  # as `BESIDES` has it for the command `recount`
    assert called_in(*served, *SHARED) <= {name for name, *_ in (*MERGES, *OTHERS)} | besides
    known = {name for name, *_ in (*MERGES, *OTHERS, *UPGRADES)}
    assert called_in("upgrade", "prelude") <= known


def test_the_upgrade_needs_what_is_listed() -> None:
    """Its user has the rights of the service, and those that are listed besides."""
    own = {name.lower() for name, *_ in UPGRADES} | {"mget", "zrange", "zmscore", "scan"}
    allowed = rules() + " " + BESIDES["the command `upgrade`"]
    assert {f"+{name}" for name in own} <= set(allowed.split())


def test_every_script_is_loaded() -> None:
    assert sorted(scripts._SHEBANGS) == NAMES


def test_every_worker_renders_the_same() -> None:
    code = "from service.store.scripts import render; print(render('merge'))"
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
    """`.luacheckrc` lists the names that rendering adds, and no others."""
    known = set(re.findall(r'"([A-Z_]+)"', (LUA.parent / ".luacheckrc").read_text()))
    rendered = set(re.findall(r"^local ([A-Z_]+) =", script_rules._rules(), re.MULTILINE))
    assert rendered | script_rules._constants().keys() == known - {"KEYS", "ARGV"}


def test_the_rules_are_those_of_python() -> None:
    rendered = script_rules._rules()
    assert list(RANK) == list(Status)
    assert "local RANK = {sent = 1, delivered = 2, read = 3, failed = 4}" in rendered
    for dimension in DIMENSIONS:
        assert f"name = '{dimension.name}', value = '{dimension.value}'" in rendered
    prelude = (LUA / "prelude.lua").read_text()
    assert set(re.findall(r"^  (\w+) = function", prelude, re.MULTILINE)) == set(Value)


def test_no_script_compares_texts_by_locale() -> None:
    """Redis' Lua compares texts with strcoll: `precedes` is for that. Numbers may use `<`."""
    for name in [*NAMES, *SHARED]:
        for line in (LUA / f"{name}.lua").read_text().splitlines():
            code = line.partition("--")[0]
            for left, right in re.findall(r"(\S+) (?:<|>|<=|>=) (\S+)", code):
                for word in (left, right):
                    bare = word.strip(string.punctuation)
                    assert not re.search(r"(wamid|code|message|recipient|value|known)$", bare), line
