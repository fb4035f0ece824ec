"""What is known of Meta's error codes: the guide's table and Meta's own, each code by its class."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from service.models import remedies
from service.models.reader import CONTROLS
from service.models.remedies import RemedyClass, classes_of, remedy_of

GUIDE = ("131026", "131047", "131051", "130472")
"""The codes that the guide names."""

CLASSES = {
    RemedyClass.NOW: "2 130429 131000 131016 133004 131057",
    RemedyClass.LATER: "4 80007 131048 131049 134101 131056 131064 131208 132069",
    RemedyClass.NEVER: "130403 130472 130497 131021 131026 131050 131207 132016",
    RemedyClass.FIX: (
        "0 190 1 3 10 131005 33 100 131008 131009 368 131031 131020 131030 131037 131041 131042 "
        "131044 131045 131061 131065 "
        "133010 131047 131051 131052 131053 131055 132018 134100 134102 131062 131063 132000 "
        "132005 132008 132012 132001 132007 132015 132068 133000 133005 133006 133008 133009 "
        "133015 133016 134011 135000 137000"
    ),
}
"""Meta's codes, but for the permissions' range; its 1 and 133000 are what a look has to tell."""

KNOWN = [(code, kind) for kind, codes in CLASSES.items() for code in codes.split()]
PERMISSIONS = [str(code) for code in range(200, 300)]


def entries() -> list[dict[str, Any]]:
    path = Path(remedies.__file__).parent / "meta_errors.toml"
    found: list[dict[str, Any]] = tomllib.loads(path.read_text())["errors"]
    return found


@pytest.mark.parametrize(("code", "kind"), KNOWN)
def test_every_code_of_metas_table_has_its_class(code: str, kind: RemedyClass) -> None:
    assert remedy_of(code).remedy_class is kind


@pytest.mark.parametrize("code", GUIDE)
def test_every_code_of_the_guide_has_a_meaning_and_a_remedy(code: str) -> None:
    assert remedy_of(code).meaning
    assert remedy_of(code).remedy
    assert remedy_of(code).remedy_class is not RemedyClass.UNKNOWN


def test_a_range_holds_both_its_ends_and_nothing_beyond() -> None:
    missing = remedy_of("3")
    assert missing.remedy_class is RemedyClass.FIX
    assert {remedy_of(code) for code in PERMISSIONS} == {missing}
    assert remedy_of("199") == remedy_of("300") == remedy_of("999999")


@pytest.mark.parametrize(
    "code", ["", "5", "131999", "0131026", " 131026", "131026.0", "-1", "200-299", "expired", "٣"]
)
def test_of_a_code_that_is_not_there_nothing_is_said(code: str) -> None:
    found = remedy_of(code)
    assert found.remedy_class is RemedyClass.UNKNOWN
    assert found.meaning is found.remedy is None


def test_no_code_is_there_that_metas_table_lacks_and_none_twice() -> None:
    named = [str(code) for entry in entries() if "details" not in entry for code in entry["codes"]]
    assert sorted(named) == sorted([code for code, _ in KNOWN] + ["200-299"])


@pytest.mark.parametrize(
    "entry", entries(), ids=lambda entry: f"{entry['codes'][0]}{entry['class']}"
)
def test_texts_are_sentences_without_control_characters(entry: dict[str, Any]) -> None:
    for name in ("meaning", "remedy"):
        text = entry[name]
        assert text[0].isupper()
        assert text.endswith(".")
        assert text == " ".join(text.split())
        assert not CONTROLS.search(text)


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ("Downloading media from weblink failed with http code 503, Service Unavailable", "now"),
        ("Media upload error: HTTP status 500", "now"),
        ("failed with http code 404, status message Not Found", "fix"),
        ("The file has 500 KB", "fix"),
        ("", "fix"),
    ],
)
def test_media_that_a_server_could_not_give_just_then_is_sent_again(
    details: str, kind: str
) -> None:
    assert remedy_of("131053", details).remedy_class == kind
    assert classes_of("131053") == {RemedyClass.NOW, RemedyClass.FIX}


def test_each_class_is_a_word_of_the_contract() -> None:
    assert [kind.value for kind in RemedyClass] == ["now", "later", "fix", "never", "unknown"]
