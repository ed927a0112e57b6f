"""Wake-ups that wait to be published. They are rows, so each is as durable as the job that it announces."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, Engine, delete, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs, outbox

BATCH = 500
FIRST_BACKOFF_SECONDS = 30.0
"""How long after its first wake-up a job that is still queued gets another, in case that one was lost."""
MOST_DOUBLINGS = 7
"""How often this time doubles: up to about an hour."""

Notify = Callable[[str], None]


@dataclass(frozen=True)
class WakeUp:
    """One row of the outbox."""

    id: int
    job_id: str
    times_sent: int
    """How many wake-ups the job has had before."""


def drain(engine: Engine, notify: Notify, *, seconds: float) -> int:
    """Publish batch after batch until no wake-up is left or the time is up; return how many were published."""
    published, deadline = 0, time.monotonic() + seconds
    while batch := publish_batch(engine, notify):
        published += batch
        if batch < BATCH or time.monotonic() > deadline:
            break
    return published


def publish_batch(engine: Engine, notify: Notify) -> int:
    """Publish a batch of wake-ups, the oldest first; return how many.

    The broker's first error ends the batch and is raised; the wake-ups behind it stay for the next call. Wake-ups are
    deleted after they were published, so a crash in between sends them twice, which claims make harmless.
    """
    published: list[WakeUp] = []
    try:
        for wake_up in _pending(engine):
            notify(wake_up.job_id)
            published.append(wake_up)
    finally:
        if published:
            _delete_published(engine, published)
    return len(published)


def _pending(engine: Engine) -> list[WakeUp]:
    query = select(outbox.c.id, jobs.c.id, jobs.c.hints).join(jobs, jobs.c.id == outbox.c.job_id)
    with read_transaction(engine) as connection:
        return [WakeUp(*row) for row in connection.execute(query.order_by(outbox.c.id).limit(BATCH))]


def _delete_published(engine: Engine, published: Sequence[WakeUp]) -> None:
    """Delete the wake-ups and schedule the next of their jobs, in one transaction: each commit waits for the disk."""
    with write_transaction(engine) as connection:
        connection.execute(delete(outbox).where(outbox.c.id.in_([wake_up.id for wake_up in published])))
        for times_sent, wake_ups in groupby(sorted(published, key=_times_sent), key=_times_sent):
            _schedule_next(connection, [wake_up.job_id for wake_up in wake_ups], times_sent=times_sent)


def _times_sent(wake_up: WakeUp) -> int:
    return wake_up.times_sent


def _schedule_next(connection: Connection, job_ids: Sequence[str], *, times_sent: int) -> None:
    backoff = FIRST_BACKOFF_SECONDS * 2 ** min(times_sent, MOST_DOUBLINGS)
    notified = update(jobs).where(jobs.c.id.in_(job_ids)).values(hints=times_sent + 1, ring_at=now(backoff))
    connection.execute(notified)
