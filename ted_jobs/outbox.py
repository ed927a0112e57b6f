"""Hints that wait to be published. They are rows, so a hint is as durable as the job it announces."""

from collections.abc import Callable

from sqlalchemy import Engine, delete, select, update

from ted_jobs.database import now, reading, writing
from ted_jobs.tables import jobs, outbox

BATCH = 500
FIRST_PATIENCE, LONGEST_PATIENCE = 30.0, 3600.0
"""Seconds after which a job that is still queued gets another hint, in case the last was lost; doubled each time."""


def publish_waiting(engine: Engine, ring: Callable[[str], None]) -> int:
    """Ring once for every waiting hint, oldest first; returns how many. A broker's error leaves the rest in place.

    A hint is removed after it was published, so a crash in between rings twice, which a claim makes harmless.
    """
    query = select(outbox.c.id, jobs.c.id, jobs.c.hints).join(jobs, jobs.c.id == outbox.c.job_id)
    with reading(engine) as connection:
        waiting = connection.execute(query.order_by(outbox.c.id).limit(BATCH)).all()
    for hint_id, job_id, hints in waiting:
        ring(job_id)
        _published(engine, hint_id, job_id, hints=hints)
    return len(waiting)


def _published(engine: Engine, hint_id: int, job_id: str, *, hints: int) -> None:
    patience = min(FIRST_PATIENCE * 2**hints, LONGEST_PATIENCE)
    rung = update(jobs).where(jobs.c.id == job_id).values(hints=hints + 1, ring_at=now(patience))
    with writing(engine) as connection:
        connection.execute(delete(outbox).where(outbox.c.id == hint_id))
        connection.execute(rung)
