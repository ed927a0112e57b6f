"""The rivals select what their papers say, the same again with the same seed, and neither more nor fewer rows."""

from collections.abc import Callable
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from ted_core.datasets import Samples
from ted_core.errors import TedError, TooFewRounds, TooFewRowsKept, TrainingDiverged
from ted_core.plan import MethodName, PruningPlan
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.proxies.build import weights_digest
from ted_core.random_streams import Stream
from ted_core.selection.baselines import METHODS
from ted_core.selection.baselines.ccs import aum_score, budgets, ccs_priority, ccs_rows, hardest, hardest_share, strata
from ted_core.selection.baselines.common import Quota, highest_rows, sample_per_group
from ted_core.selection.baselines.dual import beta_shape, dual_rows, dual_score, log_weights
from ted_core.selection.baselines.early import MODELS, early_epochs, early_scores, error_norms
from ted_core.selection.baselines.forgetting import forgetting_score
from ted_core.selection.baselines.random import stratified_rows
from ted_core.selection.baselines.training_dynamics import Observation, TrainingCost, observe
from ted_core.selection.prune import prune
from ted_core.selection.random import uniform_numbers
from ted_core.selection.rounds import ProgressUpdate, Round
from ted_core.selection.sampling.highest import proportional_shares
from ted_core.training.gradients import gradient_norms
from tests.reference import baselines
from tests.ted_core import examples

SAMPLES = examples.random_vectors(120, classes=3)
OBSERVED, SCORED = ("forgetting", "ccs", "dual"), ("el2n", "grand", "forgetting", "ccs", "dual")
EPOCHS = 6

scores = st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=60)


def training(**choices: object) -> ResolvedProxy:
    return resolve_proxy(ProxySpec.model_validate({"name": "mlp", "epochs": EPOCHS} | choices))


def selected(method: str, samples: Samples = SAMPLES, *, watch: Any = None, epochs: int = EPOCHS, **plan: Any) -> Round:
    """The one round of a rival."""
    chosen = PruningPlan.model_validate({"keep_ratio": 0.4, "method": method} | plan)
    (only,) = prune(samples, chosen, proxy=ProxySpec(name="mlp", epochs=epochs), watch=watch or (lambda _: None))
    return only


@cache
def usual(method: str) -> Round:
    return selected(method)


def contents(found: Round) -> list[object]:
    return [value.tobytes() if isinstance(value, np.ndarray) else value for value in vars(found).values()]


def quota(count: int, samples: int, *, seed: int = 0, labels: list[int] | None = None, floor: float = 0.0) -> Quota:
    return Quota(count, np.array(labels or [0] * samples, np.int64), seed, floor)


def observation(**fields: Any) -> Observation:
    """What the test says was observed, of four samples unless told otherwise."""
    nothing = np.zeros(4, np.float32)
    usually = dict.fromkeys(("probability", "margin", "dual", "dual_probability"), nothing)
    counted = {"forgotten": np.zeros(4, np.uint16), "learned": np.ones(4, bool)}
    return Observation(**{"epochs": 9, "cost": TrainingCost(0.1, 1, 1), **usually, **counted, **fields})


# --- every rival ----------------------------------------------------------------------------------------------------


