"""Jobs as their owner organizes them: titles, favorites, trash and search."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    RowMapping,
    Select,
    and_,
    func,
    literal,
    select,
    update,
)

from songloom.clock import utc_now
from songloom.jobs.store.annotations import normalize, search_words
from songloom.jobs.store.database import transaction
from songloom.jobs.store.records import Job, JobKind, LibraryItem, from_row
from songloom.jobs.store.schema import clamp_sequence, jobs, marks


class JobLibrary:
    """Jobs with their annotations.

    Args:
        engine: of the store.
        reader: the same, for what only reads.
    """

    def __init__(self, engine: Engine, reader: Engine) -> None:
        self._engine, self._reader = engine, reader

    def page(
        self,
        *,
        query: str = "",
        kind: JobKind | None = None,
        favorite: bool | None = None,
        deleted: bool = False,
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[list[LibraryItem], int]:
        """Some jobs, the newest first, and how many there are on all pages.

        Their logs, which can be long, are not read.

        Args:
            query: words that all of them have in title, prompt or destination.
            kind: of the jobs; None for both.
            favorite: only those that are favorites, or that are none.
            deleted: those in the trash, instead of those that are not.
            before: only those that come before this place in the order.
            limit: how many at most.
        """
        conditions = _match_filters(query, kind, favorite, deleted)
        count = select(func.count()).select_from(marks).where(conditions)
        wanted = _select_items().where(conditions).order_by(marks.c.job.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(marks.c.job < clamp_sequence(before))
        with transaction(self._reader) as connection:
            rows = connection.execute(wanted).mappings()
            found = [_from_row(row) for row in rows]
            return found, connection.execute(count).scalar_one()

    def item(self, id: str) -> LibraryItem | None:
        """A job, without its log; None where there is none of that id."""
        with transaction(self._reader) as connection:
            row = connection.execute(_select_items().where(jobs.c.id == id)).mappings().first()
            return None if row is None else _from_row(row)

    def rename(self, id: str, title: str | None) -> None:
        """Give a job a title, or none."""
        with transaction(self._engine) as connection:
            row = connection.execute(
                select(jobs.c.sequence, jobs.c.input, jobs.c.destination).where(jobs.c.id == id)
            ).first()
            if row is None:
                return
            words = search_words(row.input, row.destination, title)
            mine = marks.c.job == row.sequence
            connection.execute(update(marks).where(mine).values(title=title, words=words))

    def favor(self, id: str, favorite: bool) -> None:
        """Set whether a job is a favorite."""
        self._set(id, favorite=favorite)

    def delete(self, id: str) -> None:
        """Move a job to the trash; one that is there already keeps its date."""
        with transaction(self._engine) as connection:
            mine = (marks.c.job == _sequence(id)) & marks.c.deleted_at.is_(None)
            connection.execute(update(marks).where(mine).values(deleted_at=utc_now()))

    def restore(self, id: str) -> None:
        """Restore a job from the trash."""
        self._set(id, deleted_at=None)

    def ids(self, kind: JobKind) -> list[str]:
        """Ids of all jobs of a kind, those in the trash included."""
        with transaction(self._reader) as connection:
            found = connection.execute(select(jobs.c.id).where(jobs.c.kind == kind))
            return list(found.scalars())

    def trash_ids(self, before: datetime | None = None, limit: int | None = None) -> list[str]:
        """Ids of jobs in the trash, the earliest deleted first.

        Args:
            before: only those that were put there earlier.
            limit: how many at most; None for all.
        """
        wanted = select(jobs.c.id).join_from(marks, jobs, jobs.c.sequence == marks.c.job)
        wanted = wanted.where(marks.c.deleted_at.is_not(None)).limit(limit)
        if before is not None:
            wanted = wanted.where(marks.c.deleted_at < before)
        with transaction(self._reader) as connection:
            found = connection.execute(wanted.order_by(marks.c.deleted_at, marks.c.job))
            return list(found.scalars())

    def _set(self, id: str, **values: Any) -> None:
        with transaction(self._engine) as connection:
            mine = marks.c.job == _sequence(id)
            connection.execute(update(marks).where(mine).values(values))


def _match_filters(
    query: str, kind: JobKind | None, favorite: bool | None, deleted: bool
) -> ColumnElement[bool]:
    binned = marks.c.deleted_at.is_not(None)
    conditions: list[ColumnElement[bool]] = [binned if deleted else ~binned]
    if kind is not None:
        # By an index: the rows themselves are long.
        conditions.append(marks.c.job.in_(select(jobs.c.sequence).where(jobs.c.kind == kind)))
    if favorite is not None:
        conditions.append(marks.c.favorite if favorite else ~marks.c.favorite)
    for word in normalize(query).split():
        conditions.append(marks.c.words.contains(word, autoescape=True))
    return and_(*conditions)


def _select_items() -> Select[Any]:
    columns = [column for column in jobs.c if column is not jobs.c.logs]
    return select(
        *columns, literal("").label("logs"), marks.c.title, marks.c.favorite, marks.c.deleted_at
    ).join_from(marks, jobs, jobs.c.sequence == marks.c.job)


def _sequence(id: str) -> Any:
    return select(jobs.c.sequence).where(jobs.c.id == id).scalar_subquery()


def _from_row(row: RowMapping) -> LibraryItem:
    return LibraryItem(from_row(Job, row), row["title"], row["favorite"], row["deleted_at"])
