"""Strangers who are refused: what they cost in the log, who they are, how fast they may guess."""

import asyncio
import re
import socket
import stat
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.web import abuse_limits
from tests.conftest import TOKEN, Client
from tests.in_process import invoke
from tests.process import Service
from tests.servers import wait_until

LOGS = "/api/webhooks/message-logs/"
WHATSAPP = "/api/webhooks/whatsapp/"
LONG_TOKEN = "a-token-that-nobody-can-guess"
STORE = {"TRACKER_AUTH__TOKENS": LONG_TOKEN, "TRACKER_REDIS__URL": "fakeredis://"}
SIGNED = b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), **STORE) as running:
        yield running


def request(head: str, more: bytes = b"") -> bytes:
    return f"{head} HTTP/1.1\r\nHost: x\r\n".encode() + more + b"\r\n"


def send(service: Service, data: bytes) -> bytes:
    """Sends bytes on a connection of its own; returns all that is answered until it is closed."""
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def call(service: Service, path: str, **headers: str) -> HTTPResponse:
    """Asks on a connection of its own, and reads the answer."""
    connection = HTTPConnection(service.url.removeprefix("http://"), timeout=20)
    connection.request("GET", path, headers={n.replace("_", "-"): v for n, v in headers.items()})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


# What a refusal costs ----------------------------------------------------------------------------

