"""Rules are judged on training rows that nothing was selected from, under the same conditions."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import datasets
from benchmarks.held_back import cells, tables
from benchmarks.held_back.label_noise import KINDS, with_wrong_labels
from benchmarks.held_back.rules import FIXED
from benchmarks.setting import Folders
from ted_core.datasets import Samples

CELL = cells.HeldBackCell("digits", "symmetric-20", kept=0.5, seed=0, rows=400)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path, tmp_path)


@pytest.fixture(scope="module")
def digits() -> Samples:
    return datasets.digits(Path(), Path())[0]


def rows_of(samples: Samples) -> set[bytes]:
    assert isinstance(samples.inputs, np.ndarray)
    return {row.tobytes() for row in samples.inputs}


def test_no_row_that_is_selected_from_is_held_back(folders: Folders, digits: Samples) -> None:
    chosen, held_back = cells.held_back_parts(CELL, folders)

    assert (len(chosen), len(held_back)) == (400, len(digits) - 400)
    assert not rows_of(chosen) & rows_of(held_back)
    assert rows_of(chosen) | rows_of(held_back) == rows_of(digits)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [("clean", 0), ("symmetric-10", 0.1), ("symmetric-40", 0.4), ("pairs-20", 0.2), ("weak-model-20", 0.2)],
)
def test_as_many_labels_are_wrong_as_the_kind_says(digits: Samples, kind: str, wrong: float) -> None:
    samples, flipped = with_wrong_labels(digits, kind, seed=0)

    assert flipped.mean() == pytest.approx(wrong, abs=0.04)
    assert (samples.labels[~flipped] == digits.labels[~flipped]).all()
    assert (samples.labels[flipped] != digits.labels[flipped]).all()


def test_pairs_are_neighbours_and_bad_classes_are_the_first_fifth(digits: Samples) -> None:
    pairs, flipped = with_wrong_labels(digits, "pairs-20", seed=0)
    assert set((pairs.labels[flipped] - digits.labels[flipped]) % 10) == {1}

    _, flipped = with_wrong_labels(digits, "bad-classes-40", seed=0)
    assert set(digits.labels[flipped]) == {0, 1}
    assert flipped[digits.labels < 2].mean() == pytest.approx(0.4, abs=0.08)


def test_another_seed_makes_other_labels_wrong(digits: Samples) -> None:
    first, second = (with_wrong_labels(digits, "symmetric-20", seed=seed)[1] for seed in (0, 1))

    assert (first != second).any()
    assert set(KINDS) >= {"clean", "symmetric-20"}


def test_a_cell_judges_every_rule_and_the_table_names_the_best_exponent(folders: Folders) -> None:
    rows = cells.measure_cell(CELL, folders)

    accuracy = {row["rule"]: row["accuracy"] for row in rows}
    assert set(accuracy) == {"full", "margin", "stratified", *FIXED}
    assert all(0.5 < value <= 1 for value in accuracy.values())
    margin = next(row for row in rows if row["rule"] == "margin")
    assert margin["noise_auc"] > 0.8
    assert 0 < margin["row_visits"] < 0.6
    (cell,) = tables.cells_of(rows).values()
    best = max(accuracy[name] for name in FIXED)
    assert tables.behind_best(cell) == pytest.approx(100 * (best - accuracy["margin"]))
    words = list(tables.section(rows))[1]
    assert f"{tables.behind_best(cell):.2f} points behind the best exponent" in words
    assert f"costs {margin['row_visits']:.2f} training runs" in words
