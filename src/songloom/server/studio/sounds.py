"""Sounds: outlines of results and of uploads, and downloads in any format by names people know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from songloom.jobs.store.records import LibraryItem
from songloom.server.dependencies import KnownFile, Serving
from songloom.server.http.file_responses import SAFE, TYPES
from songloom.server.http.problems import ProblemError
from songloom.server.render.library import readable_name, result_names
from songloom.server.studio.library import known_item

router = APIRouter(prefix="/v1/library/{id}/sounds/{name}", tags=["studio"])
recordings = APIRouter(tags=["studio"])
"""Routes of uploads, judged before anything is made of them."""
_KEPT_BY_BROWSERS = {"Cache-Control": "private, max-age=86400"}
"""A result never changes."""


def known_sound(
    name: str, services: Serving, item: Annotated[LibraryItem, Depends(known_item)]
) -> Path:
    """The sound that a request's path names, or a 404."""
    job = item.job
    path = services.dispatcher.folder(job.id) / name
    if job.kind != "prediction" or name not in result_names(job) or not path.is_file():
        raise ProblemError(
            404,
            f"{job.id!r} has no sound {name!r}, or has it no more; GET /v1/library/{job.id} to see "
            "what it has",
        )
    return path


Sound = Annotated[Path, Depends(known_sound)]


@router.get("/peaks", response_class=FileResponse)
async def get_peaks(sound: Sound, services: Serving) -> Response:
    """Its seconds, and some 400 peaks and levels (`rms`) from 0 to 1, to draw a waveform by."""
    path = await services.sounds.outline(sound)
    return FileResponse(path, media_type="application/json", headers=_KEPT_BY_BROWSERS)


@router.head("/{format}", include_in_schema=False)
@router.get("/{format}", response_class=FileResponse)
async def download_sound(
    sound: Sound,
    format: Literal["wav", "mp3", "flac", "ogg"],
    item: Annotated[LibraryItem, Depends(known_item)],
    services: Serving,
) -> Response:
    """The sound in a format, as a file to keep; ranges of it may be asked for."""
    path = await services.sounds.convert(sound, format)
    return FileResponse(
        path,
        media_type=TYPES[f".{format}"],
        filename=f"{readable_name(item, sound.name)}.{format}",
        headers=SAFE | _KEPT_BY_BROWSERS,
    )


@recordings.get("/v1/files/{id}/peaks")
async def get_file_peaks(file: KnownFile, services: Serving) -> dict[str, Any]:
    """Seconds, peaks and levels of an uploaded recording; 400 where it can't be read as audio."""
    path = services.files.path(file.id)
    if not await run_in_threadpool(path.is_file):
        raise ProblemError(410, f"the bytes of file {file.id!r} are gone; upload it again")
    return await services.sounds.read_outline(path)
