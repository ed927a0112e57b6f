"""The numbers that describe an installation, as its database knows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Row, func, select
from sqlalchemy.sql.selectable import Select

from ted_jobs.db.counters import DELIVERIES, JOBS, CounterKey, counter_totals
from ted_jobs.db.engine import now, read_transaction
from ted_jobs.db.presence import is_sweeper_present
from ted_jobs.db.tables import deliveries, jobs, outbox, webhooks
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus
from ted_jobs.webhooks.deliveries import DeliveryStatus


@dataclass(frozen=True)
class Backlog:
    """What waits in a queue."""

    count: int
    oldest_seconds: float
    """Age of the oldest by the database's clock; 0 if nothing waits."""


@dataclass(frozen=True)
class MetricsSnapshot:
    """The state of an installation at one moment."""

    jobs: Mapping[JobStatus, int]
    queued: Backlog
    wake_ups: Backlog
    """Wake-ups that have not been published."""
    stale_leases: Backlog
    """Jobs whose leases have expired and that no sweeper has returned to the queue."""
    deliveries: Mapping[DeliveryStatus, int]
    due_deliveries: Backlog
    """Webhook deliveries that are due."""
    is_sweeper_present: bool
    totals: Mapping[CounterKey, float]


def metrics_snapshot(engine: Engine) -> MetricsSnapshot:
    """Return the present numbers, read in one transaction."""
    queued = select(jobs.c.queued_at).where(jobs.c.status == JobStatus.QUEUED)
    stale = select(jobs.c.lease_expires_at).where(jobs.c.status.in_(LEASED_STATUSES), jobs.c.lease_expires_at < now())
    # Webhook by webhook, as the index has them: of the deliveries that have ended none is looked at.
    due = select(deliveries.c.due_at).where(
        deliveries.c.webhook_id.in_(select(webhooks.c.id)), deliveries.c.due_at < now()
    )
    with read_transaction(engine) as connection:
        totals = counter_totals(connection)
        return MetricsSnapshot(
            jobs={status: int(totals.get((JOBS, status), 0)) for status in JobStatus},
            queued=_backlog(connection, queued),
            wake_ups=_backlog(connection, select(outbox.c.created_at)),
            stale_leases=_backlog(connection, stale),
            deliveries={status: int(totals.get((DELIVERIES, status), 0)) for status in DeliveryStatus},
            due_deliveries=_backlog(connection, due),
            is_sweeper_present=is_sweeper_present(connection),
            totals=totals,
        )


def _backlog(connection: Connection, since: Select[tuple[Row]]) -> Backlog:  # type: ignore[type-arg]
    times = since.subquery().c[0]
    count, oldest, present = connection.execute(select(func.count(times), func.min(times), now())).one()
    return Backlog(count, max(0.0, (present - oldest).total_seconds()) if oldest else 0.0)
