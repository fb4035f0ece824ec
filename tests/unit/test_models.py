"""Times, recipients, errors, ids: the contract's text rules, one by one and by property."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.identity import _NAMESPACE, partition_of, uuid_of
from service.errors import BadRequest
from service.models.decoding import Reader
from service.models.fields import error_in_json, error_of, time_of
from service.models.incoming import send_report, status_report
from service.models.requests import MessageLogsQuery, MessageStatusRequest, TrackSendRequest
from service.models.responses import iso

NOW_MS = 1_800_000_000_000
JANUARY_MS = 1_705_314_600_000


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2024-01-15T10:30:00.000Z", JANUARY_MS),
        ("2024-01-15T10:30:00Z", JANUARY_MS),
        ("2024-01-15 10:30:00", JANUARY_MS),
        ("2024-01-15T10:30", JANUARY_MS),
        ("20240115T103000Z", JANUARY_MS),
        ("2024-W03-1T10:30:00Z", JANUARY_MS),
        ("2024-01-15T16:00:00+05:30", JANUARY_MS),
        ("2024-01-15T10:30:00,5Z", JANUARY_MS + 500),
        ("2024-01-15T10:30:00.9999999999Z", JANUARY_MS + 999),
        ("1705314600", JANUARY_MS),
        (1705314600, JANUARY_MS),
    ],
)
def test_times_are_read(text: str | int, time_ms: int) -> None:
    assert time_of(text, NOW_MS) == time_ms


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-15",
        "10:30:00",
        "2024-01-15t10:30:00Z",
        "2024-01-15x10:30:00Z",
        "20240115x103000Z",
        "2024-01-15T10:30:00z",
        "2024-01-15T25:00:00Z",
        "2024-02-30T10:30:00Z",
        "2024-01-15T10:30:00Z ",
        "\uff11\uff17\uff10\uff15\uff13\uff11\uff14\uff16\uff10\uff10",
        "1705314600.5",
        "9" * 128,
        10**4000,
    ],
)
def test_other_times_are_refused(text: str | int) -> None:
    with pytest.raises(BadRequest, match="timestamp must be an ISO 8601"):
        time_of(text, NOW_MS)


def test_times_reach_from_2009_to_a_day_ahead() -> None:
    day_ms = 24 * 60 * 60 * 1000
    for seconds in (1230768000, (NOW_MS + day_ms) // 1000):
        assert time_of(seconds, NOW_MS) == seconds * 1000
    for seconds in (1230767999, (NOW_MS + day_ms) // 1000 + 1):
        with pytest.raises(BadRequest):
            time_of(seconds, NOW_MS)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    try:
        assert isinstance(time_of(text, NOW_MS), int)
    except BadRequest as refusal:
        assert refusal.field == "timestamp"


@given(
    st.datetimes(datetime(2009, 1, 2), datetime(2026, 1, 1)),  # noqa: DTZ001  the zone comes next
    st.integers(-14 * 60, 14 * 60),
)
def test_a_written_time_is_read_as_itself(moment: datetime, offset_minutes: int) -> None:
    aware = moment.replace(tzinfo=UTC)
    time_ms = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    written = iso(str(time_ms))
    assert written is not None
    assert time_of(written, NOW_MS) == time_ms
    assert written.endswith("Z")
    assert (len(written) == len("2024-01-15T10:30:00Z")) is (time_ms % 1000 == 0)
    sign, minutes = "-" if offset_minutes < 0 else "+", abs(offset_minutes)
    local = (aware + timedelta(minutes=offset_minutes)).replace(tzinfo=None).isoformat()
    assert time_of(f"{local}{sign}{minutes // 60:02}:{minutes % 60:02}", NOW_MS) == time_ms


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
meta_errors = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("code", "title", "message", "details", "error_data"), json_values),
)


@given(st.lists(meta_errors | json_values, max_size=4) | json_values)
def test_nothing_in_metas_errors_is_refused(errors: object) -> None:
    raw = msgspec.Raw(json.dumps(errors).encode())
    for found in (error_of(errors), error_in_json(raw)):
        assert max(map(len, found)) <= 1000
        assert not any(ord(character) < 32 for character in "".join(found))
        "".join(found).encode()  # no lone surrogate is left


@given(
    st.fixed_dictionaries(
        {
            "wamid": st.text(max_size=300),
            "status": st.sampled_from(["sent", "failed", "played", "other"]),
            "timestamp": st.sampled_from(["1705314600", 1705314600, "never"]),
        },
        optional={"recipient_id": json_values, "errors": json_values, "more": json_values},
    )
)
def test_a_status_update_is_taken_or_refused_by_name(body: dict[str, object]) -> None:
    try:
        request = Reader(MessageStatusRequest).body(json.dumps(body).encode())
        report = status_report(request, NOW_MS * 1000)
    except BadRequest as refusal:
        assert refusal.field in {"wamid", "status", "timestamp", "recipient_id", None}
    else:
        assert report.wamid == body["wamid"]
        assert report.at_ms == JANUARY_MS


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_body_breaks_the_reader(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        Reader(TrackSendRequest).body(raw)


def test_a_track_send_says_sent_now() -> None:
    body = b'{"wa_id": "+919876543210", "template_wamid": "w", "event_id": null, "guest_id": ""}'
    report = send_report(Reader(TrackSendRequest).body(body), NOW_MS * 1000 + 1)
    assert (report.status, report.at_ms, report.received_us) == ("sent", NOW_MS, NOW_MS * 1000 + 1)
    assert report.context
    assert report.context.recipient_id == "919876543210"
    assert report.context.guest_id == ""


def test_a_query_names_what_is_allowed() -> None:
    with pytest.raises(BadRequest, match="allowed are event_id, template_name, "):
        Reader(MessageLogsQuery).query([("evnt_id", "x")])
    with pytest.raises(BadRequest, match="limit must be a whole number from 1 to 200"):
        Reader(MessageLogsQuery).query([("limit", "many")])


@given(st.text(min_size=1, max_size=256))
def test_the_id_is_the_uuid_of_the_wamid(wamid: str) -> None:
    namespace = uuid.UUID(bytes=_NAMESPACE)
    assert uuid_of(wamid) == str(uuid.uuid5(namespace, wamid))
    assert 0 <= partition_of(wamid, 32) < 32


def test_the_partition_is_by_the_crc16_of_redis_cluster() -> None:
    """The check value of the cluster specification's appendix."""
    assert partition_of("123456789", 65536) == 0x31C3
