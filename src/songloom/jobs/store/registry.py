"""Versions of models, uploaded files, tokens and secrets, in the store's database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, insert, select
from sqlalchemy.exc import IntegrityError

from songloom.errors import DuplicateError
from songloom.jobs.store.database import transaction
from songloom.jobs.store.records import StoredFile, Token, Version, from_row, to_row
from songloom.jobs.store.schema import clamp_sequence, facts, files, tokens, versions


class Registry:
    """Versions, files, tokens and secrets; every call is one transaction.

    Args:
        engine: of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # Versions of models

    def add_version(self, version: Version) -> Version:
        """Publish a version.

        Raises:
            DuplicateError: there is one of that id.
        """
        with transaction(self._engine) as connection:
            insert_version(connection, version)
            row = connection.execute(select(versions).where(versions.c.id == version.id)).mappings()
            return from_row(Version, row.one())

    def version(self, id: str) -> Version | None:
        """A version by its id."""
        found = self._versions(select(versions).where(versions.c.id == id))
        return found[0] if found else None

    def versions(self, owner: str, name: str) -> list[Version]:
        """A model's versions, the newest first."""
        return self._versions(
            select(versions).where(versions.c.owner == owner, versions.c.name == name)
        )

    def all_versions(self) -> list[Version]:
        """All versions, the newest first."""
        return self._versions(select(versions))

    def remove_version(self, id: str) -> bool:
        """Forget a version; whether there was one."""
        with transaction(self._engine) as connection:
            return connection.execute(delete(versions).where(versions.c.id == id)).rowcount > 0

    def _versions(self, wanted: Select[Any]) -> list[Version]:
        with transaction(self._reader) as connection:
            rows = connection.execute(wanted.order_by(versions.c.sequence.desc())).mappings()
            return [from_row(Version, row) for row in rows]

    # Files

    def add_file(self, file: StoredFile) -> StoredFile:
        """Remember an uploaded file, whose id is new."""
        with transaction(self._engine) as connection:
            connection.execute(insert(files).values(to_row(file)))
            row = connection.execute(select(files).where(files.c.id == file.id)).mappings().one()
            return from_row(StoredFile, row)

    def file(self, id: str) -> StoredFile | None:
        """A file, None where there is none of that id."""
        with transaction(self._reader) as connection:
            row = connection.execute(select(files).where(files.c.id == id)).mappings().first()
            return None if row is None else from_row(StoredFile, row)

    def files(
        self, *, before: int | None = None, after: int | None = None, limit: int = 100
    ) -> list[StoredFile]:
        """Files, the newest first; `before` and `after` are places in their order, as of `jobs`."""
        wanted = select(files).limit(limit)
        if before is not None:
            wanted = wanted.where(files.c.sequence < clamp_sequence(before))
        if after is not None:
            wanted = wanted.where(files.c.sequence > clamp_sequence(after))
        nearest_first = files.c.sequence.asc() if after is not None else files.c.sequence.desc()
        with transaction(self._reader) as connection:
            rows = connection.execute(wanted.order_by(nearest_first)).mappings()
            found = [from_row(StoredFile, row) for row in rows]
        return found[::-1] if after is not None else found

    def remove_file(self, id: str) -> bool:
        """Forget a file; whether there was one."""
        with transaction(self._engine) as connection:
            return connection.execute(delete(files).where(files.c.id == id)).rowcount > 0

    # Tokens and secrets

    def add_token(self, token: Token) -> None:
        """Add a token.

        Raises:
            DuplicateError: there is a token of that name.
        """
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(tokens).values(to_row(token)))
        except IntegrityError:
            raise DuplicateError(
                f"there is a token {token.name!r} already; revoke it, or choose another name"
            ) from None

    def tokens(self) -> list[Token]:
        """All tokens, by name."""
        with transaction(self._reader) as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.name)).mappings()
            return [from_row(Token, row) for row in rows]

    def remove_token(self, name: str) -> bool:
        """Revoke a token; whether there was one."""
        with transaction(self._engine) as connection:
            return connection.execute(delete(tokens).where(tokens.c.name == name)).rowcount > 0

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """A secret that stays the same, made when it is first asked for."""
        wanted = select(facts.c.value).where(facts.c.name == f"secret:{name}")
        with transaction(self._reader) as connection:
            value = connection.execute(wanted).scalar_one_or_none()
            if value is not None:
                return str(value)
        made = {"name": f"secret:{name}", "value": make()}
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(facts).values(made))
                return made["value"]
        except IntegrityError:  # someone else was faster
            with transaction(self._reader) as connection:
                return str(connection.execute(wanted).scalar_one())


def insert_version(connection: Connection, version: Version) -> None:
    """Add a version within a transaction.

    Raises:
        DuplicateError: there is one of that id.
    """
    try:
        connection.execute(insert(versions).values(to_row(version)))
    except IntegrityError:
        raise DuplicateError(
            f"there is a version with the id {version.id!r} already; publish each once"
        ) from None
