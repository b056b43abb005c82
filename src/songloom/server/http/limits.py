"""How large the body of a request may be, and how slowly it may come."""

from __future__ import annotations

import asyncio
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from songloom.server.http.refusals import refuse

FILES = "/v1/files"
_UPLOADS = re.compile(rf"(?:{FILES}|/v1/datasets/[^/]+/songs)/?")
"""Paths that files are sent to; the others take JSON."""
IDLE_SECONDS = 30.0
"""How long a body may stop in the middle."""
SLOWEST = 1000.0
"""Bytes a second that come at least, on the average after the first `IDLE_SECONDS`."""
_TOO_SLOW, _TOO_LARGE = 408, 413


class _RefusedError(Exception):
    """Stops whoever reads a body that is too large, or comes too slowly."""


class BodyLimits:
    """ASGI middleware that answers 413 where a body is too large, 408 where it comes too slowly.

    What `Content-Length` says is believed only where it says too much; bytes are counted.

    Args:
        app: what it stands before.
        max_body: bytes.
        max_file: bytes, of uploaded files.
    """

    def __init__(self, app: ASGIApp, *, max_body: int, max_file: int) -> None:
        self._app, self._max_body, self._max_file = app, max_body, max_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, as long as its body is small enough and comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_file if _UPLOADS.fullmatch(scope["path"]) else self._max_body
        counted = _Counted(scope, receive, send, limit)
        if _content_length(scope) > limit:
            await counted.refuse_size()
            return
        try:
            await self._app(scope, counted.receive, counted.send)
        except Exception:
            if not counted.refused:  # otherwise it only tells of what was answered
                raise


class _Counted:
    """A request whose body is counted, and the answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._bytes = 0
        self._waited = 0.0  # seconds, for pieces
        self._complete = False
        self._answered = False
        self.refused = False

    async def receive(self) -> Message:
        if self._complete:  # what comes now is only that the client has gone
            return await self._receive()
        message = await self._receive_in_time()
        self._complete = not message.get("more_body", False)
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit:
            if not self._answered:
                await self.refuse_size()
            raise _RefusedError
        return message

    async def _receive_in_time(self) -> Message:
        """The next piece of the body; time counts only while somebody waits for it."""
        began = time.monotonic()
        ahead = self._bytes / SLOWEST - self._waited  # seconds; of a fast body, many
        try:
            async with asyncio.timeout(IDLE_SECONDS + min(0.0, ahead)):
                return await self._receive()
        except TimeoutError:
            if not self._answered:
                await self._refuse(
                    _TOO_SLOW, "the body comes too slowly, or stopped; send the request again"
                )
            raise _RefusedError from None
        finally:
            self._waited += time.monotonic() - began

    async def send(self, message: Message) -> None:
        # The routes may answer that the body could not be read: the reason was sent already.
        if not self.refused:
            self._answered = True
            await self._send(message)

    async def refuse_size(self) -> None:
        detail = (
            f"the body is larger than {_megabytes(self._limit)} MB, which is the limit; send less, "
            f"give large files as URLs or upload them to {FILES}, or raise max_body_mb or "
            "max_file_mb on the server"
        )
        await self._refuse(_TOO_LARGE, detail)

    async def _refuse(self, status: int, detail: str) -> None:
        self.refused = True
        headers = {"connection": "close"}  # what is left of the body is not read
        await refuse(self._scope, self._send, status, detail, headers)


def _content_length(scope: Scope) -> int:
    """Bytes that the request announces; -1 where it announces none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return -1


def _megabytes(size: int) -> str:
    return f"{size / 1e6:g}"
