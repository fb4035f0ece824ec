"""The settings: from `config.toml` and the environment to frozen, typed values.

The only reader of both. A setting of a section is `TRACKER_<SECTION>__<NAME>` in the environment,
one outside of the sections `TRACKER_<NAME>`; the environment wins. A secret may also be in a file
that `<its variable>_FILE` names. An empty variable counts as not set.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from service.errors import ConfigError

PREFIX = "TRACKER_"
SHARED_TOKEN = "DJANGO_RSVP_SECRET"  # noqa: S105  the name of a variable, not a secret
"""The variable that the guide's callers hold their token in: one more token, if set."""

_LISTS = {("auth", "tokens"), ("meta", "app_secret"), ("meta", "verify_token")}
_SECRETS = {*_LISTS, ("redis", "url")}

_Secrets = list[Annotated[str, Meta(min_length=1)]]


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how the service answers."""

    host: Annotated[str, Meta(description="the address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="the port; 0 takes a free one")] = 8080
    access_log: Annotated[
        bool, Meta(description="log every request, not only failed and slow ones")
    ] = False
    slow_s: Annotated[
        float, Meta(gt=0, description="log a request that took longer, in seconds")
    ] = 1.0
    requests: Annotated[
        int, Meta(ge=2, description="requests under way at the most, in each worker")
    ] = 2500
    listeners: Annotated[
        int, Meta(ge=0, description="listeners of live at the most, in each worker")
    ] = 5000
    receive_s: Annotated[
        float,
        Meta(
            gt=0,
            description="how long a request, or a line of a stream, may take to come, in seconds",
        ),
    ] = 20.0
    drain_s: Annotated[
        float, Meta(gt=0, description="how long a stop waits for requests under way, in seconds")
    ] = 10.0


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may call."""

    tokens: Annotated[
        _Secrets,
        Meta(description="the values of X-Webhook-Token that are let in; a secret"),
    ] = []

    def __repr__(self) -> str:
        return f"Auth(tokens=<{len(self.tokens)} hidden>)"


class MetaApp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Meta's own webhook is known by."""

    app_secret: Annotated[
        _Secrets,
        Meta(description="the app secrets that Meta's webhook may be signed with; a secret"),
    ] = []
    verify_token: Annotated[
        _Secrets,
        Meta(description="the words that Meta's webhook handshake may carry; a secret"),
    ] = []

    def __repr__(self) -> str:
        return "MetaApp(<hidden>)"


class Redis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The store."""

    url: Annotated[
        str,
        Meta(
            description="redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, "
            "redis+cluster://, rediss+cluster:// or fakeredis://; unset: a private server in the "
            "data folder; a secret"
        ),
    ] = ""
    partitions: Annotated[
        int,
        Meta(ge=1, le=4096, description="slots to spread over: 1, or say 32 on Redis Cluster"),
    ] = 1
    strict: Annotated[
        bool, Meta(description="refuse to start where Redis may lose data, instead of warning")
    ] = False
    durability: Annotated[
        Literal["memory", "disk", "replica"],
        Meta(description="where a report is before it is answered: memory, disk or replica"),
    ] = "memory"
    replicas: Annotated[
        int, Meta(ge=1, description="how many replicas must have it, where durability is replica")
    ] = 1
    patience_s: Annotated[
        float,
        Meta(gt=0, le=4.5, description="how long a request may wait for Redis, in seconds"),
    ] = 4.0
    connections: Annotated[
        int, Meta(ge=1, le=10_000, description="connections to a server at the most")
    ] = 32

    def __repr__(self) -> str:
        return f"Redis(url=<hidden>, partitions={self.partitions})"


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where reports wait while the store is away."""

    enabled: Annotated[
        bool,
        Meta(description="keep reports in the data folder while Redis is away; false: refuse them"),
    ] = True
    most_mib: Annotated[
        int, Meta(ge=1, description="what the journal may take of the disk, in MiB")
    ] = 1024


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept."""

    days: Annotated[
        int,
        Meta(ge=0, le=3650, description="after how many days messages are removed; 0: never"),
    ] = 0


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="the least level logged")
    ] = "info"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings."""

    data_dir: Annotated[
        str, Meta(description="the folder of the journal, the private server and its token")
    ] = "data"
    http: Http = Http()
    auth: Auth = Auth()
    meta: MetaApp = MetaApp()
    redis: Redis = Redis()
    journal: Journal = Journal()
    retention: Retention = Retention()
    log: Log = Log()

    @property
    def embedded(self) -> bool:
        """Whether the service runs a Redis of its own."""
        return not self.redis.url

    @property
    def appendfsync(self) -> str:
        """When the private server's file is synced to disk: everysec or always."""
        return "always" if self.redis.durability == "disk" else "everysec"


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings of a file and an environment.

    Args:
        path: of the `config.toml`; None takes the one in the working folder, if there is one.
        environment: as `os.environ`.

    Raises:
        ConfigError: the file can't be read, a setting is unknown or out of its range, or two don't
            go together.
    """
    tables = _read_file(path)
    for name, value in environment.items():
        if name.startswith(PREFIX) and value:
            _set(tables, name, value)
    try:
        settings = msgspec.convert(tables, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"The settings are wrong: {error}.") from None
    _check_durability(settings.redis)
    if shared := environment.get(SHARED_TOKEN, "").strip():
        auth = Auth(tokens=[*settings.auth.tokens, shared])
        return msgspec.structs.replace(settings, auth=auth)
    return settings


def _check_durability(redis: Redis) -> None:
    """Refuses what a kind of store can't promise at all."""
    if redis.url.startswith("fakeredis:") and redis.durability != "memory":
        raise ConfigError(
            f"redis.durability is {redis.durability}, but fakeredis:// keeps nothing: set it to "
            "memory, or redis.url to a Redis."
        )
    if not redis.url and redis.durability == "replica":
        raise ConfigError(
            "redis.durability is replica, but the private server has no replica: set it to disk, "
            "or redis.url to a Redis that has one."
        )


def _read_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        path = Path("config.toml")
        if not path.exists():
            return {}
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}.") from None


def _set(tables: dict[str, Any], name: str, value: str) -> None:
    """Puts one variable where the file would have it."""
    *sections, key = name.removeprefix(PREFIX).lower().split("__")
    if key.endswith("_file") and (*sections, key.removesuffix("_file")) in _SECRETS:
        key, value = key.removesuffix("_file"), _read_secret(name, value)
    table = tables
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{name} is no setting: {section} has no parts.")
    if (*sections, key) in _LISTS:
        table[key] = [secret for secret in re.split(r"[,\s]+", value) if secret]
    else:
        table[key] = value


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"The file that {name} names can't be read: {error}.") from None
