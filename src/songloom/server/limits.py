"""How large the body of a request may be."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from songloom.server.refusals import refuse

FILES = "/v1/files"
_UPLOADS = re.compile(rf"(?:{FILES}|/v1/datasets/[^/]+/songs)/?")
"""Paths that files are sent to; the others take JSON."""
_TOO_LARGE = 413


class _TooLargeError(Exception):
    """Stops whoever reads a body that is too large."""


class BodyLimits:
    """ASGI middleware that answers 413 where a body is too large.

    What `Content-Length` says is believed only where it says too much; bytes are counted.

    Args:
        app: what it stands before.
        max_body: bytes.
        max_file: bytes, of uploaded files.
    """

    def __init__(self, app: ASGIApp, *, max_body: int, max_file: int) -> None:
        self._app, self._max_body, self._max_file = app, max_body, max_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, as long as its body is small enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_file if _UPLOADS.fullmatch(scope["path"]) else self._max_body
        counted = _Counted(scope, receive, send, limit)
        if _declared(scope) > limit:
            await counted.refuse()
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
        self._answered = False
        self.refused = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit:
            if not self._answered:
                await self.refuse()
            raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        # The routes may answer that the body could not be read: the reason was sent already.
        if not self.refused:
            self._answered = True
            await self._send(message)

    async def refuse(self) -> None:
        self.refused = True
        detail = (
            f"the body is larger than {_megabytes(self._limit)} MB, which is the limit; send less, "
            f"give large files as URLs or upload them to {FILES}, or raise max_body_mb or "
            "max_file_mb on the server"
        )
        headers = {"connection": "close"}  # what is left of the body is not read
        await refuse(self._scope, self._send, _TOO_LARGE, detail, headers)


def _declared(scope: Scope) -> int:
    """Bytes that the request announces; -1 where it announces none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return -1


def _megabytes(size: int) -> str:
    return f"{size / 1e6:g}"
