"""A job on two ranks ends as on one, and whichever process ends, none is left behind and the next attempt resumes."""

import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from sqlalchemy import Engine

from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.checkpoints import CheckpointStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.worker.test_supervisor import Background, runners
from worker.supervisor import Supervisor

LONG = {"epochs": 400, "rounds": 20, "q": 1}
"""Long enough to be interrupted on a quick machine."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Two ranks of one thread each, and a checkpoint after every round."""
    return settings.model_copy(update={"ranks": 2, "checkpoint_seconds": 0, "heartbeat_seconds": 0.05})


@pytest.fixture
def supervised(leases: Leases, settings: Settings) -> Callable[..., Supervisor]:
    store = ArtifactStore(settings.artifacts)

    def make(claim: Claim, **other: object) -> Supervisor:
        return Supervisor(claim, leases=leases, store=store, settings=settings.model_copy(update=other))

    return make


def ranks() -> list[psutil.Process]:
    """The first rank of the only job, which is the runner, and those that it has forked."""
    (runner,) = runners()
    first = psutil.Process(runner)
    return [first, *first.children()]


def are_gone(processes: list[psutil.Process]) -> bool:
    """Whether all have ended; one that has, but whose parent has yet to notice, does nothing any more."""
    return all(not one.is_running() or one.status() == psutil.STATUS_ZOMBIE for one in processes)


@pytest.fixture
def working(
    claimed: Callable[..., Claim], supervised: Callable[..., Supervisor], engine: Engine, settings: Settings
) -> Iterator[tuple[Claim, Background, list[psutil.Process]]]:
    """A job in mid-run that has left a checkpoint, and its ranks, none of which outlives the test."""
    claim = claimed(**LONG)
    work = Background(supervised(claim))
    stored = CheckpointStore(engine, ArtifactStore(settings.artifacts))
    until(lambda: len(stored.for_job(claim.job.id)) >= 1, seconds=60)
    both = ranks()
    assert len(both) == 2
    yield claim, work, both
    work.join(30)
    until(lambda: are_gone(both), seconds=5)


def content(job: Job | None) -> str:
    assert job
    assert job.result, job.error
    return str(job.result["content_sha256"])


def test_two_ranks_write_the_manifest_that_one_writes(
    claimed: Callable[..., Claim], supervised: Callable[..., Supervisor]
) -> None:
    options = {"epochs": 8, "rounds": None, "q": None}

    two = supervised(claimed(**options)).run()
    one = supervised(claimed(**options), ranks=1, runner_threads=1).run()

    assert content(two) == content(one)
    assert two
    assert one
    assert two.result
    assert one.result
    assert two.result["device"] == "cpu, 1 thread, 2 ranks"
    assert two.result["cost"]["rows_trained"] == one.result["cost"]["rows_trained"]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_rank_that_is_killed_ends_the_others_and_the_next_attempt_resumes(
    victim: int,
    working: tuple[Claim, Background, list[psutil.Process]],
    supervised: Callable[..., Supervisor],
    leases: Leases,
    store: JobStore,
) -> None:
    claim, work, both = working

    both[victim].kill()

    began = time.monotonic()
    until(lambda: are_gone(both), seconds=10)
    work.join(30)
    assert work.left
    assert work.left.status is JobStatus.QUEUED
    assert ("Rank 1 got SIGKILL" if victim else "SIGKILL") in (work.left.status_reason or "")
    assert time.monotonic() - began < 10
    again = leases.claim(claim.job.id, worker="another")
    assert again
    job = supervised(again).run()
    assert job
    assert job.status is JobStatus.SUCCEEDED
    assert "job.resumed" in [event.type for event in store.events(claim.job.id, after=0, limit=100, tenant="default")]


def test_cancelling_ends_all_ranks(working: tuple[Claim, Background, list[psutil.Process]], store: JobStore) -> None:
    claim, work, both = working

    store.cancel(claim.job.id, tenant="default")

    work.join(20)
    assert work.left
    assert work.left.status is JobStatus.CANCELLED
    assert are_gone(both)
