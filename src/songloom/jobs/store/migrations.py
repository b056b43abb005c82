"""From the tables of an older songloom to those of this one; nothing that they hold is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, select, update

from songloom.jobs.store.annotations import new_annotation
from songloom.jobs.store.schema import SCHEMA_VERSION, facts, jobs, marks

_AT_ONCE = 100
"""Jobs that are read at once: their inputs may hold whole files."""


def migrate(connection: Connection, version: int) -> None:
    """Bring the tables of a version up to date, within the caller's transaction.

    Those that are new since then were made already, and are empty.
    """
    if version == SCHEMA_VERSION:
        return
    for older in range(version, SCHEMA_VERSION):
        _STEPS[older](connection)
    values = {"value": str(SCHEMA_VERSION)}
    connection.execute(update(facts).where(facts.c.name == "schema_version").values(values))


def _add_annotations(connection: Connection) -> None:
    """From 1 to 2: add an annotation for every job."""
    wanted = select(jobs.c.sequence, jobs.c.input, jobs.c.destination).order_by(jobs.c.sequence)
    last = 0
    while rows := connection.execute(wanted.where(jobs.c.sequence > last).limit(_AT_ONCE)).all():
        made = [new_annotation(row.sequence, row.input, row.destination) for row in rows]
        connection.execute(insert(marks), made)
        last = rows[-1].sequence


_STEPS: Mapping[int, Callable[[Connection], None]] = {1: _add_annotations}
"""By the version that each begins with."""
