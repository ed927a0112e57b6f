"""q is chosen by what proxies make of rows that they were not trained on, and those rows speak for all."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.prune import prune
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.scores import ProbabilityScore
from ted_core.selection.trials.exponent_search import choose_exponent, hill_climb
from ted_core.selection.trials.fresh_proxies import Split, SplitOutcome
from ted_core.selection.trials.rule import RANDOM, Rule
from ted_core.selection.trials.trial import Trial
from ted_core.selection.trials.trials import Trials
from ted_core.selection.workload import FIRST, GRID, shorten_training, trial_rows_trained
from ted_core.training.batches import ArrayBatches, Scaling
from tests.ted_core import examples

PROXY = ProxySpec(name="mlp", epochs=6)
SAMPLES = examples.random_vectors(2000, classes=4)
PERFORMANCE = np.random.default_rng(5).random(len(SAMPLES))


def search(kind: type[Trials] = Trials, samples: Samples = SAMPLES, *, seed: int = 0, **options: float) -> Trials:
    plan = PruningPlan.model_validate({"keep_ratio": 0.4, "q": "auto", "seed": seed} | options)
    measured = ProbabilityScore(len(samples), plan)
    measured.performance = PERFORMANCE[: len(samples)]
    return kind(
        samples,
        measured,
        PoissonSampler(samples.labels, plan),
        proxy=resolve_proxy(PROXY),
        table=ArrayBatches(samples, scaling=Scaling.of(samples)),
        progress=ProgressCounter(lambda _: None, rounds=1, work=1),
        done=[],
        save_checkpoint=lambda: None,
    )


class ScriptedTrials(Trials):
    """Trials in which every proxy is right about exactly the samples with a above a half."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.proxies = self  # type: ignore[assignment]

    at_once = 1

    def test(self, splits: Sequence[Split]) -> list[SplitOutcome]:
        (split,) = splits
        self.trained_on = split.trained
        return [SplitOutcome(((PERFORMANCE[: len(split.tested)] > 0.5) & split.tested).astype(np.float32), 0, 0)]


def rule(q: float | None) -> Rule:
    return RANDOM if q is None else Rule("probability", q)


def trial(q: float | None, accuracy: float) -> Trial:
    return Trial(rule(q), accuracy, np.zeros(3), keep_ratio=0.4)


def scripted(accuracies: dict[float, float]) -> Callable[[float], Trial]:
    return lambda q: trial(q, accuracies[q])


def pretend(one: Trials, run: Callable[[Rule], Trial]) -> None:
    """Let trials end as the test says."""
    one.run_all = lambda *rules: [run(rule) for rule in rules]  # type: ignore[method-assign]


@pytest.mark.parametrize("q", [0.25, 1.0, 4.0, None])
@pytest.mark.parametrize("keep_ratio", [0.1, 0.7])
def test_the_rows_left_out_speak_for_all_rows(q: float | None, keep_ratio: float) -> None:
    searches = [search(ScriptedTrials, seed=seed, keep_ratio=keep_ratio) for seed in range(60)]

    estimates = [one.run(rule(q)).accuracy for one in searches]

    truth = (PERFORMANCE > 0.5).mean()
    assert np.mean(estimates) == pytest.approx(truth, abs=4 * np.std(estimates) / np.sqrt(60) + 0.005)


@pytest.mark.parametrize("q", [0.125, 9.0])
def test_they_do_so_under_a_class_floor(q: float) -> None:
    hard_class = np.where(PERFORMANCE < 0.3, 0, 1 + SAMPLES.labels % 3)
    samples = examples.samples(SAMPLES.inputs, hard_class)
    searches = [search(ScriptedTrials, samples, seed=seed, keep_ratio=0.5, class_floor=0.4) for seed in range(60)]

    estimates = [one.run(rule(q)).accuracy for one in searches]

    assert np.mean(estimates) == pytest.approx((PERFORMANCE > 0.5).mean(), abs=0.015)


@pytest.mark.parametrize("seed", range(12))
def test_something_is_withheld_even_where_next_to_all_is_kept(seed: int) -> None:
    few = search(ScriptedTrials, examples.random_vectors(8), seed=seed, keep_ratio=0.95)

    assert few.held_out.any()
    assert np.isfinite(few.run(rule(1.0)).accuracy)


def test_counting_the_rows_left_out_alike_would_mislead() -> None:
    one = search(ScriptedTrials)

    one.run(rule(4.0))

    unseen = ~one.trained_on
    assert abs((PERFORMANCE[unseen] > 0.5).mean() - (PERFORMANCE > 0.5).mean()) > 0.05


def test_the_error_that_is_told_is_the_one_that_is_made() -> None:
    runs = [search(ScriptedTrials, seed=seed).run(rule(1.0)) for seed in range(100)]

    told = np.mean([np.sqrt((one.influence**2).sum()) for one in runs])
    made = np.std([one.accuracy for one in runs])
    assert 0.3 * told < made < 1.5 * told


def test_no_candidate_trains_on_the_slice() -> None:
    one = search(ScriptedTrials)

    for q in (0.125, 2.0, None):
        one.run(rule(q))

        assert not (one.trained_on & one.held_out).any()
    assert one.held_out.mean() == pytest.approx(0.2, abs=0.03)


