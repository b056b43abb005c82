"""Requests to URLs that users give: inputs and data sets, uploads of results, webhooks.

Nothing that the other end says is relied on: sizes are counted, time is limited, and each
redirect is checked as the first URL was. Where requests may go at all is up to `addresses`.
"""

from __future__ import annotations

import asyncio
import mimetypes
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from functools import cache, cached_property
from pathlib import Path
from urllib.parse import unquote

import httpx2

from songloom.errors import FetchError, OutputError
from songloom.server.files.addresses import (
    Destination,
    FetchRules,
    RefusedError,
    Resolve,
    addresses_of,
    destination,
    resolve_host,
    show_url,
)
from songloom.server.files.data_urls import read_data_url
from songloom.server.files.filenames import safe_name
from songloom.server.files.incoming import open_incoming

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 30.0
"""How long the other end may be silent."""
LOOKUP_SECONDS = 5.0
"""For looking up the host of a URL that is only checked."""
MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD = frozenset({307, 308})
_PIECE = 1 << 18
_UNKNOWN_TYPE = "application/octet-stream"

Body = bytes | Callable[[], AsyncIterator[bytes]]
"""A request's content; a redirect may have it sent again."""


@dataclass(frozen=True)
class Fetched:
    """A file that has been fetched whole."""

    path: Path
    content_type: str
    """The other end's claim of its type, which need not be true; empty without one."""
    filename: str
    """Safe to be shown, or to be taken for a name in a folder."""
    etag: str = ""
    """The other end's name of this very content; empty where it has none that is exact."""


