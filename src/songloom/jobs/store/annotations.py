"""Annotations: each job's title, favorite flag and trash date, and the words it is found by."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from songloom.jobs.store.records import Job
from songloom.jobs.store.schema import jobs, marks

TELLING = ("prompt", "one_same_description")
"""Inputs whose words a prediction, or a training, is found by."""


def new_annotation(sequence: int, given: Mapping[str, Any], destination: str) -> dict[str, Any]:
    """The row of a job without any annotation.

    Args:
        sequence: the job's place in the order.
        given: its input.
        destination: of a training.
    """
    return {
        "job": sequence,
        "title": None,
        "favorite": False,
        "deleted_at": None,
        "words": search_words(given, destination, None),
    }


def search_words(given: Mapping[str, Any], destination: str, title: str | None) -> str:
    """The text that a job is found by, normalized as queries are."""
    telling = (given.get(name) for name in TELLING)
    texts = [title, destination, *(text for text in telling if isinstance(text, str))]
    return normalize("\n".join(text for text in texts if text))


def normalize(text: str) -> str:
    """Normalize a text for searching, since databases differ in how they compare."""
    return unicodedata.normalize("NFKC", text).casefold()


def remove_words(connection: Connection, job: Job) -> None:
    """Keep of a job whose data was removed only what its owner called it."""
    title = select(marks.c.title).where(marks.c.job == job.sequence)
    words = search_words({}, job.destination, connection.execute(title).scalar_one())
    connection.execute(update(marks).where(marks.c.job == job.sequence).values(words=words))


def add_annotation(connection: Connection, job: Job) -> None:
    """Add the annotation of a job that was just stored."""
    connection.execute(
        insert(marks).values(new_annotation(job.sequence, job.input, job.destination))
    )


def is_not_in_trash() -> ColumnElement[bool]:
    """The condition that a job is not in the trash."""
    binned = select(marks.c.job).where(marks.c.deleted_at.is_not(None))
    return jobs.c.sequence.not_in(binned)
