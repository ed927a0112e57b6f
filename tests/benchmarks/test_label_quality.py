"""TED's ranking and cleanlab's are compared on the same probabilities."""

from typing import Any

import numpy as np
import pytest

from benchmarks.datasets import flip_labels
from benchmarks.label_quality import SUSPICIONS, MeasuredJob, cleanlab_score, measured_rows, run_job, section
from benchmarks.setting import SettingData
from ted_core.proxies import ProxySpec
from tests.ted_core import examples

SAMPLES, WRONG = flip_labels(examples.random_vectors(300, classes=3), 0.2, seed=0)


@pytest.fixture(scope="module")
def job() -> MeasuredJob:
    return run_job(SettingData(SAMPLES, WRONG, SAMPLES, ProxySpec(name="mlp", epochs=8), seed=0))


def test_the_probabilities_are_those_that_the_job_measured(job: MeasuredJob) -> None:
    rows = np.arange(len(SAMPLES))

    given = np.stack([probabilities[rows, SAMPLES.labels] for probabilities in job.measured])

    assert len(job.measured) > 1
    assert given.mean(0) == pytest.approx(job.final.internal_generalization, abs=1e-5)
    assert job.last.argmax(1).tolist() == job.final.predictions.likeliest.tolist()
    assert job.mean.sum(1) == pytest.approx(1)


def test_cleanlabs_margin_is_ours_at_the_same_measurement(job: MeasuredJob) -> None:
    pytest.importorskip("cleanlab", reason="cleanlab is installed only for the benchmark")
    labels = np.asarray(SAMPLES.labels)

    theirs = cleanlab_score("normalized_margin", labels, job.last)

    assert theirs == pytest.approx((1 - job.final.predictions.margin) / 2, abs=1e-5)
    assert {row["score"] for row in measured_rows(job, WRONG)} == set(SUSPICIONS)


def row(score: str, seed: int, auc: float | None, **facts: object) -> dict[str, Any]:
    shared = {"dataset": "letter", "noise": "pairs-20", "wrong_share": 0.19, "estimate": 0.25, "rows_train": 6000}
    return shared | {"score": score, "seed": seed, "auc": auc} | facts


def test_the_tables_show_what_was_estimated_and_the_areas() -> None:
    rows = [row(score, seed, 0.9 + seed / 10) for score in SUSPICIONS for seed in (0, 1)]
    rows += [row(score, 0, 0.97) for score in list(SUSPICIONS)[-1:]]

    text = "\n".join(section(rows))

    best = list(SUSPICIONS)[-1].removeprefix("cleanlab: ")
    assert f"| letter, pairs-20 | 19.0 | **25.0** | **25.0** | **25.0** | 0.950 | 0.957 ({best}) |" in text
    assert "| letter, pairs-20 | " + " | ".join(["0.950 ± 0.071"] * (len(SUSPICIONS) - 1)) in text


def test_clean_labels_have_an_estimate_but_no_area() -> None:
    rows = [row(score, 0, None, noise="clean", wrong_share=0.0, estimate=0.031) for score in SUSPICIONS]

    text = "\n".join(section(rows))

    assert "| letter, clean | 0.0 | 3.1 | 3.1 | 3.1 | - | - |" in text
