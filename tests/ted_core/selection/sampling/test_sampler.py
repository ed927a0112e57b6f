"""Samples are drawn in proportion to their score, evenly, and a smaller draw is part of a larger one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.plan import PruningPlan
from ted_core.selection.sampling import PoissonSampler, inclusion_probabilities, sampling_groups
from tests.reference import ted

SAMPLES = 1000
LABELS = np.arange(SAMPLES) % 4
PERFORMANCE = np.random.default_rng(1).random(SAMPLES)


def sampler(*, seed: int = 0, class_floor: float = 0.0, labels: np.ndarray = LABELS) -> PoissonSampler:
    return PoissonSampler(labels, PruningPlan(keep_ratio=0.5, seed=seed, class_floor=class_floor))


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
    assert expected.sum() == pytest.approx(count)


SCORES = st.lists(st.floats(1e-4, 1), min_size=2, max_size=40)


@given(SCORES, st.data())
def test_probabilities_are_those_of_the_slow_search(scores: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(scores) - 1))
    retained = np.arange(len(scores)) < count

    found = inclusion_probabilities(np.array(scores), retained, groups=np.zeros(len(scores), int))

    assert found.tolist() == pytest.approx(ted.inclusion_probabilities(scores, count), abs=1e-9)


@given(SCORES, st.lists(st.booleans(), min_size=40, max_size=40), st.lists(st.integers(0, 2), min_size=40, max_size=40))
def test_in_every_group_they_add_up_to_what_is_retained_and_are_proportional_below_one(
    scores: list[float], kept: list[bool], codes: list[int]
) -> None:
    score, retained, groups = np.array(scores), np.array(kept[: len(scores)]), np.array(codes[: len(scores)])

    found = inclusion_probabilities(score, retained, groups=groups)

    assert found.max() <= 1
    for group in set(codes[: len(scores)]):
        own = groups == group
        assert found[own].sum() == pytest.approx(retained[own].sum())
        uncertain = own & (found < 1)
        assert np.ptp(found[uncertain] / score[uncertain]) < 1e-9 if uncertain.any() else True


def test_they_are_proportional_to_the_score_until_they_are_certain() -> None:
    score, retained = np.array([1.0, 2.0, 4.0, 400.0]), np.array([False, False, True, True])

    found = inclusion_probabilities(score, retained, groups=np.zeros(4, int))

    assert found.tolist() == pytest.approx([1 / 7, 2 / 7, 4 / 7, 1])


def test_every_group_has_a_factor_of_its_own() -> None:
    score, retained = np.array([1.0, 3.0, 1.0, 1.0]), np.array([False, True, True, True])

    found = inclusion_probabilities(score, retained, groups=np.array([0, 0, 1, 1]))

    assert found.tolist() == pytest.approx([0.25, 0.75, 1, 1])


def test_they_add_up_although_single_precision_would_not() -> None:
    score, retained = np.full(2**20, 0.3, np.float32), np.arange(2**20) < 2**18

    found = inclusion_probabilities(score, retained, groups=np.zeros(2**20, int))

    assert found.sum() == pytest.approx(2**18, rel=1e-6)


@pytest.mark.parametrize(
    ("plan", "by_class"),
    [
        ({}, False),
        ({"class_floor": 0.1}, True),
        ({"class_balance": "keep"}, True),
        ({"method": "stratified"}, True),
        ({"method": "random"}, False),
    ],
)
def test_classes_are_groups_where_the_plan_gives_them_rows_of_their_own(plan: dict[str, Any], by_class: bool) -> None:
    groups = sampling_groups(LABELS, PruningPlan(keep_ratio=0.5, **plan))

    assert groups is (LABELS if by_class else None)


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


# --- each class at the same ratio -------------------------------------------------------------------------------------

RARE_AND_EASY = (np.arange(SAMPLES) % 5 == 0).astype(np.int64)
"""A fifth of the samples, which the score below prefers by far."""
UNFAIR = np.where(RARE_AND_EASY == 1, 1.0, 0.1) * (0.05 + PERFORMANCE)


def balanced(*, seed: int = 0, class_floor: float = 0.0, labels: np.ndarray = RARE_AND_EASY) -> PoissonSampler:
    plan = PruningPlan(keep_ratio=0.5, seed=seed, class_floor=class_floor, class_balance="keep")
    return PoissonSampler(labels, plan)


@pytest.mark.parametrize("count", [1, 7, 100, 333, 500, 999])
@pytest.mark.parametrize("class_floor", [0.0, 0.001])
def test_every_class_keeps_its_share_whatever_its_scores(count: int, class_floor: float) -> None:
    kept = balanced(class_floor=class_floor).sample(UNFAIR, PERFORMANCE, count).retained
    free = sampler(labels=RARE_AND_EASY).sample(UNFAIR, PERFORMANCE, count).retained

    assert kept.sum() == count
    assert abs(kept[RARE_AND_EASY == 1].sum() - count / 5) < 1
    assert free[RARE_AND_EASY == 1].sum() >= kept[RARE_AND_EASY == 1].sum()


@given(st.lists(st.integers(0, 3), min_size=8, max_size=80), st.integers(0, 5), st.data())
def test_a_class_has_chances_if_and_only_if_rows_of_it_are_kept(
    labels: list[int], seed: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(labels)))
    rng, codes = np.random.default_rng(seed), np.array(labels)

    drawn = balanced(seed=seed, labels=codes).sample(rng.uniform(0.5, 1, len(labels)), rng.random(len(labels)), count)

    assert ((drawn.inclusion_probability >= 0) & (drawn.inclusion_probability <= 1)).all()
    for label in set(labels):
        own = codes == label
        kept = drawn.retained[own].sum()
        assert (drawn.inclusion_probability[own].sum() == 0) == (kept == 0)


@pytest.mark.parametrize("count", [100, 500])
def test_over_many_seeds_a_sample_is_kept_as_often_as_its_chance_within_its_class_says(count: int) -> None:
    draws = [balanced(seed=seed).sample(UNFAIR, PERFORMANCE, count) for seed in range(1000)]

    often = np.mean([drawn.retained for drawn in draws], axis=0)
    expected = np.mean([drawn.inclusion_probability for drawn in draws], axis=0)
    assert np.corrcoef(often, expected)[0, 1] > 0.96
    assert np.abs(often - expected).max() < 0.15
    for label in (0, 1):
        own = label == RARE_AND_EASY
        assert expected[own].sum() == pytest.approx(count * own.mean())


def test_rows_weighted_by_the_inverse_of_their_chance_stand_for_all_rows_of_every_class() -> None:
    totals = []
    for seed in range(200):
        drawn = balanced(seed=seed).sample(UNFAIR, PERFORMANCE, 500)
        weight = drawn.retained / np.maximum(drawn.inclusion_probability, 1e-9)
        totals.append([weight[label == RARE_AND_EASY] @ PERFORMANCE[label == RARE_AND_EASY] for label in (0, 1)])

    true = [PERFORMANCE[label == RARE_AND_EASY].sum() for label in (0, 1)]
    assert np.mean(totals, axis=0).tolist() == pytest.approx(true, rel=0.02)


def test_of_a_class_too_small_for_a_row_nothing_is_to_be_kept() -> None:
    labels = (np.arange(100) == 0).astype(np.int64)

    drawn = balanced(labels=labels).sample(np.ones(100), np.linspace(0, 1, 100), 30)

    assert not drawn.retained[0]
    assert drawn.inclusion_probability[0] == 0
