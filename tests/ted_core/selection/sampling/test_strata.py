"""Numbers are spread evenly along classes and the order, and parts of the data are numbered as the whole is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.random_streams import Stream, stream_rng
from ted_core.selection.sampling import parts
from ted_core.selection.sampling.strata import Strata, first_places, low_discrepancy_numbers
from tests.reference import ted

SAMPLES = st.lists(st.tuples(st.integers(0, 3), st.floats(-1, 1)), min_size=1, max_size=60)
SEED = st.integers(0, 5)


def columns(samples: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([label for label, _ in samples]), np.array([order for _, order in samples])


@given(SAMPLES, SEED)
def test_the_numbers_are_those_of_the_plain_rule(samples: list[tuple[int, float]], seed: int) -> None:
    labels, order = columns(samples)

    numbers = low_discrepancy_numbers(labels, order, seed=seed)

    expected = ted.low_discrepancy_numbers(labels.tolist(), order.tolist(), seed=seed)
    assert numbers.tolist() == pytest.approx(expected, rel=1e-6)


@given(SAMPLES, SEED, st.data())
def test_parts_of_the_data_are_numbered_as_the_whole_is(
    samples: list[tuple[int, float]], seed: int, data: st.DataObject
) -> None:
    (labels, order), cut = columns(samples), data.draw(st.integers(0, len(samples)))
    strata, parts = Strata(4), (slice(None, cut), slice(cut, None))
    start = stream_rng(seed, Stream.POISSON_SAMPLING).random()

    histograms = [strata.histogram(labels[part], order[part]) for part in parts]
    begins = first_places(histograms[0] + histograms[1])
    firsts = (begins, begins + histograms[0])
    numbers = [
        strata.numbers(labels[part], order[part], first=first, start=start)
        for part, first in zip(parts, firsts, strict=True)
    ]

    whole = strata.numbers(labels, order, first=first_places(strata.histogram(labels, order)), start=start)
    assert np.concatenate(numbers).tolist() == whole.tolist()


def test_how_many_samples_are_sorted_at_a_time_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels, order = rng.integers(0, 3, 1000), rng.uniform(-1, 1, 1000)
    at_once = low_discrepancy_numbers(labels, order, seed=0)

    monkeypatch.setattr(parts, "PART", 64)

    assert low_discrepancy_numbers(labels, order, seed=0).tolist() == at_once.tolist()


@pytest.mark.parametrize("classes", [1, 10, 1000, 10**6, 10**7])
def test_strata_are_a_million_or_as_many_as_classes(classes: int) -> None:
    strata = Strata(classes)

    found = strata.of(np.array([0, classes - 1]), np.array([-1.0, 1.0]))

    assert found.tolist() == [0, classes * strata.intervals - 1]
    assert classes * strata.intervals <= max(classes, 1 << 20)


def test_an_order_outside_its_bounds_belongs_to_the_outermost_stratum() -> None:
    strata = Strata(2)

    found = strata.of(np.array([1, 1, 1, 1]), np.array([-1.0, -3.0, 1.0, 7.0]))

    assert found[0] == found[1] == strata.intervals
    assert found[2] == found[3] == 2 * strata.intervals - 1


@pytest.mark.parametrize("shape", [0.1, 1.0, 10.0])
def test_any_stretch_of_a_classs_order_has_its_share_of_small_numbers(shape: float) -> None:
    """However unevenly samples lie along the order; a stretch ends where a stratum does, so that ties play no part."""
    rng = np.random.default_rng(0)
    labels, order = rng.integers(0, 3, 20_000), 1 - 2 * rng.beta(shape, 1, 20_000)

    numbers = low_discrepancy_numbers(labels, order, seed=0)

    for low, high in ((-1, -0.75), (-0.5, 0.25), (0.25, 0.75), (0.75, 1.1)):
        own = (labels == 1) & (order >= low) & (order < high)
        assert abs((numbers[own] < 0.3).sum() - 0.3 * own.sum()) <= 4
