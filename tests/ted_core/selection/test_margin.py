"""The score of a margin: hard samples are worth most, and labels that look wrong next to nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ted_core.selection.distance import distance
from ted_core.selection.margin import (
    EXPONENT,
    NoiseEstimate,
    cut_margin,
    cut_share,
    estimate_noise,
    margin_score,
)

Margins = NDArray[np.float64]
GRID: Margins = np.linspace(-1, 1, 401)
NO_CUT = -10.0


def margins_of(*, wrong: float, unsure: float = 0.0, samples: int = 20_000, seed: int = 0) -> Margins:
    """Margins near 1, near -1 if the label is wrong, and near 0 of samples that models are unsure about."""
    rng = np.random.default_rng(seed)
    sign = np.where(rng.random(samples) < wrong, -1, 1)
    size = np.where(rng.random(samples) < unsure, rng.uniform(-0.2, 0.2, samples), rng.uniform(0.7, 0.99, samples))
    return np.asarray(sign * size)


# --- the score --------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.floats(-1, 1))
def test_every_score_is_positive_in_single_precision_too(margins: list[float], cut: float) -> None:
    score = margin_score(np.array(margins), cut=cut)

    assert (score.astype(np.float32) > 0).all()
    assert np.isfinite(score).all()


def test_without_a_cut_it_is_the_distance_of_half_of_one_plus_the_margin() -> None:
    score = margin_score(GRID, cut=NO_CUT)

    assert score.tolist() == pytest.approx(distance((1 + GRID) / 2, EXPONENT).tolist())


@pytest.mark.parametrize("cut", [NO_CUT, -0.9, -0.5, 0.0, 0.1])
def test_along_the_margin_it_rises_once_and_falls_once(cut: float) -> None:
    score = margin_score(GRID, cut=cut)

    highest = int(score.argmax())
    assert (np.diff(score[: highest + 1]) >= 0).all()
    assert (np.diff(score[highest:]) <= 0).all()


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_a_higher_cut_leaves_no_sample_a_higher_score(margin: float, one: float, other: float) -> None:
    low, high = sorted((one, other))

    scores = [margin_score(np.array([margin]), cut=cut)[0] for cut in (low, high)]

    assert scores[1] <= scores[0]


@pytest.mark.parametrize("cut", [-0.5, 0.0, 0.1])
def test_far_below_the_cut_next_to_nothing_is_left_and_far_above_it_next_to_everything(cut: float) -> None:
    left = margin_score(GRID, cut=cut) / margin_score(GRID, cut=NO_CUT)

    assert left[cut - 0.45 > GRID].max() < 0.05
    assert left[cut + 0.45 < GRID].min() > 0.95
    assert left[np.abs(GRID - cut).argmin()] == pytest.approx(0.5, abs=0.05)


# --- how many labels look wrong ---------------------------------------------------------------------------------------


def noise_of(margins: Margins) -> NoiseEstimate:
    """The estimate for samples of two classes, whose margin is 2a - 1."""
    return estimate_noise((1 + margins) / 2, margins)


@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.2, 0.4])
@pytest.mark.parametrize("unsure", [0.0, 0.5])
@pytest.mark.parametrize("samples", [400, 20_000])
def test_the_share_of_wrong_labels_is_found_whatever_models_are_unsure_about(
    wrong: float, unsure: float, samples: int
) -> None:
    estimate = noise_of(margins_of(wrong=wrong, unsure=unsure, samples=samples))

    assert estimate.share == pytest.approx(wrong, abs=4 * estimate.standard_error + 1e-9)


def test_a_wrong_label_is_contradicted_as_surely_as_a_right_one_is_confirmed_among_many_classes() -> None:
    """Of three classes one gets 0.8 and the others 0.15 and 0.05: the margin of a right label is 0.65, of a wrong one
    -0.65 or -0.75. If it were sure of the margin's size, the wrong ones would be counted more often."""
    rng = np.random.default_rng(0)
    wrong, second = rng.random(20_000) < 0.2, rng.random(20_000) < 0.5
    spread = rng.uniform(-0.1, 0.1, 20_000)
    performance = np.where(wrong, np.where(second, 0.15, 0.05), 0.8 + spread)
    margin = np.where(wrong, performance - 0.8 - spread, performance - 0.15)

    estimate = estimate_noise(performance, margin)

    assert estimate.share == pytest.approx(0.2, abs=4 * estimate.standard_error)


