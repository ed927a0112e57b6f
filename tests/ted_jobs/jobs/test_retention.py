"""What is forgotten, and what is not, on both databases."""

import pytest
from sqlalchemy import Engine, func, insert, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import artifacts, checkpoints, events, idempotency, jobs, outbox
from ted_jobs.jobs import retention
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import IdempotencyKey, JobStore
from tests.ted_jobs.conftest import SPEC, SUMMARY
from tests.ted_jobs.jobs.test_store import claimed, submitted

DAY = 86400


def rows(engine: Engine) -> dict[str, int]:
    """How many rows there are that belong to jobs."""
    with read_transaction(engine) as connection:
        tables = (jobs, events, idempotency, outbox, artifacts)
        return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def ended(store: JobStore, engine: Engine, *, days_ago: float) -> str:
    """A job that was cancelled so long ago."""
    key = IdempotencyKey(f"key {days_ago}", "digest")
    job_id = store.submit(SPEC, SUMMARY, tenant="default", idempotency_key=key).job.id
    store.cancel(job_id, tenant="default")
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(finished_at=now(-days_ago * DAY)))
    return job_id


def test_jobs_that_ended_long_ago_are_deleted_with_their_rows_elsewhere(store: JobStore, engine: Engine) -> None:
    young = ended(store, engine, days_ago=29)
    before = rows(engine)
    ended(store, engine, days_ago=31)

    assert retention.delete_old_jobs(engine, days=30) == 1

    assert rows(engine) == before
    assert store.job(young, tenant="default")
    assert retention.delete_old_jobs(engine, days=30) == 0


def test_a_job_that_has_not_ended_is_kept_however_old_it_is(store: JobStore, leases: Leases, engine: Engine) -> None:
    queued, running = submitted(store), claimed(store, leases).job.id
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(created_at=now(-365 * DAY), finished_at=now(-365 * DAY)))

    assert retention.delete_old_jobs(engine, days=1) == 0

    assert {job.id for job in store.jobs(tenant="default", limit=10)} == {queued, running}


def test_the_oldest_jobs_are_deleted_first_and_a_batch_at_a_time(
    store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    younger = ended(store, engine, days_ago=2)
    ended(store, engine, days_ago=3)

    assert retention.delete_old_jobs(engine, days=1) == 1

    assert [job.id for job in store.jobs(tenant="default", limit=10)] == [younger]


def test_an_idempotency_key_is_kept_for_a_week(store: JobStore, engine: Engine) -> None:
    ended(store, engine, days_ago=0)

    def age_keys(days: float) -> int:
        with write_transaction(engine) as connection:
            connection.execute(update(idempotency).values(created_at=now(-days * DAY)))
        return retention.delete_old_idempotency_keys(engine)

    assert (age_keys(6.9), age_keys(7.1)) == (0, 1)
    assert rows(engine)["jobs"] == 1


def test_checkpoints_of_ended_jobs_are_deleted(store: JobStore, leases: Leases, engine: Engine) -> None:
    ended, running = claimed(store, leases), claimed(store, leases)
    with write_transaction(engine) as connection:
        for claim in (ended, running):
            facts = {"job_id": claim.job.id, "key": "key", "bytes": 1, "sha256": "0"}
            connection.execute(insert(checkpoints).values(**facts, created_at=now()))
    leases.begin_finalizing(ended)
    leases.finish(ended, published=[], result={})

    assert [retention.delete_leftover_checkpoints(engine) for _ in range(2)] == [1, 0]
    with read_transaction(engine) as connection:
        assert list(connection.scalars(select(checkpoints.c.job_id))) == [running.job.id]
