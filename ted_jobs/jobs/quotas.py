"""How many jobs of one key may be queued, and how many may run. 0 means unlimited; jobs without a key are unlimited."""

from sqlalchemy import ColumnElement, Connection, func, or_, select

from ted_jobs.db.tables import jobs, keys
from ted_jobs.errors import TooManyQueued
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus


def queued_quota(connection: Connection, key_id: str | None, *, default: int) -> int:
    """Return the key's limit. Its other submissions wait until this transaction ends, so that the count stays true."""
    if key_id is None:
        return 0
    limit = select(func.coalesce(keys.c.most_queued, default)).where(keys.c.id == key_id)
    return connection.scalar(limit.with_for_update()) or 0


def check_queued_quota(connection: Connection, key_id: str | None, *, limit: int) -> None:
    """Raise TooManyQueued if the key has as many jobs queued as it may."""
    if limit and _count_queued(connection, key_id) >= limit:
        raise TooManyQueued(f"The limit is {limit}")


def _count_queued(connection: Connection, key_id: str | None) -> int:
    queued = select(func.count()).where(jobs.c.key_id == key_id, jobs.c.status == JobStatus.QUEUED)
    return connection.scalar(queued) or 0


def lock_key_of_job(connection: Connection, job_id: str, *, default: int) -> None:
    """Make claims of jobs with the same key wait for each other, if the key's number of running jobs is limited."""
    limited = (
        select(keys.c.id).join(jobs, jobs.c.key_id == keys.c.id).where(jobs.c.id == job_id, _running_quota(default) > 0)
    )
    connection.execute(limited.with_for_update(of=keys))


def within_running_quota(default: int) -> ColumnElement[bool]:
    """Return the condition that the job's key runs fewer jobs than it may."""
    other = jobs.alias("other")
    running = (
        select(func.count()).where(other.c.key_id == keys.c.id, other.c.status.in_(LEASED_STATUSES)).correlate(keys)
    )
    keys_at_limit = select(keys.c.id).where(
        _running_quota(default) > 0, running.scalar_subquery() >= _running_quota(default)
    )
    return or_(jobs.c.key_id.is_(None), jobs.c.key_id.not_in(keys_at_limit))


def _running_quota(default: int) -> ColumnElement[int]:
    return func.coalesce(keys.c.most_running, default)
