"""Every key in Redis, and the version of what the keys hold.

All keys of a partition begin with its tag, `{wa:<partition>}`, which Redis Cluster hashes to one
slot (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags), so a
script may touch any of them.
"""

from __future__ import annotations

from functools import cache

GONE_S = 30 * 86_400
"""How long late reports must not bring an erased message back, in seconds."""

SCHEMA_VERSION = 3
"""The version of what the keys hold. The service refuses a store of another version at start. A
change of the version needs a step in `commands.schema_upgrade`, and a sample of the store before
it."""

UPGRADING = 0
"""The version of a store during an upgrade. No service can use it then."""


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
"""All keys that may exist, as they stand behind the tag and a colon: name, type, content."""


FEED_ENTRIES = 10_000
"""About how many entries the feed of a partition keeps."""

FEED_IDS = 16
"""How many ids one entry of a feed holds at the most; they are joined without a separator."""


@cache
def tag_of(partition: int) -> str:
    """The tag that every key of the partition begins with."""
    return f"{{wa:{partition}}}"


def message_key(tag: str, message_id: str) -> str:
    """The key of the message's record."""
    return f"{tag}:msg:{message_id}"


def participants_key(tag: str, message_id: str) -> str:
    """The key of the participants of a group's message."""
    return f"{tag}:participants:{message_id}"


def index_key(tag: str, dimension: str, value: str = "") -> str:
    """The key of the index of a dimension's value; "" for a dimension with a single index."""
    return f"{tag}:by:{dimension}:{value}" if value else f"{tag}:by:{dimension}"


def count_key(tag: str) -> str:
    """The key of the counters of all of the partition's messages."""
    return f"{tag}:count:all"


def feed_key(tag: str) -> str:
    """The key of the partition's feed: which messages changed, the latest last."""
    return f"{tag}:feed"


def schema_key() -> str:
    """The key of the store's layout."""
    return f"{tag_of(0)}:schema"
