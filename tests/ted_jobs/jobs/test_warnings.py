"""A job keeps what it was warned of when it was submitted, until its result knows better; on both databases."""

from pathlib import Path

import pytest
from sqlalchemy import insert, null, select, update

from ted_core.warnings import JobWarning, WarningCode
from ted_jobs.db.engine import make_engine, now, write_transaction
from ted_jobs.db.migrations import upgrade
from ted_jobs.db.tables import jobs
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.store import JobStore
from tests.servers.databases import DATABASES
from tests.ted_jobs.conftest import SPEC, SUMMARY
from tests.ted_jobs.jobs.test_store import claimed

FACT = "'id\0[/x]' holds 30 values in 60 rows"
WARNING = JobWarning.of(WarningCode.KEYS_NOT_UNIQUE, FACT, field="dataset.input")
UNKNOWN = JobWarning("from_tomorrow", None, "Nobody knows yet.")


def finished(leases: Leases, job: Job, **result: object) -> Job:
    claim = leases.claim(job.id, worker="w")
    assert claim
    leases.begin_finalizing(claim)
    return leases.finish(claim, published=[], result=result)


def test_warnings_are_stored_with_the_job(store: JobStore, leases: Leases) -> None:
    submitted = store.submit(SPEC, SUMMARY, tenant="default", warnings=[WARNING, UNKNOWN]).job

    claim = leases.claim(submitted.id, worker="w")

    assert claim
    read, listed = store.job(submitted.id, tenant="default"), store.jobs(tenant="default", limit=1)[0]
    assert [one.warnings for one in (submitted, read, listed, claim.job)] == [(WARNING, UNKNOWN)] * 4


def test_a_job_without_warnings_stores_none(store: JobStore) -> None:
    job = store.submit(SPEC, SUMMARY, tenant="default").job

    with store.engine.connect() as connection:
        is_null = connection.scalar(select(jobs.c.warnings.is_(null())).where(jobs.c.id == job.id))
    assert (job.warnings, is_null) == ((), True)


@pytest.mark.parametrize(
    ("result", "warnings"),
    [
        ({"warnings": [{"code": "from_tomorrow", "message": "Nobody knows yet.", "severity": 3}]}, (UNKNOWN,)),
        ({"warnings": []}, ()),
        ({}, (WARNING,)),
    ],
    ids=["others", "none", "an older worker's"],
)
def test_the_results_warnings_take_the_place_of_the_submissions(
    store: JobStore, leases: Leases, result: dict[str, object], warnings: tuple[JobWarning, ...]
) -> None:
    job = store.submit(SPEC, SUMMARY, tenant="default", warnings=[WARNING]).job

    ended = finished(leases, job, **result)

    assert ended.warnings == store.job(job.id, tenant="default").warnings == warnings


def test_a_job_that_fails_keeps_the_warnings_of_its_submission(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)
    with write_transaction(store.engine) as connection:
        connection.execute(update(jobs).values(warnings=[vars(WARNING)]))

    leases.release(claim)

    assert store.job(claim.job.id, tenant="default").warnings == (WARNING,)


@pytest.mark.parametrize("database", DATABASES)
def test_a_job_that_an_older_version_has_stored_has_no_warnings(database: str, tmp_path: Path) -> None:
    with DATABASES[database](tmp_path) as url:
        engine = make_engine(url)
        store = JobStore(engine)
        row = store._new_row(SPEC, SUMMARY, "default") | {"created_at": now(), "queued_at": now()}
        upgrade(engine, to="0005")
        with write_transaction(engine) as connection:
            connection.execute(insert(jobs).values(row))
        upgrade(engine)

        (job,) = store.jobs(tenant="default", limit=10)

        assert job.warnings == ()
        engine.dispose()
