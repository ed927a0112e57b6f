"""The jobs: whether anything waits that should not."""

from collections.abc import Iterator

from sqlalchemy import Engine

from ted_jobs.jobs.status import LEASED_STATUSES
from ted_jobs.metrics_snapshot import MetricsSnapshot, metrics_snapshot
from worker.doctor.finding import Finding, ok_finding, problem_finding, warning_finding

LATE_WAKE_UP_SECONDS = 30.0
"""Hints leave and lapsed leases are reaped within a sweep, half a second; a broker's outage shows as late hints."""
LONG_QUEUE_SECONDS = 600.0


def check_jobs(engine: Engine) -> Iterator[Finding]:
    """What the census says about sweeper, leases, hints and queue."""
    found = metrics_snapshot(engine)
    yield _check_sweeper(found)
    yield _check_leases(found)
    yield _check_wake_ups(found)
    yield _check_queue(found)


def _check_sweeper(found: MetricsSnapshot) -> Finding:
    if found.sweeper:
        return ok_finding("sweeper", f"{found.sweeper} leads")
    return problem_finding(
        "sweeper", "none is at work: no job is started or taken over", "Start `ted sweeper`, or `ted up`."
    )


def _check_leases(found: MetricsSnapshot) -> Finding:
    stale = found.stale_leases
    if stale.oldest_seconds > LATE_WAKE_UP_SECONDS:
        fact = f"{stale.count} jobs are held by silent workers for up to {stale.oldest_seconds:.0f} s"
        return problem_finding("leases", fact, "The sweeper puts them back: start one, or see its log.")
    return ok_finding("leases", f"{_count_held(found)} jobs are held by workers")


def _check_wake_ups(found: MetricsSnapshot) -> Finding:
    hints = found.wake_ups
    if hints.oldest_seconds > LATE_WAKE_UP_SECONDS:
        fact = f"{hints.count} wait, the oldest for {hints.oldest_seconds:.0f} s"
        return problem_finding("hints", fact, "The sweeper sends them once the broker answers: see those two.")
    return ok_finding("hints", f"{hints.count} wait to be sent")


def _check_queue(found: MetricsSnapshot) -> Finding:
    queued = found.queued
    fact = f"{queued.count} jobs are queued, the oldest for {queued.oldest_seconds:.0f} s"
    if queued.oldest_seconds < LONG_QUEUE_SECONDS:
        return ok_finding("queue", fact)
    if _count_held(found):
        return warning_finding(
            "queue", f"{fact}; {_count_held(found)} are running", "Start more workers, one for each GPU."
        )
    return problem_finding("queue", f"{fact}; none is running", "Start a worker with `ted worker`, or see its log.")


def _count_held(found: MetricsSnapshot) -> int:
    return sum(found.jobs[status] for status in LEASED_STATUSES)
