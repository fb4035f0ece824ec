"""The files that anyone may read: pages with their scripts and styles, and the documentation.

They are read once and served from memory.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from aiohttp import hdrs, web

from service.telemetry import request_id
from service.web.bodies import SETTINGS
from service.web.http_responses import set_common_headers

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
_PIECE_BYTES = 64 * 1024
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


async def static_file(request: web.Request) -> web.StreamResponse:
    """GET any of the files."""
    file = static_files()[request.path]
    headers = _HEADERS | {hdrs.ETAG: f'W/"{file.mark}"'}  # weak: the same for both encodings
    if any(known.value in {file.mark, "*"} for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = f"{file.content_type}; charset=utf-8"
    body = file.body
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        headers[hdrs.CONTENT_ENCODING], body = "gzip", file.packed
    if len(body) <= _PIECE_BYTES or request.method == hdrs.METH_HEAD:
        return web.Response(body=body, headers=headers)
    return await _in_pieces(request, body, headers)


async def _in_pieces(
    request: web.Request, body: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Sends a large file as fast as its reader reads, so that none waits in the connection.

    A large file sent at once would count among the bytes that strangers hold. A few slow readers of
    it would then crowd out the other strangers.
    """
    response = web.StreamResponse(headers=headers)
    response.content_length = len(body)
    set_common_headers(response, request_id.get())
    await response.prepare(request)
    timeout_s = request.app[SETTINGS].http.receive_s
    try:
        for start in range(0, len(body), _PIECE_BYTES):
            async with asyncio.timeout(timeout_s):
                await response.write(body[start : start + _PIECE_BYTES])
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    return response


async def to_folder(request: web.Request) -> web.Response:
    """GET a folder without its slash: the addresses in its page are relative to the one with it."""
    folder = request.path.rpartition("/")[2]
    return web.Response(status=308, headers={hdrs.LOCATION: f"{folder}/"})
