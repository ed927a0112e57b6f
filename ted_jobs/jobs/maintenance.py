"""What the sweeper does with jobs that nobody else will touch."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, Engine, exists, insert, or_, select, update

from ted_jobs.db.counters import LEASE_EXPIRIES, increment_counter
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs, leaders, outbox
from ted_jobs.errors import LeaseExpired
from ted_jobs.jobs.models import Job, JobError
from ted_jobs.jobs.quotas import within_running_quota
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus
from ted_jobs.jobs.transitions import end_attempt, move

BATCH = 500
IDLE_SECONDS, MOST_IDLE_WAKE_UPS = 5.0, 100
"""How long a job may wait beside a broker without hints, and how many are left then."""
OVERDUE = jobs.c.deadline_at < now()


def reap_expired_leases(engine: Engine) -> list[Job]:
    """The jobs whose workers fell silent, after that.

    Cancelled where a client had asked for it, expired where the deadline has passed, failed after the last attempt,
    back in the queue otherwise.
    """
    lapsed = jobs.c.status.in_(LEASED_STATUSES) & (jobs.c.lease_expires_at < now())
    return [job for job_id in _job_ids(engine, lapsed) if (job := _reap(engine, job_id, lapsed))]


def _reap(engine: Engine, job_id: str, lapsed: ColumnElement[bool]) -> Job | None:
    error = JobError(LeaseExpired.code(), LeaseExpired.remedy(), retryable=True)
    with write_transaction(engine) as connection:
        held = connection.execute(select(jobs).where(jobs.c.id == job_id, lapsed)).one_or_none()
        if held is None:
            return None
        reaped = (
            move(connection, job_id, JobStatus.CANCELLED, lapsed)
            or move(connection, job_id, JobStatus.EXPIRED, lapsed, OVERDUE, status_reason="its worker fell silent")
            or end_attempt(connection, Job.from_row(held), error, lapsed)
        )
        if reaped:  # and its worker has not come back meanwhile
            increment_counter(connection, LEASE_EXPIRIES)
        return reaped


def expire_overdue(engine: Engine) -> list[Job]:
    """The queued jobs whose deadline has passed; those that run are ended by their worker."""
    overdue = (jobs.c.status == JobStatus.QUEUED) & OVERDUE
    return [job for job_id in _job_ids(engine, overdue) if (job := _expire(engine, job_id, overdue))]


def _expire(engine: Engine, job_id: str, overdue: ColumnElement[bool]) -> Job | None:
    reason = "the deadline passed before a worker was free"
    with write_transaction(engine) as connection:
        return move(connection, job_id, JobStatus.EXPIRED, overdue, status_reason=reason)


def renotify_overdue(engine: Engine, *, most_running: int = 0) -> int:
    """Leave a new hint for the queued jobs whose last one seems lost; returns for how many."""
    return _enqueue_wake_ups(engine, (jobs.c.ring_at < now()) & within_running_quota(most_running), limit=BATCH)


def renotify_idle(engine: Engine, *, hints_lying: Callable[[], int], most_running: int = 0) -> int:
    """Leave new hints for some of the jobs that wait while the broker holds none: it has lost theirs. Returns how many.

    A hint for each worker would do, as every worker goes on with the next job by itself. Jobs whose key runs as many as
    it may would only be passed over; they are rung for when one of those has ended.
    """
    waiting = (jobs.c.queued_at < now(-IDLE_SECONDS)) & within_running_quota(most_running)
    with read_transaction(engine) as connection:
        nobody = connection.scalar(select(jobs.c.id).where(_without_wake_up(waiting)).limit(1)) is None
    if nobody or hints_lying():  # asked while no transaction is open: a broker that hangs takes seconds
        return 0
    return _enqueue_wake_ups(engine, waiting, limit=MOST_IDLE_WAKE_UPS)


def _without_wake_up(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Queued, as the condition says, and no hint is on its way to the broker."""
    return (jobs.c.status == JobStatus.QUEUED) & condition & ~exists().where(outbox.c.job_id == jobs.c.id)


def _enqueue_wake_ups(engine: Engine, condition: ColumnElement[bool], *, limit: int) -> int:
    silent = select(jobs.c.id, now()).where(_without_wake_up(condition)).order_by(jobs.c.queued_at).limit(limit)
    with write_transaction(engine) as connection:
        hints = insert(outbox).from_select(["job_id", "created_at"], silent)
        return len(connection.execute(hints.returning(outbox.c.id)).all())


def acquire_leadership(engine: Engine, role: str, *, holder: str, seconds: float) -> bool:
    """Whether ``holder`` leads in this role for the next seconds. One at a time; a silent leader is replaced."""
    free = or_(leaders.c.holder == holder, leaders.c.expires_at < now())
    claim = update(leaders).where(leaders.c.role == role, free).values(holder=holder, expires_at=now(seconds))
    with write_transaction(engine) as connection:
        return connection.execute(claim.returning(leaders.c.role)).one_or_none() is not None


def release_leadership(engine: Engine, role: str, *, holder: str) -> None:
    """Make room for the next leader at once, where ``holder`` leads."""
    with write_transaction(engine) as connection:
        connection.execute(
            update(leaders).where(leaders.c.role == role, leaders.c.holder == holder).values(expires_at=now())
        )


def _job_ids(engine: Engine, condition: ColumnElement[bool]) -> list[str]:
    with read_transaction(engine) as connection:
        return list(connection.scalars(select(jobs.c.id).where(condition).limit(BATCH)))
