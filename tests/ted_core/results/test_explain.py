"""What became of every row of the dataset, and why."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results.decisions import Decisions, Reason
from ted_core.results.explain import decide
from ted_core.results.provenance import ProxyAccuracy
from ted_core.selection.baselines import METHODS
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round

PLAN = PruningPlan(keep_ratio=0.5, q=1)


def table(rows: int, *, undecodable: tuple[int, ...] = (), labels: list[int] | None = None) -> Samples:
    """A dataset of ``rows`` rows, some of which are no samples."""
    usable = np.setdiff1d(np.arange(rows, dtype=np.uint64), np.array(undecodable, np.uint64))
    codes = np.array(labels or [row % 2 for row in range(len(usable))])
    keys = pa.array([f"row-{row}" for row in range(rows)])
    return Samples(np.zeros((len(usable), 1), np.float32), codes, ("cat", "dog"), usable, rows=rows, sample_key=keys)


def last_round(
    score: list[float],
    retained: list[int],
    *,
    performance: list[float] | None = None,
    q: float | None = 1.0,
    priority: list[float] | None = None,
) -> Round:
    mask, found = np.isin(np.arange(len(score)), retained), np.array(score, float)
    return Round(
        number=4,
        rounds=4,
        retained=mask,
        score=np.array(score, np.float32),
        internal_generalization=np.array(performance or score, np.float32),
        last_round=np.where(mask, 4, 2).astype(np.uint16),
        train_loss=0.1,
        samples_trained=10,
        samples_measured=10,
        q=q,
        margin=np.full(len(score), 0.5, np.float32),
        order=np.array(performance or score, np.float32),
        rule=None if q is None else "probability",
        priority=None if priority is None else np.array(priority, np.float32),
        inclusion_probability=None if q is None else np.minimum(found / found[mask].min(), 1),
    )


def rival(method: str, **choices: Any) -> PruningPlan:
    return PruningPlan.model_validate({"keep_ratio": 0.5, "method": method} | choices)


def reasons(found: Decisions) -> list[Reason]:
    return [Reason(reason) for reason in found.reason]


def test_the_best_kept_row_ranks_first_and_every_kept_row_before_every_pruned_one() -> None:
    final = last_round([0.1, 0.4, 0.3, 0.2], retained=[0, 2])

    found = decide(final, table(4), PLAN)

    assert found.rank.tolist() == [1, 2, 0, 3]
    assert found.kept.tolist() == [True, False, True, False]


def test_ranks_are_a_permutation_and_ties_go_to_the_earlier_row() -> None:
    final = last_round([0.5, 0.5, 0.5, 0.5, 0.9], retained=[1, 3])

    found = decide(final, table(5), PLAN)

    assert sorted(found.rank.tolist()) == list(range(5))
    assert found.rank.tolist() == [3, 0, 4, 1, 2]


def test_cutting_at_the_target_by_rank_is_the_selection() -> None:
    samples = table(100)
    plan = PruningPlan(keep_ratio=0.3, class_floor=0.2)
    *_, final = prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=3))

    found = decide(final, samples, plan)

    np.testing.assert_array_equal(found.rank < 30, found.kept)
    np.testing.assert_array_equal(found.kept, final.retained)


def test_undecodable_rows_are_pruned_rank_last_and_have_no_measure() -> None:
    final = last_round([0.1, 0.3, 0.2], retained=[1])

    found = decide(final, table(5, undecodable=(0, 3)), PLAN)

    assert found.kept.tolist() == [False, False, True, False, False]
    assert found.rank.tolist() == [3, 2, 0, 4, 1]
    assert found.label.tolist() == [-1, 0, 1, -1, 0]
    assert found.last_round.tolist() == [0, 2, 4, 0, 2]
    assert [Reason(found.reason[row]) for row in (0, 3)] == [Reason.UNDECODABLE] * 2
    np.testing.assert_array_equal(np.isnan(found.score), [True, False, False, True, False])
    np.testing.assert_array_equal(np.isnan(found.internal_generalization), [True, False, False, True, False])


def test_measures_keys_and_classes_are_those_of_the_rows() -> None:
    final, samples = last_round([0.25, 0.5], retained=[1], performance=[0.75, 0.125]), table(3, undecodable=(1,))

    found = decide(final, samples, PLAN)

    assert found.score[[0, 2]].tolist() == [0.25, 0.5]
    assert found.internal_generalization[[0, 2]].tolist() == [0.75, 0.125]
    assert (found.classes, found.sample_key) == (("cat", "dog"), samples.sample_key)


@pytest.mark.parametrize(("q", "turning_point"), [(1, 1 / 2), (4, 4 / 5)])
def test_pruned_rows_are_redundant_above_the_turning_point_and_hard_below(q: float, turning_point: float) -> None:
    performance = [0.5, turning_point + 0.01, turning_point - 0.01]
    final = last_round([0.9, 0.1, 0.2], retained=[0], performance=performance, q=q)

    found = decide(final, table(3), PruningPlan(keep_ratio=0.5, q=q))

    assert reasons(found) == [Reason.KEPT, Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED]


@pytest.mark.parametrize("highest", [-0.6, 0.0, 0.3])
def test_along_the_margin_they_are_above_and_below_the_row_with_the_highest_score(highest: float) -> None:
    """However they perform: among many classes a small probability may be far ahead of every other."""
    margin = np.array([highest, highest + 0.01, highest - 0.01], np.float32)
    by_performance = last_round([0.9, 0.1, 0.2], retained=[0], performance=[0.5, 0.1, 0.9], q=None)
    final = replace(
        by_performance,
        margin=margin,
        order=margin,
        rule="margin",
        inclusion_probability=np.array([1.0, 0.1, 0.2]),
    )

    found = decide(final, table(3), PruningPlan(keep_ratio=0.5))

    assert reasons(found) == [Reason.KEPT, Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED]


def test_the_default_plan_calls_sure_rows_redundant_and_contradicted_ones_hard(
    noisy_digits: Samples, flipped: np.ndarray
) -> None:
    plan = PruningPlan(keep_ratio=0.6)
    *_, final = prune(noisy_digits, plan, proxy=ProxySpec(name="mlp", epochs=40))

    found = decide(final, noisy_digits, plan)

    assert found.margin is not None
    redundant, hard = (found.reason == reason for reason in (Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED))
    assert found.margin[redundant].min() >= found.margin[found.score.argmax()] > found.margin[hard].max()
    assert hard[flipped].mean() > 0.8
    assert redundant[flipped].mean() < 0.1 < redundant[~flipped].mean()


def test_margins_and_probabilities_of_being_kept_are_those_of_the_rows() -> None:
    final = last_round([0.25, 0.5], retained=[1])
    final = replace(final, margin=np.array([-0.25, 0.75], np.float32))

    found = decide(final, table(3, undecodable=(1,)), PLAN)

    assert found.margin is not None
    assert found.inclusion_probability is not None
    np.testing.assert_array_equal(found.margin, np.array([-0.25, np.nan, 0.75], np.float32))
    np.testing.assert_array_equal(found.inclusion_probability, np.array([0.5, np.nan, 1.0], np.float32))


@pytest.mark.parametrize("method", ["el2n", "grand", "forgetting", "ccs", "dual"])
def test_what_chance_had_no_part_in_has_no_probability_and_what_nobody_measured_no_margin(method: str) -> None:
    samples, plan = table(40), rival(method)
    (final,) = prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=3))

    found = decide(final, samples, plan)

    assert (found.margin, found.inclusion_probability) == (None, None)


@pytest.mark.parametrize(("method", "class_floor"), [("random", 0.0), ("random", 0.3), ("stratified", 0.0)])
def test_random_rows_all_had_the_probability_of_their_share(method: str, class_floor: float) -> None:
    samples, plan = table(40), rival(method, class_floor=class_floor)
    (final,) = prune(samples, plan, proxy=ProxySpec(name="mlp"))

    probability = decide(final, samples, plan).inclusion_probability

    assert probability is not None
    groups = samples.labels if class_floor or method == "stratified" else np.zeros(40, int)
    for group in np.unique(groups):
        share = final.retained[groups == group].mean()
        assert probability[groups == group].tolist() == pytest.approx([share] * int((groups == group).sum()))


def test_what_the_pretrained_model_makes_of_a_row_goes_with_it() -> None:
    final, samples = last_round([0.25, 0.5], retained=[1]), table(3, undecodable=(1,))

    found = decide(final, samples, PLAN, base=np.array([0.5, 0.75], np.float32))

    assert found.base_performance is not None
    np.testing.assert_array_equal(found.base_performance, np.array([0.5, np.nan, 0.75], np.float32))
    assert decide(final, samples, PLAN).base_performance is None


def test_every_class_of_a_row_is_known_and_its_label_is_the_rarest() -> None:
    samples = table(5, undecodable=(1,), labels=[0] * 4)
    flags = np.array([[1, 1], [1, 0], [0, 0], [1, 0]], np.float32)

    found = decide(last_round([0.1] * 4, retained=[0, 1]), replace(samples, labels=flags), PLAN)

    assert found.label.tolist() == [1, -1, 0, -1, 0]
    row, label = found.memberships
    assert list(zip(row.tolist(), label.tolist(), strict=True)) == [(0, 0), (0, 1), (2, 0), (4, 0)]


def test_where_rows_have_one_class_the_label_says_it_all() -> None:
    row, label = decide(last_round([0.1, 0.2], retained=[0]), table(3, undecodable=(1,)), PLAN).memberships

    assert list(zip(row.tolist(), label.tolist(), strict=True)) == [(0, 0), (2, 1)]


def test_a_row_that_only_the_class_floor_saved_says_so() -> None:
    final = last_round([0.9, 0.8, 0.7, 0.1], retained=[0, 1, 3])

    found = decide(final, table(4), PruningPlan(keep_ratio=0.75, q=1, class_floor=0.5))

    assert reasons(found) == [Reason.KEPT, Reason.KEPT, Reason.RANDOM, Reason.CLASS_FLOOR]


def test_without_a_floor_no_row_is_kept_for_it_even_where_scores_became_equal() -> None:
    """Two scores that differ in float64 may be one in the float32 that a round carries."""
    final = last_round([0.9, 0.1, 0.1], retained=[0, 2])

    found = decide(final, table(3), PLAN)

    assert reasons(found) == [Reason.KEPT, Reason.RANDOM, Reason.KEPT]


def test_a_random_selection_claims_no_merit() -> None:
    samples, plan = table(40), PruningPlan(keep_ratio=0.5, method="random")
    (final,) = prune(samples, plan, proxy=ProxySpec(name="mlp"))

    found = decide(final, samples, plan)

    assert set(reasons(found)) == {Reason.KEPT, Reason.RANDOM}
    np.testing.assert_array_equal(found.reason == Reason.KEPT, found.kept)
    np.testing.assert_array_equal(found.rank < 20, found.kept)


@pytest.mark.parametrize("method", ["random", "stratified", "dual"])
def test_what_was_drawn_and_what_was_not_is_all_that_a_draw_can_say(method: str) -> None:
    final = last_round([0.9, 0.1, 0.2, 0.3], retained=[0, 1], q=None, priority=[3, 4, 2, 1])

    found = decide(final, table(4), rival(method))

    assert reasons(found) == [Reason.KEPT, Reason.KEPT, Reason.RANDOM, Reason.RANDOM]


def test_random_rows_that_ted_chose_over_its_own_are_drawn_rows() -> None:
    final = last_round([0.9, 0.1, 0.2, 0.3], retained=[0, 1], q=None, priority=[3, 4, 2, 1])

    found = decide(final, table(4), PruningPlan(keep_ratio=0.5))

    assert set(reasons(found)) == {Reason.KEPT, Reason.RANDOM}


@pytest.mark.parametrize("method", ["el2n", "grand", "forgetting"])
def test_a_rival_that_keeps_the_highest_scores_says_that_the_others_scored_lower(method: str) -> None:
    final = last_round([0.9, 0.1, 0.8, 0.7], retained=[0, 1, 2], q=None)

    found = decide(final, table(4), rival(method, keep_ratio=0.75, class_floor=0.5))

    assert reasons(found) == [Reason.KEPT, Reason.CLASS_FLOOR, Reason.KEPT, Reason.SCORED_LOWER]


def test_ccs_tells_the_hardest_rows_that_it_cut_from_those_it_did_not_draw() -> None:
    """Of ten rows with one kept, the three lowest are cut."""
    final = last_round([0.1 * row for row in range(10)], retained=[5], q=None, priority=[0, 0, 0, 1, 1, 2, 1, 1, 1, 1])

    found = decide(final, table(10), rival("ccs", keep_ratio=0.1))

    cut, not_drawn = [Reason.SCORED_LOWER], [Reason.RANDOM]
    assert reasons(found) == [*cut * 3, *not_drawn * 2, Reason.KEPT, *not_drawn * 4]


def test_a_row_is_kept_on_merit_by_its_priority_not_its_score() -> None:
    final = last_round([0.9, 0.8, 0.1], retained=[1, 2], q=None, priority=[0.5, 0.1, 0.7])

    found = decide(final, table(3), rival("ccs", keep_ratio=0.6))

    assert reasons(found) == [Reason.RANDOM, Reason.CLASS_FLOOR, Reason.KEPT]


def test_priority_ranks_where_there_is_one() -> None:
    final = last_round([0.1, 0.4, 0.3, 0.2], retained=[0, 2], q=None, priority=[0.4, 0.1, 0.3, 0.2])

    found = decide(final, table(4), rival("dual"))

    assert found.rank.tolist() == [0, 3, 1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_cutting_a_rivals_ranks_at_the_target_is_its_selection(method: str) -> None:
    samples, plan = table(40), rival(method, class_floor=0.3)
    (final,) = prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=3))

    found = decide(final, samples, plan)

    np.testing.assert_array_equal(found.rank < 20, found.kept)
    assert sorted(found.rank.tolist()) == list(range(40))


@pytest.mark.parametrize("method", ["random", "stratified"])
def test_a_smaller_part_of_a_draw_is_left_to_chance(method: str) -> None:
    """Were it the first rows of a dataset that is sorted by class, a smaller cut would be one class."""
    samples, first = table(40), np.zeros(40)

    for seed in range(200):
        plan = rival(method, seed=seed)
        (final,) = prune(samples, plan, proxy=ProxySpec(name="mlp"))
        first += decide(final, samples, plan).rank < 10

    assert first == pytest.approx(np.full(40, 50), abs=25)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    phrases: dict[str, Any] = {each.phrase: each for each in Reason}

    assert phrases[reason.phrase] is reason


def test_the_numbers_of_the_reasons_are_those_of_manifests_already_written() -> None:
    assert [reason.name for reason in sorted(Reason)] == [
        "KEPT",
        "WELL_GENERALIZED",
        "POORLY_GENERALIZED",
        "CLASS_FLOOR",
        "UNDECODABLE",
        "RANDOM",
        "SCORED_LOWER",
        "UNKNOWN",
    ]


# --- a proxy that has not learned -------------------------------------------------------------------------------------


def accuracy(*, has_learned: bool | None) -> ProxyAccuracy:
    return ProxyAccuracy(out_of_sample=0.5, standard_error=0.01, performance=0.5, has_learned=has_learned)


def test_why_rows_were_pruned_is_unknown_if_the_proxy_has_not_learned() -> None:
    final = last_round([0.9, 0.1, 0.2, 0.9], retained=[0], performance=[0.5, 0.9, 0.1, 0.5])

    found = decide(final, table(4), PLAN, accuracy=accuracy(has_learned=False))

    assert reasons(found) == [Reason.KEPT, Reason.UNKNOWN, Reason.UNKNOWN, Reason.RANDOM]


@pytest.mark.parametrize("told", [None, accuracy(has_learned=None), accuracy(has_learned=True)])
def test_a_proxy_that_has_learned_or_was_not_judged_has_reasons(told: ProxyAccuracy | None) -> None:
    final = last_round([0.9, 0.1, 0.2], retained=[0], performance=[0.5, 0.9, 0.1])

    found = decide(final, table(3), PLAN, accuracy=told)

    assert reasons(found) == [Reason.KEPT, Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED]


def test_a_row_that_its_classs_share_kept_was_not_saved_by_a_floor() -> None:
    final = last_round([0.9, 0.8, 0.7, 0.1], retained=[0, 1, 3])

    found = decide(final, table(4), PruningPlan(keep_ratio=0.75, q=1, class_floor=0.5, class_balance="keep"))

    assert reasons(found) == [Reason.KEPT, Reason.KEPT, Reason.RANDOM, Reason.KEPT]


@pytest.mark.parametrize("method", ["ted", *METHODS])
@pytest.mark.parametrize("class_floor", [0.0, 0.3])
def test_every_method_keeps_each_classs_share_if_asked_and_ranks_say_so(method: str, class_floor: float) -> None:
    labels = [int(row % 4 == 0) for row in range(40)]
    samples = table(40, labels=labels)
    plan = rival(method, q=1, keep_ratio=0.4, class_floor=class_floor, class_balance="keep")
    *_, final = prune(samples, plan, proxy=ProxySpec(name="mlp", epochs=3))

    found = decide(final, samples, plan)

    assert np.bincount(np.array(labels)[found.kept]).tolist() == [12, 4]
    np.testing.assert_array_equal(found.rank < 16, found.kept)
    assert Reason.CLASS_FLOOR not in reasons(found)
