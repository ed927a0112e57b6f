"""What workers do with jobs: claim one, keep it, end it. Every write holds only while the fencing token does."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, case, insert, literal, select, update

from ted_core.errors import OutOfMemory
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import artifacts, events, jobs
from ted_jobs.errors import JobUnreadable, LeaseLost
from ted_jobs.jobs.models import Artifact, Job, JobError, JsonObject
from ted_jobs.jobs.quotas import lock_key_of_job, within_running_quota
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus
from ted_jobs.jobs.transitions import append_events, end_attempt, move, requeue

log = structlog.get_logger()


class HeartbeatResponse(Enum):
    """What the store tells a worker that reports."""

    CONTINUE = "go on"
    CANCEL = "a client wants the job stopped"
    EXPIRE = "the deadline has passed"


@dataclass(frozen=True)
class Claim:
    """The right to work on a job. The token rises with every claim; an older one's writes are refused."""

    job: Job
    token: int

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """The conditions under which this claim may still write."""
        return (jobs.c.id == self.job.id, jobs.c.lease_token == self.token, jobs.c.status.in_(LEASED_STATUSES))


class Leases:
    """The workers' view of the jobs table."""

    def __init__(self, engine: Engine, *, lease_seconds: float = 60, most_running: int = 0) -> None:
        self.engine, self.lease_seconds, self.most_running = engine, lease_seconds, most_running

    def claim(self, job_id: str, *, worker: str) -> Claim | None:
        """The right to run the job, or None where it is not queued: another hint was faster, or it has ended.

        None, too, where only another version can read it: it stays queued for workers of that version. And while the
        job's key runs as many as it may: it waits for one of them to end.
        """
        changes = {
            "worker": worker,
            "attempt": jobs.c.attempt + 1,
            "lease_token": jobs.c.lease_token + 1,
            "lease_expires_at": now(self.lease_seconds),
            "started_at": now(),
            "status_reason": None,
        }
        try:
            with write_transaction(self.engine) as connection:
                lock_key_of_job(connection, job_id, default=self.most_running)
                allowed = within_running_quota(self.most_running)
                job = move(connection, job_id, JobStatus.RUNNING, allowed, facts={"worker": worker}, **changes)
                return Claim(job, job.lease_token) if job and job.spec else None  # unread, the move is undone
        except JobUnreadable as error:
            log.error("job left to workers of another version", job=job_id, error=str(error))
            return None

    def claim_next(self, *, worker: str) -> Claim | None:
        """The right to run the job that has been queued longest of those that may run, or None where none is."""
        waiting = (jobs.c.status == JobStatus.QUEUED) & within_running_quota(self.most_running)
        oldest = select(jobs.c.id).where(waiting).order_by(jobs.c.queued_at, jobs.c.id)
        passed: list[str] = []
        while True:
            with read_transaction(self.engine) as connection:
                job_id = connection.scalar(oldest.where(jobs.c.id.not_in(passed)).limit(1))
            if job_id is None:
                return None
            if claim := self.claim(job_id, worker=worker):
                return claim
            passed.append(job_id)  # another worker was faster, or has to be of another version

    def heartbeat(
        self, claim: Claim, *, progress: JsonObject | None = None, happened: Sequence[tuple[str, JsonObject]] = ()
    ) -> HeartbeatResponse:
        """Renew the lease and store what is new; returns what to do next. Raises LeaseLost where the claim is void.

        ``happened``: types and data of events.
        """
        news = {"version": jobs.c.version + 1, "progress": progress} if progress else {}
        statement = (
            update(jobs)
            .where(*claim.conditions())
            .values(lease_expires_at=now(self.lease_seconds), last_event=jobs.c.last_event + len(happened), **news)
            .returning(jobs.c.status, jobs.c.last_event, case((jobs.c.deadline_at < now(), 1), else_=literal(0)))
        )
        with write_transaction(self.engine) as connection:
            row = connection.execute(statement).one_or_none()
            if row is None:
                raise LeaseLost(claim.job.id)
            status, last_event, late = row
            append_events(connection, claim.job.id, *happened, last=last_event)
        if status == JobStatus.CANCELLING:
            return HeartbeatResponse.CANCEL
        return HeartbeatResponse.EXPIRE if late else HeartbeatResponse.CONTINUE

    def out_of_memory_count(self, claim: Claim) -> int:
        """How many attempts at the job have ended because memory ran out."""
        query = select(events.c.data).where(events.c.job_id == claim.job.id, events.c.type == f"job.{JobStatus.QUEUED}")
        with read_transaction(self.engine) as connection:
            errors = [data.get("error") or {} for data in connection.scalars(query)]
        return sum(error.get("code") == OutOfMemory.code() for error in errors)

    def begin_finalizing(self, claim: Claim) -> None:
        """Pass the point of no return, the lease renewed; asked twice, whose first answer was lost, it is no error.

        Raises LeaseLost where the claim is void or a client has cancelled.
        """
        with write_transaction(self.engine) as connection:
            renewed = now(self.lease_seconds)
            held = move(connection, claim.job.id, JobStatus.FINALIZING, *claim.conditions(), lease_expires_at=renewed)
            _require_held(claim, held or _already_moved(connection, claim, JobStatus.FINALIZING))

    def finish(self, claim: Claim, *, published: Sequence[Artifact], result: JsonObject) -> Job:
        """The succeeded job; files, status and event become visible at one instant. Raises LeaseLost.

        Asked again because the answer to a commit was lost, it finds that done.
        """
        with write_transaction(self.engine) as connection:
            job = move(connection, claim.job.id, JobStatus.SUCCEEDED, *claim.conditions(), result=result, error=None)
            if job is None:
                return _require_held(claim, _already_moved(connection, claim, JobStatus.SUCCEEDED))
            for file in published:
                connection.execute(insert(artifacts).values(job_id=job.id, created_at=now(), **vars(file)))
            return job

    def fail(self, claim: Claim, error: JobError) -> Job:
        """The job after a failed attempt: queued again where that may help, failed where not. Raises LeaseLost.

        A job that was being cancelled ends as cancelled, whatever made its runner stop.
        """
        with write_transaction(self.engine) as connection:
            stopped = move(connection, claim.job.id, JobStatus.CANCELLED, *claim.conditions())
            return stopped or _require_held(claim, end_attempt(connection, claim.job, error, *claim.conditions()))

    def release(self, claim: Claim) -> Job:
        """The job, queued again because its worker shuts down; the attempt does not count.

        Cancelled instead where its client has asked for that. Raises LeaseLost.
        """
        reason = "its worker was shut down; it goes on with the next one"
        uncounted = {"attempt": jobs.c.attempt - 1}
        with write_transaction(self.engine) as connection:
            stopped = move(connection, claim.job.id, JobStatus.CANCELLED, *claim.conditions())
            return stopped or _require_held(
                claim, requeue(connection, claim.job.id, *claim.conditions(), reason=reason, facts={}, **uncounted)
            )

    def mark_cancelled(self, claim: Claim) -> Job:
        """The job, stopped as its client asked. Raises LeaseLost."""
        with write_transaction(self.engine) as connection:
            return _require_held(claim, move(connection, claim.job.id, JobStatus.CANCELLED, *claim.conditions()))

    def mark_expired(self, claim: Claim) -> Job:
        """The job, past its deadline. Raises LeaseLost."""
        reason = "the deadline passed while the job ran"
        with write_transaction(self.engine) as connection:
            job = move(connection, claim.job.id, JobStatus.EXPIRED, *claim.conditions(), status_reason=reason)
            return _require_held(claim, job)


def _already_moved(connection: Connection, claim: Claim, to: JobStatus) -> Job | None:
    """The job where it is in this status, to which only this claim can have moved it."""
    same = (jobs.c.id == claim.job.id, jobs.c.lease_token == claim.token, jobs.c.status == to)
    row = connection.execute(select(jobs).where(*same)).one_or_none()
    return Job.from_row(row) if row else None


def _require_held(claim: Claim, job: Job | None) -> Job:
    """The job that a write brought back; none means that the claim was void, and the transaction is undone."""
    if job is None:
        raise LeaseLost(claim.job.id)
    return job
