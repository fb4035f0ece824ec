"""Reads the fields that only Meta's own status has: ids in all spellings, pricing, callback data.

A status is never refused for one of them: a part that can't be used counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from service.domain.report import Extras
from service.errors import BadRequest
from service.models.decoding import CONTROLS
from service.models.fields import text_of
from service.models.large_json import Items
from service.models.pricing import pricing_fields_of
from service.models.recipients import ids_in, recipient_of
from service.models.requests import MAX_METAS_ID

_MAX_CALLBACK_DATA = 512
_MAX_PRICING = 1_000

# The spellings on Meta's pages, the present one first. Contacts have the same ones.
_USER = ("recipient_user_id", "user_id")
_PARENT_USER = ("recipient_parent_user_id", "parent_recipient_user_id", "parent_user_id")
_PARTICIPANT = (
    "recipient_participant_id",
    "participant_recipient_id",
    "recipient_participant_user_id",
    "recipient_participant_parent_user_id",
)
_IDS = frozenset((*_USER, *_PARENT_USER, *_PARTICIPANT))
_OF_PERSON = ("wa_id", *_USER, *_PARENT_USER)
NO_CONTACT: Mapping[str, Any] = {}


class Contacts:
    """The people that Meta lists beside the statuses of a change.

    Args:
        contacts: Meta's list.
        statuses: the statuses of the same change.
    """

    def __init__(self, contacts: object, statuses: Iterable[Mapping[str, Any]]) -> None:
        listed = contacts if isinstance(contacts, list | Items) else []
        self._by_id: dict[str, Mapping[str, Any]] = {}
        number, only = 0, NO_CONTACT
        for contact in listed:
            if isinstance(contact, dict):
                number += 1
                only = contact
                for known in filter(None, _person_ids(contact, "wa_id")):
                    self._by_id[known] = contact
        self._only = only if number == 1 and _are_of_one(statuses) else NO_CONTACT

    def of(self, status: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the contact that a status is about: the one with its id, or the only one."""
        if not self._by_id:
            return self._only
        for known in _persons(status):
            if known in self._by_id:
                return self._by_id[known]
        return self._only


def _persons(status: Mapping[str, Any]) -> Iterator[str]:
    """Returns the ids in a status that identify its person."""
    if _is_of_group(status):
        return iter((first_id(status, _PARTICIPANT),))
    return _person_ids(status, "recipient_id")


def _person_ids(holder: Mapping[str, Any], phone: str) -> Iterator[str]:
    """Yields the ids of a person, beginning with the phone number in the field of that name."""
    yield recipient_in(holder.get(phone))
    yield first_id(holder, _USER)
    yield first_id(holder, _PARENT_USER)


def _are_of_one(statuses: Iterable[Mapping[str, Any]]) -> bool:
    """Returns whether all statuses name the same person, or there is only one status."""
    named = (tuple(_persons(status)) for status in statuses)
    first, second = next(named, None), next(named, None)
    if first is None or second is None:
        return first is not None
    return any(first) and second == first and all(other == first for other in named)


def _is_of_group(status: Mapping[str, Any]) -> bool:
    return status.get("recipient_type") == "group"


def recipient_and_extras(
    status: Mapping[str, Any],
    contact: Mapping[str, Any] = NO_CONTACT,
    phone_number_id: str = "",
) -> tuple[str, Extras]:
    """Returns the recipient that a status names, `""` for none, and its other fields.

    Args:
        status: the status in Meta's form.
        contact: Meta's contact of the person that the status is about.
        phone_number_id: the id of the business's number that sent the message.
    """
    user_id = parent_user_id = participant_id = ""
    if contact or not _IDS.isdisjoint(status):
        of_group = _is_of_group(status)
        person = NO_CONTACT if of_group else contact
        user_id = _person_id(status, person, _USER)
        parent_user_id = _person_id(status, person, _PARENT_USER)
        participant_id = first_id(status, _PARTICIPANT) or (
            first_id(contact, _OF_PERSON) if of_group else ""
        )
        recipient_id = recipient_in(status.get("recipient_id")) or recipient_in(person.get("wa_id"))
    else:
        recipient_id = recipient_in(status.get("recipient_id"))
    ids = {"user_id": user_id, "parent_user_id": parent_user_id}
    ids |= {name: found for name, found in ids_in(recipient_id).items() if not ids[name]}
    extras = Extras(
        phone_number_id=phone_number_id,
        **ids,
        participant_id=participant_id,
        callback_data=text_of(status.get("biz_opaque_callback_data"), _MAX_CALLBACK_DATA),
        **_pricing_parts(status.get("pricing")),
    )
    return recipient_id or recipient_in(user_id) or recipient_in(parent_user_id), extras


def _person_id(status: Mapping[str, Any], person: Mapping[str, Any], names: Iterable[str]) -> str:
    """Returns the id of a person; if it can be a recipient, in the stored form of recipients."""
    found = first_id(status, names) or first_id(person, names)
    return recipient_in(found) or found


def first_id(holder: Mapping[str, Any], names: Iterable[str]) -> str:
    """Returns the id in the first of these fields that has one, `""` for none."""
    for name in names:
        if name in holder and (found := metas_id(holder[name])):
            return found
    return ""


def metas_id(value: object, most: int = MAX_METAS_ID) -> str:
    """Returns the id, or `""` if the value is none. It is never cut: a part is another id.

    Args:
        value: the value as it came.
        most: how many characters it may have.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > most or CONTROLS.search(value):
        return ""
    return value


def recipient_in(value: object) -> str:
    """Returns the recipient in its stored form, or `""` if the value is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value or len(value) > MAX_METAS_ID:
        return ""
    try:
        return recipient_of(value, "recipient_id")
    except BadRequest:
        return ""


def _pricing_parts(value: object) -> dict[str, str]:
    """Returns the fields of Meta's pricing object; none if it is longer than Meta's ever are."""
    if not isinstance(value, dict):
        return {}
    try:
        return pricing_fields_of(value) if len(orjson.dumps(value)) <= _MAX_PRICING else {}
    except TypeError:  # an integer of more than 64 bits
        return {}
