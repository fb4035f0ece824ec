"""What a newcomer and an operator meet first, as they do it: at the command line and by HTTP."""

import re
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.conftest import need_server
from tests.documents import PAGES, ROOT, page
from tests.in_process import invoke
from tests.process import Service, environment

TOKEN = "s3cret-Tok3n"
FAKE = {"TRACKER_AUTH__TOKENS": TOKEN, "TRACKER_REDIS__URL": "fakeredis://"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), **FAKE) as running:
        yield running


# Changes as they happen -------------------------------------------------------------------------


def test_the_first_block_of_the_live_stream_is_an_event(service: Service) -> None:
    """The first block was `retry:` alone, and readers broke on it.

    httpx-sse made an empty message of it, and hey-api's reader an undefined one.
    """
    connection = HTTPConnection(service.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/api/webhooks/live/", headers={"X-Webhook-Token": TOKEN})
        response = connection.getresponse()
        block = list(iter(response.readline, b"\n"))
    finally:
        connection.close()
    assert block[:3] == [b"retry: 2000\n", b"event: ready\n", b"data: {}\n"]


# The URL of Redis --------------------------------------------------------------------------------

UNCLOSED = f"redis://:{TOKEN}@[::1:6379/0"


def sentence(ended: subprocess.CompletedProcess[str]) -> str:
    """The error sentence of the command, which holds no traceback and no secret."""
    assert ended.returncode == 1
    assert ended.stderr.startswith("message-tracker: ")
    assert "Traceback" not in ended.stderr
    assert TOKEN not in ended.stderr + ended.stdout
    return ended.stderr


def test_a_url_with_an_unclosed_bracket_ends_in_a_sentence(tmp_path: Path) -> None:
    """It ended in a traceback that showed the password to whatever collects the log."""
    said = sentence(invoke("--check", cwd=tmp_path, **(FAKE | {"TRACKER_REDIS__URL": UNCLOSED})))
    assert "redis.url must be like redis://host:6379/0" in said


def test_so_does_one_to_copy_to(tmp_path: Path) -> None:
    copy = ["repartition", "--partitions", "2", "--to-url", UNCLOSED]
    assert "--to-url" in sentence(invoke(*copy, cwd=tmp_path, **FAKE))


def test_a_data_folder_may_be_called_anything(tmp_path: Path) -> None:
    """A part of the name was taken for a part of the URL, and the server never found there."""
    need_server()
    folder = tmp_path / "50%20 of #1 ?"
    with Service(tmp_path, TRACKER_DATA_DIR=str(folder)) as service:
        assert service.status_of("/readyz") == 200
        exported = invoke("export", "-", cwd=tmp_path, TRACKER_DATA_DIR=str(folder))
        assert (exported.returncode, exported.stderr) == (0, "Exported 0 messages.\n")


# Settings ---------------------------------------------------------------------------------------


def test_all_wrong_settings_are_told_at_once_in_the_services_words(tmp_path: Path) -> None:
    """Errors came one at a time, in a library's words: Expected `int`, got `str`."""
    (tmp_path / "config.toml").write_text("[http]\nprot = 1\n[redis]\ntimeout_s = 60\n")
    variables = {"TRACKER_HTTP__PORT": "eighty", "TRACKER_REDIS_URL": f"redis://:{TOKEN}@h"}
    said = sentence(invoke("--check", cwd=tmp_path, **(FAKE | variables)))
    assert "4 settings are wrong." in said
    assert "http.prot in config.toml is no setting (did you mean http.port?" in said
    assert (
        "redis.timeout_s in config.toml is 60, but must be a number, above 0 and at most 4.5"
        in said
    )
    assert 'TRACKER_HTTP__PORT (http.port) is "eighty", but must be a whole number,' in said
    assert "TRACKER_REDIS_URL (redis_url) is no setting (did you mean TRACKER_REDIS__URL?" in said


def test_it_runs_in_a_pod_beside_a_service_called_tracker(tmp_path: Path) -> None:
    """Kubernetes' variables were taken for settings, and the service refused to start."""
    injected = {
        "TRACKER_SERVICE_HOST": "10.0.0.7",
        "TRACKER_SERVICE_PORT": "8080",
        "TRACKER_PORT": "tcp://10.0.0.7:8080",
        "TRACKER_PORT_8080_TCP_ADDR": "10.0.0.7",
    }
    assert invoke("--check", cwd=tmp_path, **FAKE, **injected).returncode == 0
    assert "TRACKER_SERVICE_HOTS" in sentence(
        invoke("--check", cwd=tmp_path, **FAKE, TRACKER_SERVICE_HOTS="10.0.0.7")
    )


# --check ----------------------------------------------------------------------------------------

USABLE = "The settings and the store are usable."


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    """It made a data folder with a token in it, and a server's files."""
    need_server()
    ended = invoke("--check", cwd=tmp_path)
    *said, usable = ended.stdout.splitlines()
    assert f"A private server keeps the data in {tmp_path / 'data'}." in said
    assert "The private server doesn't run now, so an empty one was checked, not its data." in said
    assert re.search(r"The store is (Redis|Valkey) \d+\.\d+\.\d+;", ended.stdout)
    assert "redis.durability is memory" in ended.stdout
    assert (usable, ended.stderr, ended.returncode) == (USABLE, "", 0)
    assert list(tmp_path.iterdir()) == []


def test_a_check_looks_at_the_private_server_that_runs(tmp_path: Path) -> None:
    """It waited for ten seconds, and said that another service uses the folder."""
    need_server()
    with Service(tmp_path):
        ended = invoke("--check", cwd=tmp_path)
        assert "doesn't run now" not in ended.stdout
        assert ended.stdout.endswith(f"{USABLE}\n")
        other = invoke("--check", cwd=tmp_path, TRACKER_REDIS__PARTITIONS="2")
        assert "The store has 1 partitions" in sentence(other)


def test_a_check_tells_of_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = sentence(invoke("--check", cwd=tmp_path, TRACKER_DATA_DIR="file/data"))
    assert f"data_dir can't be made: {tmp_path / 'file'} is not a folder to write to." in said


# The first steps --------------------------------------------------------------------------------

CALLS = 'curl -H "X-Webhook-Token: $TOKEN"'
WITH_CALLS = [path for path in PAGES if CALLS in path.read_text()]


def shell(command: str, folder: Path, **variables: str) -> str:
    """The output of a shell for this script."""
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def assignment_in(path: Path) -> str:
    """The line that sets the token, which stands before the first example."""
    before, _, _ = path.read_text().partition(CALLS)
    [line] = re.findall(r"^TOKEN=.*data/token.*$", before, re.MULTILINE)
    return str(line)


@pytest.mark.parametrize("path", WITH_CALLS, ids=lambda path: path.name)
def test_a_page_sets_the_token_that_its_examples_send(path: Path) -> None:
    """Fourteen lines used `$TOKEN` and none set it, so the first pasted line was answered 401."""
    assert assignment_in(path) == assignment_in(ROOT / "README.md")


@pytest.mark.parametrize("variables", [{}, {"DJANGO_RSVP_SECRET": TOKEN}])
def test_it_is_the_token_of_the_service(tmp_path: Path, variables: dict[str, str]) -> None:
    need_server()
    assignment = assignment_in(ROOT / "README.md")
    with Service(tmp_path, **variables) as running:
        token = shell(f'{assignment}; printf %s "$TOKEN"', tmp_path, **variables)
        assert running.status_of("/api/webhooks/message-logs/", token) == 200


def test_running_installs_what_running_needs() -> None:
    """It installed 499 MB, with the tools of the tests, and printed nothing for half a minute."""
    wanted = shell("make --dry-run --always-make run demo", ROOT)
    assert "-r constraints-run.txt" in wanted
    assert "-r constraints.txt" not in wanted
    assert "echo 'Installing what the service needs" in wanted
    assert "-r constraints.txt" in shell("make --dry-run --always-make test", ROOT)


def test_the_token_of_docker_compose_is_made_once_and_kept(tmp_path: Path) -> None:
    """The documented line made up a token and threw it away, so nobody could call the service."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    read = re.search(r"^TOKEN=.*\.env\)$", page("docs/operations.md"), re.MULTILINE)
    assert read
    said = shell("make env", tmp_path)
    token = shell(f'{read[0]}; printf %s "$TOKEN"', tmp_path)
    assert re.fullmatch("[0-9a-f]{64}", token)
    assert token not in said
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    kept = (tmp_path / ".env").read_text()
    shell("make env", tmp_path)
    assert (tmp_path / ".env").read_text() == kept
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
