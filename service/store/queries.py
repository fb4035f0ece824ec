"""Queries of a partition's messages, and the tests that the messages' rows must pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from service.domain.dimensions import DIMENSIONS, RECIPIENT_FIELDS, Value, values_of
from service.domain.identity import ENDING_DIGITS
from service.domain.query import Position, Selection
from service.domain.record import stored
from service.domain.rows import Kind, Row

_Getter = Callable[[str], Callable[[Row], str | None]]

Test = Callable[[Any], bool]


class Query(msgspec.Struct, frozen=True):
    """One query of a partition; `in_redis` encodes to the JSON object that `list.lua` reads.

    Attributes:
        filters: see `Selection`, which also explains the next ones, up to `lacks`.
        since_us: see `Selection`; `""` for any.
        limit: how many messages are wanted.
        peek: whether to scan on from there to the next match, so that nothing follows if there is
            none.
        dated: whether the scan gives the positions of the matches, and not only their ids.
        after_us: `created_us` of the position to start behind; `""` to start at the newest.
        after_id: the message id of that position.
    """

    filters: Sequence[tuple[str, str]]
    status: str
    heads: str
    codes: Sequence[str]
    but_codes: Sequence[str]
    has: Sequence[str]
    lacks: Sequence[str]
    since_us: str
    limit: int
    peek: bool
    dated: bool
    after_us: str
    after_id: str

    @classmethod
    def of(
        cls,
        selection: Selection,
        limit: int,
        after: Position | None,
        *,
        peek: bool = False,
        dated: bool = False,
    ) -> Query:
        """A query for up to `limit` of the selected messages behind a position."""
        after_us, after_id = (str(after.created_us), after.message_id) if after else ("", "")
        return cls(
            filters=selection.filters,
            status=selection.status,
            heads=selection.heads,
            codes=selection.codes,
            but_codes=selection.but_codes,
            has=selection.has,
            lacks=selection.lacks,
            since_us=str(selection.since_us or ""),
            limit=limit,
            peek=peek,
            dated=dated,
            after_us=after_us,
            after_id=after_id,
        )

    def in_redis(self) -> Query:
        """The query that `list.lua` takes: fields have the names that they have in a hash."""
        if not self.has and not self.lacks:
            return self
        has, lacks = [*map(stored, self.has)], [*map(stored, self.lacks)]
        return msgspec.structs.replace(self, has=has, lacks=lacks)

    def test(self, kind: Kind[Row]) -> Callable[[Row], bool]:
        """A test whether a row's message matches the query.

        A row is read after the script has found its message, which may have changed in between.

        Args:
            kind: what was read of each message.
        """
        by_filters = (_filter_test(each, kind.getter) for each in self.filters)
        tests = [*by_filters, *self._further_tests(kind.getter)]

        def test(row: Row) -> bool:
            for each in tests:  # noqa: SIM110  `all` would take three times as long
                if not each(row):
                    return False
            return True

        return tests[0] if len(tests) == 1 else test

    def _further_tests(self, getter: _Getter[Row]) -> Iterator[Callable[[Row], bool]]:
        if self.status:
            status = getter("status")
            yield lambda row: status(row) == self.status
        if self.heads:
            ending = dict(self.filters)["recipient"]
            getters = list(map(getter, RECIPIENT_FIELDS))
            yield lambda row: any(
                number.endswith(ending) and f",{number[:-ENDING_DIGITS]}," in self.heads
                for get in getters
                if (number := get(row))
            )
        if self.codes:
            code = getter("error_code")
            yield lambda row: (code(row) or "") in self.codes
        if self.but_codes:
            other_code = getter("error_code")
            yield lambda row: (other_code(row) or "") not in self.but_codes
        if self.has:
            given = list(map(getter, self.has))
            yield lambda row: all(get(row) for get in given)
        if self.lacks:
            absent = list(map(getter, self.lacks))
            yield lambda row: not any(get(row) for get in absent)
        if self.since_us:
            created_us = getter("created_us")
            yield lambda row: int(created_us(row) or 0) >= int(self.since_us)


def _filter_test(a_filter: tuple[str, str], getter: _Getter[Row]) -> Callable[[Row], bool]:
    name, value = a_filter
    dimension = _DIMENSIONS[name]
    if dimension.value is Value.FIELD and not dimension.further:
        field = getter(dimension.field)
        return lambda row: field(row) == value
    getters = list(map(getter, dimension.fields))
    return lambda row: value in values_of(dimension, (get(row) for get in getters))


_DIMENSIONS = {each.name: each for each in DIMENSIONS}


class Scan(NamedTuple):
    """What one query found in a partition.

    Attributes:
        ids: of the matching messages, newest first.
        created_us: when each of them was created, if the query was dated; else `[]`.
        stopped: the position to go on from; None: nothing follows.
    """

    ids: list[str]
    created_us: list[int]
    stopped: Position | None
