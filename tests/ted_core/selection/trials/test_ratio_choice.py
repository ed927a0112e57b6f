"""An open keep ratio is the smallest whose loss, measured on halves of the rows, ends inside the tolerance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ted_core.datasets import Samples
from ted_core.errors import SettingUnsuited, TedError, TooFewRowsKept
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.selection.feasibility import check_feasibility
from ted_core.selection.prune import prune
from ted_core.selection.rounds import RatioPoint, Round
from ted_core.selection.trials.fresh_proxies import Split, SplitOutcome
from ted_core.selection.trials.half_trials import HalfTrials
from ted_core.selection.trials.ratio_choice import choose_ratio, share_seen, smallest_ratio
from ted_core.selection.trials.rule import Rule
from ted_core.selection.trials.trial import Trial
from ted_core.selection.workload import most_work, row_work
from ted_core.storage import checkpoint
from tests.ted_core import examples
from tests.ted_core.selection.test_resuming import Drawer, contents

EPOCHS = 8
PROXY = ProxySpec(name="mlp", epochs=EPOCHS)


def curve(*ends: float) -> list[RatioPoint]:
    """All rows, 70 % and 20 % of them, with intervals that end here."""
    ratios = (1.0, 0.7, 0.2)
    return [RatioPoint(ratio, 0.9, 0.0, 0.0, (-9.0, end)) for ratio, end in zip(ratios, (0.0, *ends), strict=False)]


@pytest.mark.parametrize(
    ("ends", "chosen"),
    [
        ((0.2, 0.3), 0.2),  # the smallest that is tried is good enough
        ((-1.0, -2.0), 0.2),  # better than all rows
        ((0.1, 0.6), 0.5),  # two fifths of the way from 0.7 to 0.2
        ((0.3, 2.0), 0.7),
        ((0.9,), 0.9),  # a third of the way from all rows to 0.7
        ((1.0,), 0.91),
        ((6.0,), 1.0),  # 0.985 is not worth pruning
    ],
    ids=str,
)
def test_the_ratio_is_where_the_curve_of_upper_ends_leaves_the_tolerance(
    ends: tuple[float, ...], chosen: float
) -> None:
    assert smallest_ratio(curve(*ends), tolerance=0.3) == chosen


class ScriptedTrials(HalfTrials):
    """Trials whose proxies are right as often as they are told."""

    def __init__(self, accuracies: dict[float, float]) -> None:
        object.__setattr__(self, "accuracies", accuracies)

    def run(self, rule: Rule, *keep_ratios: float) -> list[Trial]:
        accuracies = [self.accuracies[ratio] for ratio in keep_ratios]  # type: ignore[attr-defined]
        return [
            Trial(rule, accuracy, np.zeros(2), ratio, rows_trained=10, rows_measured=1)
            for ratio, accuracy in zip(keep_ratios, accuracies, strict=True)
        ]


def test_no_smaller_ratio_is_tried_once_one_costs_too_much() -> None:
    choice = choose_ratio(ScriptedTrials({1.0: 0.9, 0.7: 0.87}), Rule("margin"), tolerance=1.0)

    assert [(point.ratio, round(point.loss, 6)) for point in choice.points] == [(1.0, 0.0), (0.7, 3.0)]
    assert (choice.ratio, choice.samples_trained, choice.samples_measured) == (0.9, 20, 2)


@pytest.mark.parametrize(
    ("wrong", "classes", "seen"), [(0.0, 10, 1.0), (0.25, 2, 0.5), (0.2, 5, 0.75), (0.5, 2, 0.2), (0.9, 10, 0.2)]
)
def test_wrong_labels_hide_a_part_of_every_loss(wrong: float, classes: int, seen: float) -> None:
    assert share_seen(wrong, classes=classes) == pytest.approx(seen)

    trials = ScriptedTrials({1.0: 0.9, 0.7: 0.87})
    hidden = choose_ratio(trials, Rule("margin"), tolerance=1.0, seen=seen).points[1]
    assert hidden.loss == pytest.approx(3.0 / seen)


# --- with proxies -----------------------------------------------------------------------------------------------------


def pruned(samples: Samples, *, tolerance: float, checkpointer: Drawer | None = None, **plan: Any) -> Round:
    chosen = PruningPlan(keep_ratio="auto", tolerance=tolerance, **plan)
    resumable = {"checkpointer": checkpointer} if checkpointer else {}
    *_, final = prune(samples, chosen, proxy=PROXY, **resumable)
    return final


def test_what_is_kept_is_what_the_chosen_ratio_keeps(digits: Samples) -> None:
    final = pruned(digits, tolerance=60)

    assert final.ratio_choice
    assert final.ratio_choice.ratio == 0.2
    assert final.retained.sum() == round(0.2 * len(digits))
    assert final.inclusion_probability is not None
    assert final.inclusion_probability.sum() == pytest.approx(final.retained.sum())


def test_all_rows_are_kept_where_none_can_be_spared(digits: Samples) -> None:
    final = pruned(digits, tolerance=0.001)

    assert final.ratio_choice
    assert final.ratio_choice.ratio == 1
    assert final.retained.all()
    assert final.inclusion_probability is not None
    assert (final.inclusion_probability == 1).all()


def test_labels_that_look_wrong_are_taken_into_account(noisy_digits: Samples) -> None:
    final = pruned(noisy_digits, tolerance=2)

    assert final.ratio_choice
    assert final.noise
    everything, part = final.ratio_choice.points[:2]
    shown = 100 * (everything.accuracy - part.accuracy)
    assert final.noise.share > 0.1
    assert part.loss == pytest.approx(shown / share_seen(final.noise.share, classes=10))


def test_proxies_are_never_tested_on_rows_that_they_were_trained_on(
    digits: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def test(_: object, splits: Sequence[Split]) -> list[SplitOutcome]:
        seen.extend((split.trained, split.tested) for split in splits)
        return [SplitOutcome(split.tested.astype(np.float32), 0, 0) for split in splits]

    monkeypatch.setattr("ted_core.selection.trials.fresh_proxies.FreshProxies.test", test)

    final = pruned(digits, tolerance=1)

    assert final.ratio_choice
    assert [point.accuracy for point in final.ratio_choice.points] == [1.0, 1.0, 1.0]
    assert all((trained ^ tested).all() for trained, tested in seen[:1]), "all rows of one half, all of the other"
    assert not any((trained & tested).any() for trained, tested in seen)
    shares = [trained.mean() / seen[0][0].mean() for trained, _ in seen]
    assert shares == pytest.approx([1.0, 0.7, 0.2], abs=0.05)
    smaller, larger = seen[2][0], seen[1][0]
    assert (smaller & larger).sum() > 0.9 * smaller.sum(), "one draw is nearly part of the other"


def test_the_choice_takes_one_full_run_at_most(digits: Samples) -> None:
    final = pruned(digits, tolerance=50)

    choice, full = final.ratio_choice, len(digits) * EPOCHS
    plan = PruningPlan(keep_ratio="auto", tolerance=50)
    most = most_work(len(digits), plan, resolve_proxy(PROXY))
    assert choice
    assert most
    assert row_work(choice.samples_trained, choice.samples_measured) == pytest.approx(1.01 * full, rel=0.02)
    by_chance = 0.03  # of all work: how many of the kept rows lie in the half that is trained on
    assert row_work(final.samples_trained, final.samples_measured) <= (1 + by_chance) * most


def test_resumed_after_any_trial_the_same_ratio_is_chosen(digits: Samples, tmp_path: Path) -> None:
    kept = Drawer(tmp_path)
    undisturbed = pruned(digits, tolerance=60, checkpointer=kept)

    left = []
    for path in kept.paths[-4:]:  # after the last training, and after each of the three trials
        (tmp_path / path.stem).mkdir()
        resumed = Drawer(tmp_path / path.stem, checkpoint.read(path).state)
        again = pruned(digits, tolerance=60, checkpointer=resumed)
        assert contents(again) == contents(undisturbed)
        assert again.ratio_choice == undisturbed.ratio_choice
        left.append(len(resumed.paths))

    assert left == [3, 2, 1, 0], "a trial that was done is not done again"


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"keep_ratio": 0.5, "tolerance": 0.3}, "plan.tolerance"),
        ({"keep_ratio": "auto", "method": "random"}, "plan.keep_ratio"),
        ({"keep_ratio": "auto", "method": "el2n"}, "plan.keep_ratio"),
        ({"keep_ratio": "auto", "guard": True}, "plan.guard"),
        ({"keep_ratio": "auto", "q": "auto"}, "plan.q"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(plan: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingUnsuited) as refused:
        check_feasibility(PruningPlan(**plan), resolve_proxy(PROXY), kind="vector", rows=1000)

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("plan", "rows", "message"),
    [
        ({}, 50, "A keep_ratio of 0.2, which auto tries, leaves 10 of 50 rows for 2 classes"),
        ({"class_floor": 0.5}, 1000, "A class_floor of 0.5 keeps more than a keep_ratio of 0.2, which auto tries"),
    ],
    ids=["rows", "floor"],
)
def test_what_the_smallest_ratio_could_not_hold_is_refused(plan: dict[str, Any], rows: int, message: str) -> None:
    with pytest.raises(TooFewRowsKept, match=message):
        check_feasibility(PruningPlan(keep_ratio="auto", **plan), resolve_proxy(PROXY), kind="vector", rows=rows)


def test_few_rows_are_enough_for_every_trial() -> None:
    samples = examples.random_vectors(80, classes=8)

    try:
        final = pruned(samples, tolerance=100)
    except TedError as error:
        pytest.fail(f"what was admitted ends with {error}")

    assert final.ratio_choice
    assert len(final.ratio_choice.points) == 3
