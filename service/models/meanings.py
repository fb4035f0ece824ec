"""What each field means: its description and an example, for `/openapi.json`.

A field has its meaning here once, whichever requests and answers have it. What a field may hold is
said by its type: the description in `/openapi.json` is the meaning, then what is allowed. The
examples are of one story, which `samples.json` tells in whole bodies.
"""

from __future__ import annotations

from msgspec import Meta

MEANING = "meaning"
"""The key under which a schema has a meaning until `openapi_schemas` makes a description of it."""


def meaning(text: str, *examples: object) -> Meta:
    """Returns an annotation that says what a field means.

    Args:
        text: whole sentences.
        *examples: values of the field.
    """
    schema: dict[str, object] = {MEANING: text}
    return Meta(extra_json_schema=schema | ({"examples": [*examples]} if examples else {}))


# A message, as the sender's track-send describes it.
WAMID = meaning(
    "Meta's id of the message, from Meta's answer to the call that sent it.",
    "wamid.HBgLMTk4NzY1NDMyMTA",
)
WA_ID = meaning(
    "The WhatsApp id of the recipient: nearly always the phone number with its country's calling "
    "code.",
    "919876543210",
)
RECIPIENT_ID = meaning(
    "The recipient: the digits of a phone number, with the country's calling code if the sender "
    "gave it, or another id of Meta's. A track-send names it; until then Meta's webhook does.",
    "919876543210",
)
EVENT_ID = meaning(
    "The sender's id of the event that the message belongs to. A message without an event is a "
    "standalone message.",
    "e-1",
)
REGISTRATION_ID = meaning(
    "The sender's id of the recipient's registration for the event.",
    "r-1",
)
GUEST_ID = meaning("The sender's id of the guest whom the message is for.", "g-1")
GUEST_NAME = meaning("The name of the guest whom the message is for.", "John Doe")
TEMPLATE_NAME = meaning("The name of the template that was sent, as Meta has it.", "rsvp_invite_v2")
FLOW_TYPE = meaning(
    "The sender's word for the flow that the message belongs to. Without one it is `standalone` "
    "for a standalone message.",
    "rsvp",
)
MESSAGE_TYPE = meaning(
    "The sender's word for the kind of message. Without one it is `template` for a standalone "
    "message, else the flow type, else `rsvp`.",
    "rsvp",
)
CAMPAIGN_ID = meaning("The sender's id of the run that the message belongs to.", "c-1")
PHONE_NUMBER_ID = meaning("Meta's id of the number that sent the message.", "106540352242922")
SENT_AT_REPORTED = meaning(
    "When the message was sent. Without it that is the moment at which the track-send arrives.",
    "2026-01-15T10:30:00Z",
)

