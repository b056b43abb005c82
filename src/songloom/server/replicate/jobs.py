"""Routes that predictions and trainings have alike: one, all of them, cancelling, events."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response

from songloom.jobs.store.records import Job, JobKind
from songloom.server.dependencies import Linking, Serving, job_json, known_job, url_of
from songloom.server.http.pages import Paging, page
from songloom.server.streams import EVENTS, client_events, event_response, job_events

LONGEST_LISTED = 10_000
"""Characters of a log in a list: its end, where progress is read. The job itself has all of it."""


def job_routes(kind: JobKind) -> APIRouter:
    """The routes below /v1/predictions, or below /v1/trainings."""
    router = APIRouter(prefix=f"/v1/{kind}s", tags=[f"{kind}s"])
    # Annotations of routes are read as they stand, so this module does not defer them.
    Known = Annotated[Job, Depends(known_job(kind))]

    @router.get("")
    def list_jobs(
        request: Request,
        query: Paging,
        services: Serving,
        links: Linking,
        created_after: Annotated[datetime | None, Query()] = None,
        created_before: Annotated[datetime | None, Query()] = None,
    ) -> dict[str, Any]:
        """All that there are, newest first."""
        return page(
            query,
            lambda limit: services.store.jobs(
                kind,
                before=query.before,
                after=query.after,
                limit=limit,
                created_after=_with_timezone(created_after),
                created_before=_with_timezone(created_before),
            ),
            lambda job: job.sequence,
            lambda job: job_json(replace(job, logs=job.logs[-LONGEST_LISTED:]), links, services),
            url_of(request, links),
        )

    @router.get("/{id}")
    def get_job(job: Known, services: Serving, links: Linking) -> dict[str, Any]:
        """One, as it is now."""
        return job_json(job, links, services)

    @router.post("/{id}/cancel")
    async def cancel_job(job: Known, services: Serving, links: Linking) -> dict[str, Any]:
        """Stop it; one that has ended stays as it is."""
        canceled = await services.dispatcher.cancel(job.id)
        return job_json(canceled or job, links, services)

    @router.get("/{id}/events", response_class=Response, responses=EVENTS)
    async def tell_events(
        job: Known,
        services: Serving,
        links: Linking,
        last_event_id: Annotated[str, Header()] = "",
    ) -> Response:
        """Its events, as Server-Sent Events: `status`, `progress`, `log`, `preview`.

        All data are JSON objects; `status` is the whole job, at first and at each change. The
        stream ends when the job has.
        """
        if job.ended and last_event_id:
            return Response(status_code=204)  # a browser that came back is told not to

        def render(job: Job) -> dict[str, Any]:
            return job_json(job, links, services)

        events = job_events(services.dispatcher, job.id, render, links.signed_url)
        return event_response(events)

    @router.get("/{id}/stream", response_class=Response, responses=EVENTS)
    async def tell_clients(
        job: Known, services: Serving, links: Linking, last_event_id: Annotated[str, Header()] = ""
    ) -> Response:
        """The same in the words of Replicate's clients: `output`, `logs`, `error`, `done`."""
        if job.ended and last_event_id:
            return Response(status_code=204)
        events = client_events(
            services.dispatcher, job.id, lambda job: job_json(job, links, services)
        )
        return event_response(events)

    return router


def _with_timezone(moment: datetime | None) -> datetime | None:
    """A time that names no zone is taken for UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
