"""Songs of a data set through the ears of a model, before anything is trained on them."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from songloom.checkpoints.catalogue import NANO
from songloom.jobs.paths import EXCERPT_SIDES, derived_path
from songloom.server.dependencies import Linking, Serving
from songloom.server.http.file_responses import SAFE, TYPES
from songloom.server.http.links import Links
from songloom.server.http.problems import ProblemError
from songloom.server.studio.datasets import Known, KnownSong

router = APIRouter(prefix="/v1/datasets/{id}/songs/{song}/fidelity", tags=["studio"])


@router.get("")
async def measure_song(
    dataset: Known,
    song: KnownSong,
    services: Serving,
    links: Linking,
    model: Annotated[str, Query(description="Whose codec it goes through.")] = NANO,
) -> dict[str, Any]:
    """How well a model can carry a song at all, with ten seconds of it to be heard both ways.

    `grade` is `well`, `roughly` or `hardly`, and `text` says what that means.
    """
    version = await run_in_threadpool(services.models.resolve, model)
    name = model if version is None or version.model is None else version.model
    path = services.datasets.files(dataset.id) / song.stored
    key = _key(song.sha256, name)
    answer = await services.fidelity.measure(path, name, derived_path(path, key))
    return {**answer, "urls": _urls(dataset.id, song.id, key, links)}


@router.head("/{key}/{side}.mp3", include_in_schema=False)
@router.get("/{key}/{side}.mp3", response_class=FileResponse)
def hear_excerpt(
    dataset: Known,
    song: KnownSong,
    key: str,
    side: Literal["original", "heard"],
    services: Serving,
) -> Response:
    """The excerpt as it is, or as the model's codec has it; ranges of it may be asked for."""
    folder = derived_path(services.datasets.files(dataset.id) / song.stored, key)
    path = folder / f"{side}.mp3"
    if not (key.isascii() and key.isalnum()) or not path.is_file():
        raise ProblemError(404, f"there is no such excerpt of {song.file!r}; GET its fidelity anew")
    return FileResponse(
        path,
        media_type=TYPES[".mp3"],
        filename=path.name,
        content_disposition_type="inline",
        headers=SAFE,
    )


def _key(song: str, model: str) -> str:
    return hashlib.sha256(f"{song} {model}".encode()).hexdigest()[:24]


def _urls(dataset: str, song: str, key: str, links: Links) -> dict[str, str]:
    path = f"/v1/datasets/{quote(dataset, safe='')}/songs/{quote(song, safe='')}/fidelity/{key}"
    return {side: links.signed_url(f"{path}/{side}.mp3") for side in EXCERPT_SIDES}
