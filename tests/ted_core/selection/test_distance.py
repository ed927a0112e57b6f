"""The distance is largest where a little more or less training data would move the performance most."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.selection.distance import RESOLUTION, distance, turning_point
from tests.reference import ted

PERFORMANCES = st.lists(st.floats(0, 1), min_size=1)
EXPONENT = st.floats(0, 16)


@given(PERFORMANCES, EXPONENT)
def test_the_distance_is_that_of_the_formula(performances: list[float], q: float) -> None:
    expected = [ted.distance(performance, q) for performance in performances]

    assert distance(np.array(performances), q).tolist() == pytest.approx(expected, rel=1e-12, abs=1e-300)


@given(st.floats(0, 1), EXPONENT)
def test_no_performance_is_further_than_the_turning_point(performance: float, q: float) -> None:
    peak = turning_point(q)

    there, elsewhere = distance(np.array([peak, performance]), q)

    assert there >= elsewhere - 1e-12


@pytest.mark.parametrize("q", [0.25, 0.5, 1, 2, 4, 8, 16])
def test_the_grid_search_finds_the_turning_point_at_q_of_q_plus_one(q: float) -> None:
    grid = np.linspace(0, 1, 100_001)

    found = grid[np.argmax(distance(grid, q))]

    assert found == pytest.approx(q / (q + 1), abs=1e-4)
    assert turning_point(q) == pytest.approx(q / (q + 1))


def test_without_an_exponent_the_hardest_sample_comes_first() -> None:
    assert distance(np.array([0.0, 0.25, 1.0]), 0).tolist() == pytest.approx([1.0, 0.75, 0.0], abs=1e-4)


@given(st.floats(0, 16))
def test_the_hopeless_and_the_certain_keep_a_chance(q: float) -> None:
    assert (distance(np.array([0.0, 1.0]), q) > 0).all()


@given(st.floats(RESOLUTION, 1 - RESOLUTION))
def test_the_slope_of_the_performance_on_the_box_cox_scale_is_the_distance(performance: float) -> None:
    """d(a^q / q) under a unit step of the true label's logit, where da = a (1 - a)."""
    q, step = 2.0, 1e-6
    logit = math.log(max(performance, 1e-6)) - math.log(max(1 - performance, 1e-6))

    moved = [(1 / (1 + math.exp(-(logit + sign * step)))) ** q / q for sign in (-1, 1)]

    here = np.array([1 / (1 + math.exp(-logit))])
    assert (moved[1] - moved[0]) / (2 * step) == pytest.approx(float(distance(here, q)[0]), abs=1e-6)
