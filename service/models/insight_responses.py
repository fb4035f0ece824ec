"""The responses beyond the integration guide: statistics, lists, failures, and one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import starmap
from typing import Annotated, Any, NotRequired, TypedDict, cast, get_type_hints

from msgspec import Meta

from service.domain.dimensions import RECIPIENT_FIELDS, Dimension
from service.domain.error_codes import Remedy, RemedyClass, groups_of, remedy_of
from service.domain.record import Participant, Record, receipts_of
from service.domain.report import Status
from service.domain.statistics import AGES_S, TOLERANCE_MS, LatencyHistogram, Stats, ValueTotals
from service.models import meanings
from service.models.pricing import pricing_of
from service.models.responses import (
    Count,
    DeliveredAt,
    ErrorCode,
    ErrorMessage,
    EventId,
    FailedAt,
    GuestId,
    GuestName,
    MessageLog,
    MessageWamid,
    Moment,
    ReadAt,
    RecipientId,
    RegistrationId,
    SentAt,
    TemplateName,
    iso,
    message_log,
)

Number = Annotated[Count, meanings.COUNT]
Share = Annotated[Annotated[float, Meta(ge=0, le=1)] | None, meanings.SHARE]
Quantile = Annotated[Count | None, meanings.QUANTILE]
WhenToSendAgain = Annotated[RemedyClass, meanings.REMEDY_CLASS]
ErrorMeaning = Annotated[str | None, meanings.ERROR_MEANING]
WhatToDo = Annotated[str | None, meanings.REMEDY]


class StatusCounts(TypedDict):
    """How many messages, by status."""

    sent: Number
    delivered: Number
    read: Number
    failed: Number


class Rates(TypedDict):
    """Which part of all messages reached each status."""

    delivered: Share
    read: Share
    failed: Share


FailureGroup = TypedDict(
    "FailureGroup",
    {
        "code": Annotated[str | None, meanings.GROUP_CODE],
        "count": Number,
        "meaning": ErrorMeaning,
        "remedy": WhatToDo,
        "class": WhenToSendAgain,
    },
)
FailureGroup.__doc__ = "Messages that failed for one reason."


class ListedFailureGroup(FailureGroup):
    """The messages that failed with one code, and how many of them the list has."""

    listed: NotRequired[Annotated[Count | None, meanings.LISTED]]


class WithinSeconds(TypedDict):
    """How many messages took at most that long; null stands for any time."""

    s: Annotated[Count | None, meanings.WITHIN_S]
    count: Annotated[Count, meanings.WITHIN_COUNT]


class TimeTaken(TypedDict):
    """How long it took from `sent`: 50, 90 and 99 % of the messages took at most that long."""

    count: Annotated[Count, meanings.TIMED]
    p50_s: Quantile
    p90_s: Quantile
    p99_s: Quantile
    within: Annotated[list[WithinSeconds], meanings.WITHIN]


class AwaitingAge(TypedDict):
    """How many messages have an age from the bound before up to this one; null: any age."""

    under_s: Annotated[Count | None, meanings.UNDER_S]
    count: Annotated[Count, meanings.AGE_COUNT]


class Awaiting(TypedDict):
    """Messages that were sent and have no later status."""

    total: Annotated[Count, meanings.AWAITING_TOTAL]
    by_age: Annotated[list[AwaitingAge], meanings.BY_AGE]


class MessageStatsResponse(TypedDict):
    """Answer of `message-stats`; `statuses` adds up to `total`, `failures` to those failed."""

    total: Annotated[Count, meanings.TOTAL]
    statuses: Annotated[StatusCounts, meanings.STATUSES]
    reached: Annotated[StatusCounts, meanings.REACHED]
    rates: Annotated[Rates, meanings.RATES]
    failures: Annotated[list[FailureGroup], meanings.FAILURE_GROUPS]
    time_to_deliver: Annotated[TimeTaken, meanings.TIME_TO_DELIVER]
    time_to_read: Annotated[TimeTaken, meanings.TIME_TO_READ]
    awaiting: Annotated[Awaiting, meanings.AWAITING]


class ValueCounts(TypedDict):
    """What a list of values shows of each value beside its name."""

    latest_at: Annotated[Moment, meanings.LATEST_AT]
    total: Number
    statuses: Annotated[StatusCounts, meanings.STATUSES]


def list_name(dimension: Dimension) -> str:
    """Returns the name of the list of a dimension's values, such as `phone_numbers`."""
    return f"{dimension.name}s"


