"""Deletes old rows. Files follow their rows: ``ted_jobs.files.garbage`` removes them."""

from sqlalchemy import Engine, delete, exists, select

from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import checkpoints, deliveries, idempotency, jobs
from ted_jobs.jobs.status import TERMINAL_STATUSES

BATCH = 500
DAY = 86400.0
IDEMPOTENCY_KEYS_KEPT_DAYS = 7
"""A client that repeats a submission after this time submits a second job."""
DELIVERIES_KEPT_DAYS = 30


def delete_old_jobs(engine: Engine, *, days: float) -> int:
    """Delete a batch of the jobs that ended more than ``days`` ago, and their rows elsewhere; return how many jobs."""
    # Found by its time alone: with a condition on the status as well, the index on that would be used, and all read.
    old = select(jobs.c.id, jobs.c.status).where(jobs.c.finished_at < now(-days * DAY)).order_by(jobs.c.finished_at)
    batch = old.limit(BATCH).subquery()
    ended = select(batch.c.id).where(batch.c.status.in_(TERMINAL_STATUSES))
    with write_transaction(engine) as connection:
        return connection.execute(delete(jobs).where(jobs.c.id.in_(ended))).rowcount


def delete_leftover_checkpoints(engine: Engine) -> int:
    """Delete the checkpoints of ended jobs, which workers that died have left; return how many."""
    of_ended_job = exists().where(jobs.c.id == checkpoints.c.job_id, jobs.c.status.in_(TERMINAL_STATUSES))
    with write_transaction(engine) as connection:
        return connection.execute(delete(checkpoints).where(of_ended_job)).rowcount


def delete_old_idempotency_keys(engine: Engine) -> int:
    """Delete the idempotency keys that are too old to be repeated; return how many."""
    with write_transaction(engine) as connection:
        old = idempotency.c.created_at < now(-IDEMPOTENCY_KEYS_KEPT_DAYS * DAY)
        return connection.execute(delete(idempotency).where(old)).rowcount


def delete_old_deliveries(engine: Engine) -> int:
    """Delete a batch of the webhook deliveries that ended long ago; return how many."""
    old = deliveries.c.finished_at < now(-DELIVERIES_KEPT_DAYS * DAY)
    batch = select(deliveries.c.id).where(old).order_by(deliveries.c.finished_at).limit(BATCH)
    with write_transaction(engine) as connection:
        return connection.execute(delete(deliveries).where(deliveries.c.id.in_(batch.scalar_subquery()))).rowcount
