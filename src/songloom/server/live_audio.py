"""A prediction's audio while it is generated, as browsers ask for it.

Safari asks for two bytes first, and plays nothing of a server that can't give them; how long the
whole is going to be, nobody knows yet (RFC 9110 has `*` for that).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from fastapi.responses import FileResponse, Response, StreamingResponse

from songloom.jobs.paths import STREAM_FILE
from songloom.jobs.store.records import Job
from songloom.server.streams import Watched, growing_audio

TYPE = "audio/mpeg"
MOST = 1 << 20
"""Bytes of one range; browsers ask for the next by themselves."""
AWAITED = 1024
"""Ranges up to this long are waited for; of longer ones, what there is comes at once."""
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


def live_etag(job: Job) -> str:
    """The entity tag of the stream, which is another file than the result."""
    return f'"live-{job.id}"'


def live_headers(job: Job) -> dict[str, str]:
    """Headers of all answers about the stream."""
    return {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "ETag": live_etag(job),
        "X-Accel-Buffering": "no",
    }


def head_response(job: Job) -> Response:
    """Answer HEAD, before anything of the stream is there."""
    return Response(media_type=TYPE, headers=live_headers(job))


async def live_response(dispatcher: Watched, job: Job, wanted: str) -> Response | None:
    """The stream, or a range of it; None where the prediction ends without one.

    Args:
        dispatcher: tells of the job.
        job: that has not ended.
        wanted: the header `Range`; one that makes no sense, or has several parts, is left out.
    """
    found = _RANGE.fullmatch(wanted.replace(" ", ""))
    start, end = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    if found is None or (start == 0 and not found[2]) or (found[2] and end < start):
        audio = growing_audio(dispatcher, job.id)
        first = await anext(audio, None)
        if first is None:
            return None
        return StreamingResponse(_prepend(first, audio), media_type=TYPE, headers=live_headers(job))
    length = min(end - start + 1, MOST) if found[2] else MOST
    return await _range(dispatcher, job, start, length)


def ended_stream(dispatcher: Watched, job: Job, if_range: str) -> FileResponse | None:
    """The stream of a prediction that has ended, for whoever had begun to read that.

    Args:
        dispatcher: knows the job's folder.
        job: that has ended.
        if_range: the header `If-Range`: what the client has the beginning of.
    """
    path = dispatcher.folder(job.id) / STREAM_FILE
    if if_range != live_etag(job) or not path.is_file():
        return None
    return FileResponse(path, media_type=TYPE, headers=live_headers(job))


async def _range(dispatcher: Watched, job: Job, start: int, length: int) -> Response | None:
    data = b""
    async with aclosing(growing_audio(dispatcher, job.id, start)) as audio:
        async for piece in audio:
            data = (data + piece)[:length]
            if len(data) >= min(length, AWAITED):
                break
    size = await _final_size(dispatcher, job.id) if len(data) < length else None
    if not data:
        return None if not size else _range_error(job, size)
    total = "*" if size is None else str(size)
    headers = {"Content-Range": f"bytes {start}-{start + len(data) - 1}/{total}"}
    return Response(data, 206, headers=live_headers(job) | headers, media_type=TYPE)


async def _final_size(dispatcher: Watched, id: str) -> int | None:
    """Bytes of the whole stream; None while it may still grow."""
    async with aclosing(dispatcher.watch(id)) as events:
        async for event in events:
            if isinstance(event, Job) and not event.ended:
                return None
            break
    return _size(dispatcher.folder(id) / STREAM_FILE)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _range_error(job: Job, size: int) -> Response:
    headers = live_headers(job) | {"Content-Range": f"bytes */{size}"}
    return Response(status_code=416, headers=headers, media_type=TYPE)


async def _prepend(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
