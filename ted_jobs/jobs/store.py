"""What clients do with jobs: submit, read, list and cancel them. Every call is one transaction."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from ted_core.datasets import DatasetSummary
from ted_core.warnings import JobWarning
from ted_jobs.db.counters import SUBMITTED, increment_counter
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import artifacts, events, idempotency, jobs
from ted_jobs.errors import (
    ArtifactNotReady,
    IdempotencyConflict,
    JobNotFound,
    JobUnreadable,
    NotCancellable,
)
from ted_jobs.jobs.filter import ALL_JOBS, JobCriteria, JobPosition, page_cursor, position
from ted_jobs.jobs.models import UNCOUNTED, Artifact, Event, Job, JsonObject
from ted_jobs.jobs.quotas import check_queued_quota, queued_quota
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.transitions import append_events, enqueue_wake_up, move

log = structlog.get_logger()

# The statements of every poll and every submission. Built once: SQLAlchemy takes as long to build one as to run it.
JOB_BY_ID = select(jobs).where(jobs.c.id == bindparam("job_id"), jobs.c.tenant == bindparam("tenant"))
NEW_JOB = insert(jobs).values(created_at=now(), queued_at=now()).returning(jobs)
NEW_IDEMPOTENCY_KEY = insert(idempotency).values(created_at=now())


@dataclass(frozen=True)
class Submission:
    """A stored job, and whether an earlier request with the same Idempotency-Key had already stored it."""

    job: Job
    replayed: bool


@dataclass(frozen=True)
class IdempotencyKey:
    """A client's Idempotency-Key, and the digest of the request body sent with it."""

    key: str
    request_digest: str


