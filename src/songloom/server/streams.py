"""Events of a job as Server-Sent Events, and its audio while it is generated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from songloom.jobs.messages import Logged, Previewed, Progressed, Sampled, Started, WorkEvent
from songloom.jobs.paths import STREAM_FILE
from songloom.jobs.store.records import Job

PING_SECONDS = 15.0
"""Silence after which a comment is sent, so that proxies keep the connection."""
EVENT_STREAM = "text/event-stream"
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-Sent Events.", "content": {EVENT_STREAM: {}}},
    204: {"description": "It has ended, and its events were told."},
}
LAST_EVENT = "end"
"""Id of the last event. A browser that connects again after it is told not to."""
_PIECE = 64 * 1024


class Watched(Protocol):
    """The part of the dispatcher that streams need."""

    def watch(self, id: str) -> AsyncGenerator[WorkEvent | Job, None]:
        """The job, then what happens to it; the job as it ended comes last."""

    async def listen(self, id: str) -> None:
        """Have a prediction's audio written while it is generated."""

    def folder(self, id: str) -> Path:
        """A job's folder."""


Event = tuple[str, Any]
"""Name and data of a Server-Sent Event."""


def clip_path(training: str, file: str) -> str:
    """Where a clip, or the report, of a training is served."""
    return f"/v1/trainings/{quote(training, safe='')}/files/{quote(file, safe='')}"


async def job_events(
    dispatcher: Watched,
    id: str,
    render: Callable[[Job], dict[str, Any]],
    link: Callable[[str], str] = lambda path: path,
) -> AsyncIterator[Event]:
    """A job's events in our own words; all data are objects.

    `status` is the whole job, at first and at each change, the last time with its result;
    `progress` says how far it is; `log` is a further line; `preview` says how much can be heard of
    a prediction, or names a clip that a training made on its way.

    Args:
        dispatcher: tells what happens.
        id: of the job.
        render: makes the JSON of a job.
        link: makes the URL of a path, to be opened without a token.
    """
    async with aclosing(dispatcher.watch(id)) as events:
        async for event in events:
            match event:
                case Job():
                    yield "status", render(event)
                case Progressed():
                    share = min(1.0, event.done / event.total) if event.total else 0.0
                    yield (
                        "progress",
                        {
                            "done": event.done,
                            "total": event.total,
                            "unit": event.unit,
                            "stage": event.stage,
                            "share": share,
                            "values": dict(event.values),
                        },
                    )
                case Logged():
                    yield "log", {"text": event.text}
                case Previewed():
                    yield "preview", {"seconds": event.seconds}
                case Sampled():
                    url = link(clip_path(id, event.file))
                    yield "preview", {"step": event.step, "prompt": event.prompt, "url": url}


async def client_events(
    dispatcher: Watched, id: str, render: Callable[[Job], dict[str, Any]]
) -> AsyncIterator[Event]:
    """A job's events in the words of Replicate's clients, which know no others.

    `logs` and `output` carry texts (an output is a URL), `error` an object, and `done` ends.
    """
    told = 0  # characters of the log
    async with aclosing(dispatcher.watch(id)) as events:
        async for event in events:
            if isinstance(event, Logged):
                yield "logs", f"{event.text}\n"
                told += len(event.text) + 1
            if not isinstance(event, Job):
                continue
            if not told and event.logs:
                yield "logs", event.logs
                told = len(event.logs)
            if event.ended:
                output = render(event)["output"]
                for url in output if isinstance(output, list) else [output]:
                    if isinstance(url, str):
                        yield "output", url
                if event.status == "failed":
                    yield "error", {"detail": event.error}
                reasons = {"failed": "error", "canceled": "canceled"}
                reason = reasons.get(event.status)
                yield "done", {"reason": reason} if reason else {}


async def server_sent(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """Events on the wire, numbered, with a comment now and then while nothing happens."""
    number = 0
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=PING_SECONDS)
            if not done:
                yield KEEPALIVE_COMMENT
                continue
            event = upcoming.result()
            if event is None:
                return
            name, data = event
            upcoming = asyncio.ensure_future(anext(events, None))
            text = data if isinstance(data, str) else json.dumps(data)
            number += 1
            yield format_sse_event(event=name, data_str=text, id=str(number))
    finally:
        upcoming.cancel()


def event_response(events: AsyncIterator[Event]) -> Response:
    """The answer that carries events as long as there are any."""
    # A proxy that collects an answer before it passes it on would spoil it: nginx is told not to.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(server_sent(events), media_type=EVENT_STREAM, headers=headers)


async def growing_audio(
    dispatcher: Watched, id: str, start: int = 0
) -> AsyncGenerator[bytes, None]:
    """A prediction's audio as MP3, until the prediction ends.

    Args:
        dispatcher: tells of the prediction.
        id: of the prediction.
        start: the first byte that is wanted.
    """
    path = dispatcher.folder(id) / STREAM_FILE
    read = start
    await dispatcher.listen(id)
    async with aclosing(dispatcher.watch(id)) as events:
        async for event in events:
            if isinstance(event, Started):  # it was waiting: nobody could listen yet
                await dispatcher.listen(id)
            if not isinstance(event, Previewed | Job):
                continue
            while piece := await asyncio.to_thread(_read, path, read):
                read += len(piece)
                yield piece


def _read(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(_PIECE)
    except FileNotFoundError:
        return b""
