"""The models of this machine: which there are, fetching further ones, and making room again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, status
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from songloom.checkpoints.bases import find_dependents
from songloom.checkpoints.catalogue import NANO, known_model
from songloom.checkpoints.downloaded import remove_download
from songloom.checkpoints.home import remove_model, trained_model, trained_models
from songloom.jobs.trash import is_used
from songloom.server.dependencies import Serving
from songloom.server.http.problems import ProblemError
from songloom.server.processes.downloads import EVERY
from songloom.server.render.checkpoints import checkpoint, checkpoints
from songloom.server.services import Services
from songloom.server.streams import EVENTS, Event, event_response

router = APIRouter(prefix="/v1/checkpoints", tags=["studio"])
LOOK_SECONDS = 1.0
"""Between two looks whether the server is about to stop, which ends streams that have no end."""


def known_name(name: str) -> str:
    """The model that a request's path names, or a 404."""
    if known_model(name) is None and trained_model(name) is None:
        raise ProblemError(
            404, f"there is no model {name!r}; GET /v1/checkpoints lists those there are"
        )
    return name


Known = Annotated[str, Depends(known_name)]


@router.get("")
def list_checkpoints(services: Serving) -> dict[str, Any]:
    """All models: those that are here, and those that can be fetched."""
    return {"results": checkpoints(services.downloads, services.trash.models())}


@router.get(
    "/events",
    response_class=Response,
    responses={200: EVENTS[200]},
)
async def tell_checkpoints(services: Serving) -> Response:
    """Changes, as Server-Sent Events: each `checkpoint` is a model as the list has it."""
    return event_response(checkpoint_events(services))


@router.post("/{name}/download", status_code=status.HTTP_202_ACCEPTED)
async def download_checkpoint(name: Known, services: Serving) -> dict[str, Any]:
    """Fetch a model; one that was begun before goes on where it was."""
    if known_model(name) is None:
        raise ProblemError(409, f"{name!r} was trained here; there is nothing to download")
    shown = await _checkpoint_json(name, services)
    if shown["installed"]:
        raise ProblemError(409, f"the model {name!r} is on this machine already; use it")
    services.downloads.start(shown["name"])
    return await _checkpoint_json(name, services)


@router.post("/{name}/cancel")
async def cancel_download(name: Known, services: Serving) -> dict[str, Any]:
    """Stop fetching a model; what has arrived stays, for the next time."""
    await services.downloads.cancel(name)
    return await _checkpoint_json(name, services)


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def remove_checkpoint(name: Known, services: Serving) -> None:
    """Remove a model's files for good; an official one can be fetched again."""
    if name in services.downloads.running:
        raise ProblemError(
            409, f"the model {name!r} is being downloaded; cancel that first, then remove it"
        )
    await run_in_threadpool(_remove, name, services)
    services.downloads.notify(name)


async def checkpoint_events(services: Services) -> AsyncIterator[Event]:
    """Models that are being fetched, and then whichever changes, until the server stops."""
    with services.downloads.watchers.subscribe(EVERY) as changes:
        for name in list(services.downloads.running):
            yield "checkpoint", await _checkpoint_json(name, services)
        while not services.dispatcher.draining:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    name = await changes.get()
            except TimeoutError:
                continue
            shown = await run_in_threadpool(checkpoint, name, services.downloads)
            if shown is not None:  # else it was removed: the list no longer has it
                yield "checkpoint", shown


async def _checkpoint_json(name: str, services: Services) -> dict[str, Any]:
    known = known_model(name)
    shown = await run_in_threadpool(
        checkpoint, name if known is None else known.name, services.downloads
    )
    if shown is None:
        raise ProblemError(404, f"there is no model {name!r} any more")
    return shown


def _remove(name: str, services: Services) -> None:
    known = known_model(name)
    if known is not None and known.name == NANO:
        raise ProblemError(409, f"the model {NANO!r} comes with songloom, and stays")
    if name == services.settings.model:
        raise ProblemError(
            409,
            f"the model {name!r} is what requests get that name none; start the server with "
            "another --model first",
        )
    built = [model.name for model in trained_models() if model.base == name]
    if any(is_used(services.store, model) for model in (name, *built, *find_dependents(name))):
        raise ProblemError(
            409, f"the model {name!r} is in use: jobs wait for it, or run it; cancel them first"
        )
    if known is not None:
        if not remove_download(known.source):
            raise ProblemError(404, f"the model {name!r} is not on this machine")
        services.downloads.errors.pop(name, None)
        return
    remove_model(name)
    for version in services.store.all_versions():
        if version.model == name:
            services.store.remove_version(version.id)
