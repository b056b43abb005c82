"""The page that people open: its files, and what they are allowed to do in a browser.

A browser that comes to `/` is given the page; programs, which do not ask for HTML, are given the
same list of URLs as before. The files need no token, since they hold nothing that is anybody's:
the page asks the person for one, and sends it with what it asks of the API.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.types import Scope

from songloom import web

FOLDER = Path(web.__file__).parent
INDEX = "index.html"
ASSETS = "/assets/"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    "": "text/plain; charset=utf-8",
}
"""Types of the page's files; not the system's table, which differs between systems."""
_COMPRESSED = {".css", ".html", ".js", ".json", ".svg", ".txt", ".webmanifest", ""}
_NONCE = "{{nonce}}"
"""Placeholder of the nonce in the page."""
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'nonce-{nonce}'",
        # The players' shadow roots bring their styles as elements, which carry the nonce.
        "style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True)
class Asset:
    """One of the page's files, ready to be sent."""

    plain: bytes
    compressed: bytes | None
    """By gzip; None where that gains nothing."""
    type: str
    etag: str


router = APIRouter(include_in_schema=False)


def is_open(scope: Scope) -> bool:
    """Whether a request is for the page or its files, which everyone may read."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    path: str = scope["path"]
    return path.startswith(ASSETS) or (path == "/" and wants_page(Request(scope)))


def wants_page(request: Request) -> bool:
    """Whether a request comes from a browser's address bar: programs do not name HTML."""
    kinds = request.headers.get("accept", "").lower().split(",")
    return any(kind.split(";")[0].strip() == "text/html" for kind in kinds)


def page_response(request: Request) -> Response:
    """The page itself, with a nonce of its own that its scripts and styles are known by."""
    nonce = secrets.token_urlsafe(16)
    content = (FOLDER / INDEX).read_bytes().replace(_NONCE.encode(), nonce.encode())
    headers = {
        "Content-Security-Policy": _POLICY.format(nonce=nonce),
        "Cache-Control": "no-store",
        "Vary": "Accept, Accept-Encoding",
        **_SAFE,
    }
    if takes_gzip(request):
        content = gzip.compress(content, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=TYPES[".html"], headers=headers)


@router.head("/assets/{path:path}")
@router.get("/assets/{path:path}")
def get_asset(path: str, request: Request) -> Response:
    """One of the page's files; a browser that has it still is told so."""
    asset = find_asset(path)
    if asset is None or path == INDEX:
        return Response("there is no such file", 404, media_type=TYPES[".txt"], headers=_SAFE)
    headers = {
        "ETag": asset.etag,
        "Cache-Control": "no-cache",  # to be kept, but asked about: an update must show at once
        "Vary": "Accept-Encoding",
        **_SAFE,
    }
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = asset.plain
    if asset.compressed is not None and takes_gzip(request):
        content = asset.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=asset.type, headers=headers)


def find_asset(name: str) -> Asset | None:
    """The file of a path below the folder; None where there is none."""
    try:
        path = (FOLDER / name).resolve()
        if path.is_relative_to(FOLDER.resolve()) and path.suffix in TYPES and path.is_file():
            return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):  # a name that no file can have
        pass
    return None


@functools.lru_cache(maxsize=256)
def _read(path: Path, changed: int) -> Asset:
    """A file, compressed once for as long as it stays unchanged."""
    plain = path.read_bytes()
    compressed = gzip.compress(plain, mtime=0) if path.suffix in _COMPRESSED else None
    etag = f'"{hashlib.sha256(plain).hexdigest()[:20]}"'
    return Asset(plain, compressed, TYPES[path.suffix], etag)


def takes_gzip(request: Request) -> bool:
    """Whether who asks can read what is compressed."""
    return "gzip" in request.headers.get("accept-encoding", "")
