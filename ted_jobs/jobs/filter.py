"""Which jobs a list contains, and where its next page begins."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, select

from ted_jobs.db.paging import newest_first, newest_with_status, not_older, older
from ted_jobs.db.tables import jobs, labels
from ted_jobs.errors import UnknownCursor
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus

CURSOR_PATTERN = re.compile(r"(job_[0-9a-f]{28})(?:\.([0-9]{1,17}))?")
"""A job's id and, optionally, the microseconds from 1970 to its creation; without them the database looks them up."""
MOST_SEARCHED_BY_LABEL = 2_000
"""How many jobs with one label a request looks at in search of those that have another, or a status, as well."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class JobPosition(NamedTuple):
    """A job's place in a list."""

    id: str
    created_at: datetime


LABELLED = select(labels, labels.c.job_id.label("id")).subquery("labelled")
"""The labels, as a list of jobs: an index finds the newest with a label."""
OTHER_LABEL = labels.alias("other_label")


@dataclass(frozen=True)
class JobCriteria:
    """Selects the jobs that meet every criterion given."""

    statuses: Sequence[JobStatus] = ()
    """Any of these; all statuses if empty."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """All of these labels. An index finds the jobs that have the first; each of them is asked for the others."""
    created_after: datetime | None = None
    created_before: datetime | None = None
    last: JobPosition | None = None
    """The oldest job that is looked at; None for all."""

    def page(self, *, tenant: str, limit: int, after: JobPosition | None) -> Select[Any]:
        """Return the query for at most ``limit`` jobs older than ``after``, newest first."""
        if not self.metadata:
            conditions = (jobs.c.tenant == tenant, *self._between(jobs, after))
            return newest_with_status(jobs, *conditions, statuses=self.statuses, limit=limit)
        found = newest_first(
            self._labelled(tenant, after).where(*self._not_indexed()), LABELLED, limit=limit
        ).subquery()
        return newest_first(select(jobs).where(jobs.c.id.in_(select(found.c.id))), jobs, limit=limit)

    def narrowed(self, connection: Connection, *, tenant: str, after: JobPosition | None) -> "JobCriteria":
        """Return the criteria of one request: the rarest label first, and ``last`` if jobs with it are too many."""
        if not self.metadata or len(self.metadata) + bool(self.statuses) == 1:
            return self
        orders = (replace(self, metadata={key: value} | {**self.metadata}) for key, value in self.metadata.items())
        ended = [replace(each, last=each._search_end(connection, tenant, after)) for each in orders]
        return min(ended, key=lambda each: each.last.created_at if each.last else EPOCH)

    def _search_end(self, connection: Connection, tenant: str, after: JobPosition | None) -> JobPosition | None:
        """Return the oldest job that one request asks for more than its first label; None if it can ask all."""
        query = newest_first(self._labelled(tenant, after), LABELLED, limit=2)
        rows = connection.execute(query.offset(MOST_SEARCHED_BY_LABEL - 1)).all()
        return JobPosition(*rows[0]) if len(rows) > 1 else None

    def _labelled(self, tenant: str, after: JobPosition | None) -> Select[Any]:
        """Return the query for the jobs that have the first label."""
        key, value = next(iter(self.metadata.items()))
        has_label = (LABELLED.c.tenant == tenant, LABELLED.c.key == key, LABELLED.c.value == value)
        return select(LABELLED.c.id, LABELLED.c.created_at).where(*has_label, *self._between(LABELLED, after))

    def _between(self, table: FromClause, after: JobPosition | None) -> Iterator[ColumnElement[bool]]:
        """Return the conditions that an index answers."""
        if self.created_after:
            yield table.c.created_at > self.created_after
        if self.created_before:
            yield table.c.created_at < self.created_before
        if after:
            yield older(table, created_at=after.created_at, row_id=after.id)
        if self.last:
            yield not_older(table, created_at=self.last.created_at, row_id=self.last.id)

    def _not_indexed(self) -> Iterator[ColumnElement[bool]]:
        """Return the conditions on jobs with the first label; as scalars, which no database begins its search with."""
        for key, value in list(self.metadata.items())[1:]:
            same_job = (OTHER_LABEL.c.job_id == LABELLED.c.id, OTHER_LABEL.c.key == key)
            yield select(OTHER_LABEL.c.value).where(*same_job).scalar_subquery() == value
        if self.statuses:
            status = select(jobs.c.status).where(jobs.c.id == LABELLED.c.id).scalar_subquery()
            yield status.in_(self.statuses)


ALL_JOBS = JobCriteria()


def page_cursor(job: Job | JobPosition | Row[Any]) -> str:
    """Return the cursor of the page after this job. It stays valid even if the job is deleted."""
    return f"{job.id}.{(job.created_at - EPOCH) // MICROSECOND}"


def position(connection: Connection, cursor: str, *, tenant: str) -> JobPosition:
    """Return the place that a cursor, or a job's id, names. Raises UnknownCursor."""
    parsed = CURSOR_PATTERN.fullmatch(cursor)
    if parsed is None:
        raise UnknownCursor(cursor, field="after")
    job_id, microseconds = parsed.groups()
    if microseconds:
        return JobPosition(job_id, EPOCH + int(microseconds) * MICROSECOND)
    return JobPosition(job_id, _created_at(connection, job_id, tenant=tenant))


def _created_at(connection: Connection, job_id: str, *, tenant: str) -> datetime:
    query = select(jobs.c.created_at).where(jobs.c.id == job_id, jobs.c.tenant == tenant)
    created_at: datetime | None = connection.scalar(query)
    if created_at is None:
        raise UnknownCursor(job_id, field="after")
    return created_at
