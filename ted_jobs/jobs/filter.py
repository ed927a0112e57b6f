"""Which jobs a list holds, and where its next page begins."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, case, cast, or_, select

from ted_jobs.db.tables import jobs
from ted_jobs.errors import UnknownCursor
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus

CURSOR_PATTERN = re.compile(r"(job_[0-9a-f]{28})(?:\.([0-9]{1,17}))?")
"""A job's id and, unless the database shall look it up, when it was created: microseconds since 1970."""
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True)
class JobCriteria:
    """Which jobs are wanted: those of which everything here is true."""

    statuses: Sequence[JobStatus] = ()
    """One of these; any where there is none."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """All of these labels."""
    created_after: datetime | None = None
    created_before: datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """The same in SQL."""
        if self.statuses:
            yield jobs.c.status.in_(self.statuses)
        if self.created_after:
            yield jobs.c.created_at > self.created_after
        if self.created_before:
            yield jobs.c.created_at < self.created_before
        for key, value in self.metadata.items():
            yield _metadata_value(key) == value


ALL_JOBS = JobCriteria()


def _metadata_value(key: str) -> ColumnElement[str]:
    """The job's label with this key.

    PostgreSQL stores a NUL in JSON but refuses to read a document that holds one, and the whole query with it; such a
    job counts as one without labels.
    """
    readable = ~cast(jobs.c.spec, Text).contains("\\u0000", autoescape=True)
    return case((readable, jobs.c.spec["metadata"][key].as_string()), else_=None)


def page_cursor(job: Job | Row[Any]) -> str:
    """Where the page that ends with this job goes on, also when the job has been deleted meanwhile."""
    return f"{job.id}.{(job.created_at - EPOCH) // MICROSECOND}"


def older_than(connection: Connection, after: str, *, tenant: str) -> ColumnElement[bool]:
    """The condition of jobs that follow ``after``, a cursor or the id of a job, newest first. Raises UnknownCursor.

    Places are told by when a job was created, which never changes: pages neither repeat nor skip a job, whatever is
    submitted or deleted between them.
    """
    parsed = CURSOR_PATTERN.fullmatch(after)
    if parsed is None:
        raise UnknownCursor(after, field="after")
    job_id, instant = parsed.groups()
    created_at = EPOCH + int(instant) * MICROSECOND if instant else _created_at(connection, job_id, tenant=tenant)
    same_instant = (jobs.c.created_at == created_at) & (jobs.c.id < job_id)
    return or_(jobs.c.created_at < created_at, same_instant)


def _created_at(connection: Connection, job_id: str, *, tenant: str) -> datetime:
    known = select(jobs.c.created_at).where(jobs.c.id == job_id, jobs.c.tenant == tenant)
    created_at: datetime | None = connection.scalar(known)
    if created_at is None:
        raise UnknownCursor(job_id, field="after")
    return created_at
