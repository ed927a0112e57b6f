"""A job that another version has stored holds nobody up who need not read it; on both databases."""

import pytest
from sqlalchemy import Engine, update

from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.errors import JobUnreadable
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from tests.ted_jobs.conftest import SPEC
from tests.ted_jobs.jobs.test_store import claimed, submitted


def stored_by_another_version(engine: Engine, job_id: str) -> str:
    document = SPEC.model_dump(mode="json") | {"colour": "blue"}
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(spec=document))
    return job_id


def set_back(engine: Engine, column: str) -> None:
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values({column: now(-1)}))


def test_an_expired_lease_on_an_unreadable_job_is_reaped(store: JobStore, leases: Leases, engine: Engine) -> None:
    foreign, ours = claimed(store, leases), claimed(store, leases)
    stored_by_another_version(engine, foreign.job.id)
    set_back(engine, "lease_expires_at")

    reaped = maintenance.reap_expired_leases(engine)

    assert {job.id: job.status for job in reaped} == dict.fromkeys([foreign.job.id, ours.job.id], JobStatus.QUEUED)


def test_an_unreadable_job_expires_and_can_be_cancelled(store: JobStore, engine: Engine) -> None:
    overdue, unwanted = (stored_by_another_version(engine, submitted(store)) for _ in range(2))
    store.cancel(unwanted, tenant="default")
    set_back(engine, "deadline_at")

    (job,) = maintenance.expire_overdue(engine)

    assert (job.id, job.status) == (overdue, JobStatus.EXPIRED)
    assert store.job(unwanted, tenant="default").status is JobStatus.CANCELLED


def test_an_unreadable_job_stays_queued_while_the_next_job_runs(
    store: JobStore, leases: Leases, engine: Engine
) -> None:
    foreign = stored_by_another_version(engine, submitted(store))
    ours = submitted(store)

    claims = [leases.claim(foreign, worker="w"), *(leases.claim_next(worker="w") for _ in range(2))]

    assert [claim and claim.job.id for claim in claims] == [None, ours, None]
    left = store.job(foreign, tenant="default")
    assert (left.status, left.attempt, left.version) == (JobStatus.QUEUED, 0, 1)


def test_a_list_skips_an_unreadable_job_and_continues_behind_it(store: JobStore, engine: Engine) -> None:
    ours = [submitted(store) for _ in range(4)]
    stored_by_another_version(engine, ours.pop(1))
    stored_by_another_version(engine, ours.pop(1))

    pages = [store.jobs(tenant="default", limit=limit) for limit in (1, 2, 10)]

    assert [[job.id for job in page] for page in pages] == [ours[:0:-1], ours[::-1], ours[::-1]]


def test_reading_the_spec_of_an_unreadable_job_names_the_unknown_fields(store: JobStore, engine: Engine) -> None:
    job = store.job(stored_by_another_version(engine, submitted(store)), tenant="default")

    with pytest.raises(JobUnreadable, match=r"colour.*one version everywhere"):
        _ = job.spec


def test_a_status_that_only_another_version_knows_is_left_out_of_lists_and_explained(
    store: JobStore, engine: Engine
) -> None:
    foreign, ours = submitted(store), submitted(store)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == foreign).values(status="resting"))

    assert [job.id for job in store.jobs(tenant="default", limit=10)] == [ours]
    with pytest.raises(JobUnreadable, match="resting"):
        store.job(foreign, tenant="default")
