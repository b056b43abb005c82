"""The tables of the store."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
)

from songloom.jobs.store.columns import Moment, Words

SCHEMA_VERSION = 2
"""Counted up whenever a table changes; a store of a newer one is not touched."""

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
