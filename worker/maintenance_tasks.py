"""What the sweeper does: each chore one idempotent step, its writes conditional on what it has seen."""

import time
from collections.abc import Callable, Mapping
from functools import partial

from celery import Celery
from sqlalchemy import Engine

from ted_jobs.db import counters
from ted_jobs.files import garbage
from ted_jobs.files.listing import job_folders_at
from ted_jobs.jobs import maintenance, retention
from ted_jobs.queue import outbox
from ted_jobs.queue.celery import celery_app, notify, queued_wake_ups
from ted_jobs.settings import Settings

MaintenanceTask = Callable[[Engine], int]
"""Returns how many things were done."""

PUBLISHING_SECONDS = 2.0
"""After a broker's outage thousands of hints may wait; leases are looked after in between."""
BROKER_CHECK_SECONDS = 5.0
"""Between two looks into the broker."""
ORPHANS_KEPT_SECONDS = 86400.0
"""For whoever restores an older database beside newer files."""
MINUTE, HOUR = 60.0, 3600.0


def maintenance_tasks(settings: Settings) -> Mapping[str, MaintenanceTask]:
    """What a sweep does, in order: first what jobs wait for."""
    app = celery_app(settings)
    return {
        "reap expired leases": lambda engine: len(maintenance.reap_expired_leases(engine)),
        "expire overdue jobs": lambda engine: len(maintenance.expire_overdue(engine)),
        "ring again": partial(maintenance.renotify_overdue, most_running=settings.most_running),
        "ring the idle": every(BROKER_CHECK_SECONDS, _renotify_idle(app, most_running=settings.most_running)),
        "publish hints": lambda engine: outbox.drain(engine, partial(notify, app), seconds=PUBLISHING_SECONDS),
        "remove orphans": garbage.OrphanSweep(job_folders_at(settings.artifacts), kept_seconds=ORPHANS_KEPT_SECONDS),
        "forget old jobs": every(MINUTE, _delete_old_jobs(settings.retention_days)),
        "forget checkpoints": every(MINUTE, retention.delete_leftover_checkpoints),
        "forget old keys": every(HOUR, retention.delete_old_idempotency_keys),
        "forget old deliveries": every(MINUTE, retention.delete_old_deliveries),
        "add up tallies": every(MINUTE, counters.compact_counters),
    }


def _renotify_idle(app: Celery, *, most_running: int) -> MaintenanceTask:
    return partial(maintenance.renotify_idle, hints_lying=partial(queued_wake_ups, app), most_running=most_running)


def every(seconds: float, chore: MaintenanceTask, *, clock: Callable[[], float] = time.monotonic) -> MaintenanceTask:
    """The chore, done in the first sweep and then no more often than this."""
    due = float("-inf")

    def paced(engine: Engine) -> int:
        nonlocal due
        if clock() < due:
            return 0
        due = clock() + seconds
        return chore(engine)

    return paced


def _delete_old_jobs(days: float | None) -> MaintenanceTask:
    return lambda engine: retention.delete_old_jobs(engine, days=days) if days else 0
