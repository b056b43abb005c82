"""Trainings: making one. What it makes is a version of its destination."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, status
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from songloom.checkpoints.catalogue import NANO
from songloom.server.creation import JobBody, new_job
from songloom.server.datasets.estimates import Effort
from songloom.server.dependencies import Linking, Serving, job_json
from songloom.server.http.problems import ProblemError
from songloom.server.replicate.jobs import job_routes
from songloom.server.replicate.models import KnownVersion, check_destination

router = APIRouter()
trainings = APIRouter(tags=["trainings"])
estimates = APIRouter(tags=["studio"])


class TrainingBody(JobBody):
    """The body of a request for a training."""

    destination: str = Field(description="owner/name of the model that it makes a version of.")


@trainings.post(
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
    return await run_in_threadpool(job_json, job, links, services)


@estimates.get("/v1/trainings/estimate")
async def estimate_training(
    services: Serving,
    dataset: Annotated[str, Query(description="A data set's id.")],
    model: Annotated[str, Query(description="What is to be trained.")] = NANO,
    effort: Effort = "normal",
) -> dict[str, Any]:
    """Time and memory of a training, and the inputs to ask for it with."""
    songs = services.datasets.get(dataset)
    if songs is None:
        raise ProblemError(
            404, f"there is no data set {dataset!r}; GET /v1/datasets lists those that there are"
        )
    version = await run_in_threadpool(services.models.resolve, model)
    name = model if version is None or version.model is None else version.model
    return await services.estimator.estimate(name, songs, effort)


router.include_router(trainings)
router.include_router(estimates)  # before the ids, of which it would be one
router.include_router(job_routes("training"))