def test_every_method_that_a_plan_may_name_but_ted_is_a_rival() -> None:
    assert set(get_args(MethodName)) == {"ted", *METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_a_rival_yields_one_round_with_exactly_the_rows_that_the_plan_keeps(method: str) -> None:
    found = usual(method)

    assert (found.number, found.rounds) == (1, 1)
    assert found.retained.sum() == 48
    np.testing.assert_array_equal(found.last_round, found.retained)
    assert np.isnan(found.internal_generalization).all()
    assert (found.q, found.choice, found.mean_internal_generalization) == (None, None, None)


@pytest.mark.parametrize("method", METHODS)
def test_the_highest_priorities_are_kept_and_none_ties(method: str) -> None:
    found = usual(method)

    assert found.priority[found.retained].min() > found.priority[~found.retained].max()
    assert len(np.unique(found.priority)) == len(found.priority)


@pytest.mark.parametrize("method", METHODS)
def test_equal_seeds_select_alike_bit_for_bit(method: str) -> None:
    assert contents(selected(method)) == contents(usual(method))


@pytest.mark.parametrize("method", METHODS)
def test_another_seed_selects_others(method: str) -> None:
    other = selected(method, epochs=3, seed=1)

    assert other.retained.tolist() != usual(method).retained.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_a_rare_class_keeps_its_floor_and_the_count_stays_exact(method: str) -> None:
    rare = examples.samples(SAMPLES.inputs, np.arange(120) < 11)

    found = selected(method, rare, class_floor=0.4, epochs=3)

    assert found.retained[:11].sum() >= 4
    assert found.retained.sum() == 48


@pytest.mark.parametrize("method", SCORED)
def test_whoever_watches_hears_of_the_training_until_it_is_done(method: str) -> None:
    steps: list[ProgressUpdate] = []

    found = selected(method, epochs=3, watch=steps.append)

    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] == pytest.approx(1)
    assert steps[-1].samples_trained == found.samples_trained
    assert {(step.round, step.rounds) for step in steps} == {(1, 1)}


@pytest.mark.parametrize(
    ("method", "trained", "measured"),
    [
        ("random", 0, 0),
        ("stratified", 0, 0),
        ("el2n", 10 * 3, 10),
        ("grand", 10 * 3, 10),
        ("forgetting", 30, 30),
        ("ccs", 30, 30),
        ("dual", 6, 6),
    ],
)
def test_the_cost_is_the_papers(method: str, trained: int, measured: int) -> None:
    few = examples.random_vectors(32)

    found = selected(method, few, epochs=30)

    assert (found.samples_trained, found.samples_measured) == (32 * trained, 32 * measured)
    assert (found.train_loss is None) == (trained == 0)


@pytest.fixture(scope="module")
def on_noisy_digits(noisy_digits: Samples) -> Callable[[str], Round]:
    """Method → its selection of 30 % of the digits, a fifth of which have a wrong label."""
    return cache(lambda method: selected(method, noisy_digits, keep_ratio=0.3, epochs=8))


@pytest.mark.parametrize("method", SCORED)
def test_digits_are_scored_each_with_a_number(method: str, on_noisy_digits: Callable[[str], Round]) -> None:
    found = on_noisy_digits(method)

    assert found.retained.sum() == 539
    assert found.score.dtype == np.float32
    assert np.isfinite(found.score).all()
    assert len(np.unique(found.score)) > 1


@pytest.mark.parametrize("method", ["el2n", "grand", "forgetting"])
def test_those_that_keep_the_hardest_keep_wrong_labels(
    method: str, on_noisy_digits: Callable[[str], Round], flipped: np.ndarray
) -> None:
    found = on_noisy_digits(method)

    assert found.retained[flipped].mean() > 0.55
    assert found.retained[~flipped].mean() < 0.25


def test_ccs_cuts_mostly_wrong_labels(
    on_noisy_digits: Callable[[str], Round], noisy_digits: Samples, flipped: np.ndarray
) -> None:
    aum, tenth = on_noisy_digits("ccs").score, Quota.of(noisy_digits, PruningPlan(keep_ratio=0.1))

    cut = hardest(aum, tenth)

    assert not (cut & ccs_rows(aum, tenth)).any()
    assert cut[flipped].mean() > 0.8
    assert cut[~flipped].mean() < 0.2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("error", "plan"), [(TooFewRowsKept, {"keep_ratio": 0.01}), (TooFewRounds, {"rounds": 7})])
def test_what_cannot_work_is_refused_in_words(method: str, error: type[TedError], plan: dict[str, Any]) -> None:
    with pytest.raises(error, match="raise"):
        selected(method, **plan)


@pytest.mark.parametrize("method", METHODS)
def test_the_shortest_run_the_fewest_rows_and_two_classes_are_enough(method: str) -> None:
    few = examples.random_vectors(9, classes=2)

    found = selected(method, few, keep_ratio=0.9, epochs=3)

    assert found.retained.sum() == 8


