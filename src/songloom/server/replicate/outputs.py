"""Files of jobs: results, and what came inside a request; at signed URLs, needing no token."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response, StreamingResponse

from songloom.errors import FetchError
from songloom.jobs.store.records import Job
from songloom.server.data_urls import read_data_url
from songloom.server.own_files import GIVEN
from songloom.server.replicate.access import Serving
from songloom.server.replicate.problems import ProblemError

router = APIRouter(prefix="/v1/outputs", tags=["outputs"])

TYPES: Mapping[str, str] = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".tar": "application/x-tar",
}
"""Types of results; not the system's table, which differs between systems."""
UNKNOWN_TYPE = "application/octet-stream"
SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
"""What browsers are told of files that strangers may have made: they are data, never pages."""


@router.head("/{id}/{name}", include_in_schema=False)
@router.get("/{id}/{name}", response_class=FileResponse)
def get_output(id: str, name: str, services: Serving) -> Response:
    """A result of a prediction or a training; ranges of it may be asked for."""
    job = services.store.job(id)
    if job is None:
        raise _missing(name)
    if name.startswith(GIVEN):
        return _given(job, name.removeprefix(GIVEN))
    return file_response(services.dispatcher.folder(id), job, name)


def file_response(folder: Path, job: Job, name: str) -> FileResponse:
    """A result's bytes.

    Raises:
        ProblemError: the job has no such result, or has it no more.
    """
    path = folder / name
    if job.output is None or name not in job.output["files"] or not path.is_file():
        raise _missing(name)
    kind = TYPES.get(path.suffix.lower(), UNKNOWN_TYPE)
    return FileResponse(path, media_type=kind, filename=name, headers=SAFE)


def _given(job: Job, field: str) -> Response:
    """The bytes of a `data:` URL in a job's input."""
    url = job.input.get(field)
    if not isinstance(url, str) or not url.startswith("data:"):
        raise _missing(f"{GIVEN}{field}")
    try:
        pieces = read_data_url(url).pieces()
        first = next(pieces, b"")
    except FetchError as error:
        raise ProblemError(404, str(error)) from None
    headers = {"Content-Disposition": f'attachment; filename="{field}"', **SAFE}
    return StreamingResponse(chain([first], pieces), media_type=UNKNOWN_TYPE, headers=headers)


def _missing(name: str) -> ProblemError:
    return ProblemError(
        404,
        f"there is no file {name!r} here, or no more: files are removed when they are old or room "
        "is short; GET the job to see what it has",
    )
