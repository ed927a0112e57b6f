"""What workers do with jobs: claim, keep and end them. A write counts only under the newest fencing token."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, case, insert, literal, select, update

from ted_core.errors import OutOfMemory
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import artifacts, jobs
from ted_jobs.errors import JobUnreadable, LeaseLost
from ted_jobs.jobs.fair_order import next_job, not_submitted_by
from ted_jobs.jobs.models import Artifact, Job, JobError, JsonObject
from ted_jobs.jobs.quotas import lock_key_of_job, within_running_quota
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus
from ted_jobs.jobs.transitions import append_events, earlier_errors, end_attempt, move, requeue

log = structlog.get_logger()


class HeartbeatResponse(Enum):
    """What a worker is told when it renews its lease."""

    CONTINUE = "continue"
    CANCEL = "a client wants the job stopped"
    EXPIRE = "the deadline has passed"


@dataclass(frozen=True)
class Claim:
    """The right to work on a job. Every claim raises the token, and writes under an older token are refused."""

    job: Job
    token: int

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions under which this claim may still write."""
        return (jobs.c.id == self.job.id, jobs.c.lease_token == self.token, jobs.c.status.in_(LEASED_STATUSES))


class Leases:
    """The workers' view of the jobs table."""

    def __init__(self, engine: Engine, *, lease_seconds: float = 60, most_running: int = 0) -> None:
        self.engine = engine
        self.lease_seconds = lease_seconds
        self.most_running = most_running

    def claim(self, job_id: str, *, worker: str) -> Claim | None:
        """Return a claim on the job, or None if it is not queued: another worker was faster, or it has ended.

        None, too, if only another version can read it, so that it stays queued for workers of that version, and if its
        key runs as many jobs as it may, so that it waits for one of them to end.
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
                # Reading the specification here undoes the move if it cannot be read.
                return Claim(job, job.lease_token) if job and job.spec else None
        except JobUnreadable as error:
            log.error("job left to workers of another version", job=job_id, error=str(error))
            return None

    def claim_next(self, *, worker: str, passed_over: Collection[str] = ()) -> Claim | None:
        """Return a claim on the job whose turn it is of those that may run, or None if there is none.

        Tenants take turns. Jobs whose ``submitter`` is in ``passed_over`` are left to other workers.
        """
        allowed = (within_running_quota(self.most_running), not_submitted_by(passed_over))
        unclaimed: list[str] = []
        while True:
            with read_transaction(self.engine) as connection:
                job_id = connection.scalar(next_job(*allowed, jobs.c.id.not_in(unclaimed)))
            if job_id is None:
                return None
            if claim := self.claim(job_id, worker=worker):
                return claim
            unclaimed.append(job_id)  # another worker was faster, or only one of another version can read it

    def is_any_waiting(self) -> bool:
        """Return whether a job is queued that may run."""
        waiting = (jobs.c.status == JobStatus.QUEUED) & within_running_quota(self.most_running)
        with read_transaction(self.engine) as connection:
            return connection.scalar(select(jobs.c.id).where(waiting).limit(1)) is not None

    def heartbeat(
        self, claim: Claim, *, progress: JsonObject | None = None, new_events: Sequence[tuple[str, JsonObject]] = ()
    ) -> HeartbeatResponse:
        """Renew the lease, store progress and events, and return what to do next.

        Each event is a type and its data. Raises LeaseLost if the claim is void.
        """
        changes = {"version": jobs.c.version + 1, "progress": progress} if progress else {}
        statement = (
            update(jobs)
            .where(*claim.conditions())
            .values(lease_expires_at=now(self.lease_seconds), last_event=jobs.c.last_event + len(new_events), **changes)
            .returning(jobs.c.status, jobs.c.last_event, case((jobs.c.deadline_at < now(), 1), else_=literal(0)))
        )
        with write_transaction(self.engine) as connection:
            row = connection.execute(statement).one_or_none()
            if row is None:
                raise LeaseLost(claim.job.id)
            status, last_event, overdue = row
            append_events(connection, claim.job.id, *new_events, last=last_event)
        if status == JobStatus.CANCELLING:
            return HeartbeatResponse.CANCEL
        return HeartbeatResponse.EXPIRE if overdue else HeartbeatResponse.CONTINUE

    def out_of_memory_count(self, claim: Claim) -> int:
        """Return how many attempts at the job have run out of memory."""
        with read_transaction(self.engine) as connection:
            errors = earlier_errors(connection, claim.job.id)
        return sum(error["code"] == OutOfMemory.code() for error in errors)

    def begin_finalizing(self, claim: Claim) -> None:
        """Pass the point of no return, and renew the lease. Repeating it is no error: the first answer may be lost.

        Raises LeaseLost if the claim is void or a client has cancelled the job.
        """
        with write_transaction(self.engine) as connection:
            expiry = now(self.lease_seconds)
            job = move(connection, claim.job.id, JobStatus.FINALIZING, *claim.conditions(), lease_expires_at=expiry)
            _require_held(claim, job or _already_moved(connection, claim, JobStatus.FINALIZING))

    def finish(self, claim: Claim, *, published: Sequence[Artifact], result: JsonObject) -> Job:
        """Return the succeeded job. Files, status and event become visible together. Raises LeaseLost.

        Repeating it is no error: the answer to the first commit may be lost.
        """
        with write_transaction(self.engine) as connection:
            job = move(connection, claim.job.id, JobStatus.SUCCEEDED, *claim.conditions(), result=result, error=None)
            if job is None:
                return _require_held(claim, _already_moved(connection, claim, JobStatus.SUCCEEDED))
            for file in published:
                connection.execute(insert(artifacts).values(job_id=job.id, created_at=now(), **vars(file)))
            return job

    def fail(self, claim: Claim, error: JobError) -> Job:
        """Return the job after a failed attempt: queued again if that may help, else failed. Raises LeaseLost.

        A job that was being cancelled ends as cancelled, whatever made its runner stop.
        """
        with write_transaction(self.engine) as connection:
            job = move(connection, claim.job.id, JobStatus.CANCELLED, *claim.conditions()) or end_attempt(
                connection, claim.job, error, *claim.conditions()
            )
            return _require_held(claim, job)

    def release(self, claim: Claim, reason: str = "its worker was shut down; the next one resumes it") -> Job:
        """Return the job to the queue because its worker shuts down, or for this reason; the attempt does not count.

        If its client has asked for that, it is cancelled instead. Raises LeaseLost.
        """
        with write_transaction(self.engine) as connection:
            job = move(connection, claim.job.id, JobStatus.CANCELLED, *claim.conditions()) or requeue(
                connection, claim.job.id, *claim.conditions(), reason=reason, facts={}, attempt=jobs.c.attempt - 1
            )
            return _require_held(claim, job)

    def mark_cancelled(self, claim: Claim) -> Job:
        """Return the job, cancelled as its client asked. Raises LeaseLost."""
        with write_transaction(self.engine) as connection:
            return _require_held(claim, move(connection, claim.job.id, JobStatus.CANCELLED, *claim.conditions()))

    def mark_expired(self, claim: Claim) -> Job:
        """Return the job, expired because its deadline has passed. Raises LeaseLost."""
        reason = "the deadline passed while the job ran"
        with write_transaction(self.engine) as connection:
            job = move(connection, claim.job.id, JobStatus.EXPIRED, *claim.conditions(), status_reason=reason)
            return _require_held(claim, job)


def _already_moved(connection: Connection, claim: Claim, to: JobStatus) -> Job | None:
    """The job if it is in this status, to which only this claim can have moved it."""
    same = (jobs.c.id == claim.job.id, jobs.c.lease_token == claim.token, jobs.c.status == to)
    row = connection.execute(select(jobs).where(*same)).one_or_none()
    return Job.from_row(row) if row else None


def _require_held(claim: Claim, job: Job | None) -> Job:
    """The job that a write returned. Raises LeaseLost if there is none, which undoes the transaction."""
    if job is None:
        raise LeaseLost(claim.job.id)
    return job
