"""InfoBatch leaves out half of what is learned well, weighs up the other half, and ends on all rows."""

import numpy as np
import pytest

from benchmarks.rivals.infobatch import InfoBatch

LOSSES = np.array([0.1, 0.2, 0.3, 4.0, np.nan, 0.4], np.float32)
"""Their mean is 1, so that all but the fourth are learned well; the fifth was not visited yet."""


def test_before_anything_is_known_all_rows_are_visited_alike() -> None:
    first = InfoBatch(visits=100, seed=0)(np.full(6, np.nan, np.float32), 0)

    assert sorted(first.rows.tolist()) == [0, 1, 2, 3, 4, 5]
    assert first.weights.tolist() == [1.0] * 6


def test_every_row_is_expected_to_count_once() -> None:
    passes = [InfoBatch(visits=10**6, seed=seed)(LOSSES, 6) for seed in range(2000)]

    counted = sum(np.bincount(each.rows, weights=each.weights, minlength=6) for each in passes) / len(passes)
    assert counted == pytest.approx([1, 1, 1, 1, 1, 1], abs=0.1)
    visited = sum(np.bincount(each.rows, minlength=6) for each in passes) / len(passes)
    assert visited == pytest.approx([0.5, 0.5, 0.5, 1, 1, 0.5], abs=0.05)


def test_what_is_not_learned_well_is_always_visited_under_the_weight_one() -> None:
    for done in range(6, 60, 6):
        one = InfoBatch(visits=1000, seed=1)(LOSSES, done)

        weights = dict(zip(one.rows.tolist(), one.weights.tolist(), strict=True))
        assert (weights[3], weights[4]) == (1.0, 1.0)
        assert {weights[row] for row in weights.keys() - {3, 4}} <= {2.0}


@pytest.mark.parametrize(("done", "pruned"), [(868, True), (875, False), (980, False)])
def test_the_last_eighth_visits_all_rows(done: int, pruned: bool) -> None:
    losses = np.append(np.zeros(100, np.float32), np.float32(9))

    one = InfoBatch(visits=1000, seed=1)(losses, done)

    assert (set(one.weights.tolist()) == {1.0, 2.0}) == pruned
    if done == 875:
        assert len(one.rows) == 101


def test_the_last_pass_is_cut_to_the_visits_that_are_left() -> None:
    assert len(InfoBatch(visits=1000, seed=1)(np.zeros(101, np.float32), 993).rows) == 7


def test_passes_differ_and_are_those_of_the_seed() -> None:
    losses = np.append(np.zeros(100, np.float32), np.float32(9))
    first, second = (InfoBatch(visits=1000, seed=1)(losses, done) for done in (101, 160))

    assert set(first.rows.tolist()) != set(second.rows.tolist())
    assert np.array_equal(first.rows, InfoBatch(visits=1000, seed=1)(losses, 101).rows)
