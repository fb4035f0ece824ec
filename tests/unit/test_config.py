"""Settings from a file and the environment."""

from pathlib import Path

import pytest

from service.config import Settings, load
from service.errors import ConfigError


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
        "TRACKER_REDIS__PATIENCE_S": "1.5",
        "TRACKER_HTTP__ACCESS_LOG": "true",
        "PATH": "/bin",
    }
    settings = load(file, environment)
    assert (settings.data_dir, settings.http.host, settings.http.port) == ("d", "h", 2)
    assert (settings.redis.partitions, settings.redis.patience_s) == (32, 1.5)
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


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"TRACKER_HTTP__PROT": "1"}, "prot"),
        ({"TRACKER_NOTHING": "1"}, "nothing"),
        ({"TRACKER_NOTHING__AT_ALL": "1"}, "nothing"),
        ({"TRACKER_HTTP__PORT": "99999"}, "http.port"),
        ({"TRACKER_HTTP__PORT": "x"}, "http.port"),
        ({"TRACKER_HTTP": "x"}, "http"),
        ({"TRACKER_DATA_DIR__X": "x"}, "data_dir"),
        ({"TRACKER_REDIS__PARTITIONS": "0"}, "redis.partitions"),
        ({"TRACKER_REDIS__PATIENCE_S": "5"}, "redis.patience_s"),
        ({"TRACKER_RETENTION__DAYS": "-1"}, "retention.days"),
        ({"TRACKER_RETENTION__DAYS": "3651"}, "retention.days"),
        ({"TRACKER_REDIS__DURABILITY": "tape"}, "redis.durability"),
        ({"TRACKER_REDIS__REPLICAS": "0"}, "redis.replicas"),
        ({"TRACKER_LOG__LEVEL": "loud"}, "log.level"),
        ({"TRACKER_AUTH__TOKENS_FILE": "/not/there"}, "TRACKER_AUTH__TOKENS_FILE"),
    ],
)
def test_what_is_wrong_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(None, environment)


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


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path / "missing.toml", {})
    bad = tmp_path / "bad.toml"
    bad.write_text("= 1")
    with pytest.raises(ConfigError, match="can't be read"):
        load(bad, {})
    bad.write_text("[auth]\ntokens = 5\n")
    with pytest.raises(ConfigError, match="tokens"):
        load(bad, {"DJANGO_RSVP_SECRET": "x"})
