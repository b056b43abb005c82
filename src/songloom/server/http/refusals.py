"""Answers of what stands before the routes: the form that clients of the path expect."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.types import Scope, Send

from songloom.server.http.problems import PROBLEM_JSON, problem_json


async def refuse(
    scope: Scope, send: Send, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer a request that no route is to see.

    Args:
        scope: of the request.
        send: where the answer goes.
        status: an HTTP status from 400 on.
        detail: what was wrong and what to do.
        headers: further ones.
    """
    if scope["path"].startswith("/v1/"):
        kind, body = PROBLEM_JSON, problem_json(status, detail)
    else:
        kind, body = "application/json", {"detail": detail}
    content = json.dumps(body).encode()
    sent = {"content-type": kind, "content-length": str(len(content)), **(headers or {})}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})
