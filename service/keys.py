"""Every key in Redis, the dimensions that messages are indexed by, and a message's partition.

Also the values that say which messages are asked for.

All keys of a partition begin with its tag, `{wa:<partition>}`, which Redis Cluster hashes to one
slot (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags), so a
script may touch any of them.
"""

from __future__ import annotations

from binascii import b2a_base64, crc_hqx
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID

import msgspec

GONE_S = 30 * 86_400
"""How long, in seconds, reports that come late must not bring an erased message back."""

SCHEMA_VERSION = 2
"""Of what the keys hold. A store written by another version is refused at start."""

_URLSAFE = bytes.maketrans(b"+/", b"-_")
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_NAMESPACE = UUID("7c5fdb3c-93a5-4b0e-8c52-9f6f4b1f0c1e").bytes


class Value(StrEnum):
    """How a dimension takes its value from a record; `prelude.lua` has a function for each."""

    FIELD = "field"
    """The field's text; without one the message is not in the index."""
    ENDING = "ending"
    """The last ten digits of the phone number in the field, or the whole of another text."""
    ABSENT = "absent"
    """One index of all messages that lack the field."""
    ALWAYS = "always"
    """One index of all messages."""
    FAILED = "failed"
    """One index of all messages whose status, the field, is that."""


class Dimension(NamedTuple):
    """One way to find messages: an index, and counters where `counted`.

    Of one that is counted and has many values, these are listed too.
    """

    name: str
    value: Value
    field: str
    counted: bool = False

    @property
    def listed(self) -> bool:
        """Whether its values are kept in a list, the latest first."""
        return self.counted and self.value is Value.FIELD


DIMENSIONS = (
    Dimension("event", Value.FIELD, "event_id", counted=True),
    Dimension("registration", Value.FIELD, "registration_id"),
    Dimension("guest", Value.FIELD, "guest_id"),
    Dimension("recipient", Value.ENDING, "recipient_id"),
    Dimension("template", Value.FIELD, "template_name", counted=True),
    Dimension("standalone", Value.ABSENT, "event_id"),
    Dimension("all", Value.ALWAYS, "wamid", counted=True),
    Dimension("failed", Value.FAILED, "status"),
)

CATALOGUE = (
    ("msg:<id>", "string", "the record, its fields in the order of `reports.Record`"),
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
        heads: the digits that may come before the last ten of the recipient's number, as
            `models.recipients.heads_of` returns them; `""` for any.
        recipient_id: an erasure removes only messages to exactly this recipient; `""` for all.
        codes: only messages that failed with one of these codes; `""` among them means without a
            code; empty: any.
        but_codes: only messages that failed with none of these.
        has: only messages whose record has all of these fields.
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
    return crc16_of(wamid) % partitions


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


def ending_of(recipient_id: str) -> str:
    """The value of `Value.ENDING`: what a number shares with and without its country code."""
    if recipient_id.isascii() and recipient_id.isdigit() and 10 <= len(recipient_id) <= 15:
        return recipient_id[-10:]
    return recipient_id


def value_of(dimension: Dimension, text: str) -> str | None:
    """The value by which a message is in the dimension's index; None if it isn't.

    Args:
        dimension: of the index; `prelude.lua` says the same of it to the scripts.
        text: what the message's record holds in the dimension's field.
    """
    if dimension.value is Value.ALWAYS:
        return ""
    if dimension.value is Value.ABSENT:
        return None if text else ""
    if dimension.value is Value.FAILED:
        return "" if text == "failed" else None
    return (ending_of(text) if dimension.value is Value.ENDING else text) or None
