"""A number is the same recipient for every endpoint and command, however it is decorated."""

import json
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from service.commands.foreign_rows import Table
from service.commands.record_lines import line_of, reports_of_line
from service.domain.query import Selection
from service.domain.record import Record, record_of
from service.domain.report import Clock
from service.errors import BadRequest
from service.models.decoding import Reader
from service.models.incoming import send_report, status_report
from service.models.meta_webhook import Payload
from service.models.requests import (
    EraseRequest,
    MessageLogsQuery,
    MessageStatusRequest,
    TrackSendRequest,
)
from service.models.selections import selection_of, selection_to_erase
from tests.factories import BASE_US
from tests.factories import send_report as sent
from tests.recipients import REFUSED, WRITTEN

_SEND, _STATUS = Reader(TrackSendRequest), Reader(MessageStatusRequest)
_ERASE = Reader(EraseRequest)
_QUERY = Reader(MessageLogsQuery)
_TABLE = Table(columns={}, statuses={}, defaults={}, now_us=BASE_US)
_TIME = str(BASE_US // 1_000_000)

ZEROS = [chr(point) for point in range(0x110000) if chr(point).isdecimal() and int(chr(point)) == 0]
"""The 0 of each script; its other digits follow in order."""

BETWEEN = st.text(st.characters(exclude_categories=["L", "N"]), max_size=3)


@st.composite
def decorated(draw: st.DrawFn) -> tuple[str, str]:
    """A number with other characters than letters and digits in it, and its digits."""
    digits = draw(st.from_regex("[1-9][0-9]{4,12}[1-9]", fullmatch=True))
    zero = ord(draw(st.sampled_from(["0", *ZEROS])))
    text = "".join(draw(BETWEEN) + chr(zero + int(digit)) for digit in digits) + draw(BETWEEN)
    assume(len(text) <= 140)
    return text, digits


def sends(text: str) -> str:
    body = json.dumps({"wa_id": text, "template_wamid": "w"}).encode()
    context = send_report(_SEND.body(body), BASE_US).context
    assert context
    return context.recipient_id


def updates(text: str) -> str:
    body = {"wamid": "w", "status": "read", "timestamp": _TIME, "recipient_id": text}
    recipient_id = status_report(_STATUS.body(json.dumps(body).encode()), BASE_US).recipient_id
    if not recipient_id:
        raise BadRequest("A status isn't lost for its recipient.")
    return recipient_id


def filters(text: str) -> Selection:
    return selection_of(_QUERY.query([("recipient_id", text)]))


def erases(text: str) -> Selection:
    return selection_to_erase(_ERASE.body(json.dumps({"recipient_id": text}).encode()))


def imports(text: str) -> str:
    row = {"wamid": "w", "recipient_id": text, "sent_at": _TIME, "event_id": "e"}
    [report] = _TABLE.reports(tuple(row), tuple(row.values()))
    assert report.context
    return report.context.recipient_id


def hears(text: str) -> str:
    """The recipient that Meta's webhook keeps: a bad one counts as absent there."""
    status = {"id": "w", "status": "read", "timestamp": _TIME, "recipient_id": text}
    change = {"field": "messages", "value": {"statuses": [status]}}
    body = json.dumps({"entry": [{"changes": [change]}]}).encode()
    [report] = Payload(body, Clock(lambda: BASE_US * 1_000)).reports
    if not report.recipient_id:
        raise BadRequest("A status isn't lost for its recipient.")
    return report.recipient_id


TAKERS: list[Callable[[str], object]] = [sends, updates, filters, erases, imports, hears]


@given(decorated())
@example(("\u200e919876580003", "919876580003"))
@example(("9\x009\ud83d9876543210", "999876543210"))
def test_a_decorated_number_is_the_same_recipient_everywhere(both: tuple[str, str]) -> None:
    text, digits = both
    for taker in TAKERS:
        assert taker(text) == taker(digits), taker.__name__
    assert sends(text) == updates(text) == imports(text) == hears(text) == digits
    assert erases(text).recipient_id == digits


@pytest.mark.parametrize(("text", "digits"), WRITTEN.items())
def test_so_is_one_that_a_program_wrote(text: str, digits: str) -> None:
    for taker in TAKERS:
        assert taker(text) == taker(digits), taker.__name__
    assert sends(text) == digits


@pytest.mark.parametrize("taker", TAKERS)
def test_what_is_refused_is_refused_everywhere(taker: Callable[[str], object]) -> None:
    for text in REFUSED:
        with pytest.raises(BadRequest) as caught:
            taker(text)
        assert len(text) < 4 or text.strip().casefold() not in caught.value.sentence.casefold()


@given(st.text(max_size=20))
def test_any_text_is_taken_or_refused_by_all_alike(text: str) -> None:
    """An empty one apart, which means in a body that nothing is given."""
    assume(text)
    outcomes = set()
    for taker in TAKERS:
        try:
            taker(text)
            outcomes.add("taken")
        except BadRequest:
            outcomes.add("refused")
    assert len(outcomes) == 1


@given(decorated())
def test_an_exported_line_of_an_earlier_version_is_read_anew(both: tuple[str, str]) -> None:
    """Where it kept what stands between the digits, or a word that stands for no value."""
    text, digits = both
    line = json.loads(line_of(_record("919876543210")))
    if text.isprintable():
        read = reports_of_line(json.dumps(line | {"recipient_id": text}).encode())
        assert record_of(read) == _record(digits)
    spoilt = json.dumps(line | {"recipient_id": "undefined"}).encode()
    assert record_of(reports_of_line(spoilt)).recipient_id == "undefined"


def _record(recipient_id: str) -> Record:
    return record_of([sent(received_us=BASE_US, recipient_id=recipient_id)])
