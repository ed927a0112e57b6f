"""Checks the jobs: whether anything waits that should not."""

from collections.abc import Iterator

from sqlalchemy import Engine

from ted_jobs.jobs.status import LEASED_STATUSES
from ted_jobs.metrics_snapshot import MetricsSnapshot, metrics_snapshot
from worker.doctor.finding import Finding, ok_finding, problem_finding, warning_finding

LATE_WAKE_UP_SECONDS = 30.0
"""Every half second a sweep publishes wake-ups and reaps expired leases; if they are late, the broker is away."""
LONG_QUEUE_SECONDS = 600.0


def check_jobs(engine: Engine) -> Iterator[Finding]:
    """Yield the findings on sweeper, leases, wake-ups and queue."""
    snapshot = metrics_snapshot(engine)
    yield _check_sweeper(snapshot)
    yield _check_leases(snapshot)
    yield _check_wake_ups(snapshot)
    yield _check_queue(snapshot)


def _check_sweeper(snapshot: MetricsSnapshot) -> Finding:
    if snapshot.is_sweeper_present:
        return ok_finding("sweeper", "one is at work")
    return problem_finding(
        "sweeper", "none is at work: no job is started or taken over", "Start `ted sweeper`, or `ted up`."
    )


def _check_leases(snapshot: MetricsSnapshot) -> Finding:
    stale = snapshot.stale_leases
    if stale.oldest_seconds > LATE_WAKE_UP_SECONDS:
        fact = f"{stale.count} jobs are held by silent workers for up to {stale.oldest_seconds:.0f} s"
        return problem_finding("leases", fact, "The sweeper puts them back: start one, or see its log.")
    return ok_finding("leases", f"{_count_held(snapshot)} jobs are held by workers")


def _check_wake_ups(snapshot: MetricsSnapshot) -> Finding:
    wake_ups = snapshot.wake_ups
    if wake_ups.oldest_seconds > LATE_WAKE_UP_SECONDS:
        fact = f"{wake_ups.count} wait, the oldest for {wake_ups.oldest_seconds:.0f} s"
        return problem_finding("hints", fact, "The sweeper sends them once the broker answers: see those two.")
    return ok_finding("hints", f"{wake_ups.count} wait to be sent")


def _check_queue(snapshot: MetricsSnapshot) -> Finding:
    queued = snapshot.queued
    fact = f"{queued.count} jobs are queued, the oldest for {queued.oldest_seconds:.0f} s"
    if queued.oldest_seconds < LONG_QUEUE_SECONDS:
        return ok_finding("queue", fact)
    if _count_held(snapshot):
        return warning_finding(
            "queue", f"{fact}; {_count_held(snapshot)} are running", "Start more workers, one for each GPU."
        )
    return problem_finding("queue", f"{fact}; none is running", "Start a worker with `ted worker`, or see its log.")


def _count_held(snapshot: MetricsSnapshot) -> int:
    return sum(snapshot.jobs[status] for status in LEASED_STATUSES)