def test_large_data_withhold_a_tenth() -> None:
    large, plan = examples.random_vectors(60_000, features=1), PruningPlan(keep_ratio=0.5, q="auto")
    one = ScriptedTrials(
        large,
        ProbabilityScore(60_000, plan),
        PoissonSampler(large.labels, plan),
        proxy=resolve_proxy(PROXY),
        table=ArrayBatches(large, scaling=Scaling.of(large)),
        progress=ProgressCounter(lambda _: None, rounds=1, work=1),
        done=[],
        save_checkpoint=lambda: None,
    )

    assert one.held_out.mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("accuracies", "walked"),
    [
        ({0.5: 0.8, 1.0: 0.9, 3.0: 0.85}, [0.5, 1.0, 3.0]),
        ({0.5: 0.9, 1.0: 0.8, 0.25: 0.91, 0.125: 0.7}, [0.5, 1.0, 0.25, 0.125]),
        ({0.5: 0.9, 1.0: 0.8, 0.25: 0.91, 0.125: 0.92}, [0.5, 1.0, 0.25, 0.125]),
        ({0.5: 0.1, 1.0: 0.2, 3.0: 0.3, 9.0: 0.4}, [0.5, 1.0, 3.0, 9.0]),
    ],
)
def test_the_climb_goes_on_while_it_goes_up(accuracies: dict[float, float], walked: list[float]) -> None:
    found = hill_climb(scripted(accuracies), grid=GRID, first=FIRST)

    assert [one.rule.q for one in found] == walked


def test_the_best_candidate_is_chosen_and_the_others_are_told() -> None:
    accuracies = {0.5: 0.8, 1.0: 0.9, 3.0: 0.85, None: 0.7}
    one = search()
    pretend(one, lambda rule: trial(rule.q, accuracies[rule.q]))

    choice = choose_exponent(one)

    assert (choice.rule, choice.q) == ("probability", 1.0)
    assert [candidate.q for candidate in choice.candidates] == [0.5, 1.0, 3.0, None]
    assert [candidate.behind for candidate in choice.candidates] == pytest.approx([0.1, 0.0, 0.05, 0.2])
    assert "q = 1" in choice.reason


def test_random_rows_are_chosen_where_no_exponent_beats_them() -> None:
    accuracies = {0.5: 0.8, 1.0: 0.7, 0.25: 0.75, None: 0.85}
    one = search()
    pretend(one, lambda rule: trial(rule.q, accuracies[rule.q]))

    choice = choose_exponent(one)

    assert (choice.rule, choice.q) == ("random", None)
    assert "random" in choice.reason


@pytest.mark.parametrize(("ahead", "chosen"), [(0.01, 1.0), (0.05, None)])
def test_random_rows_must_be_ahead_by_more_than_a_standard_error(ahead: float, chosen: float | None) -> None:
    one, error = search(), 0.03
    doubtful = Trial(RANDOM, 0.8 + ahead, np.array([error, 0.0, 0.0]), keep_ratio=0.4)
    pretend(one, lambda rule: doubtful if rule == RANDOM else trial(rule.q, 0.8 if rule.q == 1.0 else 0.7))

    choice = choose_exponent(one)

    assert choice.q == chosen
    assert ("random rows were ahead by less than a standard error" in choice.reason) == (chosen is not None)
    assert abs(choice.candidates[-1].behind) == pytest.approx(0.0 if chosen is None else ahead)


@pytest.mark.parametrize("keep_ratio", [0.1, 0.5, 0.9])
def test_choosing_takes_no_more_rows_than_it_announces(keep_ratio: float) -> None:
    one = search(keep_ratio=keep_ratio)

    choice = choose_exponent(one)

    plan = one.sampler.plan
    assert 0 < choice.samples_trained <= 1.05 * trial_rows_trained(len(SAMPLES), plan, resolve_proxy(PROXY))
    assert choice.samples_trained == one.proxies.progress.rows_trained
    assert choice.samples_measured == one.proxies.progress.rows_measured > 0


def test_the_fewer_rows_are_kept_the_longer_a_candidate_trains() -> None:
    epochs = [
        shorten_training(resolve_proxy(PROXY), PruningPlan(keep_ratio=keep_ratio), rows=1000).training.epochs
        for keep_ratio in (0.1, 0.3, 0.9)
    ]

    assert epochs == sorted(epochs, reverse=True)
    assert 2 <= epochs[-1] < epochs[1] < epochs[0] == resolve_proxy(PROXY).training.epochs


def test_with_q_left_open_the_last_round_tells_what_was_chosen(noisy_digits: Samples) -> None:
    plan, proxy = PruningPlan(keep_ratio=0.3, q="auto"), ProxySpec(name="mlp", epochs=6)

    *before, final = prune(noisy_digits, plan, proxy=proxy)

    assert final.choice is not None
    assert final.q == final.choice.q
    assert final.q in [one.q for one in final.choice.candidates if one.behind == 0]
    assert all(one.choice is None and one.q == 1.0 for one in before)
    assert final.retained.sum() == plan.rows_kept(len(noisy_digits))


def test_the_choice_is_the_same_on_every_run(noisy_digits: Samples) -> None:
    plan, proxy = PruningPlan(keep_ratio=0.3, q="auto", seed=4), ProxySpec(name="mlp", epochs=4)

    (*_, first), (*_, again) = (list(prune(noisy_digits, plan, proxy=proxy)) for _ in range(2))

    assert first.choice == again.choice
    assert first.retained.tolist() == again.retained.tolist()


def test_rows_drawn_at_random_carry_no_exponent_and_equal_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.selection.trials.exponent_search.hill_climb", lambda run, **_: [run(1.0)])
    monkeypatch.setattr(Trials, "run", lambda _, rule: trial(rule.q, 1.0 if rule == RANDOM else 0.5))

    *_, final = prune(SAMPLES, PruningPlan(keep_ratio=0.5, q="auto"), proxy=ProxySpec(name="mlp", epochs=3))

    assert (final.rule, final.q) == ("random", None)
    assert set(final.score.tolist()) == {1.0}
    assert np.bincount(SAMPLES.labels[final.retained]).tolist() == pytest.approx([250] * 4, abs=2)
