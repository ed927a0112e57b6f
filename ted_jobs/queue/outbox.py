"""Hints that wait to be published. They are rows, so a hint is as durable as the job it announces."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, Engine, delete, select, update

from ted_jobs.db.engine import now, reading, writing
from ted_jobs.db.tables import jobs, outbox

BATCH = 500
FIRST_PATIENCE, DOUBLINGS = 30.0, 7
"""Seconds after which a job that is still queued gets another hint, in case the last was lost; doubled each time, up
to about an hour."""

Ring = Callable[[str], None]


@dataclass(frozen=True)
class Hint:
    """One row of the outbox."""

    id: int
    job_id: str
    hints: int
    """How many the job has had before."""


def drain(engine: Engine, ring: Ring, *, seconds: float) -> int:
    """Publish batch after batch until nothing waits or the time is up; returns how many hints."""
    published, deadline = 0, time.monotonic() + seconds
    while batch := publish_waiting(engine, ring):
        published += batch
        if batch < BATCH or time.monotonic() > deadline:
            break
    return published


def publish_waiting(engine: Engine, ring: Ring) -> int:
    """Ring once for each of a batch of waiting hints, oldest first; returns how many.

    The first error of the broker ends it and is raised; the hints behind it wait for the next call. Hints are removed
    after they were published, so a crash in between rings twice, which a claim makes harmless.
    """
    published: list[Hint] = []
    try:
        for hint in _waiting(engine):
            ring(hint.job_id)
            published.append(hint)
    finally:
        if published:
            _remove(engine, published)
    return len(published)


def _waiting(engine: Engine) -> list[Hint]:
    query = select(outbox.c.id, jobs.c.id, jobs.c.hints).join(jobs, jobs.c.id == outbox.c.job_id)
    with reading(engine) as connection:
        return [Hint(*row) for row in connection.execute(query.order_by(outbox.c.id).limit(BATCH))]


def _remove(engine: Engine, published: Sequence[Hint]) -> None:
    """Forget the hints and note when their jobs need another, in one transaction: each commit waits for the disk."""
    with writing(engine) as connection:
        connection.execute(delete(outbox).where(outbox.c.id.in_([hint.id for hint in published])))
        for hints, alike in groupby(sorted(published, key=_rung), key=_rung):
            _be_patient(connection, [hint.job_id for hint in alike], hints=hints)


def _rung(hint: Hint) -> int:
    return hint.hints


def _be_patient(connection: Connection, job_ids: Sequence[str], *, hints: int) -> None:
    patience = FIRST_PATIENCE * 2 ** min(hints, DOUBLINGS)
    rung = update(jobs).where(jobs.c.id.in_(job_ids))
    connection.execute(rung.values(hints=hints + 1, ring_at=now(patience)))
