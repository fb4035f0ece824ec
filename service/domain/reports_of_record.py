"""Turns a record back into reports that make it, for exports and imports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from service.domain.record import (
    ERROR_FIELDS,
    RECORD_EXTRAS,
    Participant,
    Record,
    older_in,
    participant_named_in,
    receipts_of,
)
from service.domain.report import SHARED, Context, Extras, Report, Status

_NO_ERROR = ("", "", "", "")


def reports_of(record: Record, participants: Sequence[Participant] = ()) -> list[Report]:
    """Returns reports that make this record and its participants: the inverse of `record_of`.

    Merged in their order into an empty store, they make exactly these. Merged into a store that has
    the message already, they do what the record's original reports would do if they came again.

    | The record has                                        | The reports for it               |
    | ----------------------------------------------------- | -------------------------------- |
    | fields of track-sends                                 | a track-send for each time at    |
    |                                                       | which one was received           |
    | a status that no track-send reported then, a failure  | a status update                  |
    | an error that is not of the first failure             | a failure with that error; the   |
    |                                                       | first one carries none           |
    | a `created_us` at which none of these was received    | one received then, put first     |
    | another recipient that Meta named                     | the last one again, naming it    |
    | fields of Meta's own status                           | none: they go into the first one |
    | participants                                          | some for each of them, at the end |

    Raises:
        ValueError: no reports could have made the record. A status has no time, for example.
    """
    known = _Known(record, participants)
    sends = [known.report(time_us, context) for time_us, context in _contexts_of(record)]
    updates = [*_updates(record, known, sends), *_later_error(record, known)]
    reports = _with_first(record, known, sends + updates)
    reports += _renamed_by_meta(record, reports[-1])
    reports[0] = _with_extras(record, reports[0])
    return reports + known.of_participants()


def _updates(record: Record, known: _Known, sends: Sequence[Report]) -> Iterator[Report]:
    """Yields a status update for each status that no track-send reports."""
    recipient_id = "" if sends else record.recipient_id
    for status, at_ms, received_us in known.statuses:
        if status is Status.FAILED or not _says(sends, status, received_us):
            failed_with_it = status is Status.FAILED and str(at_ms) == record.error_ms
            error = _error_of(record) if failed_with_it else _NO_ERROR
            yield Report(record.wamid, status, at_ms, received_us, recipient_id, *error)


def _later_error(record: Record, known: _Known) -> Iterator[Report]:
    """Yields a failure with the record's error, if the first failure carried no error."""
    if record.error_ms not in ("", record.failed_ms):
        _, _, received_us = known.statuses[-1]
        at_ms = int(record.error_ms)
        yield Report(record.wamid, Status.FAILED, at_ms, received_us, "", *_error_of(record))


def _with_first(record: Record, known: _Known, reports: Sequence[Report]) -> list[Report]:
    """Returns the reports with one first that was received when the record was created."""
    ordered = sorted(reports, key=lambda report: report.received_us != known.created_us)
    if ordered and ordered[0].received_us == known.created_us:
        return ordered
    # None was: a report that was merged later had been received earlier, with the same status, or
    # the first one was a participant's failure.
    first = known.report(known.created_us)
    recipient_id = "" if reports else record.recipient_id
    return [msgspec.structs.replace(first, recipient_id=recipient_id), *ordered]


def _renamed_by_meta(record: Record, last: Report) -> list[Report]:
    """Returns the last report with the recipient as Meta named it, if it named another one."""
    if not record.metas_recipient_id:
        return []
    return [msgspec.structs.replace(last, context=(), recipient_id=record.metas_recipient_id)]


def _with_extras(record: Record, first: Report) -> Report:
    """Returns the first report with the fields of Meta's own status."""
    extras = _extras_in(record)
    if extras == Extras():
        return first
    extras = msgspec.structs.replace(extras, participant_id=participant_named_in(first))
    return msgspec.structs.replace(first, extras=extras)


def _extras_in(record: Record) -> Extras:
    """Returns the fields that only Meta's statuses can have named."""
    sent = {field for field in SHARED if getattr(record, f"{field}_us")}  # by a track-send
    return Extras(**{field: getattr(record, field) for field in RECORD_EXTRAS if field not in sent})


