"""Which jobs a list contains, and where its next page begins."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Text, case, cast, select

from ted_jobs.db.paging import older
from ted_jobs.db.tables import jobs
from ted_jobs.errors import UnknownCursor
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus

CURSOR_PATTERN = re.compile(r"(job_[0-9a-f]{28})(?:\.([0-9]{1,17}))?")
"""A job's id and, optionally, the microseconds from 1970 to its creation; without them the database looks them up."""
MOST_SEARCHED_BY_LABEL = 2_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class JobCriteria:
    """Selects the jobs that meet every criterion given."""

    statuses: Sequence[JobStatus] = ()
    """Any of these; all statuses if empty."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """All of these labels."""
    created_after: datetime | None = None
    created_before: datetime | None = None

    @property
    def most_searched(self) -> int | None:
        """How many jobs one request looks at; None for no limit. No index leads to labels, which lie in documents."""
        return MOST_SEARCHED_BY_LABEL if self.metadata else None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Return the criteria as SQL conditions, but for the statuses."""
        yield from self.time_conditions()
        for key, value in self.metadata.items():
            yield _metadata_value(key) == value

    def time_conditions(self) -> Iterator[ColumnElement[bool]]:
        """Return those that an index answers."""
        if self.created_after:
            yield jobs.c.created_at > self.created_after
        if self.created_before:
            yield jobs.c.created_at < self.created_before


ALL_JOBS = JobCriteria()


def _metadata_value(key: str) -> ColumnElement[str]:
    """Return the job's label with this key.

    PostgreSQL stores a NUL in JSON but fails any query that reads a document containing one; such a job counts as one
    without labels.
    """
    readable = ~cast(jobs.c.spec, Text).contains("\\u0000", autoescape=True)
    return case((readable, jobs.c.spec["metadata"][key].as_string()), else_=None)


class JobPosition(NamedTuple):
    """A job's place in a list."""

    id: str
    created_at: datetime


def page_cursor(job: Job | JobPosition | Row[Any]) -> str:
    """Return the cursor of the page after this job. It stays valid even if the job is deleted."""
    return f"{job.id}.{(job.created_at - EPOCH) // MICROSECOND}"


def older_than(connection: Connection, after: str, *, tenant: str) -> ColumnElement[bool]:
    """Return the condition that a job is older than ``after``, a cursor or a job's id. Raises UnknownCursor."""
    parsed = CURSOR_PATTERN.fullmatch(after)
    if parsed is None:
        raise UnknownCursor(after, field="after")
    job_id, microseconds = parsed.groups()
    created_at = (
        EPOCH + int(microseconds) * MICROSECOND if microseconds else _created_at(connection, job_id, tenant=tenant)
    )
    return older(jobs, created_at=created_at, row_id=job_id)


def _created_at(connection: Connection, job_id: str, *, tenant: str) -> datetime:
    query = select(jobs.c.created_at).where(jobs.c.id == job_id, jobs.c.tenant == tenant)
    created_at: datetime | None = connection.scalar(query)
    if created_at is None:
        raise UnknownCursor(job_id, field="after")
    return created_at
