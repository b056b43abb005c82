"""Trainings: making one. What it makes is a version of its destination."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, status
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from songloom.server.library import OWNER
from songloom.server.replicate.access import Linking, Serving
from songloom.server.replicate.creation import JobBody, new_job
from songloom.server.replicate.jobs import job_routes, shown
from songloom.server.replicate.problems import ProblemError

router = APIRouter(tags=["trainings"])
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)


class TrainingBody(JobBody):
    """The body of a request for a training."""

    destination: str = Field(description="owner/name of the model that it makes a version of.")


@router.post(
    "/v1/models/{owner}/{name}/versions/{version}/trainings", status_code=status.HTTP_201_CREATED
)
async def create_training(
    owner: str,
    name: str,
    version: str,
    body: TrainingBody,
    services: Serving,
    links: Linking,
    cancel_after: Annotated[str, Header()] = "",
) -> dict[str, Any]:
    """Train a version of a model on songs; `input.model` or `model_version` may name another."""
    found = await run_in_threadpool(services.library.resolve, f"{owner}/{name}:{version}")
    if found is None:
        raise ProblemError(
            404,
            f"there is no version {version[:100]!r} of {f'{owner}/{name}'!r}; GET "
            f"/v1/models/{owner}/{name}/versions lists those there are",
        )
    destination = check_destination(body.destination)
    job = await new_job(
        "training", body, found, services, cancel_after=cancel_after, destination=destination
    )
    job = await services.dispatcher.accept(job)
    return await run_in_threadpool(shown, job, links, services)


router.include_router(job_routes("training"))


def check_destination(text: str) -> str:
    """A model that a training may make a version of; it need not exist.

    Raises:
        ProblemError: it is no owner/name, or one of the models that were not trained here.
    """
    owner, slash, name = text.partition("/")
    if not (slash and _NAME.fullmatch(owner) and _NAME.fullmatch(name)) or owner == OWNER:
        raise ProblemError(
            404,
            f"destination is {text[:200]!r}, but must be owner/name, of letters, digits, dots, "
            f"hyphens and underscores, with another owner than {OWNER}; correct it",
        )
    return text
