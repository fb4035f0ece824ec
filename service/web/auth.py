"""Who is let in: by a token, by Meta's signature, or by the word of Meta's handshake.

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
from service.web.refusals import LogLimit

log = logging.getLogger(__name__)

_NO_WORD_SET = (
    "No hub.verify_token is expected here: set meta.verify_token to the word that you give Meta."
)
_UNFIT = "The X-Hub-Signature-256 does not fit the body."
_SIGNATURE = re.compile("sha256=[0-9a-f]{64}")


class Access:
    """The secrets of the settings. Where none of a kind is set, nobody gets in by that kind.

    Args:
        settings: of the service.
        lines: bounds the log lines of requests that strangers can make.
    """

    def __init__(self, settings: Settings, lines: LogLimit) -> None:
        self._lines = lines
        self._tokens = _encoded(settings.auth.tokens)
        self._app_secrets = _encoded(settings.meta.app_secret)
        self._verify_tokens = _encoded(settings.meta.verify_token)

    def check_token(self, given: str | None) -> None:
        """Lets a caller in whose `X-Webhook-Token` is one of `auth.tokens`.

        Raises:
            Unauthorized: there is none.
            Forbidden: it is another one.
        """
        if not given:
            raise Unauthorized("The header X-Webhook-Token is missing.")
        if not self.knows_token(given):
            raise Forbidden("The X-Webhook-Token is not one that is let in.")

    def knows_token(self, given: str | None) -> bool:
        """Whether it is one of `auth.tokens`."""
        return bool(given) and _is_one_of(given or "", self._tokens)

    @property
    def checks_signatures(self) -> bool:
        """Whether there is a secret to check a signature by."""
        return bool(self._app_secrets)

    def check_form(self, given: str) -> None:
        """Turns a request away before its body is read, if its signature can't fit any.

        Args:
            given: `X-Hub-Signature-256`.

        Raises:
            Forbidden: there is no secret to check it by, or it has another form.
        """
        if not self._app_secrets:
            self._note_missing("meta.app_secret")
        if not self._app_secrets or not _SIGNATURE.fullmatch(given):
            raise Forbidden(_UNFIT)

    def check_signature(self, given: str, body: bytes) -> None:
        """Lets a body in that was signed with one of `meta.app_secret`.

        Args:
            given: `X-Hub-Signature-256`: `sha256=` and the HMAC-SHA256 of the body in hexadecimal
                (Meta's page "Create a webhook endpoint").
            body: its bytes as they came.

        Raises:
            Forbidden: it was signed with another secret, or changed on its way.
        """
        digests = [hmac.digest(secret, body, hashlib.sha256) for secret in self._app_secrets]
        if not _is_one_of(given, [b"sha256=" + digest.hex().encode() for digest in digests]):
            raise Forbidden(_UNFIT)

    def check_handshake(self, given: str | None, *, of_ours: bool) -> None:
        """Lets Meta verify the address with one of `meta.verify_token`.

        Args:
            given: the `hub.verify_token`.
            of_ours: whether the caller has a token; only then the error says what is set up here.

        Raises:
            Forbidden: it is another one, or none.
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
