"""Data sets: songs that are uploaded, listened to, described, and then trained on by their URL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, status
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from songloom.dataset.values import label_value, text_value
from songloom.errors import DatasetError
from songloom.server.datasets.intake import take_upload
from songloom.server.datasets.records import EDITABLE, DatasetSong, SongDataset
from songloom.server.datasets.store import reduce_edits
from songloom.server.dependencies import Linking, Serving
from songloom.server.files.filenames import safe_name
from songloom.server.http.file_responses import SAFE, UNKNOWN_TYPE
from songloom.server.http.links import Links
from songloom.server.http.problems import InvalidField, ProblemError
from songloom.server.render.replicate import stamp
from songloom.server.services import Services
from songloom.server.streams import EVENTS, Event, event_response

router = APIRouter(prefix="/v1/datasets", tags=["studio"])

DEFAULT_NAME = "My songs"
LONGEST_NAME, LONGEST_CAPTION, LONGEST_WORD, MOST_WORDS = 200, 2000, 100, 32
LOOK_SECONDS = 1.0
"""Between two looks whether the server is about to stop, which ends streams that have no end."""
_BODY = {
    "requestBody": {
        "required": True,
        "content": {UNKNOWN_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_Word = Annotated[str, Field(max_length=LONGEST_WORD)]
_Words = Annotated[list[_Word], Field(max_length=MOST_WORDS)]


class DatasetBody(BaseModel):
    """The body of a request for a new data set."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(DEFAULT_NAME, max_length=LONGEST_NAME)


class NameBody(BaseModel):
    """The body of a request that changes a data set."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=LONGEST_NAME)


class SongBody(BaseModel):
    """Changes of a song; null makes unknown, and what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    caption: str | None = Field(None, max_length=LONGEST_CAPTION)
    genre: _Words | None = None
    mood: _Words | None = None
    instruments: _Words | None = None
    bpm: float | None = Field(None, description="Beats per minute, 20 to 400.")
    key: str | None = Field(None, description='Tonic and mode: "C minor".', max_length=LONGEST_WORD)


def known_dataset(id: str, services: Serving) -> SongDataset:
    """The data set that a request's path names, or a 404."""
    dataset = services.datasets.get(id)
    if dataset is None:
        raise ProblemError(
            404, f"there is no data set {id!r}; GET /v1/datasets lists those that there are"
        )
    return dataset


Known = Annotated[SongDataset, Depends(known_dataset)]


def known_song(dataset: Known, song: str) -> DatasetSong:
    """The song that a request's path names, or a 404."""
    found = dataset.song(song)
    if found is None:
        raise _missing_song(dataset.id, song)
    return found


KnownSong = Annotated[DatasetSong, Depends(known_song)]


@router.post("", status_code=status.HTTP_201_CREATED)
def create_dataset(
    services: Serving, links: Linking, body: DatasetBody | None = None
) -> dict[str, Any]:
    """Make a data set, to upload songs to."""
    name = "" if body is None else body.name.strip()
    return render_dataset(services.datasets.create(name or DEFAULT_NAME), links)


@router.get("")
def list_datasets(services: Serving, links: Linking) -> dict[str, Any]:
    """All data sets, newest first."""
    return {"results": [render_dataset(each, links) for each in services.datasets.list_datasets()]}


@router.get("/{id}")
def get_dataset(dataset: Known, links: Linking) -> dict[str, Any]:
    """One, with all its songs. Its URL is what a training takes as `dataset_path`."""
    return render_dataset(dataset, links)


@router.patch("/{id}")
def rename_dataset(
    dataset: Known, body: NameBody, services: Serving, links: Linking
) -> dict[str, Any]:
    """Give it another name."""
    name = body.name.strip() or dataset.name
    return render_dataset(services.datasets.rename(dataset.id, name), links)