class JobStore:
    """The API's view of the jobs table."""

    def __init__(self, engine: Engine, *, max_attempts: int = 3, most_queued: int = 0) -> None:
        self.engine = engine
        self.max_attempts = max_attempts
        self.most_queued = most_queued

    def submit(
        self,
        spec: JobSpec,
        summary: DatasetSummary,
        *,
        tenant: str,
        key_id: str | None = None,
        idempotency_key: IdempotencyKey | None = None,
        retry_of: str | None = None,
        warnings: Sequence[JobWarning] = (),
    ) -> Submission:
        """Return the stored job. Job, first event, idempotency row and wake-up are written in one transaction.

        Raises IdempotencyConflict if the Idempotency-Key was sent with another body before, and TooManyQueued if the
        API key ``key_id`` has as many jobs queued as it may.
        """
        try:
            with write_transaction(self.engine) as connection:
                limit = queued_quota(connection, key_id, default=self.most_queued)  # first, since it may wait
                if earlier := self._replay(connection, tenant, idempotency_key):
                    return earlier
                check_queued_quota(connection, key_id, limit=limit)
                new = self._new_row(spec, summary, tenant) | {"key_id": key_id, "retry_of": retry_of}
                new["warnings"] = list(map(asdict, warnings)) or None
                return self._insert(connection, new, idempotency_key, seconds=spec.deadline_seconds)
        except IntegrityError:  # two requests with one key at the same instant: the other one won
            earlier = self.replay(idempotency_key, tenant=tenant)
            if earlier is None:
                raise
            return earlier

    def replay(self, idempotency_key: IdempotencyKey | None, *, tenant: str) -> Submission | None:
        """Return what an earlier request with this key stored, or None. Raises IdempotencyConflict."""
        with read_transaction(self.engine) as connection:
            return self._replay(connection, tenant, idempotency_key)

    def _replay(self, connection: Connection, tenant: str, key: IdempotencyKey | None) -> Submission | None:
        if key is None:
            return None
        match = (idempotency.c.tenant == tenant) & (idempotency.c.key == key.key)
        row = connection.execute(select(idempotency).where(match)).one_or_none()
        if row is None:
            return None
        if row.request_digest != key.request_digest:
            raise IdempotencyConflict(field="Idempotency-Key")
        return Submission(self._job(connection, row.job_id, tenant), replayed=True)

    def _insert(
        self, connection: Connection, new: dict[str, object], key: IdempotencyKey | None, *, seconds: float | None
    ) -> Submission:
        """``seconds``: how long the job may take, if that is limited."""
        row = connection.execute(NEW_JOB.values(deadline_at=now(seconds)) if seconds else NEW_JOB, new).one()
        append_events(connection, row.id, ("job.queued", _queued_event_data(row.retry_of)), last=1)
        enqueue_wake_up(connection, row.id)
        increment_counter(connection, SUBMITTED)
        if key:
            columns = {"job_id": row.id, "tenant": row.tenant, "key": key.key, "request_digest": key.request_digest}
            connection.execute(NEW_IDEMPOTENCY_KEY, columns)
        return Submission(Job.from_row(row), replayed=False)

    def _new_row(self, spec: JobSpec, summary: DatasetSummary, tenant: str) -> dict[str, object]:
        return {
            "id": new_job_id(),
            "tenant": tenant,
            "status": JobStatus.QUEUED,
            "spec": spec.model_dump(mode="json"),
            "dataset_guard": summary.change_token,
            "rows_in": summary.rows or UNCOUNTED,
            "attempt": 0,
            "max_attempts": self.max_attempts,
            "lease_token": 0,
            "version": 1,
            "last_event": 1,
            "hints": 0,
        }

    def job(self, job_id: str, *, tenant: str) -> Job:
        """Return the job. Raises JobNotFound, also if it is another tenant's."""
        with read_transaction(self.engine) as connection:
            return self._job(connection, job_id, tenant)

    def _job(self, connection: Connection, job_id: str, tenant: str) -> Job:
        row = connection.execute(JOB_BY_ID, {"job_id": job_id, "tenant": tenant}).one_or_none()
        if row is None:
            raise JobNotFound(job_id)
        return Job.from_row(row)

    def jobs(self, *, tenant: str, limit: int, after: str | None = None, criteria: JobCriteria = ALL_JOBS) -> list[Job]:
        """Return at most ``limit`` jobs older than ``after``, a cursor or a job's id, newest first.

        Jobs that only another version can read are left out. Raises UnknownCursor.
        """
        readable: list[Job] = []
        while True:
            page = self._page(tenant=tenant, limit=limit, after=after, criteria=criteria)
            readable += filter(None, map(_job_if_readable, page))
            if len(page) < limit or len(readable) >= limit:
                return readable[:limit]
            after = page_cursor(page[-1])

    def _page(self, *, tenant: str, limit: int, after: str | None, criteria: JobCriteria) -> Sequence[Row[Any]]:
        with read_transaction(self.engine) as connection:
            begin = _position(connection, after, tenant=tenant)
            return connection.execute(criteria.page(tenant=tenant, limit=limit, after=begin)).all()

    def narrowed(self, criteria: JobCriteria, *, tenant: str, after: str | None) -> JobCriteria:
        """Return the criteria with ``last`` set, if one request cannot look at all jobs that may meet them.

        Raises UnknownCursor.
        """
        with read_transaction(self.engine) as connection:
            begin = _position(connection, after, tenant=tenant)
            return criteria.narrowed(connection, tenant=tenant, after=begin)

    def cancel(self, job_id: str, *, tenant: str) -> Job:
        """Return the job, cancelled or about to be. Cancelling it again is no error.

        Raises JobNotFound, NotCancellable.
        """
        with write_transaction(self.engine) as connection:
            job = (
                move(
                    connection, job_id, JobStatus.CANCELLED, jobs.c.tenant == tenant, jobs.c.status == JobStatus.QUEUED
                )
                or move(connection, job_id, JobStatus.CANCELLING, jobs.c.tenant == tenant)
                or self._job(connection, job_id, tenant)
            )
        if job.status not in (JobStatus.CANCELLING, JobStatus.CANCELLED):
            raise NotCancellable(f"{job_id} is {job.status}")
        return job

    def events(self, job_id: str, *, tenant: str, after: int, limit: int) -> list[Event]:
        """Return at most ``limit`` events that follow the sequence number ``after``. Raises JobNotFound."""
        query = select(events).where(events.c.job_id == job_id, events.c.sequence > after)
        with read_transaction(self.engine) as connection:
            self._job(connection, job_id, tenant)
            return [Event.from_row(row) for row in connection.execute(query.order_by(events.c.sequence).limit(limit))]

    def artifact(self, job_id: str, kind: str, *, tenant: str) -> Artifact:
        """Return a published file of the job. Raises JobNotFound, ArtifactNotReady."""
        query = select(artifacts).where(artifacts.c.job_id == job_id, artifacts.c.kind == kind)
        with read_transaction(self.engine) as connection:
            job = self._job(connection, job_id, tenant)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise ArtifactNotReady(f"{job_id} is {job.status}")
        return Artifact(kind=row.kind, key=row.key, bytes=row.bytes, sha256=row.sha256)

    def ping(self) -> None:
        """Check that the database is reachable and migrated. Raises DBAPIError if it is not."""
        with read_transaction(self.engine) as connection:
            connection.execute(select(jobs.c.id).limit(1))


def new_job_id() -> str:
    """Return a new id. Ids sort by the millisecond in which they were made."""
    return f"job_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def _position(connection: Connection, cursor: str | None, *, tenant: str) -> JobPosition | None:
    return position(connection, cursor, tenant=tenant) if cursor else None


def _queued_event_data(retry_of: str | None) -> JsonObject:
    return {"retry_of": retry_of} if retry_of else {}


def _job_if_readable(row: Row[Any]) -> Job | None:
    try:
        job = Job.from_row(row)
        return job if job.spec else None
    except JobUnreadable as error:
        log.error("job not listed", job=row.id, error=str(error))
        return None
