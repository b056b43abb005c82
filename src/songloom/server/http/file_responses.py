"""Answers that are files, with their types, and what browsers may do with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi.responses import FileResponse

from songloom.jobs.store.records import Job
from songloom.server.http.problems import ProblemError

TYPES: Mapping[str, str] = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".tar": "application/x-tar",
}
"""Types of results; not the system's table, which differs between systems."""
UNKNOWN_TYPE = "application/octet-stream"
SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
"""Headers of files that strangers may have made: they are data, never pages."""


def file_response(folder: Path, job: Job, name: str) -> FileResponse:
    """A result's bytes.

    Raises:
        ProblemError: the job has no such result, or has it no more.
    """
    path = folder / name
    if job.output is None or name not in job.output["files"] or not path.is_file():
        raise missing_file(name)
    kind = TYPES.get(path.suffix.lower(), UNKNOWN_TYPE)
    return FileResponse(path, media_type=kind, filename=name, headers=SAFE)


def missing_file(name: str) -> ProblemError:
    """The error of a result that a job does not have, or no longer."""
    return ProblemError(
        404,
        f"there is no file {name!r} here, or no more: files are removed when they are old or room "
        "is short; GET the job to see what it has",
    )