def _error_of(record: Record) -> tuple[str, str, str, str]:
    return record.error_code, record.error_message, record.error_details, record.error_href


class _Known:
    """The statuses that a record and its participants know of.

    Attributes:
        created_us: the record's `created_us`.
        statuses: the reported statuses in their order, each with its time in ms and with the time
            in µs at which the service first received it. The record keeps only ms of the latter.

    Raises:
        ValueError: no reports could have made the record.
    """

    def __init__(self, record: Record, participants: Sequence[Participant]) -> None:
        self._wamid = record.wamid
        self._participants = participants
        self.created_us = int(record.created_us)
        received_ms = receipts_of(record)
        reported = [status for status in Status if getattr(record, f"{status}_ms")]
        # A participant's failure may begin a record: then it is sent, at an unknown time.
        highest = reported[-1] if reported else Status.SENT if participants else None
        if record.status is not highest or reported != list(received_ms):
            raise ValueError("a status that was never reported")
        self.statuses = [
            (status, int(getattr(record, f"{status}_ms")), self._in_us(int(received_ms[status])))
            for status in reported
        ]

    def _in_us(self, received_ms: int) -> int:
        return self.created_us if self.created_us // 1000 == received_ms else received_ms * 1000

    def report(self, received_us: int, context: Context | tuple[()] = ()) -> Report:
        """Returns a report received at that time that adds no status and no participant.

        Raises:
            ValueError: nothing had been reported by then.
        """
        for status, at_ms, first_us in self.statuses:
            if first_us // 1000 <= received_us // 1000:
                return Report(self._wamid, status, at_ms, received_us, context=context)
        for each in self._participants:
            if not context and int(each.received_us) <= received_us:
                return self._naming(each, received_us)
        raise ValueError("a report that was received before any status was")

    def _naming(self, participant: Participant, received_us: int) -> Report:
        """Returns a report that only names a participant."""
        extras = Extras(participant_id=participant.participant_id)
        return Report(self._wamid, Status.FAILED, 0, received_us, extras=extras)

    def of_participants(self) -> list[Report]:
        """Returns reports that make the participants and add nothing to the record."""
        return [report for each in self._participants for report in self._of_participant(each)]

    def _of_participant(self, participant: Participant) -> Iterator[Report]:
        named = self._naming(participant, int(participant.received_us))
        yield named
        first_us = {status: received_us for status, _, received_us in self.statuses}
        for status in Status:
            if at_ms := getattr(participant, f"{status}_ms"):
                # Not before the record's own, so that its first-received time stays. A failure of
                # a participant is none of the record's.
                of_record_us = first_us.get(status, 0) if status is not Status.FAILED else 0
                received_us = max(named.received_us, of_record_us)
                yield msgspec.structs.replace(
                    named, status=status, at_ms=int(at_ms), received_us=received_us
                )
        if participant.error_ms:
            error = {field: getattr(participant, field) for field in ERROR_FIELDS}
            yield msgspec.structs.replace(named, at_ms=int(participant.error_ms), **error)


def _says(sends: Iterable[Report], status: Status, received_us: int) -> bool:
    """Returns whether a track-send reports the status, received in the same millisecond."""
    return any(
        send.status is status and send.received_us // 1000 == received_us // 1000 for send in sends
    )


def _contexts_of(record: Record) -> list[tuple[int, Context]]:
    """Returns what each track-send left in the record, by the time at which it was received.

    The latest track-send is always among them, even if it left nothing.
    """
    if not record.tracked_us:
        return []
    older_us = older_in(record)
    by_time: dict[str, dict[str, str]] = {record.tracked_us: {}}
    for field in Context.__struct_fields__:
        time_us = older_us.get(field, "" if field in SHARED else record.tracked_us)
        if time_us and (value := getattr(record, field)):
            by_time.setdefault(time_us, {})[field] = value
    return [(int(time_us), Context(**named)) for time_us, named in by_time.items()]
