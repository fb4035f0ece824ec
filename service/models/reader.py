"""Reads requests from bodies and queries, and says what is wrong with those it can't read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Generic, NoReturn, TypeVar, get_args, get_type_hints

import msgspec

from service.errors import BadRequest
from service.models.requests import CONTROL, RECIPIENT

CONTROLS = re.compile(rf"[{CONTROL}\ud800-\udfff]")
"""Characters that no text may hold: control characters, and halves of a surrogate pair."""

_SURROGATES = re.compile(r"[\ud800-\udfff]")

Model = TypeVar("Model", bound=msgspec.Struct)


class Reader(Generic[Model]):
    """Reads one kind of request.

    Args:
        model: the struct that the request must fit.
    """

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._decoder = msgspec.json.Decoder(model)
        hints = get_type_hints(model, include_extras=True)
        self._names = {field.encode_name: field.name for field in msgspec.structs.fields(model)}
        self._allowed = {given: description(hints[name]) for given, name in self._names.items()}

    def body(self, raw: bytes) -> Model:
        """The request in a JSON body.

        Raises:
            BadRequest: it isn't JSON, not an object, or a field is missing or ill-typed.
        """
        try:
            model = self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise self._bad_request(error, "The body must be a JSON object.") from None
        except (ValueError, RecursionError):
            model = self._odd_body(raw)
        # JSON holds control characters only as escapes (\), save for these beginnings in UTF-8.
        if 0x5C in raw or 0x7F in raw or 0xC2 in raw:
            self._refuse_controls(model)
        return model

    def _odd_body(self, raw: bytes) -> Model:
        try:
            return self._decoder.decode(without_lone_surrogates(raw))
        except msgspec.ValidationError as error:
            raise self._bad_request(error, "The body must be a JSON object.") from None
        except (ValueError, RecursionError):
            raise BadRequest("The body is not valid JSON; it must be a JSON object.") from None

    def _refuse_controls(self, model: Model) -> None:
        for name, allowed in self._allowed.items():
            if allowed == RECIPIENT:  # between the digits of a phone number they may stand
                continue
            value = getattr(model, self._names[name])
            for text in value if isinstance(value, list) else (value,):
                if isinstance(text, str) and CONTROLS.search(text):
                    raise refusal(name, allowed)

    def query(self, parameters: Sequence[tuple[str, str]]) -> Model:
        """The request in the parameters of a query.

        Raises:
            BadRequest: one is unknown, given twice, empty or ill-formed.
        """
        given = dict(parameters)
        for name in given:
            if name not in self._allowed:
                raise BadRequest(
                    f"Unknown parameter; allowed are {', '.join(self._allowed)}.", name
                )
        if len(given) < len(parameters):
            names = [name for name, _ in parameters]
            twice = next(name for name in names if names.count(name) > 1)
            raise BadRequest(f"{twice} may be given once only.", twice)
        try:
            model = msgspec.convert(given, self._model)
        except msgspec.ValidationError as error:
            raise self._bad_request(error, "The query is ill-formed.") from None
        self._refuse_controls(model)
        return model

    def _bad_request(self, error: msgspec.ValidationError, otherwise: str) -> BadRequest:
        if found := re.search(r"missing required field `(\w+)`", str(error)):
            return BadRequest(f"{found[1]} is required: {self._allowed[found[1]]}.", found[1])
        if found := re.search(r"at `\$\.(\w+)", str(error)):
            return refusal(found[1], self._allowed[found[1]])
        return BadRequest(otherwise)


def without_lone_surrogates(raw: bytes) -> bytes:
    """A JSON body with a control character for each half of a surrogate pair.

    JavaScript escapes half of a cut emoji as one. The decoders stumble over it, and it must not
    cost a status whose `errors` or unknown fields hold it; any other text with it is refused, as
    with a control character.

    Raises:
        ValueError: the body isn't JSON.
        RecursionError: it is nested too deeply.
    """
    body = json.loads(raw.decode(), parse_constant=_refuse_constant)
    return _SURROGATES.sub(r"\\u0000", json.dumps(body, ensure_ascii=False)).encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def description(hint: object) -> str:
    """What a type says of itself."""
    for part in (hint, *get_args(hint)):
        for meta in getattr(part, "__metadata__", ()):
            if meta.description:
                return str(meta.description)
    return ""


def refusal(field: str, allowed: str) -> BadRequest:
    """The error that says what is allowed in a field."""
    return BadRequest(f"{field} must be {allowed}.", field)
