"""A job tells how many labels look wrong, and lists them: real runs on digits of which a fifth got a wrong label."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.results.manifest import MANIFEST_SCHEMA, read_metadata
from ted_core.results.report import Report
from ted_core.results.suspects.listing import SUSPECTS_SCHEMA
from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
Supervised = Callable[[Claim], Supervisor]
Published = Callable[[Job | None, str], Path]
EPOCHS = 20


@pytest.fixture(scope="module")
def flipped() -> np.ndarray:
    """Which of the digits got another label: one in five."""
    return np.random.default_rng(7).random(1797) < 0.2


@pytest.fixture
def noisy(digits: Path, flipped: np.ndarray, tmp_path: Path) -> Path:
    """The digits, the flipped ones with another digit's label."""
    table = pq.read_table(digits)
    right = table["label"].to_numpy()
    others = np.random.default_rng(8).integers(1, 10, len(right))
    labels = np.where(flipped, (right + others) % 10, right)
    pq.write_table(table.set_column(1, "label", pa.array(labels)), tmp_path / "noisy.parquet")
    return tmp_path / "noisy.parquet"


@pytest.fixture
def published(store: JobStore, settings: Settings) -> Published:
    """The path of a file that a job has published."""

    def path(job: Job | None, kind: str) -> Path:
        assert job is not None
        return settings.artifacts / store.artifact(job.id, kind, tenant="default").key

    return path


def result_of(job: Job | None) -> dict[str, object]:
    assert job is not None
    assert job.result is not None
    return job.result


def test_flipped_labels_are_listed_first_with_the_class_that_was_theirs(
    claimed: Claimed, supervised: Supervised, published: Published, noisy: Path, digits: Path, flipped: np.ndarray
) -> None:
    job = supervised(claimed(uri=noisy, epochs=EPOCHS)).run()

    listed = pq.read_table(published(job, "suspects"))
    rows, right = listed["row_index"].to_numpy(), pq.read_table(digits)["label"].to_numpy()
    named = np.array([int(name) if name else -1 for name in listed["likeliest"].to_pylist()])
    assert flipped[rows[:100]].mean() > 0.95
    assert flipped[rows].sum() > 0.9 * flipped.sum()
    assert (named == right[rows])[flipped[rows]].mean() > 0.9
    assert [int(name) for name in listed["label"].to_pylist()] == pq.read_table(noisy)["label"].take(rows).to_pylist()


def test_the_list_is_what_the_decisions_say(
    claimed: Claimed, supervised: Supervised, published: Published, noisy: Path
) -> None:
    job = supervised(claimed(uri=noisy, epochs=EPOCHS)).run()

    decided, listed = pq.read_table(published(job, "decisions")), pq.read_table(published(job, "suspects"))
    rows, suspicion = listed["row_index"].to_pylist(), listed["suspicion"].to_pylist()
    assert suspicion == sorted(suspicion, reverse=True)
    assert sorted(rows) == np.flatnonzero(decided["margin"].to_numpy() < 0).tolist()
    for column in ("margin", "kept"):
        assert listed[column].to_pylist() == decided[column].take(rows).to_pylist()
    manifest = read_metadata(published(job, "manifest"), MANIFEST_SCHEMA)
    assert read_metadata(published(job, "suspects"), SUSPECTS_SCHEMA) == manifest


def test_result_manifest_and_report_have_the_same_estimate_and_noise_raises_it(
    claimed: Claimed, supervised: Supervised, published: Published, noisy: Path
) -> None:
    job, clean = (supervised(claimed(epochs=EPOCHS, **uri)).run() for uri in ({"uri": noisy}, {}))

    report = Report.model_validate_json(published(job, "report").read_bytes())
    noise = report.label_noise
    assert noise is not None
    assert noise == read_metadata(published(job, "manifest"), MANIFEST_SCHEMA).label_noise
    assert noise.model_dump() == result_of(job)["label_noise"]
    assert 0 <= noise.low < noise.share < noise.high <= 1
    assert noise.rows == round(noise.share * 1797)
    assert noise.share > result_of(clean)["label_noise"]["share"] + 0.1  # type: ignore[index]
    listed = pq.read_table(published(job, "suspects"))["row_index"].to_pylist()
    assert [row.row_index for row in report.examples.suspects] == listed[:10]
    assert all(row.sample is not None for row in report.examples.suspects)
    assert sum(report.margins.kept) + sum(report.margins.pruned) == 1797


def test_a_method_that_asks_no_model_publishes_an_empty_list(
    claimed: Claimed, supervised: Supervised, published: Published
) -> None:
    job = supervised(claimed(method="random")).run()

    report = Report.model_validate_json(published(job, "report").read_bytes())
    assert pq.read_table(published(job, "suspects")).num_rows == 0
    assert result_of(job)["label_noise"] is report.label_noise is None
    assert (report.examples.suspects, report.margins.edges) == ((), ())


def test_a_proxy_that_has_not_learned_accuses_no_label(
    claimed: Claimed, supervised: Supervised, published: Published
) -> None:
    job = supervised(claimed(proxy={"learning_rate": 1e-7}, method="ted")).run()

    assert result_of(job)["proxy_accuracy"]["has_learned"] is False  # type: ignore[index]
    assert pq.read_table(published(job, "suspects")).num_rows == 0
    assert result_of(job)["label_noise"] is None
