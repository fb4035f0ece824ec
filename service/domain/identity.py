"""What follows from a message's wamid, and from a person's number: ids, and what they share."""

from __future__ import annotations

from binascii import b2a_base64, crc_hqx
from hashlib import sha1
from uuid import UUID

_URLSAFE = bytes.maketrans(b"+/", b"-_")
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_NAMESPACE = UUID("7c5fdb3c-93a5-4b0e-8c52-9f6f4b1f0c1e").bytes


def crc16_of(wamid: str) -> int:
    """What a message's partition follows from, with any number of partitions."""
    return crc_hqx(wamid.encode(), 0)


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


ENDING_DIGITS = 8
"""Numbers of so many digits or more are indexed by their last ones."""

_MOST_DIGITS = 15


def ending_of(recipient_id: str) -> str:
    """The value of `Value.ENDING`: what the numbers of a person have in common."""
    is_number = recipient_id.isascii() and recipient_id.isdigit()
    if is_number and ENDING_DIGITS <= len(recipient_id) <= _MOST_DIGITS:
        return recipient_id[-ENDING_DIGITS:]
    return recipient_id


def partition_of(wamid: str, partitions: int) -> int:
    """The partition that everything about this message lives in (CRC16, as Redis Cluster has)."""
    return crc16_of(wamid) % partitions if partitions > 1 else 0
