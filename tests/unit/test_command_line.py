"""`python -m service` as an operator has it: what it says, how it ends, that it keeps secrets."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import pytest
from click.testing import CliRunner

from service.__main__ import main
from service.config import Http
from service.errors import StartError
from service.web.acceptor import bind
from tests.conftest import need_server
from tests.factories import event_send
from tests.in_process import invoke
from tests.process import HASTY, ROOT, Service, environment, run
from tests.servers import RedisServer, Replicated, free_port

SECRET = "s3cret-Tok3n.one"
OTHER_SECRET = "s3cret-Tok3n.two"
PASSWORD = "p4ssw0rd-of-redis"
WITH_TOKEN = {"TRACKER_AUTH__TOKENS": SECRET, "TRACKER_REDIS__URL": "fakeredis://"}
NO_REPLICA = "Redis has no replica: if its machine is lost, so are all messages."

Ended = subprocess.CompletedProcess[str]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of the test's own."""
    need_server()
    with RedisServer(appendonly=True) as server:
        yield server


def _check(folder: Path, **variables: str) -> Ended:
    return invoke("--check", cwd=folder, **(WITH_TOKEN | variables))


def _keeps_secrets(text: str) -> bool:
    return not any(secret in text for secret in (SECRET, OTHER_SECRET, PASSWORD))


def _assert_usable(ended: Ended, *warnings: str) -> None:
    *said, usable = ended.stdout.splitlines()
    assert re.search(r"The store is (Redis|Valkey) \d+\.\d+\.\d+; masters: 1, ", ended.stdout)
    assert "A report is in its memory before it is answered" in ended.stdout
    warned = [line.removeprefix("warning: ") for line in said if line.startswith("warning: ")]
    assert warned == [*warnings]
    assert usable == "The settings and the store are usable."
    assert ended.stderr == ""
    assert ended.returncode == 0


def _refusal(ended: Ended) -> str:
    """The one sentence with which it ended."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    *logged, sentence = ended.stderr.splitlines()
    assert all(json.loads(line)["event"] for line in logged)
    assert sentence.startswith("message-tracker: ")
    assert re.search(r"[^.]\.$", sentence)
    assert _keeps_secrets(ended.stderr)
    return sentence.removeprefix("message-tracker: ")


def _settings_refused(monkeypatch: pytest.MonkeyPatch, folder: Path, **variables: str) -> str:
    """The sentence about wrong settings, in this process, since that is quicker.

    They are refused before there is a log or a loop.
    """
    monkeypatch.chdir(folder)
    for name in [*os.environ.keys() - environment().keys(), "TRACKER_HTTP__PORT"]:
        monkeypatch.delenv(name, raising=False)
    found = CliRunner().invoke(main, ["--check"], env=variables)
    assert isinstance(found.exception, SystemExit), found.exc_info
    return _refusal(subprocess.CompletedProcess([], found.exit_code, found.stdout, found.stderr))


def test_it_says_its_version(tmp_path: Path) -> None:
    ended = run("--version", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, f"{version('message-tracker')}\n")


_IMPORTED = """
import sys
from click import Context
from service.__main__ import main
for name in main.list_commands(Context(main)):
    main.get_command(Context(main), name)
