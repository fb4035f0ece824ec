"""Reports and request bodies for tests: whole and plain, save for what the test is about."""

from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st

from service.domain.report import Context, Extras, Report, Status

Property = TypeVar("Property", bound=Callable[..., object])

BASE_MS = 1_700_000_000_000
BASE_US = BASE_MS * 1000

_received_us = count(BASE_US)


def tried(share: float) -> settings:
    """A property is tried so many times as often as the profile says."""
    return settings(max_examples=round(share * settings().max_examples))


def examples(test: Property) -> Property:
    """A property that is tried on each kind of store: four times less often than others."""
    return tried(1 / 4)(test)


def status_report(status: Status, *, at_s: int = 0, **fields: str | int) -> Report:
    """A status update, `at_s` seconds after `BASE_MS`; each is received after the one before."""
    defaults: dict[str, Any] = {
        "wamid": "wamid.A",
        "received_us": next(_received_us),
        "at_ms": BASE_MS + at_s * 1000,
    }
    return Report(status=status, **(defaults | fields))


def send_report(*, wamid: str = "wamid.A", received_us: int = 0, **context: str) -> Report:
    """A track-send with this context."""
    received_us = received_us or next(_received_us)
    return Report(
        wamid=wamid,
        status=Status.SENT,
        at_ms=received_us // 1000,
        received_us=received_us,
        context=Context(**({"recipient_id": "919876543210"} | context)),
    )


def event_send(number: int, **fields: str) -> dict[str, str]:
    """The body of a track-send for the guest of that number at one event."""
    body = {
        "wa_id": f"9198765{number:05}",
        "event_id": "event-1",
        "event_registration_id": f"registration-{number}",
        "template_wamid": f"wamid.{number}",
        "template_name": "rsvp_invite_v2",
        "flow_type": "rsvp",
        "message_type": "rsvp",
        "guest_id": f"guest-{number}",
        "guest_name": "John Doe",
    }
    return body | fields


def status_update(number: int, reported: str, **fields: object) -> dict[str, object]:
    """The body of a status update for the message of that number."""
    body = {
        "wamid": f"wamid.{number}",
        "recipient_id": f"9198765{number:05}",
        "status": reported,
        "timestamp": "2024-01-15T10:30:00.000Z",
    }
    return body | fields


# Few values each, so that reports meet: the same message, the same time, the same name.
_WAMIDS = st.sampled_from(["wamid.A", "wamid.B", "wamid.C{1}", "wamid.Ü:"])
_TIMES_MS = st.integers(BASE_MS, BASE_MS + 3)
STAMPS_US = st.integers(0, 20).map(lambda place: BASE_US + 300 * place)  # some share a ms
_RECIPIENTS = st.sampled_from(["", "919876543210", "9876543210", "123456", "US.A1", "us.b"])
_NAMES = st.sampled_from(["", "a", "B", "é", "x:y"])

_statuses = st.builds(
    Report,
    wamid=_WAMIDS,
    status=st.sampled_from(Status),
    at_ms=_TIMES_MS,
    received_us=STAMPS_US,
    recipient_id=_RECIPIENTS,
    extras=st.just(()) | st.builds(Extras, *[_NAMES] * len(Extras.__struct_fields__)),
)
PARTICIPANTS = st.sampled_from(["919876543210", "IN.1", "a b"])
_failures = st.builds(
    Report,
    wamid=_WAMIDS,
    status=st.just(Status.FAILED),
    at_ms=_TIMES_MS,
    received_us=STAMPS_US,
    error_code=st.sampled_from(["", "131026", "131047", "9"]),
    error_message=_NAMES,
    error_details=_NAMES,
    error_href=_NAMES,
    extras=st.just(()) | st.builds(Extras, participant_id=PARTICIPANTS),
)
_sends = st.builds(
    Report,
    wamid=_WAMIDS,
    status=st.just(Status.SENT),
    at_ms=_TIMES_MS,
    received_us=STAMPS_US,
    context=st.builds(
        Context,
        recipient_id=_RECIPIENTS.filter(bool),
        event_id=_NAMES,
        registration_id=_NAMES,
        guest_id=_NAMES,
        template_name=_NAMES,
        flow_type=_NAMES,
        message_type=_NAMES,
        guest_name=_NAMES,
        campaign_id=_NAMES,
        phone_number_id=_NAMES,
    ),
)

reports = st.one_of(_statuses, _failures, _sends)
"""Any one report about one of a few messages."""
