"""A message as somebody else's table has it, read by the rules of the API.

A row is taken for the calls that would have reported it when it happened: a track-send with its
context, a status update for each of its times. So texts, times and phone numbers are read, and
refused, as the API does it.
"""

from __future__ import annotations

import json
from binascii import crc_hqx
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from service.errors import BadRequest
from service.models.meaning import send_report, status_report, time_of
from service.models.reader import Reader, refusal
from service.models.recipients import recipient_of
from service.models.requests import (
    MAX_METAS_ID,
    RECIPIENT,
    MessageStatusRequest,
    TrackSendRequest,
)
from service.reports import RANK, Context, Report, Status

_SEND = Reader(TrackSendRequest)
_STATUS = Reader(MessageStatusRequest)

_CONTEXT = {field: field for field in Context.__struct_fields__} | {
    "recipient_id": "wa_id",
    "registration_id": "event_registration_id",
}
_TIMES = {status: f"{status}_at" for status in Status}
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
"""What a row may tell of a message."""

Row = Mapping[str, object]
"""Values by the names of `FIELDS`; a name that is missing is not known."""


class Table:
    """Somebody else's table.

    Args:
        columns: the table's name of each of `FIELDS` that it calls otherwise.
        statuses: what the table's words for statuses mean; `""` for none.
        defaults: the values of fields that a row leaves out.
        now_us: the time, in µs since the epoch: nothing lies more than a day after it.
    """

    def __init__(
        self,
        *,
        columns: Mapping[str, str],
        statuses: Mapping[str, str],
        defaults: Mapping[str, str],
        now_us: int,
    ) -> None:
        self._columns = {field: columns.get(field, field) for field in FIELDS}
        self._named = tuple(columns)
        self._statuses = statuses
        self._defaults = defaults
        self._now_us = now_us

    def missing(self, columns: Sequence[str]) -> str:
        """The first column that a table with these columns lacks and should have, `""` for none.

        That is every one that the caller named, and that of the wamid.
        """
        needed = {self._columns[field] for field in self._named} | {self._columns["wamid"]}
        return min(needed.difference(columns), default="")

    def reports(self, cells: Mapping[str, object]) -> list[Report]:
        """What a row reports, by the table's own names: one report a status.

        They count as received when the message was created; see `_received_us`.

        Raises:
            BadRequest: a field can't be read, or nothing says when a status was reached.
        """
        row = self._row(cells)
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

    def _row(self, cells: Mapping[str, object]) -> dict[str, object]:
        row: dict[str, object] = {}
        for field, column in self._columns.items():
            value = cells.get(column)
            value = self._defaults.get(field) if value in (None, "") else value
            if field == "status" and isinstance(value, str):
                value = self._statuses.get(value, value)
            if value not in (None, ""):
                row[field] = value
        return row

    def _report(self, row: Row, status: object, time_field: str) -> Report:
        code, title, details, href = (row.get(field) for field in _ERROR)
        error = {"code": code, "title": title, "details": details, "href": href}
        body = _given(
            wamid=row.get("wamid"),
            recipient_id=_recipient_in(row),
            status=status,
            timestamp=row[time_field],
            errors=[error] if status == Status.FAILED else None,
        )
        try:
            return status_report(_STATUS.body(body), self._now_us)
        except BadRequest as error:
            raise _in_words_of(error, {"timestamp": time_field}) from None

    def _received_us(self, row: Row, reports: list[Report]) -> int:
        """When the message was created, else sent, else when it first reached a status.

        Its digits behind the milliseconds are made from the wamid: messages of one second don't all
        tie, and the same message has the same time in every import.
        """
        times_ms = [report.at_ms for report in reports]
        if "created_at" in row:
            value = row["created_at"]
            value = value if isinstance(value, str | int) else ""
            created_ms = time_of(value, self._now_us // 1000, "created_at")
        else:
            created_ms = times_ms[0] if reports[0].status is Status.SENT else min(times_ms)
        return created_ms * 1000 + crc_hqx(reports[0].wamid.encode(), 0) % 1000


def _time_field(row: Row, reports: list[Report]) -> str:
    """The field that says when the row's status was reached, the best that there is."""
    if "status_at" in row:
        return "status_at"
    if reports:
        return _TIMES[max(reports, key=lambda report: report.at_ms).status]
    if "created_at" in row:
        return "created_at"
    raise BadRequest("status has no time: the line has none at all.", "status")


def _recipient_in(row: Row) -> str | None:
    """The row's recipient, if it names one. A status update may pass over an odd one; a row can't.

    Raises:
        BadRequest: it is none.
    """
    value = row.get("recipient_id")
    if value is None:
        return None
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
        raise _in_words_of(error, {name: field for field, name in _CONTEXT.items()}) from None


def _given(**fields: object) -> bytes:
    """A body with the fields that are known. What is no Unicode is escaped, and so refused."""
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def _in_words_of(error: BadRequest, names: Mapping[str, str]) -> BadRequest:
    """The API's refusal with the row's name of a field instead of the API's."""
    name = names.get(error.field or "", error.field)
    return BadRequest(error.sentence.replace(error.field or "", name or ""), name)
