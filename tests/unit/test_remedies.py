"""What is known of Meta's error codes: the guide's table and Meta's own, each code by its class."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from service.domain import error_codes
from service.domain.error_codes import (
    KNOWN_CODES,
    RemedyClass,
    classes_of,
    group_of,
    groups_of,
    remedy_of,
)
from service.domain.query import Selection
from service.domain.statistics import MOST_CODES, OTHER_CODE
from service.errors import BadRequest
from service.models.decoding import CONTROLS, Reader
from service.models.requests import FailuresQuery
from service.models.selections import failed_selection

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
    path = Path(error_codes.__file__).parent / "meta_errors.toml"
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


class TestGroups:
    """What failures are told by, however many codes there are."""

    def test_known_codes_and_the_most_frequent_others_stand_alone(self) -> None:
        unknown = {str(700_000 + number): 1 + number for number in range(1_000)}
        numbers = unknown | dict.fromkeys(KNOWN_CODES, 1) | {"": 3, "old text": 7, "1234567": 1}
        groups = groups_of(numbers)
        assert sum(groups.values()) == sum(numbers.values())
        assert set(KNOWN_CODES) | {"", OTHER_CODE} < set(groups)
        alone = set(groups) - set(KNOWN_CODES) - {"", OTHER_CODE}
        assert alone == {str(700_000 + number) for number in range(1_000 - MOST_CODES, 1_000)}
        assert list(groups.values()) == sorted(groups.values(), reverse=True)
        assert all(group_of(code, groups) in groups for code in numbers)

    def test_few_are_told_as_they_are(self) -> None:
        assert list(groups_of({"2": 2, "10": 2, "": 3}).items()) == [("", 3), ("10", 2), ("2", 2)]
        assert groups_of({}) == {}


class TestSelection:
    """Every message that failed is behind exactly one code, and behind exactly one class."""

    @staticmethod
    def matches(selection: Selection | None, code: str) -> bool:
        if selection is None:
            return False
        return (not selection.codes or code in selection.codes) and code not in selection.but_codes

    @staticmethod
    def select(**query: str) -> Selection | None:
        groups = ["131026", "", OTHER_CODE, "777777"]
        return failed_selection(Reader(FailuresQuery).query(list(query.items())), groups)

    @pytest.mark.parametrize(
        "code", ["", "131026", "131047", "2", "777777", "888888", "text", "other"]
    )
    def test_codes_and_classes_divide_the_failed(self, code: str) -> None:
        asked = ["none", "131026", "777777", "other", "131047", "2"]
        assert sum(self.matches(self.select(code=each), code) for each in asked) == 1
        kinds = [each for each in RemedyClass if self.matches(self.select(**{"class": each}), code)]
        assert kinds == [remedy_of(code).remedy_class]
        assert self.matches(self.select(), code)

    @pytest.mark.parametrize(
        ("code", "kind", "is_any"),
        [
            ("131026", "never", True),
            ("131026", "now", False),
            ("other", "unknown", True),
            ("other", "fix", False),
            ("none", "unknown", True),
            ("888888", "unknown", True),
        ],
    )
    def test_a_code_of_another_class_is_of_no_message(
        self, code: str, kind: str, is_any: bool
    ) -> None:
        assert (self.select(code=code, **{"class": kind}) is not None) is is_any

    @pytest.mark.parametrize("code", ["1234567", "text", "-1", "", "1 "])
    def test_what_is_no_code_is_refused(self, code: str) -> None:
        with pytest.raises(BadRequest):
            self.select(code=code)
