"""Under their weights the kept rows stand for all rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.plan import PruningPlan
from ted_core.results.weights import LARGEST_WEIGHT, weights_of_rows
from ted_core.selection.sampling import PoissonSampler

ROWS = 2000
ORDER = np.random.default_rng(1).random(ROWS)
LOSS = np.random.default_rng(2).exponential(1 - 0.9 * ORDER)
"""Hard rows have larger losses."""
PROBABILITIES = st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=40)


def drawn(score: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The kept rows of one draw of a third, and the probability of each row."""
    sampler = PoissonSampler(np.zeros(ROWS, int), PruningPlan(keep_ratio=0.3, seed=seed))
    sample = sampler.sample(score, ORDER, round(0.3 * ROWS))
    return sample.retained, sample.inclusion_probability.astype(np.float32)


def weighted(score: np.ndarray) -> np.ndarray:
    """The mean loss of all rows, estimated from the kept ones of each of a hundred draws."""
    draws = [drawn(score, seed=seed) for seed in range(100)]
    return np.array([weights_of_rows(*draw)[draw[0]] @ LOSS[draw[0]] / draw[0].sum() for draw in draws])


def unweighted(score: np.ndarray) -> float:
    """The mean over the draws of the kept rows' mean loss."""
    return float(np.mean([LOSS[drawn(score, seed=seed)[0]].mean() for seed in range(100)]))


@given(PROBABILITIES)
def test_kept_rows_have_positive_weights_of_mean_one_and_pruned_rows_none(rows: list[tuple[bool, float]]) -> None:
    kept, probability = (np.array(column) for column in zip(*rows, strict=True))

    weights = weights_of_rows(kept, probability.astype(np.float32))

    assert (weights[~kept] == 0).all()
    if kept.any():
        assert weights[kept].min() > 0
        assert weights[kept].mean() == pytest.approx(1)


@given(PROBABILITIES.filter(lambda rows: any(kept for kept, _ in rows)))
def test_no_row_weighs_more_than_ten_times_as_much_as_one_that_was_certain_to_be_kept(
    rows: list[tuple[bool, float]],
) -> None:
    kept, probability = (np.array(column) for column in zip(*rows, strict=True))

    weights = weights_of_rows(kept, probability.astype(np.float32))[kept]

    assert weights.max() <= 1.0001 * LARGEST_WEIGHT * weights.min()
    assert LARGEST_WEIGHT == 10


def test_a_row_that_was_half_as_likely_to_be_kept_weighs_twice_as_much() -> None:
    kept, probability = np.array([True, True, True, False]), np.array([1, 0.5, 0.25, 0.1], np.float32)

    weights = weights_of_rows(kept, probability)

    assert weights.tolist() == pytest.approx([3 / 7, 6 / 7, 12 / 7, 0])


def test_without_chance_every_kept_row_weighs_one() -> None:
    kept = np.array([True, False, True])

    assert weights_of_rows(kept, None).tolist() == [1, 0, 1]
    assert weights_of_rows(kept, np.full(3, 0.5, np.float32)).tolist() == [1, 0, 1]


def test_rows_that_are_no_samples_take_no_part() -> None:
    kept, probability = np.array([True, False, True]), np.array([0.5, np.nan, 0.25], np.float32)

    assert weights_of_rows(kept, probability).tolist() == pytest.approx([2 / 3, 0, 4 / 3])


@pytest.mark.parametrize("easy", [-0.1, 0.2, 0.5])
def test_weighted_kept_rows_tell_the_mean_of_all_rows_whatever_was_preferred(easy: float) -> None:
    score = 0.2 + ORDER * easy

    estimates = weighted(score)

    assert estimates.mean() == pytest.approx(LOSS.mean(), abs=4 * estimates.std() / 10)
    assert unweighted(score) != pytest.approx(LOSS.mean(), abs=6 * estimates.std() / 10)


def test_where_weights_are_truncated_the_estimate_leans_to_what_was_preferred_but_less_than_without_them() -> None:
    score = 0.2 + ORDER * 3
    assert drawn(score, seed=0)[1].min() < 1 / LARGEST_WEIGHT

    estimate, plain = weighted(score).mean(), unweighted(score)

    assert plain < estimate < LOSS.mean()
    assert LOSS.mean() - estimate < (LOSS.mean() - plain) / 3
