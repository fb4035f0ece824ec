"""No cell of a sheet calculates, also where a spreadsheet divides lines at semicolons."""

import csv
import re

import pytest

from service.domain.record import Record, record_of
from service.domain.report import Status
from service.models import sheets
from tests.factories import send_report, status_report

SIGNS = tuple("=+-@＝＋－＠")  # noqa: RUF001

UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u17b4\u180e\u200b\u200e\u202e\u2060\u2066\u206a\u2800\u3164\ufe0f\ufeff"
    "\uffa0\ufff9\U000e0020"
)

PHONE = re.compile(r"\+[0-9]{1,3} [0-9]")
"""Two numbers side by side are no formula, whatever stands behind them."""


def failed(name: str) -> Record:
    failure = status_report(Status.FAILED, error_code="1", error_message=name)
    return record_of([send_report(guest_name=name), failure])


def cells_of(name: str, delimiter: str) -> list[str]:
    text = sheets.rows([(failed(name), None)]).decode()
    return [cell for row in csv.reader([text], delimiter=delimiter) for cell in row]


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    "name", ["{}1+1", " {}1+1", "Jö;{}1+1", 'Jö"; {}1+1', "Jö, Jim;{}1+1;{}2", ";;{}1"]
)
def test_no_cell_is_a_formula(delimiter: str, sign: str, name: str) -> None:
    cells = cells_of(name.replace("{}", sign), delimiter)
    begin = [cell.strip(' "') for cell in cells]
    assert not any(cell.startswith(SIGNS) and not PHONE.match(cell) for cell in begin)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("name", [*"\u00a0\u2003\u3000\u202f\u1680", *UNSEEN, "\u3000\u00a0 "])
def test_nor_is_one_behind_a_blank_of_another_kind(name: str, sign: str) -> None:
    """Nor behind what nobody can see. `import` reads it back as it was."""
    cell = cells_of(f"{name}{sign}SUM(A)", ",")[1]
    assert cell == f"'{name}{sign}SUM(A)"
    assert sheets.text_in(cell) == f"{name}{sign}SUM(A)"


@pytest.mark.parametrize("name", ["Jö", "A-B", "a; b", "b + 1 = 2", " ", ";"])
def test_what_is_no_formula_stays_as_it_is(name: str) -> None:
    assert cells_of(name, ",")[1] == name