@router.delete("/{id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_dataset(dataset: Known, services: Serving) -> None:
    """Remove it and its songs; trainings that were begun have copies of what they need."""
    services.datasets.remove(dataset.id)


@router.put("/{id}/songs", status_code=status.HTTP_201_CREATED, openapi_extra=_BODY)
async def upload_song(
    dataset: Known,
    request: Request,
    services: Serving,
    links: Linking,
    path: Annotated[
        str, Query(description="Its place in the folder that is uploaded: album/song.mp3.")
    ],
) -> dict[str, Any]:
    """Upload a song, what describes one (`song.txt`, `song.json`), or an archive of both.

    A song in the place of another takes it over, with what was changed about it. Songs are listened
    to as soon as they are there.
    """
    limit = int(services.settings.max_file_mb * 1e6)
    try:
        added = await take_upload(services.datasets, dataset.id, path, request.stream(), limit)
    except KeyError:  # it was removed meanwhile
        raise ProblemError(404, f"the data set {dataset.id!r} was removed; make another") from None
    return {
        "songs": [render_song(dataset.id, song, links) for song in added.songs],
        "skipped": [{"file": each.file, "reason": each.reason} for each in added.skipped],
    }


@router.patch("/{id}/songs/{song}")
def edit_song(
    dataset: Known, song: KnownSong, body: SongBody, services: Serving, links: Linking
) -> dict[str, Any]:
    """Change what is said about a song: what is changed here wins over all else."""
    values = _check_edits(body.model_dump(exclude_unset=True))
    try:
        changed = services.datasets.change_song(
            dataset.id, song.id, lambda now: replace(now, edits=reduce_edits(now, values))
        )
    except KeyError:
        raise _missing_song(dataset.id, song.id) from None
    return render_song(dataset.id, changed, links)


@router.delete("/{id}/songs/{song}", status_code=status.HTTP_204_NO_CONTENT)
def delete_song(dataset: Known, song: KnownSong, services: Serving) -> None:
    """Remove a song."""
    try:
        services.datasets.remove_song(dataset.id, song.id)
    except KeyError:
        raise _missing_song(dataset.id, song.id) from None


@router.head("/{id}/songs/{song}/audio", include_in_schema=False)
@router.get("/{id}/songs/{song}/audio", response_class=FileResponse)
def hear_song(dataset: Known, song: KnownSong, services: Serving) -> Response:
    """A song as it was uploaded; ranges of it may be asked for."""
    path = services.datasets.files(dataset.id) / song.stored
    if not path.is_file():
        raise ProblemError(410, f"the file of {song.file!r} is gone; upload it again")
    return FileResponse(
        path,
        media_type=_TYPES.get(path.suffix, UNKNOWN_TYPE),
        filename=safe_name(song.file.rpartition("/")[2]),
        content_disposition_type="inline",
        headers=SAFE,
    )


@router.get("/{id}/songs/{song}/peaks", response_class=FileResponse)
async def get_song_peaks(dataset: Known, song: KnownSong, services: Serving) -> Response:
    """A song's seconds, and some 400 peaks and levels (`rms`) from 0 to 1, to draw a waveform."""
    path = await services.sounds.outline(services.datasets.files(dataset.id) / song.stored)
    return FileResponse(path, media_type="application/json", headers={"Cache-Control": "no-cache"})


@router.get(
    "/{id}/events",
    response_class=Response,
    responses={200: EVENTS[200]},
)
async def tell_dataset(dataset: Known, services: Serving, links: Linking) -> Response:
    """Its events, as Server-Sent Events: `dataset` is the whole, `song` one of its songs.

    `dataset` comes first, and when songs were removed or the name was changed; `song` when one was
    added or changed.
    """
    return event_response(dataset_events(services, dataset.id, links))


async def dataset_events(services: Services, id: str, links: Links) -> AsyncIterator[Event]:
    """A data set, then what changes about it, until it is removed or the server stops."""
    with services.analysis.watchers.subscribe(id) as changes:
        dataset = services.datasets.get(id)
        while dataset is not None:
            yield "dataset", render_dataset(dataset, links)
            while True:
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        changed = await changes.get()
                except TimeoutError:
                    if services.dispatcher.draining:
                        return
                    continue
                if isinstance(changed, SongDataset):
                    break
                yield "song", render_song(id, changed, links)
            dataset = services.datasets.get(id)


def render_dataset(dataset: SongDataset, links: Links) -> dict[str, Any]:
    """A data set as JSON."""
    path = _path(dataset.id)
    return {
        "id": dataset.id,
        "name": dataset.name,
        "created_at": stamp(dataset.created_at),
        "seconds": round(dataset.seconds, 3),
        "songs": [render_song(dataset.id, song, links) for song in dataset.songs],
        "urls": {"get": links.absolute_url(path), "events": links.signed_url(f"{path}/events")},
    }


def render_song(dataset: str, song: DatasetSong, links: Links) -> dict[str, Any]:
    """A song of a data set as JSON."""
    labels = {name: song.value(name) for name in EDITABLE if name != "caption"}
    path = f"{_path(dataset)}/songs/{quote(song.id, safe='')}"
    return {
        "id": song.id,
        "file": song.file,
        "size": song.size,
        "seconds": None if song.seconds is None else round(song.seconds, 3),
        "status": song.status,
        "error": song.error,
        "caption": song.value("caption"),
        "labels": labels,
        "edited": bool(song.edits),
        "urls": {
            "audio": links.signed_url(f"{path}/audio"),
            "peaks": links.signed_url(f"{path}/peaks"),
        },
    }


_TYPES = {
    ".mp3": "audio/mpeg", ".wav": "audio/wav", ".wave": "audio/wav", ".flac": "audio/flac",
    ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4",
    ".mp4": "audio/mp4", ".aac": "audio/aac", ".aif": "audio/aiff", ".aiff": "audio/aiff",
    ".m4b": "audio/mp4", ".m4v": "audio/mp4", ".mka": "audio/x-matroska",
    ".webm": "audio/webm", ".weba": "audio/webm", ".wma": "audio/x-ms-wma", ".caf": "audio/x-caf",
}  # fmt: skip
"""Types of songs by the ends of their names; systems' own tables differ."""


def _path(dataset: str) -> str:
    return f"/v1/datasets/{quote(dataset, safe='')}"


def _check_edits(values: dict[str, Any]) -> dict[str, Any]:
    """Edits in the form that labels have; a label that makes no sense is refused."""
    checked: dict[str, Any] = {}
    for name, value in values.items():
        try:
            if name == "caption":
                checked[name] = text_value(name, value, "")
            else:
                found = label_value(name, value, "")
                checked[name] = list(found) if isinstance(found, tuple) else found
        except DatasetError as error:
            described = str(error).removeprefix(": ")
            raise ProblemError(422, described, fields=[InvalidField(name, described)]) from None
    return checked


def _missing_song(dataset: str, song: str) -> ProblemError:
    return ProblemError(
        404, f"there is no song {song!r} in it; GET /v1/datasets/{dataset} lists those there are"
    )
