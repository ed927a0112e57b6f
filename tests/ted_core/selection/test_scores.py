"""What the twins measure is averaged over the rounds, and the score follows from it."""

import numpy as np
import pytest

from ted_core.plan import PruningPlan, ScoreName
from ted_core.selection.margin import cut_margin, cut_share, estimate_noise, margin_score
from ted_core.selection.scores import SCORES, MarginScore, Score
from ted_core.training.predictions import Predictions
from tests.reference import ted

RETAINED = np.ones(3, bool)
PLAN = PruningPlan(keep_ratio=0.7)


def predicted(performance: list[float], margin: list[float] | None = None) -> Predictions:
    told = performance, np.ones(len(performance)), margin or [2 * a - 1 for a in performance]
    return Predictions(*(np.array(values, np.float32) for values in told))


class ToldTwins:
    """Twins whose gradients are what the test says."""

    def __init__(self, gradient: list[float]) -> None:
        self.gradient = gradient

    def out_of_sample_gradient_norm(self, retained: np.ndarray) -> np.ndarray:
        return np.array(self.gradient, np.float32) * retained


FIRST = predicted([0.0, 0.5, 1.0], [-1.0, 0.25, 1.0]), ToldTwins([1, 2, 3])
SECOND = predicted([0.5, 0.5, 0.5], [-0.5, 0.75, 0.0]), ToldTwins([3, 4, 9])


def measured(name: ScoreName, *told: tuple[Predictions, ToldTwins], plan: PruningPlan = PLAN) -> Score:
    score = SCORES[name](len(told[0][0].performance), plan)
    for predictions, twins in told:
        score.update(predictions, twins, retained=np.ones(len(predictions.performance), bool))
    return score


@pytest.mark.parametrize("name", SCORES)
def test_performance_and_margin_are_the_means_of_all_measurements(name: ScoreName) -> None:
    score = measured(name, FIRST, SECOND)

    assert score.mean("performance").tolist() == [0.25, 0.5, 0.75]
    assert score.mean("margin").tolist() == [-0.75, 0.5, 0.5]


@pytest.mark.parametrize("name", SCORES)
def test_before_the_first_measurement_nothing_is_known_and_all_samples_are_worth_the_same(name: ScoreName) -> None:
    score = SCORES[name](3, PLAN)

    assert np.isnan(score.mean("performance")).all()
    assert np.isnan(score.mean("margin")).all()
    assert (score.noise, score.score(None).tolist()) == (None, [1, 1, 1])


@pytest.mark.parametrize("keep_ratio", [0.05, 0.3, 0.7])
def test_the_margin_decides_with_as_many_labels_cut_off_as_look_wrong(keep_ratio: float) -> None:
    margins = np.random.default_rng(0).uniform(-1, 1, 50).astype(np.float32)
    told = predicted([0.5] * 50, margins.tolist()), ToldTwins([1.0] * 50)

    score = measured("margin", told, plan=PruningPlan(keep_ratio=keep_ratio))

    mean = margins.astype(float)
    noise = estimate_noise(np.full(50, 0.5), mean)
    cut = cut_margin(mean, share=cut_share(noise), keep_ratio=keep_ratio)
    assert isinstance(score, MarginScore)
    assert (score.noise, score.cut) == (noise, cut)
    assert score.score().tolist() == pytest.approx(margin_score(mean, cut=cut).tolist())
    assert score.order.tolist() == pytest.approx(mean.tolist())


def test_the_surer_the_twins_the_higher_is_the_share_that_is_cut_off() -> None:
    margins = np.concatenate([np.full(20, -0.6), np.linspace(0.1, 1, 80)])

    def below_the_cut(agreed: float) -> float:
        told = np.where(margins < 0, margins, margins * agreed)
        score = measured("margin", (predicted([0.5] * 100, told.tolist()), ToldTwins([1.0] * 100)))
        assert isinstance(score, MarginScore)
        return float((told < score.cut).mean())

    assert below_the_cut(0.2) < below_the_cut(0.9)


@pytest.mark.parametrize("q", [0.0, 0.5, 2.0])
def test_the_probability_score_is_the_distance(q: float) -> None:
    score = measured("probability", FIRST)

    assert score.score(q).tolist() == pytest.approx([ted.distance(a, q) for a in (0.0, 0.5, 1.0)])
    assert score.order.tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("q", [0.0, 0.5, 2.0])
def test_in_parameters_the_score_is_performance_times_the_mean_gradient(q: float) -> None:
    score = measured("parameter", FIRST, SECOND)

    assert score.score(q).tolist() == pytest.approx([0.25**q * 2, 0.5**q * 3, 0.75**q * 6])


@pytest.mark.parametrize("name", ["probability", "parameter"])
def test_without_an_exponent_all_samples_are_worth_the_same(name: ScoreName) -> None:
    score = measured(name, FIRST)

    assert score.score(None).tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", SCORES)
def test_every_score_gives_some_chance_to_stay(name: ScoreName) -> None:
    told = predicted([0.0, 1.0, 0.5, 0.0]), ToldTwins([0, 0, 0, 0])

    score = measured(name, told)

    found = score.score(None if name == "margin" else 8.0)
    assert (found > 0).all()
    assert (found.astype(np.float32) > 0).all()


@pytest.mark.parametrize("name", SCORES)
def test_a_score_resumes_from_its_state(name: ScoreName) -> None:
    resumed = SCORES[name](3, PLAN)
    resumed.load_state_dict(measured(name, FIRST).state_dict())

    predictions, twins = SECOND
    resumed.update(predictions, twins, retained=RETAINED)

    whole = measured(name, FIRST, SECOND)
    q = None if name == "margin" else 2.0
    assert resumed.score(q).tolist() == whole.score(q).tolist()
    assert (resumed.times, resumed.noise) == (whole.times, whole.noise)
    for mean in whole.MEANS:
        assert resumed.mean(mean).tolist() == whole.mean(mean).tolist()
