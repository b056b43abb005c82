"""The library: everything that was made here, to be found, named, liked, thrown away and back."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, status
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from songloom.jobs.store.records import Job, JobKind, LibraryItem
from songloom.server.dependencies import Linking, Serving
from songloom.server.http.links import Links
from songloom.server.http.problems import InvalidField, ProblemError
from songloom.server.render.library import render_item
from songloom.server.services import Services

router = APIRouter(prefix="/v1/library", tags=["studio"])
LONGEST_TITLE = 200
MOST = 500
"""Items of one page."""
STOP_SECONDS = 10.0
"""How long a deletion for good waits for what runs to be stopped."""


class LibraryQuery(BaseModel):
    """Which items are asked for."""

    model_config = ConfigDict(extra="ignore")

    query: str = Field("", max_length=1000, description="Words in title or prompt.")
    kind: JobKind | None = None
    favorite: bool | None = None
    deleted: bool = Field(False, description="Those in the bin, instead of the others.")
    limit: int = Field(50, ge=1, le=MOST, description="Items of one page.")
    cursor: str | None = Field(
        None, pattern=r"^[0-9]{1,18}$", description="`next` of the page before."
    )


class Changes(BaseModel):
    """Changes of an item; what is not given stays."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, max_length=LONGEST_TITLE, description="null for none.")
    favorite: bool = False


def known_item(id: str, services: Serving) -> LibraryItem:
    """The item that a request's path names, or a 404."""
    kept = services.store.library.item(id)
    if kept is None:
        raise ProblemError(
            404, f"there is nothing with the id {id!r}; GET /v1/library lists what there is"
        )
    return kept


Known = Annotated[LibraryItem, Depends(known_item)]


@router.get("")
def list_items(
    query: Annotated[LibraryQuery, Query()], services: Serving, links: Linking
) -> dict[str, Any]:
    """Everything that was made here, newest first."""
    found, total = services.store.library.page(
        query=query.query,
        kind=query.kind,
        favorite=query.favorite,
        deleted=query.deleted,
        before=None if query.cursor is None else int(query.cursor),
        limit=query.limit + 1,
    )
    shown, further = found[: query.limit], found[query.limit :]
    return {
        "results": items_json(shown, links, services),
        "next": str(shown[-1].job.sequence) if further else None,
        "total": total,
    }


@router.delete("", status_code=status.HTTP_204_NO_CONTENT)
async def empty_bin(
    services: Serving,
    deleted: Annotated[bool, Query(description="Must be true: only the bin is emptied.")] = False,
) -> None:
    """Delete what is in the bin for good."""
    if not deleted:
        fault = "deleted is not true, but only the bin can be emptied: DELETE ?deleted=true"
        raise ProblemError(422, fault, fields=[InvalidField("deleted", fault)])
    await run_in_threadpool(services.trash.empty)


@router.get("/{id}")
def get_item(item: Known, services: Serving, links: Linking) -> dict[str, Any]:
    """One item."""
    return items_json([item], links, services)[0]


@router.patch("/{id}")
def change_item(item: Known, body: Changes, services: Serving, links: Linking) -> dict[str, Any]:
    """Rename it, or make it a favourite."""
    collection, id = services.store.library, item.job.id
    if "title" in body.model_fields_set:
        collection.rename(id, " ".join((body.title or "").split()) or None)
    if "favorite" in body.model_fields_set:
        collection.favor(id, body.favorite)
    return _changed_item_json(id, services, links)


@router.delete("/{id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_item(
    item: Known,
    services: Serving,
    forever: Annotated[bool, Query(description="For good, past the bin.")] = False,
) -> None:
    """Put it into the bin, where it can be restored from for a while; what runs is cancelled."""
    id = item.job.id
    await services.dispatcher.cancel(id)
    if forever:
        with suppress(KeyError):  # someone else was faster
            await services.dispatcher.wait_until_ended(id, STOP_SECONDS)
        await run_in_threadpool(services.trash.remove, id)
    else:
        await run_in_threadpool(services.store.library.delete, id)


@router.post("/{id}/restore")
def restore_item(item: Known, services: Serving, links: Linking) -> dict[str, Any]:
    """Take it out of the bin."""
    services.store.library.restore(item.job.id)
    return _changed_item_json(item.job.id, services, links)


def items_json(items: list[LibraryItem], links: Links, services: Services) -> list[dict[str, Any]]:
    """Items as JSON."""
    titles: dict[tuple[str, str], str] = {}

    def model(job: Job) -> str:  # a list mostly names few models, and each look goes to the disk
        key = job.version, job.model
        if key not in titles:
            titles[key] = services.models.model_of(job)
        return titles[key]

    return [render_item(item, links, model=model) for item in items]


def _changed_item_json(id: str, services: Services, links: Links) -> dict[str, Any]:
    return items_json([known_item(id, services)], links, services)[0]