print(*{"aiohttp", "gunicorn"} & sys.modules.keys())
import service.commands.start
print(*{"aiohttp", "gunicorn"} & sys.modules.keys())
"""


def test_a_start_imports_only_what_it_needs() -> None:
    """The commands do without HTTP, and one worker without a master."""
    command = [sys.executable, "-c", _IMPORTED]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert ended.stdout == "\naiohttp\n"


# --check ----------------------------------------------------------------------------------------


def test_good_settings_are_found_good(tmp_path: Path) -> None:
    need_server()
    with Replicated() as servers:
        url = servers.master.url
        _assert_usable(_check(tmp_path, TRACKER_REDIS__URL=url, TRACKER_REDIS__STRICT="true"))


def test_what_may_lose_data_is_a_warning(tmp_path: Path, redis: RedisServer) -> None:
    redis.command("CONFIG", "SET", "appendonly", "no")
    redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    ended = _check(tmp_path, TRACKER_REDIS__URL=redis.url)
    assert ended.returncode == 0
    assert "appendonly is off" in ended.stdout
    assert "maxmemory-policy is allkeys-lru" in ended.stdout


def test_records_that_take_much_memory_are_a_warning(tmp_path: Path, redis: RedisServer) -> None:
    """No refusal, even where the settings are strict: nothing is lost by it."""
    redis.command("CONFIG", "SET", "hash-max-listpack-value", "64")
    settings = {"TRACKER_REDIS__URL": redis.url}
    ended = _check(tmp_path, **settings)
    assert ended.returncode == 0
    assert "warning: hash-max-listpack-value is 64" in ended.stdout
    with Service(tmp_path, TRACKER_AUTH__TOKENS="t", **settings) as service:
        [event] = service.events("records_large")
    assert (event["level"], "512" in str(event["reason"])) == ("warning", True)


def test_what_may_lose_data_is_refused_where_the_settings_are_strict(
    tmp_path: Path, redis: RedisServer
) -> None:
    redis.command("CONFIG", "SET", "appendonly", "no")
    ended = _check(tmp_path, TRACKER_REDIS__URL=redis.url, TRACKER_REDIS__STRICT="true")
    sentence = _refusal(ended)
    assert "appendonly is off" in sentence
    assert "redis.strict" in sentence


def test_another_number_of_partitions_is_refused(tmp_path: Path, redis: RedisServer) -> None:
    """The first start fixes it; a check of the empty store before writes nothing."""
    settings = {"TRACKER_REDIS__URL": redis.url, "TRACKER_REDIS__PARTITIONS": "4"}
    redis.command("FLUSHALL")
    _assert_usable(_check(tmp_path, **settings), NO_REPLICA)
    assert redis.command("DBSIZE") == 0
    with Service(tmp_path, TRACKER_AUTH__TOKENS="t", **settings):
        pass
    ended = _check(tmp_path, TRACKER_REDIS__URL=redis.url, TRACKER_REDIS__PARTITIONS="8")
    assert _refusal(ended) == ("The store has 4 partitions, redis.partitions says 8. Set it to 4.")


@pytest.mark.parametrize(
    ("file", "name", "named"),
    [
        ('data_dir = "data"', "TRACKER_DATA_DIR__X", "data_dir"),
        ("http = 1", "TRACKER_HTTP__HOST", "http"),
        ("auth = 1", "DJANGO_RSVP_SECRET", "auth"),
        ("auth = 1", "TRACKER_AUTH__TOKENS", "auth"),
        ("[auth]\ntokens = 1", "DJANGO_RSVP_SECRET", "auth.tokens"),
    ],
)
def test_a_variable_that_does_not_fit_the_file_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, name: str, named: str
) -> None:
    (tmp_path / "config.toml").write_text(file)
    variables = {"TRACKER_REDIS__URL": "fakeredis://", name: SECRET}
    assert named in _settings_refused(monkeypatch, tmp_path, **variables)


@pytest.mark.parametrize("shared", ["", OTHER_SECRET])
def test_a_token_that_is_not_in_a_list_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: str
) -> None:
    """And never taken apart into letters, each of which would be let in."""
    (tmp_path / "config.toml").write_text(f'[auth]\ntokens = "{SECRET}"')
    variables = {"TRACKER_REDIS__URL": "fakeredis://", "DJANGO_RSVP_SECRET": shared}
    assert "auth.tokens" in _settings_refused(monkeypatch, tmp_path, **variables)


@pytest.mark.parametrize("tokens", ["", " , "])
def test_without_a_token_it_says_which_setting_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokens: str
) -> None:
    variables = {"TRACKER_REDIS__URL": "fakeredis://", "TRACKER_AUTH__TOKENS": tokens}
    sentence = _settings_refused(monkeypatch, tmp_path, **variables)
    assert "TRACKER_AUTH__TOKENS" in sentence
    assert "DJANGO_RSVP_SECRET" in sentence
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_end_it_before_it_serves(tmp_path: Path) -> None:
    """The process itself, without --check and with the name of a file that isn't there."""
    ended = run("--config", "elsewhere.toml", cwd=tmp_path, **WITH_TOKEN)
    assert "elsewhere.toml" in _refusal(ended)


@pytest.mark.parametrize(
    "url", [f"http://:{PASSWORD}@host", f"redis://:{PASSWORD}@host:port", f"{PASSWORD}"]
)
def test_a_url_of_no_redis_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    assert "redis.url" in _refusal(_check(tmp_path, TRACKER_REDIS__URL=url))


