"""Every key in Redis, the dimensions that messages are indexed by, and a message's partition.

Also the values that say which messages are asked for.

All keys of a partition begin with its tag, `{wa:<partition>}`, which Redis Cluster hashes to one
slot (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags), so a
script may touch any of them.
"""

from __future__ import annotations

from binascii import b2a_base64, crc_hqx
from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID

import msgspec

GONE_S = 30 * 86_400
"""How long, in seconds, reports that come late must not bring an erased message back."""

SCHEMA_VERSION = 3
"""Of what the keys hold. A store written by another version is refused at start. Each change of it
comes with its step in `commands.upgrading`, and with a sample of the store before it."""

UPGRADING = 0
"""The version of a store that is on the way from one version to another: none can be used."""

_URLSAFE = bytes.maketrans(b"+/", b"-_")
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_NAMESPACE = UUID("7c5fdb3c-93a5-4b0e-8c52-9f6f4b1f0c1e").bytes


class Value(StrEnum):
    """How a dimension takes its value from a record; `prelude.lua` has a function for each."""

    FIELD = "field"
    """The field's text; without one the message is not in the index."""
    ENDING = "ending"
    """The last eight digits of the phone number in the field, or the whole of another text.

    These are the same with and without a country's calling code, and with and without the digit
    that Meta adds or drops.
    """
    ABSENT = "absent"
    """One index of all messages that lack the field."""
    ALWAYS = "always"
    """One index of all messages."""
    FAILED = "failed"
    """One index of all messages whose status, the field, is that."""


class Dimension(NamedTuple):
    """One way to find messages: an index, and counters where `counted`.

    Of one that is counted and has many values, these are listed too. A message may have several
    values in one: it is in the index of each, once.

    Attributes:
        name: as keys have it.
        value: how it takes a value from a field.
        field: of the record.
        counted: whether the messages of a value are counted.
        further: fields that further values are taken from.
    """

    name: str
    value: Value
    field: str
    counted: bool = False
    further: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that it takes values from."""
        return (self.field, *self.further)

    @property
    def listed(self) -> bool:
        """Whether its values are kept in a list, the latest first."""
        return self.counted and self.value is Value.FIELD


RECIPIENT_FIELDS = ("recipient_id", "metas_recipient_id", "user_id", "parent_user_id")
"""The fields of a record that name its recipient: that of the track-send, then those of Meta."""

DIMENSIONS = (
    Dimension("event", Value.FIELD, "event_id", counted=True),
    Dimension("registration", Value.FIELD, "registration_id"),
    Dimension("guest", Value.FIELD, "guest_id"),
    Dimension("recipient", Value.ENDING, RECIPIENT_FIELDS[0], further=RECIPIENT_FIELDS[1:]),
    Dimension("template", Value.FIELD, "template_name", counted=True),
    Dimension("campaign", Value.FIELD, "campaign_id", counted=True),
    Dimension("phone_number", Value.FIELD, "phone_number_id", counted=True),
    Dimension("standalone", Value.ABSENT, "event_id"),
    Dimension("all", Value.ALWAYS, "wamid", counted=True),
    Dimension("failed", Value.FAILED, "status"),
)

FILTERS = {each.field: each.name for each in DIMENSIONS if each.value is Value.FIELD}
"""The dimensions that are asked for by a field's text, by the name of the field: requests, queries
and options of commands call it the same."""

LISTED = tuple(each for each in DIMENSIONS if each.listed)
"""The dimensions whose values are listed and counted; each has an endpoint that lists them."""

CATALOGUE = (
    ("msg:<id>", "hash", "the record, its fields as `reports.stored` names them"),
    (
        "participants:<id>",
        "hash",
        "of a group's message, fields `<participant> <name>` as `reports.Participant` names them",
    ),
    ("by:<dimension>[:<value>]", "sorted set", "ids of messages, scored by `created_us`"),
    (
        "count:<dimension>[:<value>]",
        "hash",
        "messages now at each status; failed by error code or `other`, and by how far they came",
    ),
    ("times:<dimension>[:<value>]", "string", "how long messages took to be delivered and read"),
    ("waits:<dimension>[:<value>]", "hash", "messages that are only sent, by when they were"),
    ("values:<dimension>", "sorted set", "the values that have messages, scored by the latest"),
    ("feed", "stream", "ids of the messages that changed or went, the latest 10,000 entries or so"),
    ("gone:<id>", "string", "the CRC16 of an erased message's wamid; expires after 30 days"),
    ("fence", "string", "no data: written behind a batch whose durability is waited for"),
    ("schema", "hash", "the version, the partitions, those to come, the id; in partition 0 only"),
    ("upgrading", "hash", "`count:all` as long as the command `upgrade` runs"),
)
"""Every key there may be, behind its tag and a colon: name, type, what it holds."""


FEED_ENTRIES = 10_000
"""How long the feed of a partition is, roughly."""

FEED_IDS = 16
"""Ids in one entry of a feed at the most, one behind the other."""


class Selection(msgspec.Struct, frozen=True):
    """Which messages to list.

    Attributes:
        filters: dimension and value, at least one; all must hold.
        status: only messages now at this status, `""` for all.
        heads: the digits that may come before the last eight of the recipient's number, as
            `models.recipients.heads_of` returns them; `""` for any.
        recipient_id: an erasure removes only messages to this person; `""` for all.
        codes: only messages that failed with one of these codes; `""` among them means without a
            code; empty: any.
        but_codes: only messages that failed with none of these.
        has: only messages whose record has all of these fields, named as in `reports.Record`.
        lacks: only messages whose record has none of these fields.
        since_us: only messages that were created then or later, in µs; 0: any.
    """

    filters: Sequence[tuple[str, str]]
    status: str = ""
    heads: str = ""
    recipient_id: str = ""
    codes: Sequence[str] = ()
    but_codes: Sequence[str] = ()
    has: Sequence[str] = ()
    lacks: Sequence[str] = ()
    since_us: int = 0


class Position(NamedTuple):
    """A place in the order of messages, newest first: behind the message with these two."""

    created_us: int
    message_id: str


def crc16_of(wamid: str) -> int:
    """What a message's partition follows from, with any number of partitions."""
    return crc_hqx(wamid.encode(), 0)


