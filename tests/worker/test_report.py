"""A job that has succeeded has a report, and it agrees with the manifest that was published beside it."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ted_core.datasets import inspect
from ted_core.results.manifest import read_manifest
from ted_core.results.provenance import KeepRatioChoice, QChoice
from ted_core.results.report import Report
from ted_jobs.errors import ArtifactNotReady
from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.worker.ranks.alone import alone
from worker.messages import Assignment, RunnerMessage, Staged
from worker.runner import run_assignment
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
Supervised = Callable[..., Supervisor]


@pytest.mark.parametrize("plan", [{"q": 1}, {"method": "random"}], ids=["ted", "random"])
def test_the_report_agrees_with_manifest_decisions_and_events(
    claimed: Claimed, supervised: Supervised, store: JobStore, settings: Settings, plan: dict[str, object]
) -> None:
    claim = claimed(epochs=6, **plan)

    job = supervised(claim).run()

    assert job is not None
    files = {kind: store.artifact(job.id, kind, tenant="default") for kind in ("manifest", "decisions", "report")}
    report = Report.model_validate_json((settings.artifacts / files["report"].key).read_bytes())
    manifest = read_manifest(settings.artifacts / files["manifest"].key)
    reasons = pq.read_table(settings.artifacts / files["decisions"].key)["reason"].to_pylist()
    rounds = [
        event.data for event in store.events(job.id, tenant="default", after=0, limit=100) if event.type == "job.round"
    ]
    assert (report.job_id, report.rows_kept) == (job.id, len(manifest.row_indices))
    assert report.reasons == {phrase: reasons.count(phrase) for phrase in set(reasons)}
    assert sum(row.before for row in report.classes) == report.dataset.rows == 1797
    assert [(row.round, row.retained, row.internal_generalization) for row in report.rounds] == [
        (data["round"], data["retained"], data["internal_generalization"]) for data in rounds
    ]
    assert report.cost.rows_trained == (job.result or {})["cost"]["rows_trained"]
    assert report.cost.seconds.loading > 0
    assert (job.result or {})["report_sha256"] == files["report"].sha256


def published(job: Job | None, store: JobStore, settings: Settings) -> Report:
    assert job is not None
    artifact = store.artifact(job.id, "report", tenant="default")
    return Report.model_validate_json((settings.artifacts / artifact.key).read_bytes())


def test_what_the_guard_has_found_is_in_result_manifest_and_report(
    claimed: Claimed, supervised: Supervised, store: JobStore, settings: Settings
) -> None:
    job = supervised(claimed(epochs=6, guard=True)).run()

    report = published(job, store, settings)

    assert job is not None
    manifest = read_manifest(settings.artifacts / store.artifact(job.id, "manifest", tenant="default").key)
    assert report.guard is not None
    assert report.q == manifest.metadata.q == QChoice.model_validate((job.result or {})["q"])
    assert [(one.rule, one.q) for one in report.q.candidates] == [("margin", None), ("random", None)]
    assert [one.accuracy for one in report.q.candidates] == [report.guard.accuracy, report.guard.random_accuracy]
    assert (report.q.rule == "random") == (report.guard.returned == "random")
    assert report.q.value is None
    assert report.plan["guard"] is True
    assert 0 < report.cost.rows_trained_choosing < report.cost.full_run_rows / 2


def test_the_report_shows_the_rows_that_it_names(
    claimed: Claimed, supervised: Supervised, store: JobStore, settings: Settings, digits: Path
) -> None:
    job = supervised(claimed(epochs=6, q=1)).run()

    report = published(job, store, settings)

    stored = pq.read_table(digits)["image"]
    groups = (report.examples.kept, report.examples.well_generalized, report.examples.poorly_generalized)
    assert all(groups)
    for example in (example for group in groups for example in group):
        assert example.sample is not None
        assert example.sample.image is not None
        _, _, content = example.sample.image.partition("base64,")
        picture = Image.open(io.BytesIO(base64.b64decode(content)))
        assert picture.tobytes() == Image.open(io.BytesIO(stored[example.row_index].as_py())).tobytes()
    assert report.dataset.inputs == ("image",)
    assert len(report.model_dump_json()) < 500_000


def test_a_report_shows_no_rows_if_the_job_asks_for_none(
    claimed: Claimed, supervised: Supervised, store: JobStore, settings: Settings
) -> None:
    job = supervised(claimed(epochs=3, q=1, report_samples=False)).run()

    report = published(job, store, settings)

    assert report.examples.rows
    assert {example.sample for example in report.examples.kept} == {None}
    assert "base64" not in report.model_dump_json()


def reported(spec: JobSpec, settings: Settings, folder: Path) -> Report:
    """The report of a job that is run in this process."""
    assignment = Assignment(
        job_id="job_1",
        spec=spec,
        dataset_guard=inspect(spec.dataset, roots=settings.dataset_roots).change_token,
        dataset_roots=settings.dataset_roots,
        folder=folder,
        device="cpu",
        threads=1,
        memory_bytes=settings.memory_bytes,
        max_undecodable=0.01,
    )
    messages: list[RunnerMessage] = []
    run_assignment(assignment, messages.append, alone(assignment))
    assert isinstance(messages[-1], Staged)
    return Report.model_validate_json(messages[-1].report.read_bytes())


def test_samples_that_cannot_be_read_are_no_reason_to_lose_the_selection(
    claimed: Claimed, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("worker.runner.report_samples", broken)

    report = reported(claimed(epochs=3, q=1).job.spec, settings, tmp_path)

    assert report.examples.rows
    assert {example.sample for example in report.examples.kept} == {None}


def test_rows_of_tables_are_shown_as_the_file_has_them(settings: Settings, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "x": rng.normal(size=400),
        "city": rng.choice(["Rome", "Oslo"], 400),
        "text": [f"text {row}" for row in range(400)],
        "label": np.arange(400) % 2,
        "id": [f"row {row}" for row in range(400)],
    }
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    spec = JobSpec.model_validate(
        {
            "dataset": {"uri": str(tmp_path / "table.parquet"), "task": "tabular-classification"},
            "proxy": {"name": "mlp", "epochs": 6},
            "plan": {"keep_ratio": 0.6, "q": 1},
        }
    )

    report = reported(spec, settings, tmp_path)

    assert report.examples.kept
    for example in report.examples.kept:
        row = example.row_index
        assert example.sample is not None
        assert example.sample.record == {"x": str(columns["x"][row]), "city": columns["city"][row]}
    assert (report.dataset.inputs, report.dataset.input_count) == (("x", "city"), 2)
    assert "text" in report.dataset.left_out


def test_an_attempt_that_loses_its_lease_leaves_no_report(
    claimed: Claimed, supervised: Supervised, store: JobStore
) -> None:
    claim = claimed(epochs=3)
    supervisor = supervised(claim)

    supervisor.leases.release(claim)

    assert supervisor.run() is None
    with pytest.raises(ArtifactNotReady):
        store.artifact(claim.job.id, "report", tenant="default")


def test_how_the_keep_ratio_was_chosen_is_in_result_manifest_and_report(
    claimed: Claimed, supervised: Supervised, store: JobStore, settings: Settings
) -> None:
    job = supervised(claimed(epochs=6, keep_ratio="auto", tolerance=20)).run()

    report = published(job, store, settings)

    assert job is not None
    result = job.result or {}
    manifest = read_manifest(settings.artifacts / store.artifact(job.id, "manifest", tenant="default").key)
    choice = manifest.metadata.keep_ratio_choice
    assert choice is not None
    assert report.keep_ratio_choice == choice == KeepRatioChoice.model_validate(result["keep_ratio_choice"])
    assert report.keep_ratio == choice.keep_ratio < 1
    assert report.plan["keep_ratio"] == manifest.metadata.plan["keep_ratio"] == "auto"
    assert len(manifest.row_indices) == round(choice.keep_ratio * report.dataset.rows)
    assert 0.5 * report.cost.full_run_rows < report.cost.rows_trained_choosing <= 1.03 * report.cost.full_run_rows
