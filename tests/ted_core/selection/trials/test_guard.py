"""TED's rows are returned only where random ones are not clearly better, and finding out takes half a run at most."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ted_core.datasets import Samples
from ted_core.errors import SettingUnsuited
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.results.decisions import Reason
from ted_core.results.explain import decide
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.selection.scores import MarginScore, ProbabilityScore
from ted_core.selection.trials.guard import guard
from ted_core.selection.trials.rule import RANDOM, Rule
from ted_core.selection.trials.trial import Trial, standard_error
from ted_core.selection.trials.trials import Trials
from ted_core.selection.workload import (
    most_rows_trained,
    most_work,
    row_work,
    shorten_training,
    trial_rows,
    trial_rows_trained,
)
from ted_core.storage import checkpoint
from tests.ted_core.selection.test_resuming import Drawer, contents

EPOCHS = 8
OWN = Rule("margin")


def guarded(samples: Samples, *, checkpointer: Drawer | None = None, keep_ratio: float = 0.4, **plan: Any) -> Round:
    chosen = PruningPlan(keep_ratio=keep_ratio, guard=True, **plan)
    resumable = {"checkpointer": checkpointer} if checkpointer else {}
    *_, final = prune(samples, chosen, proxy=ProxySpec(name="mlp", epochs=EPOCHS), **resumable)
    return final


@pytest.fixture
def useless_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """A score that looks for the rows whose labels are contradicted most."""
    monkeypatch.setattr(MarginScore, "score", lambda self, _=None: np.exp(-10 * self.margin))


def test_ted_s_rows_are_returned_where_they_are_better(digits: Samples) -> None:
    final = guarded(digits)

    *_, unguarded = prune(digits, PruningPlan(keep_ratio=0.4), proxy=ProxySpec(name="mlp", epochs=EPOCHS))
    assert final.choice
    own, random = final.choice.candidates
    assert (own.rule, own.q, random.rule, random.q) == ("margin", None, "random", None)
    assert own.accuracy - random.accuracy == random.behind > random.standard_error > 0
    assert (own.behind, own.standard_error) == (0, 0)
    assert (final.rule, final.q) == ("margin", None)
    assert final.retained.tolist() == unguarded.retained.tolist()
    assert final.score.tolist() == unguarded.score.tolist()


@pytest.mark.usefixtures("useless_score")
def test_random_rows_are_returned_where_the_score_is_of_no_use(noisy_digits: Samples) -> None:
    final = guarded(noisy_digits)

    assert final.choice
    own, random = final.choice.candidates
    assert random.accuracy - own.accuracy == own.behind > own.standard_error > 0
    assert (final.rule, final.q) == ("random", None)
    assert set(final.score.tolist()) == {1.0}
    assert final.inclusion_probability is not None
    assert final.inclusion_probability == pytest.approx(final.retained.mean())
    shares = np.bincount(noisy_digits.labels[final.retained]) / np.bincount(noisy_digits.labels)
    assert shares == pytest.approx(0.4, abs=0.02)


@pytest.mark.usefixtures("useless_score")
def test_what_random_rows_leave_out_was_not_drawn(noisy_digits: Samples) -> None:
    decisions = decide(guarded(noisy_digits), noisy_digits, PruningPlan(keep_ratio=0.4, guard=True))

    assert {Reason(reason) for reason in decisions.reason} == {Reason.KEPT, Reason.RANDOM}


@pytest.mark.usefixtures("useless_score")
def test_random_rows_keep_the_class_floor_and_the_classes_balance(noisy_digits: Samples) -> None:
    rare = noisy_digits.labels.copy()
    rare[np.flatnonzero(rare == 0)[20:]] = 1
    samples = Samples(noisy_digits.inputs, rare, noisy_digits.classes, noisy_digits.row_index, rows=noisy_digits.rows)

    final = guarded(samples, class_floor=0.4, class_balance="keep")

    assert final.rule == "random"
    assert final.retained[rare == 0].sum() == 8


@pytest.mark.parametrize("plan", [{"q": 2.0}, {"score": "parameter", "q": 1.0}], ids=["probability", "parameter"])
def test_scores_with_an_exponent_are_guarded_too(noisy_digits: Samples, plan: dict[str, Any]) -> None:
    final = guarded(noisy_digits, **plan)

    assert final.choice
    tried = {(one.rule, one.q): one.behind for one in final.choice.candidates}
    assert list(tried) == [(plan.get("score", "probability"), plan["q"]), ("random", None)]
    assert tried[final.rule, final.q] == 0


def test_a_useless_score_with_an_exponent_gives_way_as_well(
    noisy_digits: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProbabilityScore, "_score", lambda self, _: np.exp(-10 * self.performance))

    final = guarded(noisy_digits, q=1.0)

    assert (final.rule, final.q) == ("random", None)
    assert set(final.score.tolist()) == {1.0}


def result(rule: Rule, accuracy: float, influence: list[float]) -> Trial:
    return Trial(rule, accuracy, np.array(influence), keep_ratio=0.5)


class ScriptedTrials(Trials):
    """Trials of the default plan that end as they are told."""

    def __init__(self, own: float, random: float, error: float) -> None:
        self.plan = PruningPlan(keep_ratio=0.5, guard=True)
        self.results = {OWN: result(OWN, own, [0.0, 0.0]), RANDOM: result(RANDOM, random, [error, 0.0])}

    def run_all(self, *rules: Rule) -> list[Trial]:
        return [self.results[rule] for rule in rules]


@pytest.mark.parametrize(
    ("random", "returned", "reason"),
    [
        (0.79, "margin", "guard: random rows generalized no better to rows not trained on"),
        (0.82, "margin", "guard: random rows generalized better to rows not trained on, but by less than a standard"),
        (0.84, "random", "guard: random rows generalized better to rows not trained on, by more than a standard"),
    ],
)
def test_random_rows_must_be_ahead_by_more_than_a_standard_error(random: float, returned: str, reason: str) -> None:
    choice = guard(ScriptedTrials(0.8, random, error=0.03))

    assert (choice.rule, choice.q) == (returned, None)
    assert choice.reason.startswith(reason)
    assert [one.accuracy for one in choice.candidates] == [0.8, random]
    assert max(one.standard_error for one in choice.candidates) == pytest.approx(0.03)


def test_the_difference_of_two_estimates_on_the_same_rows_errs_by_what_they_do_not_share() -> None:
    first, second = (result(OWN, 0.5, influence) for influence in ([0.1, 0.2, 0.0], [0.1, 0.0, 0.0]))

    assert standard_error(first, second) == pytest.approx(0.2)
    assert standard_error(first, first) == 0


@pytest.mark.parametrize(
    "rule", [RANDOM, OWN, Rule("probability", 0.5), Rule("parameter", 0.0)], ids=lambda rule: rule.name
)
def test_a_trial_is_read_as_it_was_written(rule: Rule) -> None:
    trial = Trial(rule, 0.5, np.array([0.1, 0.2]), keep_ratio=0.7, rows_trained=3, rows_measured=4)

    found = Trial.from_state_dict(trial.state_dict())

    assert vars(found) | {"influence": None} == vars(trial) | {"influence": None}
    assert found.influence.tolist() == [0.1, 0.2]


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("useless", [False, True])
def test_resumed_after_either_trial_the_guard_returns_the_same_rows(
    digits: Samples, tmp_path: Path, request: pytest.FixtureRequest, *, useless: bool
) -> None:
    if useless:
        request.getfixturevalue("useless_score")
    kept = Drawer(tmp_path)
    undisturbed = guarded(digits, checkpointer=kept)

    left = {}
    for path in kept.paths[-3:]:  # after the last training, after TED's trial, after that of random rows
        (tmp_path / path.stem).mkdir()
        resumed = Drawer(tmp_path / path.stem, checkpoint.read(path).state)
        assert contents(guarded(digits, checkpointer=resumed)) == contents(undisturbed)
        left[path] = len(resumed.paths)

    assert list(left.values()) == [2, 1, 0], "a trial that was done is not done again"
    assert undisturbed.rule == ("random" if useless else "margin")


# --- what it costs ----------------------------------------------------------------------------------------------------


def cost(rows: int, keep_ratio: float, epochs: int) -> float:
    """What the guard takes at most, measuring included, in full training runs."""
    plan, proxy = PruningPlan(keep_ratio=keep_ratio, guard=True), resolve_proxy(ProxySpec(name="mlp", epochs=epochs))
    work = row_work(trial_rows_trained(rows, plan, proxy), 2 * (rows - trial_rows(rows, plan)))
    return work / (rows * epochs)


@pytest.mark.parametrize("rows", [6_000, 100_000])
@pytest.mark.parametrize("keep_ratio", [0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95])
def test_the_guard_takes_half_a_run_at_most(rows: int, keep_ratio: float) -> None:
    costs = {epochs: cost(rows, keep_ratio, epochs) for epochs in range(4, 61)}

    assert max(costs.values()) <= 0.5


@pytest.mark.parametrize(
    ("rows", "keep_ratio", "expected"),
    [(6_000, 0.7, 0.491), (100_000, 0.7, 0.441), (6_000, 0.3, 0.482), (100_000, 0.3, 0.491)],
)
def test_what_the_guard_costs_with_the_proxy_s_own_twelve_epochs(rows: int, keep_ratio: float, expected: float) -> None:
    assert cost(rows, keep_ratio, 12) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(("epochs", "most"), [(2, 0.9), (3, 0.61)])
def test_where_an_epoch_each_is_more_than_half_a_run_that_is_what_it_takes(epochs: int, most: float) -> None:
    costs = [cost(rows, keep_ratio, epochs) for rows in (6_000, 100_000) for keep_ratio in (0.3, 0.7, 0.95)]

    assert max(costs) == pytest.approx(most, abs=0.01)
    plan = PruningPlan(keep_ratio=0.95, guard=True)
    short = shorten_training(resolve_proxy(ProxySpec(name="mlp", epochs=epochs)), plan, rows=6_000)
    assert short.training.epochs == 1


@pytest.mark.parametrize("keep_ratio", [0.3, 0.7])
def test_the_guard_trains_and_measures_as_much_as_was_announced(noisy_digits: Samples, keep_ratio: float) -> None:
    rows, plan = len(noisy_digits), PruningPlan(keep_ratio=keep_ratio, guard=True)
    proxy = resolve_proxy(ProxySpec(name="mlp", epochs=EPOCHS))

    final = guarded(noisy_digits, keep_ratio=keep_ratio)

    assert final.choice
    trained, measured = final.choice.samples_trained, final.choice.samples_measured
    assert trained == pytest.approx(trial_rows_trained(rows, plan, proxy), rel=0.05)
    assert measured == pytest.approx(2 * (rows - trial_rows(rows, plan)), rel=0.05)
    guarded_work, plain_work = (
        most_work(rows, PruningPlan(keep_ratio=keep_ratio, guard=guard), proxy) for guard in (True, False)
    )
    assert guarded_work is not None
    assert plain_work is not None
    assert row_work(trained, measured) == pytest.approx(guarded_work - plain_work, rel=0.05)
    own = most_rows_trained(rows, PruningPlan(keep_ratio=keep_ratio), proxy)
    assert own is not None
    assert final.samples_trained - trained == pytest.approx(own, abs=2)  # halves are rounded to whole rows


# --- where it is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "fact"),
    [
        ({"q": "auto"}, "A guard with q auto, which tries random rows anyway"),
        ({"method": "random"}, "A guard with method random"),
        ({"method": "el2n"}, "A guard with method el2n"),
    ],
    ids=["auto", "random", "el2n"],
)
def test_a_guard_is_refused_where_there_is_nothing_for_it_to_do(
    noisy_digits: Samples, plan: dict[str, Any], fact: str
) -> None:
    with pytest.raises(SettingUnsuited) as refused:
        guarded(noisy_digits, **plan)

    assert (refused.value.fact, refused.value.field) == (fact, "plan.guard")
