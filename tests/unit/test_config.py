"""Settings from a file and the environment."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

from service.config import Settings, load, weak_settings
from service.errors import ConfigError


def annotations_of(section: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(section):
        if isinstance(field.default, msgspec.Struct):
            yield from annotations_of(type(field.default), f"{field.name}.")
        else:
            yield prefix + field.name, field.type


SETTINGS = dict(annotations_of(Settings))
"""Every setting's annotation."""


def test_defaults_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) == Settings()
    assert Settings().embedded


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('data_dir = "d"\n[http]\nport = 1\nhost = "h"\n[redis]\nstrict = true\n')
    environment = {
        "TRACKER_HTTP__PORT": "2",
        "TRACKER_HTTP__HOST": "",
        "TRACKER_REDIS__PARTITIONS": "32",
        "TRACKER_REDIS__TIMEOUT_S": "1.5",
        "TRACKER_HTTP__ACCESS_LOG": "true",
        "PATH": "/bin",
    }
    settings = load(file, environment)
    assert (settings.data_dir, settings.http.host, settings.http.port) == ("d", "h", 2)
    assert (settings.redis.partitions, settings.redis.timeout_s) == (32, 1.5)
    assert settings.http.access_log
    assert settings.redis.strict


def test_tokens_come_from_everywhere(tmp_path: Path) -> None:
    secret = tmp_path / "tokens"
    secret.write_text("c, d\n")
    assert load(None, {"TRACKER_AUTH__TOKENS": "a, b,"}).auth.tokens == ["a", "b"]
    environment = {"TRACKER_AUTH__TOKENS_FILE": str(secret), "DJANGO_RSVP_SECRET": "e,f"}
    assert load(None, environment).auth.tokens == ["c", "d", "e,f"]
    assert load(None, {"DJANGO_RSVP_SECRET": " "}).auth.tokens == []


def test_secrets_are_not_shown() -> None:
    environment = {"TRACKER_AUTH__TOKENS": "hush", "TRACKER_REDIS__URL": "redis://:hush@h:1"}
    settings = load(None, environment)
    assert settings.auth.tokens == ["hush"]
    assert "hush" not in repr(settings)


# What is wrong ----------------------------------------------------------------------------------

WRONG_TEXTS = {
    int: ["x", "1.5", "true"],
    float: ["x", "nan", "inf", "-1", "0"],
    bool: ["x", "yes", "2"],
}
WRONG_VALUES: dict[Any, list[object]] = {
    int: ["x", 1.5, [1], True],
    float: ["x", 0.0, -1, [1.0]],
    bool: ["x", 2, 1.5, []],
    str: [5, True, ["x"]],
}
ALLOWED = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
A_LIBRARYS = re.compile(r"[`$]|Expected|Object|NoneType|\bstr\b|\bint\b")


def kind_of(name: str) -> Any:
    return get_args(SETTINGS[name])[0]


def beyond(name: str) -> Iterator[float]:
    """The numbers next to what is allowed."""
    meta = get_args(SETTINGS[name])[1]
    for bound, step in ((meta.ge, -1), (meta.gt, 0), (meta.le, 1)):
        if bound is not None:
            yield bound + step


def allowed(name: str) -> list[str]:
    """What a sentence about the setting must say."""
    kind, meta = get_args(SETTINGS[name])
    if get_origin(kind) is Literal:
        return [*get_args(kind)]
    bounds = [str(bound) for bound in (meta.ge, meta.gt, meta.le) if bound is not None]
    return [ALLOWED.get(kind, "a list of texts"), *bounds]


def texts() -> Iterator[tuple[str, str]]:
    """Each setting with every wrong text for a variable."""
    for name in SETTINGS:
        kind = kind_of(name)
        wrong = ["tape"] if get_origin(kind) is Literal else WRONG_TEXTS.get(kind, [])
        yield from ((name, text) for text in [*wrong, *map(str, beyond(name))])


def values() -> Iterator[tuple[str, object]]:
    """Each setting with every wrong value for the file."""
    for name in SETTINGS:
        kind = kind_of(name)
        other: list[object] = ["tape", 5] if get_origin(kind) is Literal else [5, "hush", [""], [5]]
        yield from ((name, value) for value in [*WRONG_VALUES.get(kind, other), *beyond(name)])


def refusal(environment: dict[str, str], path: Path | None = None) -> str:
    """What is said of a file and of variables, whose prefix is left out here."""
    with pytest.raises(ConfigError) as refused:
        load(path, {f"TRACKER_{name}": text for name, text in environment.items()})
    said = str(refused.value)
    assert not A_LIBRARYS.search(said), said
    return said


