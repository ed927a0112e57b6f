"""Manifests for other keep ratios than the job's: made from its decisions when first asked for, then kept."""

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ted_core.errors import StoreUnavailable
from ted_core.results.recut import recut
from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import artifacts
from ted_jobs.errors import ArtifactNotReady
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.models import Artifact
from ted_jobs.jobs.store import JobStore

DECIMALS = 4
MOST_KEPT = 16
"""Re-cut manifests that one job may have; the oldest makes room for the next."""


class RecutStore:
    """The re-cut manifests of all jobs. One is made at a time, since that takes memory for every row."""

    def __init__(self, store: JobStore, files: ArtifactStore) -> None:
        self.store, self.files, self._lock = store, files, Lock()

    def manifest(self, job_id: str, *, keep_ratio: float, tenant: str) -> Artifact:
        """The manifest of the job's decisions cut at this ratio, which is rounded to four decimals.

        Raises JobNotFound, ArtifactNotReady, RecutUnsuited, TooFewRowsKept, StorageFull.
        """
        ratio, job = round(keep_ratio, DECIMALS), self.store.job(job_id, tenant=tenant)
        if ratio == job.spec.plan.keep_ratio:
            return self.store.artifact(job_id, "manifest", tenant=tenant)
        decisions = self.store.artifact(job_id, "decisions", tenant=tenant)
        kind = f"manifest@{ratio:.{DECIMALS}f}"
        with self._lock:
            try:
                return self.store.artifact(job_id, kind, tenant=tenant)
            except ArtifactNotReady:
                return self._make(job_id, kind, decisions, keep_ratio=ratio)

    def _make(self, job_id: str, kind: str, decisions: Artifact, *, keep_ratio: float) -> Artifact:
        with TemporaryDirectory(prefix="ted-recut-") as folder:
            source, cut = Path(folder, "decisions.parquet"), Path(folder, "manifest.parquet")
            if not self.files.fetch(decisions, source):
                raise StoreUnavailable(f"The decisions of {job_id} are gone or altered")
            recut(source, keep_ratio=keep_ratio, to=cut)
            manifest = self.files.put_file(cut, key=f"{job_id}/recut/{kind}.parquet", kind=kind)
        self._record(job_id, manifest)
        return manifest

    def _record(self, job_id: str, manifest: Artifact) -> None:
        """Note the file. Another process may have made and noted the same one; the bytes are equal."""
        try:
            with write_transaction(self.store.engine) as connection:
                connection.execute(insert(artifacts).values(job_id=job_id, created_at=now(), **vars(manifest)))
        except IntegrityError:
            return
        for key in _delete_oldest(self.store.engine, job_id):
            self.files.delete(key)


def _delete_oldest(engine: Engine, job_id: str) -> list[str]:
    """The keys of re-cuts that are one too many, their rows deleted."""
    of_job = artifacts.c.job_id == job_id, artifacts.c.kind.startswith("manifest@")
    surplus = select(artifacts.c.kind).where(*of_job).order_by(artifacts.c.created_at.desc()).offset(MOST_KEPT)
    with write_transaction(engine) as connection:
        kinds = list(connection.scalars(surplus))
        removal = delete(artifacts).where(artifacts.c.job_id == job_id, artifacts.c.kind.in_(kinds))
        return list(connection.scalars(removal.returning(artifacts.c.key))) if kinds else []
