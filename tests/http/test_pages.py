"""The static files over HTTP: what they are sent with, and that nothing else is sent."""

import re
from pathlib import Path

import pytest
from yarl import URL

from service.api.static_files import DOCS, static_files
from service.web.middleware import ADMISSION
from tests.conftest import Client

ROOT = Path(__file__).parents[2]
PAGES = ["/", "/docs/", "/dashboard/"]
pytestmark = pytest.mark.parametrize("backend", ["fake"], indirect=True)


def file_at(path: str) -> Path:
    """The file that is served at a path."""
    path += "index.html" if path.endswith("/") else ""
    if path.endswith(".md"):
        return DOCS / path.removeprefix("/docs/")
    above = ROOT / "service" / ("" if path.startswith("/dashboard/") else "site")
    return above / path.removeprefix("/")


async def test_the_pages_and_all_their_files_need_no_token(anyone: Client) -> None:
    for path in static_files():
        async with anyone.get(path) as response:
            assert response.status == 200
            assert await response.read() == file_at(path).read_bytes()
            assert response.charset == "utf-8"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/llms.txt", "text/plain"),
        ("/docs/", "text/html"),
        ("/docs/api.md", "text/markdown"),
        ("/dashboard/", "text/html"),
        ("/dashboard/app.js", "text/javascript"),
        ("/dashboard/style.css", "text/css"),
        ("/dashboard/icon.svg", "image/svg+xml"),
        ("/dashboard/vendor/vendor.json", "application/json"),
        ("/dashboard/vendor/preact.LICENSE.txt", "text/plain"),
    ],
)
async def test_a_file_has_its_content_type(anyone: Client, path: str, kind: str) -> None:
    async with anyone.head(path) as response:
        assert response.content_type == kind
        assert int(response.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", PAGES)
async def test_scripts_styles_and_requests_are_of_the_page_itself_alone(
    anyone: Client, path: str
) -> None:
    async with anyone.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        text = await response.text()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "//" not in text
    assert re.findall(r"<script[^>]*>([^<]+)", text) == []


@pytest.mark.parametrize("path", [*PAGES, "/llms.txt"])
async def test_every_link_of_a_page_leads_somewhere(anyone: Client, path: str) -> None:
    text = file_at(path).read_text()
    links = re.findall(r"(?:href|src)=\"([^\"]+)\"|\]\(([^)]+)\)", text)
    assert links
    for link in map("".join, links):
        async with anyone.get(str(URL(path).join(URL(link)))) as response:
            assert response.status == 200, link


async def test_models_are_told_of_every_page(anyone: Client) -> None:
    listed = set(re.findall(r"docs/[\w-]+\.md", file_at("/llms.txt").read_text()))
    assert listed == {f"docs/{page.name}" for page in DOCS.glob("*.md")}


async def test_a_file_that_is_known_is_not_sent_again(anyone: Client) -> None:
    async with anyone.get("/dashboard/app.js") as response:
        mark = response.headers["ETag"]
    known = {"If-None-Match": mark}
    async with anyone.get("/dashboard/app.js", headers=known) as response:
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["ETag"] == mark
    async with anyone.get("/dashboard/style.css", headers=known) as response:
        assert response.status == 200


async def test_a_file_is_packed_for_those_who_unpack(anyone: Client) -> None:
    async with anyone.get("/dashboard/style.css", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert await response.text() == file_at("/dashboard/style.css").read_text()
    plain = {"Accept-Encoding": "identity"}
    async with anyone.get("/dashboard/style.css", headers=plain) as response:
        assert "Content-Encoding" not in response.headers


async def test_a_large_file_takes_no_room_from_other_strangers(
    anyone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held whole, it would count twice: a few slow readers would take the place of a webhook."""
    held: list[int] = []
    strangers = anyone.app[ADMISSION].strangers
    monkeypatch.setattr(strangers, "hold", lambda _, size_bytes: held.append(size_bytes))
    for encoding in ("gzip", "identity"):
        asked = {"Accept-Encoding": encoding}
        async with anyone.get("/docs/vendor/swagger-ui-bundle.js", headers=asked) as response:
            assert len(await response.read()) > 1_000_000
    assert held == []


@pytest.mark.parametrize("name", ["dashboard", "docs"])
async def test_without_its_slash_it_leads_to_the_page(anyone: Client, name: str) -> None:
    async with anyone.get(f"/{name}", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, f"{name}/")
    async with anyone.get(f"/{name}") as response:
        assert (response.status, response.url.path) == (200, f"/{name}/")


@pytest.mark.parametrize(
    "path",
    [
        "nothing.js",
        "../app.py",
        "%2e%2e/app.py",
        "..%2fapp.py",
        "vendor/..%2f..%2fapp.py",
        "conf.py",
        "dashboard.png",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "vendor",
        "app.js%00",
    ],
)
async def test_nothing_else_is_there(anyone: Client, path: str) -> None:
    for folder in ("dashboard/", "docs/"):
        async with anyone.get(URL(f"/{folder}{path}", encoded=True)) as response:
            assert response.status == 404
            assert (await response.json())["ok"] is False
