"""Deleting a job for its client: its rows first, in one transaction, then its files."""

from typing import Protocol

import structlog
from sqlalchemy import Engine, delete, select

from ted_core.errors import StoreRefused, StoreUnavailable
from ted_jobs.db.engine import write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.errors import JobNotEnded, JobNotFound
from ted_jobs.jobs.status import TERMINAL_STATUSES

log = structlog.get_logger()


class DeletableFiles(Protocol):
    """What deleting a job needs of the artifact store."""

    def delete(self, key: str) -> None:
        """Delete a file, or all files under a folder."""


def delete_ended_job(engine: Engine, files: DeletableFiles, job_id: str, *, tenant: str) -> None:
    """Delete a job that has ended, and everything that belongs to it. Raises JobNotFound, JobNotEnded.

    Its Idempotency-Key goes too, so repeating the submission creates a new job. Files that cannot be deleted now are
    left to ``ted_jobs.files.garbage``.
    """
    _delete_rows(engine, job_id, tenant=tenant)
    try:
        files.delete(job_id)
    except (OSError, StoreRefused, StoreUnavailable) as error:
        log.warning("files of a deleted job stay for now", job=job_id, error=str(error))


def _delete_rows(engine: Engine, job_id: str, *, tenant: str) -> None:
    is_own = (jobs.c.id == job_id) & (jobs.c.tenant == tenant)
    deletion = delete(jobs).where(is_own, jobs.c.status.in_(TERMINAL_STATUSES)).returning(jobs.c.id)
    with write_transaction(engine) as connection:
        if connection.execute(deletion).one_or_none():
            return
        status = connection.scalar(select(jobs.c.status).where(is_own))
    raise JobNotEnded(f"{job_id} is {status}") if status else JobNotFound(job_id)
