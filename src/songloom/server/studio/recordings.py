"""Uploaded recordings, judged before anything is made of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from songloom.server.replicate.access import Serving
from songloom.server.replicate.files import Known
from songloom.server.replicate.problems import ProblemError

router = APIRouter(prefix="/v1/files/{id}", tags=["studio"])


@router.get("/peaks")
async def get_file_peaks(file: Known, services: Serving) -> dict[str, Any]:
    """Seconds, peaks and levels of an uploaded recording; 400 where it can't be read as audio."""
    path = services.files.path(file.id)
    if not await run_in_threadpool(path.is_file):
        raise ProblemError(410, f"the bytes of file {file.id!r} are gone; upload it again")
    return await services.sounds.read_outline(path)