def values_response(dimension: Dimension) -> Any:  # noqa: ANN401  a TypedDict that is made here
    """Returns the model of the answer that lists a dimension's values, as `EventsResponse`."""
    word = dimension.name.title().replace("_", "")
    value = Annotated[str, meanings.MEANING_OF_FIELD[dimension.field]]
    shown = {dimension.field: value} | get_type_hints(ValueCounts, include_extras=True)
    counts = TypedDict(f"{word}Counts", shown)  # type: ignore[misc]  # its keys follow the table
    counts.__doc__ = f"A value of `{dimension.field}` that has messages."
    values = Annotated[list[counts], meanings.VALUES]
    answer = TypedDict(f"{word}sResponse", {list_name(dimension): values})  # type: ignore[misc]
    answer.__doc__ = f"Answer of `{list_name(dimension)}`."
    return answer


FailureReason = TypedDict(
    "FailureReason",
    {
        "code": ErrorCode,
        "message": ErrorMessage,
        "details": Annotated[str | None, meanings.ERROR_DETAILS],
        "href": Annotated[str | None, meanings.ERROR_HREF],
        "at": Annotated[Moment, meanings.ERROR_AT],
        "meaning": ErrorMeaning,
        "remedy": WhatToDo,
        "class": WhenToSendAgain,
    },
)
FailureReason.__doc__ = "Why a message failed."


class TimelineEntry(TypedDict):
    """A reported status: its time, and when the service first received it."""

    status: Annotated[Status, meanings.TIMELINE_STATUS]
    at: Annotated[Moment, meanings.TIMELINE_AT]
    received_at: Annotated[Moment | None, meanings.RECEIVED_AT]


class MessageParticipant(TypedDict):
    """A member of a group, and how far the message came with them."""

    participant_id: Annotated[str, meanings.PARTICIPANT_ID]
    status: Annotated[Status | None, meanings.PARTICIPANT_STATUS]
    sent_at: SentAt
    delivered_at: DeliveredAt
    read_at: ReadAt
    failed_at: FailedAt
    error: Annotated[FailureReason | None, meanings.MESSAGE_ERROR]


class Message(MessageLog):
    """Everything known of a message."""

    flow_type: Annotated[str | None, meanings.FLOW_TYPE]
    created_at: Annotated[Moment, meanings.CREATED_AT]
    tracked_at: Annotated[Moment | None, meanings.TRACKED_AT]
    error: Annotated[FailureReason | None, meanings.MESSAGE_ERROR]
    timeline: Annotated[list[TimelineEntry], meanings.TIMELINE]
    conflicts: Annotated[list[str], meanings.CONFLICTS]
    pricing: Annotated[dict[str, Any] | None, meanings.PRICING]
    campaign_id: Annotated[str | None, meanings.CAMPAIGN_ID]
    metas_recipient_id: Annotated[str | None, meanings.METAS_RECIPIENT_ID]
    phone_number_id: Annotated[str | None, meanings.PHONE_NUMBER_ID]
    user_id: Annotated[str | None, meanings.USER_ID]
    parent_user_id: Annotated[str | None, meanings.PARENT_USER_ID]
    callback_data: Annotated[str | None, meanings.CALLBACK_DATA]
    participants: Annotated[list[MessageParticipant], meanings.PARTICIPANTS]


class MessageResponse(TypedDict):
    """Answer of `messages`."""

    message: Annotated[Message, meanings.MESSAGE]


FailedRecipient = TypedDict(
    "FailedRecipient",
    {
        "recipient_id": RecipientId,
        "guest_name": GuestName,
        "guest_id": GuestId,
        "registration_id": RegistrationId,
        "event_id": EventId,
        "template_name": TemplateName,
        "wamid": MessageWamid,
        "failed_at": FailedAt,
        "error_code": ErrorCode,
        "error_message": ErrorMessage,
        "error_details": Annotated[str | None, meanings.ERROR_DETAILS],
        "class": WhenToSendAgain,
        "sent_since": Annotated[Status | None, meanings.SENT_SINCE],
    },
)
FailedRecipient.__doc__ = "A failed message and its recipient."


