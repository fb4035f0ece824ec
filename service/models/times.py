"""Reads the times of imported tables, which may have a form of their own and no time zone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from service.errors import BadRequest
from service.models.requests import ISO_TIME

_ISO = re.compile(ISO_TIME)
_SAMPLE = datetime(2026, 11, 25, 13, 45, 7, tzinfo=UTC)  # each number stands for one part only


def can_be_read(form: str) -> bool:
    """Returns whether strptime reads a whole date, and no part of a time alone, in this form."""
    parts = set(re.findall("%(.)", form))
    if "Z" in parts or ("p" in parts and "I" not in parts):
        return False  # strptime reads the name of a zone, or PM behind %H, but ignores it
    try:
        found = datetime.strptime(_SAMPLE.strftime(form), form)  # noqa: DTZ007
    except (ValueError, re.error):
        return False
    return found.date() == _SAMPLE.date() and found.hour in {0, _SAMPLE.hour}


class Times:
    """Reads times, and counts those without a zone.

    Args:
        forms: formats of strptime; the first that fits is used. If empty, times are ISO 8601 or
            epoch seconds, as in the API.
        zone: the zone of times that name none.
    """

    def __init__(self, forms: Sequence[str] = (), zone: tzinfo = UTC) -> None:
        self._forms = forms
        self._zone = zone
        self.without_zone = 0

    def read(self, text: str, field: str) -> str:
        """Returns a time in the form that the API takes.

        Blanks around it are ignored. A text that can't be a time is returned as it is, so that the
        API refuses it.

        Raises:
            BadRequest: the time fits none of the forms, or the zone's clocks skipped it.
        """
        text = text.strip()
        moment = self._moment(text, field)
        if moment is None:
            return text
        try:
            if moment.tzinfo is None:
                moment = self._in_zone(moment, field)
            elif not self._forms:
                return text
            return moment.astimezone(UTC).isoformat()
        except OverflowError:  # in the years 1 and 9999
            return text

    def _moment(self, text: str, field: str) -> datetime | None:
        for form in self._forms:
            try:
                return datetime.strptime(text, form)  # noqa: DTZ007  its zone is `_in_zone`'s
            except ValueError:
                continue
        if self._forms:
            rest = _LEAVE_EMPTY if _NOTHING.fullmatch(text) else ""
            raise BadRequest(
                f"{field} must be a time of the form that --date-format says.{rest}", field
            )
        try:
            return datetime.fromisoformat(text) if _ISO.fullmatch(text) else None
        except ValueError:
            return None

    def _in_zone(self, moment: datetime, field: str) -> datetime:
        """Returns the time in the zone. If the clocks showed it twice, it is the first."""
        self.without_zone += 1
        aware = moment.replace(tzinfo=self._zone)
        if self._zone is UTC:
            return aware
        if aware.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != moment:
            raise BadRequest(
                f"{field} is a time that never was: the clocks of --timezone were set forward "
                "over it.",
                field,
            )
        return aware


_DATE = re.compile(
    r"(?P<a>[0-9]{1,4})(?P<sep>[./ -])(?P<b>[0-9]{1,2})(?P=sep)(?P<c>[0-9]{4}|[0-9]{1,2})"
    r"((?P<gap>,? |T)(?P<time>[0-9]{1,2}:[0-9]{2})(?P<seconds>:[0-9]{2})?"
    r"(?P<fraction>\.[0-9]{1,6})?(?P<half> ?[AaPp][Mm])?)?"
)
_NOTHING = re.compile("[^1-9]*")  # NULL, n/a, 0000-00-00 00:00:00
_LEAVE_EMPTY = " Where there is no such time, nothing may stand in its place."
_SHOW_AS_TIMES = (
    " It looks like a spreadsheet's number of days: have its column shown as 2026-01-15 10:30:00, "
    "then save the table again."
)
_DAYS = re.compile(r"[0-9]{5}([.,][0-9]+)?")
_EPOCH = re.compile(r"[0-9]{10}([.,][0-9]+|[0-9]{3}|[0-9]{6}|[0-9]{9})")
_ADVICE = (
    (re.compile(""), ""),
    (_NOTHING, _LEAVE_EMPTY),
    (_ISO, ""),
    (_DAYS, _SHOW_AS_TIMES),
    (_EPOCH, " It looks like epoch time with parts of a second: give its first ten digits alone."),
    (re.compile("[0-9]+"), ""),
)
_MONTHS, _YEAR_DIGITS = 12, 4


def advice(time: object) -> str:
    """Returns a hint for a refused time, by how it looks; `""` if there is none."""
    text = str(time) if isinstance(time, str | int) else ""
    for form, advised in _ADVICE:
        if form.fullmatch(text):
            return advised
    return f" --date-format reads times of another form, {_forms_of(text)}."


def _forms_of(text: str) -> str:
    found = _DATE.fullmatch(text)
    if not found:
        return "such as '%d/%m/%Y %H:%M'"
    sep, time = found["sep"], _time_form(found)
    if len(found["a"]) == _YEAR_DIGITS:
        return f"such as '%Y{sep}%m{sep}%d{time}'"
    year = "%Y" if len(found["c"]) == _YEAR_DIGITS else "%y"
    by_day, by_month = (f"'{order}{sep}{year}{time}'" for order in (f"%d{sep}%m", f"%m{sep}%d"))
    if int(found["a"]) > _MONTHS:
        return f"such as {by_day}"
    if int(found["b"]) > _MONTHS:
        return f"such as {by_month}"
    return f"such as {by_day} where the day is first, {by_month} where the month is"


def _time_form(found: re.Match[str]) -> str:
    if not found["time"]:
        return ""
    form = f"{found['gap']}{'%I' if found['half'] else '%H'}:%M"
    form += ":%S" if found["seconds"] else ""
    form += ".%f" if found["fraction"] else ""
    return form + (found["half"][:-2] + "%p" if found["half"] else "")
