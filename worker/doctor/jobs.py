"""The jobs: whether anything waits that should not."""

from collections.abc import Iterator

from sqlalchemy import Engine

from ted_jobs.jobs.status import HELD
from ted_jobs.metrics.snapshot import Census, census
from worker.doctor.finding import Finding, ok, problem, warning

LATE_SECONDS = 30.0
"""Hints leave and lapsed leases are reaped within a sweep, half a second; a broker's outage shows as late hints."""
LONG_SECONDS = 600.0


def jobs(engine: Engine) -> Iterator[Finding]:
    """What the census says about sweeper, leases, hints and queue."""
    found = census(engine)
    yield _sweeper(found)
    yield _leases(found)
    yield _hints(found)
    yield _queue(found)


def _sweeper(found: Census) -> Finding:
    if found.sweeper:
        return ok("sweeper", f"{found.sweeper} leads")
    return problem("sweeper", "none is at work: no job is started or taken over", "Start `ted sweeper`, or `ted up`.")


def _leases(found: Census) -> Finding:
    stale = found.stale_leases
    if stale.oldest_seconds > LATE_SECONDS:
        fact = f"{stale.count} jobs are held by silent workers for up to {stale.oldest_seconds:.0f} s"
        return problem("leases", fact, "The sweeper puts them back: start one, or see its log.")
    return ok("leases", f"{_held(found)} jobs are held by workers")


def _hints(found: Census) -> Finding:
    hints = found.hints
    if hints.oldest_seconds > LATE_SECONDS:
        fact = f"{hints.count} wait, the oldest for {hints.oldest_seconds:.0f} s"
        return problem("hints", fact, "The sweeper sends them once the broker answers: see those two.")
    return ok("hints", f"{hints.count} wait to be sent")


def _queue(found: Census) -> Finding:
    queued = found.queued
    fact = f"{queued.count} jobs are queued, the oldest for {queued.oldest_seconds:.0f} s"
    if queued.oldest_seconds < LONG_SECONDS:
        return ok("queue", fact)
    if _held(found):
        return warning("queue", f"{fact}; {_held(found)} are running", "Start more workers, one for each GPU.")
    return problem("queue", f"{fact}; none is running", "Start a worker with `ted worker`, or see its log.")


def _held(found: Census) -> int:
    return sum(found.jobs[status] for status in HELD)
