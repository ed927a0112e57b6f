"""What clients do with jobs: submit, read, list, cancel. Every call is one transaction."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from ted_core.datasets import DatasetSummary
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
from ted_jobs.jobs.filter import ALL_JOBS, JobCriteria, older_than, page_cursor
from ted_jobs.jobs.models import Artifact, Event, Job, JsonObject
from ted_jobs.jobs.quotas import check_queued_quota, queued_quota
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.transitions import append_events, enqueue_wake_up, move

log = structlog.get_logger()

# What every poll and every submission asks. Built once, since building takes SQLAlchemy as long as running.
JOB_BY_ID = select(jobs).where(jobs.c.id == bindparam("job_id"), jobs.c.tenant == bindparam("tenant"))
NEW_JOB = insert(jobs).values(created_at=now(), queued_at=now()).returning(jobs)
NEW_IDEMPOTENCY_KEY = insert(idempotency).values(created_at=now())


@dataclass(frozen=True)
class Submission:
    """A stored job, and whether this request stored it or an earlier one with the same key did."""

    job: Job
    replayed: bool


@dataclass(frozen=True)
class IdempotencyKey:
    """A client's key and the digest of the body it came with."""

    key: str
    request_digest: str


class JobStore:
    """The API's view of the jobs table."""

    def __init__(self, engine: Engine, *, max_attempts: int = 3, most_queued: int = 0) -> None:
        self.engine, self.max_attempts, self.most_queued = engine, max_attempts, most_queued

    def submit(
        self,
        spec: JobSpec,
        summary: DatasetSummary,
        *,
        tenant: str,
        key_id: str | None = None,
        idempotency_key: IdempotencyKey | None = None,
        retry_of: str | None = None,
    ) -> Submission:
        """The stored job. Job, first event, idempotency row and hint are one transaction.

        Raises IdempotencyConflict where the Idempotency-Key came with another body before, and TooManyQueued where the
        client's key ``key_id`` has no room for another job.
        """
        try:
            with write_transaction(self.engine) as connection:
                limit = queued_quota(connection, key_id, default=self.most_queued)  # first, since it may wait
                if known := self._replay(connection, tenant, idempotency_key):
                    return known
                check_queued_quota(connection, key_id, limit=limit)
                new = self._new_row(spec, summary, tenant) | {"key_id": key_id, "retry_of": retry_of}
                return self._insert(connection, new, idempotency_key, seconds=spec.deadline_seconds)
        except IntegrityError:  # two requests with one key at the same instant: the other one won
            known = self.replay(idempotency_key, tenant=tenant)
            if known is None:
                raise
            return known

    def replay(self, idempotency_key: IdempotencyKey | None, *, tenant: str) -> Submission | None:
        """What an earlier request with this key has stored, or None. Raises IdempotencyConflict."""
        with read_transaction(self.engine) as connection:
            return self._replay(connection, tenant, idempotency_key)

    def _replay(self, connection: Connection, tenant: str, key: IdempotencyKey | None) -> Submission | None:
        if key is None:
            return None
        match = (idempotency.c.tenant == tenant) & (idempotency.c.key == key.key)
        known = connection.execute(select(idempotency).where(match)).one_or_none()
        if known is None:
            return None
        if known.request_digest != key.request_digest:
            raise IdempotencyConflict(field="Idempotency-Key")
        return Submission(self._job(connection, known.job_id, tenant), replayed=True)

    def _insert(
        self, connection: Connection, new: dict[str, object], repeat: IdempotencyKey | None, *, seconds: float | None
    ) -> Submission:
        """``seconds``: how long the job may take."""
        row = connection.execute(NEW_JOB.values(deadline_at=now(seconds)) if seconds else NEW_JOB, new).one()
        append_events(connection, row.id, ("job.queued", _queued_event_data(row.retry_of)), last=1)
        enqueue_wake_up(connection, row.id)
        increment_counter(connection, SUBMITTED)
        if repeat:
            known_by = {"tenant": row.tenant, "key": repeat.key, "request_digest": repeat.request_digest}
            connection.execute(NEW_IDEMPOTENCY_KEY, {"job_id": row.id, **known_by})
        return Submission(Job.from_row(row), replayed=False)

    def _new_row(self, spec: JobSpec, summary: DatasetSummary, tenant: str) -> dict[str, object]:
        return {
            "id": new_job_id(),
            "tenant": tenant,
            "status": JobStatus.QUEUED,
            "spec": spec.model_dump(mode="json"),
            "dataset_guard": summary.change_token,
            "rows_in": summary.rows,
            "attempt": 0,
            "max_attempts": self.max_attempts,
            "lease_token": 0,
            "version": 1,
            "last_event": 1,
            "hints": 0,
        }

    def job(self, job_id: str, *, tenant: str) -> Job:
        """The job. Raises JobNotFound, also for another tenant's."""
        with read_transaction(self.engine) as connection:
            return self._job(connection, job_id, tenant)

    def _job(self, connection: Connection, job_id: str, tenant: str) -> Job:
        row = connection.execute(JOB_BY_ID, {"job_id": job_id, "tenant": tenant}).one_or_none()
        if row is None:
            raise JobNotFound(job_id)
        return Job.from_row(row)

    def jobs(self, *, tenant: str, limit: int, after: str | None = None, wanted: JobCriteria = ALL_JOBS) -> list[Job]:
        """Newest first: at most ``limit`` jobs that follow ``after``, a cursor or a job's id. Raises UnknownCursor.

        Those that only another version can read are left out.
        """
        found: list[Job] = []
        while True:
            page = self._page(tenant=tenant, limit=limit, after=after, wanted=wanted)
            found += filter(None, map(_job_if_readable, page))
            if len(page) < limit or len(found) >= limit:
                return found[:limit]
            after = page_cursor(page[-1])

    def _page(self, *, tenant: str, limit: int, after: str | None, wanted: JobCriteria) -> Sequence[Row[Any]]:
        query = select(jobs).where(jobs.c.tenant == tenant, *wanted.conditions())
        with read_transaction(self.engine) as connection:
            query = query.where(older_than(connection, after, tenant=tenant)) if after else query
            newest_first = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
            return connection.execute(newest_first.limit(limit)).all()

    def cancel(self, job_id: str, *, tenant: str) -> Job:
        """The job, cancelled or about to be. Raises JobNotFound, NotCancellable. Asking twice is no error."""
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
        """At most ``limit`` events that follow sequence number ``after``. Raises JobNotFound."""
        query = select(events).where(events.c.job_id == job_id, events.c.sequence > after)
        with read_transaction(self.engine) as connection:
            self._job(connection, job_id, tenant)
            return [_event(row) for row in connection.execute(query.order_by(events.c.sequence).limit(limit))]

    def artifact(self, job_id: str, kind: str, *, tenant: str) -> Artifact:
        """A published file of the job. Raises JobNotFound, ArtifactNotReady."""
        query = select(artifacts).where(artifacts.c.job_id == job_id, artifacts.c.kind == kind)
        with read_transaction(self.engine) as connection:
            job = self._job(connection, job_id, tenant)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise ArtifactNotReady(f"{job_id} is {job.status}")
        return Artifact(kind=row.kind, key=row.key, bytes=row.bytes, sha256=row.sha256)

    def ping(self) -> None:
        """Nothing, once the database has answered that it has the tables."""
        with read_transaction(self.engine) as connection:
            connection.execute(select(jobs.c.id).limit(1))


def new_job_id() -> str:
    """A fresh id; ids made later sort later, to the millisecond."""
    return f"job_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def _queued_event_data(retry_of: str | None) -> JsonObject:
    return {"retry_of": retry_of} if retry_of else {}


def _job_if_readable(row: Row[Any]) -> Job | None:
    try:
        job = Job.from_row(row)
        return job if job.spec else None
    except JobUnreadable as error:
        log.error("job not listed", job=row.id, error=str(error))
        return None


def _event(row: Row[Any]) -> Event:
    return Event(row.job_id, row.sequence, row.type, row.data, row.created_at)
