"""How many jobs of one key may wait, and how many may run. A limit of 0 is none; jobs without a key have none."""

from sqlalchemy import ColumnElement, Connection, func, or_, select

from ted_jobs.db.tables import jobs, keys
from ted_jobs.errors import TooManyQueued
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus


def queued_quota(connection: Connection, key_id: str | None, *, default: int) -> int:
    """The key's limit. Other submissions of the key wait until this transaction ends, so that what it counts holds."""
    if key_id is None:
        return 0
    limit = select(func.coalesce(keys.c.most_queued, default)).where(keys.c.id == key_id)
    return connection.scalar(limit.with_for_update()) or 0


def check_queued_quota(connection: Connection, key_id: str | None, *, limit: int) -> None:
    """Nothing, while the key has fewer jobs queued than its limit. Raises TooManyQueued."""
    if limit and _count_queued(connection, key_id) >= limit:
        raise TooManyQueued(f"The limit is {limit}")


def _count_queued(connection: Connection, key_id: str | None) -> int:
    queued = select(func.count()).where(jobs.c.key_id == key_id, jobs.c.status == JobStatus.QUEUED)
    return connection.scalar(queued) or 0


def lock_key_of_job(connection: Connection, job_id: str, *, default: int) -> None:
    """Make claims of the jobs of this job's key wait for each other, where the number of those that run is limited."""
    limited = (
        select(keys.c.id).join(jobs, jobs.c.key_id == keys.c.id).where(jobs.c.id == job_id, _running_quota(default) > 0)
    )
    connection.execute(limited.with_for_update(of=keys))


def within_running_quota(default: int) -> ColumnElement[bool]:
    """Of a job: whether its key runs fewer than its limit."""
    other = jobs.alias("other")
    running = (
        select(func.count()).where(other.c.key_id == keys.c.id, other.c.status.in_(LEASED_STATUSES)).correlate(keys)
    )
    full = select(keys.c.id).where(_running_quota(default) > 0, running.scalar_subquery() >= _running_quota(default))
    return or_(jobs.c.key_id.is_(None), jobs.c.key_id.not_in(full))


def _running_quota(default: int) -> ColumnElement[int]:
    return func.coalesce(keys.c.most_running, default)
