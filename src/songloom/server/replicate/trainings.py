"""Trainings: making one. What it makes is a version of its destination."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, status
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from songloom.server.replicate.access import Linking, Serving
from songloom.server.replicate.creation import JobBody, new_job
from songloom.server.replicate.jobs import job_routes, shown
from songloom.server.replicate.models import KnownVersion, check_destination

router = APIRouter(tags=["trainings"])


class TrainingBody(JobBody):
    """The body of a request for a training."""

    destination: str = Field(description="owner/name of the model that it makes a version of.")


@router.post(
    "/v1/models/{owner}/{name}/versions/{version}/trainings", status_code=status.HTTP_201_CREATED
)
async def create_training(
    version: KnownVersion,
    body: TrainingBody,
    services: Serving,
    links: Linking,
    cancel_after: Annotated[str, Header()] = "",
) -> dict[str, Any]:
    """Train a version of a model on songs; `input.model` or `model_version` may name another."""
    destination = check_destination(body.destination)
    job = await new_job(
        "training", body, version, services, cancel_after=cancel_after, destination=destination
    )
    job = await services.dispatcher.accept(job)
    return await run_in_threadpool(shown, job, links, services)


router.include_router(job_routes("training"))
