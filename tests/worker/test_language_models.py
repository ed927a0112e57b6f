"""A job with a language model: its earlier performance is reported, and its file is unpacked once, silently."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ted_core.datasets import inspect
from ted_core.results.report import Report
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.ted_core.proxies.pretrained.language_models import tiny_gguf
from worker.child.process import RunnerProcess
from worker.supervisor import Supervisor

ROWS = 24


@pytest.fixture(autouse=True)
def fork_runners() -> None:
    """Runners are no forks here: libraries are silent if they are told so before they are imported."""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"model_roots": (tmp_path,)})


@pytest.fixture
def run(
    settings: Settings, store: JobStore, leases: Leases, supervised: Callable[..., Supervisor], tmp_path: Path
) -> Callable[..., Job]:
    """A finished job that prunes instructions with the tiny language model."""
    model, data = tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "instructions.jsonl"
    lines = [{"prompt": f"Add {row} and three.", "response": f"The sum is {row + 3}."} for row in range(ROWS)]
    data.write_text("\n".join(map(json.dumps, lines)))

    def finished(**plan: object) -> Job:
        spec = JobSpec.model_validate(
            {
                "dataset": {"uri": str(data), "format": "jsonl", "task": "causal-lm"},
                "proxy": {"name": "lora", "model": str(model), "epochs": 2, "batch_size": 4, "learning_rate": 0.05},
                "plan": {"keep_ratio": 0.5, "rounds": 2, "q": 1} | plan,
            }
        )
        job = store.submit(spec, inspect(spec.dataset, roots=settings.dataset_roots), tenant="default").job
        claim = leases.claim(job.id, worker="test")
        assert claim
        done = supervised(claim).run()
        assert done is not None
        assert done.error is None
        return done

    return finished


@pytest.fixture
def last_words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each runner left in its log."""
    log_tails: list[str] = []
    stop = RunnerProcess.stop

    def overheard(self: RunnerProcess, *, grace_seconds: float) -> None:
        stop(self, grace_seconds=grace_seconds)
        log_tails.append(self.log_tail())

    monkeypatch.setattr(RunnerProcess, "stop", overheard)
    return log_tails


def published(job: Job, kind: str, store: JobStore, settings: Settings) -> Path:
    return settings.artifacts / store.artifact(job.id, kind, tenant="default").key


def test_decisions_and_report_have_the_performance_of_the_pretrained_model(
    run: Callable[..., Job], store: JobStore, settings: Settings
) -> None:
    job = run()

    table = pq.read_table(published(job, "decisions", store, settings))
    report = Report.model_validate_json(published(job, "report", store, settings).read_bytes())
    kept, base = table["kept"].to_numpy(), table["base_performance"].to_numpy()
    trained = table["internal_generalization"].to_numpy()
    assert ((base > 0) & (base < 1)).all()
    assert report.gains is not None
    for gain, rows in ((report.gains.all, kept | ~kept), (report.gains.kept, kept), (report.gains.pruned, ~kept)):
        assert gain is not None
        assert gain.rows == rows.sum()
        assert (gain.base, gain.internal_generalization) == pytest.approx((base[rows].mean(), trained[rows].mean()))
        assert gain.gain == pytest.approx(trained[rows].mean() - base[rows].mean(), abs=1e-6)
        assert abs(gain.gain) > 1e-4
    assert report.proxy.parameters
    assert report.cost.rows_measured == 2 * ROWS, "once before training, once by the twins after the last round"


def test_answers_are_listed_by_their_margins_without_an_estimate_of_how_many_are_wrong(
    run: Callable[..., Job], store: JobStore, settings: Settings
) -> None:
    job = run()

    decided = pq.read_table(published(job, "decisions", store, settings))
    listed = pq.read_table(published(job, "suspects", store, settings))
    margin = decided["margin"].to_numpy()
    assert job.result is not None
    assert job.result["label_noise"] is None
    assert listed["row_index"].to_pylist() == [row for row in np.argsort(margin, kind="stable") if margin[row] < 0]
    assert {*listed["label"].to_pylist(), *listed["likeliest"].to_pylist()} == {None}


def test_a_model_file_is_unpacked_once_and_silently_and_both_jobs_decide_the_same(
    run: Callable[..., Job], store: JobStore, settings: Settings, last_words: list[str]
) -> None:
    first = run()
    [unpacked] = settings.cache.glob("*.model")

    second = run()

    assert [*settings.cache.glob("*.model")] == [unpacked]
    decided = [pq.read_table(published(job, "decisions", store, settings)) for job in (first, second)]
    assert decided[0].equals(decided[1])
    assert last_words == ["", ""]
