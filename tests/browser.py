"""Fixtures for tests of the dashboard: a service with messages in it, and a browser."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright

from tests.conftest import TOKEN
from tests.dashboard.scene import Desk, fill
from tests.npm_tools import install, tool
from tests.process import ROOT, Service
from tests.servers import RedisServer

WIDE = ViewportSize(width=1280, height=900)
QUIET = ("background-networking", "component-update", "default-apps", "sync", "gpu", "extensions")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, which asks nobody anything; without it a skip, in CI a failure."""
    program = tool("chromium")
    flags = ["--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in QUIET)]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def desk(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A service that knows the messages of `scene.fill`."""
    redis_server.command("FLUSHALL")
    with Service(
        tmp_path_factory.mktemp("service"),
        TRACKER_AUTH__TOKENS=TOKEN,
        TRACKER_REDIS__URL=redis_server.url,
    ) as service:
        desk = Desk(service.url)
        fill(desk)
        yield desk


@pytest.fixture(scope="session")
def axe() -> str:
    """The script that looks for barriers."""
    return (install(ROOT) / "axe-core/axe.min.js").read_text()


@pytest.fixture
def expected() -> list[str]:
    """Parts of lines that the console may show."""
    return []


@pytest.fixture
def page(browser: Browser, expected: list[str]) -> Iterator[Page]:
    """A new tab. At its end, it must have had no error and no request to another host."""
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
    opened, said, asked = context.new_page(), list[str](), list[str]()

    def note(line: ConsoleMessage) -> None:
        said.extend([line.text] if line.type in {"error", "warning"} else [])

    opened.on("console", note)
    opened.on("pageerror", lambda error: said.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    yield opened
    opened.unroute_all(behavior="wait")  # a handler that is at work would find its page closed
    context.close()
    assert [line for line in said if not any(part in line for part in expected)] == []
    assert {urlsplit(url).hostname for url in asked} <= {"127.0.0.1", None}
    assert not [url for url in asked if TOKEN in url]


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """The folder for downloads."""
    return tmp_path
