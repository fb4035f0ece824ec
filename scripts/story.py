"""The story of `make demo`: which messages are sent to whom, and their statuses.

The module is pure: it has no clock and does no I/O. The same seed always gives the same story.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from heapq import heappop, heappush
from math import log
from random import Random
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import msgspec
import orjson

from scripts.guests import Guest, guests
from service.commands.record_lines import line_of
from service.domain.record import record_of
from service.domain.report import Clock, Status
from service.models.incoming import send_report
from service.models.meta_webhook import Payload
from service.models.requests import TrackSendRequest

HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
NUMBER = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
"""The business's own number, taken from the examples in Meta's documentation."""

HOUR_S, DAY_S = 3_600, 86_400


class Send(NamedTuple):
    """A template that is sent to many people, one after the other.

    Attributes:
        event_id: the event; `""` for none, then its messages are standalone.
        template: the template's name.
        flow: `rsvp`, `travel` or `custom`.
        category: Meta's: `marketing` or `utility`.
        share: its share of all messages.
        ago_s: how long ago it began.
        per_s: how many messages went out in a second.
    """

    event_id: str
    template: str
    flow: str
    category: str
    share: float
    ago_s: float
    per_s: float = 20.0


PAST = (
    Send("harbour-gala", "gala_invite_v2", "rsvp", "marketing", 0.28, 6.08 * DAY_S),
    Send("harbour-gala", "travel_update", "travel", "utility", 0.08, 3.2 * HOUR_S),
    Send("founders-summit", "summit_invite", "rsvp", "marketing", 0.14, 19.1 * DAY_S),
    Send("founders-summit", "travel_update", "travel", "utility", 0.09, 25.5 * HOUR_S),
    Send("lakeside-wedding", "wedding_invite", "rsvp", "utility", 0.07, 44.1 * DAY_S),
    Send("lakeside-wedding", "thank_you_note", "custom", "utility", 0.06, 9.06 * DAY_S),
    Send("alumni-reunion", "save_the_date", "rsvp", "marketing", 0.08, 2.1 * DAY_S),
    Send("winter-lectures", "lecture_invite", "rsvp", "marketing", 0.03, 12.1 * DAY_S),
    Send("rowing-club-dinner", "dinner_invite", "rsvp", "utility", 0.02, 16.05 * DAY_S),
    Send("team-offsite", "offsite_details", "travel", "utility", 0.01, 31.1 * DAY_S),
    Send("", "autumn_newsletter", "", "marketing", 0.05, 4.05 * DAY_S),
)
"""The sends of the past; the rest of the messages belong to `RUNNING`."""

RUNNING = Send("harbour-gala", "gala_reminder", "rsvp", "utility", 0.0, 0.0, per_s=3.0)
"""The send that is under way. It goes on until the demo ends."""


class Failure(NamedTuple):
    """An error with which Meta reports that a message failed.

    Attributes:
        weight: how often it occurs, relative to the others.
        code: Meta's code.
        title: Meta's title.
        details: Meta's details.
        category: the category of templates that it occurs with; `""` for all.
    """

    weight: int
    code: int
    title: str
    details: str
    category: str = ""


FAILURES = (
    Failure(40, 131026, "Message undeliverable", "Message Undeliverable."),
    Failure(
        24,
        131049,
        "This message was not delivered to maintain healthy ecosystem engagement.",
        "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
        "marketing",
    ),
    Failure(
        7,
        131050,
        "User has stopped marketing messages from this business",
        "Unable to deliver the message. This recipient has chosen to stop receiving marketing "
        "messages on WhatsApp from your business.",
        "marketing",
    ),
    Failure(
        6,
        130472,
        "User's number is part of an experiment",
        "Failed to send message because this user's phone number is part of an experiment.",
        "marketing",
    ),
    Failure(9, 131000, "Something went wrong", "Message failed to send due to an unknown error."),
    Failure(
        6,
        130429,
        "Rate limit hit",
        "Message failed to send because there were too many messages sent from this phone number "
        "in a short period of time.",
    ),
    Failure(
        5,
        131053,
        "Media upload error",
        "Downloading media from weblink failed with http code 404, status message Not Found.",
    ),
    Failure(
        3,
        131042,
        "Business eligibility payment issue",
        "Message failed to send because there were one or more errors related to your payment "
        "method.",
    ),
)

FAILED, SILENT, READ, READ_ALONE = 0.055, 0.025, 0.74, 0.04
"""Shares of messages: of all, those that fail; of all, those that stay sent; of the delivered ones,
those that are reported read, as some people turn that off; of the read ones, those for which Meta
reports only `read`."""

ODD_EVERY, ODD_AT = 5_000, 7
"""Of every 5,000 messages the 7th is delivered and then reported failed, as it happens at Meta."""

Step = tuple[Status, float, Failure | None]
"""A status that a message reaches, the seconds since it was sent, and the error if it failed."""


class News(NamedTuple):
    """A report that the service gets.

    Attributes:
        heard_s: when the service gets it, in seconds since the epoch.
        number: its number, in the order in which the reports were made.
        is_send: whether the body is a track-send's; else it is a status of Meta's webhook.
        body: what is reported.
    """

    heard_s: float
    number: int
    is_send: bool
    body: dict[str, Any]


class Story:
    """All reports of the demo, past and future.

    Args:
        messages: how many messages have been sent until now.
        seed: of the random numbers.
        now_s: the present time, in seconds since the epoch.
    """

    def __init__(self, messages: int, *, seed: int, now_s: float) -> None:
        self._messages = messages
        self._now_s = now_s
        self._random = Random(seed)
        self._guests = guests(self._random)
        self._told = 0
        self._sent = 0
        self._to_come: list[News] = []
        self._next_s = now_s + 1 / RUNNING.per_s

    def past(self) -> Iterator[list[News]]:
        """The reports until now, a list for each message. It may be called only once."""
        for send in PAST:
            number = int(self._messages * send.share)
            yield from self._until_now(send, number, self._now_s - send.ago_s)
        rest = self._messages - self._sent
        yield from self._until_now(RUNNING, rest, self._now_s - rest / RUNNING.per_s)

    def _until_now(self, send: Send, number: int, began_s: float) -> Iterator[list[News]]:
        for n in range(number):
            news = self._message(send, began_s + (n + self._random.random()) / send.per_s)
            yield [each for each in news if each.heard_s <= self._now_s]
            self._put([each for each in news if each.heard_s > self._now_s])

    def until(self, now_s: float) -> list[News]:
        """The reports since the last call, of the running send and of past ones."""
        if now_s - self._next_s > HOUR_S:
            self._next_s = now_s  # the computer was asleep: skip what it missed
        while self._next_s <= now_s:
            self._put(self._message(RUNNING, self._next_s))
            self._next_s += self._random.expovariate(RUNNING.per_s)
        found = []
        while self._to_come and self._to_come[0].heard_s <= now_s:
            found.append(heappop(self._to_come))
        return found

    def _put(self, news: list[News]) -> None:
        for each in news:
            heappush(self._to_come, each)

    def _message(self, send: Send, at_s: float) -> list[News]:
        """All reports of a message, in order of time."""
        guest = self._guests[(self._sent * 7 + len(send.event_id) * 501) % len(self._guests)]
        wamid = self._wamid(guest.phone)
        news = [self._news(at_s, _send_body(send, guest, wamid), is_send=True)]
        for status, after_s, failure in self._fate(send):
            body = _status_body(wamid, guest.phone, status, at_s + after_s)
            body |= _pricing(send, status) | _errors(failure)
            late_s = self._random.uniform(0.2, 1.4)
            news.append(self._news(at_s + after_s + late_s, body, is_send=False))
        self._sent += 1
        return sorted(news)

    def _news(self, heard_s: float, body: dict[str, Any], *, is_send: bool) -> News:
        self._told += 1
        return News(heard_s, self._told, is_send, body)

    def _wamid(self, phone: str) -> str:
        inside = (
            f"\x1c\x18\x0c{phone}\x15\x02\0\x11\x18\x12{self._random.randbytes(9).hex().upper()}"
        )
        return "wamid." + b64encode(inside.encode()).decode()

    def _fate(self, send: Send) -> Iterator[Step]:
        chance, after_s = self._random.random(), self._delivery_s()
        yield Status.SENT, self._random.uniform(0.1, 0.4), None
        if self._sent % ODD_EVERY == ODD_AT:
            yield Status.DELIVERED, after_s, None
            yield Status.FAILED, after_s + 40, self._failure(send)
        elif chance < FAILED:
            yield Status.FAILED, self._random.uniform(0.5, 4), self._failure(send)
        elif chance > FAILED + SILENT:
            is_read = self._random.random() < READ
            if not is_read or self._random.random() >= READ_ALONE:
                yield Status.DELIVERED, after_s, None
            if is_read:
                yield Status.READ, after_s + self._around(420, 2.0), None

    def _delivery_s(self) -> float:
        """How long a delivery takes: seconds, minutes (a tunnel) or hours (phone switched off)."""
        around = (
            partial(self._around, 1.6, 0.6),
            partial(self._around, 150, 1.2),
            partial(self._around, 5 * HOUR_S, 1.2),
        )
        (how_long,) = self._random.choices(around, (84, 10, 6))
        return 0.5 + how_long()

    def _around(self, median_s: float, spread: float) -> float:
        return self._random.lognormvariate(log(median_s), spread)

    def _failure(self, send: Send) -> Failure:
        fitting = [each for each in FAILURES if each.category in {"", send.category}]
        return self._random.choices(fitting, [each.weight for each in fitting])[0]


def _send_body(send: Send, guest: Guest, wamid: str) -> dict[str, Any]:
    body = {"wa_id": guest.phone, "template_wamid": wamid, "template_name": send.template}
    body["guest_name"] = guest.name
    if send.event_id:
        registration = uuid5(NAMESPACE_OID, f"{send.event_id} {guest.guest_id}")
        body |= {"event_id": send.event_id, "event_registration_id": str(registration)}
        body |= {"flow_type": send.flow, "message_type": send.flow, "guest_id": guest.guest_id}
    return body


def _status_body(wamid: str, phone: str, status: Status, at_s: float) -> dict[str, Any]:
    return {"id": wamid, "status": status, "timestamp": str(int(at_s)), "recipient_id": phone}


def _pricing(send: Send, status: Status) -> dict[str, Any]:
    if status not in {Status.SENT, Status.DELIVERED}:
        return {}
    about = {"billable": True, "pricing_model": "PMP", "type": "regular"}
    return {"pricing": about | {"category": send.category}}


def _errors(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    error = {"code": failure.code, "title": failure.title, "message": failure.title, "href": HREF}
    return {"errors": [error | {"error_data": {"details": failure.details}}]}


def webhook(statuses: list[dict[str, Any]]) -> dict[str, Any]:
    """Meta's webhook body with these statuses."""
    value = {"messaging_product": "whatsapp", "metadata": NUMBER, "statuses": statuses}
    entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def line(news: list[News]) -> bytes:
    """A message as `export` writes it, if the service got these reports in their time.

    Args:
        news: the reports of one message, its send first.
    """
    send, *rest = news
    body = msgspec.convert(send.body, TrackSendRequest)
    reports = [send_report(body, _us(send.heard_s))]
    if rest:
        stamps = (_us(each.heard_s) * 1000 for each in rest)
        statuses = orjson.dumps(webhook([each.body for each in rest]))
        reports += Payload(statuses, Clock(partial(next, stamps))).reports
    return line_of(record_of(reports)) + b"\n"


def _us(time_s: float) -> int:
    return int(time_s * 1_000_000)
