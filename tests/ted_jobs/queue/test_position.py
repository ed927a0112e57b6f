"""Where a queued job stands, on both databases."""

import pytest
from sqlalchemy import Engine, update

from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.errors import JobNotFound
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.queue.position import queue_position
from tests.ted_jobs.jobs.test_store import submitted


def test_a_job_stands_behind_those_of_its_tenant_that_were_queued_before(store: JobStore, engine: Engine) -> None:
    first, _, own = (submitted(store, tenant=tenant) for tenant in "aba")

    assert queue_position(engine, first, tenant="a").position == 1
    found = queue_position(engine, own, tenant="a")
    assert (found.position, found.queued, found.running) == (2, 2, 0)


def test_a_job_that_runs_has_no_place_and_shows_that_a_worker_works(
    store: JobStore, leases: Leases, engine: Engine
) -> None:
    running, waiting = submitted(store, tenant="a"), submitted(store, tenant="a")
    assert leases.claim(running, worker="w")

    assert queue_position(engine, running, tenant="a").position is None
    found = queue_position(engine, waiting, tenant="a")
    assert (found.position, found.queued, found.running, found.unattended_seconds) == (1, 1, 1, None)


def test_jobs_that_no_worker_takes_are_unattended(store: JobStore, leases: Leases, engine: Engine) -> None:
    job_id, held = submitted(store), submitted(store)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(queued_at=now(-60)))
    assert queue_position(engine, job_id, tenant="default").unattended_seconds == pytest.approx(60, abs=5)

    claim = leases.claim(held, worker="w")
    assert claim
    leases.mark_expired(claim)  # a worker was there a moment ago

    assert queue_position(engine, job_id, tenant="default").unattended_seconds == pytest.approx(0, abs=5)


def test_a_worker_whose_lease_has_expired_does_not_work(store: JobStore, leases: Leases, engine: Engine) -> None:
    job_id, held = submitted(store), submitted(store)
    assert leases.claim(held, worker="frozen")
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(queued_at=now(-60)))
        connection.execute(update(jobs).where(jobs.c.id == held).values(lease_expires_at=now(-30)))

    assert queue_position(engine, job_id, tenant="default").unattended_seconds == pytest.approx(60, abs=5)


def test_the_jobs_of_other_tenants_are_not_known(store: JobStore, engine: Engine) -> None:
    with pytest.raises(JobNotFound):
        queue_position(engine, submitted(store, tenant="a"), tenant="b")
