"""Authentication: by a token, by Meta's signature, or by the verify token of Meta's handshake.

Secrets are compared in constant time and never logged.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Sequence
from functools import partial

from service.config import Settings
from service.errors import Forbidden, Unauthorized
from service.web.abuse_limits import LogLimit

log = logging.getLogger(__name__)

_NO_WORD_SET = (
    "No hub.verify_token is expected here: set meta.verify_token to the word that you give Meta."
)
_UNFIT = "The X-Hub-Signature-256 does not fit the body."
_SIGNATURE = re.compile("sha256=[0-9a-f]{64}")


class Access:
    """Checks callers against the secrets of the settings.

    If no secret of a kind is set, every check of that kind fails.

    Args:
        settings: the settings of the service.
        lines: limits the log lines that strangers can cause.
    """

    def __init__(self, settings: Settings, lines: LogLimit) -> None:
        self._lines = lines
        self._tokens = _encoded(settings.auth.tokens)
        self._app_secrets = _encoded(settings.meta.app_secret)
        self._verify_tokens = _encoded(settings.meta.verify_token)

    def check_token(self, given: str | None) -> None:
        """Checks that an `X-Webhook-Token` is one of `auth.tokens`.

        Raises:
            Unauthorized: it is missing or empty.
            Forbidden: it is another one.
        """
        if not given:
            raise Unauthorized("The header X-Webhook-Token is missing.")
        if not self.knows_token(given):
            raise Forbidden("The X-Webhook-Token is not one that is let in.")

    def knows_token(self, given: str | None) -> bool:
        """Returns whether a token is one of `auth.tokens`."""
        return bool(given) and _is_one_of(given or "", self._tokens)

    @property
    def checks_signatures(self) -> bool:
        """Whether a secret is set that signatures can be checked against."""
        return bool(self._app_secrets)

    def check_form(self, given: str) -> None:
        """Refuses a request before its body is read, if its signature can't fit any body.

        Args:
            given: the value of `X-Hub-Signature-256`.

        Raises:
            Forbidden: no secret is set, or the signature has another form.
        """
        if not self._app_secrets:
            self._note_missing("meta.app_secret")
        if not self._app_secrets or not _SIGNATURE.fullmatch(given):
            raise Forbidden(_UNFIT)

    def check_signature(self, given: str, body: bytes) -> None:
        """Checks that a body was signed with one of `meta.app_secret`.

        Args:
            given: the value of `X-Hub-Signature-256`: `sha256=` and the hexadecimal HMAC-SHA256 of
                the body (Meta's page "Create a webhook endpoint").
            body: the body as it came.

        Raises:
            Forbidden: it was signed with another secret, or changed on its way.
        """
        digests = [hmac.digest(secret, body, hashlib.sha256) for secret in self._app_secrets]
        if not _is_one_of(given, [b"sha256=" + digest.hex().encode() for digest in digests]):
            raise Forbidden(_UNFIT)

    def check_handshake(self, given: str | None, *, of_ours: bool) -> None:
        """Checks that the verify token of Meta's handshake is one of `meta.verify_token`.

        Args:
            given: the `hub.verify_token`.
            of_ours: whether the caller has a token; only then the error says which setting lacks.

        Raises:
            Forbidden: it is missing, or is another one.
        """
        if not self._verify_tokens:
            self._note_missing("meta.verify_token")
            if of_ours:
                raise Forbidden(_NO_WORD_SET)
        if not given or not _is_one_of(given, self._verify_tokens):
            raise Forbidden("The hub.verify_token is not the one that is expected.")

    def _note_missing(self, setting: str) -> None:
        if number := self._lines.due("setting_missing", setting):
            log.warning("setting_missing", extra={"setting": setting, "number": number})


def _encoded(secrets: Sequence[str]) -> list[bytes]:
    return [secret.encode() for secret in secrets]


def _is_one_of(given: str, expected: Sequence[bytes]) -> bool:
    encoded = given.encode(errors="surrogateescape")
    return any(map(partial(hmac.compare_digest, encoded), expected))
