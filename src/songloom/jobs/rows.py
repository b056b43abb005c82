"""Between records and rows, or the JSON of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import RowMapping

from songloom.jobs.records import Delivery, Job, StoredFile, Token, Version

Record = TypeVar("Record", Job, Version, StoredFile, Token)

_TIMES = ("created_at", "started_at", "completed_at")


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
    for name in _TIMES:
        moment = values.get(name)
        if isinstance(moment, datetime) and moment.tzinfo is None:  # SQLite drops the zone
            values[name] = moment.replace(tzinfo=UTC)
    if "webhook_events" in values:
        values["webhook_events"] = tuple(values["webhook_events"])
    return kind(**values)


def snapshot(job: Job) -> dict[str, Any]:
    """A job as JSON."""
    row = to_row(job) | {"sequence": job.sequence}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def delivery_from(row: RowMapping) -> Delivery:
    """A delivery of its row."""
    values = {
        name: datetime.fromisoformat(value) if name in _TIMES and value else value
        for name, value in row["snapshot"].items()
    }
    return Delivery(row["id"], row["event"], from_row(Job, values), row["attempts"])
