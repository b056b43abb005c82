"""The JSON of the library's items: jobs as their owner keeps them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from songloom.jobs.store.annotations import TELLING
from songloom.jobs.store.records import Job, LibraryItem
from songloom.server.files.filenames import LONGEST_NAME, safe_name, truncate_at_word
from songloom.server.http.links import Links
from songloom.server.render.replicate import render_job, stamp

FORMATS = ("wav", "mp3", "flac")
"""Formats that every sound can be downloaded in."""
LONGEST_PROMPT = 60
"""Characters of a prompt that a file is named by."""
_SHARED = ("id", "status", "model", "version", "input", "error", "created_at", "completed_at")


def render_item(kept: LibraryItem, links: Links, *, model: Callable[[Job], str]) -> dict[str, Any]:
    """An item of the library.

    Args:
        kept: the job and its marks.
        links: makes its URLs.
        model: `owner/name` of what a job asked for.
    """
    job = kept.job
    rendered = render_job(job, links, model=model(job))
    item = {name: rendered[name] for name in _SHARED}
    item |= {
        "kind": job.kind,
        "title": kept.title,
        "prompt": prompt_of(job),
        "favorite": kept.favorite,
        "deleted_at": stamp(kept.deleted_at),
        "seed": job.seed,
        "outputs": [_output(job, name, links) for name in result_names(job)],
        "urls": rendered["urls"],
    }
    if job.kind == "training":
        item["destination"] = job.destination
    return item


def prompt_of(job: Job) -> str:
    """The prompt of a prediction, or the caption of a training's songs; empty without one."""
    texts = (job.input.get(name) for name in TELLING)
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def result_names(job: Job) -> list[str]:
    """Names of a job's results in its folder."""
    return [] if job.output is None else list(job.output["files"])


def seconds_of(job: Job) -> float | None:
    """How long each of a prediction's results is; they are of one length."""
    names = result_names(job)
    total = job.metrics.get("audio_seconds")
    return round(total / len(names), 3) if names and total is not None else None


def readable_name(item: LibraryItem, name: str) -> str:
    """A readable name of a result's file, without an ending.

    Args:
        item: whose result it is.
        name: of the result.
    """
    job = item.job
    label = " ".join((item.title or prompt_of(job) or job.destination or "songloom").split())
    label = truncate_at_word(label, LONGEST_NAME if item.title else LONGEST_PROMPT)
    # A dot in a title is no ending, which is what names are cut before.
    label = safe_name(label.replace("/", "-").replace("\\", "-")).rstrip(". ")
    names = result_names(job)
    return f"{label} {names.index(name) + 1}" if len(names) > 1 else label


def _output(job: Job, name: str, links: Links) -> dict[str, Any]:
    """A result; of a training it is a packed model, which has no sound."""
    output: dict[str, Any] = {"name": name, "url": links.output_url(job, name)}
    if job.kind == "training":
        return output | {"seconds": None, "peaks": None, "downloads": {}}
    path = f"/v1/library/{quote(job.id, safe='')}/sounds/{quote(name, safe='')}"
    downloads = {format: links.signed_url(f"{path}/{format}") for format in FORMATS}
    own = PurePath(name).suffix.removeprefix(".")
    downloads.setdefault(own, links.output_url(job, name))
    return output | {
        "seconds": seconds_of(job),
        "peaks": links.signed_url(f"{path}/peaks"),
        "downloads": downloads,
    }
