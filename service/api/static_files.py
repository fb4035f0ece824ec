"""The files that anyone may read: pages with their scripts and styles, and the documentation.

They are read once and served from memory.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from aiohttp import ETag, hdrs, web

_SERVICE = Path(__file__).parents[1]
_PACKAGED_DOCS = _SERVICE / "docs"
DOCS = _PACKAGED_DOCS if _PACKAGED_DOCS.is_dir() else _SERVICE.parent / "docs"
FOLDERS = {
    "/": _SERVICE / "site",
    "/dashboard/": _SERVICE / "dashboard",
    "/docs/": DOCS,
}
"""The folders whose files are served, by the path that they are below."""

_INDEX = "index.html"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
# Pages have no inline script or style. `data:` is for icons in the style sheets.
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


class StaticFile(NamedTuple):
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
def static_files() -> Mapping[str, StaticFile]:
    """Returns the files by their paths; the path of a folder is that of its index page."""
    return {path: _read(file) for path, file in sorted(_paths())}


def _paths() -> Iterator[tuple[str, Path]]:
    for above, folder in FOLDERS.items():
        for file in folder.rglob("*"):
            if file.suffix in _TYPES:
                path = above + file.relative_to(folder).as_posix()
                yield path, file
                if file.name == _INDEX:
                    yield path.removesuffix(_INDEX), file


def _read(file: Path) -> StaticFile:
    body = file.read_bytes()
    mark = hashlib.sha256(body).hexdigest()[:16]
    return StaticFile(_TYPES[file.suffix], body, gzip.compress(body, mtime=0), mark)


def redirects() -> list[str]:
    """Returns the paths of folders without their slash, at which `to_folder` answers."""
    return [path[:-1] for path in static_files() if path.endswith("/") and path != "/"]


async def static_file(request: web.Request) -> web.Response:
    """GET any of the files."""
    file = static_files()[request.path]
    if any(known.value in {file.mark, "*"} for known in request.if_none_match or ()):
        response = web.Response(status=304, headers=_HEADERS)
    else:
        response = _whole(file, packed="gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    response.etag = ETag(file.mark, is_weak=True)  # the same for both encodings
    return response


def _whole(file: StaticFile, *, packed: bool) -> web.Response:
    response = web.Response(
        body=file.packed if packed else file.body,
        content_type=file.content_type,
        charset="utf-8",
        headers=_HEADERS,
    )
    if packed:
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return response


async def to_folder(request: web.Request) -> web.Response:
    """GET a folder without its slash: the addresses in its page are relative to the one with it."""
    folder = request.path.rpartition("/")[2]
    return web.Response(status=308, headers={hdrs.LOCATION: f"{folder}/"})
