"""The tables of the store."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = 1
"""Counted up whenever a table changes; a store of a newer one is not touched."""

# SQLite counts up only what it calls INTEGER.
Counter = BigInteger().with_variant(Integer, "sqlite")
metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("id", String(512), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("surface", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("input", JSON, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("seed", BigInteger),
    Column("output", JSON(none_as_null=True)),
    Column("error", Text),
    Column("logs", Text, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("webhook", Text, nullable=False),
    Column("webhook_events", JSON, nullable=False),
    Column("output_prefix", Text, nullable=False),
    Column("cancel_after", Float),
    Column("cancel_requested", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("data_removed", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    Index("jobs_by_status", "status", "sequence"),
    Index("jobs_by_kind", "kind", "sequence"),
    sqlite_autoincrement=True,  # a place in the order is never given twice
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("job", String(512), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("event", String(16), nullable=False),
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
    Column("id", String(64), nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("training", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)

files = Table(
    "files",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""The schema's version, and secrets."""
