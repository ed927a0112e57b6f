"""How long a queued job may still have to wait: how many are before it, and whether any worker works."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from ted_jobs.db.engine import now, read_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.errors import JobNotFound
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus


@dataclass(frozen=True)
class QueuePosition:
    """A job's place among the queued jobs of its tenant, which are started in the order in which they were queued."""

    position: int | None
    """1: it is the next one; None: it is not queued."""
    queued: int
    running: int
    """Of this tenant, as well."""
    unattended_seconds: float | None
    """For how long the oldest queued job of the installation has waited while no worker held any; None if one does, or
    nothing is queued."""


def queue_position(engine: Engine, job_id: str, *, tenant: str) -> QueuePosition:
    """Return where the job stands. Raises JobNotFound."""
    own = jobs.c.tenant == tenant
    with read_transaction(engine) as connection:
        job = connection.execute(select(jobs.c.status, jobs.c.queued_at).where(jobs.c.id == job_id, own)).one_or_none()
        if job is None:
            raise JobNotFound(job_id)
        before = _is_before(job.queued_at, job_id)
        is_queued = job.status == JobStatus.QUEUED
        return QueuePosition(
            position=_count(connection, own, jobs.c.status == JobStatus.QUEUED, before) + 1 if is_queued else None,
            queued=_count(connection, own, jobs.c.status == JobStatus.QUEUED),
            running=_count(connection, own, jobs.c.status.in_(LEASED_STATUSES)),
            unattended_seconds=_unattended_seconds(connection),
        )


def _is_before(queued_at: datetime, job_id: str) -> ColumnElement[bool]:
    return (jobs.c.queued_at < queued_at) | ((jobs.c.queued_at == queued_at) & (jobs.c.id < job_id))


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(jobs).where(*conditions)) or 0


def _unattended_seconds(connection: Connection) -> float | None:
    held = jobs.c.status.in_(LEASED_STATUSES) & (jobs.c.lease_expires_at > now())
    if connection.scalar(select(jobs.c.id).where(held).limit(1)) is not None:
        return None
    oldest = select(func.min(jobs.c.queued_at)).where(jobs.c.status == JobStatus.QUEUED).scalar_subquery()
    last_end = select(func.max(jobs.c.finished_at)).scalar_subquery()
    since, ended, present = connection.execute(select(oldest, last_end, now())).one()
    return max(0.0, (present - max(since, ended or since)).total_seconds()) if since else None
