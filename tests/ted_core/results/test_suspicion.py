"""How suspicious a label is: the less probable the more, and more if it often stands for what the row looks like."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.results.suspects.label_odds import ClassProbabilities
from ted_core.results.suspects.suspicion import log_odds, suspicion, tendencies
from ted_core.selection.prune import prune
from ted_core.training.predictions import Predictions
from tests.ted_core import examples

Probabilities = list[list[float]]


def predicted(labels: np.ndarray, probabilities: np.ndarray) -> Predictions:
    """What a model says that gives every class these probabilities."""
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -1
    right = probabilities[rows, labels]
    return Predictions(
        right.astype(np.float32),
        (probabilities.argmax(1) == labels).astype(np.float32),
        (right - others.max(1)).astype(np.float32),
        probabilities.argmax(1).astype(np.float32),
    )


def odds(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    predictions = predicted(labels, probabilities)
    assert predictions.likeliest is not None
    return log_odds(labels, predictions, predictions.likeliest, classes=probabilities.shape[1])


@given(seed=st.integers(0, 1000))
def test_with_two_classes_the_less_probable_label_is_the_more_suspicious(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, probabilities = rng.integers(0, 2, 50), rng.dirichlet([1, 1], 50)

    found = odds(labels, probabilities)

    right = probabilities[np.arange(50), labels]
    assert found == pytest.approx(np.log((1 - right) / right), abs=0.02)


def test_a_label_that_often_stands_for_another_class_is_more_suspicious_where_the_row_looks_like_that() -> None:
    often = np.tile([0.1, 0.8, 0.1], (200, 1))
    twins = np.array([[0.3, 0.4, 0.3], [0.3, 0.3, 0.4]])
    sure = np.tile([0.6, 0.2, 0.2], (600, 1))
    labels = np.zeros(802, np.int64)

    *_, as_often, as_seldom = odds(labels, np.concatenate([often, sure, twins]))

    assert as_often > as_seldom + 0.1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=40))
def test_a_tendency_is_the_share_of_the_sure_pairs_drawn_towards_all_alike(pairs: list[tuple[int, int, bool]]) -> None:
    pairs = [(label, rival if rival != label else (label + 1) % 4, is_sure) for label, rival, is_sure in pairs]
    label, rival, is_sure = (np.array(column) for column in zip(*pairs, strict=True))

    found = tendencies(label, rival, is_sure=is_sure, classes=4, prior=20)

    for (own, other, _), tendency in zip(pairs, found, strict=True):
        of_label = [pair for pair in pairs if pair[0] == own and pair[2]]
        together = [pair for pair in of_label if pair[1] == other]
        share = (len(together) + 20 / 3) / (len(of_label) + 20)
        assert tendency == pytest.approx(3 * share)


def contradicted(rows: int, *, dependence: float) -> ClassProbabilities:
    """Samples of eight classes, one of which is surely right; the label is another, by its probability's power."""
    rng = np.random.default_rng(0)
    others = rng.dirichlet(np.full(7, 0.3), rows) / 4
    weights = np.maximum(others, 1e-6) ** dependence
    label = (weights.cumsum(1) > rng.random((rows, 1)) * weights.sum(1, keepdims=True)).argmax(1)
    right = others[np.arange(rows), label]
    return ClassProbabilities(right, np.full(rows, 0.75), (0.25 - right) / 6, classes=8)


def test_sure_contradictions_tell_how_far_wrong_labels_depend_on_the_sample() -> None:
    found = [contradicted(1000, dependence=true).dependence(np.ones(1000), sure=2000) for true in (0.0, 0.4, 1.0)]

    assert found == sorted(found)
    assert found[0] == 0
    assert found[2] > 0.8


def test_few_contradictions_among_many_sure_samples_are_no_evidence() -> None:
    few = contradicted(20, dependence=1.0)

    assert few.dependence(np.ones(20), sure=4000) == 0 < few.dependence(np.ones(20), sure=40)


def test_labels_that_their_classes_explain_do_not_depend_on_the_sample() -> None:
    always = np.full(500, 7 - 1e-3)

    assert contradicted(500, dependence=0.0).dependence(always, sure=500) == 0


def test_without_a_sure_contradiction_nothing_depends_on_the_sample() -> None:
    assert contradicted(0, dependence=1.0).dependence(np.zeros(0), sure=100) == 0


def test_where_wrong_labels_depend_on_the_sample_a_likely_label_beside_a_likelier_class_is_the_more_suspicious() -> (
    None
):
    probabilities = ClassProbabilities(np.array([0.3, 0.2]), np.array([0.7, 0.2]), np.array([0.0, 0.2]), classes=5)

    independent, dependent = (probabilities.log_odds(np.ones(2), strength) for strength in (0.0, 1.0))

    assert independent[1] > independent[0]
    assert dependent[0] > dependent[1]


@given(classes=st.integers(2, 6), seed=st.integers(0, 1000))
def test_every_suspicion_is_finite_even_where_a_model_is_certain(classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, 30)
    probabilities = np.eye(classes)[rng.integers(0, classes, 30)]

    assert np.isfinite(odds(labels, probabilities)).all()


def test_samples_without_a_class_each_are_ranked_by_their_margins() -> None:
    samples = examples.random_vectors(60)
    *_, final = prune(samples, PruningPlan(keep_ratio=0.5), proxy=ProxySpec(name="mlp", epochs=4))
    assert final.predictions is not None
    nameless = replace(final, predictions=replace(final.predictions, likeliest=np.full(60, -1, np.float32)))

    assert suspicion(nameless, samples) == pytest.approx(-final.margin)
    assert suspicion(final, samples) != pytest.approx(-final.margin)
    assert suspicion(replace(final, predictions=None), samples) is None
