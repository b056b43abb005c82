"""The server's log: one line per request and event, as text or as JSON, and no secrets in it."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = "songloom.requests"
REQUEST_ID = "x-request-id"
_GONE = 499
"""Logged where the client left before the answer; never sent."""
_PLAIN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_SECRETS = (
    (re.compile(r"(https?://)[^/\s@]+@"), r"\1...@"),
    (re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\">]*"), r"\1?..."),
    (re.compile(r"(?i)([?&](?:signature|token|key|password)=)[^\s&'\"]+"), r"\1..."),
    (re.compile(r"(?i)(authorization['\"]?[:=,]\s*(?:b?['\"])?)(?:\w+ )?[^\s,'\"]+"), r"\1..."),
    (re.compile(r"\b(Bearer )[^\s,'\"]+"), r"\1..."),
    (re.compile(r"whsec_[\w+/=]+"), "whsec_..."),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def configure_logging(form: Literal["text", "json"]) -> None:
    """Send all log lines of this process to stderr, in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # Its lines hold queries, and so signatures; `RequestLog` says the same without them.
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("httpx2", "httpcore2", "python_multipart"):  # as do those of what we fetch by
        logging.getLogger(name).setLevel(logging.WARNING)


class RequestLog:
    """ASGI middleware that logs each request once it is answered, and gives it an id.

    Args:
        app: what it stands before.
        record_answer: told the route's pattern and the status of each answer, for counting.
    """

    def __init__(
        self, app: ASGIApp, record_answer: Callable[[str, int], None] = lambda route, status: None
    ) -> None:
        self._app, self._record_answer = app, record_answer
        self._log = logging.getLogger(REQUESTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, then log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        id = given if _PLAIN_ID.fullmatch(given) else secrets.token_hex(8)
        status = 0
        start = time.monotonic()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = id
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            status = status or 500
            raise
        finally:
            status = status or _GONE
            route = getattr(scope.get("route"), "path", "none")
            self._record_answer(route, status)
            fields = {
                "request": id,
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round((time.monotonic() - start) * 1000, 1),
                "token": scope.get("state", {}).get("token", ""),
            }
            self._log.info("%(method)s %(path)s", fields, extra={"fields": fields})


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": stamp, "level": record.levelname.lower(), "logger": record.name}
        line["message"] = remove_secrets(record.getMessage())
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["trace"] = remove_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


class _TextLines(logging.Formatter):
    """Time, level and message; a trace of an error in lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        message = remove_secrets(record.getMessage())
        fields = getattr(record, "fields", None)
        if fields is not None:
            message += f" {fields['status']} {fields['ms']} ms {fields['request']}"
            message += f" {fields['token']}" if fields["token"] else ""
        # A path or a name can hold line breaks, which must not look like lines of their own.
        message = message.replace("\n", "\\n") if fields else message
        line = f"{stamp} {record.levelname.lower()} {_CONTROL.sub('?', message)}"
        if record.exc_info:
            line += "\n" + remove_secrets(self.formatException(record.exc_info))
        return line


def remove_secrets(text: str) -> str:
    """A text without what stands in it that opens something: tokens, signatures, URLs' queries."""
    for pattern, rest in _SECRETS:
        text = pattern.sub(rest, text)
    return text
