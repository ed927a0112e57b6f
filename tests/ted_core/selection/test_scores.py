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
    """Twins whose gradients, and performances where they are trained, are what the test says."""

    def __init__(self, gradient: list[float], in_sample: float = 1.0) -> None:
        self.gradient, self.in_sample = gradient, in_sample
        self.asked: list[int] = []

    def in_sample_performance(self, rows: np.ndarray) -> np.ndarray:
        self.asked += rows.tolist()
        return np.full(len(rows), self.in_sample, np.float32)

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
    cut = cut_margin(mean, share=cut_share(noise, memorization=0.5), keep_ratio=keep_ratio)
    assert isinstance(score, MarginScore)
    assert (score.noise, score.cut) == (noise, cut)
    assert score.score().tolist() == pytest.approx(margin_score(mean, cut=cut).tolist())
    assert score.order.tolist() == pytest.approx(mean.tolist())


def margin_score_of(margins: np.ndarray, in_sample: float, *, retained: np.ndarray | None = None) -> MarginScore:
    """The score after one measurement, of samples that perform at 0.25 where they are not trained on."""
    score, twins = MarginScore(len(margins), PLAN), ToldTwins([1.0] * len(margins), in_sample)
    told = predicted([0.25] * len(margins), margins.tolist())
    again = score.update(told, twins, retained=np.ones(len(margins), bool) if retained is None else retained)
    assert again == len(twins.asked)
    return score


def test_memorization_is_what_training_on_rows_that_look_wrong_adds() -> None:
    margins, retained = np.array([-0.9, -0.1, 0.0, 0.8, -0.5]), np.array([True, True, True, True, False])

    score, twins = MarginScore(5, PLAN), ToldTwins([1.0] * 5, in_sample=0.75)
    again = score.update(predicted([0.25] * 5, margins.tolist()), twins, retained=retained)

    assert (again, twins.asked) == (1, [0])  # of five rows one at most
    assert score.memorization == 0.5


def test_the_largest_memorization_of_all_measurements_counts() -> None:
    score = MarginScore(3, PLAN)

    for in_sample in (0.2, 0.6, 0.4):
        score.update(FIRST[0], ToldTwins([1.0] * 3, in_sample=in_sample), retained=RETAINED)

    assert score.memorization == pytest.approx(0.6)  # the first sample looks wrong, with a performance of 0


def test_of_many_rows_that_look_wrong_five_hundred_are_asked_about_evenly() -> None:
    score, twins = MarginScore(10_500, PLAN), ToldTwins([1.0])

    again = score.update(predicted([0.25] * 10_500, [-0.5] * 10_500), twins, retained=np.ones(10_500, bool))

    assert 250 < again == len(twins.asked) <= 500
    assert np.ptp(np.diff(twins.asked)) == 0
    assert max(twins.asked) > 10_400


def test_where_no_row_looks_wrong_nothing_is_memorized() -> None:
    assert margin_score_of(np.array([0.1, 0.9]), in_sample=1.0).memorization == 0


def test_the_more_of_them_the_twins_would_learn_the_higher_is_the_cut() -> None:
    margins = np.random.default_rng(0).uniform(-1, 1, 400)

    cuts = [margin_score_of(margins, in_sample=in_sample).cut for in_sample in (0.25, 0.3, 1.0)]

    assert cuts == sorted(cuts)
    assert cuts[0] < cuts[2]


@pytest.mark.parametrize("name", ["probability", "parameter"])
def test_a_score_without_a_cut_measures_nothing_twice(name: ScoreName) -> None:
    score, twins = SCORES[name](3, PLAN), ToldTwins([1, 2, 3])

    assert score.update(FIRST[0], twins, retained=RETAINED) == 0
    assert twins.asked == []


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
    for number in whole.NUMBERS:
        assert getattr(resumed, number) == getattr(whole, number)
    for mean in whole.MEANS:
        assert resumed.mean(mean).tolist() == whole.mean(mean).tolist()
