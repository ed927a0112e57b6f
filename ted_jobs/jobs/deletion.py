"""A job that its client wants gone: rows first, as one transaction, then files."""

import structlog
from sqlalchemy import Engine, delete, select

from ted_core.errors import StoreRefused, StoreUnavailable
from ted_jobs.db.engine import write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.errors import JobNotEnded, JobNotFound
from ted_jobs.files.local import ArtifactStore
from ted_jobs.jobs.status import TERMINAL_STATUSES

log = structlog.get_logger()


def delete_ended_job(engine: Engine, artifacts: ArtifactStore, job_id: str, *, tenant: str) -> None:
    """Delete a job that has ended, with everything that is its own. Raises JobNotFound, JobNotEnded.

    Its Idempotency-Key goes too: who repeats the submission submits a new job. Files that will not go now are orphans
    from here on, and ``ted_jobs.files.garbage`` sweeps them.
    """
    _remove_rows(engine, job_id, tenant=tenant)
    try:
        artifacts.delete(job_id)
    except (OSError, StoreRefused, StoreUnavailable) as error:
        log.warning("files of a deleted job stay for now", job=job_id, error=str(error))


def _remove_rows(engine: Engine, job_id: str, *, tenant: str) -> None:
    theirs = (jobs.c.id == job_id) & (jobs.c.tenant == tenant)
    ended = delete(jobs).where(theirs, jobs.c.status.in_(TERMINAL_STATUSES)).returning(jobs.c.id)
    with write_transaction(engine) as connection:
        if connection.execute(ended).one_or_none():
            return
        status = connection.scalar(select(jobs.c.status).where(theirs))
    raise JobNotEnded(f"{job_id} is {status}") if status else JobNotFound(job_id)
