"""A job whose rows were not counted when it was submitted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ted_core.datasets import inspect
from ted_core.datasets.budget import Budget, limited
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from worker.supervisor import Supervisor

ROWS = 6_000


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A text of which the first lines are read in any case, but not all."""
    path, rng = tmp_path / "rows.jsonl", np.random.default_rng(0)
    labels = rng.integers(0, 2, ROWS)
    lines = zip(labels, rng.normal(labels), strict=True)
    path.write_text("".join(f'{{"x": {x}, "label": {label}}}\n' for label, x in lines))
    return path


@pytest.fixture
def claim(rows: Path, store: JobStore, leases: Leases, settings: Settings) -> Claim:
    dataset = {"uri": str(rows), "format": "jsonl", "task": "tabular-classification"}
    plan = {"keep_ratio": 0.5, "method": "random"}
    spec = JobSpec.model_validate({"dataset": dataset, "proxy": {"name": "mlp"}, "plan": plan})
    with limited(Budget(seconds=0)):
        summary = inspect(spec.dataset, roots=settings.dataset_roots)
    job = store.submit(spec, summary, tenant="default").job
    assert job.rows_in is None
    claim = leases.claim(job.id, worker="test")
    assert claim
    return claim


def test_the_worker_counts_them(claim: Claim, supervised: Callable[[Claim], Supervisor], store: JobStore) -> None:
    supervised(claim).run()

    job = store.job(claim.job.id, tenant="default")
    assert job.status is JobStatus.SUCCEEDED, job.error
    assert job.result
    assert (job.rows_in, job.result["rows_in"], job.result["rows_kept"]) == (None, ROWS, ROWS // 2)


def test_a_dataset_that_changed_meanwhile_is_not_taken_for_the_one_submitted(
    rows: Path, claim: Claim, supervised: Callable[[Claim], Supervisor], store: JobStore
) -> None:
    rows.write_text(rows.read_text() + '{"x": 1.0, "label": 1}\n')

    supervised(claim).run()

    job = store.job(claim.job.id, tenant="default")
    assert (job.status, (job.error or {})["code"]) == (JobStatus.FAILED, "dataset_changed")