@pytest.mark.parametrize(("name", "text"), [*texts()])
def test_a_wrong_variable_is_told_with_what_is_allowed(name: str, text: str) -> None:
    variable = name.replace(".", "__").upper()
    said = refusal({variable: text})
    assert said.startswith(f'TRACKER_{variable} ({name}) is "{text}", but must be ')
    assert all(word in said for word in allowed(name)), said


@pytest.mark.parametrize(("name", "value"), [*values()])
def test_so_is_a_wrong_value_of_the_file(tmp_path: Path, name: str, value: object) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"{name} = {json.dumps(value)}")
    said = refusal({}, file)
    assert said.startswith(f"{name} in {file} ")
    assert all(word in said for word in allowed(name)), said
    assert "hush" not in said or name == "http.trusted_proxies"  # the others are secrets


@pytest.mark.parametrize(
    "secret", [" ", "\t", "\u00a0", " hush", "hush ", "hu\nsh", "hush\n", "hu\0sh"]
)
@pytest.mark.parametrize("name", ["auth.tokens", "meta.app_secret", "meta.verify_token"])
def test_a_secret_that_no_header_can_carry_is_refused(
    tmp_path: Path, name: str, secret: str
) -> None:
    """The service took it, and then refused everybody who sent it."""
    file = tmp_path / "c.toml"
    file.write_text(f"{name} = {json.dumps([secret])}")
    said = refusal({}, file)
    assert said == (
        f"{name} in {file} must be a list of texts that aren't empty, without blanks around them "
        "or control characters."
    )


def test_so_is_the_callers_own_variable() -> None:
    with pytest.raises(ConfigError, match=r"^DJANGO_RSVP_SECRET must be a list of texts"):
        load(None, {"DJANGO_RSVP_SECRET": "hu\nsh"})


@pytest.mark.parametrize("secret", ["hush hush", "hüsh", "秘密", "a"])
def test_other_secrets_are_taken(tmp_path: Path, secret: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"auth.tokens = {json.dumps([secret])}")
    assert load(file, {}).auth.tokens == [secret]


@pytest.mark.parametrize("token", ["a", "x" * 15, "x" * 16])
def test_a_short_token_is_warned_of_and_not_shown(token: str) -> None:
    settings = load(None, {"TRACKER_AUTH__TOKENS": f"{'y' * 64},{token}"})
    said = " ".join(weak_settings(settings))
    assert bool(said) == (len(token) < 16)
    assert "xxx" not in said


