"""A runner whose memory runs out is tried again with smaller batches, and the report says so."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ted_core.results.report import Report
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from worker.child import oom_kill_count
from worker.supervisor import Supervisor

ATTEMPTS = 5


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The least ceiling that may be set."""
    return settings.model_copy(update={"runner_memory_ceiling": 1 << 28})


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine, max_attempts=ATTEMPTS)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel does not say what a process has")
def test_a_job_that_ran_out_of_memory_succeeds_with_smaller_batches(
    claimed: Callable[..., Claim], leases: Leases, settings: Settings, store: JobStore
) -> None:
    claim: Claim | None = claimed(proxy={"name": "cnn", "batch_size": 1797}, image_size=16, q=1)
    artifacts, left = ArtifactStore(settings.artifacts), list[Job]()

    while claim:
        job = Supervisor(claim, leases=leases, store=artifacts, settings=settings).run()
        assert job
        left.append(job)
        claim = leases.claim(job.id, worker="w")

    *failed, last = left
    assert failed
    assert all("The worker ran out of memory" in (job.status_reason or "") for job in failed)
    assert last.status is JobStatus.SUCCEEDED
    report = Report.model_validate_json(artifacts.open(store.artifact(last.id, "report", tenant="default")).read())
    assert report.cost.batch_parts == 2 ** len(failed)


def test_the_kernels_count_of_killed_processes_is_read(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("pgfault 17\noom_kill 3\n")

    assert oom_kill_count(tmp_path / "vmstat") == 3
    assert oom_kill_count(tmp_path / "nowhere") == 0
