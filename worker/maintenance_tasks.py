"""The sweeper's tasks: each is one idempotent step whose writes are conditional on what it has read."""

import time
from collections.abc import Callable, Mapping
from functools import partial

from celery import Celery
from sqlalchemy import Engine

from ted_core.storage.roots import file_store
from ted_jobs.db import counters, throughputs
from ted_jobs.files import garbage
from ted_jobs.jobs import maintenance, retention
from ted_jobs.queue import outbox
from ted_jobs.queue.celery import celery_app, notify, queued_wake_ups
from ted_jobs.settings import Settings

MaintenanceTask = Callable[[Engine], int]
"""Returns how many rows or files it has dealt with."""

PUBLISHING_SECONDS = 2.0
"""After a broker's outage thousands of wake-ups may wait; leases must be checked in between."""
BROKER_CHECK_SECONDS = 5.0
"""The time between two checks of the broker."""
ORPHANS_KEPT_SECONDS = 86400.0
"""In case somebody restores an older database beside newer files."""
MINUTE = 60.0
HOUR = 3600.0


def maintenance_tasks(settings: Settings) -> Mapping[str, MaintenanceTask]:
    """Return the tasks of a sweep in their order: first those that jobs wait for."""
    app = celery_app(settings)
    return {
        "reap expired leases": lambda engine: len(maintenance.reap_expired_leases(engine)),
        "expire overdue jobs": lambda engine: len(maintenance.expire_overdue(engine)),
        "renotify overdue jobs": partial(maintenance.renotify_overdue, most_running=settings.most_running),
        "renotify idle jobs": every(BROKER_CHECK_SECONDS, _renotify_idle(app, most_running=settings.most_running)),
        "publish wake-ups": lambda engine: outbox.drain(engine, partial(notify, app), seconds=PUBLISHING_SECONDS),
        "remove orphans": garbage.OrphanSweep(file_store(settings.artifacts), kept_seconds=ORPHANS_KEPT_SECONDS),
        "delete old jobs": every(MINUTE, _delete_old_jobs(settings.retention_days)),
        "delete leftover checkpoints": every(MINUTE, retention.delete_leftover_checkpoints),
        "delete old idempotency keys": every(HOUR, retention.delete_old_idempotency_keys),
        "delete old deliveries": every(MINUTE, retention.delete_old_deliveries),
        "delete old throughputs": every(HOUR, throughputs.delete_old),
        "compact counters": every(MINUTE, counters.compact_counters),
    }


def _renotify_idle(app: Celery, *, most_running: int) -> MaintenanceTask:
    in_broker = partial(queued_wake_ups, app)
    return partial(maintenance.renotify_idle, queued_wake_ups=in_broker, most_running=most_running)


def every(seconds: float, task: MaintenanceTask, *, clock: Callable[[], float] = time.monotonic) -> MaintenanceTask:
    """Return a task that runs in the first sweep and then at most once in ``seconds``."""
    due = float("-inf")

    def paced(engine: Engine) -> int:
        nonlocal due
        if clock() < due:
            return 0
        due = clock() + seconds
        return task(engine)

    return paced


def _delete_old_jobs(days: float | None) -> MaintenanceTask:
    return lambda engine: retention.delete_old_jobs(engine, days=days) if days else 0