@pytest.mark.parametrize("method", SCORED)
def test_divergence_ends_a_rival_in_words(method: str) -> None:
    broken = examples.samples(SAMPLES.inputs.copy(), SAMPLES.labels)
    broken.inputs[0, 0] = np.nan

    with pytest.raises(TrainingDiverged):
        selected(method, broken, epochs=3)


# --- the highest scores, and members of groups by lot ----------------------------------------------------------------


@given(scores, st.data())
def test_no_sample_is_kept_while_a_higher_one_goes(found: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(found) - 1))

    kept = highest_rows(np.array(found, np.float32), quota(count, len(found)))

    assert kept.sum() == count
    assert min(np.array(found)[kept]) >= max(np.array(found)[~kept])


def test_where_all_scores_tie_every_sample_has_the_same_chance() -> None:
    draws = [highest_rows(np.zeros(20, np.float32), quota(8, 20, seed=seed)) for seed in range(1000)]

    assert np.abs(np.mean(draws, axis=0) - 0.4).max() < 0.08


def test_lots_for_one_use_say_nothing_about_those_for_another() -> None:
    ties, draws = (uniform_numbers(1000, seed=3, stream=stream) for stream in (Stream.TIES, Stream.GROUP_SAMPLING))

    assert abs(np.corrcoef(ties, draws)[0, 1]) < 0.1


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.lists(st.integers(0, 8), min_size=6, max_size=6))
def test_a_group_gives_what_its_budget_says_or_all_it_has(group: list[int], budget: list[int]) -> None:
    drawn = sample_per_group(np.array(group), np.array(budget), seed=0)

    for index in range(6):
        assert drawn[np.array(group) == index].sum() == min(budget[index], group.count(index))


# --- class-stratified random rows ------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.data())
def test_shares_are_those_of_the_largest_remainders(sizes: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, sum(sizes)))

    found = proportional_shares(np.array(sizes), count)

    assert found.tolist() == baselines.largest_remainder(sizes, count)
    assert found.sum() == count


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), st.data())
def test_every_class_is_drawn_by_its_share(labels: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(labels)))

    kept = stratified_rows(quota(count, len(labels), labels=labels))

    classes = sorted(set(labels))
    expected = baselines.largest_remainder([labels.count(label) for label in classes], count)
    assert [int(kept[np.array(labels) == label].sum()) for label in classes] == expected


def test_every_row_of_a_class_has_the_same_chance_to_be_drawn() -> None:
    labels = [0] * 10 + [1] * 30

    draws = [stratified_rows(quota(16, 40, seed=seed, labels=labels)) for seed in range(1000)]

    assert np.abs(np.mean(draws, axis=0) - 0.4).max() < 0.08


def test_a_floor_above_a_rounded_share_is_kept_at_the_others_expense() -> None:
    labels = [0] * 20 + [1, 2]
    assert proportional_shares(np.array([20, 1, 1]), 15).tolist() == [13, 1, 1]

    kept = stratified_rows(quota(15, 22, labels=labels, floor=0.7))

    assert (kept[:20].sum(), kept.sum()) == (14, 15)


# --- EL2N and GraNd --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epochs", "before"), [(200, 20), (30, 3), (12, 1), (3, 1)])
def test_young_is_after_a_tenth_of_the_epochs_and_never_untrained(epochs: int, before: int) -> None:
    assert early_epochs(epochs) == before


def test_scores_are_means_over_ten_young_models_that_differ_each_in_eval_mode() -> None:
    seen: list[str] = []

    def spy(model: nn.Module, inputs: Tensor, _: Tensor) -> Tensor:
        assert not model.training
        seen.append(weights_digest(model))
        return torch.full((len(inputs),), float(len(seen)))

    found = early_scores(SAMPLES, training(epochs=20), [spy], seed=0)

    (score,) = found.scores
    assert len(set(seen)) == len(seen) == MODELS == 10
    assert score.tolist() == [5.5] * len(SAMPLES)
    assert found.cost.samples_trained == 10 * 2 * len(SAMPLES)


