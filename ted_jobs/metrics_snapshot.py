"""The whole installation in numbers, as the database knows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Row, func, select
from sqlalchemy.sql.selectable import Select

from ted_jobs.db.counters import CounterKey, counter_totals
from ted_jobs.db.engine import now, read_transaction
from ted_jobs.db.tables import deliveries, jobs, leaders, outbox
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus
from ted_jobs.webhooks.deliveries import DeliveryStatus


@dataclass(frozen=True)
class Backlog:
    """Things in a queue."""

    count: int
    oldest_seconds: float
    """Age of the oldest by the database's clock; 0 where none waits."""


@dataclass(frozen=True)
class MetricsSnapshot:
    """What one look at the database finds."""

    jobs: Mapping[JobStatus, int]
    queued: Backlog
    wake_ups: Backlog
    """Hints that have not been published."""
    stale_leases: Backlog
    """Jobs whose worker is silent and that no sweeper has put back."""
    deliveries: Mapping[DeliveryStatus, int]
    due_deliveries: Backlog
    """Deliveries whose time has come."""
    sweeper: str | None
    """Who sweeps; None where nobody does."""
    totals: Mapping[CounterKey, float]


def metrics_snapshot(engine: Engine) -> MetricsSnapshot:
    """The present numbers, read in one transaction."""
    queued = select(jobs.c.queued_at).where(jobs.c.status == JobStatus.QUEUED)
    stale = select(jobs.c.lease_expires_at).where(jobs.c.status.in_(LEASED_STATUSES), jobs.c.lease_expires_at < now())
    with read_transaction(engine) as connection:
        return MetricsSnapshot(
            jobs=_jobs_by_status(connection),
            queued=_backlog(connection, queued),
            wake_ups=_backlog(connection, select(outbox.c.created_at)),
            stale_leases=_backlog(connection, stale),
            deliveries=_deliveries_by_status(connection),
            due_deliveries=_backlog(connection, select(deliveries.c.due_at).where(deliveries.c.due_at < now())),
            sweeper=connection.scalar(select(leaders.c.holder).where(leaders.c.expires_at > now())),
            totals=counter_totals(connection),
        )


def _jobs_by_status(connection: Connection) -> dict[JobStatus, int]:
    counted = connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status))
    return dict.fromkeys(JobStatus, 0) | {JobStatus(status): count for status, count in counted}


def _deliveries_by_status(connection: Connection) -> dict[DeliveryStatus, int]:
    counted = connection.execute(select(deliveries.c.status, func.count()).group_by(deliveries.c.status))
    return dict.fromkeys(DeliveryStatus, 0) | {DeliveryStatus(status): count for status, count in counted}


def _backlog(connection: Connection, since: Select[tuple[Row]]) -> Backlog:  # type: ignore[type-arg]
    times = since.subquery().c[0]
    count, oldest, present = connection.execute(select(func.count(times), func.min(times), now())).one()
    return Backlog(count, max(0.0, (present - oldest).total_seconds()) if oldest else 0.0)
