"""The settings: reads `config.toml` and the environment into frozen, typed values.

No other module reads them. In the environment a setting of a section is called
`TRACKER_<SECTION>__<NAME>`, and a setting outside of the sections `TRACKER_<NAME>`. The environment
wins over the file. A secret may also be in a file, which `<its variable>_FILE` names. An empty
variable counts as not set.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Meta

from service.errors import ConfigError

PREFIX = "TRACKER_"
SHARED_TOKEN = "DJANGO_RSVP_SECRET"  # noqa: S105  the name of a variable, not a secret
"""The variable in which the guide's callers have their token. If it is set, that is one more valid
token."""

_SECRETS = {"auth.tokens", "meta.app_secret", "meta.verify_token", "redis.url"}
_NETWORKS = "http.trusted_proxies"
_FILE = "_file"
_MOST_SHOWN = 60

_KUBERNETES = re.compile(
    rf"""{PREFIX} (?:(?:(?!__)[A-Z0-9_])+_)?
    (?: SERVICE_HOST= | SERVICE_PORT(?:_[A-Z0-9_]+)?=
      | PORT=(?:tcp|udp|sctp)://
      | PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?=
    ) .*""",
    re.VERBOSE,
)
"""Variables that Kubernetes sets in every pod beside a Service called `tracker` or `tracker-…`; in
these `_PORT` is a URL. Any other `_PORT` is a typing error for `__PORT`, and is reported."""

_SHORTEST_TOKEN = 16

# A secret must fit into a header: HTTP cuts off blanks around a value.
_SENDABLE = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?\Z"
_Secrets = list[Annotated[str, Meta(pattern=_SENDABLE)]]


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how the service answers."""

    host: Annotated[str, Meta(min_length=1, description="the address to listen on")] = "127.0.0.1"
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
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="addresses or networks of proxies whose X-Forwarded-For tells the log and "
            "the brake on wrong tokens who calls"
        ),
    ] = []
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
    timeout_s: Annotated[
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
    max_mib: Annotated[
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
        str,
        Meta(
            min_length=1, description="the folder of the journal, the private server and its token"
        ),
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


class _Given(NamedTuple):
    """A value, and its source, such as `TRACKER_HTTP__PORT (http.port)`."""

    value: Any
    source: str


def _types_of(section: type[msgspec.Struct], prefix: str = "") -> dict[str, Any]:
    """Returns the annotation of every setting, by its dotted name."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(section):
        if isinstance(field.default, msgspec.Struct):
            found |= _types_of(type(field.default), f"{field.name}.")
        else:
            found[prefix + field.name] = field.type
    return found


_TYPES = _types_of(Settings)


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Returns the settings in a file and an environment.

    Args:
        path: the path of the `config.toml`; None takes the one in the working folder, if it exists.
        environment: the variables, like `os.environ`.

    Raises:
        ConfigError: the file can't be read; two settings contradict each other; or settings are
            unknown, ill-typed or out of range. One error names all of the last kind.
    """
    wrong: list[str] = []
    given = _from_file(path, wrong) | _from_environment(environment, wrong)
    tables: dict[str, Any] = {}
    for name, each in given.items():
        section, _, key = name.rpartition(".")
        table = tables.setdefault(section, {}) if section else tables
        try:
            table[key] = _converted(name, each)
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        first = [f"{len(wrong)} settings are wrong."] if len(wrong) > 1 else []
        raise ConfigError("\n  ".join(first + wrong))
    settings = msgspec.convert(tables, Settings)
    _check_durability(settings.redis)
    if shared := environment.get(SHARED_TOKEN, "").strip():
        added = _converted("auth.tokens", _Given([shared], SHARED_TOKEN))
        auth = Auth(tokens=settings.auth.tokens + added)
        return msgspec.structs.replace(settings, auth=auth)
    return settings


def weak_settings(settings: Settings) -> list[str]:
    """Returns sentences about settings that strangers could exploit, for the operator."""
    if all(len(token) >= _SHORTEST_TOKEN for token in settings.auth.tokens):
        return []
    short = f"A token has fewer than {_SHORTEST_TOKEN} characters (auth.tokens, {SHARED_TOKEN})"
    return [f"{short}, so it can be guessed: make one with `openssl rand -hex 32`."]


def _converted(name: str, given: _Given) -> Any:  # noqa: ANN401  of the setting's type
    """Converts a value to the setting's type.

    Raises:
        ConfigError: the value is ill-typed or out of range. The error says what is allowed, and
            never shows a secret.
    """
    try:
        value = msgspec.convert(given.value, _TYPES[name], strict=False)
        if name == _NETWORKS:
            for network in value:
                ip_network(network, strict=False)
        if not isinstance(value, float) or math.isfinite(value):
            return value
    except (msgspec.ValidationError, ValueError):
        pass  # the texts of these errors would show `$` and Python's types
    shown = "" if name in _SECRETS else f" is {_shown(given.value)}, but"
    raise ConfigError(f"{given.source}{shown} must be {_allowed(name)}.")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _allowed(name: str) -> str:
    """Returns a description of the allowed values of a setting."""
    kind, meta = get_args(_TYPES[name])
    if kind in {int, float}:
        least = f"at least {meta.ge}" if meta.gt is None else f"above {meta.gt}"
        most = "" if meta.le is None else f" and at most {meta.le}"
        return f"a {'whole ' if kind is int else ''}number, {least}{most}"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if kind is str:
        return "a text that isn't empty" if meta.min_length else "a text"
    if kind is bool:
        return "true or false"
    if name == _NETWORKS:
        return "a list of texts, each an address or a network such as 10.0.0.0/8"
    return "a list of texts that aren't empty, without blanks around them or control characters"


def _no_setting(source: str, name: str, write: Callable[[str], str]) -> str:
    """Returns the sentence for an unknown setting, with the setting that may have been meant.

    Args:
        source: see `_Given`.
        name: the dotted name that was given.
        write: turns a setting's name into the form of that source.
    """
    section = name.partition(".")[0]
    there = ", ".join(write(each) for each in _TYPES if each.startswith(f"{section}."))
    if name == section and there:
        return f"{source} is a section. Its settings are {there}."
    if close := get_close_matches(name, _TYPES, 1):
        return f"{source} is no setting (did you mean {write(close[0])}?)."
    return f"{source} is no setting. " + (
        f"Those of {section} are {there}." if there else "docs/operations.md has a table of all."
    )


def _check_durability(redis: Redis) -> None:
    """Refuses a durability that this kind of store can't promise."""
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


def _from_file(path: Path | None, wrong: list[str]) -> dict[str, _Given]:
    """Returns the file's settings by their dotted names; adds to `wrong` what is unknown."""
    if path is None:
        path = Path("config.toml")
        if not path.exists():
            return {}
    found = {}
    for name, value in _flat(_read_file(path)):
        source = f"{name} in {path}"
        if name in _TYPES:
            found[name] = _Given(value, source)
        else:
            wrong.append(_no_setting(source, name, str))
    return found


def _flat(tables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, held in tables.items():
        if isinstance(held, dict) and (held or any(t.startswith(f"{section}.") for t in _TYPES)):
            yield from ((f"{section}.{key}", value) for key, value in held.items())
        else:
            yield section, held


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))  # some editors put a mark before it
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {_reason(error)}.") from None


def _from_environment(environment: Mapping[str, str], wrong: list[str]) -> dict[str, _Given]:
    """Returns the environment's settings by dotted names; adds to `wrong` what is unknown."""
    found: dict[str, _Given] = {}
    for variable, text in environment.items():
        value = text.strip()
        if not variable.startswith(PREFIX) or not value:
            continue
        if _KUBERNETES.fullmatch(f"{variable}={value}"):
            continue
        try:
            name, given = _from_variable(variable, value)
        except ConfigError as error:
            wrong.append(str(error))
            continue
        if name in found:
            wrong.append(
                f"{found[name].source} is set by {variable} as well: remove one of the two."
            )
        found[name] = given
    return found


def _from_variable(variable: str, value: str) -> tuple[str, _Given]:
    """Returns the dotted name of the setting that a variable sets, and its value.

    Raises:
        ConfigError: there is no such setting, or its secrets file can't be read.
    """
    name = variable.removeprefix(PREFIX).lower().replace("__", ".")
    if name.endswith(_FILE) and name.removesuffix(_FILE) in _SECRETS:
        name, value = name.removesuffix(_FILE), _read_secret(variable, value)
    source = f"{variable} ({name})"
    if name not in _TYPES:
        raise ConfigError(_no_setting(source, name, _variable_of))
    if get_origin(get_args(_TYPES[name])[0]) is list:
        return name, _Given([part for part in re.split(r"[,\s]+", value) if part], source)
    return name, _Given(value, source)


def _variable_of(name: str) -> str:
    return PREFIX + name.replace(".", "__").upper()


def _read_secret(variable: str, path: str) -> str:
    try:
        secret = Path(path).read_text("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The file that {variable} names can't be read: {_reason(error)}."
        ) from None
    if not secret:
        raise ConfigError(f"The file that {variable} names is empty.")
    return secret


def _reason(error: OSError | ValueError) -> str:
    """Returns why a file can't be read. It never shows the content."""
    if isinstance(error, OSError):
        return str(error.strerror)
    return "it isn't UTF-8" if isinstance(error, UnicodeError) else str(error)