class FailuresResponse(TypedDict):
    """Answer of `failures`: all groups, and a page of recipients."""

    failures: Annotated[list[ListedFailureGroup], meanings.LISTED_GROUPS]
    recipients: Annotated[list[FailedRecipient], meanings.RECIPIENTS]


def message_stats(stats: Stats) -> MessageStatsResponse:
    """Returns the answer of `message-stats`."""
    total, reached = stats.total, stats.reached
    ages = zip((*AGES_S, None), stats.awaiting, strict=True)
    return {
        "total": total,
        "statuses": _counts(stats.statuses),
        "reached": _counts(reached),
        "rates": {
            "delivered": _part(reached[Status.DELIVERED], total),
            "read": _part(reached[Status.READ], total),
            "failed": _part(reached[Status.FAILED], total),
        },
        "failures": [*starmap(_failure_group, groups_of(stats.errors).items())],
        "time_to_deliver": _time_taken(stats.to_deliver),
        "time_to_read": _time_taken(stats.to_read),
        "awaiting": {
            "total": stats.statuses[Status.SENT],
            "by_age": [{"under_s": age_s, "count": number} for age_s, number in ages],
        },
    }


def _counts(numbers: Mapping[Status, int]) -> StatusCounts:
    return cast("StatusCounts", {status.value: number for status, number in numbers.items()})


def _part(number: int, total: int) -> float | None:
    return number / total if total else None


def _time_taken(took: LatencyHistogram) -> TimeTaken:
    return {
        "count": took.number,
        "p50_s": took.quantile_s(0.5),
        "p90_s": took.quantile_s(0.9),
        "p99_s": took.quantile_s(0.99),
        "within": [{"s": bound_s, "count": number} for bound_s, number in took.within],
    }


def _failure_group(code: str, number: int, title: str | None = None) -> ListedFailureGroup:
    found = {"code": code or None, "count": number, **_remedy(remedy_of(code), title)}
    return cast("ListedFailureGroup", found)


def failures_answer(
    groups: Mapping[str, int], failed: Iterable[tuple[Record, Record | None]]
) -> FailuresResponse:
    """Returns the answer of `failures`: the codes, and a page of recipients.

    Args:
        groups: the numbers of failures by code, see `error_codes.groups_of`.
        failed: a page of failed messages, each with its latest second try.
    """
    failed = list(failed)
    titles = {
        record.error_code: record.error_message
        for record, _ in failed
        if record.error_code and record.error_message
    }
    return {
        "failures": [_failure_group(*each, titles.get(each[0])) for each in groups.items()],
        "recipients": [failed_recipient(*each) for each in failed],
    }


def counted_failures(
    groups: Mapping[str, int],
    listed: Counter[str] | None,
    failed: Iterable[tuple[Record, Record | None]],
) -> FailuresResponse:
    """Returns the answer of `failures` with how many messages of each code the whole list has.

    Args:
        groups: see `failures_answer`.
        listed: these numbers; None if counting them took too long.
        failed: see `failures_answer`.
    """
    # A message may have failed with a new code since the groups were counted.
    numbers = Counter(groups) | (listed or Counter())
    answer = failures_answer(numbers, failed)
    for code, group in zip(numbers, answer["failures"], strict=True):
        group["listed"] = None if listed is None else listed[code]
    return answer


def _remedy(remedy: Remedy, title: str | None) -> dict[str, object]:
    """Returns what an answer says about an error. Without a meaning it says Meta's title."""
    return {
        "meaning": remedy.meaning or title or None,
        "remedy": remedy.remedy,
        "class": remedy.remedy_class,
    }


def values_answer(dimension: Dimension, standings: Iterable[ValueTotals]) -> dict[str, object]:
    """Returns the answer that lists values of a dimension."""
    return {list_name(dimension): [_value_counts(dimension.field, each) for each in standings]}


def _value_counts(field: str, standing: ValueTotals) -> dict[str, object]:
    return {
        field: standing.value,
        "latest_at": _iso_of_us(str(standing.latest_us)),
        "total": standing.total,
        "statuses": _counts(standing.statuses),
    }


def _iso_of_us(time_us: str) -> str | None:
    return iso(time_us[:-3])


