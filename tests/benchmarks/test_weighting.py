"""What weights do to training and to estimates is measured as its names say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.held_back.cells import HeldBackCell
from benchmarks.setting import Folders
from benchmarks.weighting import cells, tables
from benchmarks.weighting.cells import ReferenceModel, WeightedRows, estimates
from benchmarks.weighting.judging import Quality, calibration_error

LABELS = np.array([0, 0, 0, 1])
REFERENCE = ReferenceModel(losses=np.array([1.0, 2.0, 3.0, 6.0]), hits=np.array([True, True, False, False]))


def test_unweighted_rows_estimate_what_they_are_and_weighted_ones_what_they_stand_for() -> None:
    plain = WeightedRows(np.array([0, 3]), np.ones(2, np.float32))
    weighted = WeightedRows(np.array([0, 3]), np.array([1.5, 0.5], np.float32))

    unweighted, corrected = (estimates(rule, REFERENCE, LABELS) for rule in (plain, weighted))

    assert unweighted == pytest.approx({"mean_loss": 3.5, "mean_accuracy": 0.5, "class_distance": 0.25})
    assert corrected == pytest.approx({"mean_loss": 2.25, "mean_accuracy": 0.75, "class_distance": 0})


def test_confidence_that_is_as_high_as_accuracy_is_calibrated() -> None:
    hits = np.array([True, True, True, False])

    assert calibration_error(np.full(4, 0.75), hits) == pytest.approx(0)
    assert calibration_error(np.ones(4), hits) == pytest.approx(0.25)
    assert calibration_error(np.array([0.9, 0.9, 0.1, 0.1]), hits) == pytest.approx((0.1 + 0.4) / 2)


def test_quality_is_that_of_the_likeliest_class_and_of_the_label() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], np.float32)

    quality = Quality.of(probabilities, np.array([0, 2]))

    assert quality.accuracy == 0.5
    assert quality.log_loss == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert quality.calibration_error == pytest.approx(0)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("results")
    cell = HeldBackCell("digits", "clean", kept=0.5, seed=0, rows=400)
    return cells.measure_cell(cell, Folders(Path(), folder))


def test_a_cell_corrects_the_estimates_of_teds_rows(rows: list[dict[str, Any]]) -> None:
    of_rule = {row["rule"]: row for row in rows}

    true, plain, weighted = (of_rule[rule]["mean_loss"] for rule in ("full", "ted", "ted-weighted"))
    assert list(of_rule) == list(tables.RULES)
    assert of_rule["full"]["class_distance"] == pytest.approx(0)
    assert abs(weighted - true) < abs(plain - true)
    assert of_rule["ted"]["accuracy"] != of_rule["ted-weighted"]["accuracy"]


def test_the_tables_say_what_the_rows_say(rows: list[dict[str, Any]]) -> None:
    (_, sentence, training, _, estimated) = tables.section(rows)

    of_rule = {row["rule"]: row for row in rows}
    gain = 100 * (of_rule["ted-weighted"]["accuracy"] - of_rule["ted"]["accuracy"])
    assert f"{gain:+.2f} points of accuracy on average" in sentence
    assert f"| {100 * of_rule['ted']['accuracy']:.1f} |" in training
    plain = 100 * (of_rule["ted"]["mean_loss"] / of_rule["full"]["mean_loss"] - 1)
    assert f"{plain:+.0f} %" in estimated
