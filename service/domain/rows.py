"""Rows: what is read of a record's fields at once, and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from service.domain.record import Record, record_in, stored
from service.domain.report import STATUS_OF, Status

Row = TypeVar("Row")


class Kind(NamedTuple, Generic[Row]):
    """What is read of messages, and what becomes of it.

    Attributes:
        fields: that are read of each message, as `stored` names them; `()`: all.
        row: makes a row of the texts of these fields, None for one that isn't there, or of all
            fields and their texts in turns. Raises ValueError or TypeError: they are no record that
            this version can read.
        readable: whether all of some replies are such texts, and rows as they are: so `row` needn't
            look at each.
        getter: makes what gets a field, by its name, from a row.
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
"""Some fields of a record; None is what isn't known. A page has hundreds, so they stay as they came
until they are shown."""


def texts_of(*fields: str) -> Kind[Texts]:
    """Some fields, beginning with `status`; none is a receipt, which a hash may leave out."""
    times = [place for place, field in enumerate(fields) if field.endswith("_ms")]
    times_in = itemgetter(*times)
    wamid = fields.index("wamid") if "wamid" in fields else 0

    def checked(texts: Texts) -> Texts:
        status, digits = texts[0], "".join(filter(None, times_in(texts)))
        # Of a group's message nobody knows a time while all that is known is a member's failure.
        timed = digits.isdecimal() or (not digits and status == Status.SENT)
        if status not in STATUS_OF or not timed or not texts[wamid]:
            raise ValueError("no record that this version can read")
        return texts

    def readable(replies: Sequence[Any]) -> bool:
        # By columns, since that takes a quarter of the time that `checked` takes for each.
        try:
            columns = list(zip(*replies, strict=True))
        except TypeError:  # an error is among them
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
