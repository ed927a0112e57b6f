"""What the sweeper does: each chore one idempotent step, its writes conditional on what it has seen."""

import time
from collections.abc import Callable, Mapping
from functools import partial

from celery import Celery
from sqlalchemy import Engine

from ted_jobs.db import retention
from ted_jobs.files import garbage
from ted_jobs.files.listing import place_of
from ted_jobs.jobs import maintenance
from ted_jobs.metrics import counters
from ted_jobs.queue import outbox
from ted_jobs.queue.celery import celery_app, hints_lying, ring
from ted_jobs.settings import Settings

Chore = Callable[[Engine], int]
"""Returns how many things were done."""

PUBLISHING_SECONDS = 2.0
"""After a broker's outage thousands of hints may wait; leases are looked after in between."""
ASKING_SECONDS = 5.0
"""Between two looks into the broker."""
ORPHANS_KEPT_SECONDS = 86400.0
"""For whoever restores an older database beside newer files."""
MINUTE, HOUR = 60.0, 3600.0


def chores(settings: Settings) -> Mapping[str, Chore]:
    """What a sweep does, in order: first what jobs wait for."""
    app = celery_app(settings)
    return {
        "reap expired leases": lambda engine: len(maintenance.reap_expired_leases(engine)),
        "expire overdue jobs": lambda engine: len(maintenance.expire_overdue(engine)),
        "ring again": partial(maintenance.ring_again, most_running=settings.most_running),
        "ring the idle": every(ASKING_SECONDS, _ringing_the_idle(app, most_running=settings.most_running)),
        "publish hints": lambda engine: outbox.drain(engine, partial(ring, app), seconds=PUBLISHING_SECONDS),
        "remove orphans": garbage.Rounds(place_of(settings.artifacts), kept_seconds=ORPHANS_KEPT_SECONDS),
        "forget old jobs": every(MINUTE, _forgetting(settings.retention_days)),
        "forget checkpoints": every(MINUTE, retention.forget_checkpoints),
        "forget old keys": every(HOUR, retention.forget_keys),
        "forget old deliveries": every(MINUTE, retention.forget_deliveries),
        "add up tallies": every(MINUTE, counters.add_up),
    }


def _ringing_the_idle(app: Celery, *, most_running: int) -> Chore:
    return partial(maintenance.ring_the_idle, hints_lying=partial(hints_lying, app), most_running=most_running)


def every(seconds: float, chore: Chore, *, clock: Callable[[], float] = time.monotonic) -> Chore:
    """The chore, done in the first sweep and then no more often than this."""
    due = float("-inf")

    def paced(engine: Engine) -> int:
        nonlocal due
        if clock() < due:
            return 0
        due = clock() + seconds
        return chore(engine)

    return paced


def _forgetting(days: float | None) -> Chore:
    return lambda engine: retention.forget_jobs(engine, days=days) if days else 0
