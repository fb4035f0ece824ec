"""Knows which partitions take no writes, and which answer no reads, from the calls that failed."""

from __future__ import annotations

import logging
import time

from service.errors import Unavailable

log = logging.getLogger(__name__)

UNVERIFIED = "unopened"
OTHER = "other_store"
_CLOSED = (UNVERIFIED, OTHER)
"""Reasons for which nothing is written to the store or read from it: it may be another one."""
SILENT = ("timeout", "connection", "cluster", *_CLOSED)
"""Reasons for which a partition that takes no writes answers no reads either."""


class Availability:
    """The state of a store's partitions, by their numbers.

    It logs `store_away` for the first partition at once. Afterwards it logs once per check of the
    store: one line for many partitions, and none for a single failed call.
    """

    def __init__(self) -> None:
        self.away: dict[int, str] = {}
        """The partitions that take no writes, and the reasons."""
        self.mute: set[int] = set()
        """The subset of `away` that answers no reads either."""
        self.doubted: set[int] = set()
        """The partitions with a failed call. The next check decides whether they are away."""
        self.unread: set[int] = set()
        """The subset of `doubted` whose failed call was a read."""
        self._since_s = 0.0
        self._said: set[object] = set()  # the partitions and reasons that were logged
        self._back: list[int] = []

    def mark_unavailable(self, partition: int, reason: str) -> None:
        """Notes that the partition takes no writes, with a reason of `Unavailable`."""
        if not self.away:
            self._since_s = time.monotonic()
        if reason in SILENT:
            self.mute.add(partition)
        self.away[partition] = reason
        if not self._said:
            self.say()

    def mark_closed(self, partitions: int, reason: str) -> None:
        """Notes that all partitions are away until the store was checked. The caller logs why."""
        self._since_s = time.monotonic()
        self.away = dict.fromkeys(range(partitions), reason)
        self.mute = set(self.away)
        self._said = {*self.away, reason}

    def mark_unreadable(self, partition: int, reason: str) -> None:
        """Notes a failed call that can't wait in a journal: a read, or an erasure."""
        if partition in self.away and reason in SILENT:
            self.mute.add(partition)
        else:
            self.doubted.add(partition)
            self.unread.add(partition)

    def mark_available(self, partition: int) -> None:
        """Notes that the partition takes writes."""
        self.mute.discard(partition)
        if self.away.pop(partition, ""):
            self._back.append(partition)

    def check_reads(self, partition: int) -> None:
        """Refuses a read at once if the partition would not answer it.

        Raises:
            Unavailable: the partition answers no reads.
        """
        if partition in self.mute:
            raise Unavailable(self.away[partition])

    def check_opened(self, partition: int) -> None:
        """Refuses a write while the store is another one, or may be.

        Raises:
            Unavailable: it is, or may be.
        """
        if (reason := self.away.get(partition)) in _CLOSED:
            raise Unavailable(reason)

    def say(self) -> None:
        """Logs what has changed since the last call."""
        news = {*self.away, *self.away.values()} - self._said
        if news:
            self._said |= news
            reason = ", ".join(sorted(set(self.away.values())))
            log.error("store_away", extra={"reason": reason, "partitions": len(self.away)})
        if self._back:
            extra = {"partitions": len(self._back), "still_away": len(self.away)}
            away_s = round(time.monotonic() - self._since_s, 3)
            log.warning("store_back", extra=extra | {"after_s": away_s})
            self._said.difference_update(self._back)
            self._back.clear()
        if not self.away:
            self._said.clear()
