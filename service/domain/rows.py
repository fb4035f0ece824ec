"""Rows: some or all fields of a record, which are read together and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from service.domain.record import Record, record_in, stored
from service.domain.report import STATUS_OF, Status

Row = TypeVar("Row")


class Kind(NamedTuple, Generic[Row]):
    """Says which fields to read of each message, and how to make rows of them.

    Attributes:
        fields: the fields to read, as `stored` names them; `()` for all.
        row: makes a row of a reply: the texts of `fields`, with None for an absent one, or names
            and texts in turns if all fields are read. Raises ValueError or TypeError if the reply
            is no record that this version can read.
        readable: returns whether all replies are valid rows as they are, so that `row` needn't be
            called for each of them.
        getter: returns a function that gets a field, given by its name, from a row.
    """

    fields: tuple[str, ...]
    row: Callable[[Sequence[Any]], Row]
    readable: Callable[[Sequence[Any]], bool]
    getter: Callable[[str], Callable[[Row], str | None]]


def _record_in_reply(flat: Sequence[str]) -> Record:
    return record_in(zip(flat[::2], flat[1::2], strict=True))


WHOLE = Kind((), _record_in_reply, lambda _: False, attrgetter)
"""Whole records."""

Texts = Sequence[str | None]
"""Some fields of a record, with None for an unknown one. A page has hundreds of these, so they stay
as Redis sent them until they are shown."""


def texts_of(*fields: str) -> Kind[Texts]:
    """Returns the kind of rows that have these fields.

    The first field must be `status`, and none may be a `*_received_ms`, which a hash may lack.
    """
    times = [place for place, field in enumerate(fields) if field.endswith("_ms")]
    times_in = itemgetter(*times)
    wamid = fields.index("wamid") if "wamid" in fields else 0

    def checked(texts: Texts) -> Texts:
        status, digits = texts[0], "".join(filter(None, times_in(texts)))
        # A group's message has no time while nothing but a participant's failure is known.
        timed = digits.isdecimal() or (not digits and status == Status.SENT)
        if status not in STATUS_OF or not timed or not texts[wamid]:
            raise ValueError("no record that this version can read")
        return texts

    def readable(replies: Sequence[Any]) -> bool:
        # It checks columns, since `checked` takes four times as long for all rows.
        try:
            columns = list(zip(*replies, strict=True))
        except TypeError:  # one of the replies is an error
            return False
        timed = [columns[place] for place in times] if columns else []
        return (
            all(map(any, zip(*timed, strict=True)))
            and "".join(filter(None, chain.from_iterable(timed))).isdecimal()
            and STATUS_OF.keys() >= set(columns[0])
            and all(columns[wamid])
        )

    def getter(field: str) -> Callable[[Texts], str | None]:
        return itemgetter(fields.index(field))

    return Kind(tuple(map(stored, fields)), checked, readable, getter)
