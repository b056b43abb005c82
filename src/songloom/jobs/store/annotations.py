"""The mark that every job has: what its owner made of it, and the words that it is found by."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from songloom.jobs.store.records import Job
from songloom.jobs.store.schema import jobs, marks

TELLING = ("prompt", "one_same_description")
"""Inputs whose words a prediction, or a training, is found by."""


def new_mark(sequence: int, given: Mapping[str, Any], destination: str) -> dict[str, Any]:
    """The row of a job that nobody has made anything of.

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
        "words": words_of(given, destination, None),
    }


def words_of(given: Mapping[str, Any], destination: str, title: str | None) -> str:
    """What a job is found by, in the form that a query is brought into as well."""
    telling = (given.get(name) for name in TELLING)
    texts = [title, destination, *(text for text in telling if isinstance(text, str))]
    return folded("\n".join(text for text in texts if text))


def folded(text: str) -> str:
    """A text without what makes no difference to people who search; databases differ there."""
    return unicodedata.normalize("NFKC", text).casefold()


def forget_words(connection: Connection, job: Job) -> None:
    """Keep of a job whose data was removed only what its owner called it."""
    title = select(marks.c.title).where(marks.c.job == job.sequence)
    words = words_of({}, job.destination, connection.execute(title).scalar_one())
    connection.execute(update(marks).where(marks.c.job == job.sequence).values(words=words))


def add_mark(connection: Connection, job: Job) -> None:
    """Give a job that was just stored its mark."""
    connection.execute(insert(marks).values(new_mark(job.sequence, job.input, job.destination)))


def not_deleted() -> ColumnElement[bool]:
    """Of jobs: that they are not in the bin."""
    binned = select(marks.c.job).where(marks.c.deleted_at.is_not(None))
    return jobs.c.sequence.not_in(binned)