def test_where_every_label_is_what_models_expect_none_looks_wrong() -> None:
    estimate = noise_of(margins_of(wrong=0.0))

    assert (estimate.share, estimate.standard_error) == (0, 0)


def test_the_error_that_is_told_is_the_one_that_is_made() -> None:
    estimates = [noise_of(margins_of(wrong=0.2, samples=1000, seed=seed)) for seed in range(200)]

    told = np.mean([estimate.standard_error for estimate in estimates])
    made = np.std([estimate.share for estimate in estimates])
    assert 0.8 * told < made < 1.25 * told


def test_more_samples_tell_it_more_exactly() -> None:
    errors = [noise_of(margins_of(wrong=0.2, samples=samples)).standard_error for samples in (100, 1000, 50_000)]

    assert errors == sorted(errors, reverse=True)
    assert errors[2] < errors[0] / 3


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_the_estimate_is_a_share_and_the_order_of_samples_has_no_part_in_it(margins: list[float]) -> None:
    shuffled = np.random.default_rng(len(margins)).permutation(np.array(margins))

    estimate = noise_of(np.array(margins))

    assert 0 <= estimate.share <= 1
    assert vars(estimate) == pytest.approx(vars(noise_of(shuffled)))


# --- the cut ----------------------------------------------------------------------------------------------------------


def estimated(share: float, *, confidence: float) -> NoiseEstimate:
    return NoiseEstimate(share, rows_counted=150, confidence=confidence)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_surer_the_twins_the_more_is_cut_off_up_to_all_wrong_labels(noise: float, one: float, other: float) -> None:
    low, high = sorted((one, other))

    shares = [cut_share(estimated(noise, confidence=confidence)) for confidence in (low, high)]

    assert 0 <= shares[0] <= shares[1] <= noise


def test_sure_twins_have_all_wrong_labels_cut_off_and_unsure_ones_half() -> None:
    assert cut_share(estimated(0.2, confidence=0.9)) == 0.2
    assert cut_share(estimated(0.2, confidence=0.2)) == 0.1


def test_how_sure_twins_are_is_the_mean_margin_where_the_label_is_the_likeliest_class() -> None:
    performance, margin = np.array([0.9, 0.1, 0.3]), np.array([0.8, -0.7, 0.1])

    assert estimate_noise(performance, margin).confidence == pytest.approx((0.8 + 0.1) / 2)
    assert estimate_noise(performance, -np.abs(margin)).confidence == 0


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_where_much_is_kept_that_share_of_the_samples_lies_below_the_cut(share: float) -> None:
    margins = margins_of(wrong=0.2)

    cut = cut_margin(margins, share=share, keep_ratio=0.9)

    assert (margins < cut).mean() == pytest.approx(share, abs=0.001)


def test_where_no_label_is_wrong_and_much_is_kept_no_sample_is_below_the_cut() -> None:
    assert not (cut_margin(GRID, share=0.0, keep_ratio=0.9) > GRID).any()


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_cut_rises_with_the_share_and_falls_with_the_keep_ratio(
    one: float, other: float, first: float, second: float
) -> None:
    (low, high), (less, more) = sorted((one, other)), sorted((first, second))

    assert cut_margin(GRID, share=low, keep_ratio=first) <= cut_margin(GRID, share=high, keep_ratio=first)
    assert cut_margin(GRID, share=low, keep_ratio=less) >= cut_margin(GRID, share=low, keep_ratio=more)


def test_where_little_is_kept_hard_samples_are_cut_off_too() -> None:
    margins = margins_of(wrong=0.05, unsure=0.5)

    cuts = [cut_margin(margins, share=0.05, keep_ratio=keep_ratio) for keep_ratio in (0.1, 0.7)]

    unsure = np.abs(margins) < 0.2
    assert (margins[unsure] < cuts[0]).mean() > (margins[unsure] < cuts[1]).mean()
