"""The pages that people read: links lead somewhere, and what they name in the tree is there."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from service.__main__ import main
from tests.documents import PAGES, ROOT
from tests.unit.test_architecture import ORDER

NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MENTIONED = re.compile(r"`((?:service|lua|tests|docs|bench|scripts)/[\w./-]*)`")
HISTORY = "CHANGELOG.md"
STEP = re.compile(r"^\| `([\w/.]+)` \| `([\w.]+)` \| .+ \|$", re.MULTILINE)


@cache
def prose_of(path: Path) -> str:
    """The page without its examples."""
    return FENCED.sub("", path.read_text())


@cache
def anchors_of(path: Path) -> set[str]:
    """What a link to the page may name: its headings, as GitHub and the site call them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(path), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def links_in(path: Path) -> list[str]:
    """The links of the page to others of the repository, or to itself."""
    return [link for link in LINK.findall(prose_of(path)) if "://" not in link]


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for link in links_in(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("name", NAMES)
def test_a_heading_is_there_once(name: str) -> None:
    """Else the second one has another anchor than its words."""
    headings = re.findall(r"^#+ (.+)$", prose_of(ROOT / name), re.MULTILINE)
    assert len(headings) == len(set(headings))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_a_page_of_the_site_stays_within_it(name: str) -> None:
    """And says first for whom it is."""
    page = ROOT / name
    files = {link.partition("#")[0] for link in links_in(page)}
    assert not [file for file in files if "/" in file]
    assert page.read_text().split("\n\n")[1].startswith("For ")


@pytest.mark.parametrize("name", sorted({*NAMES} - {HISTORY}))
def test_every_path_that_a_page_names_is_there(name: str) -> None:
    for path in MENTIONED.findall(prose_of(ROOT / name)):
        assert (ROOT / path).exists(), path


def test_the_readme_leads_to_every_page_and_is_short() -> None:
    readme = ROOT / "README.md"
    others = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} - {"docs/index.md"}
    assert others <= {link.partition("#")[0] for link in links_in(readme)}
    assert len(readme.read_text().splitlines()) <= 200


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_import_rule_is_the_one_that_is_tested(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    [line] = [line for line in lines if line.startswith("`") and " < " in line]
    assert [set(names.split(", ")) for names in line.strip("`").split(" < ")] == ORDER


@pytest.mark.parametrize("package", ["web", "api", "models", "domain", "store", "backends", "live"])
def test_architecture_says_what_each_module_is_for(package: str) -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    paragraph = text.partition(f"\n**{package}** ")[2].partition("\n\n")[0]
    modules = {path.stem for path in (ROOT / "service" / package).glob("*.py")} - {"__init__"}
    assert modules <= set(re.findall(r"`(\w+)`", paragraph))


def defined_in(path: Path) -> Iterator[str]:
    """The functions and methods of a module or a script, as `function` or `Class.method`."""
    if path.suffix == ".lua":
        yield from re.findall(r"^local function (\w+)", path.read_text(), re.MULTILINE)
        return
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{each.name}" for each in node.body if hasattr(each, "name"))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def test_each_step_of_a_request_is_where_architecture_says() -> None:
    steps = STEP.findall((ROOT / "docs/architecture.md").read_text())
    assert len(steps) > 20
    for file, call in steps:
        assert call in defined_in(ROOT / file), (file, call)


def test_every_command_that_a_page_shows_takes_its_options() -> None:
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    known = {name: options_of(command) for name, command in commands.items() if command}
    shown = [line for page in PAGES if page.name != HISTORY for line in commands_in(page)]
    assert known.keys() <= {words[0] for words in shown}
    for words in shown:
        options = {word for word in words if word.startswith("--")}
        assert options <= known.get(words[0], options_of(main)), words


def commands_in(path: Path) -> Iterator[list[str]]:
    """The arguments of every `python -m service …` on the page."""
    text = path.read_text().replace("\\\n", " ")
    for arguments in re.findall(r"python -m service ([^\n`#]+)", text):
        yield shlex.split(arguments)


def options_of(command: click.Command) -> set[str]:
    """The options that a command takes."""
    return {option for parameter in command.params for option in parameter.opts}
