"""Whose job starts next: tenants take turns, however many jobs each of them has queued."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, func, select

from ted_jobs.db.tables import jobs
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus


def next_job(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the id of the queued job that starts next, of those that meet the conditions.

    It is the oldest job of the tenant that runs the fewest, and among such tenants of the one that has waited longest
    since it last started a job.
    """
    waiting = (jobs.c.status == JobStatus.QUEUED, *conditions)
    tenants = _queueing_tenants()
    oldest = select(jobs.c.queued_at).where(*waiting, jobs.c.tenant == tenants.c.tenant).order_by(jobs.c.queued_at)
    since = oldest.limit(1).correlate(tenants).scalar_subquery().label("since")
    queue = select(tenants.c.tenant, since).where(tenants.c.tenant.is_not(None)).subquery()
    turn = (_running_count(queue.c.tenant), _last_start(queue.c.tenant).nulls_first(), queue.c.since)
    tenant = select(queue.c.tenant).where(queue.c.since.is_not(None)).order_by(*turn).limit(1).scalar_subquery()
    return select(jobs.c.id).where(*waiting, jobs.c.tenant == tenant).order_by(jobs.c.queued_at, jobs.c.id).limit(1)


def _queueing_tenants() -> CTE:
    """The tenants with queued jobs, and None: one index search for each, however many jobs it has queued."""
    queued = select(jobs.c.tenant).where(jobs.c.status == JobStatus.QUEUED).order_by(jobs.c.tenant).limit(1)
    tenants = select(queued.scalar_subquery().label("tenant")).cte("tenants", recursive=True)
    following = queued.where(jobs.c.tenant > tenants.c.tenant).correlate(tenants).scalar_subquery()
    return tenants.union_all(select(following).where(tenants.c.tenant.is_not(None)))


def not_submitted_by(submitters: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that the job's ``submitter`` is none of these."""
    return func.coalesce(jobs.c.key_id, jobs.c.tenant).not_in(submitters)


def _running_count(tenant: ColumnElement[str]) -> ColumnElement[int]:
    other = jobs.alias()
    running = select(func.count()).where(other.c.tenant == tenant, other.c.status.in_(LEASED_STATUSES))
    return running.scalar_subquery()


def _last_start(tenant: ColumnElement[str]) -> ColumnElement[object]:
    other = jobs.alias()
    return select(func.max(other.c.started_at)).where(other.c.tenant == tenant).scalar_subquery()
