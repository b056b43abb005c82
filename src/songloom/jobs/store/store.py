"""The server's state on disk: every call is one transaction, and durable when it returns.

The queue, its jobs' results and the webhooks that are owed for them change together or not at all,
so a server that is killed between any two instructions finds everything as it was promised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, String, cast, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from songloom.clock import utc_now
from songloom.errors import DuplicateError, QueueFullError
from songloom.jobs.store import webhook_queue
from songloom.jobs.store.annotations import add_annotation, is_not_in_trash, remove_words
from songloom.jobs.store.database import open_database, stand_in_line, transaction
from songloom.jobs.store.library import JobLibrary
from songloom.jobs.store.records import (
    ENDED,
    Delivery,
    Job,
    JobKind,
    Status,
    Version,
    WebhookEvent,
    from_row,
    to_row,
)
from songloom.jobs.store.registry import Registry, insert_version
from songloom.jobs.store.schema import clamp_sequence, jobs

LONGEST_LOG = 1_000_000
"""Characters of a job's log; from a longer one the middle is cut."""
_CUT = "\n[... cut here ...]\n"


class Store(Registry):
    """Jobs and webhooks, beside all that a `Registry` holds; from any thread.

    Args:
        url: of the database; see `open_database`, which also says what it raises.
    """

    def __init__(self, url: str) -> None:
        super().__init__(open_database(url))
        self._lax = self._engine.execution_options(lax=True)
        self.library = JobLibrary(self._engine, self._reader)
        """The same jobs with their annotations."""

    # Jobs

    def add_job(self, job: Job, *, limit: int) -> Job:
        """Accept a job.

        Raises:
            QueueFullError: `limit` jobs wait already.
            DuplicateError: there is a job of that id.
        """
        waiting = select(func.count()).select_from(jobs).where(jobs.c.status == "starting")
        try:
            with transaction(self._engine) as connection:
                stand_in_line(connection)  # for the limit to hold, and for places in order
                found = connection.execute(waiting).scalar_one()
                if found >= limit:
                    raise QueueFullError(
                        f"{found} jobs wait already, and no more than {limit} may; try again later"
                    )
                connection.execute(insert(jobs).values(to_row(job)))
                accepted = _get_job(connection, job.id)
                add_annotation(connection, accepted)
                return accepted
        except IntegrityError:
            raise DuplicateError(
                f"there is a job with the id {job.id!r} already; choose another, or none"
            ) from None

    def job(self, id: str) -> Job | None:
        """A job, None where there is none of that id."""
        with transaction(self._reader) as connection:
            return _find_job(connection, id)

    def jobs(
        self,
        kind: JobKind,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[Job]:
        """Jobs of a kind that are not in the trash, the newest first.

        Args:
            kind: of the jobs.
            before: only those that come before this place in the order.
            after: only those that come after it; the ones next to it, where there are more.
            limit: how many at most.
            created_after: only those accepted at this time or later.
            created_before: only those accepted earlier.
        """
        wanted = select(jobs).where(jobs.c.kind == kind, is_not_in_trash()).limit(limit)
        if before is not None:
            wanted = wanted.where(jobs.c.sequence < clamp_sequence(before))
        if after is not None:
            wanted = wanted.where(jobs.c.sequence > clamp_sequence(after))
        if created_after is not None:
            wanted = wanted.where(jobs.c.created_at >= created_after)
        if created_before is not None:
            wanted = wanted.where(jobs.c.created_at < created_before)
        nearest_first = jobs.c.sequence.asc() if after is not None else jobs.c.sequence.desc()
        found = self._jobs(wanted.order_by(nearest_first))
        return found[::-1] if after is not None else found

    def list_waiting(self, limit: int, kind: JobKind | None = None) -> list[Job]:
        """Jobs that are not begun, of a kind or of any, the oldest first."""
        wanted = select(jobs).where(jobs.c.status == "starting").order_by(jobs.c.sequence)
        if kind is not None:
            wanted = wanted.where(jobs.c.kind == kind)
        return self._jobs(wanted.limit(limit))

    def list_running(self) -> list[Job]:
        """Jobs that are begun and have not ended."""
        wanted = select(jobs).where(jobs.c.status == "processing")
        return self._jobs(wanted.order_by(jobs.c.sequence))

    def list_ended(self, limit: int, before: datetime | None = None) -> list[Job]:
        """Ended jobs whose data is still there, the oldest first."""
        wanted = select(jobs).where(jobs.c.status.in_(ENDED), ~jobs.c.data_removed)
        if before is not None:
            wanted = wanted.where(jobs.c.completed_at < before)
        return self._jobs(wanted.order_by(jobs.c.sequence).limit(limit))

    def needs_file(self, id: str) -> bool:
        """Whether the input of a job that has not ended names an uploaded file."""
        names_it = cast(jobs.c.input, String).contains(id, autoescape=True)
        wanted = select(jobs.c.id).where(jobs.c.status.not_in(ENDED), names_it).limit(1)
        with transaction(self._reader) as connection:
            return connection.execute(wanted).first() is not None

    def counts(self) -> dict[tuple[JobKind, Status], int]:
        """How many jobs there are, by kind and status."""
        wanted = select(jobs.c.kind, jobs.c.status, func.count()).group_by(
            jobs.c.kind, jobs.c.status
        )
        with transaction(self._reader) as connection:
            return {(kind, status): count for kind, status, count in connection.execute(wanted)}

    def begin(self, id: str) -> Job:
        """Mark a job as running; an ended one stays as it is."""
        is_first = False

        def changes(job: Job) -> dict[str, Any]:
            nonlocal is_first
            is_first = job.started_at is None
            return {
                "status": "processing",
                "attempts": job.attempts + 1,
                "started_at": job.started_at or utc_now(),
            }

        return self._change(id, changes, lambda job: ("start",) if is_first else (), lax=True)

    def requeue(self, id: str, *, failed: bool = True) -> Job:
        """Queue a job again, or end it if that was requested; an ended one stays as it is.

        Args:
            id: of the job.
            failed: whether it was the job that failed; otherwise that was no attempt.
        """

        def changes(job: Job) -> dict[str, Any]:
            if job.cancel_requested:
                return _end_values(job, "canceled")
            attempts = job.attempts if failed else max(0, job.attempts - 1)
            return {"status": "starting", "attempts": attempts}

        return self._change(id, changes, lambda job: ("completed",) if job.ended else ())

    def log(self, id: str, text: str) -> None:
        """Add to a job's log; an ended one stays as it is."""
        self._change(id, lambda job: _append_log(job, text), lambda job: ("logs",), lax=True)

    def finish(
        self,
        id: str,
        status: Status,
        *,
        output: Mapping[str, Any] | None = None,
        error: str | None = None,
        metrics: Mapping[str, float] | None = None,
        version: Version | None = None,
        log: str = "",
    ) -> Job:
        """End a job, with all that follows from it; one that has ended stays as it is.

        `log` is what there is still to be added to its log.

        Raises:
            DuplicateError: there is a version of that id.
        """
        result = {"output": output, "error": error, "metrics": metrics or {}}
        events: tuple[WebhookEvent, ...] = (
            ("completed",) if output is None else ("output", "completed")
        )
        return self._change(
            id,
            lambda job: _append_log(job, log) | _end_values(job, status) | result,
            lambda job: events,
            version,
        )

    def request_cancel(self, id: str) -> Job | None:
        """Ask for a job's end; one that waits ends at once. None for an unknown id."""

        def changes(job: Job) -> dict[str, Any]:
            if job.status == "starting":
                return {"cancel_requested": True} | _end_values(job, "canceled")
            return {"cancel_requested": True}

        try:
            return self._change(id, changes, lambda job: ("completed",) if job.ended else ())
        except KeyError:
            return None

    def resume(self, id: str) -> Job:
        """Let a job that was canceled, or failed, wait again; any other stays as it is.

        Raises:
            KeyError: there is no such job.
        """
        values = {
            "status": "starting", "error": None, "started_at": None, "completed_at": None,
            "attempts": 0, "cancel_requested": False, "cancel_after": None,
        }  # fmt: skip
        wanted = (
            (jobs.c.id == id) & jobs.c.status.in_(("canceled", "failed")) & ~jobs.c.data_removed
        )
        with transaction(self._engine) as connection:
            connection.execute(update(jobs).where(wanted).values(values))
            return _get_job(connection, id)

    def remove_data(self, id: str) -> Job:
        """Forget what an ended job was given and what it made; its files are the caller's."""
        values = {"data_removed": True, "input": {}, "output": None, "logs": ""}
        with transaction(self._engine) as connection:
            connection.execute(
                update(jobs).where(jobs.c.id == id, jobs.c.status.in_(ENDED)).values(values)
            )
            job = _get_job(connection, id)
            if job.data_removed:
                webhook_queue.remove_data(connection, job)
                remove_words(connection, job)
            return job

    def delete_job(self, id: str) -> None:
        """Forget an ended job, and what is owed for it."""
        with transaction(self._engine) as connection:
            connection.execute(delete(jobs).where(jobs.c.id == id, jobs.c.status.in_(ENDED)))

    def _jobs(self, wanted: Select[Any]) -> list[Job]:
        with transaction(self._reader) as connection:
            return [from_row(Job, row) for row in connection.execute(wanted).mappings()]

    def _change(
        self,
        id: str,
        changes: Callable[[Job], dict[str, Any]],
        events: Callable[[Job], tuple[WebhookEvent, ...]] = lambda job: (),
        version: Version | None = None,
        *,
        lax: bool = False,
    ) -> Job:
        """Change a job that has not ended; events of the changed one are owed to its webhook.

        What is lax may be undone by a power cut: the job then only runs again.

        Raises:
            KeyError: there is no such job.
        """
        with transaction(self._lax if lax else self._engine) as connection:
            before = _find_job(connection, id, locked=True)
            if before is None:
                raise KeyError(id)
            if before.ended:
                return before
            connection.execute(update(jobs).where(jobs.c.id == id).values(changes(before)))
            if version is not None:
                insert_version(connection, version)
            after = _get_job(connection, id)
            for event in events(after):
                webhook_queue.add(connection, after, event)
            return after

    # Webhooks

    def due_deliveries(self, limit: int = 20) -> list[Delivery]:
        """Deliveries that are due, the oldest first; of each job only the first, to keep order."""
        with transaction(self._reader) as connection:
            return webhook_queue.find_due(connection, limit)

    def remove_delivery(self, id: int) -> None:
        """Remove a delivery that has arrived, or never will."""
        with transaction(self._engine) as connection:
            webhook_queue.remove(connection, id)

    def postpone(self, id: int, seconds: float) -> None:
        """Count a failed attempt; the next is due in so many seconds."""
        with transaction(self._engine) as connection:
            webhook_queue.postpone(connection, id, seconds)

    def count_deliveries(self) -> int:
        """How many deliveries are pending."""
        with transaction(self._reader) as connection:
            return webhook_queue.count(connection)


def _find_job(connection: Connection, id: str, *, locked: bool = False) -> Job | None:
    wanted = select(jobs).where(jobs.c.id == id)
    # SQLite's transactions exclude each other as it is.
    row = connection.execute(wanted.with_for_update() if locked else wanted).mappings().first()
    return None if row is None else from_row(Job, row)


def _get_job(connection: Connection, id: str) -> Job:
    job = _find_job(connection, id)
    if job is None:
        raise KeyError(id)
    return job


def _end_values(job: Job, status: Status) -> dict[str, Any]:
    """The columns that change when a job ends."""
    return {"status": status, "completed_at": max(utc_now(), job.started_at or job.created_at)}


def _append_log(job: Job, text: str) -> dict[str, Any]:
    return {"logs": _cut_log(job.logs + text)} if text else {}


def _cut_log(log: str) -> str:
    if len(log) <= LONGEST_LOG:
        return log
    half = LONGEST_LOG // 2
    return log[: half - len(_CUT)].removesuffix(_CUT) + _CUT + log[-half:]
