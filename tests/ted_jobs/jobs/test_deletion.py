"""What goes with a deleted job and what stays, on both databases."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from ted_core.errors import StoreUnavailable
from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import checkpoints
from ted_jobs.errors import JobNotEnded, JobNotFound
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.deletion import delete_ended_job
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import IdempotencyKey, JobStore
from tests.ted_jobs.conftest import SPEC, SUMMARY
from tests.ted_jobs.jobs.test_retention import rows

KEY = IdempotencyKey("key", "digest")


@pytest.fixture
def files(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def succeeded(store: JobStore, leases: Leases, files: ArtifactStore) -> str:
    """A job that has left something in every table."""
    job_id = store.submit(SPEC, SUMMARY, tenant="default", idempotency_key=KEY).job.id
    claim = leases.claim(job_id, worker="w")
    assert claim
    source = files.store.root.parent / "manifest.parquet"
    source.write_text("rows")
    with write_transaction(leases.engine) as connection:
        facts = {"job_id": job_id, "key": "key", "bytes": 1, "sha256": "0"}
        connection.execute(insert(checkpoints).values(**facts, created_at=now()))
    leases.begin_finalizing(claim)
    leases.finish(claim, published=[files.put_attempt_file(source, job_id=job_id, token=1, kind="manifest")], result={})
    return job_id


def test_deleting_a_job_removes_its_rows_and_files(
    store: JobStore, leases: Leases, files: ArtifactStore, engine: Engine
) -> None:
    store.cancel(store.submit(SPEC, SUMMARY, tenant="default").job.id, tenant="default")
    before = rows(engine)
    job_id = succeeded(store, leases, files)

    delete_ended_job(engine, files, job_id, tenant="default")

    assert rows(engine) == before
    assert list(files.store.root.iterdir()) == []
    with pytest.raises(JobNotFound):
        delete_ended_job(engine, files, job_id, tenant="default")


def test_a_job_that_has_not_ended_is_not_deleted(
    store: JobStore, leases: Leases, files: ArtifactStore, engine: Engine
) -> None:
    queued, running = (store.submit(SPEC, SUMMARY, tenant="default").job.id for _ in range(2))
    assert leases.claim(running, worker="w")

    for job_id in (queued, running):
        with pytest.raises(JobNotEnded):
            delete_ended_job(engine, files, job_id, tenant="default")
        assert store.job(job_id, tenant="default")


def test_another_tenants_job_is_not_found_for_deletion(
    store: JobStore, leases: Leases, files: ArtifactStore, engine: Engine
) -> None:
    job_id = succeeded(store, leases, files)

    with pytest.raises(JobNotFound):
        delete_ended_job(engine, files, job_id, tenant="theirs")

    assert files.open(store.artifact(job_id, "manifest", tenant="default")).read() == b"rows"


def test_the_idempotency_key_of_a_deleted_job_stores_a_new_job(
    store: JobStore, leases: Leases, files: ArtifactStore, engine: Engine
) -> None:
    job_id = succeeded(store, leases, files)
    delete_ended_job(engine, files, job_id, tenant="default")

    again = store.submit(SPEC, SUMMARY, tenant="default", idempotency_key=KEY)

    assert not again.replayed
    assert again.job.id != job_id


def test_a_job_stays_deleted_if_its_files_cannot_be_deleted(
    store: JobStore, leases: Leases, files: ArtifactStore, engine: Engine
) -> None:
    class Away(ArtifactStore):
        def delete(self, key: str) -> None:
            raise StoreUnavailable(key)

    job_id = succeeded(store, leases, files)

    delete_ended_job(engine, Away(files.store.root), job_id, tenant="default")

    with pytest.raises(JobNotFound):
        store.job(job_id, tenant="default")
    assert (files.store.root / job_id).exists()
