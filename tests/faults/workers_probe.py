"""What is known from outside of a service with several workers."""

from pathlib import Path

from tests.process import START_TIMEOUT_S, Service, runs
from tests.servers import wait_until

WORKERS = ("--workers", "2")


def left(files: Path) -> set[str]:
    """What the service has in its temporary files: one folder, with the files of its metrics."""
    return {str(file.relative_to(files)) for file in files.rglob("*")}


def workers_of(service: Service) -> set[int]:
    """The pids of the workers that have come to serve and still run."""
    return {pid for event in service.events("started") if runs(pid := event["pid"])}


def until_two(service: Service, *, but: frozenset[int] | set[int] = frozenset()) -> set[int]:
    """Waits until two workers serve, none of them of these; returns their pids."""
    wait_until(
        lambda: len(workers_of(service)) == 2 and not workers_of(service) & but,
        "two workers to serve",
        START_TIMEOUT_S,
    )
    return workers_of(service)
