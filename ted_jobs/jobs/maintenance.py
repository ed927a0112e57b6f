"""Jobs that no worker or client takes care of any more: reaped, expired or announced again by the sweeper."""

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
IDLE_SECONDS = 5.0
"""How long a job may be queued while the broker holds no wake-up."""
MOST_IDLE_WAKE_UPS = 100
"""Wake-ups that are enqueued at once after that."""
OVERDUE = jobs.c.deadline_at < now()
LAPSED = jobs.c.status.in_(LEASED_STATUSES) & (jobs.c.lease_expires_at < now())

# Run twice a second, so built once. A queued job may need another wake-up, or its deadline may pass.
IS_WORK_DUE = select(
    exists().where(outbox.c.id.is_not(None))
    | exists().where(jobs.c.status == JobStatus.QUEUED)
    | exists().where(LAPSED)
)


def is_work_due(engine: Engine) -> bool:
    """Return whether jobs wait for the sweeper: queued ones, those whose leases have expired, or their wake-ups."""
    with read_transaction(engine) as connection:
        return bool(connection.scalar(IS_WORK_DUE))


def reap_expired_leases(engine: Engine) -> list[Job]:
    """Take the jobs whose leases have expired from their workers, and return them.

    Each is cancelled if a client had asked for that, expired if its deadline has passed, failed if this was its last
    attempt, and queued again otherwise.
    """
    return [job for job_id in _job_ids(engine, LAPSED) if (job := _reap(engine, job_id))]


def _reap(engine: Engine, job_id: str) -> Job | None:
    error = JobError(LeaseExpired.code(), LeaseExpired.remedy(), retryable=True)
    with write_transaction(engine) as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id, LAPSED)).one_or_none()
        if row is None:
            return None
        reaped = (
            move(connection, job_id, JobStatus.CANCELLED, LAPSED)
            or move(connection, job_id, JobStatus.EXPIRED, LAPSED, OVERDUE, status_reason="its worker fell silent")
            or end_attempt(connection, Job.from_row(row), error, LAPSED)
        )
        if reaped:  # unless its worker has come back in the meantime
            increment_counter(connection, LEASE_EXPIRIES)
        return reaped


def expire_overdue(engine: Engine) -> list[Job]:
    """Expire the queued jobs whose deadline has passed, and return them. Workers expire the running ones."""
    overdue = (jobs.c.status == JobStatus.QUEUED) & OVERDUE
    return [job for job_id in _job_ids(engine, overdue) if (job := _expire(engine, job_id, overdue))]


def _expire(engine: Engine, job_id: str, overdue: ColumnElement[bool]) -> Job | None:
    reason = "the deadline passed before a worker was free"
    with write_transaction(engine) as connection:
        return move(connection, job_id, JobStatus.EXPIRED, overdue, status_reason=reason)


def renotify_overdue(engine: Engine, *, most_running: int = 0) -> int:
    """Enqueue another wake-up for each queued job whose last one seems lost; return how many."""
    return _enqueue_wake_ups(engine, (jobs.c.ring_at < now()) & within_running_quota(most_running), limit=BATCH)


def renotify_idle(engine: Engine, *, queued_wake_ups: Callable[[], int], most_running: int = 0) -> int:
    """Enqueue wake-ups for some queued jobs if the broker holds none, since it has lost theirs; return how many.

    One for each worker would do: a worker continues with the next job by itself. Jobs whose key runs as many as it may
    are left out, as workers would pass them over.
    """
    waiting = (jobs.c.queued_at < now(-IDLE_SECONDS)) & within_running_quota(most_running)
    with read_transaction(engine) as connection:
        any_waits = connection.scalar(select(jobs.c.id).where(_without_wake_up(waiting)).limit(1)) is not None
    # The broker is asked while no transaction is open: one that hangs takes seconds to answer.
    if not any_waits or queued_wake_ups():
        return 0
    return _enqueue_wake_ups(engine, waiting, limit=MOST_IDLE_WAKE_UPS)


def _without_wake_up(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition that a job is queued, meets this one too, and has no wake-up in the outbox."""
    return (jobs.c.status == JobStatus.QUEUED) & condition & ~exists().where(outbox.c.job_id == jobs.c.id)


def _enqueue_wake_ups(engine: Engine, condition: ColumnElement[bool], *, limit: int) -> int:
    rows = select(jobs.c.id, now()).where(_without_wake_up(condition)).order_by(jobs.c.ring_at).limit(limit)
    with write_transaction(engine) as connection:
        wake_ups = insert(outbox).from_select(["job_id", "created_at"], rows)
        return len(connection.execute(wake_ups.returning(outbox.c.id)).all())


def acquire_leadership(engine: Engine, role: str, *, holder: str, seconds: float) -> bool:
    """Return whether ``holder`` leads in this role for the next ``seconds``. A leader that falls silent is replaced."""
    claim = update(leaders).where(_is_vacant(role, holder, seconds)).values(holder=holder, expires_at=now(seconds))
    with write_transaction(engine) as connection:
        return connection.execute(claim.returning(leaders.c.role)).one_or_none() is not None


def may_lead(engine: Engine, role: str, *, holder: str, seconds: float) -> bool:
    """Return whether ``holder`` leads or could lead in this role. Nothing is written, so two may be told so."""
    with read_transaction(engine) as connection:
        return bool(connection.scalar(select(exists().where(_is_vacant(role, holder, seconds)))))


def _is_vacant(role: str, holder: str, seconds: float) -> ColumnElement[bool]:
    """The condition that nobody but ``holder`` leads.

    A leader whose time ends much later than any that begins now is none: the clock has been set back since it began.
    """
    ended = or_(leaders.c.holder == holder, leaders.c.expires_at < now(), leaders.c.expires_at > now(2 * seconds))
    return (leaders.c.role == role) & ended


def release_leadership(engine: Engine, role: str, *, holder: str) -> None:
    """Give up the leadership at once, if ``holder`` has it."""
    leads = (leaders.c.role == role) & (leaders.c.holder == holder) & (leaders.c.expires_at > now())
    with write_transaction(engine) as connection:
        connection.execute(update(leaders).where(leads).values(expires_at=now(-1)))


def _job_ids(engine: Engine, condition: ColumnElement[bool]) -> list[str]:
    with read_transaction(engine) as connection:
        return list(connection.scalars(select(jobs.c.id).where(condition).limit(BATCH)))
