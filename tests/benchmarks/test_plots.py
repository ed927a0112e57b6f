"""Figures come out of results, the same every time."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.plots.__main__ import draw_accuracies
from benchmarks.plots.pictures import Pruned, contact_sheet, histogram, mosaic
from benchmarks.plots.style import save
from tests.benchmarks.test_results import ACCURACIES, rows, written
from tests.ted_core import examples


@pytest.fixture
def pruned() -> Pruned:
    samples = examples.random_images(200, side=28, classes=10)
    a = np.random.default_rng(0).random(200).astype(np.float32)
    return Pruned(samples, np.arange(200) % 3 == 0, a * (1 - a), a, q=1.0)


def test_accuracies_are_drawn_the_same_every_time(tmp_path: Path) -> None:
    found = [*rows(ACCURACIES), *(one | {"noise": 0.0} for one in rows(ACCURACIES))]
    results = written(tmp_path / "results", found)

    for name in ("one", "other"):
        draw_accuracies([results], tmp_path / name)

    one, other = (tmp_path / name / "accuracy-digits.svg" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    assert b"<svg" in one.read_bytes()


def test_histogram_and_contact_sheet_are_drawn(pruned: Pruned, tmp_path: Path) -> None:
    save(histogram(pruned), tmp_path / "scores.svg")
    save(contact_sheet(pruned), tmp_path / "examples.png")

    assert (tmp_path / "scores.svg").stat().st_size > 1000
    assert (tmp_path / "examples.png").read_bytes().startswith(b"\x89PNG")


def test_the_preferred_picture_of_each_class_is_on_top(pruned: Pruned) -> None:
    picture = mosaic(pruned.samples, np.arange(200.0))

    newest = max(np.flatnonzero(pruned.samples.labels == 0))
    assert np.array_equal(picture[2:30, 2:30], 255 - pruned.samples.inputs[newest, 0])
    assert picture.shape == (4 * 32, 10 * 32)
