"""Records of the store: jobs, versions of models, files, tokens, pending webhooks.

Times are aware datetimes in UTC, for people to read. Nothing is ordered or timed by them, since a
clock can be set back: order is that of `sequence`, which the store counts up.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, TypeVar, get_args

from songloom.clock import utc_now

JobKind = Literal["prediction", "training"]
Surface = Literal["cog", "replicate"]
"""Whose rules a job's webhooks and outputs follow: that of the API it came in by."""
Status = Literal["starting", "processing", "succeeded", "failed", "canceled"]
WebhookEvent = Literal["start", "output", "logs", "completed"]

KINDS: tuple[JobKind, ...] = get_args(JobKind)
WEBHOOK_EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)
ENDED: frozenset[Status] = frozenset({"succeeded", "failed", "canceled"})

_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_id() -> str:
    """An id that no other job or file has, in the form that hosted models have: 26 characters."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(26))


@dataclass(frozen=True)
class Job:
    """A prediction or a training, from the moment it was accepted."""

    id: str
    kind: JobKind
    surface: Surface
    input: Mapping[str, Any]
    """As it was sent, for showing it again."""
    model: str
    """The local model to run, or to train: what `load` takes."""
    version: str = ""
    """Id of the version that was asked for."""
    destination: str = ""
    """`owner/name` that a training's result is published as."""
    seed: int | None = None
    """A prediction's seed, drawn when it was accepted, so that running it again changes nothing."""
    status: Status = "starting"
    output: Mapping[str, Any] | None = None
    """`{"files": [names in the job's folder]}`, and for a training `version` as well."""
    error: str | None = None
    logs: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    webhook: str = ""
    webhook_events: tuple[WebhookEvent, ...] = WEBHOOK_EVENTS
    output_prefix: str = ""
    """URL that output files are uploaded under, for the Cog surface; empty for data URLs."""
    cancel_after: float | None = None
    """Seconds after which the job is cancelled, counted from its acceptance."""
    cancel_requested: bool = False
    attempts: int = 0
    """How often it was begun, without those that ended through no fault of its own."""
    data_removed: bool = False
    """Whether input, output and logs were removed, by age or size or because someone asked."""
    created_at: datetime = field(default_factory=utc_now)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    sequence: int = 0
    """Place in the order of acceptance; the store gives it."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDED


@dataclass(frozen=True)
class LibraryItem:
    """A job as its owner keeps it."""

    job: Job
    title: str | None = None
    favorite: bool = False
    deleted_at: datetime | None = None
    """When it was moved to the trash; None where it was not."""


@dataclass(frozen=True)
class Version:
    """A model that a training on this server published."""

    id: str
    """64 hexadecimal digits."""
    owner: str
    name: str
    model: str
    """The local model's name."""
    training: str
    """Id of the training."""
    created_at: datetime = field(default_factory=utc_now)
    sequence: int = 0


@dataclass(frozen=True)
class StoredFile:
    """An uploaded file; its bytes lie in the folder of files, under its id."""

    id: str
    name: str
    content_type: str
    size: int
    """Bytes."""
    sha256: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=utc_now)
    sequence: int = 0


@dataclass(frozen=True)
class Token:
    """Who may use the server; the token itself is not kept."""

    name: str
    sha256: str
    created_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True)
class Delivery:
    """A webhook that is owed."""

    id: int
    event: WebhookEvent
    job: Job
    """As it was when the event happened."""
    attempts: int
    """How often it was tried in vain."""


Record = TypeVar("Record", Job, Version, StoredFile, Token)

_TIMES = ("started_at", "completed_at")
_CHANGING = (
    *("status", "output", "error", "logs", "metrics", "cancel_requested", "attempts"),
    *("data_removed", *_TIMES),
)


def to_row(record: Job | Version | StoredFile | Token) -> dict[str, Any]:
    """The columns of a record that is not in the store yet."""
    row = {item.name: getattr(record, item.name) for item in fields(record)}
    row.pop("sequence", None)
    if isinstance(record, Job):
        row["webhook_events"] = list(record.webhook_events)
    return row


def from_row(kind: type[Record], row: Mapping[Any, Any]) -> Record:
    """The record of a row."""
    values: dict[str, Any] = {item.name: row[item.name] for item in fields(kind)}
    if "webhook_events" in values:
        values["webhook_events"] = tuple(values["webhook_events"])
    return kind(**values)


def snapshot(job: Job) -> dict[str, Any]:
    """The fields of a job that change, as JSON; not its input, which can be large."""
    values = {name: getattr(job, name) for name in _CHANGING}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def delivery_from(row: Mapping[Any, Any], job: Job) -> Delivery:
    """A delivery, of its row and the job as it is now."""
    then: dict[str, Any] = {
        name: datetime.fromisoformat(value) if name in _TIMES and value else value
        for name, value in row["snapshot"].items()
    }
    return Delivery(row["id"], row["event"], replace(job, **then), row["attempts"])
