"""Figures come out of results, the same every time."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.plots.__main__ import draw_accuracies
from benchmarks.plots.pictures import PruningResult, contact_sheet, histogram, mosaic
from benchmarks.plots.style import save
from tests.benchmarks.test_results import ACCURACIES, rows, write_results
from tests.ted_core import examples


@pytest.fixture
def pruned() -> PruningResult:
    samples = examples.random_images(200, side=28, classes=10)
    margin = np.random.default_rng(0).uniform(-1, 1, 200).astype(np.float32)
    return PruningResult(samples, np.arange(200) % 3 == 0, 1 - margin**2, margin)


def test_accuracies_are_drawn_the_same_every_time(tmp_path: Path) -> None:
    cells = [*rows(ACCURACIES), *(row | {"noise": 0.0} for row in rows(ACCURACIES))]
    results = write_results(tmp_path / "results", cells)

    for name in ("first", "second"):
        draw_accuracies([results], tmp_path / name)

    first, second = (tmp_path / name / "accuracy-digits.svg" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    assert b"<svg" in first.read_bytes()


def test_histogram_and_contact_sheet_are_drawn(pruned: PruningResult, tmp_path: Path) -> None:
    save(histogram(pruned), tmp_path / "scores.svg")
    save(contact_sheet(pruned), tmp_path / "examples.png")

    assert (tmp_path / "scores.svg").stat().st_size > 1000
    assert (tmp_path / "examples.png").read_bytes().startswith(b"\x89PNG")


def test_the_preferred_picture_of_each_class_is_on_top(pruned: PruningResult) -> None:
    picture = mosaic(pruned.samples, np.arange(200.0))

    newest = max(np.flatnonzero(pruned.samples.labels == 0))
    assert np.array_equal(picture[2:30, 2:30], 255 - pruned.samples.inputs[newest, 0])
    assert picture.shape == (4 * 32, 10 * 32)
