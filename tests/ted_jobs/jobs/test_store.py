"""What clients can do with jobs, on both databases."""

import threading
from dataclasses import replace

import pytest

from ted_jobs.errors import ArtifactNotReady, IdempotencyConflict, JobNotFound, NotCancellable, UnknownCursor
from ted_jobs.jobs.filter import JobCriteria
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Artifact
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import IdempotencyKey, JobStore
from tests.ted_jobs.conftest import SPEC, SUMMARY


def submitted(store: JobStore, tenant: str = "default") -> str:
    return store.submit(SPEC, SUMMARY, tenant=tenant).job.id


def claimed(store: JobStore, leases: Leases) -> Claim:
    claim = leases.claim(submitted(store), worker="w")
    assert claim
    return claim


def test_a_submitted_job_is_queued_and_reads_back_as_it_was_sent(store: JobStore) -> None:
    submission = store.submit(SPEC, SUMMARY, tenant="default")

    job = store.job(submission.job.id, tenant="default")

    assert job == submission.job
    assert (job.status, job.attempt, job.spec, job.rows_in) == (JobStatus.QUEUED, 0, SPEC, 1797)
    assert job.created_at.utcoffset() is not None


def test_a_job_is_stored_before_its_rows_are_counted(store: JobStore) -> None:
    submission = store.submit(SPEC, replace(SUMMARY, rows=None), tenant="default")

    assert submission.job.rows_in is None
    assert store.job(submission.job.id, tenant="default") == submission.job
    assert store.jobs(tenant="default", limit=1) == [submission.job]


def test_another_tenants_job_is_not_found(store: JobStore) -> None:
    job_id = submitted(store, tenant="theirs")

    for call in (store.job, store.cancel):
        with pytest.raises(JobNotFound):
            call(job_id, tenant="ours")
    with pytest.raises(JobNotFound):
        store.events(job_id, tenant="ours", after=0, limit=10)
    with pytest.raises(JobNotFound):
        store.artifact(job_id, "manifest", tenant="ours")
    assert store.jobs(tenant="ours", limit=10) == []


def test_the_same_idempotency_key_and_body_return_the_first_job(store: JobStore) -> None:
    key = IdempotencyKey("k", "digest")
    first = store.submit(SPEC, SUMMARY, tenant="default", idempotency_key=key)

    again = store.submit(SPEC, SUMMARY, tenant="default", idempotency_key=key)

    assert (again.job.id, first.replayed, again.replayed) == (first.job.id, False, True)
    assert len(store.jobs(tenant="default", limit=10)) == 1


def test_the_same_idempotency_key_with_another_body_is_refused(store: JobStore) -> None:
    store.submit(SPEC, SUMMARY, tenant="default", idempotency_key=IdempotencyKey("k", "digest"))

    with pytest.raises(IdempotencyConflict):
        store.submit(SPEC, SUMMARY, tenant="default", idempotency_key=IdempotencyKey("k", "other"))


def test_twenty_concurrent_requests_with_one_idempotency_key_make_one_job(store: JobStore) -> None:
    key, ids = IdempotencyKey("k", "digest"), []

    def submit() -> None:
        ids.append(store.submit(SPEC, SUMMARY, tenant="default", idempotency_key=key).job.id)

    clients = [threading.Thread(target=submit) for _ in range(20)]
    [client.start() for client in clients]
    [client.join() for client in clients]

    assert len(ids) == 20
    assert len(set(ids)) == len(store.jobs(tenant="default", limit=100)) == 1


def test_pages_list_all_jobs_from_newest_to_oldest(store: JobStore) -> None:
    newest_first = [submitted(store) for _ in range(5)][::-1]

    first = store.jobs(tenant="default", limit=2)
    second = store.jobs(tenant="default", limit=10, after=first[-1].id)

    assert {job.id for job in first + second} == set(newest_first)
    times = [job.created_at for job in first + second]
    assert times == sorted(times, reverse=True)


def test_a_cursor_that_is_not_a_job_is_refused(store: JobStore) -> None:
    with pytest.raises(UnknownCursor):
        store.jobs(tenant="default", limit=2, after="job_nothing")


def test_jobs_can_be_listed_by_status(store: JobStore, leases: Leases) -> None:
    running, waiting = claimed(store, leases).job.id, submitted(store)

    listed = store.jobs(tenant="default", limit=10, criteria=JobCriteria(statuses=[JobStatus.RUNNING]))

    assert [job.id for job in listed] == [running]
    assert waiting not in [job.id for job in listed]


def test_a_queued_job_is_cancelled_at_once_and_cancelling_it_again_is_no_error(store: JobStore) -> None:
    job_id = submitted(store)

    assert store.cancel(job_id, tenant="default").status is JobStatus.CANCELLED
    assert store.cancel(job_id, tenant="default").status is JobStatus.CANCELLED


def test_a_running_job_is_cancelling_until_its_worker_has_stopped(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)

    cancelling = store.cancel(claim.job.id, tenant="default")
    ended = leases.mark_cancelled(claim)

    assert (cancelling.status, ended.status) == (JobStatus.CANCELLING, JobStatus.CANCELLED)
    assert ended.finished_at is not None


@pytest.mark.parametrize("finalizing_only", [True, False])
def test_a_job_past_the_point_of_no_return_cannot_be_cancelled(
    store: JobStore, leases: Leases, finalizing_only: bool
) -> None:
    claim = claimed(store, leases)
    leases.begin_finalizing(claim)
    if not finalizing_only:
        leases.finish(claim, published=[], result={})

    with pytest.raises(NotCancellable):
        store.cancel(claim.job.id, tenant="default")


def test_a_manifest_is_available_only_after_success(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)
    file = Artifact(kind="manifest", key="a/1/manifest.parquet", bytes=3, sha256="0" * 64)
    with pytest.raises(ArtifactNotReady):
        store.artifact(claim.job.id, "manifest", tenant="default")

    leases.begin_finalizing(claim)
    job = leases.finish(claim, published=[file], result={"rows_kept": 7})

    assert store.artifact(job.id, "manifest", tenant="default") == file
    assert (job.status, job.result) == (JobStatus.SUCCEEDED, {"rows_kept": 7})


def test_the_events_of_a_job_are_numbered_without_gaps(store: JobStore, leases: Leases) -> None:
    claim = claimed(store, leases)
    leases.heartbeat(
        claim, progress={"round": 2}, new_events=[("job.round", {"round": 1}), ("job.round", {"round": 2})]
    )
    leases.begin_finalizing(claim)
    leases.finish(claim, published=[], result={})

    story = store.events(claim.job.id, tenant="default", after=0, limit=100)

    assert [event.sequence for event in story] == list(range(1, len(story) + 1))
    types = [event.type.removeprefix("job.") for event in story]
    assert types == ["queued", "running", "round", "round", "finalizing", "succeeded"]
    assert store.events(claim.job.id, tenant="default", after=3, limit=1)[0].data == {"round": 2}
