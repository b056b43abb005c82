"""The tables of the store."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that no text column takes: NUL (PostgreSQL), and lone surrogates."""
LARGEST = 2**63 - 1
"""The largest whole number that fits a column."""
SCHEMA_VERSION = 2
"""Counted up whenever a table changes; a store of a newer one is not touched."""


class Words(TypeDecorator[str]):
    """Text from anywhere; what can't be stored becomes U+FFFD, in what is looked for as well.

    Without a length there is no limit.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Convert a value for the database."""
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)


class Moment(TypeDecorator[datetime]):
    """A time in UTC; SQLite keeps no zones, and would compare times of several ones as texts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a value for the database."""
        return None if value is None else _to_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a value from the database."""
        return None if value is None else _to_utc(value)


# SQLite counts up only what it calls INTEGER.
Counter = BigInteger().with_variant(Integer, "sqlite")
metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("id", Words(512), nullable=False, unique=True),
    Column("kind", Words(16), nullable=False),
    Column("surface", Words(16), nullable=False),
    Column("status", Words(16), nullable=False),
    Column("input", JSON, nullable=False),
    Column("model", Words, nullable=False),
    Column("version", Words, nullable=False),
    Column("destination", Words, nullable=False),
    Column("seed", BigInteger),
    Column("output", JSON(none_as_null=True)),
    Column("error", Words),
    Column("logs", Words, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("webhook", Words, nullable=False),
    Column("webhook_events", JSON, nullable=False),
    Column("output_prefix", Words, nullable=False),
    Column("cancel_after", Float),
    Column("cancel_requested", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("data_removed", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("completed_at", Moment),
    Index("jobs_by_status", "status", "sequence"),
    Index("jobs_by_kind", "kind", "sequence"),
    sqlite_autoincrement=True,  # a place in the order is never given twice
)

marks = Table(
    "marks",
    metadata,
    Column(
        "job",
        Counter,
        ForeignKey("jobs.sequence", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("title", Words),
    Column("favorite", Boolean, nullable=False),
    Column("deleted_at", Moment),
    Column("words", Words, nullable=False),
    Index("marks_by_deletion", "deleted_at"),
)
"""Annotations: one row for each job."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("job", Words(512), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("event", Words(16), nullable=False),
    Column("snapshot", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Float, nullable=False),
    Index("deliveries_by_job", "job", "id"),
    sqlite_autoincrement=True,
)

versions = Table(
    "versions",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("id", Words(64), nullable=False, unique=True),
    Column("owner", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("model", Words, nullable=False),
    Column("training", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

files = Table(
    "files",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("id", Words(64), nullable=False, unique=True),
    Column("name", Words, nullable=False),
    Column("content_type", Words, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Words(64), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", Words(256), primary_key=True),
    Column("sha256", Words(64), nullable=False),
    Column("created_at", Moment, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("name", Words(64), primary_key=True),
    Column("value", Words, nullable=False),
)
"""The schema's version, and secrets."""


def to_json(value: Any) -> str:
    """JSON as databases take it: numbers that are none are null, mappings of all kinds are read."""
    try:
        return json.dumps(value, default=_to_dict, allow_nan=False)
    except ValueError:
        written = json.dumps(value, default=_to_dict)
        return json.dumps(json.loads(written, parse_constant=lambda name: None))


def clamp_sequence(place: int) -> int:
    """Limit a `sequence` from a client, which may send any number, to what a column holds."""
    return max(0, min(place, LARGEST))


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # before the year 1 or after 9999, there
        return moment.replace(tzinfo=UTC)


def _to_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
