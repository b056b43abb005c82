"""The surface of a Cog container, with the observable behaviour of Cog 0.9."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field

from songloom.errors import DuplicateError, QueueFullError
from songloom.jobs.store.records import WEBHOOK_EVENTS, Job, JobKind, WebhookEvent, new_id
from songloom.server.inputs.inputs import InputError, check_prediction, check_training
from songloom.server.inputs.webhook_urls import check_webhook
from songloom.server.page import page_response, wants_page
from songloom.server.render.cog import render
from songloom.server.services import Services
from songloom.version import __version__

ASYNCHRONOUS = "respond-async"
"""Value of `Prefer` where the answer is to come at once."""
BUSY = "Already running a prediction"
"""Cog's words; here they mean that the queue is full."""


class CogRequest(BaseModel):
    """The body of a request for a prediction or a training; what else is in it is ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    input: dict[str, Any] | None = None
    id: Annotated[str, Field(max_length=512)] | None = None
    """An empty one is none."""
    created_at: datetime | None = None
    output_file_prefix: str | None = None
    webhook: AnyHttpUrl | None = None
    webhook_events_filter: list[WebhookEvent] | None = None


router = APIRouter(include_in_schema=False)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


@router.get("/")
async def discover(request: Request) -> Response:
    """Where everything is; for a person with a browser, the page."""
    if wants_page(request):
        return await asyncio.to_thread(page_response, request)
    base = (_services(request).settings.public_url or str(request.base_url)).rstrip("/")
    urls = {
        "docs_url": "/docs",
        "openapi_url": "/openapi.json",
        "shutdown_url": "/shutdown",
        "healthcheck_url": "/health-check",
    }
    for kind in ("prediction", "training"):
        urls[f"{kind}s_url"] = f"/{kind}s"
        urls[f"{kind}s_idempotent_url"] = f"/{kind}s/{{{kind}_id}}"
        urls[f"{kind}s_cancel_url"] = f"/{kind}s/{{{kind}_id}}/cancel"
    found = {"cog_version": "0.9.4"} | {name: base + path for name, path in urls.items()}
    return JSONResponse(found, headers={"Vary": "Accept"})


@router.get("/health-check")
async def check_health(request: Request) -> dict[str, Any]:
    """How the server is; always 200."""
    services = _services(request)
    ready = services.dispatcher.ready
    status = "READY" if ready else "DEFUNCT" if services.dispatcher.draining else "STARTING"
    counts = await asyncio.to_thread(services.store.counts)
    waiting = sum(count for (_, status), count in counts.items() if status == "starting")
    if ready and waiting >= services.settings.queue_limit:
        status = "BUSY"
    setup = {
        "started_at": services.started_at.isoformat(),
        "completed_at": services.dispatcher.ready_at and services.dispatcher.ready_at.isoformat(),
        "logs": "",
        "status": "succeeded" if services.dispatcher.ready_at else "starting",
    }
    return {"status": status, "setup": setup, "version": {"songloom": __version__}}


@router.post("/shutdown")
async def shut_down(request: Request) -> dict[str, str]:
    """Stop as on a signal: running predictions finish, trainings are saved."""
    _services(request).stop()
    return {}


def _routes(kind: JobKind) -> APIRouter:
    """The three routes of predictions, or of trainings."""
    routes = APIRouter(include_in_schema=False)

    @routes.post(f"/{kind}s")
    async def create(
        request: Request,
        body: CogRequest | None = None,
        prefer: Annotated[str | None, Header()] = None,
    ) -> JSONResponse:
        """Make one; the answer comes with the result, or at once where that is preferred."""
        return await _create_job(_services(request), kind, body or CogRequest(), prefer)

    @routes.put(f"/{kind}s/{{id:path}}")
    async def create_idempotent(
        request: Request,
        id: str,
        body: CogRequest,
        prefer: Annotated[str | None, Header()] = None,
    ) -> JSONResponse:
        """Make one of a given id; one that is there already is shown.

        Requests that come at the same time are one: each waits for the result if the first does.
        """
        services = _services(request)
        if body.id is not None and body.id != id:
            message = "prediction ID must match the ID supplied in the URL"
            raise RequestValidationError(
                [{"loc": ("body", "id"), "msg": message, "type": "value_error"}]
            )
        known = await asyncio.to_thread(services.store.job, id)
        if known is not None and known.kind == kind:
            if id in services.awaited and prefer != ASYNCHRONOUS:
                known = await services.dispatcher.wait_until_ended(id, None)
            return await _answer(services, known, 200 if known.ended else 202)
        body = body.model_copy(update={"id": id})
        return await _create_job(services, kind, body, prefer, idempotent=True)

    @routes.post(f"/{kind}s/{{id:path}}/cancel")
    async def cancel(request: Request, id: str) -> JSONResponse:
        """Stop one that runs or waits."""
        services = _services(request)
        job = await asyncio.to_thread(services.store.job, id)
        if job is None or job.kind != kind or job.ended:
            return JSONResponse({}, 404)
        await services.dispatcher.cancel(id)
        return JSONResponse({}, 200)

    return routes


async def _create_job(
    services: Services,
    kind: JobKind,
    body: CogRequest,
    prefer: str | None,
    *,
    idempotent: bool = False,
) -> JSONResponse:
    """Make a job, and wait for its end where the client does.

    Args:
        services: the server's parts.
        kind: of the job.
        body: of the request.
        prefer: the header of that name.
        idempotent: whether a job of that id, which another request was faster to make, is as good.
    """
    # A worker that was lost later comes back: until then what is accepted waits.
    if services.dispatcher.ready_at is None or services.dispatcher.draining:
        raise HTTPException(
            503, "the server is still being set up, or is about to stop; retry soon"
        )
    job = await _check_job(services, kind, body)
    if prefer == ASYNCHRONOUS:
        return await _answer(services, await _accept_job(services, job, idempotent), 202)
    services.awaited.add(job.id)  # before others can see it
    try:
        job = await _accept_job(services, job, idempotent)
        job = await services.dispatcher.wait_until_ended(job.id, None)
    finally:
        services.awaited.discard(job.id)
    return await _answer(services, job, 200)


async def _accept_job(services: Services, job: Job, idempotent: bool) -> Job:
    try:
        return await services.dispatcher.accept(job)
    except QueueFullError:
        raise HTTPException(409, BUSY) from None
    except DuplicateError:
        other = await asyncio.to_thread(services.store.job, job.id)
        if not idempotent or other is None or other.kind != job.kind:
            raise HTTPException(409, BUSY) from None
        return other


async def _check_job(services: Services, kind: JobKind, body: CogRequest) -> Job:
    """The job that a body asks for; a 422 where its input makes no sense."""
    check = check_prediction if kind == "prediction" else check_training
    try:
        checked = await asyncio.to_thread(check, body.input, services.settings, services.models)
    except InputError as error:
        raise error.as_validation() from None
    webhook = "" if body.webhook is None else str(body.webhook)
    folder = services.settings.upload_url
    prefix = body.output_file_prefix or (f"{folder.rstrip('/')}/" if folder else "")
    await check_webhook(services.fetcher, webhook, ("body", "webhook"))
    await check_webhook(services.fetcher, prefix, ("body", "output_file_prefix"))
    events = body.webhook_events_filter
    return Job(
        id=body.id or new_id(),
        kind=kind,
        surface="cog",
        input=body.input or {},
        model=checked.model,
        seed=checked.seed,
        logs="".join(f"{note}\n" for note in checked.notes),
        webhook=webhook,
        webhook_events=WEBHOOK_EVENTS if events is None else tuple(events),
        output_prefix=prefix,
    )


async def _answer(services: Services, job: Job, status: int) -> JSONResponse:
    """A job's JSON; large results take a while to encode, for which nobody else should wait."""
    folder = services.dispatcher.folder(job.id)
    return await asyncio.to_thread(lambda: JSONResponse(render(job, folder), status))


router.include_router(_routes("prediction"))
router.include_router(_routes("training"))