MINE = f"X-Webhook-Token: {LONG_TOKEN}\r\n".encode()
LAST = request("GET /healthz", b"Connection: close\r\n")
FLOODS = {
    "400": ("request_refused", request(f"GET {LOGS}?no=1", MINE)),
    "401": ("request_refused", request(f"GET {LOGS}")),
    "404": ("request_refused", request("GET /nowhere")),
    "405": ("request_refused", request("PUT /healthz")),
    "417": ("request_refused", request("GET /healthz", b"Expect: the unexpected\r\n")),
    "malformed": ("request_malformed", b"nonsense\r\n\r\n"),
    "no secret": (
        "setting_missing",
        request(f"POST {WHATSAPP}", SIGNED + b"Content-Length: 0\r\n"),
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_stranger_cannot_fill_the_log(service: Service, kind: str) -> None:
    """Each refusal was a line: 3 MB of them a second from one caller, and then the disk was full.

    A line a second tells how many there were. Metrics count every one of them.
    """
    event, asked = FLOODS[kind]
    before, counted = len(service.events()), refused_in(service)
    answers = b"".join(send(service, asked * 60 + LAST) for _ in range(3))
    refused = len(re.findall(rb"HTTP/1\.[01] 4", answers))
    lines = service.events()[before:]
    seconds = {line["time"][:19] for line in lines}
    for name in {line["event"] for line in lines}:
        told = [line for line in lines if line["event"] == name]
        assert len(told) <= len(seconds) + 1
        assert sum(line["number"] for line in told[1:]) <= refused
    assert event in {line["event"] for line in lines}
    assert refused >= 3  # some refusals end their connections
    wait_until(lambda: refused_in(service) - counted == refused, "the metrics to count them all")


def refused_in(service: Service) -> float:
    """How many refused requests the metrics have counted."""
    counted = re.findall(
        r'^tracker_request_seconds_count\{.*status="4.."\} (\S+)',
        call_text(service, "/metrics"),
        re.MULTILINE,
    )
    return sum(map(float, counted))


def call_text(service: Service, path: str) -> str:
    connection = HTTPConnection(service.url.removeprefix("http://"), timeout=20)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


# Who they are ------------------------------------------------------------------------------------


def test_a_line_tells_where_requests_come_from(service: Service) -> None:
    """No line held an address, so nobody could tell whom to shut out."""
    call(service, "/nowhere", X_Forwarded_For="203.0.113.9")
    lines = [each for each in service.events() if "status" in each]
    assert lines
    assert {line["address"] for line in lines} == {
        "127.0.0.1"
    }  # what nobody vouches for isn't believed


FORWARDED = {
    "6.6.6.6, 203.0.113.9": "203.0.113.9",
    "6.6.6.6, 203.0.113.8, 10.1.2.3": "203.0.113.8",
    "<script>, 10.1.2.3": "10.1.2.3",
}
"""What the header says, and whom the proxy names."""


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service behind a proxy."""
    trusted = {"TRACKER_HTTP__TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8"}
    with Service(tmp_path_factory.mktemp("trusting"), **STORE, **trusted) as running:
        yield running


@pytest.mark.parametrize("forwarded", FORWARDED)
def test_behind_a_trusted_proxy_it_is_whom_the_proxy_names(
    trusting: Service, forwarded: str
) -> None:
    """Left of that anybody can write what he likes."""
    before = len(trusting.events("request_refused"))
    wait_until(lambda: _refuses(trusting, forwarded) > before, "a line: one a second is written")
    assert trusting.events("request_refused")[-1]["address"] == FORWARDED[forwarded]


def _refuses(service: Service, forwarded: str) -> int:
    """Asks for what isn't there; returns how many lines there are of such."""
    call(service, "/nowhere", X_Forwarded_For=forwarded)
    return len(service.events("request_refused"))


# How fast they may guess -------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["fake"], indirect=True)
async def test_guesses_wait_and_a_right_token_from_the_same_address_does_not(
    anyone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """13,000 tokens a second could be tried."""
    over = asyncio.Event()

    async def pause(_: float) -> None:
        await over.wait()

    monkeypatch.setattr(abuse_limits, "sleep", pause)

    async def status_with(token: str) -> int:
        async with anyone.get(LOGS, headers={"X-Webhook-Token": token}) as response:
            return response.status

    assert [await status_with("wrong") for _ in range(10)] == [403] * 10
    guesses = [asyncio.ensure_future(status_with(f"guess-{number}")) for number in range(20)]
    assert [await status_with(TOKEN) for _ in range(20)] == [200] * 20
    assert not any(guess.done() for guess in guesses)
    over.set()
    assert await asyncio.gather(*guesses) == [403] * 20


def test_a_wrong_token_is_answered_as_ever_and_costs_its_connection(tmp_path: Path) -> None:
    with Service(tmp_path, **STORE) as service:
        answers = [call(service, LOGS, X_Webhook_Token="wrong") for _ in range(12)]
        assert {answer.status for answer in answers} == {403}
        closed = [answer.getheader("Connection") == "close" for answer in answers]
        assert closed == [False] * 10 + [True] * 2
        assert call(service, LOGS, X_Webhook_Token=LONG_TOKEN).getheader("Connection") is None
        assert not service.events("request_slow")


@pytest.mark.parametrize("token", ["a", "only-15-letters"])
def test_a_token_that_can_be_guessed_is_warned_of(tmp_path: Path, token: str) -> None:
    """A token of one letter was accepted without a word."""
    short = STORE | {"TRACKER_AUTH__TOKENS": token}
    checked = invoke("--check", cwd=tmp_path, **short)
    assert checked.returncode == 0
    assert "warning: A token has fewer than 16 characters" in checked.stdout
    with Service(tmp_path, **short) as service:
        [line] = service.events("setting_weak")
        assert line["reason"].startswith("A token has fewer than 16 characters")
        if len(token) > 1:
            assert token not in service.errors + checked.stdout


def test_a_long_token_is_not(service: Service, tmp_path: Path) -> None:
    assert not service.events("setting_weak")
    assert "16 characters" not in invoke("--check", cwd=tmp_path, **STORE).stdout


# Secrets that everybody can see, or nobody can send ----------------------------------------------


@pytest.mark.parametrize("url", ["redis://:hush@h", "redis://h/0?password=hush"])
def test_no_password_stands_in_the_list_of_processes(tmp_path: Path, url: str) -> None:
    """`ps` showed the other Redis' password as long as messages were copied to it."""
    command = ["repartition", "--partitions", "2"]
    ended = invoke(*command, "--to-url", url, cwd=tmp_path, **STORE)
    assert ended.returncode == 1
    assert ended.stderr.startswith("message-tracker: --to-url holds a user or a password")
    assert "REPARTITION_TO_URL" in ended.stderr
    assert "hush" not in ended.stderr


def test_the_other_way_is_a_variable_which_must_not_be_empty(tmp_path: Path) -> None:
    """An empty one isn't taken for "where it is": messages would be moved in place."""
    assert "REPARTITION_TO_URL" in invoke("repartition", "--help", cwd=tmp_path).stdout
    command = ["repartition", "--partitions", "2"]
    empty = invoke(*command, cwd=tmp_path, REPARTITION_TO_URL="", **STORE)
    assert empty.returncode == 2
    assert "must not be empty" in empty.stderr
    other = invoke(*command, cwd=tmp_path, REPARTITION_TO_URL="redis://:hush@[::1/0", **STORE)
    assert other.returncode == 1
    assert "REPARTITION_TO_URL" in other.stderr
    assert "hush" not in other.stderr


def test_a_token_of_blanks_is_refused(tmp_path: Path) -> None:
    """The service started, and refused everybody: HTTP cuts blanks off."""
    (tmp_path / "config.toml").write_text('[auth]\ntokens = ["  "]\n')
    ended = invoke("--check", cwd=tmp_path, TRACKER_REDIS__URL="fakeredis://")
    assert ended.returncode == 1
    assert ended.stderr == (
        "message-tracker: auth.tokens in config.toml must be a list of texts that aren't empty, "
        "without blanks around them or control characters.\n"
    )


def test_the_token_that_was_made_is_its_owners_alone(tmp_path: Path) -> None:
    """It kept the mode of a file that somebody had put there."""
    folder = tmp_path / "data"
    folder.mkdir(0o700)
    token = folder / "token"
    token.write_text("made-by-hand-and-long-enough")
    token.chmod(0o644)
    with Service(tmp_path) as service:
        assert service.status_of(LOGS, "made-by-hand-and-long-enough") == 200
        assert stat.S_IMODE(token.stat().st_mode) == 0o600


# Headers -----------------------------------------------------------------------------------------

ANSWERS = {
    "health": ("GET /healthz", b""),
    "ready": ("GET /readyz", b""),
    "metrics": ("GET /metrics", b""),
    "description": ("GET /openapi.json", b""),
    "401": (f"GET {LOGS}", b""),
    "403": (f"GET {LOGS}", b"X-Webhook-Token: wrong\r\n"),
    "404": ("GET /nowhere", b""),
    "405": ("PUT /healthz", b""),
    "malformed": ("nonsense", b""),
    "list": (f"GET {LOGS}", MINE),
    "sheet": ("GET /api/webhooks/failures/?event_id=e&format=csv", MINE),
    "lines": (
        "POST /api/webhooks/track-send/batch/",
        MINE + b"Content-Type: application/x-ndjson\r\nContent-Length: 0\r\n",
    ),
    "live": ("HEAD /api/webhooks/live/", MINE),
    "redirect": ("GET /dashboard", b""),
    "page": ("GET /dashboard/", b""),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_answer_has_the_same_headers(service: Service, kind: str) -> None:
    """They told strangers the versions of Python and aiohttp, and let caches keep them."""
    head, more = ANSWERS[kind]
    answer = send(service, request(head, more + b"Connection: close\r\n"))
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    assert headers["Server"] == "message-tracker"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == ("no-cache" if kind == "page" else "no-store")
    assert headers["X-Request-ID"]
