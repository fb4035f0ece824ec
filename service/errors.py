"""Every error that the service raises on purpose.

TrackerError
├── RequestError            the caller is answered with `status` and the sentence
│   ├── BadRequest          400: something in the body or the query, `field` names it
│   ├── Unauthorized        401: no token
│   ├── Forbidden           403: not one of the tokens
│   └── Unavailable         503: the store can't be reached or takes no writes; try again
└── StartError              the service doesn't start; the operator reads the sentence
    └── ConfigError         a setting is missing, unknown or out of its range
"""

from __future__ import annotations


class TrackerError(Exception):
    """The root; its text is a sentence that may be shown to whoever caused it."""


class RequestError(TrackerError):
    """A request that is not fulfilled.

    Args:
        sentence: what is wrong and what is allowed. Holds nothing that the caller sent, since
            it is logged too.
        field: the name of the field or parameter at fault, if one is.
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
    """403: the request's token is not one of ours."""

    status = 403


class Unavailable(RequestError):
    """503: nothing is known to be written; the same request may be sent again.

    Args:
        reason: a short word for the operator's log and metrics: one of `store.REASONS`, or
            `fault` where the fault is ours.
    """

    status = 503

    def __init__(self, reason: str) -> None:
        super().__init__("The store is not available at the moment; try again.")
        self.reason = reason


class StartError(TrackerError):
    """The service can't start as it is set up."""


class ConfigError(StartError):
    """A setting is missing, unknown or out of its range."""
