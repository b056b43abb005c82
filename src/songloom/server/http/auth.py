"""Who may use the server: tokens; and where there are none, only this machine's own programs.

Without tokens, a page of any web site could speak to a server on the visitor's machine, by giving
its own name that address (DNS rebinding) or by sending a form there. So an open server looks at
the headers Host and Origin, which pages can't choose. A token is what a page of any site can have:
there, browsers are told (CORS) that pages may ask, since no browser shows a token by itself.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from songloom.errors import OutputError, RequestError
from songloom.jobs.store.api_tokens import hash_token
from songloom.jobs.store.store import Store
from songloom.server.http.refusals import refuse
from songloom.server.http.signing import Signer
from songloom.settings import ServeSettings, split_list

VARIABLE = "SONGLOOM_TOKENS"
OPEN_PATHS = frozenset({"/livez"})
_FRESH_SECONDS = 1.0
_UNAUTHORIZED, _FORBIDDEN, _UNAVAILABLE = 401, 403, 503
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, QUERY"
_PORTS = {"http": 80, "https": 443}


class Tokens:
    """The tokens of the store and of the environment.

    Args:
        store: read again after a second, so that a revoked token is of no use soon.
        environment: its `SONGLOOM_TOKENS` holds tokens or name:token pairs, with commas between.

    Raises:
        RequestError: the variable can't be read.
    """

    def __init__(self, store: Store, environment: Mapping[str, str] = os.environ) -> None:
        self._store = store
        self._given = _read_variable(environment.get(VARIABLE, ""))
        self._known: dict[str, str] = {}
        self._read_at: float | None = None

    def read(self) -> dict[str, str]:
        """Names by the digests of tokens, as they are now."""
        stored = {token.sha256: token.name for token in self._store.tokens()}
        return self._given | stored

    @property
    def given(self) -> tuple[str, ...]:
        """Names of those that the environment holds, which only its owner changes."""
        return tuple(dict.fromkeys(self._given.values()))

    async def read_cached(self) -> dict[str, str]:
        """The same, as of a second ago at most.

        Raises:
            OutputError: the database can't be read.
        """
        if self._read_at is None or time.monotonic() - self._read_at > _FRESH_SECONDS:
            self._known = await asyncio.to_thread(self.read)
            self._read_at = time.monotonic()
        return self._known

    def forget_cached(self) -> None:
        """Let the next look be at the tokens as they are now."""
        self._read_at = None


def admits_all(settings: ServeSettings, known: Mapping[str, str]) -> bool:
    """Whether requests need no token.

    Without tokens, only this machine's own programs come in: one that is revoked does not open a
    server that others can reach.

    Args:
        settings: of the server.
        known: its tokens.
    """
    return settings.allow_anonymous or (not known and settings.local_only)


def check_binding(settings: ServeSettings, store: Store) -> None:
    """Refuse to serve where others can reach the server and no token keeps them out.

    Raises:
        RequestError: that is so, and `allow_anonymous` does not say that it is meant.
    """
    known = Tokens(store).read()
    if known or admits_all(settings, known):
        return
    raise RequestError(
        f"others can reach the server ({settings.public_url or settings.host}), but there is no "
        f"token, so everyone could use it; make one (`songloom tokens create`), set {VARIABLE}, "
        "listen on 127.0.0.1 without a public_url, or give --allow-anonymous if that is meant"
    )


class Authentication:
    """ASGI middleware that lets through who shows a token, or a signed URL.

    A signed URL lets a GET of exactly its path through. The name of the token that was shown is
    left in `scope["state"]["token"]`.

    Args:
        app: what it stands before.
        store: holds the tokens, and the secret of signed URLs.
        settings: of the server.
        tokens: those of the store, where others look at them as well.
        is_open: whether a request is for what everyone may read.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        store: Store,
        settings: ServeSettings,
        tokens: Tokens | None = None,
        is_open: Callable[[Scope], bool] = lambda scope: False,
    ) -> None:
        self._app, self._settings, self._is_open = app, settings, is_open
        self._tokens, self._signer = tokens or Tokens(store), Signer.from_store(store)
        self._public = _split(settings.public_url or "")
        self._hosts = {"localhost", "127.0.0.1", "::1", settings.host}
        if self._public.hostname:
            self._hosts.add(self._public.hostname)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan" or scope["path"] in OPEN_PATHS or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # WebSockets are not spoken here; the server closes what nobody accepts
        headers = Headers(scope=scope)
        try:
            known = await self._tokens.read_cached()
        except OutputError as error:
            await refuse(scope, send, _UNAVAILABLE, str(error))
            return
        name = _holder(headers, known)
        scope.setdefault("state", {})["token"] = name
        if admits_all(self._settings, known):
            fault = self._fault_of_page(scope, headers)
            if fault:
                await refuse(scope, send, _FORBIDDEN, fault)
                return
        elif "origin" in headers:
            send = _open_to_pages(send)
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await _allow_page(send, headers)
                return
        if not (name or admits_all(self._settings, known) or self._is_signed(scope)):
            await _ask_for_token(scope, send, headers)
            return
        await self._app(scope, receive, send)

    def _is_signed(self, scope: Scope) -> bool:
        if scope["method"] not in ("GET", "HEAD"):
            return False
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        return self._signer.is_valid(scope["path"], query)

    def _fault_of_page(self, scope: Scope, headers: Headers) -> str:
        """Why a request may come from the page of a stranger; empty where it does not."""
        host = _split(f"{scope['scheme']}://{headers.get('host', '')}")
        if self._settings.loopback and host.hostname not in self._hosts:
            return (
                f"the header Host names {host.hostname!r}, but without tokens this server answers "
                "only to localhost; use that, set public_url, or make a token"
            )
        origin = headers.get("origin")
        if origin is None:
            return ""
        page = _authority(_split(origin))
        if page is not None and page in (_authority(host), _authority(self._public)):
            return ""
        return (
            f"the request comes from a page of {origin!r}, but without tokens this server answers "
            "only to its own; set public_url to what browsers reach it by, or make a token "
            "(`songloom tokens create NAME`) and have the page send it as Authorization: Bearer"
        )