_IDS = (
    *RECIPIENT_FIELDS[1:],
    "campaign_id",
    "phone_number_id",
    "callback_data",
)


def message(record: Record, participants: Iterable[Participant]) -> Message:
    """Returns everything that is known of a message and its participants."""
    found = {
        **message_log(record),
        "flow_type": record.flow_type or None,
        "created_at": _iso_of_us(record.created_us),
        "tracked_at": _iso_of_us(record.tracked_us),
        "error": _error(record),
        "timeline": _timeline(record),
        "conflicts": list(_conflicts(record)),
        "pricing": pricing_of(record),
        **{name: getattr(record, name) or None for name in _IDS},
        "participants": [*map(_participant, participants)],
    }
    return cast("Message", found)


def _participant(participant: Participant) -> dict[str, object]:
    times = {f"{status}_at": iso(_time_of(participant, status)) for status in Status}
    return {
        "participant_id": participant.participant_id,
        "status": participant.status,
        **times,
        "error": _error(participant),
    }


def _error(record: Record | Participant) -> dict[str, object] | None:
    if not record.error_ms:
        return None
    return {
        "code": record.error_code or None,
        "message": record.error_message or None,
        "details": record.error_details or None,
        "href": record.error_href or None,
        "at": iso(record.error_ms),
        **_remedy(remedy_of(record.error_code, record.error_details), record.error_message),
    }


def _timeline(record: Record) -> list[TimelineEntry]:
    """Returns the statuses by their time; at equal times in the order of statuses."""
    received_ms = receipts_of(record)
    times = [(int(at_ms), s) for s in Status if (at_ms := _time_of(record, s))]
    entries = [
        {"status": s, "at": iso(str(at_ms)), "received_at": iso(received_ms.get(s, ""))}
        for at_ms, s in sorted(times, key=lambda entry: entry[0])
    ]
    return cast("list[TimelineEntry]", entries)


def _time_of(record: Record | Participant, status: Status) -> str:
    time_ms: str = getattr(record, f"{status}_ms")
    return time_ms


_IN_ORDER = (
    (Status.SENT, Status.DELIVERED, TOLERANCE_MS + 1),
    (Status.SENT, Status.READ, TOLERANCE_MS + 1),
    (Status.SENT, Status.FAILED, TOLERANCE_MS + 1),
    (Status.DELIVERED, Status.READ, 1_000),
)
"""Pairs of statuses that should come in this order. If the first is at least so many ms later than
the second, that is a conflict."""


def _conflicts(record: Record) -> Iterator[str]:
    """Yields sentences about contradictions: delivered and failed, or times in a wrong order."""
    for came in (Status.DELIVERED, Status.READ):
        came_ms, failed_ms = _time_of(record, came), _time_of(record, Status.FAILED)
        if came_ms and failed_ms and int(came_ms) <= int(failed_ms):
            yield _sentence(f"It was {came}", came_ms, "reported failed", failed_ms)
        elif came_ms and failed_ms:
            yield _sentence("It was reported failed", failed_ms, came, came_ms)
    for first, second, least_ms in _IN_ORDER:
        first_ms, second_ms = _time_of(record, first), _time_of(record, second)
        if first_ms and second_ms and int(first_ms) - int(second_ms) >= least_ms:
            yield _sentence(f"It was reported {second}", second_ms, first, first_ms)


def _sentence(first: str, first_ms: str, second: str, second_ms: str) -> str:
    return f"{first} at {iso(first_ms)}, then {second} at {iso(second_ms)}."


def failed_recipient(record: Record, since: Record | None) -> FailedRecipient:
    """Returns who a failed message was for, why it failed, and how its second try stands."""
    found = {
        "recipient_id": record.recipient_id,
        "guest_name": record.guest_name or None,
        "guest_id": record.guest_id or None,
        "registration_id": record.registration_id or None,
        "event_id": record.event_id or None,
        "template_name": record.template_name or None,
        "wamid": record.wamid,
        "failed_at": iso(record.failed_ms),
        "error_code": record.error_code or None,
        "error_message": record.error_message or None,
        "error_details": record.error_details or None,
        "class": remedy_of(record.error_code, record.error_details).remedy_class,
        "sent_since": since.status if since else None,
    }
    return cast("FailedRecipient", found)
