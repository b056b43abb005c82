"""Curves, clips and comparisons of trainings, and how a stopped one resumes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from songloom.finetuning.history import TrainingHistory
from songloom.jobs.store.records import Job
from songloom.server.dependencies import Linking, Serving, job_json, known_job
from songloom.server.http.file_responses import SAFE, TYPES
from songloom.server.http.problems import ProblemError
from songloom.server.inputs.inputs import as_taken
from songloom.server.services import Services
from songloom.server.streams import clip_path
from songloom.training_request import TrainingRequest

router = APIRouter(prefix="/v1/trainings", tags=["studio"])
Known = Annotated[Job, Depends(known_job("training"))]


def notes_of(job: Job, services: Services) -> TrainingHistory:
    """The history of a training so far."""
    return TrainingHistory(services.dispatcher.folder(job.id))


@router.post("/{id}/resume")
async def resume_training(job: Known, services: Serving, links: Linking) -> dict[str, Any]:
    """Let one that was canceled, or failed, go on from the state that it saved."""
    fault = await run_in_threadpool(_fault, job, services)
    if fault:
        raise ProblemError(409, f"the training {job.id!r} can't go on: {fault}")
    job = await services.dispatcher.resume(job.id)
    return await run_in_threadpool(job_json, job, links, services)


@router.get("/{id}/curve")
def get_curve(job: Known, services: Serving) -> dict[str, Any]:
    """The loss of its updates and on the songs that are held out, 500 points of each at most."""
    points, held_out = notes_of(job, services).curve()
    return {"points": points, "held_out": held_out, "steps": _steps(job)}


@router.get("/{id}/previews")
def get_previews(job: Known, services: Serving, links: Linking) -> dict[str, Any]:
    """The clips that it made on its way, which `preview_every` asks for."""
    return {
        "results": [
            {
                "step": preview.step,
                "prompt": preview.prompt,
                "url": links.signed_url(clip_path(job.id, preview.file)),
            }
            for preview in notes_of(job, services).previews()
        ]
    }


@router.get("/{id}/comparison")
def get_comparison(job: Known, services: Serving, links: Linking) -> dict[str, Any]:
    """Its results: clips by the model as it was and as it is, songs through its codec, figures.

    `verdict` says it in words; `ceiling` how well the model can carry the songs at all, `distances`
    how far clips are from them, `baselines` which losses need no model.
    """
    notes = notes_of(job, services)
    comparison = notes.comparison()
    if comparison is None or not job.ended:
        raise ProblemError(
            404,
            f"the training {job.id!r} is {job.status} and has compared nothing"
            f"{'' if job.ended else ' yet; wait for its end'}",
        )

    def url(file: str) -> str:
        return links.signed_url(clip_path(job.id, file))

    clips = [
        {"prompt": clip["prompt"], "before": url(clip["before"]), "after": url(clip["after"])}
        for clip in comparison["clips"]
    ]
    songs = [
        {"title": song["title"], "original": url(song["original"]), "heard": url(song["heard"])}
        for song in comparison.get("songs", ())  # earlier versions kept none
    ]
    return {**comparison, "clips": clips, "songs": songs, "report": url("report.html")}


@router.head("/{id}/files/{name}", include_in_schema=False)
@router.get("/{id}/files/{name}", response_class=FileResponse)
def get_training_file(job: Known, name: str, services: Serving) -> Response:
    """A clip that it made, or its report; ranges of it may be asked for."""
    path = services.dispatcher.folder(job.id) / name
    if name not in notes_of(job, services).files() or not path.is_file():
        raise ProblemError(
            404,
            f"there is no file {name!r} here, or no more: files are removed when they are old or "
            "room is short; GET previews or comparison to see what there is",
        )
    kind = "text/html; charset=utf-8" if name.endswith(".html") else TYPES[".mp3"]
    return FileResponse(
        path,
        media_type=kind,
        filename=name,
        content_disposition_type="inline",
        headers=SAFE,
    )


def _fault(job: Job, services: Services) -> str:
    """Why a training can't go on, and what to do; empty where it can."""
    kept = services.store.library.item(job.id)
    if job.status not in ("canceled", "failed"):
        return f"it is {job.status}, and only one that was canceled, or failed, goes on"
    if job.data_removed:
        return "its songs were removed, by age or for room; begin a new training"
    if kept is not None and kept.deleted_at is not None:
        return f"it is in the bin; restore it first (POST /v1/library/{job.id}/restore)"
    return ""


def _steps(job: Job) -> int:
    """Updates that it is to make in all."""
    values = as_taken("training", job.input)
    epochs = values.get("epochs", TrainingRequest.epochs)
    return int(epochs * values.get("updates_per_epoch", TrainingRequest.updates_per_epoch))
