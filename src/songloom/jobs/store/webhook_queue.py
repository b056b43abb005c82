"""Pending webhooks: added in the transaction that they report, kept until they are delivered."""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, func, insert, select, update

from songloom.jobs.store.records import (
    Delivery,
    Job,
    WebhookEvent,
    delivery_from,
    from_row,
    snapshot,
)
from songloom.jobs.store.schema import deliveries, jobs

LONGEST_BACK_OFF = 3600.0
"""Seconds; a delivery that is due later than this is due now: the clock was set back."""


def add(connection: Connection, job: Job, event: WebhookEvent) -> None:
    """Add a webhook, if the job wants it; one about logs stands for all until it is sent."""
    if not job.webhook or event not in job.webhook_events:
        return
    owed = {"event": event, "snapshot": snapshot(job), "attempts": 0, "due": 0.0}
    if event == "logs":
        same = (deliveries.c.job == job.id) & (deliveries.c.event == event)
        if connection.execute(update(deliveries).where(same).values(owed)).rowcount:
            return
    connection.execute(insert(deliveries).values(job=job.id, **owed))


def find_due(connection: Connection, limit: int) -> list[Delivery]:
    """Deliveries that are due, the oldest first; of each job only the first, to keep order."""
    moment = time.time()
    first = select(func.min(deliveries.c.id)).group_by(deliveries.c.job)
    due = (deliveries.c.due <= moment) | (deliveries.c.due > moment + LONGEST_BACK_OFF)
    wanted = select(deliveries).where(deliveries.c.id.in_(first), due)
    rows = connection.execute(wanted.order_by(deliveries.c.id).limit(limit)).mappings().all()
    theirs = select(jobs).where(jobs.c.id.in_([row["job"] for row in rows]))
    by_id = {row["id"]: from_row(Job, row) for row in connection.execute(theirs).mappings()}
    return [delivery_from(row, by_id[row["job"]]) for row in rows]


def remove(connection: Connection, id: int) -> None:
    """Remove a delivery."""
    connection.execute(delete(deliveries).where(deliveries.c.id == id))


def postpone(connection: Connection, id: int, seconds: float) -> None:
    """Count a failed attempt; the next is due in so many seconds."""
    values = {"attempts": deliveries.c.attempts + 1, "due": time.time() + seconds}
    connection.execute(update(deliveries).where(deliveries.c.id == id).values(values))


def remove_data(connection: Connection, job: Job) -> None:
    """Keep only the webhook of a job's end, without the data that was removed."""
    theirs = deliveries.c.job == job.id
    last = deliveries.c.event == "completed"
    connection.execute(delete(deliveries).where(theirs, ~last))
    connection.execute(update(deliveries).where(theirs, last).values(snapshot=snapshot(job)))


def count(connection: Connection) -> int:
    """How many deliveries are pending."""
    return connection.execute(select(func.count()).select_from(deliveries)).scalar_one()
