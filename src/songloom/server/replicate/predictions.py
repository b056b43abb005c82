"""Predictions: making one, with its result where the client waits; hearing one grow."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, status
from fastapi.responses import Response, StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from songloom.jobs.store.records import Job
from songloom.server.creation import PredictionBody, new_job
from songloom.server.dependencies import Linking, Serving, job_json, known_job
from songloom.server.http.file_responses import file_response
from songloom.server.http.headers import wait_seconds
from songloom.server.http.links import Links
from songloom.server.http.problems import InvalidField, ProblemError
from songloom.server.inputs.model_index import ModelVersion
from songloom.server.live_audio import ended_stream, head_response, live_response
from songloom.server.replicate.jobs import job_routes
from songloom.server.services import Services

router = APIRouter(tags=["predictions"])
Known = Annotated[Job, Depends(known_job("prediction"))]
Text = Annotated[str, Header()]


class VersionedBody(PredictionBody):
    """The body of a request for a prediction that names what is to run."""

    version: str = Field(
        description="What runs: a version's id, owner/name, or owner/name:id.", min_length=1
    )


@router.post("/v1/predictions", status_code=status.HTTP_201_CREATED)
async def create_prediction(
    body: VersionedBody,
    services: Serving,
    links: Linking,
    prefer: Text = "",
    cancel_after: Text = "",
) -> dict[str, Any]:
    """Make a prediction; with `Prefer: wait` the answer comes with the result."""
    version = await run_in_threadpool(services.models.resolve, body.version)
    if version is None:
        described = (
            f"version is {body.version[:200]!r}, but must be a version that there is; GET "
            "/v1/models lists the models, each with its latest_version"
        )
        raise ProblemError(422, described, fields=[InvalidField("version", described)])
    return await _create(body, version, services, links, prefer, cancel_after)


@router.post("/v1/models/{owner}/{name}/predictions", status_code=status.HTTP_201_CREATED)
async def create_prediction_of_model(
    owner: str,
    name: str,
    body: PredictionBody,
    services: Serving,
    links: Linking,
    prefer: Text = "",
    cancel_after: Text = "",
) -> dict[str, Any]:
    """Make a prediction with the latest version of a model."""
    version = await run_in_threadpool(services.models.resolve, f"{owner}/{name}")
    if version is None:
        raise ProblemError(
            404, f"there is no model {f'{owner}/{name}'!r}; GET /v1/models lists those there are"
        )
    return await _create(body, version, services, links, prefer, cancel_after)


router.include_router(job_routes("prediction"))


@router.head("/v1/predictions/{id}/audio", include_in_schema=False)
@router.get("/v1/predictions/{id}/audio", response_class=StreamingResponse)
async def hear_prediction(
    request: Request, job: Known, services: Serving, range: Text = "", if_range: Text = ""
) -> Response:
    """Its audio while it is generated, as MP3; once it has ended, its first result.

    Ranges may be asked for, of what is still growing as well.
    """
    if not job.ended:
        if request.method == "HEAD":
            return head_response(job)
        live = await live_response(services.dispatcher, job, range)
        if live is not None:
            return live
        job = await services.dispatcher.wait_until_ended(job.id, 0)
    stream = ended_stream(services.dispatcher, job, if_range)
    if stream is not None:
        return stream
    if job.output is None:
        raise ProblemError(
            410, f"prediction {job.id!r} is {job.status} and has no audio; GET it to see why"
        )
    return file_response(services.dispatcher.folder(job.id), job, job.output["files"][0])


async def _create(
    body: PredictionBody,
    version: ModelVersion,
    services: Services,
    links: Links,
    prefer: str,
    cancel_after: str,
) -> dict[str, Any]:
    """Accept a prediction, and wait for its result as long as the client wants to."""
    job = await new_job("prediction", body, version, services, cancel_after=cancel_after)
    job = await services.dispatcher.accept(job)
    seconds = wait_seconds(prefer, services.settings.wait_seconds)
    if seconds:
        job = await services.dispatcher.wait_until_ended(job.id, seconds)
        if not job.ended:
            # Clients take any other status for the end, and then have no result.
            job = replace(job, status="starting")
    return await run_in_threadpool(job_json, job, links, services)
