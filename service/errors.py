"""Every error that the service raises on purpose.

TrackerError
├── RequestError            the caller is answered with `status` and the sentence
│   ├── BadRequest          400: the body or the query has a fault, in `field` if one is named
│   │   └── TooManyParts    413: the body's JSON has more parts than are read at once
│   ├── Unauthorized        401: no token
│   ├── Forbidden           403: a token or a signature that isn't one of ours
│   ├── NotFound            404: there is no such message
│   ├── TooSlow             408: the request took too long to come
│   ├── TooLarge            413: the body is larger than the endpoint takes
│   ├── Packed              415: the body is compressed
│   ├── Overloaded          503: more requests than the service takes on at once; try again
│   └── Unavailable         503: the store can't be reached or takes no writes; try again
│       └── Rejected        503: the store takes writes, but not this batch
├── StartError              the service doesn't start; the operator reads the sentence
│   ├── StoreAway           the store can't be reached now; with a journal the service still starts
│   ├── OtherStore          another store stands where the service had its own
│   └── ConfigError         a setting is missing, unknown or out of its range
└── CommandError            a command can't do its work; the operator reads the sentence
"""

from __future__ import annotations


class TrackerError(Exception):
    """The root of all errors. Its text is a sentence for the caller or the operator."""


class RequestError(TrackerError):
    """A request that is refused.

    Args:
        sentence: says what is wrong and what is allowed. It contains nothing that the caller sent,
            since it is logged too.
        field: the name of the faulty field or parameter, if there is one.
    """

    status = 500

    def __init__(self, sentence: str, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


class BadRequest(RequestError):
    """400: nothing was written; the same request will never be taken."""

    status = 400


class Unauthorized(RequestError):
    """401: the request carries no token."""

    status = 401


class Forbidden(RequestError):
    """403: the request's token, or its signature, is not one of ours."""

    status = 403


class NotFound(RequestError):
    """404: there is no such message, or none any more."""

    status = 404


class TooSlow(RequestError):
    """408: the rest of the request didn't come in time."""

    status = 408

    def __init__(self) -> None:
        super().__init__("The request took too long to come.")


class TooLarge(RequestError):
    """413: the body is over the endpoint's limit.

    Args:
        max_mib: the limit, in MiB.
    """

    status = 413

    def __init__(self, max_mib: int) -> None:
        super().__init__(f"The body is too large; at most {max_mib} MiB is allowed.")


class TooManyParts(BadRequest):
    """413: the body's JSON would take long to read, while all other requests wait.

    Args:
        most: how many parts it may have.
    """

    status = 413

    def __init__(self, most: int) -> None:
        super().__init__(
            f"The body has too many parts: at most {most:,} commas, opening brackets and quarters "
            "of the halves of surrogate pairs are allowed."
        )


class Packed(RequestError):
    """415: the body is compressed; it stays so, since a little may unpack to very much."""

    status = 415

    def __init__(self) -> None:
        super().__init__("The body must not be compressed: send it without Content-Encoding.")


class Overloaded(RequestError):
    """503: refused before anything was done, since too much is under way; try again."""

    status = 503

    def __init__(self) -> None:
        super().__init__("The service has more to do than it can take on; try again.")


class Unavailable(RequestError):
    """503: nothing is known to be written; the same request may be sent again.

    Args:
        reason: a short word for the log and the metrics: one of `store.REASONS`; `fault` for a
            fault of the service itself; `journal` or `journal_full` if the journal couldn't take
            the report either; `second_tries` if there are too many of them to look at.
        sentence: the sentence for the caller.
    """

    status = 503

    def __init__(
        self, reason: str, sentence: str = "The store is not available at the moment; try again."
    ) -> None:
        super().__init__(sentence)
        self.reason = reason


class Rejected(Unavailable):
    """503: the store takes writes but refuses this batch, because of a report in it."""


class StartError(TrackerError):
    """The service can't start with these settings, on this machine or with this store."""


class StoreAway(StartError):
    """At the moment the store can't be reached, or takes no writes."""


class OtherStore(StartError):
    """Another store has replaced the one that the running service was opened on."""


class ConfigError(StartError):
    """A setting is missing, unknown or out of its range."""


class CommandError(TrackerError):
    """A command of the command line can't do its work, or not all of it."""
