"""The Celery task that a wake-up starts: it claims the job that the wake-up names and runs it, then those that wait."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import structlog
from celery import Celery
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from structlog.contextvars import bound_contextvars

from ted_jobs.db.counters import FENCED, PHASE_SECONDS, PHASES, increment_counter
from ted_jobs.db.engine import write_transaction
from ted_jobs.files.artifacts import artifact_store
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.queue.celery import PRUNE_TASK
from ted_jobs.settings import Settings
from worker.supervisor import Supervisor

LONGEST_FAILURE_PAUSE = 60.0
POLL_SECONDS = 0.1

log = structlog.get_logger()


def register_prune_task(
    app: Celery, *, settings: Settings, engine: Callable[[], Engine], shutting_down: Callable[[], bool]
) -> None:
    """Register the task. ``engine`` is called in the process that runs the task: connections do not survive a fork."""

    @app.task(name=PRUNE_TASK)  # type: ignore[untyped-decorator]
    def prune(job_id: str) -> None:
        with sigterm_ignored():
            run_jobs(job_id, engine=engine(), settings=settings, shutting_down=shutting_down)


@contextmanager
def sigterm_ignored() -> Iterator[None]:
    """Ignore SIGTERM while the block runs: this process has a job to release first.

    Stopping a service may signal all its processes at once. Celery's parent process gets the signal too, and
    ``shutting_down`` says that it has.
    """
    previous = signal.signal(signal.SIGTERM, lambda *_: None)  # not SIG_IGN, which the runner would inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def run_jobs(job_id: str, *, engine: Engine, settings: Settings, shutting_down: Callable[[], bool]) -> None:
    """Run the job if it is still queued, then those that have been queued longest, until none is left.

    Ten wake-ups for one job do no harm, and one that reaches a worker is enough for all jobs. A worker whose attempts
    fail pauses, longer each time: one without a disk or a GPU must not use up the attempts of all jobs.
    """
    store = artifact_store(settings)
    failures = 0
    leases = Leases(engine, lease_seconds=settings.lease_seconds, most_running=settings.most_running)
    claim = None if shutting_down() else leases.claim(job_id, worker=worker_name())
    if claim is None:
        log.info("wake-up dropped", job=job_id)
    while claim:
        with bound_contextvars(job=claim.job.id):
            log.info("job claimed", attempt=claim.job.attempt, token=claim.token)
            job = Supervisor(claim, leases=leases, store=store, settings=settings, shutting_down=shutting_down).run()
            log.info("job left", status=job.status if job else "lost")
            count_attempt(engine, job)
        failures = failures + 1 if job and _may_be_this_workers_fault(job) else 0
        pause_after_failures(failures, shutting_down)
        claim = None if shutting_down() else leases.claim_next(worker=worker_name())


def _may_be_this_workers_fault(job: Job) -> bool:
    """Whether the attempt failed for a reason that another attempt may not run into."""
    return job.status is JobStatus.QUEUED or bool((job.error or {}).get("retryable"))


def pause_after_failures(failures: int, shutting_down: Callable[[], bool]) -> None:
    """Sleep after so many failures in a row, one second and twice as long each time, unless the worker shuts down."""
    end = time.monotonic() + (min(2 ** (failures - 1), LONGEST_FAILURE_PAUSE) if failures else 0)
    while time.monotonic() < end and not shutting_down():
        time.sleep(POLL_SECONDS)


def count_attempt(engine: Engine, job: Job | None) -> None:
    """Count an attempt for the metrics; None is one whose lease was lost. Without the database it is not counted."""
    seconds_by_phase = (job.result or {}).get("seconds", {}) if job else {}
    with suppress(DBAPIError), write_transaction(engine) as connection:
        if job is None:
            increment_counter(connection, FENCED)
        for phase, seconds in seconds_by_phase.items():
            increment_counter(connection, PHASE_SECONDS, phase, amount=seconds)
            increment_counter(connection, PHASES, phase)


def worker_name() -> str:
    """Return host and process id, by which a person can find this process."""
    return f"{socket.gethostname()}:{os.getpid()}"
