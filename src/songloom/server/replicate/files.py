"""Uploaded files: clients send a file once, and then its URL as an input."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, status
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from songloom.server.dependencies import KnownFile, Linking, Serving, url_of
from songloom.server.http.file_responses import SAFE
from songloom.server.http.pages import Paging, page
from songloom.server.http.problems import ProblemError
from songloom.server.render.replicate import render_file

router = APIRouter(prefix="/v1/files", tags=["files"])
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["content"],
                    "properties": {
                        "content": {"type": "string", "format": "binary"},
                        "filename": {"type": "string"},
                        "type": {"type": "string"},
                        "metadata": {"type": "string", "description": "An object in JSON."},
                    },
                }
            }
        },
    }
}


@router.post("", status_code=status.HTTP_201_CREATED, openapi_extra=_FORM)
async def upload_file(request: Request, services: Serving, links: Linking) -> dict[str, Any]:
    """Upload a file, as the part `content` of a form."""
    kind = request.headers.get("content-type", "")
    received = await services.files.receive(kind, request.stream())
    try:
        stored = await run_in_threadpool(services.store.add_file, received)
    except BaseException:
        services.files.remove(received.id)  # nobody would ever find it
        raise
    return render_file(stored, links)


@router.get("")
def list_files(
    request: Request, query: Paging, services: Serving, links: Linking
) -> dict[str, Any]:
    """All files, newest first."""
    return page(
        query,
        lambda limit: services.store.files(before=query.before, after=query.after, limit=limit),
        lambda file: file.sequence,
        lambda file: render_file(file, links),
        url_of(request, links),
    )


@router.get("/{id}")
def get_file(file: KnownFile, links: Linking) -> dict[str, Any]:
    """A file's record."""
    return render_file(file, links)


@router.delete("/{id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_file(file: KnownFile, services: Serving) -> None:
    """Forget a file; what has it as an input already keeps it."""
    services.store.remove_file(file.id)
    services.files.remove(file.id)


@router.head("/{id}/download", include_in_schema=False)
@router.get("/{id}/download", response_class=FileResponse)
def download_file(file: KnownFile, services: Serving) -> Response:
    """A file's bytes; ranges of them may be asked for."""
    path = services.files.path(file.id)
    if not path.is_file():
        raise ProblemError(410, f"the bytes of file {file.id!r} are gone; upload it again")
    return FileResponse(path, media_type=file.content_type, filename=file.name, headers=SAFE)
