"""The store's database: SQLite in a file, or PostgreSQL, by URL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from songloom.errors import MissingExtraError, OutputError
from songloom.jobs.store.migrations import migrate
from songloom.jobs.store.schema import SCHEMA_VERSION, facts, metadata, to_json

BUSY_SECONDS = 30.0
"""How long one transaction waits for another."""
LOOK_SECONDS = 0.02
"""Between two tries at what SQLite does not wait for itself."""
CONNECT_SECONDS = 10
"""How long a server of databases is waited for."""
_LINE = 0x736F6E67
"""Number of the lock that transactions stand in line for; any would do."""


def open_database(url: str) -> Engine:
    """Connect, make what tables are missing, and bring those of an older version up to date.

    Raises:
        OutputError: the database can't be reached or written, or is of a newer version.
        MissingExtraError: what speaks to that database is not installed.
    """
    engine = _engine(url)
    try:
        with transaction(engine) as connection:
            stand_in_line(connection)
            facts.create(connection, checkfirst=True)
            found = _version(connection)  # before anything is made in a database of others
            metadata.create_all(connection)
            migrate(connection, found)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: on disk when the block is left, or not there at all.

    Args:
        engine: with the option `reading`, transactions that only read; with `lax`, such that a
            power cut may undo (never half, and never one that a later strict one follows).

    Raises:
        OutputError: the database refuses, as it does when the disk is full.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise  # whoever inserts knows what it means
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise OutputError(
            f"the database {engine.url.render_as_string(hide_password=True)} can't be used "
            f"({cause}); see that it can be reached, may be written and has room on its disk"
        ) from error


def stand_in_line(connection: Connection) -> None:
    """Let a transaction wait until no other one that asked for it is under way.

    With SQLite all writers do so as it is.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LINE)))


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        kind, driver = parsed.get_backend_name(), parsed.drivername
        if kind == "sqlite":
            return _sqlite(parsed)
        if driver in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        elif kind != "postgresql":
            raise ArgumentError
        return create_engine(
            parsed,
            pool_pre_ping=True,
            json_serializer=to_json,
            connect_args={"connect_timeout": CONNECT_SECONDS},
        )
    except ArgumentError:
        # What can't be read may have a password in it.
        found = repr(url) if "@" not in url else "something else"
        raise OutputError(
            f"database is {found}, but must be a URL such as sqlite:////path/file.db or "
            "postgresql://user:password@host/name; correct it"
        ) from None
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise MissingExtraError(
            f"nothing here can speak to PostgreSQL ({error}); install songloom with its extra: "
            "pip install 'songloom[postgres]'"
        ) from error


def _sqlite(url: URL) -> Engine:
    path = url.database or ""
    if not path or path == ":memory:":
        raise OutputError(
            f"database is '{url}', but jobs must outlive the server; name a file: "
            "sqlite:////path/file.db"
        )
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Inputs, results and secrets are in it: they are no other user's business.
        Path(path).touch(mode=0o600)
    except OSError as error:
        raise OutputError(
            f"the database {path!r} can't be made ({error.strerror}); choose another place for it"
        ) from error
    engine = create_engine(url, json_serializer=to_json, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        _log_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("reading", False):
            connection.exec_driver_sql("BEGIN")
            return
        lax = options.get("lax", False)
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if lax else 'FULL'}")
        # Writers stand in line from the start, instead of failing when they come to write.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Have a database keep a write-ahead log, once nobody else is just opening it.

    SQLite waits for others in transactions, but not in this change.
    """
    ends = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(LOOK_SECONDS)


def _version(connection: Connection) -> int:
    """The version of the tables that are there; an empty database is as good as ours."""
    row = connection.execute(select(facts.c.value).where(facts.c.name == "schema_version")).first()
    if row is None:
        values = {"name": "schema_version", "value": str(SCHEMA_VERSION)}
        connection.execute(insert(facts).values(values))
        return SCHEMA_VERSION
    if int(row.value) > SCHEMA_VERSION:
        raise OutputError(
            f"the database is of version {row.value}, but this songloom knows versions up to "
            f"{SCHEMA_VERSION} only; use the newer songloom that wrote it, or another database"
        )
    return int(row.value)
