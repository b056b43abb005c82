"""Between records and rows, or the JSON of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import RowMapping

from songloom.jobs.store.records import Delivery, Job, StoredFile, Token, Version

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


def from_row(kind: type[Record], row: RowMapping | Mapping[str, Any]) -> Record:
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


def delivery_from(row: RowMapping, job: Job) -> Delivery:
    """A delivery, of its row and the job as it is now."""
    then: dict[str, Any] = {
        name: datetime.fromisoformat(value) if name in _TIMES and value else value
        for name, value in row["snapshot"].items()
    }
    return Delivery(row["id"], row["event"], replace(job, **then), row["attempts"])
