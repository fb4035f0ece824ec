"""The dashboard's files over HTTP: what they are sent with, and that nothing else is sent."""

import re

import pytest
from yarl import URL

from service.api.dashboard_files import FOLDER, pages
from tests.conftest import Client

FILES = sorted(path for path in pages() if path)
pytestmark = pytest.mark.parametrize("backend", ["fake"], indirect=True)


async def test_the_page_and_all_its_files_need_no_token(anyone: Client) -> None:
    for file in ["", *FILES]:
        async with anyone.get(f"/dashboard/{file}") as response:
            assert response.status == 200
            assert await response.read() == (FOLDER / (file or "index.html")).read_bytes()
            assert response.charset == "utf-8"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("", "text/html"),
        ("app.js", "text/javascript"),
        ("style.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
        ("vendor/vendor.json", "application/json"),
        ("vendor/preact.LICENSE.txt", "text/plain"),
    ],
)
async def test_a_file_has_its_content_type(anyone: Client, file: str, kind: str) -> None:
    async with anyone.head(f"/dashboard/{file}") as response:
        assert response.content_type == kind
        assert int(response.headers["Content-Length"]) > 0


async def test_scripts_styles_and_requests_are_of_the_page_itself_alone(anyone: Client) -> None:
    async with anyone.get("/dashboard/") as response:
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
    assert "//" not in text.replace("<!doctype", "")
    assert re.findall(r"<script[^>]*>([^<]+)", text) == []


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
        assert await response.text() == (FOLDER / "style.css").read_text()
    plain = {"Accept-Encoding": "identity"}
    async with anyone.get("/dashboard/style.css", headers=plain) as response:
        assert "Content-Encoding" not in response.headers


async def test_without_its_slash_it_leads_to_the_page(anyone: Client) -> None:
    async with anyone.get("/dashboard", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, "dashboard/")
    async with anyone.get("/dashboard") as response:
        assert (response.status, response.url.path) == (200, "/dashboard/")


@pytest.mark.parametrize(
    "path",
    [
        "nothing.js",
        "../pages.py",
        "%2e%2e/pages.py",
        "..%2fpages.py",
        "vendor/..%2f..%2fpages.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "vendor",
        "app.js%00",
    ],
)
async def test_nothing_else_is_there(anyone: Client, path: str) -> None:
    async with anyone.get(URL(f"/dashboard/{path}", encoded=True)) as response:
        assert response.status == 404
        assert (await response.json())["ok"] is False
