"""What happens between an attempt's last heartbeat and its end, or before its first one."""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ted_core.errors import StorageFull
from ted_jobs.errors import ArtifactsRefused
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.checkpoints import CheckpointStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.maintenance import reap_expired_leases
from ted_jobs.jobs.models import Artifact, Job, JobError
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
Supervised = Callable[[Claim], Supervisor]


def test_cancelling_when_the_runner_is_done_takes_effect_before_the_lease_expires(
    claimed: Claimed, supervised: Supervised, store: JobStore, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, begin = claimed(), leases.begin_finalizing

    def too_late(held: Claim) -> None:
        store.cancel(held.job.id, tenant="default")
        begin(held)

    monkeypatch.setattr(leases, "begin_finalizing", too_late)

    job = supervised(claim).run()

    assert job
    assert job.status is JobStatus.CANCELLED


def test_a_store_that_fails_after_the_lease_was_lost_does_not_change_the_job(
    claimed: Claimed, supervised: Supervised, leases: Leases, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed()

    def full(*_: object, **__: object) -> Artifact:
        leases.fail(claim, error)
        assert leases.claim(claim.job.id, worker="another")
        raise StorageFull("no room")

    error = JobError("lost", "as a sweeper would say", retryable=True)
    monkeypatch.setattr(ArtifactStore, "put_file", full)

    assert supervised(claim).run() is None
    assert store.job(claim.job.id, tenant="default").status is JobStatus.RUNNING


def test_the_lease_is_renewed_while_a_checkpoint_is_fetched(
    claimed: Claimed, engine: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts, fetch = ArtifactStore(settings.artifacts), ArtifactStore.fetch
    short, claim = Leases(engine, lease_seconds=1), claimed()
    (tmp_path / "state").write_bytes(b"of another run")
    CheckpointStore(engine, artifacts).add(claim, tmp_path / "state")
    short.heartbeat(claim)

    def slowly(self: ArtifactStore, artifact: Artifact, to: Path) -> bool:
        time.sleep(2)
        return fetch(self, artifact, to)

    monkeypatch.setattr(ArtifactStore, "fetch", slowly)
    stop, reaped = threading.Event(), list[Job]()

    def sweep() -> None:
        while not stop.wait(0.1):
            reaped.extend(reap_expired_leases(engine))

    sweeping = threading.Thread(target=sweep)
    sweeping.start()

    job = Supervisor(claim, leases=short, store=artifacts, settings=settings).run()
    stop.set()
    sweeping.join()

    assert job
    assert (job.status, job.attempt, reaped) == (JobStatus.SUCCEEDED, 1, [])


def test_a_store_that_refuses_access_on_publishing_costs_one_attempt(
    claimed: Claimed, supervised: Supervised, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, keep = claimed(), ArtifactStore.put_file

    def refuse(*_: object, **__: object) -> Artifact:
        raise ArtifactsRefused("403")

    monkeypatch.setattr(ArtifactStore, "put_file", refuse)
    job = supervised(claim).run()
    assert job
    assert job.status is JobStatus.QUEUED
    assert "did not let this service in" in (job.status_reason or "")

    monkeypatch.setattr(ArtifactStore, "put_file", keep)
    again = leases.claim(claim.job.id, worker="another")
    assert again
    job = supervised(again).run()

    assert job
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 2)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(errno.ENOSPC, "storage_full", id="no room"),
        pytest.param(errno.EACCES, "machine_failed", id="locked"),
    ],
)
@pytest.mark.parametrize("step", ["mkdir", "open"])
def test_a_worker_that_cannot_write_its_folder_fails_the_attempt_at_once(
    claimed: Claimed,
    supervised: Supervised,
    store: JobStore,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    number: int,
    code: str,
) -> None:
    claim = claimed()

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, step, refuse)
    job = supervised(claim).run()
    monkeypatch.undo()

    assert job
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 1)
    (ended,) = [
        event for event in store.events(job.id, tenant="default", after=1, limit=9) if event.type == "job.queued"
    ]
    assert ended.data["error"]["code"] == code
    assert os.strerror(number) in ended.data["error"]["message"]