def test_a_redis_that_is_not_there_is_given_up_in_time(tmp_path: Path) -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:{free_port()}"
    started_s = monotonic()
    ended = _check(tmp_path, program=HASTY, TRACKER_REDIS__URL=url)
    assert monotonic() - started_s < 12
    assert "Redis" in _refusal(ended)


def test_a_wrong_password_is_refused_and_the_right_one_may_be_in_a_file(
    tmp_path: Path, redis: RedisServer
) -> None:
    redis.command("CONFIG", "SET", "requirepass", PASSWORD)
    address = redis.url.removeprefix("redis://")
    for url in (f"redis://:not-{PASSWORD}@{address}", f"redis://{address}"):
        assert "uthentication" in _refusal(_check(tmp_path, TRACKER_REDIS__URL=url))
    file = tmp_path / "url"
    file.write_text(f"redis://:{PASSWORD}@{address}\n")
    _assert_usable(
        _check(tmp_path, TRACKER_REDIS__URL="", TRACKER_REDIS__URL_FILE=str(file)), NO_REPLICA
    )


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with Service(tmp_path, **WITH_TOKEN) as service:
        port = service.url.rpartition(":")[2]
        said = _refusal(run(cwd=tmp_path, **(WITH_TOKEN | {"TRACKER_HTTP__PORT": port})))
    listens = f"The service can't listen on 127.0.0.1, port {port} (http.host, http.port)"
    assert said == f"{listens}: Address already in use."


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "192.0.2.1"])
def test_so_is_a_host_that_is_not_of_this_machine(host: str) -> None:
    with pytest.raises(
        StartError, match=rf"can't listen on {re.escape(host)}, port 0 \(http\.host"
    ):
        bind(Http(host=host, port=0))


# Tokens -----------------------------------------------------------------------------------------

LOGS = "/api/webhooks/message-logs/"


def test_the_callers_own_variable_is_enough(tmp_path: Path) -> None:
    with Service(tmp_path, TRACKER_REDIS__URL="fakeredis://", DJANGO_RSVP_SECRET=SECRET) as service:
        assert service.status_of(LOGS, SECRET) == 200
        assert service.status_of(LOGS, OTHER_SECRET) == 403
        assert service.stop() == 0
        assert _keeps_secrets(service.output + service.errors)


def test_tokens_may_be_in_a_file_and_are_never_shown(tmp_path: Path) -> None:
    """Several at once, beside the callers' own; not even where everything is logged."""
    file = tmp_path / "tokens"
    file.write_text(f"{SECRET}, {OTHER_SECRET}\n")
    with Service(
        tmp_path,
        TRACKER_REDIS__URL="fakeredis://",
        TRACKER_AUTH__TOKENS_FILE=str(file),
        TRACKER_LOG__LEVEL="debug",
        TRACKER_HTTP__ACCESS_LOG="true",
        DJANGO_RSVP_SECRET=PASSWORD,
    ) as service:
        for token in (SECRET, OTHER_SECRET, PASSWORD):
            assert service.status_of(LOGS, token) == 200
        assert service.status_of(LOGS, SECRET + "x") == 403
        assert service.status_of(LOGS) == 401
        assert service.stop() == 0
        assert len(service.events("request")) >= 5
        assert _keeps_secrets(service.output + service.errors)


# The trial mode ---------------------------------------------------------------------------------


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _pasted(service: Service, folder: Path, **variables: str) -> str:
    """What the line that was printed says in a shell elsewhere, which has these variables."""
    lines = [line.strip() for line in service.output.splitlines()]
    line = next(line for line in lines if line.startswith("curl "))
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=plain | variables,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    ).stdout


