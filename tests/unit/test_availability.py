"""Which partitions are away, and what the log says of it."""

import pytest

from service.errors import Unavailable
from service.store.availability import Availability


@pytest.fixture
def known() -> Availability:
    return Availability()


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[object, ...]]:
    wanted = ("reason", "partitions", "still_away")
    return [
        (each.getMessage(), *(vars(each)[name] for name in wanted if name in vars(each)))
        for each in caplog.records
    ]


@pytest.mark.parametrize("reason", ["full", "readonly", "error", "durability", "refused"])
def test_a_store_that_answers_is_read_until_a_read_fails(known: Availability, reason: str) -> None:
    known.mark_unavailable(1, reason)
    known.mark_unreadable(1, "error")  # as an erasure does, or a read of a broken key
    known.check_reads(1)
    known.mark_unreadable(1, "connection")
    with pytest.raises(Unavailable) as raised:
        known.check_reads(1)
    assert raised.value.reason == reason
    known.check_reads(2)


@pytest.mark.parametrize("reason", ["timeout", "connection", "cluster"])
def test_nobody_waits_for_a_silent_store(known: Availability, reason: str) -> None:
    known.mark_unavailable(1, "full")
    known.mark_unavailable(1, reason)
    with pytest.raises(Unavailable):
        known.check_reads(1)
    known.mark_available(1)
    known.check_reads(1)


def test_one_failed_read_is_a_doubt_and_no_more(known: Availability) -> None:
    known.mark_unreadable(1, "connection")
    known.check_reads(1)
    assert (known.away, known.doubted) == ({}, {1})


def test_an_absence_of_many_partitions_is_a_handful_of_lines(
    known: Availability, caplog: pytest.LogCaptureFixture
) -> None:
    for partition in range(32):
        known.mark_unavailable(partition, "connection")
    for _ in range(100):
        known.mark_unavailable(7, "timeout")
        known.mark_unavailable(7, "connection")
        known.say()
    for partition in range(30):
        known.mark_available(partition)
    known.say()
    known.say()
    known.mark_available(30)
    known.mark_available(31)
    known.say()
    assert lines(caplog) == [
        ("store_away", "connection", 1),
        ("store_away", "connection", 32),
        ("store_back", 30, 2),
        ("store_back", 2, 0),
    ]


def test_another_reason_is_said_once_in_an_absence(
    known: Availability, caplog: pytest.LogCaptureFixture
) -> None:
    for reason in ("connection", "full", "connection", "full"):
        known.mark_unavailable(0, reason)
        known.say()
    known.mark_available(0)
    known.say()
    known.mark_unavailable(0, "full")
    assert lines(caplog) == [
        ("store_away", "connection", 1),
        ("store_away", "full", 1),
        ("store_back", 1, 0),
        ("store_away", "full", 1),
    ]
