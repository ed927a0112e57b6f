"""What the sweeper does with jobs that nobody takes care of, on both databases."""

from typing import Any

import pytest
from sqlalchemy import Engine, update

from ted_jobs.db.counters import LEASE_EXPIRIES, counter_totals
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.queue import outbox
from tests.ted_jobs.jobs.test_store import claimed, submitted


def set_back(engine: Engine, *columns: str) -> None:
    """Move these times of every job into the past."""
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(dict.fromkeys(columns, now(-1))))


def test_a_job_whose_worker_hangs_beyond_the_deadline_expires_instead_of_being_repeated(
    store: JobStore, leases: Leases, engine: Engine
) -> None:
    claim = claimed(store, leases)
    set_back(engine, "lease_expires_at", "deadline_at")

    (job,) = maintenance.reap_expired_leases(engine)

    assert (job.id, job.status, job.status_reason) == (claim.job.id, JobStatus.EXPIRED, "its worker fell silent")


def test_a_job_being_cancelled_whose_worker_is_gone_ends_as_cancelled_whatever_its_deadline(
    store: JobStore, leases: Leases, engine: Engine
) -> None:
    claim = claimed(store, leases)
    store.cancel(claim.job.id, tenant="default")
    set_back(engine, "lease_expires_at", "deadline_at")

    (job,) = maintenance.reap_expired_leases(engine)

    assert job.status is JobStatus.CANCELLED


def test_a_worker_that_comes_back_at_the_last_moment_keeps_its_job_and_is_not_counted(
    store: JobStore, leases: Leases, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets nobody write between the sweeper's look and its writing")
    claim = claimed(store, leases)
    set_back(engine, "lease_expires_at")
    move = maintenance.move

    def too_late(*arguments: Any, **options: Any) -> Job | None:
        leases.heartbeat(claim)
        return move(*arguments, **options)

    monkeypatch.setattr(maintenance, "move", too_late)

    assert maintenance.reap_expired_leases(engine) == []
    assert store.job(claim.job.id, tenant="default").status is JobStatus.RUNNING
    with read_transaction(engine) as connection:
        assert (LEASE_EXPIRIES, "") not in counter_totals(connection)


def test_sweeping_twice_does_nothing_more(store: JobStore, leases: Leases, engine: Engine) -> None:
    claimed(store, leases)
    set_back(engine, "lease_expires_at")

    assert len(maintenance.reap_expired_leases(engine)) == 1
    assert maintenance.reap_expired_leases(engine) == []


def test_jobs_whose_wake_ups_seem_lost_get_one_more_each(
    store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "BATCH", 2)
    notified: list[str] = []
    job_ids = [submitted(store) for _ in range(3)]
    outbox.drain(engine, lambda _: None, seconds=60)
    set_back(engine, "ring_at")

    assert [maintenance.renotify_overdue(engine) for _ in range(3)] == [2, 1, 0]

    outbox.drain(engine, notified.append, seconds=60)
    assert sorted(notified) == sorted(job_ids)


def test_queued_jobs_get_wake_ups_early_if_the_broker_holds_none(store: JobStore, engine: Engine) -> None:
    job_id = submitted(store)
    outbox.drain(engine, lambda _: None, seconds=60)
    assert maintenance.renotify_idle(engine, queued_wake_ups=lambda: 0) == 0, "it may be on its way to a worker"

    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(queued_at=now(-60)))

    assert maintenance.renotify_idle(engine, queued_wake_ups=lambda: 1) == 0
    assert [maintenance.renotify_idle(engine, queued_wake_ups=lambda: 0) for _ in range(2)] == [1, 0]
    notified: list[str] = []
    outbox.drain(engine, notified.append, seconds=60)
    assert notified == [job_id]


def test_no_transaction_is_open_while_the_broker_is_queried(store: JobStore, engine: Engine) -> None:
    submitted(store)
    outbox.drain(engine, lambda _: None, seconds=60)
    set_back(engine, "queued_at")
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(queued_at=now(-60)))
    held: list[int] = []

    maintenance.renotify_idle(engine, queued_wake_ups=lambda: held.append(engine.pool.checkedout()) or 1)  # type: ignore[attr-defined,func-returns-value]

    assert held == [0]


def test_the_broker_is_not_queried_while_no_job_is_queued(store: JobStore, leases: Leases, engine: Engine) -> None:
    claimed(store, leases)

    assert maintenance.renotify_idle(engine, queued_wake_ups=lambda: pytest.fail("the broker was queried")) == 0
