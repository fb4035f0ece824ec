"""The models of requests. Their types say what is allowed, in words that callers read in errors.

`extra_json_schema` is for `/openapi.json` alone: it describes rules that `decoding` and `incoming`
check. Its patterns use only what regular expressions have in every language.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.domain.report import EARLIEST_S
from service.models import meanings
from service.models.schema import instead, one_of

MAX_ITEMS = 1_000
"""The most items in one request."""

RECIPIENT = (
    "a phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 140 "
    "characters"
)

MAX_ID = 128
"""The longest id that a caller may give, and the longest id of a sending phone number."""

MAX_METAS_ID = 140
"""The longest id from Meta: up to 128 characters after a country and perhaps `ENT.`."""

CONTROL = r"\x00-\x1f\x7f-\x9f"
"""The control characters, as they stand within the brackets of a pattern."""


class Controls(Enum):
    """What becomes of the control characters in a text."""

    REFUSED = "refused"
    """They are refused, as in an id: without them it would be another id."""
    SPACES = "spaces"
    """They become spaces, as in a name: a send must not be lost for a stray character."""
    READ = "read"
    """They stay, as in a recipient: `recipient_of` decides."""


def _controls(rule: Controls) -> dict[str, Controls]:
    return {"controls": rule}


ISO_TIME = r"[0-9W-]{7,10}[T ][0-9:.,]+(Z|[+-][0-9:.,]+)?"
"""A pattern for what may be an ISO 8601 date and time."""

EARLIEST = datetime.fromtimestamp(EARLIEST_S, UTC)
"""The earliest time of a message."""

PLAIN = {"pattern": f"^[^{CONTROL}]*$"}
"""The rule that a text has no control characters, for its JSON Schema."""

_GIVEN = {"minLength": 1}
# A pattern can't say in every language what a letter or a digit is beyond ASCII.
_A_NUMBER = r"([^0-9A-Za-z]*[0-9]){6,15}[^0-9A-Za-z]*"
_MORE_DIGITS = f"([^{CONTROL}0-9]*[0-9]){{16}}[^{CONTROL}]*"
_A_LETTER = f"[^{CONTROL}]*[A-Za-z][^{CONTROL}]*"
_BEYOND_ASCII = r"[\s\S]*[^\x00-\x9f][\s\S]*"
_A_RECIPIENT = f"{_A_NUMBER}|{_MORE_DIGITS}|{_A_LETTER}|{_BEYOND_ASCII}"
_RECIPIENT = {"pattern": f"^({_A_RECIPIENT})$"}
_RECIPIENT_OR_NONE = {"pattern": f"^({_A_RECIPIENT})?$"}
_A_TIME = "an ISO 8601 date and time or epoch seconds, not before 2009 and at most a day ahead"
_TIME = {"pattern": f"^({ISO_TIME}|0*[1-9][0-9]{{9}})$"}
_TIME_OR_NONE = {"pattern": f"^({ISO_TIME}|0*[1-9][0-9]{{9}})?$"}
# Ten digits: milliseconds, the likeliest mistake, have more.
_SECONDS = {"minimum": int(EARLIEST.timestamp()), "maximum": 9_999_999_999}

_TextId = Annotated[str, Meta(max_length=MAX_ID, extra_json_schema=PLAIN)]
_TextWamid = Annotated[str, Meta(max_length=256, extra_json_schema=PLAIN | _GIVEN)]
_TextRecipient = Annotated[str, Meta(max_length=MAX_METAS_ID, extra_json_schema=_RECIPIENT)]
_TextRecipientOrNone = Annotated[
    str, Meta(max_length=MAX_METAS_ID, extra_json_schema=_RECIPIENT_OR_NONE)
]
MAX_TIME = 128
"""The most characters of a time."""

_TextTime = Annotated[str, Meta(max_length=MAX_TIME, extra_json_schema=_TIME)]
_TextTimeOrNone = Annotated[str, Meta(max_length=MAX_TIME, extra_json_schema=_TIME_OR_NONE)]
_Digits = Annotated[int, Meta(ge=0)]
_SixDigits = Annotated[int, Meta(ge=100_000)]

Wamid = Annotated[
    _TextWamid | _Digits,
    Meta(description="a text of 1 to 256 characters without control characters"),
]
Id = Annotated[
    _TextId | _Digits,
    Meta(description="a text of up to 128 characters without control characters, or an integer"),
]
Recipient = Annotated[
    _TextRecipient | _SixDigits,
    Meta(description=RECIPIENT, extra=_controls(Controls.READ)),
]
RecipientOrNone = Annotated[
    _TextRecipientOrNone | _SixDigits,
    Meta(description=RECIPIENT, extra=_controls(Controls.READ)),
]
Word = Annotated[
    str,
    Meta(
        max_length=128,
        description="a text of up to 128 characters; control characters become spaces",
        extra=_controls(Controls.SPACES),
    ),
]
Name = Annotated[
    str,
    Meta(
        max_length=512,
        description="a text of up to 512 characters; control characters become spaces",
        extra=_controls(Controls.SPACES),
    ),
]
Time = Annotated[
    _TextTime | Annotated[int, Meta(extra_json_schema=_SECONDS)],
    Meta(description=_A_TIME),
]
TimeOrNone = Annotated[
    _TextTimeOrNone | Annotated[int, Meta(extra_json_schema=_SECONDS)],
    Meta(description=_A_TIME),
]
Errors = Annotated[
    msgspec.Raw,
    Meta(description="Meta's errors as they came; looked at for a failed message only"),
    meanings.ERRORS,
]
ReportedStatus = Annotated[
    Literal["sent", "delivered", "read", "failed", "played"],
    Meta(description="one of sent, delivered, read, failed (or played, taken as read)"),
]
Wamids = Annotated[
    list[Wamid | None],
    Meta(
        max_length=MAX_ITEMS, description="a list of up to 1,000 message ids; null is passed over"
    ),
]
FilterId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_ID,
        description="a text of 1 to 128 characters without control characters",
        extra_json_schema=PLAIN,
    ),
]
FilterName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        description="a text of 1 to 512 characters; control characters are looked for as spaces",
        extra=_controls(Controls.SPACES),
    ),
]
FilterRecipient = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_METAS_ID,
        description=RECIPIENT,
        extra_json_schema=_RECIPIENT,
        extra=_controls(Controls.READ),
    ),
]
Flag = Annotated[
    Literal["true", "false"], Meta(description="true or false"), instead({"type": "boolean"})
]
ListedStatus = Annotated[
    Literal["sent", "delivered", "read", "failed"],
    Meta(description="one of sent, delivered, read, failed"),
]
Limit = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]?|1[0-9][0-9]|200)(?![\s\S])",
        description="a whole number from 1 to 200",
    ),
    instead({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
    meanings.LIMIT,
]
Cursor = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,16}\.[A-Za-z0-9_-]{22}(?![\s\S])",
        description="taken from the Link header of the page before",
    ),
    meanings.CURSOR,
]
ValueCursor = Annotated[
    str,
    Meta(
        pattern=rf"^[0-9]{{1,16}}\.[^{CONTROL}]{{1,512}}(?![\s\S])",
        description="taken from the Link header of the page before",
    ),
    meanings.VALUE_CURSOR,
]
FilterCode = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,6}|none|other)(?![\s\S])",
        description="an error code of up to six digits, none: failed without one, or other: failed "
        "with a code that has no group of its own",
    ),
    meanings.CODE,
]
FilterClass = Annotated[
    Literal["now", "later", "fix", "never", "unknown"],
    Meta(description="one of now, later, fix, never, unknown"),
    meanings.CLASS,
]
SheetFormat = Annotated[
    Literal["json", "csv"],
    Meta(description="json or csv"),
    meanings.FORMAT,
]


class TrackSendRequest(msgspec.Struct, frozen=True, gc=False):
    """A template message was sent: body of `track-send`."""

    wa_id: Annotated[Recipient, meanings.WA_ID]
    template_wamid: Annotated[Wamid, meanings.WAMID]
    event_id: Annotated[Id | None, meanings.EVENT_ID] = None
    event_registration_id: Annotated[Id | None, meanings.REGISTRATION_ID] = None
    guest_id: Annotated[Id | None, meanings.GUEST_ID] = None
    template_name: Annotated[Name | None, meanings.TEMPLATE_NAME] = None
    flow_type: Annotated[Word | None, meanings.FLOW_TYPE] = None
    message_type: Annotated[Word | None, meanings.MESSAGE_TYPE] = None
    guest_name: Annotated[Name | None, meanings.GUEST_NAME] = None
    sent_at: Annotated[TimeOrNone | None, meanings.SENT_AT_REPORTED] = None
    campaign_id: Annotated[Id | None, meanings.CAMPAIGN_ID] = None
    phone_number_id: Annotated[Id | None, meanings.PHONE_NUMBER_ID] = None


class StatusRequired(msgspec.Struct, frozen=True, gc=False):
    """The required fields of a status that Meta reported."""

    wamid: Annotated[Wamid, meanings.WAMID]
    status: Annotated[ReportedStatus, meanings.REPORTED_STATUS]
    timestamp: Annotated[Time, meanings.TIMESTAMP]


class MessageStatusRequest(StatusRequired, frozen=True, gc=False):
    """Meta reported a status: the body of `message-status` as the guide has it."""

    recipient_id: Annotated[RecipientOrNone | None, meanings.RECIPIENT_ID] = None
    errors: Errors | UnsetType = UNSET


MetasRecipient = Annotated[
    msgspec.Raw,
    Meta(
        description=f"{RECIPIENT}; anything else counts as absent",
    ),
    meanings.RECIPIENT_ID,
]
MetasId = Annotated[
    msgspec.Raw,
    Meta(description=f"an id of up to {MAX_METAS_ID} characters; anything else counts as absent"),
]
MetasUserId = Annotated[MetasId, meanings.USER_ID]
MetasParentUserId = Annotated[MetasId, meanings.PARENT_USER_ID]
MetasParticipantId = Annotated[MetasId, meanings.PARTICIPANT_ID]
MetasPart = Annotated[msgspec.Raw, Meta(description="kept as Meta's status has it")]
NotStored = Annotated[msgspec.Raw, meanings.NOT_STORED]


class ForwardedStatusRequest(StatusRequired, frozen=True, gc=False):
    """Meta reported a status: body of `message-status`, which may hold all fields of Meta's status.

    It is refused only for a required field.
    """

    recipient_id: MetasRecipient | UnsetType = UNSET
    errors: Errors | UnsetType = UNSET
    recipient_user_id: MetasUserId | UnsetType = UNSET
    user_id: MetasUserId | UnsetType = UNSET
    recipient_parent_user_id: MetasParentUserId | UnsetType = UNSET
    parent_recipient_user_id: MetasParentUserId | UnsetType = UNSET
    parent_user_id: MetasParentUserId | UnsetType = UNSET
    recipient_participant_id: MetasParticipantId | UnsetType = UNSET
    participant_recipient_id: MetasParticipantId | UnsetType = UNSET
    recipient_participant_user_id: MetasParticipantId | UnsetType = UNSET
    recipient_participant_parent_user_id: MetasParticipantId | UnsetType = UNSET
    biz_opaque_callback_data: Annotated[MetasPart, meanings.CALLBACK_DATA] | UnsetType = UNSET
    pricing: Annotated[MetasPart, meanings.PRICING] | UnsetType = UNSET
    id: NotStored | UnsetType = UNSET
    recipient_type: NotStored | UnsetType = UNSET
    type: NotStored | UnsetType = UNSET
    conversation: NotStored | UnsetType = UNSET
    template_id: NotStored | UnsetType = UNSET
    group_id: NotStored | UnsetType = UNSET
    recipient_identity_key_hash: NotStored | UnsetType = UNSET


_IS_GIVEN = {"not": {"enum": [None, ""]}}
_REGISTRATION_NEEDS_EVENT = Meta(
    extra_json_schema={
        "if": {
            "properties": {"event_registration_id": _IS_GIVEN},
            "required": ["event_registration_id"],
        },
        "then": {"properties": {"event_id": _IS_GIVEN}, "required": ["event_id"]},
    }
)
_MANY = Meta(max_length=MAX_ITEMS, description="a list of up to 1,000 objects")

TrackSend = Annotated[TrackSendRequest, _REGISTRATION_NEEDS_EVENT]
RawTrackSend = Annotated[msgspec.Raw, one_of(TrackSendRequest), _REGISTRATION_NEEDS_EVENT]
RawMessageStatus = Annotated[msgspec.Raw, one_of(ForwardedStatusRequest)]


class TrackSendBatch(msgspec.Struct, frozen=True, gc=False):
    """Body of `track-send/batch`; each message is read by itself, so that none fails the others."""

    messages: Annotated[list[RawTrackSend], _MANY, meanings.MESSAGES_TO_TRACK]


class MessageStatusBatch(msgspec.Struct, frozen=True, gc=False):
    """Body of `message-status/batch`; each update is read by itself."""

    updates: Annotated[list[RawMessageStatus], _MANY, meanings.UPDATES]


WebhookPayload = Annotated[
    dict[str, Any],
    Meta(
        description="the body of Meta's webhook, of any form; the statuses in it are taken; a "
        "body in which nothing is known is refused, unless Meta signed it"
    ),
]


class HandshakeQuery(msgspec.Struct, frozen=True, rename="hub.{}".format):
    """Parameters of Meta's handshake, beside its `hub.verify_token`."""

    mode: Annotated[Literal["subscribe"], meanings.HUB_MODE]
    challenge: Annotated[str, Meta(min_length=1), meanings.HUB_CHALLENGE]


