"""Reads requests from bodies and queries, and says what is wrong with those that it can't read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Generic, NoReturn, Protocol, TypeVar, get_args, get_type_hints

import msgspec
import orjson

from service.errors import BadRequest, TooManyParts
from service.models.requests import CONTROL, Controls

BOM = b"\xef\xbb\xbf"
"""The byte-order mark, which some programs write before a text in UTF-8."""

CONTROLS = re.compile(rf"[{CONTROL}\ud800-\udfff]")
"""Characters that no text may hold: control characters, and halves of a surrogate pair."""

_CONTROL = re.compile(rf"[{CONTROL}]")
_HALF = re.compile(r"[\ud800-\udfff]")

# The escape of half a surrogate pair whose other half is missing. Each backslash in the text must
# begin an escape: see `whole_pairs`.
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_HALF = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!%b)|[c-fC-F][0-9a-fA-F]{2}(?<!%b%b))"
    % (_LOW, _HIGH, _LOW)
)

MOST_PARTS = 100_000
"""The most parts that the JSON of a body may have, as `parts_of` counts them. It is ten times what
1,000 sends have."""

Model = TypeVar("Model", bound=msgspec.Struct)

_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Notes(Protocol):
    """Is called for what was ignored in a body that was accepted."""

    def ignored(self, field: str) -> None:
        """Called for a field that the endpoint doesn't know."""

    def odd(self, part: str) -> None:
        """Called for a part that can't be used and counts as absent."""


