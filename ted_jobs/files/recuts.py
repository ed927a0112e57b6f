"""Manifests for other keep ratios than the job's: made from its decisions when first asked for, then kept."""

from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import artifacts
from ted_jobs.errors import ArtifactLost, ArtifactNotReady
from ted_jobs.files.intact import IntactFiles
from ted_jobs.files.turns import Turns
from ted_jobs.jobs.models import Artifact
from ted_jobs.jobs.store import JobStore

DECIMALS = 4
MOST_KEPT = 16
"""Re-cut manifests that one job may have; the oldest makes room for the next."""
MOST_WAITING, MOST_WAITING_OF_ONE = 8, 4
"""Requests that may make one or wait for it, of all tenants and of each: a small part of the API's threads."""


class RecutStore:
    """The re-cut manifests of all jobs. One is made at a time, since that takes memory for every row."""

    def __init__(self, store: JobStore, files: IntactFiles) -> None:
        self.store, self.files = store, files
        self._turns = Turns(most=MOST_WAITING, most_of_one=MOST_WAITING_OF_ONE)

    def manifest(self, job_id: str, *, keep_ratio: float, tenant: str) -> Artifact:
        """The manifest of the job's decisions cut at this ratio, which is rounded to four decimals.

        Raises JobNotFound, ArtifactNotReady, ArtifactLost, RecutBusy, RecutUnsuited, TooFewRowsKept, StorageFull.
        """
        ratio, job = round(keep_ratio, DECIMALS), self.store.job(job_id, tenant=tenant)
        if ratio == job.spec.plan.keep_ratio:
            return self.store.artifact(job_id, "manifest", tenant=tenant)
        decisions = self.store.artifact(job_id, "decisions", tenant=tenant)
        kind = f"manifest@{ratio:.{DECIMALS}f}"
        if made := self._made(job_id, kind, tenant=tenant):
            return made
        with self._turns.turn(tenant):  # after which another request may have made it
            made = self._made(job_id, kind, tenant=tenant)
            return made or self._make(job_id, kind, decisions, keep_ratio=ratio)

    def _made(self, job_id: str, kind: str, *, tenant: str) -> Artifact | None:
        """The re-cut manifest that there is; one that is lost can be made again."""
        try:
            manifest = self.store.artifact(job_id, kind, tenant=tenant)
            self.files.check(manifest)
        except ArtifactNotReady:
            return None
        except ArtifactLost:
            self._forget(job_id, kind)
            return None
        return manifest

    def _forget(self, job_id: str, kind: str) -> None:
        with write_transaction(self.store.engine) as connection:
            connection.execute(delete(artifacts).where(artifacts.c.job_id == job_id, artifacts.c.kind == kind))

    def _make(self, job_id: str, kind: str, decisions: Artifact, *, keep_ratio: float) -> Artifact:
        from ted_core.results.recuts.recut import recut  # noqa: PLC0415 - it loads what reads datasets

        with TemporaryDirectory(prefix="ted-recut-") as folder:
            source, cut = Path(folder, "decisions.parquet"), Path(folder, "manifest.parquet")
            self.files.fetch(decisions, source)
            recut(source, keep_ratio=keep_ratio, to=cut)
            manifest = self.files.store.put_file(cut, key=f"{job_id}/recut/{kind}.parquet", kind=kind)
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
            self.files.store.delete(key)


def _delete_oldest(engine: Engine, job_id: str) -> list[str]:
    """The keys of re-cuts that are one too many, their rows deleted."""
    of_job = artifacts.c.job_id == job_id, artifacts.c.kind.startswith("manifest@")
    surplus = select(artifacts.c.kind).where(*of_job).order_by(artifacts.c.created_at.desc()).offset(MOST_KEPT)
    with write_transaction(engine) as connection:
        kinds = list(connection.scalars(surplus))
        removal = delete(artifacts).where(artifacts.c.job_id == job_id, artifacts.c.kind.in_(kinds))
        return list(connection.scalars(removal.returning(artifacts.c.key))) if kinds else []
