"""Files of jobs: results, and what came inside a request; at signed URLs, needing no token."""

from __future__ import annotations

from itertools import chain

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response, StreamingResponse

from songloom.errors import FetchError
from songloom.jobs.store.records import Job
from songloom.server.dependencies import Serving
from songloom.server.files.data_urls import read_data_url
from songloom.server.http.file_responses import (
    SAFE,
    UNKNOWN_TYPE,
    file_response,
    missing_file,
)
from songloom.server.http.links import GIVEN
from songloom.server.http.problems import ProblemError

router = APIRouter(prefix="/v1/outputs", tags=["outputs"])


@router.head("/{id}/{name}", include_in_schema=False)
@router.get("/{id}/{name}", response_class=FileResponse)
def get_output(id: str, name: str, services: Serving) -> Response:
    """A result of a prediction or a training; ranges of it may be asked for."""
    job = services.store.job(id)
    if job is None:
        raise missing_file(name)
    if name.startswith(GIVEN):
        return _inline_file_response(job, name.removeprefix(GIVEN))
    return file_response(services.dispatcher.folder(id), job, name)


def _inline_file_response(job: Job, field: str) -> Response:
    """The bytes of a `data:` URL in a job's input."""
    url = job.input.get(field)
    if not isinstance(url, str) or not url.startswith("data:"):
        raise missing_file(f"{GIVEN}{field}")
    try:
        pieces = read_data_url(url).pieces()
        first = next(pieces, b"")
    except FetchError as error:
        raise ProblemError(404, str(error)) from None
    headers = {"Content-Disposition": f'attachment; filename="{field}"', **SAFE}
    return StreamingResponse(chain([first], pieces), media_type=UNKNOWN_TYPE, headers=headers)
