"""A runner whose memory runs out is tried again with smaller batches, and the report says so."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import Engine

from ted_core.datasets import inspect
from ted_core.errors import ModelTooLarge, OutOfMemory, TedError
from ted_core.proxies import resolve_proxy
from ted_core.results.report import Report
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.ted_core import examples
from tests.ted_core.proxies.sparse_models import sparse_encoder
from worker.child.precedence import oom_kill_count
from worker.memory import require_runner_memory
from worker.supervisor import Supervisor

ATTEMPTS = 5
LARGEST_IDLE = 4 << 30
"""What an idle runner's libraries have reserved at most."""


@pytest.fixture(autouse=True)
def fork_runners() -> None:
    """Runners are no forks here: what they take idle counts."""


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


def test_a_model_that_cannot_fit_is_not_built_nor_tried_again(
    claimed: Callable[..., Claim], leases: Leases, settings: Settings
) -> None:
    claim = claimed(proxy={"name": "mlp"}, image_size=256, q=1)
    supervisor = Supervisor(claim, leases=leases, store=ArtifactStore(settings.artifacts), settings=settings)

    job = supervisor.run()

    assert job
    assert job.status is JobStatus.FAILED
    error = job.error or {}
    assert (error["code"], error["field"], error["retryable"]) == ("model_too_large", "dataset.image_size", False)


def test_a_pretrained_model_that_cannot_fit_is_not_loaded_nor_tried_again(
    store: JobStore, leases: Leases, settings: Settings, tmp_path: Path
) -> None:
    model, data = sparse_encoder(tmp_path / "large", 4096), tmp_path / "texts.jsonl"
    data.write_text("".join(json.dumps({"text": f"Line {row}", "label": row % 2}) + "\n" for row in range(40)))
    spec = JobSpec.model_validate(
        {
            "dataset": {"uri": str(data), "format": "jsonl", "task": "text-classification"},
            "proxy": {"name": "encoder", "model": str(model)},
            "plan": {"keep_ratio": 0.5},
        }
    )
    chosen = settings.model_copy(update={"dataset_roots": (tmp_path,), "model_roots": (tmp_path,)})
    submitted = store.submit(spec, inspect(spec.dataset, roots=chosen.dataset_roots), tenant="default").job
    claim = leases.claim(submitted.id, worker="test")
    assert claim

    job = Supervisor(claim, leases=leases, store=ArtifactStore(chosen.artifacts), settings=chosen).run()

    assert job
    error = job.error or {}
    assert (error["code"], error["field"], error["retryable"]) == ("model_too_large", "proxy.model", False)


LIMITED = """
import resource, sys
from worker.memory import limit_runner
from worker.messages import Assignment

limit_runner(Assignment.model_validate_json(sys.argv[1]))
print(resource.getrlimit(resource.RLIMIT_DATA)[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel does not say what a process has")
@pytest.mark.parametrize("ceiling", [1 << 28, None])
def test_the_kernel_enforces_a_ceiling_also_if_nobody_has_set_one(
    claimed: Callable[..., Claim], leases: Leases, settings: Settings, ceiling: int | None
) -> None:
    chosen = settings.model_copy(update={"runner_memory_ceiling": ceiling})
    supervisor = Supervisor(claimed(), leases=leases, store=ArtifactStore(chosen.artifacts), settings=chosen)

    assignment = supervisor._assignment()

    command = [sys.executable, "-c", LIMITED, assignment.model_dump_json()]
    limit = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert chosen.ceiling < limit < chosen.ceiling + LARGEST_IDLE


def test_inputs_that_stay_outside_an_accelerator_do_not_count_against_its_memory(
    claimed: Callable[..., Claim], leases: Leases, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(claimed(), leases=leases, store=ArtifactStore(settings.artifacts), settings=settings)
    assignment = supervisor._assignment().model_copy(update={"memory_bytes": 64 << 30})
    vectors = examples.samples(np.zeros((300_000, 1000), np.float32), np.arange(300_000) % 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (vectors.inputs.nbytes // 2, vectors.inputs.nbytes))

    require_runner_memory(assignment, resolve_proxy(assignment.spec.proxy), vectors, device="cuda")


@pytest.mark.parametrize(("total", "expected"), [(1 << 40, OutOfMemory), (1 << 20, ModelTooLarge)])
def test_an_accelerator_that_others_use_at_present_is_a_reason_to_try_again(
    claimed: Callable[..., Claim],
    leases: Leases,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    total: int,
    expected: type[TedError],
) -> None:
    supervisor = Supervisor(claimed(), leases=leases, store=ArtifactStore(settings.artifacts), settings=settings)
    assignment = supervisor._assignment()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 << 20, total))

    with pytest.raises(expected):
        require_runner_memory(
            assignment, resolve_proxy(assignment.spec.proxy), examples.random_vectors(100, features=1000), device="cuda"
        )


def test_the_kernels_count_of_killed_processes_is_read(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("pgfault 17\noom_kill 3\n")

    assert oom_kill_count(tmp_path / "vmstat") == 3
    assert oom_kill_count(tmp_path / "nowhere") == 0
