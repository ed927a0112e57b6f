"""A database that is away for a moment costs no attempt, at whatever step it is away."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import InternalError, OperationalError, ProgrammingError

from ted_jobs.errors import LeaseLost
from ted_jobs.files.checkpoints import CheckpointStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from worker.lease import Lease
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
Supervised = Callable[[Claim], Supervisor]

CUT = OperationalError("UPDATE jobs", {}, psycopg.errors.AdminShutdown("terminating connection"))
READ_ONLY = InternalError("UPDATE jobs", {}, psycopg.errors.ReadOnlySqlTransaction("cannot execute UPDATE"))
DEFECT = ProgrammingError("UPDATE jbos", {}, psycopg.errors.UndefinedTable("no jbos"))


class Away:
    """A step that fails a few times because the database is away, before or after the step is done."""

    def __init__(self, step: Callable[..., object], error: Exception, *, times: int, done: bool) -> None:
        self.step, self.error, self.times, self.done = step, error, times, done

    def __call__(self, *args: object, **named: object) -> object:
        self.times -= 1
        answer = self.step(*args, **named) if self.done or self.times < 0 else None
        if self.times >= 0:
            raise self.error
        return answer


@pytest.mark.parametrize("done", [pytest.param(True, id="the answer is lost"), pytest.param(False, id="nothing done")])
@pytest.mark.parametrize("error", [pytest.param(CUT, id="cut off"), pytest.param(READ_ONLY, id="read-only")])
def test_a_database_that_is_away_at_every_step_costs_no_attempt(
    claimed: Claimed,
    supervised: Supervised,
    leases: Leases,
    store: JobStore,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    done: bool,
) -> None:
    claim = claimed(epochs=3)
    supervisor = supervised(claim)
    for owner, name in (
        (leases, "heartbeat"),
        (leases, "out_of_memory_count"),
        (leases, "begin_finalizing"),
        (leases, "finish"),
        (supervisor.checkpoints, "fetch_intact"),
        (supervisor.checkpoints, "add"),
    ):
        monkeypatch.setattr(owner, name, Away(getattr(owner, name), error, times=2, done=done))

    job = supervisor.run()

    assert job
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 1)
    assert store.artifact(job.id, "manifest", tenant="default").bytes


def test_a_failure_is_recorded_once_the_database_is_back(
    claimed: Claimed, supervised: Supervised, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", ("python3", "-c", "raise RuntimeError('no such luck')"))
    monkeypatch.setattr(leases, "fail", Away(leases.fail, CUT, times=2, done=False))

    job = supervised(claimed()).run()

    assert job
    assert "no such luck" in (job.status_reason or "")


def test_waiting_for_the_database_ends_with_the_lease(claimed: Claimed, leases: Leases) -> None:
    claim, began = claimed(), time.monotonic()
    leases.lease_seconds = 1
    lease = Lease(claim, leases, heartbeat_seconds=0.1)

    with pytest.raises(LeaseLost):
        lease.call(Away(leases.fail, CUT, times=1000, done=False))

    assert 0.9 < time.monotonic() - began < 5


def test_an_error_that_is_not_the_databases_is_not_retried(claimed: Claimed, leases: Leases) -> None:
    lease, step = Lease(claimed(), leases, heartbeat_seconds=60), Away(leases.fail, DEFECT, times=2, done=False)

    with pytest.raises(ProgrammingError):
        lease.call(step)

    assert step.times == 1


def test_a_checkpoint_that_is_added_twice_counts_once(claimed: Claimed, supervised: Supervised, tmp_path: Path) -> None:
    claim = claimed()
    checkpoints: CheckpointStore = supervised(claim).checkpoints
    for name in ("1.safetensors", "2.safetensors", "2.safetensors"):
        path = tmp_path / name
        path.write_text(name)
        checkpoints.add(claim, path)

    assert [file.key.rpartition("-")[2] for file in checkpoints.for_job(claim.job.id)] == [
        "2.safetensors",
        "1.safetensors",
    ]