class StatusLookupRequest(msgspec.Struct, frozen=True, gc=False):
    """Body of `message-status-lookup`."""

    wamids: Annotated[Wamids, meanings.WAMIDS]
    versions: Annotated[bool | None, meanings.VERSIONS] = None


class EraseRequest(msgspec.Struct, frozen=True, gc=False):
    """Which messages are to be erased: body of `erase`; exactly one is given.

    Give the recipient's whole number or id: a number that only ends alike is another person's.
    """

    recipient_id: Annotated[RecipientOrNone | None, meanings.RECIPIENT_ID] = None
    guest_id: Annotated[Id | None, meanings.GUEST_ID] = None
    event_id: Annotated[Id | None, meanings.EVENT_ID] = None
    template_name: Annotated[Name | None, meanings.TEMPLATE_NAME] = None
    campaign_id: Annotated[Id | None, meanings.CAMPAIGN_ID] = None
    phone_number_id: Annotated[Id | None, meanings.PHONE_NUMBER_ID] = None


Erase = Annotated[
    EraseRequest,
    Meta(
        extra_json_schema={
            "if": {"type": "object"},  # always: generators would make a type of each choice
            "then": {
                "oneOf": [
                    {"properties": {name: _IS_GIVEN}, "required": [name]}
                    for name in EraseRequest.__struct_fields__
                ]
            },
        }
    ),
]


class CountedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of every query of messages: those by which they are counted."""

    event_id: Annotated[FilterId | None, meanings.EVENT_ID] = None
    template_name: Annotated[FilterName | None, meanings.TEMPLATE_NAME] = None
    campaign_id: Annotated[FilterId | None, meanings.CAMPAIGN_ID] = None
    phone_number_id: Annotated[FilterId | None, meanings.PHONE_NUMBER_ID] = None


class MessageLogsQuery(CountedQuery, frozen=True, forbid_unknown_fields=True):
    """Parameters of `message-logs`; a filter that is not given lets everything through."""

    registration_id: Annotated[FilterId | None, meanings.REGISTRATION_ID] = None
    guest_id: Annotated[FilterId | None, meanings.GUEST_ID] = None
    recipient_id: Annotated[FilterRecipient | None, meanings.RECIPIENT_ID] = None
    standalone: Annotated[Flag | None, meanings.STANDALONE_ONLY] = None
    status: Annotated[ListedStatus | None, meanings.STATUS_NOW] = None
    versions: Annotated[Flag | None, meanings.VERSIONS] = None
    limit: Limit = "50"
    cursor: Cursor | None = None


class MessageStatsQuery(CountedQuery, frozen=True, forbid_unknown_fields=True):
    """Parameters of `message-stats`: one of them at the most; without any all messages count."""


class ValuesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of `events` and the other lists of values."""

    limit: Limit = "50"
    cursor: ValueCursor | None = None


class FailuresQuery(
    CountedQuery, frozen=True, forbid_unknown_fields=True, rename={"remedy_class": "class"}
):
    """Parameters of `failures`: whose messages, by one of them at the most, and which of them."""

    code: FilterCode | None = None
    remedy_class: FilterClass | None = None
    sent_since: Annotated[Flag | None, meanings.SENT_SINCE_FILTER] = None
    count: Annotated[Flag | None, meanings.WITH_COUNT] = None
    limit: Limit = "50"
    cursor: Cursor | None = None
    format: SheetFormat | None = None


class LiveQuery(CountedQuery, frozen=True, forbid_unknown_fields=True):
    """Parameters of `live`: one of them at the most; without any it tells of all messages."""

    registration_id: Annotated[FilterId | None, meanings.REGISTRATION_ID] = None


class LatestLogQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of `message-logs/latest`."""

    registration_id: Annotated[FilterId, meanings.REGISTRATION_ID_REQUIRED]
    versions: Annotated[Flag | None, meanings.VERSIONS] = None