def _open_to_pages(send: Send) -> Send:
    """Let pages of other sites read an answer: their request was refused, or showed a token."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = "*"
            headers["Access-Control-Expose-Headers"] = "*"
        await send(message)

    return answer


async def _allow_page(send: Send, headers: Headers) -> None:
    """Answer what a browser asks before it lets a page of another site send a request."""
    allowed = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "*"),
        "Access-Control-Max-Age": "600",
        "Vary": "Access-Control-Request-Headers",
    }
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in allowed.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body"})


def _holder(headers: Headers, known: Mapping[str, str]) -> str:
    """The name of the token that a request shows; empty without one, or with a wrong one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "token"):
        return ""
    digest = hash_token(token.strip())
    found = ""
    for other, name in known.items():  # all of them, so that the time taken tells nothing
        if hmac.compare_digest(digest, other):
            found = name
    return found


async def _ask_for_token(scope: Scope, send: Send, headers: Headers) -> None:
    wrong = "authorization" in headers
    challenge = 'Bearer realm="songloom"' + (', error="invalid_token"' if wrong else "")
    detail = (
        f"the request has {'a wrong' if wrong else 'no'} token; send `Authorization: Bearer TOKEN` "
        "with one that `songloom tokens create NAME` made"
    )
    await refuse(scope, send, _UNAUTHORIZED, detail, {"www-authenticate": challenge})


def _read_variable(text: str) -> dict[str, str]:
    tokens = {}
    for number, part in enumerate(split_list(text), start=1):
        name, colon, token = (piece.strip() for piece in part.partition(":"))
        if not colon:
            name, token = f"token-{number}", name
        if not (name and token):
            raise RequestError(
                f"the variable {VARIABLE} has an empty name or token at place {number}, but must "
                "be tokens or name:token pairs separated by commas; correct it"
            )
        tokens[hash_token(token)] = name
    return tokens


def _split(url: str) -> SplitResult:
    """The parts of a URL; empty ones where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number
        return parts
    except ValueError:
        return urlsplit("")


def _authority(parts: SplitResult) -> tuple[str, int] | None:
    """Host and port; None for what has none, such as the origin "null"."""
    port = parts.port or _PORTS.get(parts.scheme)
    return (parts.hostname, port) if parts.hostname and port else None
