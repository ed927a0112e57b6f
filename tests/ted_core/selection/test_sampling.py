"""Samples are drawn in proportion to their score, evenly, and a smaller draw is part of a larger one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.plan import PruningPlan
from ted_core.selection.sampling import PoissonSampler, inclusion_probabilities, low_discrepancy_numbers
from tests.reference import ted

SAMPLES = 1000
LABELS = np.arange(SAMPLES) % 4
PERFORMANCE = np.random.default_rng(1).random(SAMPLES)


def sampler(*, seed: int = 0, class_floor: float = 0.0, labels: np.ndarray = LABELS) -> PoissonSampler:
    return PoissonSampler(labels, PruningPlan(keep_ratio=0.5, seed=seed, class_floor=class_floor))


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), min_size=1, max_size=60), st.integers(0, 5))
def test_the_numbers_are_those_of_the_plain_rule(samples: list[tuple[int, float]], seed: int) -> None:
    labels, performance = np.array([label for label, _ in samples]), np.array([a for _, a in samples])

    numbers = low_discrepancy_numbers(labels, performance, seed=seed)

    expected = ted.low_discrepancy_numbers(labels.tolist(), performance.tolist(), seed=seed)
    assert numbers.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("count", [1, 17, 100, 500, 999, 1000])
def test_as_many_samples_are_drawn_as_were_asked_for(count: int) -> None:
    drawn = sampler().sample(PERFORMANCE + 0.1, PERFORMANCE, count)

    assert drawn.retained.sum() == count


@pytest.mark.parametrize("count", [40, 100, 400, 800])
def test_equal_scores_give_a_sample_stratified_by_class_and_performance(count: int) -> None:
    drawn = sampler().sample(np.ones(SAMPLES), PERFORMANCE, count).retained

    share = count / SAMPLES
    for label in range(4):
        own = np.flatnonzero(label == LABELS)
        easiest = own[np.argsort(PERFORMANCE[own])[125:]]
        assert abs(drawn[own].sum() - share * len(own)) <= 2
        assert abs(drawn[easiest].sum() - share * len(easiest)) <= 3


def test_a_smaller_draw_is_part_of_a_larger_one() -> None:
    draws = [sampler().sample(PERFORMANCE**2 + 0.01, PERFORMANCE, count).retained for count in (50, 200, 700)]

    assert (draws[0] <= draws[1]).all()
    assert (draws[1] <= draws[2]).all()


@pytest.mark.parametrize("count", [100, 500])
def test_over_many_seeds_every_sample_is_drawn_as_often_as_its_chance_says(count: int) -> None:
    score = 0.05 + PERFORMANCE**3

    draws = [sampler(seed=seed).sample(score, PERFORMANCE, count) for seed in range(300)]

    often = np.mean([drawn.retained for drawn in draws], axis=0)
    expected = np.mean([drawn.inclusion_probability for drawn in draws], axis=0)
    assert np.corrcoef(often, expected)[0, 1] > 0.97
    assert np.abs(often - expected).max() < 0.15
    assert expected.sum() == pytest.approx(count, rel=0.02)


def test_chances_are_proportional_to_the_score_until_they_are_certain() -> None:
    score, priority = np.array([1.0, 2.0, 4.0, 400.0]), np.array([2.0, 8.0, 5.0, 500.0])

    found = inclusion_probabilities(score, priority, priority >= 8, groups=np.zeros(4, int))

    assert found.tolist() == [0.125, 0.25, 0.5, 1.0]


def test_under_a_floor_every_class_has_a_threshold_of_its_own() -> None:
    score, priority = np.array([1.0, 2.0, 1.0, 2.0]), np.array([2.0, 8.0, 4.0, 16.0])

    found = inclusion_probabilities(score, priority, np.array([True, True, False, True]), groups=np.array([0, 0, 1, 1]))

    assert found.tolist() == [0.5, 1.0, 0.0625, 0.125]


def test_every_class_gets_its_floor_before_the_draw() -> None:
    labels = (np.arange(SAMPLES) < 50).astype(np.int64)
    score = np.where(labels == 1, 1e-9, 1.0)

    without = sampler(labels=labels).sample(score, PERFORMANCE, 500).retained
    floored = sampler(labels=labels, class_floor=0.4).sample(score, PERFORMANCE, 500).retained

    assert without[labels == 1].sum() == 0
    assert floored[labels == 1].sum() == 20
    assert floored.sum() == 500


def test_another_seed_draws_other_samples() -> None:
    first, other = (sampler(seed=seed).sample(np.ones(SAMPLES), PERFORMANCE, 500).retained for seed in (1, 2))

    assert (first & other).sum() / 500 < 0.9
