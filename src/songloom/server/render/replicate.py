"""Records as the JSON objects that the clients of /v1, and webhooks, are given."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from songloom.clock import elapsed_seconds
from songloom.jobs.store.records import Job, StoredFile
from songloom.server.http.json_values import make_showable
from songloom.server.http.links import Links

LONGEST_INLINE = 1000
"""Characters of a `data:` URL that is shown as it was sent; of longer ones, a URL is shown."""
COG_VERSION = "0.9.4"
"""Version of Cog whose behaviour and schema the server has; clients ask for it."""


def render_job(job: Job, links: Links, *, model: str) -> dict[str, Any]:
    """A prediction or a training.

    Args:
        job: the job.
        links: makes its URLs.
        model: `owner/name` of the model that was asked for.
    """
    rendered: dict[str, Any] = {
        "id": job.id,
        "model": model,
        "version": job.version,
        "input": {
            make_showable(name): _input_value(job, name, value, links)
            for name, value in job.input.items()
        },
        "output": _output(job, links),
        "logs": job.logs,
        "error": job.error,
        "status": job.status,
        "metrics": _metrics(job),
        "data_removed": job.data_removed,
        "created_at": stamp(job.created_at),
        "started_at": stamp(job.started_at),
        "completed_at": stamp(job.completed_at),
        "source": "api",
        "urls": links.job_urls(job),
    }
    if job.kind == "training":
        rendered["destination"] = job.destination
    return rendered


def render_version(id: str, created_at: datetime, schema: dict[str, Any]) -> dict[str, Any]:
    """A version of a model; `schema` is the OpenAPI document of its inputs."""
    return {
        "id": id,
        "created_at": stamp(created_at),
        "cog_version": COG_VERSION,
        "openapi_schema": schema,
    }


def render_model(
    owner: str,
    name: str,
    links: Links,
    *,
    description: str,
    latest: dict[str, Any] | None,
    mine: bool,
) -> dict[str, Any]:
    """A model; `latest` is its newest version, rendered."""
    return {
        "url": links.model_url(owner, name),
        "owner": owner,
        "name": name,
        "description": description,
        "visibility": "private" if mine else "public",
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": latest,
    }


def render_file(file: StoredFile, links: Links) -> dict[str, Any]:
    """An uploaded file."""
    return {
        "id": file.id,
        "name": file.name,
        "content_type": file.content_type,
        "size": file.size,
        "etag": file.sha256,
        "checksums": {"sha256": file.sha256},
        "metadata": make_showable(dict(file.metadata)),
        "created_at": stamp(file.created_at),
        "expires_at": None,
        "urls": links.file_urls(file.id),
    }


def stamp(moment: datetime | None) -> str | None:
    """A time as clients read it: `2026-01-31T12:00:00.000000Z`."""
    if moment is None:
        return None
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _output(job: Job, links: Links) -> Any:
    """A job's output: a URL, several of them, or a training's version beside its weights."""
    if job.output is None:
        return None
    urls = [links.output_url(job, name) for name in job.output["files"]]
    if job.kind == "training":
        version = job.output["version"]
        named = f"{job.destination}:{version}" if job.destination else version
        return {"version": named, "weights": urls[0] if urls else None}
    return urls[0] if len(urls) == 1 else urls


def _input_value(job: Job, name: str, value: Any, links: Links) -> Any:
    """A value of the input; a file that came inside the request would make every answer huge."""
    inline = isinstance(value, str) and value.startswith("data:")
    if inline and len(value) > LONGEST_INLINE:
        return links.given_url(job, name)
    return make_showable(value)


def _metrics(job: Job) -> dict[str, float]:
    """Measurements of a job, with its times where the worker measured none."""
    metrics = dict(job.metrics)
    if job.completed_at is not None:
        ran = job.started_at or job.completed_at
        metrics.setdefault("predict_time", elapsed_seconds(ran, job.completed_at))
        metrics.setdefault("total_time", elapsed_seconds(job.created_at, job.completed_at))
    return metrics