class Reader(Generic[Model]):
    """Reads one kind of request.

    Args:
        model: the struct that the request must fit.
    """

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._decoder = msgspec.json.Decoder(model)
        self._strict = msgspec.json.Decoder(_strict(model))
        hints = get_type_hints(model, include_extras=True)
        self._names = {field.encode_name: field.name for field in msgspec.structs.fields(model)}
        self._allowed = {given: description(hints[name]) for given, name in self._names.items()}
        self._controls = {given: _controls(hints[name]) for given, name in self._names.items()}

    def body(self, raw: bytes, notes: Notes | None = None) -> Model:
        """Reads the request in a JSON body.

        Args:
            raw: the body as it came.
            notes: called for each field that the model doesn't have.

        Raises:
            BadRequest: the body isn't a JSON object in UTF-8, or a field is missing or ill-typed.
            TooManyParts: the body would take long to read.
        """
        if len(raw) > MOST_PARTS:  # a part has at least one byte
            check_parts(raw)
        if not raw.isascii():
            raw = utf8(raw)
        model = self.exact(raw)
        return self._lenient(raw, notes) if model is None else model

    def exact(self, raw: bytes) -> Model | None:
        """Reads the request in a body that has only fields of the model; None if it can't be read.

        Args:
            raw: a result of `utf8`.

        Raises:
            BadRequest: a field holds control characters.
        """
        try:
            model = self._strict.decode(raw)
        except (ValueError, RecursionError):
            return None
        return self._cleaned(model, raw)

    def _lenient(self, raw: bytes, notes: Notes | None) -> Model:
        raw = whole_pairs(raw)
        try:
            model = self._decoder.decode(raw)
            unknown = () if notes is None else _NAMES.decode(raw).keys() - self._names.keys()
        except msgspec.ValidationError as error:
            raise self._bad_request(error, "The body must be a JSON object.") from None
        except (ValueError, RecursionError):
            raise BadRequest("The body is not valid JSON; it must be a JSON object.") from None
        if notes is not None:
            for name in unknown:
                notes.ignored(name)
        return self._cleaned(model, raw)

    def _cleaned(self, model: Model, raw: bytes) -> Model:
        # In JSON a control character is an escape (\), or begins with one of these bytes of UTF-8.
        if 0x5C in raw or 0x7F in raw or 0xC2 in raw:
            return self._without_controls(model)
        return model

    def _without_controls(self, model: Model) -> Model:
        """Returns the request with spaces for the control characters in names.

        Raises:
            BadRequest: an id holds control characters.
        """
        cleaned = {}
        for name, field in self._names.items():
            value = getattr(model, field)
            for text in value if isinstance(value, list) else (value,):
                if not isinstance(text, str) or text.isprintable() or not CONTROLS.search(text):
                    continue
                if self._controls[name] is Controls.REFUSED:
                    raise refusal(name, self._allowed[name])
                if self._controls[name] is Controls.SPACES:
                    cleaned[field] = clean(text)
        return msgspec.structs.replace(model, **cleaned) if cleaned else model

    def query(self, parameters: Sequence[tuple[str, str]]) -> Model:
        """Reads the request in the parameters of a query.

        Raises:
            BadRequest: a parameter is unknown, given twice, empty or ill-formed.
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
        return self._without_controls(self._converted(given, "The query is ill-formed."))

    def values(self, given: object, raw: bytes) -> Model:
        """Reads the request in a body that is decoded already; unknown fields are ignored.

        Args:
            given: the decoded body.
            raw: the body.

        Raises:
            BadRequest: the body is not an object, or a field is missing or ill-typed.
        """
        return self._cleaned(self._converted(given, "The body must be a JSON object."), raw)

    def _converted(self, given: object, otherwise: str) -> Model:
        try:
            return msgspec.convert(given, self._model)
        except msgspec.ValidationError as error:
            raise self._bad_request(error, otherwise) from None

    def _bad_request(self, error: msgspec.ValidationError, otherwise: str) -> BadRequest:
        if found := re.search(r"missing required field `(\w+)`", str(error)):
            return BadRequest(f"{found[1]} is required: {self._allowed[found[1]]}.", found[1])
        if found := re.search(r"at `\$\.(\w+)", str(error)):
            return refusal(found[1], self._allowed[found[1]])
        return BadRequest(otherwise)


def _strict(model: type[Model]) -> type[Model]:
    """Returns the model as one that forbids unknown fields, which costs nothing to check."""
    config = model.__struct_config__
    if config.forbid_unknown_fields:
        return model
    return msgspec.defstruct(  # type: ignore[return-value]  # made ones have no type
        model.__name__,
        [],
        bases=(model,),
        frozen=config.frozen,
        gc=config.gc,
        forbid_unknown_fields=True,
    )


def utf8(raw: bytes) -> bytes:
    """Checks that a body is UTF-8, and returns it without a byte-order mark.

    The decoders don't check the fields that they skip.

    Raises:
        BadRequest: the body is not UTF-8.
    """
    if raw.isascii():
        return raw
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8; it must be a JSON object in UTF-8.") from None
    return raw.removeprefix(BOM)


def whole_pairs(raw: bytes) -> bytes:
    r"""Returns a JSON text with `\ufffd` for each half of a surrogate pair that stands alone.

    JavaScript escapes a cut emoji as such a half. The decoders refuse it, but no send or status
    must be lost for it.
    """
    if b"\\u" not in raw or b"\0" in raw:  # a text with a zero byte is no JSON
        return raw
    escapes = raw.replace(b"\\\\", b"\0\0")  # so that each backslash left begins an escape
    mended = bytearray(raw)
    for half in _LONE_HALF.finditer(escapes):  # not `sub`, which would block other threads
        mended[half.start() : half.end()] = rb"\ufffd"
    return bytes(mended)


def parts_of(raw: bytes) -> int:
    """Returns about how many parts a JSON text has. Each takes about 0.2 µs to decode.

    It counts commas and opening brackets, even within texts, and every fourth half of a surrogate
    pair.
    """
    halves = raw.count(b"\\ud") + raw.count(b"\\uD")
    return sum(map(raw.count, (b",", b"[", b"{"))) + halves // 4


def check_parts(raw: bytes) -> None:
    """Refuses JSON that would take long to decode, since all other requests would wait.

    Raises:
        TooManyParts: the JSON has too many parts.
    """
    if parts_of(raw) > MOST_PARTS:
        raise TooManyParts(MOST_PARTS)


def any_json(raw: bytes) -> object:
    """Decodes any JSON text, even with very large numbers and with halves of surrogate pairs.

    Raises:
        BadRequest: the text is no JSON, or not UTF-8.
    """
    try:
        return orjson.loads(raw)
    except ValueError:
        raw = whole_pairs(utf8(raw))
    try:
        # It gets a text, since of bytes it would also read other encodings.
        return json.loads(raw.decode(), parse_int=cut_int, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON; it must be a JSON object.") from None


def cut_int(digits: str) -> int:
    """Returns the integer of the first digits: Python refuses more than a few thousand."""
    return int(digits[:1_000])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def clean(text: str) -> str:
    """Returns the text with spaces for control characters and U+FFFD for half surrogates."""
    if text.isprintable():
        return text
    return _HALF.sub("\ufffd", _CONTROL.sub(" ", text))


def _metas(hint: object) -> Iterator[Any]:
    yield from getattr(hint, "__metadata__", ())
    for part in get_args(hint):
        yield from _metas(part)


def description(hint: object) -> str:
    """Returns what a type's annotations say is allowed, `""` for nothing."""
    return next((str(meta.description) for meta in _metas(hint) if meta.description), "")


def _controls(hint: object) -> Controls:
    """Returns what becomes of the control characters in a field of this type."""
    extras = [meta.extra for meta in _metas(hint) if meta.extra]
    return extras[0]["controls"] if extras else Controls.REFUSED


def refusal(field: str, allowed: str) -> BadRequest:
    """Returns the error that says what is allowed in a field."""
    return BadRequest(f"{field} must be {allowed}.", field)
