"""Derives ids and partitions from wamids, and index values from phone numbers."""

from __future__ import annotations

from binascii import b2a_base64, crc_hqx
from hashlib import sha1
from uuid import UUID

_URLSAFE = bytes.maketrans(b"+/", b"-_")
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_NAMESPACE = UUID("7c5fdb3c-93a5-4b0e-8c52-9f6f4b1f0c1e").bytes


def crc16_of(wamid: str) -> int:
    """Returns the CRC16 of a wamid, from which the message's partition follows."""
    return crc_hqx(wamid.encode(), 0)


def id_of(wamid: str) -> str:
    """Returns the message's id in keys and indexes: 22 characters instead of the wamid's 58."""
    digest = sha1(_NAMESPACE + wamid.encode()).digest()  # noqa: S324  RFC 9562 has it, for no secret
    return b2a_base64(digest[:16])[:22].translate(_URLSAFE).decode()


def uuid_of(wamid: str) -> str:
    """Returns the id for callers: the version 5 UUID of the wamid (RFC 9562, section 5.5)."""
    # By hand, since `uuid.uuid5` takes six times as long, and a page has up to 200 of them.
    text = sha1(_NAMESPACE + wamid.encode()).hexdigest()  # noqa: S324  as in id_of
    variant = _VARIANTS[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


ENDING_DIGITS = 8
"""How many last digits a phone number is indexed by."""

_MOST_DIGITS = 15


def ending_of(recipient_id: str) -> str:
    """Returns the index value of a recipient: the last digits of a phone number, or another id.

    All spellings of a person's number have these digits in common.
    """
    is_number = recipient_id.isascii() and recipient_id.isdigit()
    if is_number and ENDING_DIGITS <= len(recipient_id) <= _MOST_DIGITS:
        return recipient_id[-ENDING_DIGITS:]
    return recipient_id


def partition_of(wamid: str, partitions: int) -> int:
    """Returns the partition of a message, by the CRC16 that Redis Cluster uses too."""
    return crc16_of(wamid) % partitions if partitions > 1 else 0
