"""The names of a record's fields in its hash: one each, and no other anywhere."""

import json
import re

import pytest

from service.domain.record import Record, record_in, stored
from service.domain.report import Context, Status
from service.store.rules import render
from tests.documents import page

ARCHITECTURE = page("docs/architecture.md")
NAMES = [stored(field) for field in Record._fields]
RENAMED = [field for field in Record._fields if stored(field) != field]


def test_each_field_has_one_name_and_no_two_have_the_same() -> None:
    """Nor is a field of one name the name of another field: a reader would take it for that one."""
    assert len(set(NAMES)) == len(NAMES)
    assert not set(RENAMED) & set(NAMES)


def test_names_are_whole_words() -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in NAMES)
    assert {name for name in NAMES if name.endswith("_id")} <= {"participant_id"}
    for field in Context.__struct_fields__:
        assert stored(f"{field}_us") == f"{stored(field)}_named_us"


def test_the_architecture_page_shows_no_other_names() -> None:
    [shown] = re.findall(r"--json HGETALL '.*'\n(\{.*?\})\n```", ARCHITECTURE, re.DOTALL)
    assert list(json.loads(shown)) == [name for name in NAMES if name in json.loads(shown)]
    [schema] = re.findall(r"^FT\.CREATE .* SCHEMA (.*)$", ARCHITECTURE, re.MULTILINE)
    assert set(re.findall(r"([a-z_]+) (?:TAG|NUMERIC)", schema)) <= set(NAMES)


@pytest.mark.parametrize("script", ["merge", "erase", "recount", "list", "upgrade"])
def test_scripts_know_no_other_names(script: str) -> None:
    code = re.sub(r"--.*", "", render(script))
    fields = set(re.findall(r"\brecord\.([a-z_]+)", code))
    assert fields <= set(NAMES) | {"__index"}
    assert not re.findall(rf"[.'\"]({'|'.join(RENAMED)})\b", code)


def test_a_status_without_a_receipt_was_received_when_the_message_was_created() -> None:
    fields = {"status": "read", "wamid": "wamid.A", "created_us": "1700000000123999"}
    fields |= {"sent_ms": "1", "read_ms": "2", "read_received_ms": "1700000000555"}
    record = record_in(fields.items())
    received_ms = [getattr(record, f"{status}_received_ms") for status in Status]
    assert received_ms == ["1700000000123", "", "1700000000555", ""]