def test_proxies_are_addresses_and_networks() -> None:
    proxies = "10.0.0.0/8, 192.0.2.7, fd00::/8"
    settings = load(None, {"TRACKER_HTTP__TRUSTED_PROXIES": proxies})
    assert settings.http.trusted_proxies == proxies.split(", ")
    said = refusal({"HTTP__TRUSTED_PROXIES": "10.0.0.0/8,proxy.example"})
    assert 'is ["10.0.0.0/8", "proxy.example"], but must be a list of texts, each an' in said


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("HTTP__PROT", "TRACKER_HTTP__PROT (http.prot) is no setting (did you mean TRACKER_"),
        ("HTTP__PROT", "TRACKER_HTTP__PORT?"),
        ("HTTP_PORT", "TRACKER_HTTP__PORT?"),
        ("PORT", "TRACKER_HTTP__PORT?"),
        ("TOKENS", "TRACKER_AUTH__TOKENS?"),
        ("REDIS_URL", "TRACKER_REDIS__URL?"),
        ("HTTP__PORT_FILE", "TRACKER_HTTP__PORT?"),
        ("DATA_DIR__X", "TRACKER_DATA_DIR?"),
        ("LOG__X", "Those of log are TRACKER_LOG__LEVEL."),
        ("HTTP", "is a section. Its settings are TRACKER_HTTP__HOST, TRACKER_HTTP__PORT,"),
        ("NOTHING", "TRACKER_NOTHING (nothing) is no setting. docs/operations.md"),
        ("NOTHING__AT_ALL", "(nothing.at_all) is no setting. docs/operations.md"),
    ],
)
def test_a_variable_of_no_setting_is_told_with_what_may_be_meant(variable: str, said: str) -> None:
    refused = refusal({variable: "hush"})
    assert said in refused
    assert "hush" not in refused


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("[http]\nprot = 'hush'", "http.prot in {file} is no setting (did you mean http.port?"),
        ("[htpp]\nport = 1", "htpp.port in {file} is no setting (did you mean http.port?"),
        ("[htpp]", "htpp in {file} is no setting "),
        ("port = 1", "did you mean http.port?"),
        ("http = 1", "http in {file} is a section. Its settings are http.host, http.port,"),
        ("[data_dir]\nx = 1", "did you mean data_dir?"),
    ],
)
def test_so_is_a_key_of_the_file(tmp_path: Path, file: str, said: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(file)
    refused = refusal({}, path)
    assert said.format(file=path) in refused
    assert "hush" not in refused


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[http]\nprot = 1\nport = 'x'\nslow_s = 0\n")
    said = refusal(
        {"LOG__LEVEL": "loud", "REDIS__URL_FILE": "/not/there", "HTTP__SLOW_S": "2"}, file
    )
    count, *lines = said.splitlines()
    assert count == "4 settings are wrong."
    for name in ("http.prot", "http.port", "log.level", "TRACKER_REDIS__URL_FILE"):
        assert sum(name in line for line in lines) >= 1, name


def test_a_setting_that_two_variables_set_is_refused() -> None:
    """Else one of them, by chance, was the one that counted."""
    said = refusal({"AUTH__TOKENS": "hush", "AUTH__TOKENS_FILE": __file__})
    assert said.startswith("TRACKER_AUTH__TOKENS (auth.tokens) is set by TRACKER_AUTH__TOKENS_FILE")


@pytest.mark.parametrize("variable", ["AUTH__TOKENS_FILE", "REDIS__URL_FILE"])
def test_a_secrets_file_that_is_empty_is_refused(tmp_path: Path, variable: str) -> None:
    """And isn't taken for a setting that nobody set: without a URL it was the private server."""
    (tmp_path / "empty").write_text(" \n")
    said = refusal({variable: str(tmp_path / "empty")})
    assert said == f"The file that TRACKER_{variable} names is empty."


KUBERNETES = {
    "SERVICE_HOST": "10.0.0.7",
    "SERVICE_PORT": "8080",
    "SERVICE_PORT_HTTP_WEB": "8080",
    "PORT": "tcp://10.0.0.7:8080",
    "PORT_8080_TCP": "tcp://10.0.0.7:8080",
    "PORT_8080_TCP_PROTO": "tcp",
    "PORT_8080_TCP_PORT": "8080",
    "PORT_8080_TCP_ADDR": "10.0.0.7",
    "PORT_53_UDP": "udp://[fd00::7]:53",
}


@pytest.mark.parametrize("service", ["", "REDIS_", "HTTP_", "A_B_"])
def test_what_kubernetes_sets_beside_a_service_is_passed_over(service: str) -> None:
    """One that is called `tracker`, or `tracker-redis`."""
    environment = {f"TRACKER_{service}{name}": text for name, text in KUBERNETES.items()}
    assert load(None, environment | {"TRACKER_HTTP__PORT": "81"}).http.port == 81


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "8080"),
        ("HTTP_PORT", "8080"),
        ("SERVICE_HOSTS", "10.0.0.7"),
        ("REDIS__SERVICE_HOST", "10.0.0.7"),
        ("_SERVICE_HOST", "10.0.0.7"),
        ("PORT_8080", "tcp://10.0.0.7:8080"),
        ("PORT_X_TCP", "tcp://10.0.0.7:8080"),
        ("PORT_8080_TCP_ADDRESS", "10.0.0.7"),
        ("HTTP__PORT_8080_TCP", "tcp://10.0.0.7:8080"),
    ],
)
def test_what_only_resembles_it_is_refused(variable: str, text: str) -> None:
    assert f"TRACKER_{variable} " in refusal({variable: text})


@pytest.mark.parametrize(
    ("url", "durability", "sentence"),
    [
        ("", "replica", "the private server has no replica"),
        ("fakeredis://", "replica", "fakeredis:// keeps nothing"),
        ("fakeredis://", "disk", "fakeredis:// keeps nothing"),
    ],
)
def test_what_a_store_can_never_promise_is_refused(
    url: str, durability: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(None, {"TRACKER_REDIS__URL": url, "TRACKER_REDIS__DURABILITY": durability})


def test_the_private_server_can_promise_the_disk() -> None:
    settings = load(None, {"TRACKER_REDIS__DURABILITY": "disk"})
    assert settings.embedded
    assert settings.appendfsync == "always"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"= 1", "Invalid statement (at line 1, column 1)"),
        (b"[http]\nhost = '\xfc'", "it isn't UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "c.toml"
    if content is not None:
        file.write_bytes(content)
    assert refusal({}, file) == f"{file} can't be read: {reason}."


def test_a_mark_before_a_file_is_passed_over(tmp_path: Path) -> None:
    """As some editors put it there."""
    (tmp_path / "c.toml").write_text("[http]\nport = 81", "utf-8-sig")
    (tmp_path / "token").write_text("a", "utf-8-sig")
    environment = {"TRACKER_AUTH__TOKENS_FILE": str(tmp_path / "token")}
    settings = load(tmp_path / "c.toml", environment)
    assert (settings.http.port, settings.auth.tokens) == (81, ["a"])
