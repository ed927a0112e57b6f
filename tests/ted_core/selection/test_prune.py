"""The progressive loop: fewer rows every round, none lost sight of, and the same again with the same seed."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from ted_core.datasets import Samples
from ted_core.errors import TedError, TooFewRounds, TooFewRowsKept, TrainingDiverged
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.selection.margin import cut_margin, cut_share, estimate_noise, margin_score
from ted_core.selection.prune import prune
from ted_core.selection.rounds import ProgressUpdate, Round
from ted_core.selection.schedule import retained_counts
from ted_core.training.predictions import Predictions
from tests.reference import ted
from tests.ted_core import examples

ROUNDS = 6
EPOCHS = 18
"""Of the proxy; the twins train for a third of them, one round each."""
SAMPLES = examples.random_vectors(120, classes=3)


def rounds(samples: Samples = SAMPLES, *, epochs: int = EPOCHS, watch: Any = None, **plan: Any) -> list[Round]:
    usual = {"keep_ratio": 0.4, "q": 2.0, "rounds": ROUNDS if epochs == EPOCHS else None}
    chosen = PruningPlan.model_validate(usual | plan)
    proxy = ProxySpec(name="mlp", epochs=epochs)
    return list(prune(samples, chosen, proxy=proxy, watch=watch or (lambda _: None)))


NONE = Predictions(*(np.zeros(0, np.float32) for _ in range(3)))


def contents(found: list[Round]) -> list[tuple[object, ...]]:
    """All that the rounds say, as bytes and numbers that can be compared."""
    fields = [{**vars(one), **vars(one.predictions or NONE)} for one in found]
    return [tuple(plain(value) for name, value in one.items() if name != "predictions") for one in fields]


def plain(value: object) -> object:
    return value.tobytes() if isinstance(value, np.ndarray) else value


class ScriptedTwins:
    """Twins that measure what the test says, and remember what they were to train on."""

    def __init__(self, script: np.ndarray) -> None:
        self.script: Iterator[np.ndarray] = iter(script)
        self.trained_on: list[np.ndarray] = []

    def __call__(self, *_: object, **__: object) -> "ScriptedTwins":
        return self

    def train_epoch(self, retained: np.ndarray, *, number: int, count_rows: Any) -> float:
        self.trained_on.append(retained.copy())
        count_rows(int(retained.sum()))
        return float(number)

    def out_of_sample_predictions(self) -> Predictions:
        performance = next(self.script)
        return Predictions(performance, np.ones(len(SAMPLES), np.float32), 2 * performance - 1)

    def require_descent(self, _: Predictions) -> None:
        pass

    def out_of_sample_gradient_norm(self, retained: np.ndarray) -> np.ndarray:
        return np.where(retained, np.float32(2), np.float32(1))


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedTwins:
    script = np.random.default_rng(3).random((ROUNDS - 1, len(SAMPLES))).astype(np.float32)
    twins = ScriptedTwins(script)
    monkeypatch.setattr("ted_core.selection.loop.Twins", twins)
    return twins


def plain_score(performance: Sequence[float], q: float | None) -> list[float]:
    """The score of every sample; without an exponent, of margins that are 2a - 1."""
    if q is not None:
        return [ted.distance(a, q) for a in performance]
    margin = 2 * np.array(performance) - 1
    noise = estimate_noise(np.array(performance), margin)
    cut = cut_margin(margin, share=cut_share(noise), keep_ratio=0.4)
    return margin_score(margin, cut=cut).tolist()


def plain_order(performance: Sequence[float], q: float | None) -> list[float]:
    """The margins; with an exponent, the performances themselves."""
    return [a if q is not None else 2 * a - 1 for a in performance]


@pytest.mark.parametrize("q", [None, 0.0, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("class_floor", [0.0, 0.3])
def test_the_bookkeeping_is_that_of_the_plain_loop(
    scripted: ScriptedTwins, q: float | None, class_floor: float
) -> None:
    script = np.random.default_rng(3).random((ROUNDS - 1, len(SAMPLES))).astype(np.float32).astype(float)
    counts, labels = retained_counts(len(SAMPLES), 48, rounds=ROUNDS), SAMPLES.labels.tolist()

    found = rounds(q=q, class_floor=class_floor)

    score, order = partial(plain_score, q=q), partial(plain_order, q=q)
    expected = ted.progressive(
        script.tolist(), counts, score=score, order=order, labels=labels, class_floor=class_floor
    )
    for one, state in zip(found, expected, strict=True):
        assert one.retained.tolist() == state.retained
        assert one.last_round.tolist() == state.last_round
        assert one.internal_generalization.tolist() == pytest.approx(state.mean_performance, rel=1e-5, nan_ok=True)


def test_every_round_trains_on_what_the_one_before_retained(scripted: ScriptedTwins) -> None:
    found = rounds()

    assert scripted.trained_on[0].all()
    for trained_on, before in zip(scripted.trained_on[1:], found, strict=False):
        np.testing.assert_array_equal(trained_on, before.retained)


@pytest.mark.parametrize("q", [None, 1.0])
def test_the_cost_counts_every_row_trained_and_measured(scripted: ScriptedTwins, q: float | None) -> None:
    found = rounds(q=q)

    trained = np.cumsum([mask.sum() for mask in scripted.trained_on])
    assert [one.samples_trained for one in found] == trained.tolist()
    assert [one.samples_measured for one in found] == [120 * times for times in range(ROUNDS)]


def test_a_round_may_be_several_epochs(scripted: ScriptedTwins) -> None:
    found = rounds(rounds=3, epochs=18)

    assert [one.train_loss for one in found] == [1, 3, 5]
    assert [mask.sum() for mask in scripted.trained_on] == [120, 120, 120, 120, 48, 48]


def test_there_are_a_sixth_as_many_rounds_as_epochs_and_the_last_is_the_selection() -> None:
    found = rounds(epochs=30)

    assert [one.number for one in found] == [1, 2, 3, 4, 5]
    assert {one.rounds for one in found} == {5}
    assert found[-1].retained.sum() == PruningPlan(keep_ratio=0.4).rows_kept(len(SAMPLES)) == 48


@pytest.mark.parametrize("keep_ratio", [0.1, 0.333, 0.7, 0.99])
def test_the_retained_counts_follow_the_schedule(keep_ratio: float) -> None:
    found = rounds(keep_ratio=keep_ratio)

    kept = round(keep_ratio * len(SAMPLES))
    assert [one.retained.sum() for one in found] == retained_counts(len(SAMPLES), kept, rounds=ROUNDS)


def test_the_largest_exponent_leaves_every_row_a_chance(noisy_digits: Samples) -> None:
    final = rounds(noisy_digits, q=16.0, epochs=4)[-1]

    assert final.score.min() > 0
    assert final.inclusion_probability is not None
    assert final.inclusion_probability.sum() == pytest.approx(final.retained.sum())


def test_rows_that_were_pruned_may_come_back() -> None:
    found = rounds()

    returned = [(~before.retained & after.retained).sum() for before, after in itertools.pairwise(found)]
    assert sum(returned) > 0


def test_the_last_round_of_a_row_is_the_last_that_retained_it() -> None:
    found = rounds()

    history = np.array([one.retained for one in found])
    expected = [max(np.flatnonzero(column), default=-1) + 1 for column in history.T]
    assert found[-1].last_round.tolist() == expected


def test_earlier_rounds_do_not_change_as_the_loop_goes_on() -> None:
    loop = prune(SAMPLES, PruningPlan(keep_ratio=0.4, q=2), proxy=ProxySpec(name="mlp", epochs=EPOCHS))

    found, at_once = [], []
    for one in loop:
        found.append(one)
        at_once += contents([one])

    assert contents(found) == at_once


def test_equal_seeds_give_equal_rounds_bit_for_bit() -> None:
    assert contents(rounds(seed=5)) == contents(rounds(seed=5))


def test_another_seed_gives_another_selection() -> None:
    first, other = (rounds(seed=seed)[-1] for seed in (5, 6))

    assert first.score.tolist() != other.score.tolist()
    assert first.retained.tolist() != other.retained.tolist()


def test_images_with_augmentation_are_pruned_alike_on_every_run() -> None:
    images, proxy = examples.random_images(40, channels=3), ProxySpec(name="cnn", epochs=3)

    runs = [contents(list(prune(images, PruningPlan(keep_ratio=0.5), proxy=proxy))) for _ in range(2)]

    assert runs[0] == runs[1]


def test_every_class_keeps_its_floor(noisy_digits: Samples) -> None:
    final = rounds(noisy_digits, keep_ratio=0.2, class_floor=0.19, epochs=4)[-1]

    sizes = np.bincount(noisy_digits.labels)
    kept = np.bincount(noisy_digits.labels[final.retained])
    assert (kept >= np.floor(0.19 * sizes)).all()


def test_without_a_floor_a_class_may_fall_below_it(noisy_digits: Samples) -> None:
    final = rounds(noisy_digits, keep_ratio=0.2, epochs=4)[-1]

    kept = np.bincount(noisy_digits.labels[final.retained], minlength=10)
    assert (kept < np.floor(0.19 * np.bincount(noisy_digits.labels))).any()


@pytest.mark.parametrize(("q", "epochs"), [(None, 40), (2, 12)])
def test_wrong_labels_are_pruned_far_more_often_than_right_ones(
    noisy_digits: Samples, flipped: np.ndarray, q: float | None, epochs: int
) -> None:
    final = rounds(noisy_digits, keep_ratio=0.7, q=q, epochs=epochs)[-1]

    pruned = ~final.retained
    assert pruned[flipped].mean() > 0.85
    assert pruned[~flipped].mean() < 0.25


def test_wrong_labels_that_twins_have_hardly_learned_are_spared_more_often(
    noisy_digits: Samples, flipped: np.ndarray
) -> None:
    short, long = (rounds(noisy_digits, keep_ratio=0.7, q=None, epochs=epochs)[-1] for epochs in (12, 40))

    assert (~short.retained)[flipped].mean() < (~long.retained)[flipped].mean() - 0.1


def test_wrong_labels_generalize_badly(noisy_digits: Samples, flipped: np.ndarray) -> None:
    final = rounds(noisy_digits, keep_ratio=0.7, q=None, epochs=18)[-1]

    assert final.margin is not None
    assert np.median(final.internal_generalization[flipped]) < 0.1
    assert np.median(final.internal_generalization[~flipped]) > 0.5
    assert np.median(final.margin[flipped]) < -0.4
    assert np.median(final.margin[~flipped]) > 0.3


def test_about_as_many_labels_look_wrong_as_are_wrong(
    digits: Samples, noisy_digits: Samples, flipped: np.ndarray
) -> None:
    noises = [rounds(some, keep_ratio=0.7, q=None, epochs=12)[-1].noise for some in (digits, noisy_digits)]

    assert noises[0]
    assert noises[0].share < 0.04
    assert noises[1]
    assert noises[1].share == pytest.approx(flipped.mean(), abs=0.12)


def test_before_anything_is_measured_all_rows_are_alike_and_no_label_looks_wrong() -> None:
    first, *_, final = rounds(q=None)

    assert first.noise is None
    assert set(first.score.tolist()) == {1.0}
    assert final.noise is not None
    assert len(set(final.score.tolist())) > 1
    assert final.q is None


def test_probabilities_of_being_kept_add_up_to_the_rows_that_are_kept() -> None:
    *_, final = rounds(q=None)

    assert final.inclusion_probability is not None
    assert final.inclusion_probability.sum() == pytest.approx(final.retained.sum())
    assert final.inclusion_probability.max() <= 1


def test_the_pruned_rows_mean_internal_generalization_is_told() -> None:
    found = rounds()

    final = found[-1]
    assert found[0].mean_internal_generalization is None
    assert final.mean_internal_generalization == pytest.approx(
        float(final.internal_generalization[~final.retained].mean())
    )


def test_whoever_watches_hears_of_every_batch() -> None:
    steps: list[ProgressUpdate] = []

    found = rounds(watch=steps.append)

    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] == pytest.approx(1)
    assert steps[-1].samples_trained == found[-1].samples_trained
    assert {step.round for step in steps} == {one.number for one in found}


def test_random_rows_are_drawn_in_one_round_by_the_seed_alone() -> None:
    (first,), (again,), (other,) = (rounds(method="random", seed=seed) for seed in (1, 1, 2))

    assert first.retained.sum() == 48
    assert first.retained.tolist() == again.retained.tolist() != other.retained.tolist()


def test_random_rows_cost_nothing_and_measure_nothing() -> None:
    (drawn,) = rounds(method="random")

    assert (drawn.samples_trained, drawn.samples_measured, drawn.train_loss) == (0, 0, None)
    assert np.isnan(drawn.score).all()
    assert drawn.mean_internal_generalization is None


def test_every_row_has_the_same_chance_to_be_drawn() -> None:
    draws = np.array([rounds(method="random", seed=seed)[0].retained for seed in range(400)])

    assert np.abs(draws.mean(axis=0) - 0.4).max() < 0.1


def test_random_rows_honour_the_floor() -> None:
    rare = examples.samples(SAMPLES.inputs, np.arange(120) < 10)

    drawn = [rounds(rare, method="random", class_floor=0.4, seed=seed)[0].retained for seed in range(30)]

    assert min(mask[:10].sum() for mask in drawn) == 4
    assert {mask.sum() for mask in drawn} == {48}


@pytest.mark.parametrize(
    ("error", "plan"),
    [(TooFewRowsKept, {"keep_ratio": 0.01}), (TooFewRounds, {"rounds": 19}), (TooFewRowsKept, {"class_floor": 0.5})],
)
def test_what_cannot_work_is_refused_before_the_first_round_is_asked_for(
    error: type[TedError], plan: dict[str, Any]
) -> None:
    with pytest.raises(error):
        prune(SAMPLES, PruningPlan(**{"keep_ratio": 0.4} | plan), proxy=ProxySpec(name="mlp", epochs=EPOCHS))


def test_divergence_ends_the_loop_in_words() -> None:
    huge = examples.samples(SAMPLES.inputs, SAMPLES.labels)
    huge.inputs[0, 0] = np.nan

    with pytest.raises(TrainingDiverged):
        rounds(huge)


@pytest.mark.parametrize("q", [None, "auto"])
def test_samples_with_several_classes_are_pruned_and_the_floor_holds_for_the_rarest(q: Any) -> None:
    vectors = examples.random_vectors(300, classes=3)
    labels = np.zeros((300, 3), np.float32)
    labels[np.arange(300), vectors.labels] = 1
    labels[:, 0] = 1
    labels[:10, 2] = 1
    samples = replace(vectors, labels=labels)
    plan = PruningPlan(keep_ratio=0.4, q=q, class_floor=0.3, seed=1)

    *_, final = prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=4))

    groups = samples.groups
    assert final.retained.sum() == 120
    assert all(final.retained[groups == g].sum() >= np.floor(0.3 * (groups == g).sum()) for g in np.unique(groups))
    assert (final.choice is None) == (q is None)