# A message, as the service has it.
ID = meaning(
    "The service's id of the message. It follows from the wamid alone.",
    "aa515f1e-02a1-5ed0-8f44-1fa76232c93a",
)
STATUS = meaning(
    "The highest status that was ever reported of the message: sent, delivered, read, failed, in "
    "this order. It never goes back.",
    "read",
)
SENT_AT = meaning(
    "When the message was sent: the earliest time that a track-send or Meta's webhook reported. "
    "It is null if none has.",
    "2026-01-15T10:30:00Z",
)
DELIVERED_AT = meaning(
    "When the message came to the recipient's phone, from Meta's webhook. It is null if no "
    "`delivered` was reported.",
    "2026-01-15T10:30:05Z",
)
READ_AT = meaning(
    "When the recipient read the message, from Meta's webhook. It is null if no `read` was "
    "reported: some people have read receipts turned off.",
    "2026-01-15T10:31:05Z",
)
FAILED_AT = meaning(
    "When the message failed, from Meta's webhook. It is null if no `failed` was reported.",
    "2026-01-15T10:30:03Z",
)
ERROR_CODE = meaning(
    "Meta's code for the reason of the failure, from Meta's webhook. It is null if the message "
    "hasn't failed, or Meta gave no code.",
    "131026",
)
ERROR_MESSAGE = meaning(
    "Meta's title for the reason of the failure, from Meta's webhook. It is null if the message "
    "hasn't failed, or Meta gave no title.",
    "Message undeliverable",
)
ERROR_DETAILS = meaning(
    "Meta's details of the failure, from Meta's webhook. They are null if Meta gave none.",
    "Message Undeliverable.",
)
ERROR_HREF = meaning(
    "The address of Meta's page about the error, from Meta's webhook. It is null if there is none.",
    "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
)
ERROR_AT = meaning("The time of the `failed` report that has this error.", "2026-01-15T10:30:03Z")
ERROR_MEANING = meaning(
    "What the error means. For a code that the service doesn't know it is Meta's title; it is null "
    "if there is none.",
    "Undeliverable: the number isn't on WhatsApp, its app is too old, or it hasn't accepted the "
    "terms.",
)
REMEDY = meaning(
    "What to do about the error. It is null for a code that the service doesn't know.",
    "Check the number with the person, or use another channel.",
)
REMEDY_CLASS = meaning(
    "When to send a message that failed with this error again: now, later, once something is "
    "fixed, or never. It is `unknown` for a code that the service doesn't know.",
    "never",
)
MESSAGE_ERROR = meaning("Why the message failed. It is null if no reason was reported.")

# What only `messages` shows of a message.
CREATED_AT = meaning(
    "When the service received the first report of the message. Lists are in this order.",
    "2026-01-15T10:30:00.250Z",
)
TRACKED_AT = meaning(
    "When the service received the latest track-send of the message. It is null if there was none.",
    "2026-01-15T10:30:00.250Z",
)
TIMELINE = meaning("The reported statuses, in the order of their times.")
TIMELINE_STATUS = meaning("The status that was reported.", "delivered")
TIMELINE_AT = meaning("The earliest time that was reported for it.", "2026-01-15T10:30:05Z")
RECEIVED_AT = meaning(
    "When the service first received a report of it. It is null if that isn't known.",
    "2026-01-15T10:30:06.120Z",
)
CONFLICTS = meaning(
    "Reports that contradict each other, a sentence for each contradiction.",
    ["It was delivered at 2026-01-15T10:30:05Z, then reported failed at 2026-01-15T10:30:09Z."],
)
PRICING = meaning(
    "What Meta charges for the message: the pricing object of Meta's webhook, whatever its keys "
    "are. It is null if Meta sent none.",
    {"billable": True, "category": "utility", "pricing_model": "PMP", "type": "regular"},
)
METAS_RECIPIENT_ID = meaning(
    "The recipient as Meta's webhook names it. It is null if that is the `recipient_id`.",
    "5511987654321",
)
USER_ID = meaning(
    "The recipient's business-scoped user id, from Meta's webhook. Meta has spelt this field in "
    "several ways.",
    "IN.1234567890",
)
PARENT_USER_ID = meaning(
    "The recipient's business-scoped user id for the whole group of businesses, from Meta's "
    "webhook. Meta has spelt this field in several ways.",
    "IN.ENT.1234567890",
)
CALLBACK_DATA = meaning(
    "The text that the sender gave Meta with the message, to get it back with each status.",
    "order 4711",
)
PARTICIPANTS = meaning(
    "For a group's message: everyone whom a status has named, by their ids. The message's own "
    "status is the highest of sent, delivered and read that any of them reached; a participant's "
    "failure stands here alone. For other messages the list is empty."
)
PARTICIPANT_ID = meaning(
    "The id of a member of the group, from Meta's webhook. Meta has spelt this field in several "
    "ways.",
    "919876543210",
)
PARTICIPANT_STATUS = meaning(
    "The status that the message has with this member. It is null if only the member's id is "
    "known.",
    "delivered",
)
MESSAGE = meaning("The message, with everything that is known of it.")