def partition_of(wamid: str, partitions: int) -> int:
    """The partition that everything about this message lives in (CRC16, as Redis Cluster has)."""
    return crc16_of(wamid) % partitions if partitions > 1 else 0


def tag_of(partition: int) -> str:
    """What every key of the partition begins with."""
    return f"{{wa:{partition}}}"


def id_of(wamid: str) -> str:
    """The message's id as keys and indexes hold it: 22 characters instead of the wamid's 58."""
    digest = sha1(_NAMESPACE + wamid.encode()).digest()  # noqa: S324  RFC 9562 has it, for no secret
    return b2a_base64(digest[:16])[:22].translate(_URLSAFE).decode()


def uuid_of(wamid: str) -> str:
    """The message's id as callers see it: the version 5 UUID of the wamid (RFC 9562, section 5.5).

    Written out here since `uuid.uuid5` takes six times as long, and a page has up to 200.
    """
    text = sha1(_NAMESPACE + wamid.encode()).hexdigest()  # noqa: S324  as in id_of
    variant = _VARIANTS[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def message_key(tag: str, message_id: str) -> str:
    """Where the message's record is."""
    return f"{tag}:msg:{message_id}"


def participants_key(tag: str, message_id: str) -> str:
    """Where the participants of a group's message are."""
    return f"{tag}:participants:{message_id}"


def index_key(tag: str, dimension: str, value: str = "") -> str:
    """Where the ids of a dimension's messages are; without a value where it is a single index."""
    return f"{tag}:by:{dimension}:{value}" if value else f"{tag}:by:{dimension}"


def count_key(tag: str) -> str:
    """Where the partition's messages are counted."""
    return f"{tag}:count:all"


def feed_key(tag: str) -> str:
    """Where the partition says which messages changed, the latest last."""
    return f"{tag}:feed"


def fence_key(tag: str) -> str:
    """What is written behind a batch, so that waiting for this write waits for that batch too."""
    return f"{tag}:fence"


def schema_key() -> str:
    """Where the store says how it is laid out."""
    return f"{tag_of(0)}:schema"


ENDING_DIGITS = 8
"""Numbers of so many digits or more are indexed by their last ones."""

_MOST_DIGITS = 15


def ending_of(recipient_id: str) -> str:
    """The value of `Value.ENDING`: what the numbers of a person have in common."""
    is_number = recipient_id.isascii() and recipient_id.isdigit()
    if is_number and ENDING_DIGITS <= len(recipient_id) <= _MOST_DIGITS:
        return recipient_id[-ENDING_DIGITS:]
    return recipient_id


def values_of(dimension: Dimension, texts: Iterable[str | None]) -> set[str]:
    """The values by which a message is in the dimension's indexes.

    Args:
        dimension: of the indexes; `prelude.lua` says the same of it to the scripts.
        texts: what the message's record holds in the dimension's fields.
    """
    values = (_value_of(dimension.value, text or "") for text in texts)
    return {value for value in values if value is not None}


def recipients_in(record: object) -> set[str]:
    """The numbers and ids of a message's recipient."""
    return {text for field in RECIPIENT_FIELDS if (text := getattr(record, field))}


def _value_of(kind: Value, text: str) -> str | None:
    if kind is Value.ALWAYS:
        return ""
    if kind is Value.ABSENT:
        return None if text else ""
    if kind is Value.FAILED:
        return "" if text == "failed" else None
    return (ending_of(text) if kind is Value.ENDING else text) or None
