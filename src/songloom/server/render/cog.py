"""Jobs as the JSON objects that the clients of a Cog container, and webhooks, are given."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path
from typing import Any

from songloom.jobs.store.records import Job
from songloom.server.inputs.inputs import as_taken
from songloom.server.inputs.schema import input_defaults


def render(job: Job, folder: Path) -> dict[str, Any]:
    """A job in Cog's form; its files as `data:` URLs, or where they were uploaded to.

    Args:
        job: the job.
        folder: where its files lie.
    """
    return {
        "input": input_defaults(job.kind) | as_taken(job.kind, job.input),
        "output": _output(job, folder),
        "id": job.id,
        "version": None,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at and job.started_at.isoformat(),
        "completed_at": job.completed_at and job.completed_at.isoformat(),
        "logs": job.logs,
        "error": job.error,
        "status": job.status,
        "metrics": dict(job.metrics) if job.status == "succeeded" else None,
        "webhook": job.webhook or None,
        "webhook_events_filter": list(job.webhook_events),
        "output_file_prefix": None,  # it may be the server's own, with a secret in it
    }


def _output(job: Job, folder: Path) -> Any:
    if job.output is None:
        return None
    urls = job.output.get("urls") or [_data_url(folder / name) for name in job.output["files"]]
    if job.kind == "training":
        return {"weights": urls[0]}
    return urls[0] if len(urls) == 1 else urls


def _data_url(path: Path) -> str | None:
    """A file's bytes; None where they have been removed."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError:
        return None
