"""Tenants take turns, on both databases."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine, update

from ted_jobs.db.engine import write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import JobError
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from tests.ted_jobs.jobs.test_store import submitted

CRASH = JobError("runner_killed", "killed", retryable=True)


def queue(store: JobStore, tenants: str) -> list[str]:
    """Submit a job for each letter, which is its tenant."""
    return [submitted(store, tenant=tenant) for tenant in tenants]


def end(leases: Leases, claim: Claim) -> None:
    leases.begin_finalizing(claim)
    leases.finish(claim, published=[], result={})


def claims(leases: Leases, count: int) -> list[Claim]:
    claimed = [leases.claim_next(worker="w") for _ in range(count)]
    assert all(claimed)
    return [claim for claim in claimed if claim]


def tenants(claimed: Sequence[Claim]) -> str:
    return "".join(claim.job.tenant for claim in claimed)


def test_one_worker_serves_tenants_alternately(store: JobStore, leases: Leases) -> None:
    queue(store, "aaaaabbc")
    served = ""

    while claim := leases.claim_next(worker="w"):
        served += claim.job.tenant
        end(leases, claim)

    assert served == "abcabaaa"


def test_many_workers_are_shared_equally(store: JobStore, leases: Leases) -> None:
    queue(store, "aaaaaaaabbbbbb")

    assert tenants(claims(leases, 8)).count("b") == 4


def test_a_newcomer_gets_the_next_free_worker(store: JobStore, leases: Leases) -> None:
    queue(store, "a" * 12 + "b" * 12)
    running = claims(leases, 6)
    queue(store, "c")

    end(leases, running[0])

    assert tenants(claims(leases, 1)) == "c"


def test_a_tenants_own_jobs_start_in_the_order_of_submission(store: JobStore, leases: Leases) -> None:
    ids = queue(store, "aabbaa")

    order = [claim.job.id for claim in claims(leases, 6) if claim.job.tenant == "a"]

    assert order == [ids[0], ids[1], ids[4], ids[5]]


def test_a_job_that_is_repeated_goes_behind_the_others(store: JobStore, leases: Leases) -> None:
    first, second, other = queue(store, "aab")
    (claim,) = claims(leases, 1)

    leases.fail(claim, CRASH)

    assert claim.job.id == first
    assert [claim.job.id for claim in claims(leases, 3)] == [other, second, first]


def test_submitters_that_are_passed_over_wait(store: JobStore, leases: Leases, engine: Engine) -> None:
    keyed, open_to_all = queue(store, "aa")
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == keyed).values(key_id="key_1"))

    claim = leases.claim_next(worker="w", passed_over=["key_1"])

    assert claim
    assert claim.job.id == open_to_all
    assert leases.claim_next(worker="w", passed_over=["key_1", "a"]) is None
    assert leases.is_any_waiting()
    assert [claim.job.submitter for claim in claims(leases, 1)] == ["key_1"]
    assert not leases.is_any_waiting()


# --- crashes ----------------------------------------------------------------------------------------------------------


def crash(message: str, code: str = "runner_crashed") -> JobError:
    return JobError(code, message, retryable=True)


@pytest.mark.parametrize(
    ("errors", "attempts"),
    [
        pytest.param([crash("IndexError: 7 at 0x7f3a")] * 2, 2, id="the same crash"),
        pytest.param([crash("IndexError: 7 at 0x7f3a"), crash("IndexError: 9 at 0x11")], 2, id="numbers aside"),
        pytest.param([crash("KeyError: a"), crash("KeyError: b"), crash("KeyError: a")], 3, id="different crashes"),
        pytest.param([crash("It got SIGKILL", "runner_killed")] * 3, 3, id="killed from outside"),
        pytest.param([crash("No memory", "out_of_memory")] * 3, 3, id="out of memory"),
        pytest.param([crash("No disk", "machine_failed")] * 3, 3, id="the machine"),
    ],
)
def test_only_a_crash_that_repeats_itself_ends_the_job_early(
    engine: Engine, leases: Leases, errors: list[JobError], attempts: int
) -> None:
    store = JobStore(engine, max_attempts=3)
    job_id = submitted(store)

    for error in errors:
        claim = leases.claim(job_id, worker="w")
        assert claim
        job = leases.fail(claim, error)

    assert (job.status, job.attempt) == (JobStatus.FAILED, attempts)
    assert ("ended in the same way" in (job.error or {})["message"]) == (attempts < 3)
