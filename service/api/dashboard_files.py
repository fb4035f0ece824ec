"""The dashboard: a page with its scripts and styles, read once and served from memory."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from aiohttp import ETag, hdrs, web

FOLDER = Path(__file__).parents[1] / "dashboard"
INDEX = "index.html"

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",  # a browser asks each time, so a new release shows at once
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
}


class DashboardFile(NamedTuple):
    """A file as it is served.

    Attributes:
        content_type: its media type, by the ending of its name.
        body: its content.
        packed: its content, compressed by gzip.
        mark: a hash of the body, for the `ETag`.
    """

    content_type: str
    body: bytes
    packed: bytes
    mark: str


@cache
def pages() -> Mapping[str, DashboardFile]:
    """Returns the dashboard's files by their paths; the empty path is the index page."""
    files = sorted(file for file in FOLDER.rglob("*") if file.suffix in _TYPES)
    found = {file.relative_to(FOLDER).as_posix(): _read(file) for file in files}
    return found | {"": found[INDEX]}


def _read(file: Path) -> DashboardFile:
    body = file.read_bytes()
    mark = hashlib.sha256(body).hexdigest()[:16]
    return DashboardFile(_TYPES[file.suffix], body, gzip.compress(body, mtime=0), mark)


async def dashboard(request: web.Request) -> web.Response:
    """GET dashboard: its page, or a file that the page asks for."""
    page = pages().get(request.match_info.get("file", ""))
    if page is None:
        raise web.HTTPNotFound
    if any(known.value in {page.mark, "*"} for known in request.if_none_match or ()):
        response = web.Response(status=304, headers=_HEADERS)
    else:
        response = _whole(page, packed="gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    response.etag = ETag(page.mark, is_weak=True)  # the same for both encodings
    return response


def _whole(page: DashboardFile, *, packed: bool) -> web.Response:
    response = web.Response(
        body=page.packed if packed else page.body,
        content_type=page.content_type,
        charset="utf-8",
        headers=_HEADERS,
    )
    if packed:
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return response


async def to_dashboard(_: web.Request) -> web.Response:
    """GET dashboard without its slash: the page's own addresses are relative to the one with it."""
    return web.Response(status=308, headers={hdrs.LOCATION: "dashboard/"})