# Reports of a status.
REPORTED_STATUS = meaning(
    "The status that Meta's webhook reports. `played` is Meta's word for a voice message that was "
    "listened to.",
    "delivered",
)
TIMESTAMP = meaning(
    "When the message reached this status, by Meta's webhook.",
    "2026-01-15T10:30:05.000Z",
    1768473005,
)
ERRORS = meaning(
    "The errors of a status of Meta's webhook, as they came. They count only if the status is "
    "`failed`.",
    [{"code": 131026, "title": "Message undeliverable"}],
)
NOT_STORED = meaning("A field of a status of Meta's webhook that the service doesn't store.")
HUB_MODE = meaning("What Meta asks for.", "subscribe")
HUB_CHALLENGE = meaning("A text of Meta's, which the answer repeats.", "1158201444")

# Parts of answers that several endpoints give.
OK = meaning("`true`: the request, or this item of it, was fulfilled.", True)
NOT_OK = meaning("`false`: the request, or this item of it, was not fulfilled.", False)
ERROR = meaning(
    "A sentence that says what is wrong and what is allowed.",
    "wamid is required: a text of 1 to 256 characters without control characters.",
)
FIELD = meaning("The name of the field or parameter at fault, if there is one.", "wamid")
QUEUED = meaning(
    "`true`: a report waits in the journal on disk and is merged once Redis is back. Otherwise the "
    "answer lacks this field.",
    True,
)
STANDALONE = meaning("`true`: the track-send names no event.", True)
RESULTS = meaning("An answer for each item, in the order of the items.")
ALL_TAKEN = meaning("Whether every item was taken.", True)
TAKEN = meaning(
    "How many statuses were taken. The answer has it if the request has a token.",
    1,
)
PASSED_OVER = meaning(
    "How many other items there were, by their kind. The answer has it if the request has a token.",
    {"inbound": 1},
)
MESSAGES_TO_TRACK = meaning("The sends, each as the body of a track-send.")
UPDATES = meaning("The statuses, each as the body of a message-status.")
WAMIDS = meaning(
    "The wamids of the messages to look up.",
    ["wamid.HBgLMTk4NzY1NDMyMTA"],
)
STATUSES_BY_WAMID = meaning(
    "The messages that the service knows, by their wamids. It leaves out the others."
)
LOGS = meaning("The messages of this page, the latest first.")
LATEST = meaning("The latest message of the registration. It is null if there is none.")
ERASED = meaning("How many messages this call removed.", 2)
COMPLETE = meaning("Whether all are gone. If not, send the same request again to go on.", True)
ENDS_ALIKE = meaning(
    "How many messages stay because their recipient's number only ends with the same digits, and "
    "so is another person's. The answer has it if a recipient is erased. If `complete` is false, "
    "it counts those found so far.",
    0,
)

# Statistics.
COUNT = meaning("The number of messages.", 1)
TOTAL = meaning("The number of all messages asked for.", 2)
STATUSES = meaning("The numbers of messages by their status now. They add up to the total.")
REACHED = meaning("The funnel: the numbers of messages that reached a status or one after it.")
RATES = meaning("The shares of all messages that reached a status.")
SHARE = meaning("A share of all messages. It is null if there are no messages.", 0.5)
FAILURE_GROUPS = meaning("The numbers of failed messages by error code.")
LISTED_GROUPS = meaning(
    "The numbers of failed messages by error code, whatever page and code were asked for."
)
RECIPIENTS = meaning("The failed messages of this page, the latest first.")
GROUP_CODE = meaning(
    "Meta's code of up to six digits; `other` for all further ones together; null for failures "
    "without a code.",
    "131026",
)
LISTED = meaning(
    "How many messages with this code the list has, on all its pages. The answer has it if "
    "`count=true` was asked for. It is null if counting takes too long.",
    1,
)
SENT_SINCE = meaning(
    "The status of the latest second try: a later message of the same template and event to the "
    "same person. It is null if there is none.",
    "delivered",
)
TIME_TO_DELIVER = meaning("How long messages took from `sent` to `delivered`.")
TIME_TO_READ = meaning("How long messages took from `sent` to `read`.")
TIMED = meaning("The number of messages whose duration is known.", 2)
QUANTILE = meaning(
    "So many percent of the messages, as the name says, took at most this many seconds. It is null "
    "if they took more than 30 days, or no duration is known.",
    5,
)
WITHIN = meaning("The whole curve: how many messages took at most how long.")
WITHIN_S = meaning("The bound in seconds. It is null for any time.", 5)
WITHIN_COUNT = meaning("The number of messages that took at most so long.", 2)
AWAITING = meaning("The messages that were sent and have no later status.")
AWAITING_TOTAL = meaning("The number of messages that were sent and have no later status.", 1)
BY_AGE = meaning("The same messages by their age.")
UNDER_S = meaning(
    "The bound of the age in seconds: these messages are younger, and at least as old as the bound "
    "before. It is null for the oldest.",
    3600,
)
AGE_COUNT = meaning("The number of messages of this age.", 1)
LATEST_AT = meaning(
    "When the latest of its messages was created.",
    "2026-01-15T10:30:00.250Z",
)
VALUES = meaning("The values of this page, the one with the latest message first.")