@pytest.mark.parametrize(
    ("method", "plain"),
    [("el2n", baselines.error_norms), ("grand", baselines.gradient_norms)],
)
def test_early_scores_are_those_of_one_sample_at_a_time(method: str, plain: Any) -> None:
    (expected,) = early_scores(SAMPLES, training(), [plain], seed=0).scores

    np.testing.assert_allclose(usual(method).score, expected, rtol=1e-3)


def test_several_measures_share_the_young_models() -> None:
    both = early_scores(SAMPLES, training(), [error_norms, gradient_norms], seed=0)

    np.testing.assert_array_equal(both.scores[0], usual("el2n").score)
    np.testing.assert_array_equal(both.scores[1], usual("grand").score)
    assert both.cost.samples_trained == usual("el2n").samples_trained


@pytest.mark.parametrize("method", ["el2n", "grand"])
def test_the_largest_errors_and_gradients_are_kept(method: str) -> None:
    found = usual(method)

    assert found.score[found.retained].min() >= found.score[~found.retained].max()


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_what_was_never_learned_counts_as_most_forgotten() -> None:
    seen = observation(forgotten=np.array([0, 3, 0, 1], np.uint16), learned=np.array([True, True, False, True]))

    assert forgetting_score(seen).tolist() == [0, 3, 9, 1]


def test_what_ties_at_the_edge_is_drawn_by_the_seed_not_by_the_row() -> None:
    found = usual("forgetting")

    edge = found.score[found.retained].min()
    tied = np.flatnonzero(found.score == edge)
    kept = found.retained[tied]
    assert 0 < kept.sum() < len(kept)
    assert not kept[: kept.sum()].all()


@pytest.mark.parametrize("method", OBSERVED)
def test_a_rival_scores_what_one_observation_shows(method: str) -> None:
    seen = observe(SAMPLES, training(), seed=0)

    score = {"forgetting": forgetting_score, "ccs": aum_score, "dual": dual_score}[method](seen)

    np.testing.assert_array_equal(usual(method).score, score)


# --- CCS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "share"),
    [(0.95, 0), (0.7, 0), (0.5, 0), (0.4, 0.05), (0.3, 0.1), (0.2, 0.1), (0.15, 0.2), (0.1, 0.3), (0.01, 0.3)],
)
def test_the_share_of_hardest_samples_follows_the_papers_table(kept: float, share: float) -> None:
    assert hardest_share(kept) == pytest.approx(share)


@given(scores)
def test_strata_are_equally_wide(found: list[float]) -> None:
    score = np.array(found, np.float32)
    low, high = float(score.min()), float(score.max())
    assume(high == low or high - low > 1e-3)
    offset = (score.astype(float) - low) / max(high - low, 1e-3) * 50
    inside = np.abs(offset - np.round(offset)) > 1e-6

    strata_found = strata(score)

    expected = [baselines.stratum(float(value), low, high) for value in score]
    assert strata_found[inside].tolist() == np.array(expected)[inside].tolist()
    assert strata_found[score == score.max()].max() == (49 if high > low else 0)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.data())
def test_budgets_are_those_of_the_papers_algorithm(sizes: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, sum(sizes)))

    granted = budgets(np.array(sizes), count)

    assert granted.tolist() == baselines.coverage_budgets(sizes, count)
    assert granted.sum() == count


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.7])
def test_ccs_takes_every_stratums_budget_and_none_of_the_hardest(keep: float) -> None:
    aum = np.random.default_rng(0).beta(5, 2, 1000).astype(np.float32)
    wanted = quota(round(keep * 1000), 1000)

    kept = ccs_rows(aum, wanted)

    cut = np.sort(aum)[round(hardest_share(keep) * 1000)]
    left = np.flatnonzero(aum >= cut)
    low, high = float(aum[left].min()), float(aum[left].max())
    index = np.array([baselines.stratum(float(aum[sample]), low, high) for sample in left])
    expected = baselines.coverage_budgets(np.bincount(index, minlength=50).tolist(), wanted.count)
    assert np.bincount(index[kept[left]], minlength=50).tolist() == expected
    assert kept.sum() == kept[left].sum() == wanted.count


