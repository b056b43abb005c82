"""Bodies of requests that create predictions and trainings, and the job made of one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from songloom.jobs.store.records import WEBHOOK_EVENTS, Job, JobKind, WebhookEvent, new_id
from songloom.server.http.headers import cancel_after_seconds
from songloom.server.inputs.inputs import Checked, InputError, check_prediction, check_training
from songloom.server.inputs.model_index import ModelVersion
from songloom.server.inputs.webhook_urls import check_webhook
from songloom.server.services import Services


class JobBody(BaseModel):
    """The body of a request for a prediction or a training; what else is in it is ignored."""

    model_config = ConfigDict(extra="ignore")

    input: dict[str, Any] | None = Field(None, description="The inputs, by their names.")
    webhook: AnyHttpUrl | None = Field(None, description="URL that is told what happens, by POST.")
    webhook_completed: AnyHttpUrl | None = Field(
        None, description="URL that is told of the end only; in old clients, in place of `webhook`."
    )
    webhook_events_filter: list[WebhookEvent] | None = Field(
        None, description="What the webhook is told of; everything where it is not given."
    )


class PredictionBody(JobBody):
    """The body of a request for a prediction."""

    stream: Annotated[
        bool | None, Field(description="Ignored: every prediction can be streamed.")
    ] = None


async def new_job(
    kind: JobKind,
    body: JobBody,
    version: ModelVersion,
    services: Services,
    *,
    cancel_after: str = "",
    destination: str = "",
) -> Job:
    """The job that a request asks for, checked but not accepted.

    Args:
        kind: of the job.
        body: of the request.
        version: what is to run, or to be trained.
        services: the server's parts.
        cancel_after: the header of that name.
        destination: `owner/name` of what a training makes.

    Raises:
        RequestValidationError: an input, or the webhook, makes no sense.
        ProblemError: `cancel_after` makes none.
    """
    seconds = cancel_after_seconds(cancel_after)
    checked = await run_in_threadpool(_check_input, kind, body, version, services)
    webhook, events = body.webhook, body.webhook_events_filter
    place = "webhook"
    if webhook is None and body.webhook_completed is not None:
        webhook, events, place = body.webhook_completed, ["completed"], "webhook_completed"
    url = "" if webhook is None else str(webhook)
    await check_webhook(services.fetcher, url, ("body", place))
    return Job(
        id=new_id(),
        kind=kind,
        surface="replicate",
        input=body.input or {},
        model=checked.model,
        version=version.id,
        destination=destination,
        seed=checked.seed,
        logs="".join(f"{note}\n" for note in checked.notes),
        webhook=url,
        webhook_events=WEBHOOK_EVENTS if events is None else tuple(events),
        cancel_after=seconds,
    )


def _check_input(
    kind: JobKind, body: JobBody, version: ModelVersion, services: Services
) -> Checked:
    try:
        if kind == "prediction":
            return check_prediction(
                body.input, services.settings, services.models, model=version.model
            )
        return check_training(body.input, services.settings, services.models, model=version.base)
    except InputError as error:
        raise error.as_validation() from None
