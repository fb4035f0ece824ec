"""Every key in Redis, and the version of what the keys hold.

All keys of a partition begin with its tag, `{wa:<partition>}`, which Redis Cluster hashes to one
slot (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags), so a
script may touch any of them.
"""

from __future__ import annotations

from functools import cache

GONE_S = 30 * 86_400
"""How long, in seconds, reports that come late must not bring an erased message back."""

SCHEMA_VERSION = 3
"""Of what the keys hold. A store written by another version is refused at start. Each change of it
comes with its step in `commands.schema_upgrade`, and with a sample of the store before it."""

UPGRADING = 0
"""The version of a store that is on the way from one version to another: none can be used."""


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


@cache
def tag_of(partition: int) -> str:
    """What every key of the partition begins with."""
    return f"{{wa:{partition}}}"


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


def schema_key() -> str:
    """Where the store says how it is laid out."""
    return f"{tag_of(0)}:schema"
