"""The way back: reports that make a given record, for exports and imports."""

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


def reports_of(record: Record, participants: Sequence[Participant] = ()) -> list[Report]:
    """Reports that make this record and its participants: `record_of` undone.

    Merged in their order into an empty store they give exactly these; into one that has the
    message already they do what the record's own reports would do once more.

    Raises:
        ValueError: no reports could have made it: a status without a time, say.
    """
    known = _Known(record, participants)
    sends = [known.report(time_us, context) for time_us, context in _contexts_of(record)]
    error = [getattr(record, field) for field in ERROR_FIELDS]
    updates = [
        Report(
            record.wamid,
            status,
            at_ms,
            received_us,
            "" if sends else record.recipient_id,
            *(error if status is Status.FAILED and str(at_ms) == record.error_ms else ()),
        )
        for status, at_ms, received_us in known.statuses
        if status is Status.FAILED or not _says(sends, status, received_us)
    ]
    if record.error_ms not in ("", record.failed_ms):  # an earlier failure carried no error
        _, _, received_us = known.statuses[-1]
        at_ms = int(record.error_ms)
        updates.append(Report(record.wamid, Status.FAILED, at_ms, received_us, "", *error))
    reports = sorted(sends + updates, key=lambda report: report.received_us != known.created_us)
    # What came first was reported as of earlier, or it was a participant's failure.
    if not reports or reports[0].received_us != known.created_us:
        first = known.report(known.created_us)
        recipient_id = "" if sends or updates else record.recipient_id
        reports.insert(0, msgspec.structs.replace(first, recipient_id=recipient_id))
    if record.metas_recipient_id:
        again = {"context": (), "recipient_id": record.metas_recipient_id}
        reports.append(msgspec.structs.replace(reports[-1], **again))
    extras = _extras_in(record)
    if extras != Extras():
        extras = msgspec.structs.replace(extras, participant_id=participant_named_in(reports[0]))
        reports[0] = msgspec.structs.replace(reports[0], extras=extras)
    return reports + known.of_participants()


def _extras_in(record: Record) -> Extras:
    """What statuses of Meta's say of the record: of a shared field what no track-send named."""
    named = [field for field in SHARED if getattr(record, f"{field}_us")]
    fields = (field for field in RECORD_EXTRAS if field not in named)
    return Extras(**{field: getattr(record, field) for field in fields})


class _Known:
    """What a record and its participants say of each status.

    Attributes:
        created_us: of the record.
        statuses: that were reported, in their order: each with its time in ms, and when the service
            first received it in µs, as far as the record knows it.

    Raises:
        ValueError: no reports could have made the record.
    """

    def __init__(self, record: Record, participants: Sequence[Participant]) -> None:
        self._wamid = record.wamid
        self._participants = participants
        self.created_us = int(record.created_us)
        received_ms = receipts_of(record)
        reported = [status for status in Status if getattr(record, f"{status}_ms")]
        # A record that a participant's failure began is sent without a time.
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
        """A report received then that says of the statuses only what is known."""
        for status, at_ms, first_us in self.statuses:
            if first_us // 1000 <= received_us // 1000:
                return Report(self._wamid, status, at_ms, received_us, context=context)
        for each in self._participants:
            if not context and int(each.received_us) <= received_us:
                return self._named(each, received_us)
        raise ValueError("a report that was received before any status was")

    def _named(self, participant: Participant, received_us: int) -> Report:
        """A report that names a participant, and says nothing else."""
        extras = Extras(participant_id=participant.participant_id)
        return Report(self._wamid, Status.FAILED, 0, received_us, extras=extras)

    def of_participants(self) -> list[Report]:
        """Reports that make the participants, and say nothing new of the record."""
        return [report for each in self._participants for report in self._of_participant(each)]

    def _of_participant(self, participant: Participant) -> Iterator[Report]:
        named = self._named(participant, int(participant.received_us))
        yield named
        first_us = {status: received_us for status, _, received_us in self.statuses}
        for status in Status:
            if at_ms := getattr(participant, f"{status}_ms"):
                of_record_us = first_us.get(status, 0) if status is not Status.FAILED else 0
                received_us = max(named.received_us, of_record_us)
                yield msgspec.structs.replace(
                    named, status=status, at_ms=int(at_ms), received_us=received_us
                )
        if participant.error_ms:
            error = {field: getattr(participant, field) for field in ERROR_FIELDS}
            yield msgspec.structs.replace(named, at_ms=int(participant.error_ms), **error)


def _says(sends: Iterable[Report], status: Status, received_us: int) -> bool:
    """Whether a send reports the status as of then."""
    return any(
        send.status is status and send.received_us // 1000 == received_us // 1000 for send in sends
    )


def _contexts_of(record: Record) -> list[tuple[int, Context]]:
    """What each track-send left in the record, by when it was received; the latest always."""
    if not record.tracked_us:
        return []
    older_us = older_in(record)
    by_time: dict[str, dict[str, str]] = {record.tracked_us: {}}
    for field in Context.__struct_fields__:
        time_us = older_us.get(field, "" if field in SHARED else record.tracked_us)
        if time_us and (value := getattr(record, field)):
            by_time.setdefault(time_us, {})[field] = value
    return [(int(time_us), Context(**named)) for time_us, named in by_time.items()]