def test_ccs_draws_within_a_stratum_by_the_seed() -> None:
    flat = np.zeros(20, np.float32)

    draws = [ccs_rows(flat, quota(8, 20, seed=seed)) for seed in range(1000)]

    assert np.abs(np.mean(draws, axis=0) - 0.4).max() < 0.08


def test_a_class_of_only_hardest_samples_keeps_its_floor_and_nothing_more() -> None:
    aum = np.concatenate([np.full(10, -1), np.linspace(0, 1, 90)]).astype(np.float32)
    labels = [0] * 10 + [1] * 90

    kept = ccs_rows(aum, quota(20, 100, labels=labels, floor=0.2))

    assert (kept[:10].sum(), kept.sum()) == (2, 20)


def test_the_hardest_stand_behind_what_was_merely_not_drawn() -> None:
    aum, wanted = np.linspace(0, 1, 200, dtype=np.float32), quota(20, 200)

    priority, cut = ccs_priority(aum, wanted), hardest(aum, wanted)

    assert cut.sum() == 60
    assert priority[cut].max() < priority[~cut].min()


def test_the_cut_leaves_enough() -> None:
    aum = np.arange(10, dtype=np.float32)

    assert hardest(aum, quota(1, 10)).tolist() == [True] * 3 + [False] * 7
    assert hardest(aum, quota(10, 10)).sum() == 0


# --- DUAL ------------------------------------------------------------------------------------------------------------


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_the_beta_density_is_the_papers(anchor: float, kept: float) -> None:
    first, second = beta_shape(anchor, kept)

    assert first + second == pytest.approx(16)
    assert second == pytest.approx(15 * (1 - anchor) * (1 - (1 - kept) ** 4))


@given(st.lists(st.tuples(st.floats(0.01, 0.5), st.floats(0.02, 0.98)), min_size=2, max_size=30), st.floats(0.1, 0.9))
def test_weights_are_score_times_density(samples: list[tuple[float, float]], kept: float) -> None:
    score, probability = np.array(samples).T

    found = np.exp(log_weights(score, probability, kept))

    top = sorted(range(len(samples)), key=lambda sample: (score[sample], sample))[-10:]
    anchor = float(np.mean([probability[sample] for sample in top]))
    plain = [baselines.dual_weight(*sample, anchor=anchor, pruned=1 - kept) for sample in samples]
    np.testing.assert_allclose(found / found.sum(), np.array(plain) / np.sum(plain), rtol=1e-6)


def test_rows_are_drawn_in_proportion_to_their_weights_without_replacement() -> None:
    score, probability = np.array([0.1, 0.2, 0.3, 0.05]), np.array([0.5, 0.4, 0.6, 0.9])

    draws = [dual_rows(score, probability, quota(2, 4, seed=seed)) for seed in range(4000)]

    weights = [
        baselines.dual_weight(s, p, anchor=float(probability.mean()), pruned=0.5)
        for s, p in zip(score, probability, strict=True)
    ]
    assert np.mean(draws, axis=0) == pytest.approx(baselines.inclusion(weights, 2), abs=0.03)


def test_the_fewer_are_kept_the_easier_they_are() -> None:
    rng = np.random.default_rng(0)
    probability, score = rng.random(2000).astype(np.float32), rng.uniform(0.05, 0.1, 2000).astype(np.float32)

    means = [probability[dual_rows(score, probability, quota(count, 2000))].mean() for count in (1000, 400, 100)]

    assert means[0] < means[1] < means[2]


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_a_score_of_zero_is_drawn_only_once_nothing_else_is_left(certain: float) -> None:
    probability = np.array([certain] * 5 + [0.5] * 5, np.float32)
    score = np.array([0] * 5 + [1e-6] * 5, np.float32)

    few, more = (dual_rows(score, probability, quota(count, 10)) for count in (5, 7))

    assert few.tolist() == [False] * 5 + [True] * 5
    assert (more[5:].all(), more.sum()) == (True, 7)
