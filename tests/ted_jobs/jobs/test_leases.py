"""Who holds a job, and that nobody else can write to it, on both databases."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.errors import LeaseLost
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Claim, HeartbeatResponse, Leases
from ted_jobs.jobs.models import Artifact, JobError
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.queue import outbox
from tests.ted_jobs.conftest import SPEC, SUMMARY
from tests.ted_jobs.jobs.test_store import claimed, submitted

CRASH = JobError("runner_killed", "killed", retryable=True)
BAD_DATA = JobError("missing_values", "NaN", retryable=False)


def let_lease_expire(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(lease_expires_at=now(-1)))


def status(store: JobStore, claim: Claim) -> JobStatus:
    return store.job(claim.job.id, tenant="default").status


def every_write(leases: Leases, claim: Claim) -> list[object]:
    return [
        lambda: leases.heartbeat(claim),
        lambda: leases.begin_finalizing(claim),
        lambda: leases.finish(claim, published=[], result={}),
        lambda: leases.fail(claim, CRASH),
        lambda: leases.mark_cancelled(claim),
        lambda: leases.mark_expired(claim),
        lambda: leases.release(claim),
    ]


def test_ten_wake_ups_for_one_job_start_it_once(store: JobStore, leases: Leases) -> None:
    job_id, claims = submitted(store), []

    workers = [
        threading.Thread(target=lambda n=n: claims.append(leases.claim(job_id, worker=str(n)))) for n in range(10)
    ]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]

    assert len([claim for claim in claims if claim]) == 1
    assert store.job(job_id, tenant="default").attempt == 1


def test_a_wake_up_for_a_finished_or_unknown_job_claims_nothing(store: JobStore, leases: Leases) -> None:
    job_id = submitted(store)
    store.cancel(job_id, tenant="default")

    assert leases.claim(job_id, worker="w") is None
    assert leases.claim("job_unknown", worker="w") is None


def test_a_heartbeat_renews_the_lease_and_stores_progress(store: JobStore, leases: Leases, engine: Engine) -> None:
    claim = claimed(store, leases)
    let_lease_expire(engine)

    order = leases.heartbeat(claim, progress={"round": 3})

    assert order is HeartbeatResponse.CONTINUE
    assert store.job(claim.job.id, tenant="default").progress == {"round": 3}
    assert maintenance.reap_expired_leases(engine) == []


def test_a_heartbeat_without_progress_keeps_the_version(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)

    leases.heartbeat(claim)

    assert store.job(claim.job.id, tenant="default").version == claim.job.version


def test_a_heartbeat_returns_a_request_to_cancel(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)
    store.cancel(claim.job.id, tenant="default")

    assert leases.heartbeat(claim) is HeartbeatResponse.CANCEL


def test_a_heartbeat_after_the_deadline_returns_expire(store: JobStore, leases: Leases, engine: Engine) -> None:
    hasty = JobSpec.model_validate(SPEC.model_dump() | {"deadline_seconds": 60})
    claim = leases.claim(store.submit(hasty, SUMMARY, tenant="default").job.id, worker="w")
    assert claim
    assert leases.heartbeat(claim) is HeartbeatResponse.CONTINUE
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(deadline_at=now(-1)))

    assert leases.heartbeat(claim) is HeartbeatResponse.EXPIRE
    assert leases.mark_expired(claim).status is JobStatus.EXPIRED


def test_an_expired_lease_requeues_the_job_and_voids_the_old_claim(
    store: JobStore, leases: Leases, engine: Engine
) -> None:
    zombie = claimed(store, leases)
    let_lease_expire(engine)

    (reaped,) = maintenance.reap_expired_leases(engine)
    heir = leases.claim(zombie.job.id, worker="heir")

    assert reaped.status is JobStatus.QUEUED
    assert heir
    assert (heir.token, heir.job.attempt) == (zombie.token + 1, 2)
    for write in every_write(leases, zombie):
        with pytest.raises(LeaseLost):
            write()  # type: ignore[operator]
    assert status(store, heir) is JobStatus.RUNNING


def test_a_worker_that_publishes_after_its_successor_has_succeeded_loses_its_lease(
    store: JobStore, leases: Leases, engine: Engine
) -> None:
    zombie = claimed(store, leases)
    leases.begin_finalizing(zombie)
    let_lease_expire(engine)
    maintenance.reap_expired_leases(engine)
    heir = leases.claim(zombie.job.id, worker="heir")
    assert heir
    leases.begin_finalizing(heir)
    kept = Artifact(kind="manifest", key=f"{heir.job.id}/2/manifest.parquet", bytes=3, sha256="0" * 64)
    leases.finish(heir, published=[kept], result={})

    with pytest.raises(LeaseLost):
        leases.finish(zombie, published=[replace(kept, key=f"{heir.job.id}/1/manifest.parquet")], result={})

    assert store.artifact(heir.job.id, "manifest", tenant="default") == kept


def test_repeating_a_step_whose_answer_was_lost_is_no_error(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)
    kept = Artifact(kind="manifest", key=f"{claim.job.id}/1/manifest.parquet", bytes=3, sha256="0" * 64)

    leases.begin_finalizing(claim)
    leases.begin_finalizing(claim)
    first, again = (leases.finish(claim, published=[kept], result={"rows_kept": 1}) for _ in range(2))

    assert first == again
    assert store.artifact(claim.job.id, "manifest", tenant="default") == kept
    events = store.events(claim.job.id, tenant="default", after=0, limit=10)
    assert [event.type for event in events] == ["job.queued", "job.running", "job.finalizing", "job.succeeded"]


def test_passing_the_point_of_no_return_renews_the_lease(store: JobStore, leases: Leases, engine: Engine) -> None:
    claim = claimed(store, leases)
    let_lease_expire(engine)

    leases.begin_finalizing(claim)

    assert maintenance.reap_expired_leases(engine) == []


def test_a_crash_is_repeated_until_the_attempts_are_used_up(store: JobStore, leases: Leases) -> None:
    first = claimed(store, leases)
    again = leases.fail(first, CRASH)
    second = leases.claim(first.job.id, worker="w")
    assert second

    ended = leases.fail(second, CRASH)

    assert again.status is JobStatus.QUEUED
    assert "attempt 1 of 2 failed" in (again.status_reason or "")
    assert ended.status is JobStatus.FAILED
    assert ended.error == CRASH.as_json()


def test_an_error_that_is_not_retryable_fails_the_job_at_once(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)

    job = leases.fail(claim, BAD_DATA)

    assert (job.status, job.attempt) == (JobStatus.FAILED, 1)


def test_a_job_that_crashes_while_being_cancelled_ends_as_cancelled(
    store: JobStore, leases: Leases, engine: Engine
) -> None:
    crashed, silent = claimed(store, leases), claimed(store, leases)
    store.cancel(crashed.job.id, tenant="default")
    store.cancel(silent.job.id, tenant="default")

    leases.fail(crashed, CRASH)
    let_lease_expire(engine)
    maintenance.reap_expired_leases(engine)

    assert status(store, crashed) is JobStatus.CANCELLED
    assert status(store, silent) is JobStatus.CANCELLED


def test_a_worker_that_shuts_down_requeues_its_job_without_counting_the_attempt(
    store: JobStore, leases: Leases
) -> None:
    claim = claimed(store, leases)

    job = leases.release(claim)
    again = leases.claim(job.id, worker="next")

    assert (job.status, job.attempt) == (JobStatus.QUEUED, 0)
    assert again
    assert again.token > claim.token


def test_cancel_wins_over_a_runner_that_has_not_begun_to_finalize(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)
    store.cancel(claim.job.id, tenant="default")

    with pytest.raises(LeaseLost):
        leases.begin_finalizing(claim)


def test_a_queued_job_expires_after_its_deadline(store: JobStore, engine: Engine) -> None:
    hasty = JobSpec.model_validate(SPEC.model_dump() | {"deadline_seconds": 60})
    job_id = store.submit(hasty, SUMMARY, tenant="default").job.id
    assert maintenance.expire_overdue(engine) == []
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(deadline_at=now(-1)))

    (job,) = maintenance.expire_overdue(engine)

    assert (job.id, job.status) == (job_id, JobStatus.EXPIRED)


def test_every_submission_sends_one_wake_up_and_another_later_if_it_is_lost(store: JobStore, engine: Engine) -> None:
    notified: list[str] = []
    job_id = submitted(store)

    outbox.publish_batch(engine, notified.append)
    outbox.publish_batch(engine, notified.append)
    maintenance.renotify_overdue(engine)
    assert outbox.publish_batch(engine, notified.append) == 0
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(ring_at=now(-1)))
    maintenance.renotify_overdue(engine)
    maintenance.renotify_overdue(engine)
    outbox.publish_batch(engine, notified.append)

    assert notified == [job_id, job_id]
    with read_transaction(engine) as connection:
        assert connection.scalar(select(jobs.c.ring_at > now(45)))


def test_a_wake_up_survives_a_broker_that_is_away(store: JobStore, engine: Engine) -> None:
    job_id, notified = submitted(store), []

    def broken(_: str) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        outbox.publish_batch(engine, broken)
    outbox.publish_batch(engine, notified.append)

    assert notified == [job_id]


def test_one_sweeper_leads_until_it_falls_silent(engine: Engine) -> None:
    assert maintenance.acquire_leadership(engine, "sweeper", holder="a", seconds=60)
    assert maintenance.acquire_leadership(engine, "sweeper", holder="a", seconds=60)
    assert not maintenance.acquire_leadership(engine, "sweeper", holder="b", seconds=60)

    maintenance.acquire_leadership(engine, "sweeper", holder="a", seconds=-1)

    assert maintenance.acquire_leadership(engine, "sweeper", holder="b", seconds=60)


def test_attempts_that_ran_out_of_memory_are_counted(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)
    assert leases.out_of_memory_count(claim) == 0

    leases.fail(claim, JobError("out_of_memory", "2 GiB", retryable=True))
    again = leases.claim(claim.job.id, worker="w")

    assert again
    assert leases.out_of_memory_count(again) == 1


def test_the_next_job_is_the_one_that_has_waited_longest(store: JobStore, leases: Leases) -> None:
    first, second = submitted(store), submitted(store)

    claims = [leases.claim_next(worker="w") for _ in range(3)]

    assert [claim and claim.job.id for claim in claims] == [first, second, None]
