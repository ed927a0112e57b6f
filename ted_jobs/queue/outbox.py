"""Hints that wait to be published. They are rows, so a hint is as durable as the job it announces."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, Engine, delete, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs, outbox

BATCH = 500
FIRST_BACKOFF_SECONDS, MOST_DOUBLINGS = 30.0, 7
"""Seconds after which a job that is still queued gets another hint, in case the last was lost; doubled each time, up
to about an hour."""

Notify = Callable[[str], None]


@dataclass(frozen=True)
class WakeUp:
    """One row of the outbox."""

    id: int
    job_id: str
    times_sent: int
    """How many the job has had before."""


def drain(engine: Engine, ring: Notify, *, seconds: float) -> int:
    """Publish batch after batch until nothing waits or the time is up; returns how many hints."""
    published, deadline = 0, time.monotonic() + seconds
    while batch := publish_batch(engine, ring):
        published += batch
        if batch < BATCH or time.monotonic() > deadline:
            break
    return published


def publish_batch(engine: Engine, ring: Notify) -> int:
    """Ring once for each of a batch of waiting hints, oldest first; returns how many.

    The first error of the broker ends it and is raised; the hints behind it wait for the next call. Hints are removed
    after they were published, so a crash in between rings twice, which a claim makes harmless.
    """
    published: list[WakeUp] = []
    try:
        for hint in _pending(engine):
            ring(hint.job_id)
            published.append(hint)
    finally:
        if published:
            _delete_published(engine, published)
    return len(published)


def _pending(engine: Engine) -> list[WakeUp]:
    query = select(outbox.c.id, jobs.c.id, jobs.c.hints).join(jobs, jobs.c.id == outbox.c.job_id)
    with read_transaction(engine) as connection:
        return [WakeUp(*row) for row in connection.execute(query.order_by(outbox.c.id).limit(BATCH))]


def _delete_published(engine: Engine, published: Sequence[WakeUp]) -> None:
    """Forget the hints and note when their jobs need another, in one transaction: each commit waits for the disk."""
    with write_transaction(engine) as connection:
        connection.execute(delete(outbox).where(outbox.c.id.in_([hint.id for hint in published])))
        for hints, alike in groupby(sorted(published, key=_times_sent), key=_times_sent):
            _schedule_renotify(connection, [hint.job_id for hint in alike], hints=hints)


def _times_sent(hint: WakeUp) -> int:
    return hint.times_sent


def _schedule_renotify(connection: Connection, job_ids: Sequence[str], *, hints: int) -> None:
    patience = FIRST_BACKOFF_SECONDS * 2 ** min(hints, MOST_DOUBLINGS)
    rung = update(jobs).where(jobs.c.id.in_(job_ids))
    connection.execute(rung.values(hints=hints + 1, ring_at=now(patience)))
