"""Intervals against numbers worked out by hand from Student's table."""

import math

import pytest

from ted_core.evaluation.intervals import difference, half_width


def test_the_interval_of_three_pairs_is_the_one_in_the_textbook() -> None:
    # t(0.975, 2) = 4.3027; standard deviation 0.01, over the root of 3: 0.0057735
    interval = difference([0.91, 0.92, 0.93], [0.90, 0.90, 0.90])

    assert interval.mean == pytest.approx(0.02)
    assert interval.low == pytest.approx(0.02 - 4.3027 * 0.0057735, abs=1e-6)
    assert interval.high == pytest.approx(0.02 + 4.3027 * 0.0057735, abs=1e-6)
    assert interval.pairs == 3
    assert not interval.better
    assert not interval.worse


def test_the_interval_of_five_pairs_is_the_one_in_the_textbook() -> None:
    # t(0.975, 4) = 2.7764; differences 1, 2, 3, 4, 5: standard deviation 1.58114, over the root of 5: 0.70711
    interval = difference([1, 2, 3, 4, 5], [0, 0, 0, 0, 0])

    assert (interval.low, interval.high) == pytest.approx((3 - 2.7764 * 0.70711, 3 + 2.7764 * 0.70711), abs=1e-4)
    assert interval.better


def test_pairs_and_not_groups_are_compared() -> None:
    # The groups overlap widely, but every pair differs by the same.
    interval = difference([0.70, 0.80, 0.90], [0.71, 0.81, 0.91])

    assert interval.worse
    assert interval.low == pytest.approx(interval.high)


def test_lossless_is_decided_by_the_whole_interval() -> None:
    # Mean -0.001 and reach 4.3027 · 0.001 / √3 = 0.0024842: from -0.0034842 to 0.0014842
    interval = difference([0.899, 0.898, 0.900], [0.900, 0.900, 0.900])

    assert interval.mean == pytest.approx(-0.001)
    assert not interval.lossless(0.003)
    assert interval.lossless(0.005)
    assert not interval.lossless(0.0034)
    assert interval.lossless(0.0035)


def test_a_single_pair_proves_nothing() -> None:
    interval = difference([0.9], [0.1])

    assert interval.mean == pytest.approx(0.8)
    assert not (interval.better or interval.worse or interval.lossless(0.5))
    assert half_width([0.9]) == math.inf


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        difference([0.1, 0.2], [0.1])