# For operators.
STORE = meaning(
    "Whether Redis is available: `up` or `away`. While it is away, the service takes reports only.",
    "up",
)
REASON = meaning("Why Redis isn't available. The answer has it only then.", "connection")
JOURNAL = meaning("The state of the journal, which keeps reports while Redis isn't available.")
JOURNAL_ON = meaning("Whether there is a journal.", True)
JOURNAL_REPORTS = meaning("The number of reports that wait in the journal.", 0)
JOURNAL_AGE_S = meaning("How many seconds the oldest of these reports has waited.", 0.0)
JOURNAL_FOREIGN = meaning("How many of these reports wait for another store than this one.", 3)
JOURNAL_FAULT = meaning("Why the journal takes no reports.", "The disk is full.")
CLOCK_AHEAD_S = meaning(
    "By how many seconds this machine's clock is ahead of that of Redis; a number below 0 says "
    "that it is behind. The answer has it if that is more than a minute.",
    75,
)

# Parameters of queries that no body has.
REGISTRATION_ID_REQUIRED = meaning("The registration whose latest message is wanted.", "r-1")
STANDALONE_ONLY = meaning(
    "Whether only standalone messages are wanted. `false` is the same as leaving it out.",
    True,
)
VERSIONS = meaning("Whether each message comes with its version.", True)
VERSION = meaning(
    "Grows with each change of the message, from 1. Of two answers or events on one message, the "
    "one with the greater version is newer.",
    3,
)
STATUS_NOW = meaning("The status that the messages have now.", "read")
LIMIT = meaning("How many rows a page may have.", 20)
CURSOR = meaning(
    "Where the page begins.",
    "1768473000250000.qlFfHgKhXtCPRB-nYjLJOg",
)
VALUE_CURSOR = meaning(
    "Where the page begins.",
    "1768473000250000.e-1",
)
CODE = meaning(
    "The error code of the failed messages.",
    "131026",
)
CLASS = meaning("The class of the failed messages: when to send them again.", "later")
SENT_SINCE_FILTER = meaning(
    "`false` leaves out messages that have a second try, so that nobody gets a message twice; "
    "`true` leaves out the others.",
    False,
)
WITH_COUNT = meaning("Whether each code also has the number `listed`.", True)
FORMAT = meaning(
    "The form of the answer: JSON, or CSV with all pages in one file. `Accept: text/csv` asks for "
    "CSV too.",
    "csv",
)

MEANING_OF_FIELD = {
    "event_id": EVENT_ID,
    "template_name": TEMPLATE_NAME,
    "campaign_id": CAMPAIGN_ID,
    "phone_number_id": PHONE_NUMBER_ID,
}
"""The meanings of the fields whose values are listed: their models are made of the dimensions."""