class Fetcher:
    """Fetches from and sends to URLs that users give.

    Proxies and credentials of the environment are not used: a proxy would look up names itself.

    Args:
        rules: what is allowed.
        resolve: looks up hosts.
    """

    def __init__(self, rules: FetchRules, resolve: Resolve = resolve_host) -> None:
        self._rules, self._resolve = rules, resolve

    async def check(self, url: str) -> None:
        """See whether the rules allow a URL; one whose host is not known now passes.

        Raises:
            RefusedError: they don't.
        """
        to = destination(url, self._rules)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                await addresses_of(to, self._rules, self._resolve)
        except RefusedError:
            raise
        except (FetchError, TimeoutError):
            return  # it is looked up again when it is used

    async def fetch(self, url: str, target: Path) -> Fetched:
        """Fetch a file; `data:` URLs hold theirs.

        Args:
            url: http, https or data.
            target: where the file is to lie; there is none after an error.

        Raises:
            FetchError: it can't be fetched, or may not be (`RefusedError`), or is too large.
            OutputError: the disk refuses.
        """
        _make_folder(target.parent)
        if url[:5].lower() == "data:":
            return await self._decode(url, target)
        headers = {"accept": "*/*", "accept-encoding": "identity"}
        async with self._answer("GET", url, headers, b"", self._rules.seconds) as response:
            if response.status_code != 200:
                raise FetchError(
                    f"{show_url(url)} was answered with {_status(response)} instead of a file; see "
                    "that the URL is right and not out of date"
                )
            encoding = response.headers.get("content-encoding", "identity")
            if encoding.strip().lower() not in ("", "identity"):
                raise FetchError(
                    f"{show_url(url)} comes with the Content-Encoding {encoding[:40]!r}, although "
                    "it was asked for plainly; store it there without one"
                )
            length = response.headers.get("content-length", "")
            if length.isascii() and length.isdigit():
                self._check_size(url, int(length[:20]))
            pieces = response.aiter_raw(_PIECE)
            async with open_incoming(target) as file, aclosing(pieces):
                async for piece in pieces:
                    self._check_size(url, file.size + len(piece))
                    await file.write(piece)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            tag = response.headers.get("etag", "")
            exact = "" if tag.startswith("W/") else tag
            return Fetched(target, kind, _filename(response), exact)

    async def is_unchanged(self, url: str, etag: str) -> bool:
        """Whether a URL still leads to the content that was fetched under an etag.

        Raises:
            FetchError: the other end can't be reached, or may not be asked (`RefusedError`).
        """
        headers = {"accept": "*/*", "accept-encoding": "identity", "if-none-match": etag}
        async with self._answer("GET", url, headers, b"", self._rules.seconds) as response:
            return response.status_code == 304

    async def put(self, url: str, path: Path) -> str:
        """Upload a file.

        Returns:
            Where it is now: the URL that took it, without its query.

        Raises:
            FetchError: the other end can't be reached, does not take it, or may not be asked.
            OutputError: the file can't be read.
        """
        try:
            size = path.stat().st_size
        except OSError as error:
            raise _read_error(path, error) from error
        kind = mimetypes.guess_type(path.name)[0] or _UNKNOWN_TYPE
        # Storages want a length, and no pieces of which nobody knows how many come.
        headers = {"content-type": kind, "content-length": str(size)}
        seconds = self._rules.seconds
        async with self._answer("PUT", url, headers, lambda: _read(path), seconds) as response:
            if not response.is_success:
                raise FetchError(
                    f"{show_url(url)} did not take the upload and answered {_status(response)}; "
                    "see that it takes PUT, and that the URL is not out of date"
                )
            return str(response.extensions["asked"].copy_with(query=None, fragment=None))

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float
    ) -> int:
        """Send something; redirects are not followed.

        Returns:
            The status of the answer.

        Raises:
            FetchError: the other end can't be reached, or may not be (`RefusedError`).
        """
        async with self._answer("POST", url, headers, body, seconds, redirects=0) as response:
            return response.status_code

    async def _decode(self, url: str, target: Path) -> Fetched:
        data = read_data_url(url)
        async with open_incoming(target) as file:
            for piece in data.pieces():
                self._check_size(url, file.size + len(piece))
                await file.write(piece)
        suffix = mimetypes.guess_extension(data.content_type) or ""
        return Fetched(target, data.content_type, f"file{suffix}")

    def _check_size(self, url: str, size: int) -> None:
        if size > self._rules.max_bytes:
            raise FetchError(
                f"{show_url(url)} is larger than {self._rules.max_bytes / 1e6:g} MB, which is the "
                "limit; give a smaller file, or have max_file_mb raised"
            )

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body,
        seconds: float,
        redirects: int = MOST_REDIRECTS,
    ) -> AsyncGenerator[httpx2.Response, None]:
        """Ask, and have the answer as it comes; errors of the connection become `FetchError`."""
        transport = httpx2.AsyncHTTPTransport(
            verify=self._ssl,
            trust_env=False,
            # A kept connection to an address would serve any name that leads there, unverified.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )
        try:
            async with asyncio.timeout(seconds), transport:
                response = await self._follow(transport, method, url, headers, body, redirects)
                try:
                    yield response
                finally:
                    await response.aclose()
        except (TimeoutError, httpx2.TimeoutException):
            raise FetchError(
                f"{show_url(url)} took too long: {seconds:g} s in all, {CONNECT_SECONDS:g} s to "
                f"connect or {IDLE_SECONDS:g} s of silence; try again, or use another host"
            ) from None
        except httpx2.HTTPError as error:
            raise FetchError(
                f"{show_url(url)} can't be reached, or broke off ({_describe_error(error)}); see "
                "that it is right, and try again"
            ) from None

    async def _follow(
        self,
        transport: httpx2.AsyncHTTPTransport,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body,
        redirects: int,
    ) -> httpx2.Response:
        to = destination(url, self._rules)
        left = redirects
        while True:
            response = await self._ask(transport, method, to, headers, body)
            followed = _REDIRECTS if method == "GET" else _KEEP_METHOD
            place = response.headers.get("location")
            if not redirects or response.status_code not in followed or not place:
                return response
            await response.aclose()
            if not left:
                raise FetchError(
                    f"{show_url(url)} is redirected more than {redirects} times; give the URL that "
                    "it ends at"
                )
            left -= 1
            try:
                to = destination(str(to.url.join(place)), self._rules)
            except (httpx2.InvalidURL, ValueError):
                raise FetchError(
                    f"{show_url(url)} is redirected to what is no URL; give another"
                ) from None

    async def _ask(
        self,
        transport: httpx2.AsyncHTTPTransport,
        method: str,
        to: Destination,
        headers: Mapping[str, str],
        body: Body,
    ) -> httpx2.Response:
        """Ask at one of the host's checked addresses, the next where one can't be connected to."""
        *others, last = await addresses_of(to, self._rules, self._resolve)
        for address in others:
            try:
                return await self._ask_at(transport, address, method, to, headers, body)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._ask_at(transport, last, method, to, headers, body)

    async def _ask_at(
        self,
        transport: httpx2.AsyncHTTPTransport,
        address: str,
        method: str,
        to: Destination,
        headers: Mapping[str, str],
        body: Body,
    ) -> httpx2.Response:
        # The address is what is connected to; the server, and its certificate, go by the name.
        times = {"connect": CONNECT_SECONDS} | dict.fromkeys(("read", "write"), IDLE_SECONDS)
        request = httpx2.Request(
            method,
            to.url.copy_with(host=address, fragment=None),
            headers={"host": to.url.netloc.decode("ascii"), "user-agent": "songloom", **headers},
            content=body if isinstance(body, bytes) else body(),
            extensions={"timeout": times | {"pool": None}, "sni_hostname": to.host},
        )
        response = await transport.handle_async_request(request)
        response.request = request
        response.extensions["asked"] = to.url
        return response

    @cached_property
    def _ssl(self) -> ssl.SSLContext:
        return _authorities()


@cache
def _authorities() -> ssl.SSLContext:
    """Whom certificates are believed from; reading that takes a tenth of a second."""
    return httpx2.create_ssl_context(trust_env=False)


async def _read(path: Path) -> AsyncIterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece
    except OSError as error:
        raise _read_error(path, error) from error


def _read_error(path: Path, error: OSError) -> OutputError:
    return OutputError(f"the result {path.name!r} can't be read ({error.strerror}); run it again")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{str(folder)!r} can't be made ({error.strerror}), but must be a folder that may be "
            "written; see who may write there, and that there is room"
        ) from error


def _filename(response: httpx2.Response) -> str:
    """The file's name by a header (RFC 6266), else the last part of its URL."""
    header = Message()
    header["content-disposition"] = response.headers.get("content-disposition", "")
    named = header.get_filename()
    return safe_name(named or unquote(response.extensions["asked"].path))


def _status(response: httpx2.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _describe_error(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
