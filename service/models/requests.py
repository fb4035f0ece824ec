"""What requests look like: the types say what is allowed, in words that the caller reads too."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_ITEMS = 1_000
"""In one request."""

RECIPIENT = (
    "a phone number of 6 to 15 digits, or another id with a letter or more digits, of up to 128 "
    "characters"
)

_Text128 = Annotated[str, Meta(max_length=128)]
_Text256 = Annotated[str, Meta(max_length=256)]
_Text512 = Annotated[str, Meta(max_length=512)]
_Digits = Annotated[int, Meta(ge=0)]

Wamid = Annotated[
    _Text256 | _Digits,
    Meta(description="a text of 1 to 256 characters without control characters"),
]
Id = Annotated[
    _Text128 | _Digits,
    Meta(description="a text of up to 128 characters without control characters, or an integer"),
]
Recipient = Annotated[
    _Text128 | _Digits,
    Meta(description=RECIPIENT),
]
Word = Annotated[
    _Text128, Meta(description="a text of up to 128 characters without control characters")
]
Name = Annotated[
    _Text512, Meta(description="a text of up to 512 characters without control characters")
]
Time = Annotated[
    _Text128 | int,
    Meta(
        description="an ISO 8601 date and time or epoch seconds, not before 2009 and at most a day "
        "ahead"
    ),
]
ReportedStatus = Annotated[
    Literal["sent", "delivered", "read", "failed", "played"],
    Meta(description="one of sent, delivered, read, failed (or played, taken as read)"),
]
Wamids = Annotated[
    list[Wamid],
    Meta(max_length=MAX_ITEMS, description="a list of up to 1,000 message ids"),
]


Batch = Annotated[
    list[msgspec.Raw],
    Meta(max_length=MAX_ITEMS, description="a list of up to 1,000 objects"),
]


FilterId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="a text of 1 to 128 characters without control characters",
    ),
]
FilterName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        description="a text of 1 to 512 characters without control characters",
    ),
]
FilterRecipient = Annotated[
    str,
    Meta(min_length=1, max_length=128, description=RECIPIENT),
]
Flag = Annotated[Literal["true", "false"], Meta(description="true or false")]
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
]
Cursor = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{16}\.[A-Za-z0-9_-]{22}(?![\s\S])",
        description="taken from the Link header of the page before",
    ),
]


class TrackSendRequest(msgspec.Struct, frozen=True, gc=False):
    """A template message was sent: body of `track-send`."""

    wa_id: Recipient
    template_wamid: Wamid
    event_id: Id | None = None
    event_registration_id: Id | None = None
    guest_id: Id | None = None
    template_name: Name | None = None
    flow_type: Word | None = None
    message_type: Word | None = None
    guest_name: Name | None = None


class MessageStatusRequest(msgspec.Struct, frozen=True, gc=False):
    """Meta reported a status: body of `message-status`."""

    wamid: Wamid
    status: ReportedStatus
    timestamp: Time
    recipient_id: Recipient | None = None
    errors: msgspec.Raw = msgspec.Raw(b"null")


class TrackSendBatch(msgspec.Struct, frozen=True, gc=False):
    """Body of `track-send/batch`; each message is read by itself, so that none fails the others."""

    messages: Batch


class MessageStatusBatch(msgspec.Struct, frozen=True, gc=False):
    """Body of `message-status/batch`; each update is read by itself."""

    updates: Batch


class StatusLookupRequest(msgspec.Struct, frozen=True, gc=False):
    """Body of `message-status-lookup`."""

    wamids: Wamids


class MessageLogsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of `message-logs`; a filter that is not given lets everything through."""

    registration_id: FilterId | None = None
    event_id: FilterId | None = None
    guest_id: FilterId | None = None
    recipient_id: FilterRecipient | None = None
    template_name: FilterName | None = None
    standalone: Flag | None = None
    status: ListedStatus | None = None
    limit: Limit = "50"
    cursor: Cursor | None = None


class LatestLogQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of `message-logs/latest`."""

    registration_id: FilterId
