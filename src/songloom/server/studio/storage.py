"""Room on the disk, by what takes it, and an export of everything."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from songloom.checkpoints.catalogue import KNOWN
from songloom.checkpoints.downloaded import repository_folder
from songloom.checkpoints.home import models_folder, runs_folder, unpacked_folder
from songloom.clock import utc_now
from songloom.jobs.paths import (
    datasets_folder,
    files_folder,
    folder_size,
    jobs_folder,
    server_folder,
    weights_folder,
)
from songloom.jobs.store.records import JobKind
from songloom.server.dependencies import Linking, Serving
from songloom.server.render.exports import export
from songloom.server.services import Services

router = APIRouter(prefix="/v1/storage", tags=["studio"])
ZIP = "application/zip"
_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {"description": "A zip of all results.", "content": {ZIP: {}}}
}


@router.get("")
def get_storage(services: Serving, links: Linking) -> dict[str, Any]:
    """Bytes that each kind of thing takes, and those that are free."""
    settings = services.settings
    of_jobs = _count_bytes(services)
    # Unfinished downloads take room as well.
    official = (folder_size(repository_folder(model.source)) for model in KNOWN)
    caches = folder_size(weights_folder(settings)) + folder_size(unpacked_folder())
    models = folder_size(models_folder()) + folder_size(runs_folder())
    return {
        "results_bytes": of_jobs["results"],
        "uploads_bytes": folder_size(files_folder(settings)),
        "datasets_bytes": folder_size(datasets_folder(settings)),
        "trained_bytes": of_jobs["trained"] + models,
        "downloaded_bytes": sum(official) + caches,
        "bin_bytes": of_jobs["bin"],
        "free_bytes": shutil.disk_usage(server_folder(settings)).free,
        "urls": {
            "export": links.signed_url("/v1/storage/export"),
            "export_music": links.signed_url("/v1/storage/export") + "&kind=prediction",
        },
    }


@router.get("/export", response_class=StreamingResponse, responses=_EXPORT)
def export_results(
    services: Serving,
    kind: Annotated[JobKind | None, Query(description="Only of predictions, or trainings.")] = None,
) -> Response:
    """All results that are not in the bin, by readable names, with a library.json about them."""
    pieces = export(services.store.library, services.dispatcher.folder, kind)
    name = f"songloom {utc_now():%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type=ZIP, headers=headers)


def _count_bytes(services: Services) -> Counter[str]:
    """Bytes of the jobs' folders: of results, of trainings, and of what is in the bin."""
    collection, folder = services.store.library, services.dispatcher.folder
    binned = {folder(id) for id in collection.trash_ids()}
    trainings = {folder(id) for id in collection.ids("training")}
    sizes: Counter[str] = Counter()
    root = jobs_folder(services.settings)
    for path in root.iterdir() if root.is_dir() else ():
        shelf = "bin" if path in binned else "trained" if path in trainings else "results"
        sizes[shelf] += folder_size(path)
    return sizes
