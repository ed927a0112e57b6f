"""What the twins measure is averaged over the rounds, and the score follows from it."""

import numpy as np
import pytest

from ted_core.selection.scores import LogitScore, ParameterScore
from tests.reference import ted

RETAINED = np.ones(3, bool)


class ToldTwins:
    """Twins that measure what the test says."""

    def __init__(self, performance: list[float], gradient: list[float]) -> None:
        self.performance, self.gradient = performance, gradient

    def out_of_sample_performance(self) -> np.ndarray:
        return np.array(self.performance, np.float32)

    def out_of_sample_gradient_norm(self, retained: np.ndarray) -> np.ndarray:
        return np.array(self.gradient, np.float32) * retained


FIRST, SECOND = ToldTwins([0.0, 0.5, 1.0], [1, 2, 3]), ToldTwins([0.5, 0.5, 0.5], [3, 4, 9])


def test_performance_is_the_mean_of_all_measurements() -> None:
    measured = LogitScore(3)

    for twins in (FIRST, SECOND):
        measured.update(twins, RETAINED)

    assert measured.performance.tolist() == [0.25, 0.5, 0.75]


@pytest.mark.parametrize("q", [0.0, 0.5, 2.0])
def test_in_logits_the_score_is_the_distance(q: float) -> None:
    measured = LogitScore(3)

    measured.update(FIRST, RETAINED)

    assert measured.score(q).tolist() == pytest.approx([ted.distance(a, q) for a in (0.0, 0.5, 1.0)])


@pytest.mark.parametrize("q", [0.0, 0.5, 2.0])
def test_in_parameters_the_score_is_performance_times_the_mean_gradient(q: float) -> None:
    measured = ParameterScore(3)

    for twins in (FIRST, SECOND):
        measured.update(twins, RETAINED)

    assert measured.score(q).tolist() == pytest.approx([0.25**q * 2, 0.5**q * 3, 0.75**q * 6])


@pytest.mark.parametrize("kind", [LogitScore, ParameterScore])
def test_without_an_exponent_all_samples_are_worth_the_same(kind: type[LogitScore]) -> None:
    measured = kind(3)

    measured.update(FIRST, RETAINED)

    assert measured.score(None).tolist() == [1, 1, 1]


def test_every_score_gives_some_chance_to_stay() -> None:
    measured = ParameterScore(3)

    measured.update(ToldTwins([0.0, 1.0, 0.5], [0, 0, 0]), RETAINED)

    assert (measured.score(8.0) > 0).all()
