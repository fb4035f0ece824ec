"""Reads messages from another system's table, by the rules of the API.

A row stands for the calls that would have reported the message at the time: a track-send with its
context, and a status update for each of its times. So texts, times and phone numbers are read and
refused just as the API does it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from binascii import crc_hqx
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

import orjson
from msgspec.structs import replace

from service.domain.report import RANK, Context, Report, Status
from service.errors import BadRequest
from service.models.decoding import Reader, refusal
from service.models.fields import time_of
from service.models.incoming import send_report, status_report
from service.models.recipients import recipient_of
from service.models.requests import (
    MAX_METAS_ID,
    RECIPIENT,
    MessageStatusRequest,
    TrackSendRequest,
)
from service.models.times import Times, advice

_SEND = Reader(TrackSendRequest)
_STATUS = Reader(MessageStatusRequest)

_CONTEXT = {field: field for field in Context.__struct_fields__} | {
    "recipient_id": "wa_id",
    "registration_id": "event_registration_id",
}
_TIMES = {status: f"{status}_at" for status in Status}
_ALL_TIMES = (*_TIMES.values(), "status_at", "created_at")
_ERROR = ("error_code", "error_message", "error_details", "error_href")

FIELDS = (
    "wamid",
    "status",
    "status_at",
    "created_at",
    *_TIMES.values(),
    *_ERROR,
    *_CONTEXT,
)
"""The fields that a row may have."""

Row = Mapping[str, object]
"""Values by the names of `FIELDS`; unknown ones are left out."""


_API_NAMES = {field: {field, name} for field, name in _CONTEXT.items()} | {
    "wamid": {"wamid", "template_wamid"}
}


class Table:
    """Another system's table, and how its columns and words map to our fields.

    Args:
        columns: the table's name for each of `FIELDS` that has another name there.
        statuses: the status that each of the table's words means; `""` for none.
        defaults: the values of fields that a row leaves out.
        skipped: columns that aren't read, whatever they are called.
        times: reads the table's times.
        now_us: the present time, in µs since the epoch. Times more than a day later are refused.
    """

    def __init__(
        self,
        *,
        columns: Mapping[str, str],
        statuses: Mapping[str, str],
        defaults: Mapping[str, str],
        now_us: int,
        skipped: Collection[str] = (),
        times: Times | None = None,
    ) -> None:
        self._columns = columns
        self._statuses = {word.strip(): status for word, status in statuses.items()}
        self._defaults = defaults
        self._skipped = skipped
        self._times = times or Times()
        self._now_us = now_us
        self._indexes = lru_cache(maxsize=256)(self._find_indexes)
        self._unread = lru_cache(maxsize=256)(self._find_unread)

    @property
    def without_zone(self) -> int:
        """How many of the times that were read had no zone."""
        return self._times.without_zone

    def missing(self, names: Sequence[str]) -> str:
        """The alphabetically first required column that the table lacks; `""` for none.

        The wamid's column and every column that the caller named are required.
        """
        required = {*self._columns.values(), *self._skipped}
        lacking = [column for column in required if not _named(column, names)]
        if "wamid" not in self._columns and not self._own("wamid", names):
            lacking.append("wamid")
        return min(lacking, default="")

    def column_indexes(self, names: tuple[str, ...]) -> Mapping[str, int]:
        """The index of each field's column, in rows whose columns have these names.

        Raises:
            BadRequest: a field has two columns.
        """
        return self._indexes(names) if _are_few(names) else self._find_indexes(names)

    def _find_indexes(self, names: tuple[str, ...]) -> Mapping[str, int]:
        indexes: dict[str, int] = {}
        for field in FIELDS:
            sources = self._sources(field, names)
            if len(sources) > 1:
                called = " and ".join(names[at].strip() for at in sources)
                raise BadRequest(
                    f"{field} has {len(sources)} columns: {called}. Say by --map {field}=COLUMN "
                    "which it is, by --skip COLUMN which it isn't.",
                    field,
                )
            if sources:
                indexes[field] = sources[0]
        return indexes

    def _sources(self, field: str, names: Sequence[str]) -> list[int]:
        own = self._own(field, names)
        if field not in self._columns:
            return own
        chosen = _named(self._columns[field], names)
        claimed = {at for column in self._columns.values() for at in _named(column, names)}
        # If --map names one of several columns that differ only in case, the user has chosen. But
        # a column with another of the field's own names may still be the right one.
        alike = {_plain(names[at]) for at in chosen}
        return chosen + [at for at in own if at not in claimed and _plain(names[at]) not in alike]

    def _own(self, field: str, names: Sequence[str]) -> list[int]:
        """The indexes of columns with one of the field's own names, without skipped columns."""
        known = _API_NAMES.get(field, {field})
        return [
            at
            for at, name in enumerate(names)
            if _plain(name) in known and name.strip() not in self._skipped
        ]

    def unread(self, names: tuple[str, ...]) -> list[str]:
        """The names of columns that no field is read from, without skipped columns."""
        return self._unread(names) if _are_few(names) else self._find_unread(names)

    def _find_unread(self, names: tuple[str, ...]) -> list[str]:
        read = set(self.column_indexes(names).values())
        return [
            name.strip()
            for at, name in enumerate(names)
            if at not in read and name.strip() and name.strip() not in self._skipped
        ]

    def reports(self, names: tuple[str, ...], values: Sequence[object]) -> list[Report]:
        """The reports of a row, one for each status.

        Their time of receipt is when the message was created; see `_received_us`.

        Raises:
            BadRequest: a field can't be read or has two columns, or the row has no time for its
                status.
        """
        row = self._row(self.column_indexes(names), values)
        reports = [
            self._report(row, status, field) for status, field in _TIMES.items() if field in row
        ]
        if "status" in row and row["status"] not in [report.status for report in reports]:
            reports.append(self._report(row, row["status"], _time_field(row, reports)))
        if not reports:
            raise BadRequest("status is missing, and so is every time of one.", "status")
        reports.sort(key=lambda report: RANK[report.status])
        received_us = self._received_us(row, reports)
        reports = [replace(report, received_us=received_us) for report in reports]
        if any(field in row for field in _CONTEXT if field != "recipient_id"):
            reports[0] = replace(reports[0], context=_context_of(row, received_us))
        return reports

    def _row(self, indexes: Mapping[str, int], values: Sequence[object]) -> dict[str, object]:
        row: dict[str, object] = dict(self._defaults)
        row |= {field: values[at] for field, at in indexes.items() if values[at] not in (None, "")}
        if isinstance(word := row.get("status"), str):
            row["status"] = self._statuses.get(word.strip(), word.strip())
        for field in _ALL_TIMES:
            if isinstance(time := row.get(field), str):
                row[field] = self._times.read(time, field)
        row = {field: value for field, value in row.items() if value != ""}
        if "recipient_id" in row:
            row["recipient_id"] = _row_recipient(row["recipient_id"])
        return row

    def _report(self, row: Row, status: object, time_field: str) -> Report:
        code, title, details, href = (row.get(field) for field in _ERROR)
        error = {"code": code, "title": title, "details": details, "href": href}
        body = _given(
            wamid=row.get("wamid"),
            recipient_id=row.get("recipient_id"),
            status=status,
            timestamp=row[time_field],
            errors=[error] if status == Status.FAILED else None,
        )
        try:
            return status_report(_STATUS.body(body), self._now_us)
        except BadRequest as error:
            renamed = _with_row_names(error, {"timestamp": time_field})
            sentence = renamed.sentence + _advice(error, row[time_field])
            raise BadRequest(sentence, renamed.field) from None

    def _received_us(self, row: Row, reports: list[Report]) -> int:
        """When the message was created; else when it was sent; else its earliest status.

        The microseconds are a checksum of the wamid. So messages of one second don't all have the
        same time, and a message has the same time in every import.
        """
        times_ms = [report.at_ms for report in reports]
        if "created_at" in row:
            value = row["created_at"]
            value = value if isinstance(value, str | int) else ""
            try:
                created_ms = time_of(value, self._now_us // 1000, "created_at")
            except BadRequest as error:
                raise BadRequest(error.sentence + advice(value), error.field) from None
        else:
            created_ms = times_ms[0] if reports[0].status is Status.SENT else min(times_ms)
        return created_ms * 1000 + crc_hqx(reports[0].wamid.encode(), 0) % 1000


_MOST_CACHED = 128
"""The longest name, in characters, that a cache keeps; also the most names of one line."""


def _are_few(names: tuple[str, ...]) -> bool:
    """Whether a cache may keep these names. A JSON line may have any number, of any length."""
    return len(names) <= _MOST_CACHED and max(map(len, names), default=0) <= _MOST_CACHED


def _plain(name: str) -> str:
    """A column's name in lower case, its words joined by `_`, without invisible characters."""
    return (_plain_of if len(name) <= _MOST_CACHED else _plain_of.__wrapped__)(name)


@lru_cache(maxsize=4096)  # JSON lines combine the same names in many ways
def _plain_of(name: str) -> str:
    seen = "".join(each for each in name if unicodedata.category(each) != "Cf")
    return "_".join(re.findall(r"[^\W_]+", seen.casefold()))


def _named(column: str, names: Sequence[str]) -> list[int]:
    """The indexes of the columns with exactly this name; else of those with a similar name."""
    exactly = [at for at, name in enumerate(names) if name == column]
    plain = _plain(column)
    return exactly or [at for at, name in enumerate(names) if plain and _plain(name) == plain]


def _time_field(row: Row, reports: list[Report]) -> str:
    """The best field of the row for the time of its status."""
    if "status_at" in row:
        return "status_at"
    if reports:
        return _TIMES[max(reports, key=lambda report: report.at_ms).status]
    if "created_at" in row:
        return "created_at"
    raise BadRequest("status has no time: the line has none at all.", "status")


def _advice(error: BadRequest, time: object) -> str:
    if error.field == "status":
        return " --status-map WORD=STATUS says what a word of the table's means."
    return advice(time) if error.field == "timestamp" else ""


def _row_recipient(value: object) -> str:
    """The recipient of a row, in its stored form. The API's status update ignores an odd one.

    Raises:
        BadRequest: the value can't be a recipient.
    """
    text = str(value)
    is_ill_typed = isinstance(value, bool) or not isinstance(value, str | int | float)
    if is_ill_typed or len(text) > MAX_METAS_ID:
        raise refusal("recipient_id", RECIPIENT)
    return recipient_of(text, "recipient_id")


def _context_of(row: Row, received_us: int) -> Context | tuple[()]:
    names = {_CONTEXT[field]: row.get(field) for field in _CONTEXT}
    try:
        body = _given(template_wamid=row.get("wamid"), **names)
        return send_report(_SEND.body(body), received_us).context
    except BadRequest as error:
        raise _with_row_names(error, {name: field for field, name in _CONTEXT.items()}) from None


def _given(**fields: object) -> bytes:
    """A JSON body with the fields that aren't None."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return orjson.dumps(given)
    except TypeError:  # orjson takes no half surrogates, and no integers of more than 64 bits
        return json.dumps(given).encode()


def _with_row_names(error: BadRequest, names: Mapping[str, str]) -> BadRequest:
    """The API's error, with the row's name of the field instead of the API's name."""
    name = names.get(error.field or "", error.field)
    return BadRequest(error.sentence.replace(error.field or "", name or ""), name)