def test_the_trial_mode_says_how_to_call_it_and_finds_its_data_again(tmp_path: Path) -> None:
    """In a folder whose name a shell must be told about."""
    need_server()
    data, elsewhere = tmp_path / "it's my $HOME", tmp_path / "elsewhere"
    elsewhere.mkdir()
    variables = {"TRACKER_HTTP__PORT": str(free_port()), "TRACKER_DATA_DIR": data.name}
    with Service(tmp_path, **variables) as service:
        token = (data / "token").read_text()
        assert len(token) >= 32
        assert (_mode(data), _mode(data / "token")) == (0o700, 0o600)
        assert str(data / "token") in service.output
        assert json.loads(_pasted(service, elsewhere)) == {"logs": []}
        assert service.status_of(LOGS, SECRET) == 403
        _track(service, token)
        assert service.stop() == 0
        assert token not in service.output + service.errors
    with Service(tmp_path, **variables) as service:
        assert (data / "token").read_text() == token
        (log,) = json.loads(_pasted(service, elsewhere))["logs"]
        assert log["wamid"] == "wamid.1"
        assert service.stop() == 0
        assert token not in service.output + service.errors
    left = {path.name: _mode(path) for path in data.iterdir() if path.is_file()}
    assert {name for name, mode in left.items() if mode & 0o077} == set()


def _track(service: Service, token: str) -> None:
    connection = HTTPConnection(service.url.removeprefix("http://"), timeout=10)
    headers = {"X-Webhook-Token": token}
    try:
        connection.request("POST", "/api/webhooks/track-send/", json.dumps(event_send(1)), headers)
        assert connection.getresponse().status == 200
    finally:
        connection.close()


@pytest.mark.parametrize("address", [{"PORT": "0"}, {"HOST": "::1"}, {"HOST": "localhost"}])
def test_the_curl_line_works_wherever_it_listens(tmp_path: Path, address: dict[str, str]) -> None:
    need_server()
    variables = {"TRACKER_HTTP__PORT": str(free_port())}
    variables |= {f"TRACKER_HTTP__{name}": value for name, value in address.items()}
    with Service(tmp_path, **variables) as service:
        assert json.loads(_pasted(service, tmp_path)) == {"logs": []}


@pytest.mark.parametrize(
    ("variables", "shell"),
    [
        ({"TRACKER_AUTH__TOKENS": SECRET}, {"TRACKER_AUTH__TOKENS": SECRET}),
        ({"TRACKER_AUTH__TOKENS": f"{OTHER_SECRET},{SECRET}"}, {"TOKEN": SECRET}),
        ({"DJANGO_RSVP_SECRET": SECRET}, {"DJANGO_RSVP_SECRET": SECRET}),
    ],
)
def test_a_token_that_is_set_is_the_one_that_the_curl_line_of_the_trial_mode_sends(
    tmp_path: Path, variables: dict[str, str], shell: dict[str, str]
) -> None:
    """Also where a token was made at an earlier start, which isn't taken any more."""
    need_server()
    (tmp_path / "data").mkdir(0o700)
    (tmp_path / "data" / "token").write_text("of-an-earlier-start")
    with Service(tmp_path, **variables) as service:
        assert service.status_of(LOGS, SECRET) == 200
        assert service.status_of(LOGS, "of-an-earlier-start") == 403
        assert json.loads(_pasted(service, tmp_path, **shell)) == {"logs": []}
        assert _keeps_secrets(service.output)


def test_ctrl_c_stops_it_in_order(tmp_path: Path) -> None:
    with Service(tmp_path, **WITH_TOKEN) as service:
        service.send_signal(signal.SIGINT)
        assert service.wait()[0] == 0
        assert service.events("stopped")


# Installed --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True, timeout=60)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_the_package_with_its_scripts_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    scripts = {path.name for path in (ROOT / "lua").glob("*.lua")}
    assert {name for name in names if name.endswith(".lua")} == {
        f"service/lua/{s}" for s in scripts
    }
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"service"}


@pytest.mark.slow
def test_installed_from_the_wheel_it_runs_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    need_server()
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, *install, str(wheel)], check=True, timeout=60)
    installed = {"PYTHONPATH": str(site)}
    where = "import service.store.rules as s; print(s._FOLDER)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        cwd=empty,
        env=environment(**installed),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()) == site / "service" / "lua"
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version", cwd=empty, **installed).stdout)
    script = subprocess.run(
        [str(site / "bin" / "message-tracker"), "--help"],
        cwd=empty,
        env=environment(**installed),
        capture_output=True,
        text=True,
        check=True,
    )
    assert script.stdout.startswith("Usage: message-tracker [OPTIONS] [COMMAND] [ARGS]...")
    with Service(empty, TRACKER_HTTP__PORT=str(free_port()), **installed) as service:
        _track(service, (empty / "data" / "token").read_text())
        assert len(json.loads(_pasted(service, empty))["logs"]) == 1
        assert service.stop() == 0
