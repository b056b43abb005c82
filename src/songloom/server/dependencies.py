"""Dependencies of routes: the server's parts, URLs of the answer, records by their ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import URL

from songloom.jobs.store.records import Job, JobKind, StoredFile
from songloom.server.http.links import Links
from songloom.server.http.problems import ProblemError
from songloom.server.render.replicate import render_job
from songloom.server.services import Services


def services_of(request: Request) -> Services:
    """The parts of the server that a request came to."""
    services: Services = request.app.state.services
    return services


Serving = Annotated[Services, Depends(services_of)]


def links_of(request: Request, services: Serving) -> Links:
    """Makes URLs as this client reaches the server."""
    base = services.settings.public_url or str(request.base_url)
    return Links(base.rstrip("/"), services.signer.sign)


Linking = Annotated[Links, Depends(links_of)]


def url_of(request: Request, links: Links) -> URL:
    """The URL of a request as its client knows it."""
    query = f"?{request.url.query}" if request.url.query else ""
    return URL(links.absolute_url(request.url.path + query))


def job_json(job: Job, links: Links, services: Services) -> dict[str, Any]:
    """A job as JSON."""
    return render_job(job, links, model=services.models.model_of(job))


def known_job(kind: JobKind) -> Callable[..., Job]:
    """A dependency: the job of a kind that a request's path names, or a 404."""

    def find_job(id: str, services: Serving) -> Job:
        job = services.store.job(id)
        if job is None or job.kind != kind:
            raise ProblemError(
                404, f"there is no {kind} {id!r}; GET /v1/{kind}s lists those that there are"
            )
        return job

    return find_job


def known_file(id: str, services: Serving) -> StoredFile:
    """The file that a request's path names, or a 404."""
    file = services.store.file(id)
    if file is None:
        raise ProblemError(404, f"there is no file {id!r}; GET /v1/files lists those there are")
    return file


KnownFile = Annotated[StoredFile, Depends(known_file)]
