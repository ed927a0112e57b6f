"""The Celery task that a wake-up starts: it runs the jobs that wait, each in its turn."""

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
from ted_jobs.errors import RunnerCrashed
from ted_jobs.files.artifacts import artifact_store
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.queue.celery import PRUNE_TASK
from ted_jobs.settings import Settings
from worker.backoff import SubmitterBackoff
from worker.child.starting import StartRunner, start_cold
from worker.supervisor import Supervisor

POLL_SECONDS = 0.5
"""How often a worker that holds jobs back looks for others."""

log = structlog.get_logger()


def register_prune_task(
    app: Celery,
    *,
    settings: Settings,
    engine: Callable[[], Engine],
    shutting_down: Callable[[], bool],
    start_runner: StartRunner,
) -> None:
    """Register the task. ``engine`` is called in the process that runs the task: connections do not survive a fork."""
    backoff = SubmitterBackoff()

    @app.task(name=PRUNE_TASK)  # type: ignore[untyped-decorator]
    def prune(job_id: str) -> None:
        with sigterm_ignored():
            run_jobs(
                job_id,
                engine=engine(),
                settings=settings,
                shutting_down=shutting_down,
                backoff=backoff,
                start_runner=start_runner,
            )


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


def run_jobs(
    job_id: str,
    *,
    engine: Engine,
    settings: Settings,
    shutting_down: Callable[[], bool],
    backoff: SubmitterBackoff,
    start_runner: StartRunner = start_cold,
) -> None:
    """Run queued jobs, each in its turn, until none is left.

    The wake-up names a job, but starts the one whose turn it is: many wake-ups of one tenant do not delay the others.
    Ten wake-ups for one job do no harm, and one that reaches a worker is enough for all jobs.
    """
    store = artifact_store(settings)
    leases = Leases(engine, lease_seconds=settings.lease_seconds, most_running=settings.most_running)
    claim = next_claim(leases, backoff, shutting_down)
    if claim is None:
        log.info("wake-up dropped", job=job_id)
    while claim:
        with bound_contextvars(job=claim.job.id):
            log.info("job claimed", attempt=claim.job.attempt, token=claim.token)
            job = Supervisor(
                claim,
                leases=leases,
                store=store,
                settings=settings,
                shutting_down=shutting_down,
                start_runner=start_runner,
            ).run()
            log.info("job left", status=job.status if job else "lost")
            count_attempt(engine, job)
        if job:
            backoff.record(job.submitter, failed=_may_be_this_workers_fault(job))
        claim = next_claim(leases, backoff, shutting_down)


def next_claim(leases: Leases, backoff: SubmitterBackoff, shutting_down: Callable[[], bool]) -> Claim | None:
    """Return the next claim; None if no job is left or the worker shuts down.

    While only jobs are left that this worker holds back, it waits for their time or for another job.
    """
    while not shutting_down():
        held_back = backoff.held_back()
        if claim := leases.claim_next(worker=worker_name(), passed_over=held_back):
            return claim
        if not held_back or not leases.is_any_waiting():
            return None
        time.sleep(POLL_SECONDS)
    return None


def _may_be_this_workers_fault(job: Job) -> bool:
    """Whether the attempt failed for a reason that another attempt, or another worker, may not run into."""
    error = job.error or {}
    return job.status is JobStatus.QUEUED or bool(error.get("retryable")) or error.get("code") == RunnerCrashed.code()


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
