"""The pages and `config.toml` have the settings, metrics, log events and keys that the code has."""

import ast
import re
import tomllib
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import yaml  # type: ignore[import-untyped]

from service.api.routes import ROUTES
from service.backends.permissions import BESIDES, rules
from service.config import Settings
from service.domain.dimensions import DIMENSIONS
from service.store.keys import CATALOGUE
from service.telemetry import Metrics
from tests.documents import ROOT, page, table_in

OPERATIONS = page("docs/operations.md")
ARCHITECTURE = page("docs/architecture.md")


def settings_of(section: type[msgspec.Struct] = Settings, prefix: str = "") -> dict[str, Any]:
    """Every setting by its dotted name: default and help text."""
    found: dict[str, Any] = {}
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        name = f"{prefix}{field.name}"
        if isinstance(field.default, msgspec.Struct):
            found |= settings_of(type(field.default), f"{name}.")
        else:
            default = [] if field.default_factory is list else field.default
            meta = next(
                part for part in get_args(hints[field.name]) if hasattr(part, "description")
            )
            found[name] = (default, meta.description)
    return found


def test_operations_has_every_setting_with_its_default_and_help() -> None:
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| `(TRACKER_\w+)` \| (.+?) \| (.+) \|$", OPERATIONS, re.MULTILINE
    )
    documented = {name: (variable, default, text) for name, variable, default, text in rows}
    expected = {}
    for name, (default, text) in settings_of().items():
        variable = "TRACKER_" + name.replace(".", "__").upper()
        shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
        expected[name] = (variable, shown if default not in ("", []) else "none", text)
    assert documented == expected


def test_config_toml_has_every_setting_with_its_default_and_help() -> None:
    text = (ROOT / "config.toml").read_text()
    tables = tomllib.loads(text)
    assert msgspec.convert(tables, Settings) == Settings()
    flat = {
        f"{section}.{name}" if name else section: value
        for section, held in tables.items()
        for name, value in (held.items() if isinstance(held, dict) else [("", held)])
    }
    settings = settings_of()
    assert flat == {name: default for name, (default, _) in settings.items()}
    folded = re.sub(r"\n +# ", " ", text)
    for name, (_, help_text) in settings.items():
        key = name.rpartition(".")[2]
        assert re.search(rf"^{key} = .*# {re.escape(help_text)}", folded, re.MULTILINE), name


def test_compose_hands_every_secret_on() -> None:
    """The URL is that of its own Redis."""
    given = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["tracker"][
        "environment"
    ]
    for variable in ("AUTH__TOKENS", "META__APP_SECRET", "META__VERIFY_TOKEN"):
        assert given[f"TRACKER_{variable}"].startswith(f"${{TRACKER_{variable}:")
    assert given["TRACKER_REDIS__URL"] == "redis://redis:6379/0"


def pins(file: str) -> dict[str, str]:
    """The version of every package that a file of pins names."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))


def test_what_running_needs_is_pinned_as_it_is_for_the_tests() -> None:
    running, everything = pins("constraints-run.txt"), pins("constraints.txt")
    assert running.items() < everything.items()
    assert {"pytest", "mypy", "playwright", "uv"} <= everything.keys() - running.keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for needed in project["dependencies"] + project["optional-dependencies"]["install"]:
        assert re.match(r"[a-z-]+", needed)[0] in running  # type: ignore[index]


def test_security_supports_the_version_that_this_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    minor = project["version"].rpartition(".")[0]
    assert f"| {minor} | yes |" in page("SECURITY.md")


def test_architecture_has_the_key_catalogue() -> None:
    for pattern, kind, holds in CATALOGUE:
        assert f"| `{pattern}` | {kind} | {holds} |" in ARCHITECTURE
    sentence = ARCHITECTURE.partition("The dimensions are")[2].partition("They are one table")[0]
    dimensions, _, counted = sentence.partition("counters are kept for")
    assert re.findall(r"`(\w+)`", dimensions) == [dimension.name for dimension in DIMENSIONS]
    assert re.findall(r"`(\w+)`", counted) == [d.name for d in DIMENSIONS if d.counted]


def test_the_api_page_names_every_route() -> None:
    for route in ROUTES:
        assert route.path.rstrip("/") in page("docs/api.md")


def test_operations_has_the_rights_of_the_redis_user() -> None:
    block = OPERATIONS.partition("ACL SETUSER tracker on >password ")[2].partition("```")[0]
    assert " ".join(block.split()) == rules()
    for purpose, rights in BESIDES.items():
        assert f"| {purpose} | `{rights.replace('|', chr(92) + '|')}` |" in OPERATIONS


LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def events_of(tree: ast.AST) -> Iterator[str]:
    """The first text of every call of `log`, both texts where a condition chooses one."""
    for call in ast.walk(tree):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in LEVELS
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "log"
        ):
            event = call.args[1 if call.func.attr == "log" else 0]
            choices = (event.body, event.orelse) if isinstance(event, ast.IfExp) else (event,)
            for choice in choices:
                assert isinstance(choice, ast.Constant), ast.unparse(call)
                yield str(choice.value)


def test_operations_has_every_log_event() -> None:
    logged = {
        event
        for path in (ROOT / "service").rglob("*.py")
        for event in events_of(ast.parse(path.read_text()))
    }
    table = table_in(OPERATIONS, "| events | about |")
    rows = (row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
    assert {event for row in rows for event in re.findall(r"`(\w+)`", row)} == logged


def test_operations_has_every_metric() -> None:
    metrics = set(
        re.findall(r"^# TYPE (tracker_\w+)", Metrics().exposition().decode(), re.MULTILINE)
    )
    table = table_in(OPERATIONS, "| metric | counts or measures |")
    assert set(re.findall(r"`(tracker_\w+)`", table)) == metrics
