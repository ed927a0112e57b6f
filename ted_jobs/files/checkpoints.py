"""Checkpoints of running jobs: files in the artifact store, and rows that say which of them count."""

from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, delete, insert, select, update

from ted_core.errors import StoreRefused, StoreUnavailable
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import checkpoints, jobs
from ted_jobs.errors import LeaseLost
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.models import Artifact

log = structlog.get_logger()

MOST_KEPT_PER_JOB = 2
"""The last one, and the one before in case the last is damaged."""
FOLDER, KIND = "checkpoints", "checkpoint"


class CheckpointStore:
    """Where attempts at a job leave checkpoints, and the next attempt finds them."""

    def __init__(self, engine: Engine, store: ArtifactStore) -> None:
        self.engine, self.store = engine, store

    def add(self, claim: Claim, source: Path) -> None:
        """Make the file the job's newest checkpoint, and remove those that are no longer needed.

        A worker whose claim is void leaves a file that no row names.
        Raises LeaseLost and what ``ArtifactStore.put_file`` raises.
        """
        key = f"{claim.job.id}/{FOLDER}/{claim.token}-{source.name}"
        file = self.store.put_file(source, key=key, kind=KIND)
        with write_transaction(self.engine) as connection:
            renewed = update(jobs).where(*claim.conditions()).values(lease_token=claim.token).returning(jobs.c.id)
            if connection.execute(renewed).one_or_none() is None:
                raise LeaseLost(claim.job.id)
            _insert(connection, claim.job.id, file)
            stale_keys = _delete_stale(connection, claim.job.id)
        for stale_key in stale_keys:
            self.store.delete(stale_key)

    def for_job(self, job_id: str) -> list[Artifact]:
        """The checkpoints that count, the newest first."""
        query = select(checkpoints).where(checkpoints.c.job_id == job_id).order_by(checkpoints.c.id.desc())
        with read_transaction(self.engine) as connection:
            return [Artifact(KIND, row.key, row.bytes, row.sha256) for row in connection.execute(query)]

    def fetch_intact(self, job_id: str, *, folder: Path) -> list[Path]:
        """Copies of those that are what they were when they were added, in this folder, the newest first.

        One that cannot be fetched, for want of room or because the store does not give it, is passed over.
        """
        files = enumerate(self.for_job(job_id))
        copies = [self._fetch(file, folder / f"{number}-{Path(file.key).name}") for number, file in files]
        return [path for path in copies if path]

    def _fetch(self, file: Artifact, path: Path) -> Path | None:
        try:
            if self.store.fetch(file, path):
                return path
            log.warning("checkpoint is damaged", key=file.key)
        except (OSError, StoreRefused, StoreUnavailable) as error:
            log.warning("checkpoint not fetched", key=file.key, error=str(error))
        path.unlink(missing_ok=True)
        return None

    def delete_for_job(self, job_id: str) -> None:
        """Remove all of a job that has ended."""
        with write_transaction(self.engine) as connection:
            connection.execute(delete(checkpoints).where(checkpoints.c.job_id == job_id))
        self.store.delete(f"{job_id}/{FOLDER}")


def _insert(connection: Connection, job_id: str, file: Artifact) -> None:
    # If the answer to a commit was lost and it is done again, a second row would make the file look stale.
    connection.execute(delete(checkpoints).where(checkpoints.c.key == file.key))
    columns = {"key": file.key, "bytes": file.bytes, "sha256": file.sha256}
    connection.execute(insert(checkpoints).values(job_id=job_id, created_at=now(), **columns))


def _delete_stale(connection: Connection, job_id: str) -> list[str]:
    """The keys of a job's older checkpoints, which are no longer needed, their rows deleted."""
    newest_first = select(checkpoints.c.id).where(checkpoints.c.job_id == job_id).order_by(checkpoints.c.id.desc())
    stale = list(connection.scalars(newest_first.offset(MOST_KEPT_PER_JOB)))
    removal = delete(checkpoints).where(checkpoints.c.id.in_(stale)).returning(checkpoints.c.key)
    return list(connection.scalars(removal)) if stale else []
